#include "ladder/data/idx_folder.h"

#include <c10/util/Exception.h>
#include <torch/types.h>

#include <algorithm>
#include <string>
#include <vector>

#include "ladder/data/idx.h"
#include "ladder/data/internal/folders.h"
#include "ladder/data/internal/image_samples.h"

namespace ladder::data {
namespace {

namespace fs = std::filesystem;

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

// Names without ending of the files of images in a folder.
std::vector<std::string> image_stems(const fs::path& folder) {
  std::vector<std::string> stems;
  for (const std::string& name : names_in(folder)) {
    const std::string stem = plain_name(name);
    const bool known = std::find(stems.begin(), stems.end(), stem) != stems.end();
    if (!known && has(stem, "images") && (has(stem, "idx3") || has(stem, "idx4")) &&
        !find_named_file(folder, stem).empty()) {
      stems.push_back(stem);
    }
  }
  return stems;
}

std::optional<Part> part_of(const std::string& stem) {
  if (has(stem, "train")) return Part::kTrain;
  if (has(stem, "t10k") || has(stem, "test")) return Part::kTest;
  return std::nullopt;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  if (const size_t at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

fs::path find_labels(const fs::path& images) {
  const std::string stem = plain_name(images.filename().string());
  if (!has(stem, "images")) return {};
  std::string labels = replaced(stem, "images", "labels");
  labels = replaced(replaced(labels, "idx3", "idx1"), "idx4", "idx1");
  fs::path folder = images.parent_path();
  if (folder.empty()) folder = ".";
  if (fs::path found = find_named_file(folder, labels); !found.empty()) return found;
  // Copies in folders of their own name: the labels lie beside that folder.
  if (plain_name(folder.filename().string()) == stem) {
    return find_named_file(folder.parent_path(), labels);
  }
  return {};
}

}  // namespace

Samples read_idx_samples(const std::filesystem::path& images) {
  constexpr const char* kComponent = "read_idx_samples";
  Samples samples;
  samples.source = images.string();
  const torch::Tensor pixels = read_idx(images);
  TORCH_CHECK(pixels.dim() >= 3, kComponent, ": expected images but got ",
              pixels.dim() == 1 ? "labels" : "rows of bytes", ", uint8 ", pixels.sizes(), ", in ",
              images.string(), " (give the file of images).");
  samples.images = as_images(kComponent, pixels, images.string());
  TORCH_CHECK(samples.images.numel() > 0, kComponent, ": expected images but got uint8 ",
              pixels.sizes(), " in ", images.string(), ".");
  if (plain_name(images.filename().string()).starts_with("emnist")) {
    samples.images = samples.images.transpose(2, 3).contiguous();
  }
  const fs::path labels_path = find_labels(images);
  torch::Tensor labels = torch::full({samples.images.size(0)}, -1, torch::kLong);
  if (!labels_path.empty()) {
    labels = read_idx(labels_path);
    TORCH_CHECK(labels.dim() == 1, kComponent, ": expected labels [N] but got uint8 ",
                labels.sizes(), " in ", labels_path.string(), ".");
    TORCH_CHECK(labels.size(0) == samples.images.size(0), kComponent, ": expected ",
                samples.images.size(0), " labels, one for each image, but got ", labels.size(0),
                " in ", labels_path.string(), ".");
  }
  set_number_labels(samples, labels);
  return samples;
}

bool holds_idx(const std::filesystem::path& folder, std::optional<Part> part) {
  const auto stems = image_stems(folder);
  return std::any_of(stems.begin(), stems.end(),
                     [&](const std::string& stem) { return !part || part_of(stem) == part; });
}

Samples read_idx_folder(const std::filesystem::path& folder, Part part) {
  const auto stems = image_stems(folder);
  TORCH_CHECK(!stems.empty(),
              "read_idx_folder: expected IDX files of images, such as "
              "train-images-idx3-ubyte, but found none in ",
              folder.string(), ".");
  std::vector<std::string> wanted;
  for (const std::string& stem : stems) {
    if (part_of(stem) == part) wanted.push_back(stem);
  }
  if (wanted.empty() && part == Part::kTrain && stems.size() == 1 && !part_of(stems.front())) {
    wanted = stems;
  }
  const char* noun = part == Part::kTrain ? "training" : "test";
  std::string list;
  for (const std::string& stem : wanted.empty() ? stems : wanted) {
    list += (list.empty() ? "" : ", ") + find_named_file(folder, stem).filename().string();
  }
  TORCH_CHECK(!wanted.empty(), "read_idx_folder: expected a file of ", noun, " images in ",
              folder.string(), " but found only ", list, " (",
              part == Part::kTrain ? "train" : "t10k or test", " in the name marks it).");
  TORCH_CHECK(wanted.size() == 1, "read_idx_folder: expected one file of ", noun, " images in ",
              folder.string(), " but found ", list, " (give the path of one).");
  Samples samples = read_idx_samples(find_named_file(folder, wanted.front()));
  samples.source = folder.string();
  return samples;
}

}  // namespace ladder::data
