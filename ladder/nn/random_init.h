/// Initial parameters from a random stream.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>

#include "ladder/core/random.h"

namespace ladder {

/// Interface of a module with random initial parameters. At construction, modules draw them from
/// LibTorch's default generator (torch::manual_seed). `reset_parameters(module, seed)` draws them
/// again from its own seed, independent of that generator.
class RandomInit {
 public:
  virtual ~RandomInit() = default;
  /// Draw the initial parameters from `init`.
  virtual void reset_parameters(NoiseSource& init) = 0;

  /// Source seeded by LibTorch's default generator, or by a SeededInit.
  static NoiseSource default_source();
};

/// While it lives, modules that are built on this thread draw their initial parameters from `seed`
/// and leave LibTorch's default generator alone: for a network whose parameters are set afterwards.
/// The innermost one counts.
class SeededInit {
 public:
  explicit SeededInit(uint64_t seed);
  SeededInit(const SeededInit&) = delete;
  SeededInit& operator=(const SeededInit&) = delete;
  ~SeededInit();

 private:
  friend class RandomInit;
  uint64_t seed_;
  uint64_t modules_ = 0;  // built so far
  SeededInit* outer_;
};

/// Draw the initial parameters of `module` and of all its children that implement RandomInit, in
/// the order of `modules()`, from the stream `seed`.
void reset_parameters(torch::nn::Module& module, uint64_t seed);

/// Set weight [rows, columns] ~ N(0, std^2).
void init_normal(const torch::Tensor& weight, double std, NoiseSource& init);

/// Set weight [out, in] ~ N(0, 1 / in).
void init_dense_weight(const torch::Tensor& weight, NoiseSource& init);

/// Set weight [first, second, P, Q] ~ U(-sqrt(3 / fan_in), sqrt(3 / fan_in)): variance 1 / fan_in.
void init_convolution_weight(const torch::Tensor& weight, int64_t fan_in, NoiseSource& init);

}  // namespace ladder
