#include "ladder/exports/onnx.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <protozero/pbf_writer.hpp>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ladder/core/activation.h"
#include "ladder/data/internal/missing_values.h"
#include "ladder/data/internal/spellings.h"
#include "ladder/exports/internal/plain_layers.h"
#include "ladder/io/atomic_file.h"
#include "ladder/version.h"

namespace ladder::exports {
namespace {

using protozero::pbf_writer;

// Field numbers and constants of onnx.proto3.
constexpr int64_t kIrVersion = 8;
constexpr int64_t kOpset = 17, kMlOpset = 3;
constexpr const char* kMlDomain = "ai.onnx.ml";
enum OnnxType : int32_t {
  kOnnxFloat = 1,
  kOnnxUint8 = 2,
  kOnnxInt64 = 7,
  kOnnxString = 8,
  kOnnxBool = 9,
  kOnnxDouble = 11
};
enum OnnxAttributeType : int32_t {
  kOneFloat = 1,
  kOneInt = 2,
  kOneText = 3,
  kInts = 7,
  kTexts = 8
};
constexpr size_t kMaxOnnxBytes = std::numeric_limits<int32_t>::max();  // of any protobuf message
constexpr const char* kRows = "rows";

using OnnxValue =
    std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<std::string>>;
using OnnxAttributes = std::vector<std::pair<std::string, OnnxValue>>;

struct AttributeWriter {
  pbf_writer& out;

  void operator()(int64_t value) {
    out.add_int64(3, value);
    out.add_int32(20, kOneInt);
  }
  void operator()(float value) {
    out.add_float(2, value);
    out.add_int32(20, kOneFloat);
  }
  void operator()(const std::string& value) {
    out.add_bytes(4, value);
    out.add_int32(20, kOneText);
  }
  void operator()(const std::vector<int64_t>& values) {
    for (const int64_t value : values) out.add_int64(8, value);
    out.add_int32(20, kInts);
  }
  void operator()(const std::vector<std::string>& values) {
    for (const auto& value : values) out.add_bytes(9, value);
    out.add_int32(20, kTexts);
  }
};

int32_t onnx_type(torch::Dtype dtype) {
  switch (dtype) {
    case torch::kFloat32:
      return kOnnxFloat;
    case torch::kFloat64:
      return kOnnxDouble;
    default:
      TORCH_INTERNAL_ASSERT(dtype == torch::kInt64);
      return kOnnxInt64;
  }
}

// A graph that grows node by node. Values are known by their names.
class OnnxGraph {
 public:
  // Add a tensor of float32, float64 or int64.
  std::string constant(const std::string& name, const torch::Tensor& value) {
    const auto dense = value.detach().cpu().contiguous();
    pbf_writer out(constants_);
    pbf_writer tensor(out, 5);
    tensor.add_packed_int64(1, dense.sizes().begin(), dense.sizes().end());
    tensor.add_int32(2, onnx_type(dense.scalar_type()));
    tensor.add_string(8, name);
    tensor.add_bytes(9, static_cast<const char*>(dense.const_data_ptr()), dense.nbytes());
    return name;
  }
  std::string integers(const std::string& name, const std::vector<int64_t>& values) {
    return constant(name, torch::tensor(values, torch::kInt64));
  }
  std::string number(const std::string& name, double value) {
    return constant(name, torch::tensor(value, torch::kFloat32));
  }

  // Add a node; its result has the same name.
  std::string node(const std::string& name, const char* op, const std::vector<std::string>& inputs,
                   const OnnxAttributes& attributes = {}, const char* domain = "") {
    pbf_writer out(nodes_);
    pbf_writer node(out, 1);
    for (const auto& input : inputs) node.add_string(1, input);
    node.add_string(2, name);
    node.add_string(3, name);
    node.add_string(4, op);
    for (const auto& [key, value] : attributes) {
      pbf_writer attribute(node, 5);
      attribute.add_string(1, key);
      std::visit(AttributeWriter{attribute}, value);
    }
    if (*domain != '\0') {
      node.add_string(7, domain);
      uses_ml_ = true;
    }
    return name;
  }

