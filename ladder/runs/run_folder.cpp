#include "ladder/runs/run_folder.h"

#include <c10/util/Exception.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "ladder/io/atomic_file.h"
#include "ladder/io/internal/beginning.h"
#include "ladder/io/internal/json.h"
#include "ladder/io/text_file.h"

namespace ladder::runs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;
using train::Evaluation;
using train::RunAbout;
using train::TrainResult;
using train::TrainStatus;

constexpr const char* kConfig = "config.json";
constexpr const char* kMetrics = "metrics.jsonl";
constexpr const char* kCheckpoint = "checkpoint.pt";
constexpr const char* kResult = "result.json";
constexpr const char* kModel = "model.ladder";  // which programs write
constexpr const char* kLock = ".lock";

// A line an epoch: of more epochs than anybody trains.
constexpr int64_t kMaxMetricsBytes = int64_t{1} << 30;

json parse_object(std::string_view text, const std::string& what) {
  const auto value = io::parse_json(text);
  TORCH_CHECK(value.is_object(), "RunFolder: expected ", what, " to be a JSON object but got \"",
              io::beginning(text), "\".");
  return value;
}

void collect_differences(const std::string& prefix, const json& there, const json& here,
                         std::vector<std::string>& found) {
  const auto say = [](const json& object, const std::string& key) {
    return object.contains(key) ? object.at(key).dump() : std::string("absent");
  };
  auto keys = there;
  keys.update(here);
  for (const auto& [key, unused] : keys.items()) {
    const bool both = there.contains(key) && here.contains(key);
    if (both && there.at(key) == here.at(key)) continue;
    if (both && there.at(key).is_object() && here.at(key).is_object()) {
      collect_differences(prefix + key + ".", there.at(key), here.at(key), found);
    } else {
      found.push_back(prefix + key + " (" + say(there, key) + " there, " + say(here, key) +
                      " here)");
    }
  }
}

template <class T>
ordered_json nullable(const std::optional<T>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

std::optional<double> optional_number(const json& object, const char* key) {
  const auto& value = object.at(key);
  return value.is_null() ? std::nullopt : std::optional(value.get<double>());
}

// JSON has no NaN: it is written as null.
double number(const json& object, const char* key) {
  return optional_number(object, key).value_or(std::numeric_limits<double>::quiet_NaN());
}

ordered_json denoising_json(const Evaluation& evaluation) {
  auto levels = ordered_json::array();
  for (const auto& cost : evaluation.denoising) {
    levels.push_back(nullable(cost));
  }
  return levels;
}

std::vector<std::optional<double>> denoising_from(const json& object) {
  std::vector<std::optional<double>> levels;
  for (const auto& cost : object.at("denoising")) {
    levels.push_back(cost.is_null() ? std::nullopt : std::optional(cost.get<double>()));
  }
  return levels;
}

TrainStatus status_from(const std::string& text) {
  for (const auto status :
       {TrainStatus::kFinished, TrainStatus::kStoppedEarly, TrainStatus::kInterrupted}) {
    if (text == train::to_string(status)) return status;
  }
  TORCH_CHECK(false, "RunFolder: expected a status but got \"", text, "\".");
}

struct Lines {
  std::vector<Evaluation> evaluations;
  std::string text;      // of their lines
  bool changed = false;  // from what the file holds
};

// The evaluations up to `step`; a last line that a crash tore is left out.
Lines lines_of(const fs::path& path, int64_t step) {
  const auto found = io::read_text_if_present(path, kMaxMetricsBytes);
  if (!found) return {};
  const auto& text = *found;
  Lines kept;
  for (size_t begin = 0; begin < text.size();) {
    const auto newline = std::min(text.find('\n', begin), text.size());
    const auto line = std::string_view(text).substr(begin, newline - begin);
    begin = newline + 1;
    const bool last = begin >= text.size();
    if (last && !json::accept(line)) break;
    auto evaluation = evaluation_from_json(line);
    if (evaluation.step > step) continue;
    kept.text.append(line).append("\n");
    kept.evaluations.push_back(std::move(evaluation));
  }
  kept.changed = kept.text != text;
  return kept;
}

// Values for TensorBoard, by tag.
std::vector<std::pair<std::string, double>> scalars_of(const Evaluation& evaluation) {
  std::vector<std::pair<std::string, double>> values;
  const auto add = [&values](const std::string& tag, const std::optional<double>& value) {
    if (value) values.emplace_back(tag, *value);
  };
  add("cost/total", evaluation.total);
  add("cost/supervised", evaluation.supervised);
  for (size_t level = 0; level < evaluation.denoising.size(); ++level) {
    add("cost/denoising/" + std::to_string(level), evaluation.denoising[level]);
  }
  for (const auto& [name, cost] : evaluation.others) add("cost/" + name, cost);
  add("error/validation", evaluation.validation_error);
  add("error/test", evaluation.test_error);
  add("learning_rate", evaluation.learning_rate);
  add("epoch", static_cast<double>(evaluation.epoch));
  add("speed/steps_per_second", evaluation.steps_per_second);
  return values;
}

bool holds_any(const fs::path& folder, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(),
                     [&](const char* name) { return fs::exists(folder / name); });
}

