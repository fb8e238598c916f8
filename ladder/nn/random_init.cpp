#include "ladder/nn/random_init.h"

#include <torch/torch.h>

#include <cmath>
#include <string>
#include <utility>

#include "ladder/ops/noise.h"

namespace ladder {

namespace {

thread_local SeededInit* seeded_init = nullptr;

}  // namespace

SeededInit::SeededInit(uint64_t seed) : seed_(seed), outer_(std::exchange(seeded_init, this)) {}
SeededInit::~SeededInit() { seeded_init = outer_; }

NoiseSource RandomInit::default_source() {
  if (seeded_init != nullptr) {
    return NoiseSource(stream_seed(seeded_init->seed_, std::to_string(seeded_init->modules_++)));
  }
  return NoiseSource(static_cast<uint64_t>(at::randint(INT64_MAX, {}, at::kLong).item<int64_t>()));
}

void reset_parameters(torch::nn::Module& module, uint64_t seed) {
  NoiseSource init(seed);
  module.apply([&](torch::nn::Module& child) {
    if (auto* random = dynamic_cast<RandomInit*>(&child)) {
      random->reset_parameters(init);
    }
  });
}

void init_normal(const torch::Tensor& weight, double std, NoiseSource& init) {
  const torch::NoGradGuard no_grad;
  const auto rows = weight.size(0);
  const auto columns = weight.size(1);
  const auto draw = init.draw(rows, columns);
  weight.copy_(ops::standard_normal(draw, rows, columns, torch::kFloat) * std);
}

void init_dense_weight(const torch::Tensor& weight, NoiseSource& init) {
  const torch::NoGradGuard no_grad;
  const auto out = weight.size(0);
  const auto in = weight.size(1);
  weight.copy_(ops::standard_normal(init.draw(out, in), out, in, torch::kFloat) /
               std::sqrt(static_cast<double>(in)));
}

void init_convolution_weight(const torch::Tensor& weight, int64_t fan_in, NoiseSource& init) {
  const torch::NoGradGuard no_grad;
  const auto rows = weight.size(0);
  const auto columns = weight.numel() / rows;
  const auto bound = std::sqrt(3.0 / static_cast<double>(fan_in));
  weight.copy_(ops::standard_uniform(init.draw(rows, columns), rows, columns, torch::kFloat)
                   .mul_(2 * bound)
                   .sub_(bound)
                   .reshape(weight.sizes()));
}

}  // namespace ladder