  // Declare an input or a result: the size -1 is the number of rows.
  void input(const std::string& name, int32_t type, const std::vector<int64_t>& sizes) {
    declare(inputs_, 11, name, type, sizes);
  }
  void output(const std::string& name, int32_t type, const std::vector<int64_t>& sizes) {
    declare(outputs_, 12, name, type, sizes);
  }

  // Return the file.
  std::string model(const char* component,
                    const std::vector<std::pair<std::string, std::string>>& metadata) const {
    std::string graph = nodes_;
    pbf_writer(graph).add_string(2, "ladder");
    graph += constants_ + inputs_ + outputs_;
    TORCH_CHECK(graph.size() < kMaxOnnxBytes, component, ": expected at most 2 GB but got ",
                graph.size(), " bytes (such a network can be saved as .safetensors or .pt).");
    std::string bytes;
    pbf_writer model(bytes);
    model.add_int64(1, kIrVersion);
    model.add_string(2, "ladder");
    model.add_string(3, std::string(version()));
    model.add_message(7, graph);
    add_opset(model, "", kOpset);
    if (uses_ml_) add_opset(model, kMlDomain, kMlOpset);
    for (const auto& [key, value] : metadata) {
      pbf_writer entry(model, 14);
      entry.add_string(1, key);
      entry.add_string(2, value);
    }
    return bytes;
  }

 private:
  static void declare(std::string& list, protozero::pbf_tag_type tag, const std::string& name,
                      int32_t type, const std::vector<int64_t>& sizes) {
    pbf_writer out(list);
    pbf_writer value(out, tag);
    value.add_string(1, name);
    pbf_writer kind(value, 2);
    pbf_writer tensor(kind, 1);
    tensor.add_int32(1, type);
    pbf_writer shape(tensor, 2);
    for (const int64_t size : sizes) {
      pbf_writer dimension(shape, 1);
      if (size < 0) {
        dimension.add_string(2, kRows);
      } else {
        dimension.add_int64(1, size);
      }
    }
  }

  static void add_opset(pbf_writer& model, const char* domain, int64_t version) {
    pbf_writer opset(model, 8);
    opset.add_string(1, domain);
    opset.add_int64(2, version);
  }

