#include "ladder/runs/run_table.h"

#include <dirent.h>
#include <fmt/format.h>
#include <ladder/io/atomic_file.h>
#include <ladder/io/internal/json.h>
#include <ladder/io/text_file.h>
#include <ladder/runs/run_folder.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

namespace ladder::runs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kFailure = "failed.json";
constexpr std::string_view kSeedFolder = "seed-";

bool convolutional(const models::Recipe& recipe) { return !models::dense_units(recipe.network); }

// A file that cannot be read counts as a damaged one.
std::optional<std::string> text_of(const fs::path& path) {
  try {
    return io::read_text_if_present(path);
  } catch (const c10::Error&) {
    return "";
  }
}

json object_in(const std::string& text) {
  auto value = io::parse_json(text);
  return value.is_object() ? value : json();
}

std::string differences(const RunConfig& config, const RunConfig& expected) {
  std::string text;
  for (const auto& one : diff(config, expected, Compare::kExperiment)) {
    text += fmt::format("{}{} {} instead of {}", text.empty() ? "" : ", ", one.name, one.there,
                        one.here);
  }
  if (!config.seed) {
    text += fmt::format("{}seed absent instead of {}", text.empty() ? "" : ", ", *expected.seed);
  }
  return text;
}

// True if a run of another recipe labels rows for those of `recipe`.
bool is_taught(const std::string& recipe) {
  const auto* known = models::known_recipe(recipe);
  return known != nullptr && !known->taught_by.empty();
}

std::string progress_of(const fs::path& folder, const RunConfig& config) {
  int64_t epoch = 0;
  std::ifstream in(folder / "metrics.jsonl");
  for (std::string line; std::getline(in, line);) {
    const auto evaluation = object_in(line);
    if (evaluation.contains("epoch") && evaluation.at("epoch").is_number_integer()) {
      epoch = evaluation.at("epoch").get<int64_t>();
    }
  }
  return fmt::format("epoch {} of {}", epoch, config.epochs);
}

// Fills in what the result says; a sentence where it is not one of a whole run.
void read_result(const std::string& text, RecordedRun& run) {
  const auto result = object_in(text);
  try {
    const auto status = result.at("status").get<std::string>();
    const auto epoch = result.at("epoch").get<int64_t>();
    const auto epochs = result.at("epochs").get<int64_t>();
    if (status != train::to_string(train::TrainStatus::kFinished) || epoch < epochs) {
      run.state = RunState::kForeign;
      run.note = fmt::format("{} at epoch {} of {}", status, epoch, epochs);
      return;
    }
    run.test_error = result.at("test_error").get<double>();
    run.seconds = result.at("training_seconds").get<double>();
    run.state = RunState::kFinished;
  } catch (const json::exception&) {
    run.test_error.reset();
    run.state = RunState::kFailed;
    run.note = "result.json is not the result of a run";
  }
}

std::string failure_text(const std::string& text) {
  const auto failure = object_in(text);
  const auto line = failure.is_object() ? failure.value("last_line", json()) : json();
  return line.is_string() ? line.get<std::string>() : std::string("failed.json is damaged");
}

std::vector<uint64_t> seeds_in(const fs::path& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(folder.c_str()), ::closedir);
  std::vector<uint64_t> seeds;
  while (const auto* entry = entries ? ::readdir(entries.get()) : nullptr) {
    const std::string_view name = entry->d_name;
    uint64_t seed = 0;
    if (name.starts_with(kSeedFolder)) {
      const auto* last = name.data() + name.size();
      const auto [end, error] = std::from_chars(name.data() + kSeedFolder.size(), last, seed);
      if (error == std::errc() && end == last) {
        seeds.push_back(seed);
      }
    }
  }
  std::sort(seeds.begin(), seeds.end());
  return seeds;
}

}  // namespace

const std::vector<PublishedTable>& published_tables() {
  using models::Recipe;
  static const std::vector<PublishedTable> tables = {
      {"mnist", "MNIST, permutation invariant", "ladder-mnist",
       [](const Recipe& recipe) { return recipe.dataset == "mnist" && !convolutional(recipe); }},
      {"conv", "MNIST, convolutional networks", "ladder-mnist",
       [](const Recipe& recipe) { return recipe.dataset == "mnist" && convolutional(recipe); }},
      {"cifar", "CIFAR-10", "ladder-cifar10",
       [](const Recipe& recipe) { return recipe.dataset.starts_with("cifar"); }},
  };
  return tables;
}

