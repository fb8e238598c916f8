/// Denoising functions of fixed form.
#pragma once

namespace ladder::ops {

/// A denoising function g(z~, u) with parameters for each unit [Rasmus2015, eq. 9-10;
/// Pezeshki2016, eq. 2-3]. The rows of its weight [P, C], in order:
enum class CombinatorFunction {
  kGaussian,         ///< P = 10: a1..a10
  kVanilla,          ///< P = 9: b0, w0z, w0u, w0zu, ws, b1, w1z, w1u, w1zu
  kGaussianSigmoid,  ///< P = 10: as kGaussian, with v passed through a sigmoid
};

}  // namespace ladder::ops
