/// Contrast normalisation of single images.
#pragma once

#include <torch/types.h>

namespace ladder::data {

struct ContrastOptions {
  double norm = 55;  ///< of every image afterwards
};

/// Returns images [N, ...], uint8 or floating, with the contrast of each normalised by itself:
///
///     x <- norm (x - mean(x)) / |x - mean(x)|
///
/// over all channels and pixels of an image; shape as given, float32 for uint8 and otherwise the
/// type of `images`. Sums are taken in float64. A constant image has no contrast to scale: one with
/// |x - mean(x)| <= 1e-8 norm becomes 0. The values for CIFAR-10 are those of [Rasmus2015].
///
/// Throws `c10::Error` when `images` is neither uint8 nor floating or has no row dimension, when a
/// row has no elements, or when the norm is not above 0.
///
///     torch::Tensor x = normalize_contrast(train.inputs);  // uint8 [N, 3, 32, 32] -> float
torch::Tensor normalize_contrast(const torch::Tensor& images, const ContrastOptions& options = {});

}  // namespace ladder::data