bool holds_run(const fs::path& folder) {
  return holds_any(folder, {kConfig, kMetrics, kCheckpoint, kResult});
}

bool holds_events(const fs::path& folder) {
  std::error_code none;
  const fs::directory_iterator entries(folder, none);
  return std::any_of(begin(entries), end(entries), [](const fs::directory_entry& entry) {
    return entry.path().filename().string().starts_with("events.out.tfevents.");
  });
}

int lock(const fs::path& folder) {
  const auto path = folder / kLock;
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  TORCH_CHECK(descriptor >= 0, "RunFolder: expected to write in ", folder.string(), " but got \"",
              std::generic_category().message(errno), "\".");
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return descriptor;
  const int error = errno;
  if (error != EWOULDBLOCK) return descriptor;  // a file system without locks
  ::close(descriptor);
  TORCH_CHECK(false, "RunFolder: expected ", folder.string(),
              " for this run alone but another process has it open (wait for its end or choose "
              "another folder).");
}

}  // namespace

FolderLock::FolderLock(const fs::path& folder) : descriptor_(lock(folder)) {}

FolderLock::~FolderLock() { ::close(descriptor_); }

RunFolder::RunFolder(fs::path folder, std::string_view config, bool resume)
    : folder_(std::move(folder)), config_(config) {
  const auto given = parse_object(config, "the configuration");
  recipe_ = given.contains("recipe") ? given.at("recipe").dump() : "null";
  std::error_code error;
  fs::create_directories(folder_, error);
  TORCH_CHECK(fs::is_directory(folder_), "RunFolder: expected to create the folder ",
              folder_.string(), " but got \"",
              error ? error.message() : std::string("not a folder"), "\".");
  lock_ = lock(folder_);
  try {
    io::remove_stale_temporaries(folder_);
    if (!holds_run(folder_) || (!resume && holds_only_config(folder_))) {
      io::write_atomically(folder_ / kConfig, given.dump(2) + "\n");
      return;
    }
    TORCH_CHECK(resume, "RunFolder: expected a folder without a run but got ", folder_.string(),
                ", which holds one (continue it with --resume or choose another folder).");
    TORCH_CHECK(fs::exists(folder_ / kConfig), "RunFolder: expected ", (folder_ / kConfig).string(),
                " beside the other files of the run but got none.");
    const auto there = io::read_text(folder_ / kConfig);
    parse_object(there, (folder_ / kConfig).string());
    const auto differences = config_differences(there, config);
    TORCH_CHECK(differences.empty(), "RunFolder: expected the configuration of the run in ",
                folder_.string(), " but got another one: ", differences, ".");
  } catch (...) {
    ::close(lock_);
    throw;
  }
}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : folder_(std::move(other.folder_)),
      config_(std::move(other.config_)),
      recipe_(std::move(other.recipe_)),
      lock_(std::exchange(other.lock_, -1)),
      events_(std::move(other.events_)),
      resumed_after_(other.resumed_after_) {}

RunFolder::~RunFolder() {
  if (lock_ >= 0) ::close(lock_);
}

fs::path RunFolder::checkpoint_path() const { return folder_ / kCheckpoint; }

std::string RunFolder::differences(const std::string& other) const {
  return config_differences(other, config_);
}

std::vector<Evaluation> RunFolder::evaluations() const {
  return lines_of(folder_ / kMetrics, std::numeric_limits<int64_t>::max()).evaluations;
}

void RunFolder::keep_evaluations(int64_t step) {
  const auto path = folder_ / kMetrics;
  const auto kept = lines_of(path, step);
  if (kept.changed) io::write_atomically(path, kept.text);
  io::cut_events(folder_, step);
  events_.reset();
  resumed_after_ = step;
}

void RunFolder::replace_evaluations(const std::vector<Evaluation>& evaluations) {
  std::string text;
  for (const auto& evaluation : evaluations) text.append(to_json(evaluation)).append("\n");
  io::write_atomically(folder_ / kMetrics, text);
  io::cut_events(folder_, 0);
  events_.reset();
  resumed_after_ = 0;
  for (const auto& evaluation : evaluations) add_events(evaluation);
}

void RunFolder::append(const Evaluation& evaluation) {
  io::append_line(folder_ / kMetrics, to_json(evaluation));
  add_events(evaluation);
}

void RunFolder::flush() { io::flush_file(folder_ / kMetrics); }

void RunFolder::add_events(const Evaluation& evaluation) {
  if (!events_) {
    // A run that was interrupted before its first evaluation has written no events yet.
    const bool first = !holds_events(folder_);
    events_.emplace(folder_, resumed_after_);
    if (first) events_->add_text(0, "config", "```\n" + config_ + "\n```");
  }
  events_->add_scalars(evaluation.step, scalars_of(evaluation));
}

