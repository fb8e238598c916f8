/// Decoder map of a pooling.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/container/any.h>
#include <torch/nn/pimpl.h>

#include <array>
#include <cstdint>

namespace ladder {

struct UpsampleMapOptions {
  std::array<int64_t, 2> scale = {2, 2};     ///< rows and columns that each value is copied to
  std::array<int64_t, 2> out_size = {1, 1};  ///< rows and columns of the result
  std::array<int64_t, 2> padding = {0, 0};   ///< padding of the pooling

  bool operator==(const UpsampleMapOptions&) const = default;
};

/// Nearest-neighbour upsampling cropped to size: y[m, c, i, j] = x[m, c, (i + padding) / scale,
/// (j + padding) / scale], rounded down and at most the last one; [M, C, I, J] -> [M, C, *out_size]
/// [Rasmus2015, published code].
///
/// Rows [M, C] are feature maps of one value, which is broadcast. Signals [M, C, J] are feature
/// maps of one row; the result is a signal again. No parameters. Options are fixed at construction.
/// Errors: sizes below 1; a negative padding; an input without 2 to 4 dimensions.
class UpsampleMapImpl : public torch::nn::Cloneable<UpsampleMapImpl> {
 public:
  explicit UpsampleMapImpl(UpsampleMapOptions options);

  void reset() override {}
  void pretty_print(std::ostream& stream) const override;
  torch::Tensor forward(const torch::Tensor& x);

  UpsampleMapOptions options;

 private:
  UpsampleMapOptions built_;
};
TORCH_MODULE(UpsampleMap);

/// Decoder map of a pooling stage with this stride and padding, back to rows of shape `in` [C, H,
/// W], or [C, L] with stride {1, s} and padding {0, p}.
torch::nn::AnyModule make_pooling_vertical(at::IntArrayRef in, std::array<int64_t, 2> stride,
                                           std::array<int64_t, 2> padding = {0, 0});

}  // namespace ladder