std::vector<models::Recipe> rows_of(const PublishedTable& table,
                                    const std::vector<models::Recipe>& recipes, bool ours) {
  std::vector<models::Recipe> rows;
  std::copy_if(recipes.begin(), recipes.end(), std::back_inserter(rows),
               [&](const models::Recipe& recipe) {
                 return table.holds(recipe) && (ours || recipe.published);
               });
  return rows;
}

std::string kind_of(const models::Recipe& recipe) {
  const auto labels = "-" + runs::labels_text(recipe.labels) + "-";
  const auto at = recipe.name.find(labels);
  return at == std::string::npos ? recipe.name : recipe.name.substr(at + labels.size());
}

std::string to_string(RunState state) {
  switch (state) {
    case RunState::kFinished:
      return "finished";
    case RunState::kUnfinished:
      return "unfinished";
    case RunState::kFailed:
      return "failed";
    case RunState::kForeign:
      return "foreign";
    case RunState::kMissing:
      break;
  }
  return "missing";
}

RecordedRun read_run(const fs::path& folder, const std::string& recipe, uint64_t seed,
                     const std::function<RunConfig()>& settings) {
  RecordedRun run{.seed = seed};
  const auto failure = text_of(folder / kFailure);
  std::optional<RunConfig> config;
  try {
    config = read_config(folder);
  } catch (const c10::Error&) {
    run.state = RunState::kFailed;
    run.note = "config.json is not the configuration of a run";
    return run;
  }
  if (!config) {
    run.state = failure ? RunState::kFailed : RunState::kMissing;
    run.note = failure ? failure_text(*failure) : "";
    return run;
  }
  auto expected = settings();
  expected.recipe = recipe;
  expected.seed = seed;
  // Nobody knows before which labels the teacher of a seed will give.
  if (is_taught(recipe) && !config->taught.empty()) expected.taught = config->taught;
  run.note = differences(*config, expected);
  if (const auto ranks = trained_ranks(*config); run.note.empty() && ranks > 1) {
    run.note = fmt::format("ranks {} instead of 1", ranks);
  }
  if (!run.note.empty()) {
    run.state = RunState::kForeign;
    return run;
  }
  if (const auto result = text_of(folder / "result.json")) {
    read_result(*result, run);
    return run;
  }
  run.state = failure ? RunState::kFailed : RunState::kUnfinished;
  run.note = failure ? failure_text(*failure) : progress_of(folder, *config);
  return run;
}

void record_failure(const fs::path& folder, int status, const std::string& last_line) {
  const ordered_json failure = {{"status", status}, {"last_line", last_line}};
  io::write_atomically(folder / kFailure,
                       failure.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n");
}

void forget_failure(const fs::path& folder) {
  std::error_code none;
  fs::remove(folder / kFailure, none);
}

std::vector<double> TableRow::test_errors() const {
  std::vector<double> values;
  for (const auto& run : runs) {
    if (run.state == RunState::kFinished) {
      values.push_back(run.test_error.value());
    }
  }
  return values;
}

std::optional<runs::SeedSummary> TableRow::summary() const {
  auto values = test_errors();
  return values.empty() ? std::nullopt : std::optional(runs::summarize(std::move(values)));
}

fs::path run_path(const fs::path& folder, const std::string& recipe, uint64_t seed) {
  return folder / recipe / fmt::format("{}{}", kSeedFolder, seed);
}

RunTable read_table(const PublishedTable& table, const std::vector<models::Recipe>& rows,
                    const std::vector<uint64_t>& seeds, const fs::path& folder,
                    const std::function<RunConfig(const models::Recipe&)>& settings_of) {
  RunTable result{.name = table.name, .title = table.title, .rows = {}, .seeds = seeds};
  for (const auto& recipe : rows) {
    TableRow row{.recipe = recipe};
    for (const auto seed : seeds) {
      row.runs.push_back(read_run(run_path(folder, recipe.name, seed), recipe.name, seed,
                                  [&] { return settings_of(recipe); }));
    }
    for (const auto seed : seeds_in(folder / recipe.name)) {
      if (std::find(seeds.begin(), seeds.end(), seed) == seeds.end()) {
        row.other_seeds.push_back(seed);
      }
    }
    result.rows.push_back(std::move(row));
  }
  return result;
}

}  // namespace ladder::runs
