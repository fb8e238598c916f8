#include "ladder/runs/model_file.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <c10/util/safe_numerics.h>
#include <ladder/models/network.h>

#include <cmath>
#include <iterator>
#include <locale>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <utility>
#include <variant>
#include <vector>

#include "ladder/data/internal/unnamed_column.h"
#include "ladder/exports/internal/plain_layers.h"
#include "ladder/io/internal/json.h"
#include "ladder/io/tensor_file.h"
#include "ladder/nn/random_init.h"
#include "ladder/nn/stages/noisy_normalization.h"
#include "ladder/ops/kernel_info.h"
#include "ladder/version.h"

namespace ladder::runs {
namespace {

using nlohmann::ordered_json;

constexpr const char* kText = "model.json";
constexpr const char* kPrefix = "network.";
constexpr int64_t kFormat = 1, kFormatOfWhitening = 2;

const at::Tensor& tensor_at(const io::TensorMap& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  TORCH_CHECK(found != tensors.end(), "expected a tensor ", name, " but found none");
  return found->second;
}

exports::ImageInputs images_from(const ordered_json& json, const io::TensorMap& tensors) {
  exports::ImageInputs images{.channels = json.at("channels").get<int64_t>(),
                              .height = json.at("height").get<int64_t>(),
                              .width = json.at("width").get<int64_t>(),
                              .flat = json.at("flat").get<bool>()};
  constexpr int64_t kMaxSide = 100'000;
  for (const int64_t size : {images.channels, images.height, images.width}) {
    TORCH_CHECK(size >= 1 && size <= kMaxSide, "expected images of 1 to ", kMaxSide,
                " channels, rows and columns but got ", size);
  }
  if (json.contains("contrast_norm")) {
    images.whitening = data::ImageWhitening{.contrast_norm = json.at("contrast_norm").get<double>(),
                                            .mean = tensor_at(tensors, exports::kWhiteningMean),
                                            .map = tensor_at(tensors, exports::kWhiteningMap)};
    images.whitening->check("images", images.channels * images.height * images.width);
    return images;
  }
  images.mean = json.at("mean").get<std::vector<double>>();
  images.scale = json.at("scale").get<std::vector<double>>();
  const auto channels = static_cast<size_t>(images.channels);
  TORCH_CHECK(images.mean.size() == channels && images.scale.size() == channels,
              "expected a mean and a scale for each of ", images.channels, " channels but got ",
              images.mean.size(), " and ", images.scale.size());
  for (const double scale : images.scale) {
    TORCH_CHECK(scale > 0 && std::isfinite(scale), "expected a scale above 0 but got ", scale);
  }
  return images;
}

// Numbers of the network's inputs.
std::vector<int64_t> input_shape(const exports::PredictionModel& model) {
  if (model.features) return {model.features->width()};
  if (!model.images) return {};
  const auto& images = *model.images;
  if (images.flat) return {images.channels * images.height * images.width};
  return {images.channels, images.height, images.width};
}

void copy_into(const exports::PredictionModel& model, const io::TensorMap& tensors) {
  const at::NoGradGuard no_gradients;
  const auto& net = model.net;
  std::set<std::string> known = {kText};
  if (model.images && model.images->whitening) {
    known.insert({exports::kWhiteningMean, exports::kWhiteningMap});
  }
  const auto copy = [&](const std::string& name, at::Tensor& to) {
    const std::string key = kPrefix + name;
    const auto& from = tensor_at(tensors, key);
    TORCH_CHECK(from.sizes() == to.sizes() && from.scalar_type() == to.scalar_type(), "expected ",
                key, " as ", c10::toString(to.scalar_type()), " ", to.sizes(), " but got ",
                c10::toString(from.scalar_type()), " ", from.sizes());
    TORCH_CHECK(!from.is_floating_point() || at::isfinite(from).all().item<bool>(),
                "expected finite numbers in ", key, " but got others");
    TORCH_CHECK(!key.ends_with(".running_var") || from.ge(0).all().item<bool>(),
                "expected variances of at least 0 in ", key, " but got others");
    TORCH_CHECK(!key.ends_with(".batches") || from.gt(0).all().item<bool>(),
                "expected stored statistics, counted by ", key,
                ", but got none (the network was saved before `calibrate`)");
    to.copy_(from);
    known.insert(key);
  };
  for (auto& item : net->named_parameters()) copy(item.key(), item.value());
  for (auto& item : net->named_buffers()) copy(item.key(), item.value());
  for (const auto& [name, tensor] : tensors) {
    TORCH_CHECK(known.contains(name), "expected the tensors of the network but got also ", name);
  }
}

// Compares the network with the tensors before it is made: a text of a few bytes may describe one
// that fills the memory.
void check_size(const models::NetworkOptions& network, int64_t classes,
                const io::TensorMap& tensors) {
  constexpr int64_t kMaxUnits = 100'000'000;
  int64_t there = 0;
  for (const auto& [name, tensor] : tensors) there += tensor.numel();
  const auto shapes = models::layer_shapes(network);
  int64_t weights = 0;
  const auto check_weights = [&] {  // after each layer, before the sum overflows
    TORCH_CHECK(weights <= there, "expected tensors of at least ", weights, " numbers but got ",
                there);
  };
  for (size_t l = 0; l < network.layers.size(); ++l) {
    int64_t inputs = 1;
    for (const int64_t size : shapes[l]) {
      TORCH_CHECK(!c10::mul_overflows(inputs, size, &inputs), "expected layers of at most ",
                  kMaxUnits, " units but got more");
    }
    if (const auto* dense = std::get_if<models::Dense>(&network.layers[l])) {
      TORCH_CHECK(inputs <= kMaxUnits && dense->units <= kMaxUnits, "expected layers of at most ",
                  kMaxUnits, " units but got more");
      weights += inputs * dense->units;
    } else if (const auto* conv = std::get_if<models::Conv>(&network.layers[l])) {
      TORCH_CHECK(conv->kernel <= 1000 && conv->channels <= 1000000 && shapes[l][0] <= 1000000,
                  "expected convolutions of at most 1000000 channels and kernels of at most 1000 "
                  "but got more");
      weights += shapes[l][0] * conv->channels * conv->kernel * conv->kernel;
    }
    check_weights();
  }
  TORCH_CHECK(shapes.back() == std::vector<int64_t>{classes}, "expected a network of ", classes,
              " classes but got outputs of shape ", at::IntArrayRef(shapes.back()));
}

// Number of columns of x0, x1 and so on, the label's too if it is the last one; 0 if they are
// called otherwise.
int64_t columns_by_place(const data::Features& features, const std::string& label) {
  for (size_t place = 0; place < features.columns.size(); ++place) {
    if (features.columns[place].name != data::unnamed_column(place)) return 0;
  }
  const bool with_label = label == data::unnamed_column(features.columns.size());
  return std::ssize(features.columns) + (with_label ? 1 : 0);
}

StoredModel model_of(const io::TensorMap& tensors) {
  const auto found = tensors.find(kText);
  TORCH_CHECK(found != tensors.end(), "expected a text ", kText,
              " but found none (is it a checkpoint? `ladder train --resume` continues it)");
  const auto json = io::parse_json<ordered_json>(io::tensor_text(found->second));
  TORCH_CHECK(json.is_object(), "expected a JSON object in ", kText, " but got something else");
  const auto format = json.at("format").get<int64_t>();
  TORCH_CHECK(format == kFormat || format == kFormatOfWhitening, "expected format ", kFormat,
              " or ", kFormatOfWhitening, " but got ", format, " (written by ladder ",
              json.value("ladder", std::string("of another version")), "; this is ", version(),
              ")");

  StoredModel stored{.label = json.at("label").get<std::string>()};
  auto& model = stored.model;
  model.classes = json.at("classes").get<std::vector<std::string>>();
  if (json.contains("features")) {
    model.features = data::features_from_json(json.at("features").dump());
    model.features->missing = json.value("missing", std::vector<std::string>{});
    const auto decimal = json.value("decimal", std::string());
    TORCH_CHECK(decimal.empty() || decimal == "." || decimal == ",",
                "expected . or , as decimal mark but got '", decimal, "'");
    if (!decimal.empty()) model.features->decimal = decimal.front();
    model.features->whole_numbers = json.value("whole_numbers", std::vector<std::string>{});
    const auto of_older_files = columns_by_place(*model.features, stored.label);
    model.features->array_columns = json.value("array_columns", of_older_files);
    TORCH_CHECK(model.features->array_columns >= 0, "expected array_columns of 0 or more but got ",
                model.features->array_columns);
    model.features->leave_out_label(stored.label);
  }
  if (json.contains("images")) model.images = images_from(json.at("images"), tensors);
  TORCH_CHECK(model.features.has_value() != model.images.has_value(),
              "expected either features or images");
  for (const auto& fact : json.at("facts")) {
    model.facts.emplace_back(fact.at(0).get<std::string>(), fact.at(1).get<std::string>());
  }
  stored.config = run_config_from_json(json.at("config").dump());
  TORCH_CHECK(stored.config.network.input_shape == input_shape(model),
              "expected a network of inputs ", at::IntArrayRef(input_shape(model)), " but got ",
              at::IntArrayRef(stored.config.network.input_shape));
  check_size(stored.config.network, static_cast<int64_t>(model.classes.size()), tensors);
  const SeededInit none_of_the_callers(0);  // the file has the parameters
  model.net = models::network(network_of(stored.config));
  model.net->to(models::dtype(stored.config.precision));
  copy_into(model, tensors);
  model.net->eval();
  return stored;
}

}  // namespace

namespace {

// The activations of a network in order, with the slopes of leaky ones, which no name tells.
std::vector<std::pair<Activation, double>> activations(const Ladder& net) {
  std::vector<std::pair<Activation, double>> found;
  for (const auto& module : net->modules()) {
    if (const auto* norm = module->as<NoisyNormalizationImpl>()) {
      const auto kind = norm->options.activation;
      found.emplace_back(kind, kind == Activation::kLeakyRelu ? norm->options.leaky_slope : 0);
    }
  }
  return found;
}

// "ladder::NoisyConv(3, 4, 2x2, valid) of [4, 5, 4]": what a stage computes and gives.
std::string stage_text(const Ladder& net, size_t stage) {
  std::ostringstream text;
  text.imbue(std::locale::classic());  // a program may have set another one
  net->stages[stage].module()->pretty_print(text);
  const auto line = text.str();
  return c10::str(line.substr(0, line.find('\n')), " of ", at::IntArrayRef(net->shapes[stage + 1]));
}

std::map<std::string, std::vector<int64_t>> shapes_of(const Ladder& net) {
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const auto& item : net->named_parameters()) shapes[item.key()] = item.value().sizes().vec();
  for (const auto& item : net->named_buffers()) shapes[item.key()] = item.value().sizes().vec();
  return shapes;
}

// The file holds the settings of the network, from which it is made again.
void check_described(const StoredModel& stored) {
  const auto& model = stored.model;
  TORCH_CHECK(model.features.has_value() != model.images.has_value(),
              "save_model: expected either features or images but got ",
              model.features ? "both" : "neither",
              " (exports::write_safetensors writes a network of ", "other inputs).");
  const auto refuse = [](const std::string& what) {
    TORCH_CHECK(false, "save_model: expected the network that config.network describes but got ",
                "one with ", what, " (exports::write_safetensors writes any network).");
  };
  const auto& options = stored.config.network;
  if (options.input_shape != model.net->options.input_shape) {
    refuse(c10::str("inputs ", at::IntArrayRef(model.net->options.input_shape), ", not ",
                    at::IntArrayRef(options.input_shape)));
  }
  const SeededInit none_of_the_callers(0);  // only shapes are compared
  const auto described = models::network(network_of(stored.config));
  const auto here = shapes_of(model.net), there = shapes_of(described);
  for (const auto& [name, shape] : here) {
    const auto found = there.find(name);
    if (found == there.end()) refuse(c10::str("a tensor ", name, " of its own"));
    if (found->second != shape) {
      refuse(c10::str(name, " ", at::IntArrayRef(shape), ", not ", at::IntArrayRef(found->second)));
    }
  }
  for (const auto& [name, shape] : there) {
    if (!here.contains(name)) refuse("no tensor " + name);
  }
  for (size_t l = 0; l < described->stages.size(); ++l) {
    const auto mine = stage_text(model.net, l), its = stage_text(described, l);
    if (mine != its) refuse(c10::str("stage ", l + 1, " ", mine, ", not ", its));
  }
  if (activations(model.net) != activations(described)) refuse("other activations");
}

}  // namespace

