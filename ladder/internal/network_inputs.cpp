#include "ladder/internal/network_inputs.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <cstdint>
#include <iterator>
#include <string>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/core/internal/threads.h"
#include "ladder/data/internal/unnamed_column.h"

namespace ladder::fitting {
void check_bytes(const torch::Tensor& images) {
  TORCH_CHECK(images.defined() && images.scalar_type() == at::kByte && images.dim() == 4,
              "Classifier: expected images as uint8 [N, C, H, W] but got ",
              type_and_shape_text(images),
              images.defined() && images.is_floating_point()
                  ? " ((x * 255).to(kByte) makes them of numbers in 0 to 1)."
                  : ".");
}

torch::Tensor with_channels(const torch::Tensor& images) {
  TORCH_CHECK(images.dim() == 3 || images.dim() == 4,
              "Classifier: expected uint8 images [N, H, W] or [N, C, H, W] but got a tensor of "
              "shape ",
              images.sizes(), ".");
  return images.dim() == 3 ? images.unsqueeze(1) : images;
}

exports::ImageInputs measured_images(const torch::Tensor& images, bool flat) {
  exports::ImageInputs inputs{
      .channels = images.size(1), .height = images.size(2), .width = images.size(3), .flat = flat};
  bool differ = false;
  for (int64_t channel = 0; channel < inputs.channels; ++channel) {
    const auto counts =
        at::bincount(images.select(1, channel).reshape({-1}), {}, 256).to(at::kDouble);
    const auto values = at::arange(256, at::kDouble) / 255;
    const double rows = counts.sum().item<double>();
    const double mean = counts.dot(values).item<double>() / rows;
    const double variance = counts.dot((values - mean).square()).item<double>() / rows;
    inputs.mean.push_back(mean);
    inputs.scale.push_back(variance > 0 ? std::sqrt(variance) : 1);
    differ = differ || variance > 0;
  }
  TORCH_CHECK(differ, "Classifier: expected pixels that differ but got one value alone in ",
              images.size(0), " images.");
  return inputs;
}

torch::Tensor image_rows(const exports::ImageInputs& inputs, const torch::Tensor& given) {
  check_bytes(given);
  // Gray pictures have three equal channels where a model takes colours, as among others.
  const bool gray = given.dim() == 4 && given.size(1) == 1 && inputs.channels == 3;
  const auto images = gray ? given.expand({-1, 3, -1, -1}) : given;
  TORCH_CHECK(images.dim() == 4 && images.size(1) == inputs.channels &&
                  images.size(2) == inputs.height && images.size(3) == inputs.width,
              "Classifier: expected images of ", inputs.channels, " x ", inputs.height, " x ",
              inputs.width, " (channels, height, width) but got a tensor of shape ", images.sizes(),
              ".");
  if (inputs.whitening) {
    const auto y = inputs.whitening->apply(images);
    return inputs.flat ? y.flatten(1) : y;
  }
  // Without OpenMP's threads, as in probabilities_of: these loops take little beside the network.
  const threads::OneThread serial;
  auto x = at::empty(images.sizes(), at::kFloat);
  for (int64_t channel = 0; channel < inputs.channels; ++channel) {
    const auto at = static_cast<size_t>(channel);
    const auto factor = static_cast<float>(1 / (255 * inputs.scale[at]));
    const auto shift = static_cast<float>(-inputs.mean[at] / inputs.scale[at]);
    auto plane = x.select(1, channel);
    plane.copy_(images.select(1, channel));
    if (inputs.mean[at] == 0 && inputs.scale[at] == 1) {
      plane.div_(255);  // as data::to_unit_float, to the last bit
    } else {
      plane.mul_(factor).add_(shift);
    }
  }
  return inputs.flat ? x.flatten(1) : x;
}

void check_dense(const torch::Tensor& x) {
  TORCH_CHECK(x.defined() && x.layout() == at::kStrided,
              "Classifier: expected rows as a dense tensor but got ",
              x.defined() ? "a sparse one (call to_dense())." : "an undefined one.");
}

data::Table table_of(const torch::Tensor& x) {
  TORCH_CHECK(x.dim() == 2 && x.is_floating_point(),
              "Classifier: expected rows as floating numbers [N, D] or images as uint8 but got ",
              c10::toString(x.scalar_type()), " ", x.sizes(), ".");
  const threads::OneThread serial;  // as in probabilities_of
  const auto columns = x.to(at::kCPU, at::kDouble).t().contiguous();
  data::Table table{.rows = x.size(0), .array_columns = x.size(1)};
  for (int64_t i = 0; i < columns.size(0); ++i) {
    const double* begin = columns[i].const_data_ptr<double>();
    table.columns.push_back({.name = data::unnamed_column(static_cast<size_t>(i)),
                             .kind = data::ColumnKind::kNumber,
                             .numbers = {begin, begin + table.rows},
                             .single = x.scalar_type() == at::kFloat});
  }
  return table;
}

void check_columns(const data::Features& features, const torch::Tensor& x) {
  const auto& columns = features.columns;
  const bool of_array = features.array_columns > 0;
  bool named = false;
  for (size_t i = 0; i < columns.size() && !of_array; ++i)
    named = named || columns[i].name != data::unnamed_column(i);
  TORCH_CHECK(!named,
              "Classifier: expected a table with the columns that it was trained on but "
              "got a tensor ",
              x.sizes(), ", whose columns have no names.");
  const auto wanted = of_array ? features.array_columns : std::ssize(columns);
  const bool fits =
      x.dim() != 2 || (of_array ? features.takes_array(x.size(1)) : x.size(1) == wanted);
  TORCH_CHECK(fits, "Classifier: expected rows of ", wanted, wanted == 1 ? " number" : " numbers",
              " but got ", x.sizes(), ".");
}

}  // namespace ladder::fitting
