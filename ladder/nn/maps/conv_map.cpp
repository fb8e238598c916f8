#include "ladder/nn/maps/conv_map.h"

#include <torch/torch.h>

#include "ladder/nn/internal/stage_input.h"
#include "ladder/nn/internal/unchanged.h"

namespace ladder {

ConvMapImpl::ConvMapImpl(ConvMapOptions options_) : options(options_), built_(options) {
  TORCH_CHECK(options.in_channels > 0 && options.out_channels > 0,
              "ConvMap: expected in_channels > 0 and out_channels > 0 but got ",
              options.in_channels, " and ", options.out_channels, ".");
  ops::convolved_size(options.out_size, options.kernel, options.geometry);
  reset();
}

void ConvMapImpl::reset() {
  check_unchanged("ConvMap", options, built_);
  weight = register_parameter("weight", torch::empty({options.in_channels, options.out_channels,
                                                      options.kernel[0], options.kernel[1]}));
  auto init = default_source();
  reset_parameters(init);
}

void ConvMapImpl::reset_parameters(NoiseSource& init) {
  init_convolution_weight(weight, options.in_channels * options.kernel[0] * options.kernel[1],
                          init);
}

void ConvMapImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::ConvMap(" << options.in_channels << ", " << options.out_channels << ", "
         << options.kernel[0] << "x" << options.kernel[1] << ")";
}

torch::Tensor ConvMapImpl::forward(const torch::Tensor& x) {
  check_unchanged("ConvMap", options, built_);
  TORCH_CHECK(x.dim() == 4 && x.size(1) == options.in_channels,
              "ConvMap: expected feature maps of ", options.in_channels,
              " channels but got an input of shape ", x.sizes(), batch_hint(x, 4));
  check_like_weight("ConvMap", x, weight);
  return ops::convolve_transposed(x, weight, options.out_size, options.geometry);
}

}  // namespace ladder
