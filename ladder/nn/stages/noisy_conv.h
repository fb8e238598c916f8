/// The convolutional stage of a ladder.
#pragma once

#include <torch/expanding_array.h>
#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>

#include <array>
#include <string>

#include "ladder/nn/random_init.h"
#include "ladder/nn/stage.h"
#include "ladder/nn/stages/noisy_normalization.h"
#include "ladder/ops/convolve.h"

namespace ladder {

/// Padding of a convolution. For a kernel of size k on a feature map of size n and a stride of 1:
enum class Border {
  kValid,  ///< no padding, result size n - k + 1
  kSame,   ///< padding k / 2 (k odd), result size n
  kFull,   ///< padding k - 1, result size n + k - 1
};

std::string to_string(Border border);

/// Stride and padding of a convolution with this border.
ops::ConvolveGeometry convolution_geometry(std::array<int64_t, 2> kernel, Border border,
                                           std::array<int64_t, 2> stride);

struct NoisyConvOptions {
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  torch::ExpandingArray<2> kernel = 1;
  Border border = Border::kValid;
  torch::ExpandingArray<2> stride = 1;
  int64_t groups = 1;  ///< only 1 is supported
  double noise_std = 0.3;
  Activation activation = Activation::kRelu;
  double leaky_slope = 0.1;
  bool affine = false;  ///< learned scale gamma and, whatever the activation, shift beta

  bool operator==(const NoisyConvOptions& other) const;
};

/// z = normalise(weight * h) + noise, h' = act(z + beta), or act(gamma (z + beta)), with
/// statistics, noise and beta per channel; [R, in, H, W] -> [R, out, H', W'] [Rasmus2015,
/// section 4.2].
///
/// Parameters: `weight` [out, in, P, Q] ~ U(+-sqrt(3 / (in P Q))), and those of `normalization`. No
/// bias: normalisation would cancel it. Decoder map: the transposed convolution (`ConvMap`), which
/// restores the shape for every border and stride. The result is channels-last in memory.
///
/// Options are fixed at construction; `normalization->options.noise_std` may change. Errors: sizes
/// below 1; groups other than 1; an even kernel with a same border; an input of another number of
/// channels, type or device, or smaller than the kernel; those of NoisyNormalization.
///
///     NoisyConv layer(NoisyConvOptions{.in_channels = 1, .out_channels = 32, .kernel = 5,
///                                      .border = Border::kFull});   // 28 x 28 -> 32 x 32
class NoisyConvImpl : public torch::nn::Cloneable<NoisyConvImpl>, public Stage, public RandomInit {
 public:
  explicit NoisyConvImpl(NoisyConvOptions options);

  void reset() override;
  void reset_parameters(NoiseSource& init) override;
  void pretty_print(std::ostream& stream) const override;
  StageOutput forward(const torch::Tensor& h, const Pass& pass) override;
  torch::nn::AnyModule make_vertical(at::IntArrayRef in, at::IntArrayRef out) const override;

  ops::ConvolveGeometry geometry() const;

  NoisyConvOptions options;
  torch::Tensor weight;
  NoisyNormalization normalization{nullptr};

 private:
  NoisyConvOptions built_;
};
TORCH_MODULE(NoisyConv);

}  // namespace ladder
