/// Contrast normalisation and ZCA whitening of images, in one step.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "ladder/data/contrast.h"
#include "ladder/data/zca.h"

namespace ladder::data {

/// How whole images x of D numbers become inputs y [Rasmus2015, section 4.3]:
///
///     c = norm (x - mean(x)) / |x - mean(x)|,   y = (c - m) W
///
/// The first is `normalize_contrast`, with the mean of the image itself. m and W are those of a
/// `ZcaWhitening` of the images c that it was fitted on.
///
///     auto whitening = ImageWhitening::fit(train.inputs);  // uint8 [N, 3, 32, 32]
///     auto y = whitening.apply(test.inputs);               // float32 [M, 3, 32, 32]
struct ImageWhitening {
  double contrast_norm = ContrastOptions{}.norm;
  torch::Tensor mean = {};  ///< m, float32 [D]
  torch::Tensor map = {};   ///< W, float32 [D, D]

  /// Fit to images [N, ...], uint8 or floating. Throws `c10::Error` as `normalize_contrast` and
  /// `ZcaWhitening::fit` do.
  static ImageWhitening fit(const torch::Tensor& images, const ContrastOptions& contrast = {},
                            const ZcaOptions& zca = {});

  /// Return y for images [M, ...] of D numbers each, uint8 or float32: float32, in their shape, on
  /// their device. Works in chunks of rows, so that besides the result little memory is taken.
  ///
  /// Throws `c10::Error` for other images, or if a field is not as described above.
  torch::Tensor apply(const torch::Tensor& images) const;

  /// Throws `c10::Error`, led by `component`, unless this whitens images of `features` numbers: a
  /// norm above 0, a mean and a map of these sizes, in float32 and finite.
  void check(const char* component, int64_t features) const;
};

}  // namespace ladder::data
