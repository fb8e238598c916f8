#include "ladder/exports/internal/plain_layers.h"

#include <torch/torch.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "ladder/nn/internal/exactly.h"
#include "ladder/nn/stages/noisy_batch_norm_linear.h"
#include "ladder/nn/stages/noisy_conv.h"
#include "ladder/nn/stages/noisy_global_mean_pool.h"
#include "ladder/nn/stages/noisy_max_pool.h"
#include "ladder/nn/stages/noisy_mean_pool.h"
#include "ladder/nn/stages/noisy_stage.h"
#include "ladder/ops/normalise.h"

namespace ladder::exports {
namespace {

namespace tnn = torch::nn;
using Map = PlainLayer::Map;

// "stage 2 (NoisyConv)"
struct StagePlace {
  const char* component;
  size_t number;
  std::string kind;

  std::string text() const { return c10::str("stage ", number, " (", kind, ")"); }
};

// The name of a module's class without namespaces and "Impl".
std::string kind_of(const tnn::Module& module) {
  std::string name = module.name();
  if (const size_t colon = name.rfind("::"); colon != std::string::npos) name.erase(0, colon + 2);
  if (name.ends_with("Impl")) name.erase(name.size() - 4);
  return name;
}

template <size_t D>
std::vector<int64_t> numbers(const torch::ExpandingArray<D>& array) {
  return {array->begin(), array->end()};
}

void read_map(const StagePlace&, const tnn::LinearImpl& linear, PlainLayer& layer) {
  layer.map = Map::kDense;
  layer.weight = linear.weight;
  layer.bias = linear.bias;
}

template <size_t D>
void read_convolution(const StagePlace& place, const tnn::detail::ConvNdOptions<D>& options,
                      const torch::Tensor& weight, const torch::Tensor& bias, PlainLayer& layer) {
  TORCH_CHECK(std::holds_alternative<torch::enumtype::kZeros>(options.padding_mode()),
              place.component, ": expected ", place.text(),
              " to pad with zeros but got another padding_mode.");
  layer.map = Map::kConv;
  layer.weight = weight;
  layer.bias = bias;
  layer.kernel = numbers(options.kernel_size());
  layer.stride = numbers(options.stride());
  layer.dilation = numbers(options.dilation());
  layer.groups = options.groups();
  layer.padding.assign(D, 0);
  layer.end_padding.assign(D, 0);
  if (const auto* sizes = std::get_if<torch::ExpandingArray<D>>(&options.padding())) {
    layer.padding = numbers(*sizes);
  } else if (std::holds_alternative<torch::enumtype::kSame>(options.padding())) {
    for (size_t d = 0; d < D; ++d) {
      const int64_t both = layer.dilation[d] * (layer.kernel[d] - 1);
      layer.padding[d] = both / 2;
      layer.end_padding[d] = both % 2;
    }
  }
}

void read_map(const StagePlace& place, const tnn::Conv1dImpl& map, PlainLayer& layer) {
  read_convolution<1>(place, map.options, map.weight, map.bias, layer);
}
void read_map(const StagePlace& place, const tnn::Conv2dImpl& map, PlainLayer& layer) {
  read_convolution<2>(place, map.options, map.weight, map.bias, layer);
}

// Windows that reach beyond the padded end, where the number of results says so.
void pad_end(PlainLayer& layer) {
  layer.end_padding.clear();
  for (size_t d = 0; d < layer.kernel.size(); ++d) {
    const int64_t reach =
        (layer.out[d + 1] - 1) * layer.stride[d] + layer.dilation[d] * (layer.kernel[d] - 1) + 1;
    layer.end_padding.push_back(
        std::max<int64_t>(0, reach - layer.in[d + 1] - 2 * layer.padding[d]));
  }
}

template <class Options>
void read_max_pool(const Options& options, PlainLayer& layer) {
  layer.map = Map::kMaxPool;
  layer.kernel = numbers(options.kernel_size());
  layer.stride = numbers(options.stride());
  layer.padding = numbers(options.padding());
  layer.dilation = numbers(options.dilation());
  layer.ceil_mode = options.ceil_mode();
  pad_end(layer);
}
void read_map(const StagePlace&, const tnn::MaxPool1dImpl& map, PlainLayer& layer) {
  read_max_pool(map.options, layer);
}
void read_map(const StagePlace&, const tnn::MaxPool2dImpl& map, PlainLayer& layer) {
  read_max_pool(map.options, layer);
}

template <class Options>
void read_mean_pool(const Options& options, PlainLayer& layer) {
  layer.map = Map::kMeanPool;
  layer.kernel = numbers(options.kernel_size());
  layer.stride = numbers(options.stride());
  layer.padding = numbers(options.padding());
  layer.dilation.assign(layer.kernel.size(), 1);
  layer.ceil_mode = options.ceil_mode();
  layer.count_padding = options.count_include_pad();
  pad_end(layer);
}
void read_map(const StagePlace&, const tnn::AvgPool1dImpl& map, PlainLayer& layer) {
  read_mean_pool(map.options, layer);
}
void read_map(const StagePlace& place, const tnn::AvgPool2dImpl& map, PlainLayer& layer) {
  TORCH_CHECK(!map.options.divisor_override(), place.component, ": expected ", place.text(),
              " without divisor_override but got ", *map.options.divisor_override(), ".");
  read_mean_pool(map.options, layer);
}

template <class Pool>
void read_global_mean(const StagePlace& place, const Pool& pool, PlainLayer& layer) {
  for (const auto& size : *pool.options.output_size()) {
    TORCH_CHECK(size == 1, place.component, ": expected ", place.text(),
                " to have an output of size 1 but got ",
                size ? c10::str(*size) : std::string("that of its input"), ".");
  }
  layer.map = Map::kGlobalMean;
}
void read_map(const StagePlace& place, const tnn::AdaptiveAvgPool1dImpl& map, PlainLayer& layer) {
  TORCH_CHECK(map.options.output_size()->at(0) == 1, place.component, ": expected ", place.text(),
              " to have an output of size 1 but got ", map.options.output_size()->at(0), ".");
  layer.map = Map::kGlobalMean;
}
void read_map(const StagePlace& place, const tnn::AdaptiveAvgPool2dImpl& map, PlainLayer& layer) {
  read_global_mean(place, map, layer);
}

template <class Impl>
bool read_map_of(const StagePlace& place, const tnn::Module& map, PlainLayer& layer) {
  const auto* known = exactly<Impl>(map);
  if (known != nullptr) read_map(place, *known, layer);
  return known != nullptr;
}

void read_stage(const StagePlace& place, const NoisyStageImpl& stage, PlainLayer& layer) {
  layer.map_name = "map";
  layer.normalization = stage.normalization;
  const auto& map = *stage.map.ptr();
  const StagePlace inside{place.component, place.number, kind_of(map)};
  const bool known = read_map_of<tnn::LinearImpl>(inside, map, layer) ||
                     read_map_of<tnn::Conv1dImpl>(inside, map, layer) ||
                     read_map_of<tnn::Conv2dImpl>(inside, map, layer) ||
                     read_map_of<tnn::MaxPool1dImpl>(inside, map, layer) ||
                     read_map_of<tnn::MaxPool2dImpl>(inside, map, layer) ||
                     read_map_of<tnn::AvgPool1dImpl>(inside, map, layer) ||
                     read_map_of<tnn::AvgPool2dImpl>(inside, map, layer) ||
                     read_map_of<tnn::AdaptiveAvgPool1dImpl>(inside, map, layer) ||
                     read_map_of<tnn::AdaptiveAvgPool2dImpl>(inside, map, layer);
  TORCH_CHECK(known, place.component, ": expected ", place.text(),
              " to hold a Linear, a convolution or a pooling of at most two dimensions but got: ",
              inside.kind, " (such a network can be saved as .safetensors or .pt).");
  TORCH_CHECK(layer.map != Map::kDense || layer.in.size() == 1, place.component, ": expected ",
              inside.text(), " to be given rows of [features] but got ", at::IntArrayRef(layer.in),
              ".");
}

void read_stage(const StagePlace&, const NoisyBatchNormLinearImpl& stage, PlainLayer& layer) {
  layer.map = Map::kDense;
  layer.weight = stage.weight;
  layer.normalization = stage.normalization;
}

void read_stage(const StagePlace&, const NoisyConvImpl& stage, PlainLayer& layer) {
  layer.map = Map::kConv;
  layer.weight = stage.weight;
  layer.kernel = numbers(stage.options.kernel);
  layer.stride = numbers(stage.options.stride);
  layer.dilation.assign(2, 1);
  const auto padding = stage.geometry().padding;
  layer.padding.assign(padding.begin(), padding.end());
  layer.end_padding.assign(2, 0);
  layer.normalization = stage.normalization;
}

template <class Stage>
void read_pool_stage(const Stage& stage, Map map, PlainLayer& layer) {
  layer.map = map;
  layer.kernel = numbers(stage.options.size);
  layer.stride = layer.kernel;
  layer.padding.assign(2, 0);
  layer.dilation.assign(2, 1);
  layer.ceil_mode = true;
  pad_end(layer);
  layer.normalization = stage.normalization;
}
void read_stage(const StagePlace&, const NoisyMaxPoolImpl& stage, PlainLayer& layer) {
  read_pool_stage(stage, Map::kMaxPool, layer);
}
void read_stage(const StagePlace&, const NoisyMeanPoolImpl& stage, PlainLayer& layer) {
  read_pool_stage(stage, Map::kMeanPool, layer);
}

void read_stage(const StagePlace&, const NoisyGlobalMeanPoolImpl& stage, PlainLayer& layer) {
  layer.map = Map::kGlobalMean;
  layer.factor = NoisyGlobalMeanPoolImpl::scale(layer.in.back());
  layer.normalization = stage.normalization;
}

template <class Impl>
bool read_stage_of(const StagePlace& place, const tnn::Module& stage, PlainLayer& layer) {
  const auto* known = exactly<Impl>(stage);
  if (known != nullptr) read_stage(place, *known, layer);
  return known != nullptr;
}

void check_names(const char* component, const std::string& what,
                 const std::vector<std::string>& names) {
  try {
    json_array(names);
  } catch (const nlohmann::json::type_error&) {
    TORCH_CHECK(false, component, ": expected ", what, " in UTF-8 but got other bytes.");
  }
}

void check_images(const char* component, const ImageInputs& images,
                  const std::vector<int64_t>& shape) {
  const std::vector<int64_t> wanted =
      images.flat ? std::vector{images.channels * images.height * images.width}
                  : std::vector{images.channels, images.height, images.width};
  TORCH_CHECK(shape == wanted, component, ": expected a network of rows ", at::IntArrayRef(wanted),
              " for the images but got one of ", at::IntArrayRef(shape), ".");
  if (images.whitening) {
    TORCH_CHECK(images.mean.empty() && images.scale.empty(), component,
                ": expected neither a mean nor a scale of channels beside a whitening but got ",
                images.mean.size(), " and ", images.scale.size(), ".");
    images.whitening->check(component, c10::multiply_integers(wanted));
    return;
  }
  const auto channels = static_cast<size_t>(images.channels);
  TORCH_CHECK(images.mean.size() == channels && images.scale.size() == channels, component,
              ": expected a mean and a scale for each of ", channels, " channels but got ",
              images.mean.size(), " and ", images.scale.size(), ".");
  for (const double scale : images.scale) {
    TORCH_CHECK(scale > 0, component, ": expected scales of images above 0 but got ", scale, ".");
  }
}

}  // namespace

std::vector<PlainLayer> plain_layers(const char* component, const Ladder& net) {
  TORCH_CHECK(!net.is_empty(), component, ": expected a network but got an empty one.");
  std::vector<PlainLayer> layers;
  for (size_t l = 0; l < net->stages.size(); ++l) {
    const auto& module = *net->stages[l].module();
    const StagePlace place{component, l + 1, kind_of(module)};
    PlainLayer layer{.name = c10::str("stages.", l)};
    layer.in = net->shapes[l];
    layer.out = net->shapes[l + 1];
    const bool known = read_stage_of<NoisyBatchNormLinearImpl>(place, module, layer) ||
                       read_stage_of<NoisyConvImpl>(place, module, layer) ||
                       read_stage_of<NoisyMaxPoolImpl>(place, module, layer) ||
                       read_stage_of<NoisyMeanPoolImpl>(place, module, layer) ||
                       read_stage_of<NoisyGlobalMeanPoolImpl>(place, module, layer) ||
                       read_stage_of<NoisyStageImpl>(place, module, layer);
    TORCH_CHECK(known, component, ": expected stages of the library but got ", place.text(),
                " (such a network can be saved as .safetensors or .pt).");
    layers.push_back(std::move(layer));
  }
  check_calibrated(component, net);
  return layers;
}

void check_calibrated(const char* component, const Ladder& net) {
  for (size_t l = 0; l < net->stages.size(); ++l) {
    const auto& stage = *net->stages[l].module();
    for (const auto& module : stage.modules()) {
      const auto* norm = dynamic_cast<const NoisyNormalizationImpl*>(module.get());
      TORCH_CHECK(norm == nullptr || norm->batches.item<int64_t>() > 0, component,
                  ": expected a calibrated network but ",
                  StagePlace{component, l + 1, kind_of(stage)}.text(),
                  " has no stored statistics (call calibrate first).");
    }
  }
}

FoldedNormalization folded(const PlainLayer& layer) {
  const torch::NoGradGuard no_grad;
  const auto wide = [](const torch::Tensor& tensor) {
    return tensor.detach().to(torch::kCPU, torch::kFloat64);
  };
  const auto& norm = *layer.normalization;
  const auto inverse = (wide(norm.running_var) + kVarianceEpsilon).rsqrt();
  auto scale = inverse;
  auto shift = -wide(norm.running_mean) * inverse;
  if (layer.bias.defined()) shift = shift + wide(layer.bias) * inverse;
  if (norm.beta.defined()) shift = shift + wide(norm.beta);
  if (norm.gamma.defined()) {
    scale = scale * wide(norm.gamma);
    shift = shift * wide(norm.gamma);
  }
  return {scale * layer.factor, shift};
}

void check_model(const char* component, const PredictionModel& model) {
  TORCH_CHECK(!model.net.is_empty(), component, ": expected a network but got an empty one.");
  TORCH_CHECK(!model.features || !model.images, component,
              ": expected features or images but got both.");
  const auto& shape = model.net->options.input_shape;
  if (model.features) {
    const int64_t width = model.features->width();
    TORCH_CHECK(shape == std::vector{width}, component, ": expected a network of rows [", width,
                "] for the features but got one of ", at::IntArrayRef(shape), ".");
    check_names(component, "missing values", model.features->missing);
    for (const auto& column : model.features->columns) {
      check_names(component, "column names", {column.name, column.dropped});
      check_names(component, "the levels of column '" + column.name + "'", column.levels);
    }
  }
  if (model.images) check_images(component, *model.images, shape);
  TORCH_CHECK(
      model.classes.empty() || static_cast<int64_t>(model.classes.size()) == model.net->classes(),
      component, ": expected names of ", model.net->classes(), " classes but got ",
      model.classes.size(), ".");
  check_names(component, "class names", model.classes);
  for (const auto& [name, text] : model.facts) check_names(component, "facts", {name, text});
}

io::TensorMap whitening_tensors(const ImageInputs& images) {
  if (!images.whitening) return {};
  return {{kWhiteningMean, images.whitening->mean}, {kWhiteningMap, images.whitening->map}};
}

std::vector<std::string> class_names(const PredictionModel& model) {
  if (!model.classes.empty()) return model.classes;
  std::vector<std::string> names;
  for (int64_t c = 0; c < model.net->classes(); ++c) names.push_back(std::to_string(c));
  return names;
}

std::vector<const data::Feature*> used_columns(const PredictionModel& model,
                                               data::ColumnKind kind) {
  std::vector<const data::Feature*> used;
  if (!model.features) return used;
  for (const auto& column : model.features->columns) {
    if (column.dropped.empty() && column.kind == kind) used.push_back(&column);
  }
  return used;
}

std::string json_array(const std::vector<std::string>& texts) {
  return nlohmann::json(texts).dump();
}

}  // namespace ladder::exports