void RunFolder::write_result(const TrainResult& result, const RunAbout& about) {
  ordered_json object;
  object["status"] = train::to_string(result.status);
  object["recipe"] = ordered_json::parse(recipe_);
  object["seed"] = about.seed;
  object["labels"] = about.labels;
  object["epochs"] = about.epochs;
  object["epoch"] = result.last ? result.last->epoch : 0;
  object["steps"] = result.steps;
  object["test_error"] = result.last ? nullable(result.last->test_error) : nullptr;
  object["validation_error"] = result.last ? nullable(result.last->validation_error) : nullptr;
  object["best_validation_error"] = nullable(result.best_validation_error);
  object["best_epoch"] = result.best_epoch;
  object["seconds"] = result.seconds;
  object["training_seconds"] = result.training_seconds;
  object["steps_per_second"] = result.steps_per_second;
  object["peak_memory_mib"] = result.peak_memory_mib;
  object["last"] = result.last ? ordered_json::parse(to_json(*result.last)) : nullptr;
  io::write_atomically(folder_ / kResult, object.dump(2) + "\n");
}

std::optional<TrainResult> RunFolder::result() const {
  const auto path = folder_ / kResult;
  const auto text = io::read_text_if_present(path);
  if (!text) return std::nullopt;
  const auto object = parse_object(*text, path.string());
  try {
    TrainResult result;
    result.status = status_from(object.at("status").get<std::string>());
    if (!object.at("last").is_null()) {
      result.last = evaluation_from_json(object.at("last").dump());
    }
    result.best_validation_error = optional_number(object, "best_validation_error");
    result.best_epoch = object.at("best_epoch").get<int64_t>();
    result.steps = object.at("steps").get<int64_t>();
    result.seconds = number(object, "seconds");
    result.training_seconds = number(object, "training_seconds");
    result.steps_per_second = number(object, "steps_per_second");
    result.peak_memory_mib = object.value("peak_memory_mib", 0.0);  // older results have none
    return result;
  } catch (const json::exception& exception) {
    TORCH_CHECK(false, "RunFolder: expected ", path.string(),
                " to be the result of a run but got \"", exception.what(), "\".");
  }
}

bool holds_only_config(const fs::path& folder) {
  return fs::exists(folder / kConfig) &&
         !holds_any(folder, {kMetrics, kCheckpoint, kResult, kModel});
}

std::string to_json(const Evaluation& evaluation) {
  ordered_json object;
  object["epoch"] = evaluation.epoch;
  object["step"] = evaluation.step;
  object["learning_rate"] = evaluation.learning_rate;
  object["supervised"] = nullable(evaluation.supervised);
  object["denoising"] = denoising_json(evaluation);
  if (!evaluation.others.empty()) object["others"] = evaluation.others;
  object["total"] = evaluation.total;
  object["validation_error"] = nullable(evaluation.validation_error);
  object["test_error"] = nullable(evaluation.test_error);
  if (const auto& confused = evaluation.confused) {
    object["confused"] = {
        {"label", confused->label}, {"prediction", confused->prediction}, {"rows", confused->rows}};
  }
  object["seconds"] = evaluation.seconds;
  object["steps_per_second"] = evaluation.steps_per_second;
  return object.dump();
}

Evaluation evaluation_from_json(std::string_view line) {
  try {
    const auto object = io::parse_json(line);
    Evaluation evaluation;
    evaluation.epoch = object.at("epoch").get<int64_t>();
    evaluation.step = object.at("step").get<int64_t>();
    evaluation.learning_rate = number(object, "learning_rate");
    evaluation.supervised = optional_number(object, "supervised");
    evaluation.denoising = denoising_from(object);
    if (object.contains("others")) {
      for (const auto& [name, value] : object.at("others").items()) {
        evaluation.others[name] = number(object.at("others"), name.c_str());
      }
    }
    evaluation.total = number(object, "total");
    evaluation.validation_error = optional_number(object, "validation_error");
    evaluation.test_error = optional_number(object, "test_error");
    if (object.contains("confused")) {
      const auto& pair = object.at("confused");
      evaluation.confused = train::ConfusedPair{.label = pair.at("label").get<int64_t>(),
                                                .prediction = pair.at("prediction").get<int64_t>(),
                                                .rows = pair.at("rows").get<int64_t>()};
    }
    evaluation.seconds = number(object, "seconds");
    evaluation.steps_per_second = number(object, "steps_per_second");
    return evaluation;
  } catch (const json::exception&) {
    TORCH_CHECK(false, "RunFolder: expected an evaluation in ", kMetrics, " but got \"",
                io::beginning(line), "\".");
  }
}

train::RunRecordFactory in_folder(fs::path folder, FolderOptions options) {
  return [folder = std::move(folder), options = std::move(options)] {
    return std::make_shared<RunFolder>(folder, options.config, options.resume);
  };
}

std::string config_differences(std::string_view there, std::string_view here) {
  std::vector<std::string> found;
  auto left = parse_object(there, "the configuration there");
  auto right = parse_object(here, "the configuration");
  for (auto* object : {&left, &right}) object->erase("resumed");
  collect_differences("", left, right, found);
  std::string text;
  for (const auto& difference : found) {
    text += (text.empty() ? "" : ", ") + difference;
  }
  return text;
}

}  // namespace ladder::runs
