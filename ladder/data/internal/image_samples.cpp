#include "ladder/data/internal/image_samples.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

namespace ladder::data {
namespace {

constexpr int64_t kMaxSide = 16384;

bool is_channels(int64_t size) { return size == 1 || size == 3; }

// Whether scaling from one size to the other stretches a picture by more than a tenth.
bool is_stretched(std::pair<int64_t, int64_t> from, std::pair<int64_t, int64_t> to) {
  constexpr double kMaxStretch = 1.1;
  const double ratio = static_cast<double>(from.first) * static_cast<double>(to.second) /
                       (static_cast<double>(from.second) * static_cast<double>(to.first));
  return ratio > kMaxStretch || 1 / ratio > kMaxStretch;
}

}  // namespace

torch::Tensor as_images(const std::string& component, const torch::Tensor& images,
                        const std::string& source) {
  const bool bytes = images.scalar_type() == at::kByte;
  if (bytes && images.dim() == 3) return images.unsqueeze(1);
  if (bytes && images.dim() == 4 && is_channels(images.size(1))) return images;
  if (bytes && images.dim() == 4 && is_channels(images.size(3))) {
    return images.permute({0, 3, 1, 2}).contiguous();
  }
  TORCH_CHECK(false, component, ": expected uint8 images [N, H, W], [N, C, H, W] or [N, H, W, C] ",
              "with 1 or 3 channels but got ", c10::toString(images.scalar_type()), " ",
              images.sizes(), " in ", source, ".");
}

void set_number_labels(Samples& samples, const torch::Tensor& numbers) {
  const torch::Tensor values = numbers.to(at::kLong).contiguous();
  const auto* data = values.const_data_ptr<int64_t>();
  std::set<int64_t> found(data, data + values.numel());
  found.erase(-1);
  const std::vector<int64_t> classes(found.begin(), found.end());
  samples.classes.clear();
  for (const int64_t value : classes) samples.classes.push_back(std::to_string(value));
  samples.labels = at::empty_like(values);
  auto* labels = samples.labels.data_ptr<int64_t>();
  for (int64_t i = 0; i < values.numel(); ++i) {
    const auto place = std::lower_bound(classes.begin(), classes.end(), data[i]);
    labels[i] = data[i] == -1 ? -1 : place - classes.begin();
  }
}

torch::Tensor scale_images(const torch::Tensor& images, std::pair<int64_t, int64_t> size) {
  const auto [height, width] = size;
  if (images.size(2) == height && images.size(3) == width) return images;
  return at::_upsample_bilinear2d_aa(images.contiguous(), {height, width},
                                     /*align_corners=*/false);
}

std::string sizes_text(std::vector<SizeGroup> groups) {
  std::stable_sort(groups.begin(), groups.end(), [](const SizeGroup& left, const SizeGroup& right) {
    return left.count > right.count;
  });
  constexpr size_t kShown = 3;
  std::string list;
  const size_t shown = std::min(groups.size(), kShown);
  for (size_t i = 0; i < shown; ++i) {
    const auto& [size, count, first] = groups[i];
    list += fmt::format("{}{}x{}",
                        i == 0                   ? ""
                        : i + 1 == groups.size() ? " and "
                                                 : ", ",
                        size.first, size.second);
    if (!first.empty()) {
      list += fmt::format(" ({} {}, such as {})", count, count == 1 ? "file" : "files", first);
    }
  }
  const size_t others = groups.size() - shown;
  if (others > 0) list += fmt::format(" and {} other size{}", others, others == 1 ? "" : "s");
  return list;
}

std::string scaling_note(const std::vector<SizeGroup>& groups, std::pair<int64_t, int64_t> size) {
  std::vector<SizeGroup> stretched;
  int64_t all = 0, count = 0;
  for (const SizeGroup& group : groups) {
    all += group.count;
    if (group.count == 0 || !is_stretched(group.size, size)) continue;
    count += group.count;
    stretched.push_back(group);
  }
  if (stretched.empty()) return {};
  return fmt::format(
      "scaling to {}x{} (height x width) changed the proportions of {}: {}", size.first,
      size.second,
      all == 1 ? std::string("the picture") : fmt::format("{} of {} pictures", count, all),
      sizes_text(std::move(stretched)));
}

void check_image_size(const std::string& component, std::pair<int64_t, int64_t> size) {
  const auto [height, width] = size;
  TORCH_CHECK(height >= 1 && width >= 1 && height <= kMaxSide && width <= kMaxSide, component,
              ": expected a size of 1x1 to ", kMaxSide, "x", kMaxSide, " but got ", height, "x",
              width, ".");
}

}  // namespace ladder::data
