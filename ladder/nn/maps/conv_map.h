/// Decoder map of a convolution.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/container/any.h>
#include <torch/nn/pimpl.h>

#include <array>
#include <cstdint>

#include "ladder/nn/random_init.h"
#include "ladder/ops/convolve.h"

namespace ladder {

/// `kernel` and `geometry` are those of the convolution; `out_size` is the size of its input.
struct ConvMapOptions {
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  std::array<int64_t, 2> kernel = {1, 1};
  ops::ConvolveGeometry geometry = {};
  std::array<int64_t, 2> out_size = {1, 1};  ///< rows and columns of the result

  bool operator==(const ConvMapOptions&) const = default;
};

/// y = transposed convolution of x, [M, in, I, J] -> [M, out, *out_size], where the convolution of
/// this geometry turns `out_size` into I x J, for any stride [Rasmus2015, section 3.2 and published
/// code].
///
/// Parameter: `weight` [in, out, P, Q] ~ U(+-sqrt(3 / (in P Q))). No bias: the decoder normalises.
/// Options are fixed at construction. Errors: sizes below 1; an out_size smaller than the kernel;
/// an input of another number of channels, type or device.
class ConvMapImpl : public torch::nn::Cloneable<ConvMapImpl>, public RandomInit {
 public:
  explicit ConvMapImpl(ConvMapOptions options);

  void reset() override;
  void reset_parameters(NoiseSource& init) override;
  void pretty_print(std::ostream& stream) const override;
  torch::Tensor forward(const torch::Tensor& x);

  ConvMapOptions options;
  torch::Tensor weight;

 private:
  ConvMapOptions built_;
};
TORCH_MODULE(ConvMap);

}  // namespace ladder
