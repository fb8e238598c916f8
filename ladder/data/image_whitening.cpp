#include "ladder/data/image_whitening.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <cmath>

#include "ladder/core/internal/tensor_text.h"

namespace ladder::data {
namespace {

constexpr int64_t kImageChunk = 2000;

void check_part(const char* component, const char* name, const at::Tensor& part,
                at::IntArrayRef sizes) {
  TORCH_CHECK(part.defined() && part.scalar_type() == at::kFloat && part.sizes() == sizes,
              component, ": expected the ", name, " of a whitening as Float ", sizes, " but got ",
              type_and_shape_text(part), ".");
  TORCH_CHECK(at::isfinite(part).all().item<bool>(), component, ": expected finite numbers in the ",
              name, " of a whitening but got others.");
}

}  // namespace

void ImageWhitening::check(const char* component, int64_t features) const {
  TORCH_CHECK(std::isfinite(contrast_norm) && contrast_norm > 0, component,
              ": expected a contrast norm above 0 but got ", contrast_norm, ".");
  check_part(component, "mean", mean, {features});
  check_part(component, "map", map, {features, features});
}

ImageWhitening ImageWhitening::fit(const torch::Tensor& images, const ContrastOptions& contrast,
                                   const ZcaOptions& zca) {
  const auto fitted = ZcaWhitening::fit(normalize_contrast(images, contrast), zca);
  return {.contrast_norm = contrast.norm,
          .mean = fitted.mean().to(at::kFloat),
          .map = fitted.whitening().to(at::kFloat)};
}

torch::Tensor ImageWhitening::apply(const torch::Tensor& images) const {
  constexpr const char* kComponent = "ImageWhitening";
  TORCH_CHECK(images.defined() && images.dim() >= 2 &&
                  (images.scalar_type() == at::kByte || images.scalar_type() == at::kFloat),
              kComponent, ": expected images [N, ...] of uint8 or float32 but got ",
              type_and_shape_text(images), ".");
  const at::NoGradGuard no_gradients;
  const auto features = c10::multiply_integers(images.sizes().slice(1));
  check(kComponent, features);
  const auto m = mean.to(images.device()), w = map.to(images.device());
  auto out = at::empty({images.size(0), features}, images.options().dtype(at::kFloat));
  for (int64_t row = 0; row < images.size(0); row += kImageChunk) {
    const auto some = images.slice(0, row, row + kImageChunk);
    auto rows = out.slice(0, row, row + kImageChunk);
    at::mm_out(rows, normalize_contrast(some, {.norm = contrast_norm}).flatten(1).sub_(m), w);
  }
  return out.reshape(images.sizes());
}

}  // namespace ladder::data