  std::string nodes_, constants_, inputs_, outputs_;  // fields of the graph
  bool uses_ml_ = false;
};

constexpr const char* kWriteOnnx = "write_onnx";

// Inputs [rows, numbers] of the numeric columns and, where they are needed, the indicators of
// missing values behind them.
std::string add_numbers(OnnxGraph& graph, const std::vector<const data::Feature*>& columns,
                        const std::vector<double>& missing_numbers) {
  const auto count = static_cast<int64_t>(columns.size());
  auto center = torch::empty({count}, torch::kFloat64);
  auto factor = torch::empty({count}, torch::kFloat64);
  bool indicators = false;
  for (int64_t c = 0; c < count; ++c) {
    const auto& column = *columns[static_cast<size_t>(c)];
    center[c] = column.center;
    factor[c] = 1 / column.scale;
    indicators = indicators || column.indicator;
  }
  graph.input("numbers", kOnnxFloat, {-1, count});
  std::string missing = graph.node("missing", "IsNaN", {"numbers"});
  for (size_t i = 0; i < missing_numbers.size(); ++i) {
    const auto name = "missing_number." + std::to_string(i);
    const auto is_number =
        graph.node(name + ".is_here", "Equal", {"numbers", graph.number(name, missing_numbers[i])});
    missing = graph.node(name + ".or_before", "Or", {missing, is_number});
  }
  // In float64: a column of times, say, is far from 0 in units of its standard deviation.
  const auto wide = graph.node("numbers_wide", "Cast", {"numbers"}, {{"to", int64_t{kOnnxDouble}}});
  const auto centered =
      graph.node("centered", "Sub", {wide, graph.constant("features.center", center)});
  const auto scaled =
      graph.node("scaled", "Mul", {centered, graph.constant("features.factor", factor)});
  // An infinite number, which the library refuses, counts as the largest one.
  constexpr double kLargest = std::numeric_limits<float>::max();
  const auto least = graph.constant("features.least", torch::tensor(-kLargest, torch::kFloat64));
  const auto most = graph.constant("features.most", torch::tensor(kLargest, torch::kFloat64));
  const auto finite = graph.node("finite", "Clip", {scaled, least, most});
  const auto narrow = graph.node("standardised", "Cast", {finite}, {{"to", int64_t{kOnnxFloat}}});
  const auto z =
      graph.node("imputed", "Where", {missing, graph.number("features.zero", 0.0), narrow});
  // sign(z) (min(|z|, from) + log(1 + max(|z| - from, 0)))
  const auto from = graph.number("features.tail_from", data::kTailFrom);
  const auto size = graph.node("magnitude", "Abs", {z});
  const auto beyond = graph.node("beyond", "Relu", {graph.node("above_tail", "Sub", {size, from})});
  const auto tail = graph.node(
      "tail", "Log",
      {graph.node("beyond_plus_one", "Add", {beyond, graph.number("features.one", 1.0)})});
  const auto tamed = graph.node("tamed", "Add", {graph.node("head", "Min", {size, from}), tail});
  const auto values = graph.node("values", "Mul", {graph.node("sign", "Sign", {z}), tamed});
  if (!indicators) return values;
  const auto ones =
      graph.node("missing_as_number", "Cast", {missing}, {{"to", int64_t{kOnnxFloat}}});
  const auto marks =
      graph.node("indicators", "Mul", {ones, graph.number("features.height", data::kLevelHeight)});
  return graph.node("values_and_indicators", "Concat", {values, marks}, {{"axis", int64_t{1}}});
}

// Inputs [rows, width] of the text column `place`.
std::string add_text(OnnxGraph& graph, const data::Feature& column,
                     const std::vector<std::string>& missing, int64_t place) {
  const std::string name = "texts." + std::to_string(place);
  const auto levels = static_cast<int64_t>(column.levels.size());
  std::vector<std::string> keys = column.levels;
  std::vector<int64_t> codes;
  for (int64_t level = 0; level < levels; ++level) codes.push_back(level);
  constexpr int64_t kNone = -1;
  for (const auto& [text, input] : data::other_spellings(column, missing)) {
    keys.push_back(text);
    codes.push_back(input);
  }
  const auto text =
      graph.node(name + ".text", "Gather", {"texts", graph.integers(name + ".column", {place})},
                 {{"axis", int64_t{1}}});
  const auto code = graph.node(name + ".code", "LabelEncoder", {text},
                               {{"keys_strings", keys},
                                {"values_int64s", codes},
                                {"default_int64", column.other ? levels : kNone}},
                               kMlDomain);
  std::vector<int64_t> inputs(static_cast<size_t>(column.width()));
  for (size_t i = 0; i < inputs.size(); ++i) inputs[i] = static_cast<int64_t>(i);
  const auto is_level =
      graph.node(name + ".is_level", "Equal", {code, graph.integers(name + ".levels", inputs)});
  const auto ones = graph.node(name + ".ones", "Cast", {is_level}, {{"to", int64_t{kOnnxFloat}}});
  return graph.node(name + ".inputs", "Mul",
                    {ones, graph.number(name + ".height", data::kLevelHeight)});
}

std::string add_features(OnnxGraph& graph, const PredictionModel& model) {
  const auto numbers = used_columns(model, data::ColumnKind::kNumber);
  const auto texts = used_columns(model, data::ColumnKind::kText);
  std::vector<std::string> parts;
  bool indicators = false;
  if (!numbers.empty()) {
    const data::MissingValues missing(model.features->missing);
    parts.push_back(add_numbers(graph, numbers, missing.numbers()));
    for (const auto* column : numbers) indicators = indicators || column->indicator;
  }
  if (!texts.empty()) {
    graph.input("texts", kOnnxString, {-1, static_cast<int64_t>(texts.size())});
    for (size_t t = 0; t < texts.size(); ++t) {
      parts.push_back(add_text(graph, *texts[t], model.features->missing, static_cast<int64_t>(t)));
    }
  }
  const auto all =
      parts.size() == 1 ? parts[0] : graph.node("parts", "Concat", parts, {{"axis", int64_t{1}}});

  // From values, indicators, texts to the order of the columns.
  const auto count = static_cast<int64_t>(numbers.size());
  int64_t number = 0, text = indicators ? 2 * count : count;
  std::vector<int64_t> order;
  for (const auto& column : model.features->columns) {
    if (!column.dropped.empty()) continue;
    if (column.kind == data::ColumnKind::kNumber) {
      order.push_back(number);
      if (column.indicator) order.push_back(count + number);
      ++number;
    } else {
      for (int64_t i = 0; i < column.width(); ++i) order.push_back(text++);
    }
  }
  return graph.node("features", "Gather", {all, graph.integers("features.order", order)},
                    {{"axis", int64_t{1}}});
}

// A tensor [C] for all positions of feature maps of this rank: [C, 1, 1].
torch::Tensor per_channel(const torch::Tensor& values, size_t rank) {
  std::vector<int64_t> sizes(rank, 1);
  sizes[0] = values.size(0);
  return values.to(torch::kFloat32).reshape(sizes);
}

// y = (c - mean) map, c = norm (x - mean(x)) / |x - mean(x)|, or 0 where x has one value alone. c
// is computed in float64, as in the library.
std::string add_whitening(OnnxGraph& graph, const ImageInputs& images, const std::string& pixels) {
  const auto& whitening = *images.whitening;
  const auto constant = [&](const char* name, double value) {
    return graph.constant(name, torch::tensor(value, torch::kFloat64));
  };
  const auto mean_of = [&](const char* name, const std::string& rows) {
    return graph.node(name, "ReduceMean", {rows},
                      {{"axes", std::vector<int64_t>{1}}, {"keepdims", int64_t{1}}});
  };
  const auto rows = graph.node("rows_of_pixels", "Flatten", {pixels}, {{"axis", int64_t{1}}});
  const auto x = graph.node("pixels_wide", "Cast", {rows}, {{"to", int64_t{kOnnxDouble}}});
  const auto centered = graph.node("pixels_centered", "Sub", {x, mean_of("pixels_mean", x)});
  const auto squares = graph.node("pixels_squared", "Mul", {centered, centered});
  const auto spread = graph.node("pixels_spread", "Sqrt", {mean_of("pixels_variance", squares)});
  // |x - mean(x)| of D bytes is sqrt(D) spread: at least sqrt(1/2), unless they are all the same.
  const double root = std::sqrt(static_cast<double>(whitening.mean.size(0)));
  const auto differ =
      graph.node("pixels_differ", "Greater", {spread, constant("images.min_spread", 0.5 / root)});
  const auto gain = graph.node(
      "gain", "Div", {constant("images.contrast_spread", whitening.contrast_norm / root), spread});
  const auto finite_gain =
      graph.node("finite_gain", "Where", {differ, gain, constant("images.no_gain", 0)});
  const auto contrast = graph.node("contrast_wide", "Mul", {centered, finite_gain});
  const auto c = graph.node("contrast", "Cast", {contrast}, {{"to", int64_t{kOnnxFloat}}});
  const auto shifted =
      graph.node("contrast_shifted", "Sub", {c, graph.constant(kWhiteningMean, whitening.mean)});
  const auto y =
      graph.node("whitened", "MatMul", {shifted, graph.constant(kWhiteningMap, whitening.map)});
  if (images.flat) return y;
  return graph.node(
      "whitened_images", "Reshape",
      {y, graph.integers("images.shape", {-1, images.channels, images.height, images.width})});
}

std::string add_images(OnnxGraph& graph, const ImageInputs& images) {
  graph.input("images", kOnnxUint8, {-1, images.channels, images.height, images.width});
  const auto pixels = graph.node("pixels", "Cast", {"images"}, {{"to", int64_t{kOnnxFloat}}});
  if (images.whitening) return add_whitening(graph, images, pixels);
  const auto mean = torch::tensor(images.mean, torch::kFloat64);
  const auto scale = torch::tensor(images.scale, torch::kFloat64);
  const auto scaled = graph.node(
      "pixels_scaled", "Mul",
      {pixels, graph.constant("images.factor", per_channel((255 * scale).reciprocal(), 3))});
  const auto inputs =
      graph.node("pixels_shifted", "Add",
                 {scaled, graph.constant("images.shift", per_channel(-mean / scale, 3))});
  return images.flat ? graph.node("rows_of_pixels", "Flatten", {inputs}, {{"axis", int64_t{1}}})
                     : inputs;
}

std::string add_inputs(OnnxGraph& graph, const PredictionModel& model) {
  if (model.features) return add_features(graph, model);
  if (model.images) return add_images(graph, *model.images);
  std::vector<int64_t> sizes = model.net->options.input_shape;
  sizes.insert(sizes.begin(), -1);
  graph.input("inputs", kOnnxFloat, sizes);
  return "inputs";
}

// Begin and end padding as ONNX takes it.
std::vector<int64_t> pads_of(const std::vector<int64_t>& begin, const std::vector<int64_t>& more) {
  std::vector<int64_t> pads = begin;
  for (size_t d = 0; d < begin.size(); ++d) pads.push_back(begin[d] + more[d]);
  return pads;
}

std::string add_pool(OnnxGraph& graph, const PlainLayer& layer, std::string h) {
  OnnxAttributes attributes = {{"kernel_shape", layer.kernel}, {"strides", layer.stride}};
  std::vector<int64_t> padding = layer.padding;
  if (layer.map == PlainLayer::Map::kMaxPool) {
    attributes.emplace_back("dilations", layer.dilation);
  } else {
    const bool padded =
        std::any_of(padding.begin(), padding.end(), [](int64_t p) { return p > 0; });
    if (padded && layer.count_padding) {
      // Zeros that count, unlike those behind a cut window, which AveragePool could not tell apart.
      std::vector<int64_t> pads = {0, 0};
      pads.insert(pads.end(), padding.begin(), padding.end());
      const auto begin = pads;
      pads.insert(pads.end(), begin.begin(), begin.end());
      h = graph.node(layer.name + ".padded", "Pad",
                     {h, graph.integers(layer.name + ".padding", pads)});
      padding.assign(padding.size(), 0);
    }
    attributes.emplace_back("count_include_pad", int64_t{0});
  }
  attributes.emplace_back("pads", pads_of(padding, layer.end_padding));
  return graph.node(layer.name + ".map",
                    layer.map == PlainLayer::Map::kMaxPool ? "MaxPool" : "AveragePool", {h},
                    attributes);
}

std::string add_map(OnnxGraph& graph, const PlainLayer& layer, const std::string& h) {
  const auto [scale, shift] = folded(layer);
  const std::string& name = layer.name;
  const bool has_weight =
      layer.map == PlainLayer::Map::kDense || layer.map == PlainLayer::Map::kConv;
  if (has_weight) {
    std::vector<int64_t> sizes(static_cast<size_t>(layer.weight.dim()), 1);
    sizes[0] = scale.size(0);
    const auto weight =
        layer.weight.detach().to(torch::kCPU, torch::kFloat64) * scale.reshape(sizes);
    const auto w = graph.constant(name + ".weight", weight.to(torch::kFloat32));
    const auto b = graph.constant(name + ".shift", shift.to(torch::kFloat32));
    if (layer.map == PlainLayer::Map::kConv) {
      return graph.node(name + ".normalised", "Conv", {h, w, b},
                        {{"kernel_shape", layer.kernel},
                         {"strides", layer.stride},
                         {"dilations", layer.dilation},
                         {"pads", pads_of(layer.padding, layer.end_padding)},
                         {"group", layer.groups}});
    }
    const auto rows = layer.in.size() == 1
                          ? h
                          : graph.node(name + ".rows", "Flatten", {h}, {{"axis", int64_t{1}}});
    return graph.node(name + ".normalised", "Gemm", {rows, w, b}, {{"transB", int64_t{1}}});
  }
  std::string pooled;
  if (layer.map == PlainLayer::Map::kGlobalMean) {
    pooled = graph.node(name + ".map", "GlobalAveragePool", {h});
    if (layer.out.size() == 1) {
      pooled = graph.node(name + ".rows", "Flatten", {pooled}, {{"axis", int64_t{1}}});
    }
  } else {
    pooled = add_pool(graph, layer, h);
  }
  const size_t rank = layer.out.size();
  const auto scaled = graph.node(
      name + ".scaled", "Mul", {pooled, graph.constant(name + ".scale", per_channel(scale, rank))});
  return graph.node(name + ".normalised", "Add",
                    {scaled, graph.constant(name + ".shift", per_channel(shift, rank))});
}

std::string add_activation(OnnxGraph& graph, const PlainLayer& layer, const std::string& a) {
  const std::string h = layer.name + ".h";
  switch (layer.normalization->options.activation) {
    case Activation::kIdentity:
      return a;
    case Activation::kRelu:
      return graph.node(h, "Relu", {a});
    case Activation::kLeakyRelu:
      return graph.node(h, "LeakyRelu", {a},
                        {{"alpha", static_cast<float>(layer.normalization->options.leaky_slope)}});
    case Activation::kTanh:
      return graph.node(h, "Tanh", {a});
    case Activation::kGelu: {  // a (1 + erf(a / sqrt(2))) / 2; its own operator came with opset 20
      const auto root = graph.number(layer.name + ".root", std::sqrt(0.5));
      const auto erf = graph.node(layer.name + ".erf", "Erf",
                                  {graph.node(layer.name + ".in_root", "Mul", {a, root})});
      const auto one = graph.number(layer.name + ".one", 1.0);
      const auto half = graph.number(layer.name + ".half", 0.5);
      const auto share =
          graph.node(layer.name + ".share", "Mul",
                     {graph.node(layer.name + ".erf_plus_one", "Add", {erf, one}), half});
      return graph.node(h, "Mul", {a, share});
    }
  }
  TORCH_INTERNAL_ASSERT(false);
}

std::vector<std::string> names_of(const std::vector<const data::Feature*>& columns) {
  std::vector<std::string> names;
  for (const auto* column : columns) names.push_back(column->name);
  return names;
}

std::vector<std::pair<std::string, std::string>> metadata_of(const PredictionModel& model) {
  std::vector<std::pair<std::string, std::string>> metadata = {
      {"classes", json_array(class_names(model))}};
  if (model.features) {
    if (!model.features->missing.empty()) {
      metadata.emplace_back("missing", json_array(model.features->missing));
    }
    for (const auto& [key, kind] : {std::pair("number_columns", data::ColumnKind::kNumber),
                                    std::pair("text_columns", data::ColumnKind::kText)}) {
      metadata.emplace_back(key, json_array(names_of(used_columns(model, kind))));
    }
  }
  std::set<std::string> taken;  // a key stands once
  for (const auto& entry : metadata) taken.insert(entry.first);
  for (const auto& fact : model.facts) {
    if (taken.insert(fact.first).second) metadata.push_back(fact);
  }
  return metadata;
}

}  // namespace

void write_onnx(const std::filesystem::path& path, const PredictionModel& model) {
  check_model(kWriteOnnx, model);
  const auto layers = plain_layers(kWriteOnnx, model.net);
  OnnxGraph graph;
  std::string h = add_inputs(graph, model);
  for (const auto& layer : layers) h = add_activation(graph, layer, add_map(graph, layer, h));
  graph.node("probabilities", "Softmax", {h}, {{"axis", int64_t{1}}});
  graph.node("class", "ArgMax", {h}, {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}});
  graph.output("class", kOnnxInt64, {-1});
  graph.output("probabilities", kOnnxFloat, {-1, model.net->classes()});
  io::write_atomically(path, graph.model(kWriteOnnx, metadata_of(model)));
}

}  // namespace ladder::exports
