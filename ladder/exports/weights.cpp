#include "ladder/exports/weights.h"

#include <torch/torch.h>

#include <array>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ladder/core/nearest_name.h"
#include "ladder/exports/internal/plain_layers.h"
#include "ladder/io/safetensors.h"
#include "ladder/nn/stages/noisy_global_mean_pool.h"
#include "ladder/nn/stages/noisy_normalization.h"

namespace ladder::exports {
namespace {

constexpr std::string_view kEncoder = "stages.", kDecoder = "decoder.";
constexpr std::string_view kModelFilePrefix = "network.";  // of names in a Classifier's file

io::TensorMap state_of(const Ladder& net) {
  io::TensorMap state;
  for (const auto& item : net->named_parameters()) state[item.key()] = item.value().detach();
  for (const auto& item : net->named_buffers()) state[item.key()] = item.value();
  return state;
}

io::TensorMap tensors_of(const PredictionModel& model) {
  auto tensors = state_of(model.net);
  if (model.images) tensors.merge(whitening_tensors(*model.images));
  return tensors;
}

std::map<std::string, std::string> texts_of(const PredictionModel& model) {
  std::map<std::string, std::string> texts = {{"classes", json_array(class_names(model))}};
  if (model.features) {
    texts["features"] = data::to_json(*model.features);
    if (!model.features->missing.empty()) texts["missing"] = json_array(model.features->missing);
  }
  if (model.images) texts["images"] = to_json(*model.images);
  nlohmann::ordered_json facts = nlohmann::ordered_json::object();
  for (const auto& [name, text] : model.facts) facts[name] = text;
  texts["facts"] = facts.dump();
  return texts;
}

io::TensorMap tensors_in(const std::filesystem::path& path) {
  std::array<char, 2> head = {};
  std::ifstream(path, std::ios::binary).read(head.data(), head.size());
  const bool is_zip = head == std::array{'P', 'K'};
  // A file that is neither, or that is not there, is named by the reader of its ending.
  const bool is_pt = is_zip || path.extension() == ".pt" || path.extension() == ".pth";
  io::TensorMap tensors;
  for (auto& [name, tensor] : is_pt ? io::load_tensors(path) : io::load_safetensors(path).tensors) {
    const size_t prefix = name.starts_with(kModelFilePrefix) ? kModelFilePrefix.size() : 0;
    tensors.emplace(name.substr(prefix), tensor);
  }
  return tensors;
}

// A file of train::save_checkpoint names its format.
void refuse_checkpoint(const std::string& file, const io::TensorMap& found) {
  const auto format = found.find("format");
  const bool is_text = format != found.end() && format->second.dim() == 1 &&
                       format->second.scalar_type() == torch::kUInt8;
  TORCH_CHECK(
      !is_text || !io::tensor_text(format->second).starts_with("ladder checkpoint"),
      "read_weights: expected weights of write_torch or write_safetensors, or a model file, "
      "but got the checkpoint of a run in ",
      file, " (train::load_network reads it).");
}

// What a tensor of the network is for.
enum class Part {
  kParameter,
  kMean,      // statistics of the library
  kVariance,  // likewise
  kBatches,   // their count
  kVersion,   // of a stage of the library
  kForeign,   // a buffer of someone else's stage, which may hold any number
};

using Parts = std::map<std::string, Part>;

// By the module that holds a tensor: other stages may have given the same name to something else.
Parts parts_of(const Ladder& net) {
  Parts parts;
  for (const auto& item : net->named_buffers()) parts[item.key()] = Part::kForeign;
  for (const auto& item : net->named_parameters()) parts[item.key()] = Part::kParameter;
  for (const auto& item : net->named_modules("", /*include_self=*/false)) {
    if (dynamic_cast<const NoisyNormalizationImpl*>(item.value().get()) != nullptr) {
      parts[item.key() + ".running_mean"] = Part::kMean;
      parts[item.key() + ".running_var"] = Part::kVariance;
      parts[item.key() + ".batches"] = Part::kBatches;
    }
    if (dynamic_cast<const NoisyGlobalMeanPoolImpl*>(item.value().get()) != nullptr) {
      parts[item.key() + ".version"] = Part::kVersion;
    }
  }
  return parts;
}

// Returns a tensor of the file in the type of the network, which may hold fewer numbers.
torch::Tensor checked_weight(const std::string& file, const std::string& name, Part part,
                             const torch::Tensor& wanted, const torch::Tensor& found) {
  TORCH_CHECK(found.sizes() == wanted.sizes(), "read_weights: expected ", name, " to be ",
              wanted.sizes(), " but got ", found.sizes(), " in ", file,
              " (is it of another network?).");
  TORCH_CHECK(found.is_floating_point() == wanted.is_floating_point(), "read_weights: expected ",
              name, " in ", c10::toString(wanted.scalar_type()), " but got ",
              c10::toString(found.scalar_type()), " in ", file, ".");
  const auto value = found.to(wanted.scalar_type());
  const auto finite = found.isfinite();
  TORCH_CHECK(part == Part::kForeign || finite.all().item<bool>(),
              "read_weights: expected finite numbers in ", name,
              " but got a NaN or an infinite one in ", file, ".");
  TORCH_CHECK(value.isfinite().equal(finite), "read_weights: expected finite numbers in ", name,
              " but got one that ", c10::toString(wanted.scalar_type()), " does not hold in ", file,
              ".");
  TORCH_CHECK(part != Part::kVersion || found.equal(wanted.to(found.scalar_type())),
              "read_weights: expected ", name, " to be ", wanted.item<int64_t>(), " but got ",
              found.item<double>(), " in ", file, " (its stage computed other values).");
  TORCH_CHECK(part != Part::kVariance || value.ge(0).all().item<bool>(),
              "read_weights: expected variances of at least 0 in ", name,
              " but got a negative one in ", file, ".");
  return value;
}

}  // namespace

std::string to_json(const ImageInputs& images) {
  nlohmann::ordered_json json = {
      {"channels", images.channels}, {"height", images.height}, {"width", images.width}};
  if (images.whitening) {
    json["contrast_norm"] = images.whitening->contrast_norm;
  } else {
    json["mean"] = images.mean;
    json["scale"] = images.scale;
  }
  json["flat"] = images.flat;
  return json.dump();
}

io::TensorMap model_tensors(const PredictionModel& model) {
  check_model("model_tensors", model);
  auto tensors = tensors_of(model);
  for (const auto& [name, text] : texts_of(model)) tensors[name] = io::text_tensor(text);
  return tensors;
}

void write_torch(const std::filesystem::path& path, const PredictionModel& model) {
  check_model("write_torch", model);
  check_calibrated("write_torch", model.net);
  io::save_tensors(path, model_tensors(model));
}

void write_safetensors(const std::filesystem::path& path, const PredictionModel& model) {
  check_model("write_safetensors", model);
  check_calibrated("write_safetensors", model.net);
  auto texts = texts_of(model);
  texts["format"] = "pt";
  io::save_safetensors(path, tensors_of(model), texts);
}

void read_weights(const std::filesystem::path& path, const Ladder& net) {
  TORCH_CHECK(!net.is_empty(), "read_weights: expected a network but got an empty one.");
  const auto file = path.string();
  const auto found = tensors_in(path);
  refuse_checkpoint(file, found);
  const auto state = state_of(net);
  const auto parts = parts_of(net);

  bool has_decoder = false;
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state) names.push_back(name);
  for (const auto& [name, tensor] : found) {
    has_decoder = has_decoder || name.starts_with(kDecoder);
    const bool is_of_network =
        name.starts_with(kEncoder) || (name.starts_with(kDecoder) && net->has_decoder());
    TORCH_CHECK(!is_of_network || state.contains(name), "read_weights: expected tensors of the ",
                "network but got ", name, " in ", file, name_hint(name, names, ""), ".");
  }

  std::vector<std::pair<torch::Tensor, torch::Tensor>> copies;
  for (const auto& [name, tensor] : state) {
    const auto given = found.find(name);
    const auto part = parts.at(name);
    const bool is_optional = part == Part::kBatches || part == Part::kVersion ||
                             (name.starts_with(kDecoder) && !has_decoder);
    TORCH_CHECK(is_optional || given != found.end(), "read_weights: expected a tensor named ", name,
                " but got none in ", file, " (is it of another network?).");
    if (given != found.end()) {
      copies.emplace_back(tensor, checked_weight(file, name, part, tensor, given->second));
    } else if (part == Part::kBatches) {
      copies.emplace_back(tensor, torch::ones({}, torch::kInt64));  // statistics that are stored
    }
  }
  const torch::NoGradGuard no_grad;
  for (auto& [to, from] : copies) to.copy_(from);
}

}  // namespace ladder::exports
