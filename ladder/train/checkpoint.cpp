#include "ladder/train/checkpoint.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <string_view>
#include <utility>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/io/tensor_file.h"
#include "ladder/train/optimizer_state.h"

namespace ladder::train {
namespace {

using io::TensorMap;
namespace fs = std::filesystem;

constexpr std::string_view kFormat = "ladder checkpoint 1";
constexpr std::string_view kParameters = "parameters.";
constexpr std::string_view kBuffers = "buffers.";
constexpr std::string_view kPieces = "pieces.";
constexpr size_t kNamedDifferences = 3;

torch::Tensor integers(const std::vector<int64_t>& values) {
  return torch::tensor(values, torch::kInt64);
}

torch::Tensor doubles(const std::vector<double>& values) {
  return torch::tensor(values, torch::kFloat64);
}

TensorMap with_prefix(const TensorMap& tensors, std::string_view prefix) {
  TensorMap found;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix)) found[name.substr(prefix.size())] = tensor;
  }
  return found;
}

TensorMap state_of(const torch::nn::Module& net) {
  TensorMap tensors;
  for (const auto& item : net.named_parameters()) {
    tensors[std::string(kParameters) + item.key()] = item.value();
  }
  for (const auto& item : net.named_buffers()) {
    tensors[std::string(kBuffers) + item.key()] = item.value();
  }
  return tensors;
}

std::string bare(std::string_view name) { return std::string(name.substr(name.find('.') + 1)); }

// What keeps the tensors of a file from being those of a network, in words; empty if nothing does.
std::string differences(const TensorMap& there, const TensorMap& here) {
  std::vector<std::string> found;
  for (const auto& [name, tensor] : here) {
    const auto other = there.find(name);
    if (other == there.end()) {
      found.push_back(c10::str(bare(name), " is absent there"));
    } else if (type_and_shape_text(other->second) != type_and_shape_text(tensor)) {
      found.push_back(c10::str(bare(name), " is ", type_and_shape_text(other->second),
                               " there and ", type_and_shape_text(tensor), " here"));
    }
  }
  for (const auto& [name, tensor] : there) {
    if ((name.starts_with(kParameters) || name.starts_with(kBuffers)) && !here.contains(name)) {
      found.push_back(c10::str(bare(name), " is absent here"));
    }
  }
  std::string text;
  for (size_t i = 0; i < std::min(found.size(), kNamedDifferences); ++i) {
    text += (i == 0 ? "" : ", ") + found[i];
  }
  if (found.size() > kNamedDifferences) {
    text += c10::str(" (and ", found.size() - kNamedDifferences, " more)");
  }
  return text;
}

TensorMap read(const fs::path& path) {
  auto tensors = io::load_tensors(path);
  const auto format = tensors.find("format");
  const bool is_text = format != tensors.end() && format->second.dim() == 1 &&
                       format->second.scalar_type() == torch::kUInt8;
  const auto text = is_text ? io::tensor_text(format->second) : std::string();
  TORCH_CHECK(text == kFormat, "load_checkpoint: expected ", path.string(), " to be a \"", kFormat,
              "\" but got ", is_text ? c10::str("\"", text, "\"") : "other tensors", ".");
  return tensors;
}

bool is_version(const torch::Tensor& tensor) { return tensor.dim() == 0; }

// A module that began to compute other values says so in a buffer `version`, a scalar, which the
// files of its first version lack.
void check_versions(const fs::path& path, const TensorMap& there, const TensorMap& here) {
  constexpr std::string_view kVersion = ".version";
  for (const auto& [name, tensor] : here) {
    if (!name.starts_with(kBuffers) || !name.ends_with(kVersion) || !is_version(tensor)) continue;
    const auto module = bare(name).substr(0, bare(name).size() - kVersion.size());
    const auto is_of_module = [&](const auto& item) {
      return bare(item.first).starts_with(module + ".");
    };
    const auto found = there.find(name);
    if (found == there.end() && std::none_of(there.begin(), there.end(), is_of_module)) continue;
    if (found != there.end() && !is_version(found->second)) continue;  // named as a difference
    const auto number = found == there.end() ? 1 : found->second.item<int64_t>();
    TORCH_CHECK(number == tensor.item<int64_t>(), "load_checkpoint: expected ", path.string(),
                " to hold version ", tensor.item<int64_t>(), " of ", module, " but got version ",
                number, " (it computes other values since then: train the network again).");
  }
}

