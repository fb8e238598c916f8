#include "ladder/nn/stages/noisy_conv.h"

#include <torch/torch.h>

#include "ladder/nn/internal/stage_input.h"
#include "ladder/nn/internal/unchanged.h"
#include "ladder/nn/maps/conv_map.h"

namespace ladder {

std::string to_string(Border border) {
  constexpr const char* kNames[] = {"valid", "same", "full"};
  return kNames[static_cast<int>(border)];
}

ops::ConvolveGeometry convolution_geometry(std::array<int64_t, 2> kernel, Border border,
                                           std::array<int64_t, 2> stride) {
  ops::ConvolveGeometry geometry{.stride = stride};
  for (size_t d = 0; d < 2; ++d) {
    const auto beyond = kernel[d] - 1;
    geometry.padding[d] = border == Border::kFull   ? beyond
                          : border == Border::kSame ? beyond / 2
                                                    : 0;
  }
  return geometry;
}

bool NoisyConvOptions::operator==(const NoisyConvOptions& other) const {
  return *kernel == *other.kernel && *stride == *other.stride && in_channels == other.in_channels &&
         out_channels == other.out_channels && border == other.border && groups == other.groups &&
         noise_std == other.noise_std && activation == other.activation &&
         leaky_slope == other.leaky_slope && affine == other.affine;
}

NoisyConvImpl::NoisyConvImpl(NoisyConvOptions options_) : options(options_), built_(options) {
  TORCH_CHECK(options.in_channels > 0 && options.out_channels > 0,
              "NoisyConv: expected in_channels > 0 and out_channels > 0 but got ",
              options.in_channels, " and ", options.out_channels, ".");
  TORCH_CHECK(options.groups == 1, "NoisyConv: expected groups = 1 but got ", options.groups,
              " (wrap a torch::nn::Conv2d with groups in NoisyStage).");
  for (size_t d = 0; d < 2; ++d) {
    const auto kernel = options.kernel->at(d);
    const auto stride = options.stride->at(d);
    TORCH_CHECK(kernel > 0 && stride > 0,
                "NoisyConv: expected a kernel and a stride of at least 1 but got ", kernel, " and ",
                stride, ".");
    TORCH_CHECK(options.border != Border::kSame || kernel % 2 == 1,
                "NoisyConv: expected an odd kernel with a same border but got ", kernel,
                " (valid and full borders take any).");
  }
  reset();
}

void NoisyConvImpl::reset() {
  check_unchanged("NoisyConv", options, built_);
  weight =
      register_parameter("weight", torch::empty({options.out_channels, options.in_channels,
                                                 options.kernel->at(0), options.kernel->at(1)}));
  normalization = register_module("normalization",
                                  NoisyNormalization(NoisyNormalizationOptions{
                                      .channels = options.out_channels,
                                      .noise_std = options.noise_std,
                                      .activation = options.activation,
                                      .leaky_slope = options.leaky_slope,
                                      .beta = options.affine ? std::optional(true) : std::nullopt,
                                      .gamma = options.affine}));
  auto init = default_source();
  reset_parameters(init);
}

void NoisyConvImpl::reset_parameters(NoiseSource& init) {
  init_convolution_weight(weight, weight.numel() / options.out_channels, init);
}

void NoisyConvImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::NoisyConv(" << options.in_channels << ", " << options.out_channels << ", "
         << options.kernel->at(0) << "x" << options.kernel->at(1) << ", "
         << to_string(options.border) << ")";
}

ops::ConvolveGeometry NoisyConvImpl::geometry() const {
  return convolution_geometry(*options.kernel, options.border, *options.stride);
}

StageOutput NoisyConvImpl::forward(const torch::Tensor& h, const Pass& pass) {
  check_unchanged("NoisyConv", options, built_);
  TORCH_CHECK(h.dim() == 4, "NoisyConv: expected feature maps [R, ", options.in_channels,
              ", H, W] but got an input of shape ", h.sizes(), batch_hint(h, 4));
  check_like_weight("NoisyConv", h, weight);
  TORCH_CHECK(h.size(1) == options.in_channels, "NoisyConv: expected ", options.in_channels,
              options.in_channels == 1 ? " input channel" : " input channels", " but got ",
              h.size(1), ".");
  const auto shape = geometry();
  for (size_t d = 0; d < 2; ++d) {
    const auto size = h.size(static_cast<int64_t>(d) + 2) + 2 * shape.padding[d];
    TORCH_CHECK(options.kernel->at(d) <= size, "NoisyConv: expected feature maps of at least ",
                options.kernel->at(0), " x ", options.kernel->at(1), " for a ",
                to_string(options.border), " border but got ", h.size(2), " x ", h.size(3), ".");
  }
  return normalization->forward(ops::convolve(h, weight, shape), pass);
}

torch::nn::AnyModule NoisyConvImpl::make_vertical(at::IntArrayRef in, at::IntArrayRef out) const {
  TORCH_CHECK(in.size() == 3 && out.size() == 3,
              "NoisyConv: expected feature maps [C, H, W] but got ", in, " and ", out, ".");
  return torch::nn::AnyModule(
      ConvMap(ConvMapOptions{.in_channels = options.out_channels,
                             .out_channels = options.in_channels,
                             .kernel = {options.kernel->at(0), options.kernel->at(1)},
                             .geometry = geometry(),
                             .out_size = {in[1], in[2]}}));
}

}  // namespace ladder
