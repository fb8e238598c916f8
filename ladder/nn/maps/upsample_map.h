/// The decoder's map for a pooling.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/container/any.h>
#include <torch/nn/pimpl.h>

#include <array>
#include <cstdint>

namespace ladder {

struct UpsampleMapOptions {
  std::array<int64_t, 2> scale = {2, 2};     ///< how many rows and columns a value spreads over
  std::array<int64_t, 2> out_size = {1, 1};  ///< rows and columns of the result
  std::array<int64_t, 2> padding = {0, 0};   ///< of the pooling: where its first window begins
};

/// Nearest-neighbour upsampling cropped to size: y[m, c, i, j] = x[m, c, (i + padding) / scale,
/// (j + padding) / scale], rounded down and at most the last one; [M, C, I, J] -> [M, C, *out_size]
/// [Rasmus2015, published code].
///
/// Rows [M, C] count as maps of one value, which are broadcast; signals [M, C, J] count as maps of
/// one row and come back as signals. No parameters. Errors: sizes below 1, a
/// negative padding, an input of other than 2 to 4 dimensions.
class UpsampleMapImpl : public torch::nn::Cloneable<UpsampleMapImpl> {
 public:
  explicit UpsampleMapImpl(UpsampleMapOptions options);

  void reset() override {}
  void pretty_print(std::ostream& stream) const override;
  torch::Tensor forward(const torch::Tensor& x);

  UpsampleMapOptions options;
};
TORCH_MODULE(UpsampleMap);

/// The decoder map of a pooling stage with the given stride and padding, from rows of shape `out`
/// back to rows of shape `in` [C, H, W] or [C, L], whose stride is {1, s} and padding {0, p}.
torch::nn::AnyModule make_pooling_vertical(at::IntArrayRef in, std::array<int64_t, 2> stride,
                                           std::array<int64_t, 2> padding = {0, 0});

}  // namespace ladder
