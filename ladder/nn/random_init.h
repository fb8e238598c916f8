/// Initial parameters from a stream of their own.
#pragma once

#include <torch/nn/module.h>

#include "ladder/core/random.h"

namespace ladder {

/// Gives a module whose initial parameters are random a way to draw them from a stream.
/// Modules draw once when they are built, from LibTorch's default generator (torch::manual_seed);
/// `reset_parameters(module, seed)` draws again from a stream of its own.
class RandomInit {
 public:
  virtual ~RandomInit() = default;
  virtual void reset_parameters(NoiseSource& init) = 0;

  /// A source seeded by LibTorch's default generator.
  static NoiseSource default_source();
};

/// Draws the initial parameters of `module` and all its children that are RandomInit, in the order
/// of `modules()`, from the stream `seed`.
void reset_parameters(torch::nn::Module& module, uint64_t seed);

/// weight [out, in] ~ N(0, 1 / in).
void init_dense_weight(const torch::Tensor& weight, NoiseSource& init);

/// weight [first, second, P, Q] ~ U(-sqrt(3 / fan_in), sqrt(3 / fan_in)), of variance 1 / fan_in.
void init_convolution_weight(const torch::Tensor& weight, int64_t fan_in, NoiseSource& init);

}  // namespace ladder
