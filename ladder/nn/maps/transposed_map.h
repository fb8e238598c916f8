/// Decoder map of a torch convolution of any geometry, in one dimension or more.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/container/any.h>
#include <torch/nn/options/conv.h>
#include <torch/nn/pimpl.h>

#include <functional>
#include <vector>

#include "ladder/nn/random_init.h"

namespace ladder {

/// Options of the convolution; `out_size` is the size of its input. `kernel`, `stride`, `padding`,
/// `dilation` and `out_size` hold one value per spatial dimension.
struct TransposedMapOptions {
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  std::vector<int64_t> kernel = {};
  std::vector<int64_t> stride = {};
  std::vector<int64_t> padding = {};
  std::vector<int64_t> dilation = {};
  int64_t groups = 1;
  std::vector<int64_t> out_size = {};

  bool operator==(const TransposedMapOptions&) const = default;
};

/// y = transposed convolution of x, [M, in, ...] -> [M, out, *out_size]: signals, feature maps or
/// volumes, with dilation and groups. `ConvMap` is faster, for two dimensions without either.
///
/// Parameter: `weight` [in, out / groups, *kernel] ~ U(+-sqrt(3 / (in / groups * values of a
/// kernel))). No bias: the decoder normalises. Options are fixed at construction. Errors: channels
/// below 1 or not divisible by groups; options of another number of dimensions than `kernel`; an
/// input of another number of dimensions or channels, type or device.
class TransposedMapImpl : public torch::nn::Cloneable<TransposedMapImpl>, public RandomInit {
 public:
  explicit TransposedMapImpl(TransposedMapOptions options);

  void reset() override;
  void reset_parameters(NoiseSource& init) override;
  void pretty_print(std::ostream& stream) const override;
  torch::Tensor forward(const torch::Tensor& x);

  TransposedMapOptions options;
  torch::Tensor weight;

 private:
  TransposedMapOptions built_;
};
TORCH_MODULE(TransposedMap);

/// Value of NoisyStageOptions::vertical for a stage around this convolution: makes the transposed
/// convolution back to the shape before it. Uses the values of the padding, not its mode.
///
///     const auto conv = torch::nn::Conv1dOptions(3, 16, 5).stride(2).bias(false);
///     NoisyStage stage(torch::nn::AnyModule(torch::nn::Conv1d(conv)),
///                      NoisyStageOptions{.normalization = {.channels = 16},
///                                        .vertical = transposed_vertical(conv)});
using VerticalFactory =
    std::function<torch::nn::AnyModule(at::IntArrayRef in, at::IntArrayRef out)>;
VerticalFactory transposed_vertical(const torch::nn::Conv1dOptions& convolution);
VerticalFactory transposed_vertical(const torch::nn::Conv2dOptions& convolution);
VerticalFactory transposed_vertical(const torch::nn::Conv3dOptions& convolution);

}  // namespace ladder