void check_network(const fs::path& path, const TensorMap& there, const TensorMap& here) {
  check_versions(path, there, here);
  const auto text = differences(there, here);
  TORCH_CHECK(text.empty(), "load_checkpoint: expected ", path.string(),
              " to be of this network but got one of another: ", text, ".");
}

void copy_network(const TensorMap& there, const TensorMap& here) {
  const torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : here) {
    torch::Tensor(tensor).copy_(there.at(name));
  }
}

// What would end a name or a value, and the letter that stands for it behind a backslash.
constexpr std::pair<char, char> kEscapes[] = {{'\\', '\\'}, {'\n', 'n'}, {'\t', 't'}};

std::string escaped(const std::string& text) {
  std::string written;
  for (const char c : text) {
    const auto* const found = std::find_if(std::begin(kEscapes), std::end(kEscapes),
                                           [c](const auto& escape) { return escape.first == c; });
    if (found == std::end(kEscapes)) {
      written += c;
    } else {
      written.append("\\").append(1, found->second);
    }
  }
  return written;
}

// Any other backslash stands for itself, as in files of older versions.
std::string unescaped(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    const auto* const found =
        std::find_if(std::begin(kEscapes), std::end(kEscapes),
                     [next](const auto& escape) { return escape.second == next; });
    const bool escapes = found != std::end(kEscapes);
    plain += escapes ? found->first : text[i];
    if (escapes) ++i;
  }
  return plain;
}

// Lines "name<tab>value".
torch::Tensor texts_tensor(const std::map<std::string, std::string>& texts) {
  std::string lines;
  for (const auto& [name, value] : texts) {
    lines.append(escaped(name)).append("\t").append(escaped(value)).append("\n");
  }
  return io::text_tensor(lines);
}

std::map<std::string, std::string> texts_of(const std::string& lines) {
  std::map<std::string, std::string> texts;
  for (size_t begin = 0; begin < lines.size();) {
    const auto end = std::min(lines.find('\n', begin), lines.size());
    const auto line = lines.substr(begin, end - begin);
    const auto tab = line.find('\t');
    if (tab != std::string::npos) {
      texts[unescaped(line.substr(0, tab))] = unescaped(line.substr(tab + 1));
    }
    begin = end + 1;
  }
  return texts;
}

// In files the total of the costs stands in the second place.
std::vector<double> from_file(std::vector<double> sums) {
  if (sums.size() > 1) std::rotate(sums.begin() + 1, sums.begin() + 2, sums.end());
  return sums;
}

std::vector<double> for_file(std::vector<double> sums) {
  if (sums.size() > 1) std::rotate(sums.begin() + 1, sums.end() - 1, sums.end());
  return sums;
}

class StateReader {
 public:
  StateReader(const fs::path& path, const TensorMap& tensors) : path_(path), tensors_(tensors) {}

  const torch::Tensor& tensor(const std::string& name, torch::ScalarType type) const {
    const auto found = tensors_.find("state." + name);
    TORCH_CHECK(
        found != tensors_.end() && found->second.scalar_type() == type && found->second.dim() == 1,
        "load_checkpoint: expected ", path_.string(), " to hold state.", name, " as ",
        c10::toString(type), " [n] but got ",
        found == tensors_.end() ? std::string("none") : type_and_shape_text(found->second), ".");
    return found->second;
  }

  std::vector<int64_t> integers(const std::string& name, int64_t count) const {
    const auto& values = tensor(name, torch::kInt64);
    TORCH_CHECK(values.numel() == count, "load_checkpoint: expected ", path_.string(), " to hold ",
                count, " values in state.", name, " but got ", values.numel(), ".");
    return {values.data_ptr<int64_t>(), values.data_ptr<int64_t>() + count};
  }

  std::vector<double> doubles(const std::string& name) const {
    const auto& values = tensor(name, torch::kFloat64);
    return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
  }

  std::string text(const std::string& name) const {
    return io::tensor_text(tensor(name, torch::kUInt8));
  }

  std::map<std::string, std::string> texts(const std::string& name) const {
    return tensors_.contains("state." + name) ? texts_of(text(name))
                                              : std::map<std::string, std::string>();
  }

