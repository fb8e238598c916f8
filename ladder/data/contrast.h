/// Contrast normalisation of each image.
#pragma once

#include <torch/types.h>

namespace ladder::data {

struct ContrastOptions {
  double norm = 55;  ///< norm of every image afterwards
};

/// Return images [N, ...], uint8 or floating, with the contrast of each image normalised:
///
///     x <- norm (x - mean(x)) / |x - mean(x)|
///
/// over all channels and pixels of the image. The result has the shape of `images` and its type,
/// float32 for uint8. Sums use float64. An image with |x - mean(x)| <= 1e-8 norm is constant and
/// becomes 0. The default norm is the one of [Rasmus2015] for CIFAR-10.
///
/// Throws `c10::Error` if `images` is neither uint8 nor floating, has no row dimension or rows
/// without elements, or if the norm is not above 0.
///
///     torch::Tensor x = normalize_contrast(train.inputs);  // uint8 [N, 3, 32, 32] -> float
torch::Tensor normalize_contrast(const torch::Tensor& images, const ContrastOptions& options = {});

}  // namespace ladder::data
