/// The decoder's map for a convolution.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/container/any.h>
#include <torch/nn/pimpl.h>

#include "ladder/nn/random_init.h"
#include "ladder/ops/convolve.h"

namespace ladder {

/// In the terms of the convolution that the map goes back through: `geometry` and `kernel` are its
/// own, `out_size` is the size of the maps that it takes.
struct ConvMapOptions {
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  std::array<int64_t, 2> kernel = {1, 1};
  ops::ConvolveGeometry geometry = {};
  std::array<int64_t, 2> out_size = {1, 1};  ///< rows and columns of the result
};

/// y = transposed convolution of x, [M, in, I, J] -> [M, out, *out_size], the size that the
/// convolution of this geometry turns into I x J: the convolution with the opposite border, for
/// any stride [Rasmus2015, section 3.2 and published code].
///
/// Parameter: `weight` [in, out, P, Q] ~ U(+-sqrt(3 / (in P Q))), no bias (the decoder
/// normalises). Errors: sizes below 1, an out_size that no kernel of this geometry fits in, maps
/// of another shape.
class ConvMapImpl : public torch::nn::Cloneable<ConvMapImpl>, public RandomInit {
 public:
  explicit ConvMapImpl(ConvMapOptions options);

  void reset() override;
  void reset_parameters(NoiseSource& init) override;
  void pretty_print(std::ostream& stream) const override;
  torch::Tensor forward(const torch::Tensor& x);

  ConvMapOptions options;
  torch::Tensor weight;
};
TORCH_MODULE(ConvMap);

}  // namespace ladder