 private:
  const fs::path& path_;
  const TensorMap& tensors_;
};

TrainState read_state(const fs::path& path, const TensorMap& tensors) {
  const StateReader reader(path, tensors);
  TrainState state;
  const auto steps = reader.integers("step", 2);
  state.step = steps[0];
  state.steps_per_epoch = steps[1];
  const auto noise = reader.integers("noise", 2);
  state.noise_seed = std::bit_cast<uint64_t>(noise[0]);
  state.noise_offset = std::bit_cast<uint64_t>(noise[1]);
  const auto epochs = reader.integers("epochs", 2);
  state.best_epoch = epochs[0];
  state.evaluated_epoch = epochs[1];
  state.cost_sums = from_file(reader.doubles("cost_sums"));
  if (const auto best = reader.doubles("best_validation_error"); !best.empty()) {
    state.best_validation_error = best[0];
  }
  const auto seconds = reader.doubles("seconds");
  TORCH_CHECK(seconds.size() == 2, "load_checkpoint: expected ", path.string(),
              " to hold 2 values in state.seconds but got ", seconds.size(), ".");
  state.seconds = seconds[0];
  state.training_seconds = seconds[1];
  state.config = reader.text("config");
  state.products = {ops::product_precision_from_string(reader.text("product_precision")),
                    ops::product_route_from_string(reader.text("product_route"))};
  state.settings = reader.texts("settings");
  state.data = reader.texts("data");
  state.pieces = with_prefix(tensors, kPieces);
  return state;
}

}  // namespace

void save_checkpoint(const fs::path& path, const torch::nn::Module& net,
                     const torch::optim::Optimizer& optimizer, const TrainState& state) {
  auto tensors = state_of(net);
  tensors.merge(optimizer_state(optimizer));
  for (const auto& [name, tensor] : state.pieces) tensors[std::string(kPieces) + name] = tensor;
  tensors["format"] = io::text_tensor(kFormat);
  tensors["state.step"] = integers({state.step, state.steps_per_epoch});
  tensors["state.noise"] = integers(
      {std::bit_cast<int64_t>(state.noise_seed), std::bit_cast<int64_t>(state.noise_offset)});
  tensors["state.epochs"] = integers({state.best_epoch, state.evaluated_epoch});
  tensors["state.cost_sums"] = doubles(for_file(state.cost_sums));
  tensors["state.best_validation_error"] =
      doubles(state.best_validation_error ? std::vector{*state.best_validation_error}
                                          : std::vector<double>());
  tensors["state.seconds"] = doubles({state.seconds, state.training_seconds});
  tensors["state.config"] = io::text_tensor(state.config);
  tensors["state.product_route"] = io::text_tensor(to_string(state.products.route));
  tensors["state.product_precision"] = io::text_tensor(to_string(state.products.precision));
  tensors["state.settings"] = texts_tensor(state.settings);
  tensors["state.data"] = texts_tensor(state.data);
  io::save_tensors(path, tensors);
}

namespace {

// The tensors to continue a run from; where they cannot be read, the error says what to do.
TensorMap read_to_continue(const fs::path& path) {
  try {
    return read(path);
  } catch (const c10::Error& error) {
    std::string reason = error.what_without_backtrace();
    while (!reason.empty() && reason.back() == '.') reason.pop_back();
    const bool has_hint = reason.ends_with(")");
    if (has_hint) reason.pop_back();
    TORCH_CHECK(false, reason, has_hint ? "; " : " (",
                "train again in another folder: the result and the evaluations that are beside it "
                "are kept).");
  }
}

}  // namespace

TrainState load_checkpoint(const fs::path& path, torch::nn::Module& net,
                           torch::optim::Optimizer& optimizer,
                           const std::function<void(const TrainState&)>& check) {
  const auto tensors = read_to_continue(path);
  const auto here = state_of(net);
  check_network(path, tensors, here);
  auto state = read_state(path, tensors);
  if (check) check(state);
  load_optimizer_state(optimizer, tensors);
  copy_network(tensors, here);
  return state;
}

void load_network(const fs::path& path, torch::nn::Module& net) {
  const auto tensors = read(path);
  const auto here = state_of(net);
  check_network(path, tensors, here);
  copy_network(tensors, here);
}

std::string read_config(const fs::path& path) { return read_state(path, read(path)).config; }

}  // namespace ladder::train
