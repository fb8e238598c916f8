#include "ladder/runs/run_config.h"

#include <c10/util/Exception.h>
#include <ladder/core/nearest_name.h>
#include <ladder/data/split.h>
#include <ladder/io/atomic_file.h>
#include <ladder/io/internal/beginning.h>
#include <ladder/io/internal/json.h>
#include <ladder/io/text_file.h>
#include <ladder/models/combinators.h>
#include <ladder/runs/pieces.h>
#include <ladder/train/scaled_objective.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>
#include <variant>

namespace ladder::runs {
namespace {

using nlohmann::ordered_json;

enum class Role {
  kExperiment,   // the result depends on it: a recipe, the data or the start of the run say it
  kChoice,       // the result depends on it, and no recipe says it: see `unchanged`
  kCircumstance  // when one looks and where it runs
};

// Fields whose JSON is not that of their type.
template <class T>
struct LabelsField {
  T& value;
};
template <class T>
struct RouteField {
  T& value;
};
template <class T>
LabelsField<T> labels_field(T& value) {
  return {value};
}
template <class T>
RouteField<T> route_field(T& value) {
  return {value};
}

// The one list of all fields: visit(name, role, field). Those of pieces are in their table.
template <class Config, class Visit>
void for_each_field(Config& config, Visit&& visit) {
  auto& network = config.network;
  visit("program", Role::kExperiment, config.program);
  visit("recipe", Role::kExperiment, config.recipe);
  visit("dataset", Role::kExperiment, config.dataset);
  visit("train_rows", Role::kExperiment, config.train_rows);
  visit("test_rows", Role::kExperiment, config.test_rows);
  visit("data", Role::kExperiment, config.data);
  visit("classes", Role::kExperiment, config.classes);
  visit("labels", Role::kExperiment, labels_field(config.labels));
  visit("balanced", Role::kChoice, config.balanced);
  visit("validation", Role::kChoice, config.validation);
  visit("contrast_norm", Role::kExperiment, config.contrast_norm);
  visit("zca_ridge", Role::kExperiment, config.zca_ridge);
  visit("input_shape", Role::kExperiment, network.input_shape);
  visit("layers", Role::kExperiment, network.layers);
  visit("top_gamma", Role::kExperiment, network.top_gamma);
  visit("lambda", Role::kExperiment, network.lambda);
  visit("scaled_lambda", Role::kExperiment, config.scaled_lambda);
  visit("class_balance", Role::kExperiment, config.class_balance);
  visit("input_noise", Role::kExperiment, network.input_noise);
  visit("detach_targets", Role::kExperiment, network.detach_targets);
  visit("noise_std", Role::kExperiment, network.noise_std);
  visit("combinator", Role::kExperiment, config.combinator);
  visit("activation", Role::kExperiment, network.activation);
  visit("leaky_slope", Role::kExperiment, network.leaky_slope);
  visit("epochs", Role::kExperiment, config.epochs);
  visit("learning_rate", Role::kExperiment, config.learning_rate);
  visit("decay_from", Role::kExperiment, config.decay_from);
  visit("warm_up", Role::kExperiment, config.warm_up);
  for (const auto& piece : pieces()) {
    for (const auto& setting : piece.settings) {
      std::visit(
          [&](auto field) { visit(setting.name.c_str(), Role::kExperiment, config.pieces.*field); },
          setting.field);
    }
  }
  visit("unlabeled_batch", Role::kExperiment, config.unlabeled_batch);
  visit("labeled_batch", Role::kExperiment, config.labeled_batch);
  visit("epoch_batch", Role::kExperiment, config.epoch_batch);
  visit("block_rows", Role::kExperiment, config.block_rows);
  visit("window_blocks", Role::kExperiment, config.window_blocks);
  visit("seed", Role::kExperiment, config.seed);
  visit("candidates", Role::kChoice, config.candidates);
  visit("candidate_epochs", Role::kChoice, config.candidate_epochs);
  visit("candidate", Role::kExperiment, config.candidate);
  visit("teachers", Role::kChoice, config.teachers);
  visit("teacher_confidence", Role::kChoice, config.teacher_confidence);
  visit("taught", Role::kExperiment, config.taught);
  visit("statistics", Role::kExperiment, config.statistics);
  visit("eval_every", Role::kCircumstance, config.eval_every);
  visit("calibration", Role::kChoice, config.calibration);
  visit("patience", Role::kChoice, config.patience);
  visit("device", Role::kCircumstance, config.device);
  visit("precision", Role::kExperiment, config.precision);
  visit("product_route", Role::kCircumstance, route_field(config.product_route));
}

template <class Environment, class Visit>
void for_each_environment_field(Environment& environment, Visit&& visit) {
  visit("ladder", environment.ladder);
  visit("commit", environment.commit);
  visit("libtorch", environment.libtorch);
  visit("cpu", environment.cpu);
  visit("gpu", environment.gpu);
  visit("threads", environment.threads);
  visit("ranks", environment.ranks);
  visit("kernels", environment.kernels);
  visit("instruction_set", environment.instruction_set);
  visit("product_route", environment.product_route);
  visit("data_dir", environment.data_dir);
}

constexpr const char* kEnvironment = "environment";
constexpr const char* kResumed = "resumed";
constexpr const char* kAuto = "auto";
constexpr const char* kAll = "all";

// Values to JSON; null for what is not known.

template <class T>
ordered_json json_of(const T& value) {
  if constexpr (std::is_same_v<T, c10::Device>) {
    return value.str();
  } else if constexpr (std::is_enum_v<T>) {
    return to_string(value);
  } else {
    return value;
  }
}

ordered_json json_of(const std::vector<models::Layer>& layers) {
  auto texts = ordered_json::array();
  for (const auto& layer : layers) {
    texts.push_back(models::to_string(layer));
  }
  return texts;
}

template <class T>
ordered_json json_of(const std::optional<T>& value) {
  return value ? json_of(*value) : ordered_json();
}

template <class T>
ordered_json json_of(const LabelsField<T>& field) {
  return field.value == data::kAllLabels ? ordered_json(kAll) : ordered_json(field.value);
}

template <class T>
ordered_json json_of(const RouteField<T>& field) {
  return field.value ? ops::to_string(*field.value) : std::string(kAuto);
}

ordered_json json_of(const Environment& environment) {
  auto object = ordered_json::object();
  for_each_environment_field(environment, [&](const char* name, const auto& field) {
    if (auto value = json_of(field); !value.is_null() && value != "") {
      object[name] = std::move(value);
    }
  });
  return object;
}

ordered_json json_of(const Resumed& resumed) {
  auto object = ordered_json::object();
  object["step"] = resumed.step;
  object[kEnvironment] = json_of(resumed.environment);
  return object;
}

ordered_json object_of(const RunConfig& config) {
  auto object = ordered_json::object();
  for_each_field(config, [&](const char* name, Role, const auto& field) {
    if (auto value = json_of(field); !value.is_null()) {
      object[name] = std::move(value);
    }
  });
  return object;
}

// Values from JSON. `where` names the key.

[[noreturn]] void refuse(const std::string& where, const char* expected, const ordered_json& got) {
  TORCH_CHECK(false, "RunConfig: expected ", where, " to be ", expected, " but got ", got.dump(),
              ".");
}

void read_value(const std::string& where, const ordered_json& json, std::string& value) {
  if (!json.is_string()) {
    refuse(where, "a text", json);
  }
  value = json.get<std::string>();
}

void read_value(const std::string& where, const ordered_json& json, bool& value) {
  if (!json.is_boolean()) {
    refuse(where, "true or false", json);
  }
  value = json.get<bool>();
}

void read_value(const std::string& where, const ordered_json& json, int64_t& value) {
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  if (!json.is_number_integer() || (json.is_number_unsigned() && json.get<uint64_t>() > kMost)) {
    refuse(where, "a whole number", json);
  }
  value = json.get<int64_t>();
}

void read_value(const std::string& where, const ordered_json& json, uint64_t& value) {
  if (!json.is_number_unsigned()) {
    refuse(where, "a whole number of at least 0", json);
  }
  value = json.get<uint64_t>();
}

void read_value(const std::string& where, const ordered_json& json, double& value) {
  if (!json.is_number()) {
    refuse(where, "a number", json);
  }
  value = json.get<double>();
}

template <class T, class FromText>
void read_text(const std::string& where, const ordered_json& json, T& value, FromText&& from_text) {
  std::string text;
  read_value(where, json, text);
  try {
    value = from_text(text);
  } catch (const c10::Error& error) {
    TORCH_CHECK(false, "RunConfig: ", where, ": ", error.what_without_backtrace());
  }
}

void read_value(const std::string& where, const ordered_json& json, models::Layer& layer) {
  read_text(where, json, layer, models::layer_from_string);
}
void read_value(const std::string& where, const ordered_json& json, Activation& activation) {
  read_text(where, json, activation, activation_from_string);
}
void read_value(const std::string& where, const ordered_json& json,
                train::Calibration& calibration) {
  read_text(where, json, calibration, calibration_from_string);
}
void read_value(const std::string& where, const ordered_json& json,
                train::RankStatistics& statistics) {
  read_text(where, json, statistics, train::rank_statistics_from_string);
}
void read_value(const std::string& where, const ordered_json& json, models::Precision& precision) {
  read_text(where, json, precision, models::precision_from_string);
}
void read_value(const std::string& where, const ordered_json& json, c10::Device& device) {
  read_text(where, json, device, [](const std::string& text) {
    try {
      return c10::Device(text);
    } catch (const std::exception&) {  // a number that is out of range is no c10::Error
      TORCH_CHECK(false, "expected cpu, cuda or cuda:N but got '", text, "'.");
    }
  });
}

template <class T>
void read_value(const std::string& where, const ordered_json& json, std::vector<T>& values) {
  if (!json.is_array()) {
    refuse(where, "a list", json);
  }
  values.clear();
  for (const auto& element : json) {
    values.emplace_back();
    read_value(where, element, values.back());
  }
}

template <class T>
void read_value(const std::string& where, const ordered_json& json, std::optional<T>& value) {
  value.emplace();
  read_value(where, json, *value);
}

template <class T>
void read_value(const std::string& where, const ordered_json& json, LabelsField<T> field) {
  if (json == kAll) {
    field.value = data::kAllLabels;
  } else {
    read_value(where, json, field.value);
  }
}

template <class T>
void read_value(const std::string& where, const ordered_json& json, RouteField<T> field) {
  if (json == kAuto) {
    field.value.reset();
  } else {
    field.value.emplace();
    read_text(where, json, *field.value, ops::product_route_from_string);
  }
}

// The value that a field has in `object`; none where it is not known there.
template <class T>
void restore(const char* name, const ordered_json& object, T&& field) {
  if (object.contains(name)) {
    read_value(name, object.at(name), field);
  } else if constexpr (requires { field.reset(); }) {
    field.reset();
  }
}

// An earlier version's object with the names of today.
ordered_json upgraded(ordered_json object) {
  for (const auto& [old_name, name] :
       {std::pair("batch_size", "unlabeled_batch"), std::pair("noise", "noise_std")}) {
    if (object.contains(old_name) && !object.contains(name)) {
      object[name] = object.at(old_name);
      object.erase(old_name);
    }
  }
  if (object.contains("in_features") && !object.contains("input_shape")) {
    object["input_shape"] = ordered_json::array({object.at("in_features")});
    object.erase("in_features");
  }
  if (object.contains("layers") && object.at("layers").is_array()) {
    for (auto& layer : object.at("layers")) {
      if (layer.is_number_integer()) {
        layer = "dense " + layer.dump();
      }
    }
  }
  return object;
}

void check_known(const std::string& where, const ordered_json& object,
                 const std::vector<std::string>& known) {
  for (const auto& [key, unused] : object.items()) {
    TORCH_CHECK(std::find(known.begin(), known.end(), key) != known.end(), "RunConfig: expected ",
                where, " but got \"", key, "\"", name_hint(key, known, ""), ".");
  }
}

Environment environment_from(const std::string& where, const ordered_json& object) {
  if (!object.is_object()) {
    refuse(where, "an object", object);
  }
  Environment environment;
  for_each_environment_field(environment, [&](const char* name, auto& field) {
    if (object.contains(name)) {
      read_value(where + "." + name, object.at(name), field);
    }
  });
  return environment;
}

std::vector<Resumed> resumed_from(const ordered_json& list) {
  if (!list.is_array()) refuse(kResumed, "a list", list);
  std::vector<Resumed> all;
  for (const auto& entry : list) {
    if (!entry.is_object() || !entry.contains("step") || !entry.contains(kEnvironment)) {
      refuse(kResumed, "a list of steps and environments", list);
    }
    auto& one = all.emplace_back();
    read_value(std::string(kResumed) + ".step", entry.at("step"), one.step);
    one.environment =
        environment_from(std::string(kResumed) + "." + kEnvironment, entry.at(kEnvironment));
  }
  return all;
}

// Published data sets: number of rows, and the fingerprint where it is known (see
// RunConfig::data).
struct PublishedData {
  const char* dataset;
  int64_t train_rows, test_rows;
  const char* fingerprint;
};
constexpr PublishedData kPublishedData[] = {{"mnist", 60000, 10000, "a9aebdc02239423d"},
                                            {"cifar10", 50000, 10000, ""}};

bool reads_published_data(const RunConfig& config) {
  return std::any_of(
      std::begin(kPublishedData), std::end(kPublishedData), [&](const PublishedData& known) {
        const std::string fingerprint = known.fingerprint;
        return config.dataset == known.dataset && config.train_rows == known.train_rows &&
               config.test_rows == known.test_rows &&
               (!config.data || fingerprint.empty() || *config.data == fingerprint);
      });
}

bool unknown(const ordered_json& object, const std::string& name) { return !object.contains(name); }

std::shared_ptr<train::Objective> scaled(const std::vector<double>& weights, const Ladder& net,
                                         const torch::Tensor& inputs) {
  const double variance = inputs.defined() ? train::mean_column_variance(inputs) : 1;
  // Constant inputs cost nothing, whatever they are divided by.
  return train::scaled_objective(
      net, {.weights = weights, .input_variance = variance > 0 ? variance : 1});
}

}  // namespace

void apply(const models::Recipe& recipe, RunConfig& config) {
  const auto& schedule = recipe.schedule;
  config.recipe = recipe.name;
  config.dataset = recipe.dataset;
  config.labels = recipe.labels;
  config.network = recipe.network;
  config.network.combinator = {};
  config.combinator = recipe.combinator;
  config.scaled_lambda.reset();
  config.epochs = schedule.epochs;
  config.learning_rate = schedule.learning_rate;
  config.decay_from = schedule.decay_from;
  config.warm_up = schedule.warm_up;
  config.eval_every = schedule.eval_every;
  config.pieces = recipe.pieces;
  config.unlabeled_batch = schedule.unlabeled_batch;
  config.labeled_batch = schedule.labeled_batch;
  config.precision = recipe.precision;
}

RunConfig config_of(const models::Recipe& recipe) {
  RunConfig config;
  apply(recipe, config);
  return config;
}

RunConfig unchanged(const models::Recipe& recipe, RunConfig config) {
  const RunConfig usual;
  apply(recipe, config);
  if (recipe.taught_by.empty()) config.taught = usual.taught;
  if (config.labels != data::kAllLabels && recipe.taught_by.empty()) {
    config.labeled_batch = std::min(config.labeled_batch, config.labels);
  }
  const auto defaults = object_of(usual);
  for_each_field(config, [&](const char* name, Role role, auto&& field) {
    if (role == Role::kChoice) restore(name, defaults, field);
  });
  return config;
}

bool is_baseline(const RunConfig& config) {
  const auto& lambda = config.network.lambda;
  return std::all_of(lambda.begin(), lambda.end(), [](double weight) { return weight == 0; });
}

models::NetworkOptions network_of(const RunConfig& config) {
  auto network = config.network;
  network.combinator = models::find_combinator(config.combinator).make;
  return network;
}

std::shared_ptr<train::Objective> objective_of(const RunConfig& config, const Ladder& net,
                                               const data::SemiData& rows,
                                               const ObjectiveParts& parts) {
  auto objective = config.scaled_lambda.value_or(false)
                       ? scaled(config.network.lambda, net, rows.inputs)
                       : train::objective(net);
  std::vector<std::shared_ptr<train::ObjectivePiece>> made;
  for (const auto& piece : pieces()) {
    if (is_on(piece, config.pieces)) made.push_back(piece.make({config, net, rows, parts}));
  }
  return made.empty() ? objective : train::with_pieces(objective, std::move(made));
}

void settle_statistics(RunConfig& config, const std::optional<RunConfig>& continued,
                       const std::shared_ptr<train::Communicator>& ranks) {
  if (!config.statistics && continued) config.statistics = continued->statistics;
  if (!ranks) return;
  const auto own = config.statistics.value_or(train::RankStatistics::kLocal);
  config.statistics = static_cast<train::RankStatistics>(
      train::value_of_first_rank(ranks, static_cast<int64_t>(own)));
}

std::string to_json(const RunConfig& config) {
  auto object = object_of(config);
  if (config.environment) object[kEnvironment] = json_of(*config.environment);
  for (const auto& resumed : config.resumed) object[kResumed].push_back(json_of(resumed));
  try {
    return object.dump(2);
  } catch (const nlohmann::json::type_error&) {
    TORCH_CHECK(false, "RunConfig: expected paths and names in UTF-8 but got other bytes (rename ",
                "the file or folder).");
  }
}

std::vector<std::string> config_fields() {
  const RunConfig config;
  std::vector<std::string> names;
  for_each_field(config, [&](const char* name, Role, const auto&) { names.emplace_back(name); });
  return names;
}

RunConfig run_config_from_json(std::string_view json) {
  auto object = io::parse_json<ordered_json>(json);
  TORCH_CHECK(object.is_object(), "RunConfig: expected a JSON object but got \"",
              io::beginning(json), "\".");
  object = upgraded(std::move(object));
  RunConfig config;
  std::vector<std::string> known = {kEnvironment, kResumed};
  for_each_field(config, [&](const char* name, Role, auto&& field) {
    known.emplace_back(name);
    if (object.contains(name)) {
      read_value(name, object.at(name), field);
    }
  });
  check_known("the settings of a run", object, known);
  if (object.contains(kEnvironment)) {
    config.environment = environment_from(kEnvironment, object.at(kEnvironment));
  }
  if (object.contains(kResumed)) config.resumed = resumed_from(object.at(kResumed));
  return config;
}

std::optional<RunConfig> read_config(const std::filesystem::path& folder) {
  const auto path = folder / "config.json";
  const auto text = io::read_text_if_present(path);
  if (!text) {
    return std::nullopt;
  }
  try {
    return run_config_from_json(*text);
  } catch (const c10::Error& error) {
    TORCH_CHECK(false, error.what_without_backtrace(), " That is in ", path.string(), ".");
  }
}

bool is_elsewhere(const RunConfig& run, const Environment& here) {
  if (run.resumed.empty() && !run.environment) return true;
  auto last = run.resumed.empty() ? *run.environment : run.resumed.back().environment;
  last.data_dir = here.data_dir;
  return last != here;
}

void add_resumed(const std::filesystem::path& folder, const Resumed& resumed) {
  const auto path = folder / "config.json";
  auto object = io::parse_json<ordered_json>(io::read_text(path));
  TORCH_CHECK(object.is_object(), "add_resumed: expected a JSON object in ", path.string(),
              " but got something else.");
  object[kResumed].push_back(json_of(resumed));
  io::write_atomically(path, object.dump(2) + "\n");
}

std::vector<Difference> diff(const RunConfig& there, const RunConfig& here, Compare compare) {
  auto left = object_of(there);
  auto right = object_of(here);
  for (auto* object : {&left, &right}) {  // a run that does not say so has fixed ones
    if (unknown(*object, "scaled_lambda")) (*object)["scaled_lambda"] = false;
  }
  // Baselines of earlier versions count their epochs by the labeled batch.
  if (unknown(left, "epoch_batch") != unknown(right, "epoch_batch") && is_baseline(there) &&
      is_baseline(here)) {
    auto& older = unknown(left, "epoch_batch") ? left : right;
    older["epoch_batch"] = older.at("labeled_batch");
  }
  std::vector<Difference> differences;
  for_each_field(here, [&](const std::string& name, Role role, const auto&) {
    if (unknown(left, name) || unknown(right, name) || left.at(name) == right.at(name) ||
        (compare == Compare::kExperiment && role == Role::kCircumstance)) {
      return;
    }
    differences.push_back({name, left.at(name).dump(), right.at(name).dump()});
  });
  std::sort(differences.begin(), differences.end(),
            [](const Difference& a, const Difference& b) { return a.name < b.name; });
  return differences;
}

std::string to_string(const std::vector<Difference>& differences) {
  std::string text;
  for (const auto& one : differences) {
    text +=
        (text.empty() ? "" : ", ") + one.name + " (" + one.there + " there, " + one.here + " here)";
  }
  return text;
}

int64_t trained_ranks(const RunConfig& config) {
  return config.environment ? config.environment->ranks.value_or(1) : 1;
}

std::optional<models::Published> published_error(const RunConfig& config) {
  const auto* recipe = models::known_recipe(config.recipe);
  if (recipe == nullptr || !recipe->published || !reads_published_data(config) ||
      trained_ranks(config) > 1) {
    return std::nullopt;
  }
  return diff(unchanged(*recipe, config), config, Compare::kExperiment).empty() ? recipe->published
                                                                                : std::nullopt;
}

std::string labels_text(int64_t labels) {
  return labels == data::kAllLabels ? kAll : std::to_string(labels);
}

std::string to_string(train::Calibration calibration) {
  return calibration == train::Calibration::kLabeledRows ? "labeled" : "training";
}

train::Calibration calibration_from_string(const std::string& name) {
  for (const auto calibration :
       {train::Calibration::kTrainingRows, train::Calibration::kLabeledRows}) {
    if (to_string(calibration) == name) {
      return calibration;
    }
  }
  TORCH_CHECK(false, "calibration_from_string: expected training or labeled but got '", name, "'.");
}

}  // namespace ladder::runs