void save_model(const std::filesystem::path& path, const StoredModel& stored) {
  TORCH_CHECK(!stored.model.net.is_empty(), "save_model: expected a network but got an empty one.");
  exports::check_calibrated("save_model", stored.model.net);
  check_described(stored);
  exports::check_model("save_model", stored.model);
  auto config = stored.config;
  config.environment.reset();
  config.device = c10::kCPU;
  const bool whitens = stored.model.images && stored.model.images->whitening;
  ordered_json json = {{"format", whitens ? kFormatOfWhitening : kFormat},
                       {"ladder", version()},
                       {"label", stored.label},
                       {"classes", stored.model.classes}};
  if (stored.model.features) {
    json["features"] = ordered_json::parse(data::to_json(*stored.model.features));
    const auto& missing = stored.model.features->missing;
    if (!missing.empty()) json["missing"] = missing;
    const auto& features = *stored.model.features;
    if (features.decimal != 0) json["decimal"] = std::string(1, features.decimal);
    if (!features.whole_numbers.empty()) json["whole_numbers"] = features.whole_numbers;
    json["array_columns"] = features.array_columns;
  }
  if (stored.model.images) {
    json["images"] = ordered_json::parse(exports::to_json(*stored.model.images));
  }
  json["facts"] = ordered_json::array();
  for (const auto& [name, text] : stored.model.facts) {
    json["facts"].push_back(ordered_json::array({name, text}));
  }
  json["config"] = ordered_json::parse(to_json(config));
  // Names of files, among the facts, may be any bytes; JSON takes UTF-8.
  io::TensorMap tensors = {
      {kText, io::text_tensor(json.dump(1, ' ', false, ordered_json::error_handler_t::replace))}};
  const auto& net = stored.model.net;
  for (const auto& item : net->named_parameters()) tensors[kPrefix + item.key()] = item.value();
  for (const auto& item : net->named_buffers()) tensors[kPrefix + item.key()] = item.value();
  if (stored.model.images) tensors.merge(exports::whitening_tensors(*stored.model.images));
  io::save_tensors(path, tensors);
}

StoredModel load_model(const std::filesystem::path& path) {
  ops::kernel_info();  // a wrong LADDER_KERNELS is no fault of the file
  const auto tensors = io::load_tensors(path);
  const auto refuse = [&](const std::string& reason) {
    TORCH_CHECK(false, "load_model: ", path.string(), " is no model: ", reason, ".");
  };
  try {
    return model_of(tensors);
  } catch (const c10::Error& error) {
    std::string reason = error.what_without_backtrace();
    while (!reason.empty() && reason.back() == '.') reason.pop_back();
    refuse(reason);
  } catch (const nlohmann::json::exception& error) {
    std::string reason = error.what();  // "[json.exception.type_error.302] type must be ..."
    reason.erase(0, reason.find("] ") + 2);
    refuse("expected the entries of a model in " + std::string(kText) + " but got \"" + reason +
           "\"");
  }
  TORCH_INTERNAL_ASSERT(false);
}

}  // namespace ladder::runs
