#include "ladder/data/contrast.h"

#include <c10/util/Exception.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace ladder::data {
namespace {

constexpr int64_t kContrastChunk = 1000;
constexpr double kConstant = 1e-8;

}  // namespace

torch::Tensor normalize_contrast(const torch::Tensor& images, const ContrastOptions& options) {
  TORCH_CHECK(images.defined() && (images.scalar_type() == torch::kUInt8 ||
                                   c10::isFloatingType(images.scalar_type())),
              "normalize_contrast: expected uint8 or floating images but got ",
              images.defined() ? c10::toString(images.scalar_type()) : "an undefined tensor", ".");
  TORCH_CHECK(images.dim() >= 1, "normalize_contrast: expected images [N, ...] but got a scalar.");
  TORCH_CHECK(images.dim() > 1 && (images.size(0) == 0 || images.numel() > 0),
              "normalize_contrast: expected images of at least 1 element but got ", images.sizes(),
              ".");
  TORCH_CHECK(std::isfinite(options.norm) && options.norm > 0,
              "normalize_contrast: expected a norm above 0 but got ", options.norm, ".");
  const torch::NoGradGuard no_grad;
  const bool bytes = images.scalar_type() == torch::kUInt8;
  const auto dtype = bytes ? torch::kFloat32 : images.scalar_type();
  const int64_t rows = images.size(0);
  torch::Tensor out = torch::empty(images.sizes(), images.options().dtype(dtype));
  // Works in chunks: the float64 copy takes several times the memory of the images.
  for (int64_t row = 0; row < rows; row += kContrastChunk) {
    const int64_t end = std::min(row + kContrastChunk, rows);
    torch::Tensor x = images.slice(0, row, end).to(torch::kFloat64).flatten(1);  // [R, D]
    x = x - x.mean(1, /*keepdim=*/true);
    const torch::Tensor norm = x.norm(2, {1}, /*keepdim=*/true);  // [R, 1]
    const torch::Tensor scale =
        torch::where(norm > kConstant * options.norm, options.norm / norm, torch::zeros_like(norm));
    out.slice(0, row, end).copy_((x * scale).reshape(images.slice(0, row, end).sizes()));
  }
  return out;
}

}  // namespace ladder::data
