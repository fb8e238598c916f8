/// Denoising functions of fixed form.
#pragma once

namespace ladder::ops {

/// A denoising function g(z~, u) with parameters for each unit [Rasmus2015, eq. 9-10;
/// Pezeshki2016, eq. 2-3]. The numbers belong to the schema of the operator `ladder::denoise`,
/// where 3 stands for a perceptron: another function takes 4. The rows of its weight [P, C], in
/// order:
enum class CombinatorFunction {
  kGaussian = 0,         ///< P = 10: a1..a10
  kVanilla = 1,          ///< P = 9: b0, w0z, w0u, w0zu, ws, b1, w1z, w1u, w1zu
  kGaussianSigmoid = 2,  ///< P = 10: as kGaussian, with v passed through a sigmoid
};

}  // namespace ladder::ops
