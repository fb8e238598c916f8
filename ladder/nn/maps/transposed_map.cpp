#include "ladder/nn/maps/transposed_map.h"

#include <torch/torch.h>

#include <algorithm>

#include "ladder/nn/internal/stage_input.h"
#include "ladder/nn/internal/unchanged.h"

namespace ladder {
namespace {

// Zeros on the near side of each dimension; those on the far side follow from the sizes.
template <size_t D>
std::vector<int64_t> near_padding(const torch::nn::ConvOptions<D>& convolution) {
  std::vector<int64_t> padding(D, 0);
  if (const auto* values = std::get_if<torch::ExpandingArray<D>>(&convolution.padding())) {
    std::copy((*values)->begin(), (*values)->end(), padding.begin());
  } else if (std::holds_alternative<torch::enumtype::kSame>(convolution.padding())) {
    for (size_t d = 0; d < D; ++d) {
      padding[d] = convolution.dilation()->at(d) * (convolution.kernel_size()->at(d) - 1) / 2;
    }
  }
  return padding;
}

template <size_t D>
VerticalFactory transposed(const torch::nn::ConvOptions<D>& convolution) {
  const TransposedMapOptions options{.in_channels = convolution.out_channels(),
                                     .out_channels = convolution.in_channels(),
                                     .kernel = at::IntArrayRef(*convolution.kernel_size()).vec(),
                                     .stride = at::IntArrayRef(*convolution.stride()).vec(),
                                     .padding = near_padding(convolution),
                                     .dilation = at::IntArrayRef(*convolution.dilation()).vec(),
                                     .groups = convolution.groups()};
  return [options](at::IntArrayRef in, at::IntArrayRef) {
    auto to_shape = options;
    to_shape.out_size = in.slice(1).vec();
    return torch::nn::AnyModule(TransposedMap(to_shape));
  };
}

}  // namespace

TransposedMapImpl::TransposedMapImpl(TransposedMapOptions options_)
    : options(std::move(options_)), built_(options) {
  TORCH_CHECK(
      options.groups > 0 && options.in_channels > 0 && options.out_channels > 0 &&
          options.in_channels % options.groups == 0 && options.out_channels % options.groups == 0,
      "TransposedMap: expected in_channels and out_channels that the groups divide but got ",
      options.in_channels, " and ", options.out_channels, " in ", options.groups, " groups.");
  for (const auto* sizes :
       {&options.stride, &options.padding, &options.dilation, &options.out_size}) {
    TORCH_CHECK(!options.kernel.empty() && sizes->size() == options.kernel.size(),
                "TransposedMap: expected a stride, padding, dilation and out_size for each of ",
                options.kernel.size(), " dimensions but got ", at::IntArrayRef(*sizes), ".");
  }
  reset();
}

void TransposedMapImpl::reset() {
  check_unchanged("TransposedMap", options, built_);
  std::vector<int64_t> sizes = {options.in_channels, options.out_channels / options.groups};
  sizes.insert(sizes.end(), options.kernel.begin(), options.kernel.end());
  weight = register_parameter("weight", torch::empty(sizes));
  auto init = default_source();
  reset_parameters(init);
}

void TransposedMapImpl::reset_parameters(NoiseSource& init) {
  const auto fan_in = options.in_channels / options.groups * c10::multiply_integers(options.kernel);
  init_convolution_weight(weight, fan_in, init);
}

void TransposedMapImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::TransposedMap(" << options.in_channels << ", " << options.out_channels << ", "
         << at::IntArrayRef(options.kernel) << ")";
}

torch::Tensor TransposedMapImpl::forward(const torch::Tensor& x) {
  check_unchanged("TransposedMap", options, built_);
  const auto dimensions = options.kernel.size();
  TORCH_CHECK(x.dim() == static_cast<int64_t>(dimensions) + 2 && x.size(1) == options.in_channels,
              "TransposedMap: expected an input of ", options.in_channels, " channels and ",
              dimensions, dimensions == 1 ? " dimension" : " dimensions", " but got one of shape ",
              x.sizes(), batch_hint(x, static_cast<int64_t>(dimensions) + 2));
  check_like_weight("TransposedMap", x, weight);
  std::vector<int64_t> beyond(dimensions);
  for (size_t d = 0; d < dimensions; ++d) {
    const auto size = (x.size(static_cast<int64_t>(d) + 2) - 1) * options.stride[d] -
                      2 * options.padding[d] + options.dilation[d] * (options.kernel[d] - 1) + 1;
    beyond[d] = std::max<int64_t>(options.out_size[d] - size, 0);
  }
  auto y = torch::convolution(x, weight, {}, options.stride, options.padding, options.dilation,
                              /*transposed=*/true, beyond, options.groups);
  for (size_t d = 0; d < dimensions; ++d) {
    y = y.narrow(static_cast<int64_t>(d) + 2, 0, options.out_size[d]);
  }
  return y;
}

VerticalFactory transposed_vertical(const torch::nn::Conv1dOptions& convolution) {
  return transposed(convolution);
}

VerticalFactory transposed_vertical(const torch::nn::Conv2dOptions& convolution) {
  return transposed(convolution);
}

VerticalFactory transposed_vertical(const torch::nn::Conv3dOptions& convolution) {
  return transposed(convolution);
}

}  // namespace ladder
