#include "apps/support/report/run_report.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <ladder/io/text_file.h>
#include <ladder/runs/run_config.h>
#include <ladder/runs/run_folder.h>
#include <ladder/runs/seed_summary.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <system_error>
#include <utility>

#include "apps/support/checked_clusters.h"
#include "apps/support/compared_seeds.h"
#include "apps/support/json.h"
#include "apps/support/markup.h"
#include "apps/support/recorded_run.h"
#include "apps/support/report/parts.h"
#include "apps/support/report/repeat_command.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// What `ladder train` measured on some rows when a run had ended.
struct Measured {
  int64_t rows = 0;
  int64_t wrong = 0;
  std::optional<double> labels_alone = {};  // error on the same rows, in percent
  // Rows that either network alone gets wrong: this one, and that of the labels alone.
  std::optional<std::pair<int64_t, int64_t>> wrong_alone = {};
};

struct FolderRun {
  fs::path folder;
  std::string json;                            // config.json
  std::optional<runs::RunConfig> config = {};  // of a program for published experiments
  ReportedRun run = {};
  std::optional<Measured> test = {}, held_back = {};  // from evaluation.json
  std::string held_back_by = {};                      // "held-back rows", "5 folds"
};

std::vector<train::Evaluation> evaluations_in(const fs::path& path) {
  std::vector<train::Evaluation> evaluations;
  const auto text = io::read_text_if_present(path, int64_t{1} << 30);
  if (!text) return evaluations;
  size_t begin = 0;
  while (begin < text->size()) {
    const auto end = text->find('\n', begin);
    if (end == std::string::npos) break;  // a line that is being written
    if (end > begin) {
      evaluations.push_back(runs::evaluation_from_json(text->substr(begin, end - begin)));
    }
    begin = end + 1;
  }
  return evaluations;
}

std::optional<double> number_in(const ordered_json& object, const std::string& key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? std::optional(found->get<double>())
                                                     : std::nullopt;
}

// None for a number that counts nothing, such as -1 or 1e300.
std::optional<int64_t> count_in(const ordered_json& object, const std::string& key) {
  constexpr double kMaxCount = 9007199254740992;  // 2^53: doubles hold each whole number up to it
  const auto number = number_in(object, key);
  if (!number || !(*number >= 0 && *number <= kMaxCount)) return std::nullopt;
  return static_cast<int64_t>(*number);
}

// The first line of a file that is not what it should be.
std::string beginning_of(const std::string& text) {
  const auto end = std::find_if(text.begin(), text.end(),
                                [](char c) { return static_cast<unsigned char>(c) < ' '; });
  const auto line = text.substr(0, static_cast<size_t>(end - text.begin()));
  const auto shown = shortened(line, 40);
  const bool whole = shown == line && text.find_last_not_of(" \t\r\n") + 1 > line.size();
  return whole ? shown + "…" : shown;
}

void read_outcome(FolderRun& one) {
  auto& run = one.run;
  const auto path = one.folder / "result.json";
  if (const auto text = io::read_text_if_present(path)) {
    const auto result = parse_json(*text);
    TORCH_CHECK(result.is_object(), "report: expected ", path.string(),
                " to be the result of a run but got \"", beginning_of(*text), "\".");
    if (result.contains("status") && result["status"].is_string()) {
      run.status = result["status"].get<std::string>();
    }
    run.seconds = number_in(result, "training_seconds");
    run.steps_per_second = number_in(result, "steps_per_second");
    run.steps = count_in(result, "steps");
  } else if (!run.evaluations.empty()) {
    run.status = "not finished";
    run.steps = run.evaluations.back().step;
  }
}

std::optional<Measured> measured_in(const ordered_json& object, const std::string& key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_object()) return std::nullopt;
  const auto rows = count_in(*found, "rows"), wrong = count_in(*found, "wrong");
  if (!rows || !wrong || *rows < 1 || *wrong > *rows) return std::nullopt;
  Measured measured{.rows = *rows, .wrong = *wrong};
  const auto alone = object.find(key + "_labels_alone");
  if (alone != object.end() && alone->is_object()) {
    measured.labels_alone = number_in(*alone, "error");
    const auto right = count_in(*alone, "only_right"), wrong_there = count_in(*alone, "only_wrong");
    if (right && wrong_there && *right <= *wrong && *wrong_there <= *rows - *wrong) {
      measured.wrong_alone = {*right, *wrong_there};
    }
  }
  return measured;
}

void read_measured(FolderRun& one) {
  const auto path = one.folder / "evaluation.json";
  const auto text = io::read_text_if_present(path, int64_t{1} << 30);
  if (!text) return;
  const auto object = parse_json(*text);
  TORCH_CHECK(object.is_object(), "report: expected ", path.string(),
              " to be what a run measured but got \"", beginning_of(*text), "\".");
  const auto by = object.find("held_back_by");
  if (by != object.end() && by->is_string()) one.held_back_by = by->get<std::string>();
  one.test = measured_in(object, "test");
  one.held_back = measured_in(object, "held_back");
}

FolderRun read_folder(const fs::path& folder) {
  const auto json = io::read_text_if_present(folder / "config.json");
  TORCH_CHECK(json, "report: expected a run in ", folder.string(),
              " but got no config.json there (give a run folder, or one that holds seed-1, ...).");
  FolderRun one{.folder = folder, .json = *json};
  const auto object = parse_json(*json);
  TORCH_CHECK(object.is_object(), "report: expected ", (folder / "config.json").string(),
              " to be a JSON object but got \"", beginning_of(*json), "\".");
  try {
    one.config = runs::run_config_from_json(*json);
  } catch (const c10::Error&) {
    one.config.reset();  // of another program
  }
  one.run.evaluations = evaluations_in(folder / "metrics.jsonl");
  read_outcome(one);
  read_measured(one);
  const auto seed = object.find("seed");
  one.run.name = seed != object.end() && seed->is_number_integer()
                     ? fmt::format("seed {}", seed->dump())
                     : folder.filename().string();
  return one;
}

bool has_decoder(const FolderRun& run) {
  if (!run.config) return true;
  const auto& lambda = run.config->network.lambda;
  return std::any_of(lambda.begin(), lambda.end(), [](double weight) { return weight > 0; });
}

// Other runs labeled rows for it.
bool is_taught(const FolderRun& one) {
  return one.config && (!one.config->taught.empty() || one.config->teachers > 0);
}

// It learned from the labeled rows alone.
bool is_baseline(const FolderRun& one) { return !has_decoder(one) && !is_taught(one); }

// Whether labeled rows were predicted by networks of folds, the same rows in each run.
bool has_folds(const FolderRun& one) { return one.held_back_by.ends_with("folds"); }

// Errors of evaluations are kept in percent: of a known number of rows they are counts.
void count_errors(FolderRun& one, bool test) {
  if (const auto& measured = test ? one.test : one.held_back) {
    one.run.rows = measured->rows;
    one.run.wrong = measured->wrong;
    return;
  }
  if (!one.config || one.run.evaluations.empty()) return;
  const auto& last = one.run.evaluations.back();
  const auto error = test ? last.test_error : last.validation_error;
  const auto rows = test ? one.config->test_rows.value_or(0) : one.config->validation;
  if (!error || rows < 1) return;
  one.run.rows = rows;
  one.run.wrong = std::llround(*error / 100 * static_cast<double>(rows));
}

std::string text_of_value(const ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_null()) return "none";
  if (value.is_number_float()) return fmt::format("{:.10g}", value.get<double>());
  return value.dump();
}

void flatten(const std::string& prefix, const ordered_json& value,
             std::vector<ReportedSetting>& out) {
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) {
      std::string name = key;
      std::replace(name.begin(), name.end(), '_', ' ');
      flatten(prefix.empty() ? name : prefix + " " + name, inner, out);
    }
    return;
  }
  std::string text;
  if (value.is_array()) {
    for (const auto& element : value) {
      text += (text.empty() ? "" : ", ") + text_of_value(element);
    }
  } else {
    text = text_of_value(value);
  }
  out.emplace_back(prefix, text);
}

// Adds where a run went on, if elsewhere: "from step 600", "threads 2".
void describe_resumes(const ordered_json& resumes, std::vector<ReportedSetting>& environment) {
  const auto start = environment;
  for (const auto& one : resumes) {
    if (!one.is_object() || !one.contains("environment")) continue;
    std::string changed;
    for (const auto& setting : settings_of_json(one.at("environment").dump())) {
      if (std::find(start.begin(), start.end(), setting) != start.end()) continue;
      changed += (changed.empty() ? "" : ", ") + setting.first + " " + setting.second;
    }
    const auto step = one.contains("step") ? text_of_value(one.at("step")) : "?";
    environment.emplace_back("from step " + step, changed.empty() ? "as at the start" : changed);
  }
}

void describe_config(ReportData& data, const FolderRun& first) {
  auto object = ordered_json::parse(first.json);
  if (const auto found = object.find("environment"); found != object.end()) {
    data.environment = settings_of_json(found->dump());
    object.erase(found);
  }
  if (const auto found = object.find("resumed"); found != object.end()) {
    describe_resumes(*found, data.environment);
    object.erase(found);
  }
  if (data.runs.size() > 1) object.erase("seed");
  if (!first.config) {
    data.settings = settings_of_json(object.dump());
    return;
  }
  const auto& config = *first.config;
  auto known = ordered_json::parse(runs::to_json(config));
  known.erase("environment");
  known.erase("resumed");
  if (data.runs.size() > 1) known.erase("seed");
  data.settings = settings_of_json(known.dump());
  data.lambda = config.network.lambda;
  data.levels = {"input"};
  for (const auto& layer : config.network.layers) data.levels.push_back(models::to_string(layer));
  auto& rows = data.data;
  rows.source = config.dataset;
  if (config.environment && !config.environment->data_dir.empty()) {
    rows.source += " in " + config.environment->data_dir;
  }
  const auto training = config.train_rows.value_or(0) - config.validation;
  rows.labeled_rows =
      config.labels == data::kAllLabels ? std::max<int64_t>(0, training) : config.labels;
  rows.unlabeled_rows = std::max<int64_t>(0, training - rows.labeled_rows);
  rows.taught = is_taught(first);
  rows.validation_rows = config.validation;
  rows.test_rows = config.test_rows.value_or(first.test ? first.test->rows : 0);
  if (config.balanced && config.labels != data::kAllLabels && config.classes > 0 &&
      config.labels % config.classes == 0) {
    rows.class_counts.assign(static_cast<size_t>(config.classes), config.labels / config.classes);
  }
  data.title = config.recipe.empty() ? config.program : config.recipe;
  data.subtitle = fmt::format("{} on {}, trained with {} and {} by {}.",
                              has_decoder(first) ? "Ladder network" : "Network without a decoder",
                              config.dataset, count_text(rows.labeled_rows, "labeled row"),
                              has_decoder(first) && rows.unlabeled_rows > 0
                                  ? count_text(rows.unlabeled_rows) + " unlabeled ones"
                              : rows.taught ? std::string("labels that other runs gave")
                                            : std::string("no others"),
                              config.program);
}

void add_commands(ReportData& data, const std::vector<FolderRun>& all) {
  for (const auto& one : all) {
    const auto command = one.config ? repeat_command(*one.config) : std::nullopt;
    if (!command) return;
    data.commands.push_back(*command);
  }
}

// Settings in which a run of the labels alone differs from another run, of those in which both have
// to agree: rows, labels and layers. Noise and schedule are its own, as in the published ones.
std::vector<std::string> other_task(const FolderRun& baseline, const FolderRun& run) {
  static const std::set<std::string> kShared = {
      "dataset",     "train_rows", "test_rows",  "data",          "classes",
      "labels",      "balanced",   "validation", "contrast_norm", "zca_ridge",
      "input_shape", "layers",     "activation", "leaky_slope"};
  if (!baseline.config || !run.config) return {"program"};
  std::vector<std::string> names;
  for (const auto& one : runs::diff(*baseline.config, *run.config, runs::Compare::kExperiment)) {
    if (kShared.contains(one.name)) names.push_back(one.name);
  }
  return names;
}

std::string other_task_sentence(const FolderRun& baseline, const FolderRun& run,
                                const std::vector<std::string>& names) {
  const auto name = [](const FolderRun& one) {
    return one.config ? one.config->recipe : std::string();
  };
  const bool told = !name(baseline).empty() && !name(run).empty() && name(baseline) != name(run);
  return fmt::format("The error of the labels alone is left out: {} differs from {} in {}.",
                     told ? name(baseline) : baseline.folder.string(),
                     told ? name(run) : run.folder.string(), listed(names));
}

// Removes the runs of the labels alone that have another task than a run of the page: beside its
// error theirs would say nothing.
void leave_out_others(ReportData& data, const std::vector<FolderRun>& all,
                      std::vector<FolderRun>& baseline) {
  std::set<std::string> sentences;  // seeds of one recipe share theirs
  std::erase_if(baseline, [&](const FolderRun& one) {
    return std::any_of(all.begin(), all.end(), [&](const FolderRun& run) {
      const auto names = other_task(one, run);
      if (!names.empty()) sentences.insert(other_task_sentence(one, run, names));
      return !names.empty();
    });
  });
  data.warnings.insert(data.warnings.end(), sentences.begin(), sentences.end());
}

void add_baseline(ReportData& data, const std::vector<FolderRun>& baseline, bool test) {
  std::vector<double> errors;
  for (auto one : baseline) {
    count_errors(one, test);
    if (const auto error = error_of(one.run)) errors.push_back(*error);
  }
  if (errors.empty()) return;
  data.baselines.labels_alone =
      std::accumulate(errors.begin(), errors.end(), 0.0) / static_cast<double>(errors.size());
  data.baselines.labels_alone_note =
      fmt::format("{}{}", baseline.front().config->recipe,
                  errors.size() > 1 ? fmt::format(", mean of {} seeds", errors.size()) : "");
}

// What the labels alone gave on the rows of a run, which `ladder train` measures for the best one.
void add_labels_alone(ReportData& data, const std::vector<FolderRun>& all, bool test) {
  std::vector<double> errors;
  for (const auto& one : all) {
    const auto& measured = test ? one.test : one.held_back;
    if (measured && measured->labels_alone) errors.push_back(*measured->labels_alone);
  }
  if (errors.empty()) return;
  data.baselines.labels_alone = runs::summarize(errors).mean;
  if (all.size() == 1) {
    data.baselines.wrong_alone = (test ? all.front().test : all.front().held_back)->wrong_alone;
  }
  data.baselines.labels_alone_note =
      "the same network with the same noise, trained on the labeled rows only";
}

// What the rows are called that the page measures the runs on.
void name_rows(ReportData& data, const std::vector<FolderRun>& all, bool test) {
  const auto held = std::find_if(all.begin(), all.end(),
                                 [](const FolderRun& one) { return one.held_back.has_value(); });
  if (test || held == all.end()) {
    data.rows_name = test ? "test rows" : "validation rows";
  } else if (has_folds(*held)) {
    data.rows_name = "labeled rows, each predicted by a network that was not trained on it";
  } else {
    data.rows_name = "held-back rows";
    data.own_rows = all.size() > 1;
  }
}

std::string with_sign(std::string text) {
  const auto at = text.find("+-");
  return at == std::string::npos ? text : text.replace(at, 2, "±");
}

// Seeds of this page that their experiment found to look left behind.
void add_left_behind(ReportData& data, const std::vector<FolderRun>& all) {
  std::map<fs::path, std::set<uint64_t>> experiments;
  for (const auto& one : all) {
    std::error_code none;
    auto folder = fs::absolute(one.folder, none).lexically_normal();
    if (!folder.has_filename()) folder = folder.parent_path();  // "seed-1/"
    const auto seed = seed_of_folder(folder);
    if (seed) experiments[folder.parent_path()].insert(*seed);
  }
  for (const auto& [experiment, seeds] : experiments) {
    std::vector<ComparedSeed> compared;
    try {
      compared = read_compared_seeds(experiment);
    } catch (const std::exception&) {  // anything may be called seeds.json
      data.warnings.push_back(
          fmt::format("{} is not what runs of several seeds write, so this page does not say which "
                      "of them look left behind.",
                      (experiment / "seeds.json").string()));
    }
    std::erase_if(compared,
                  [&shown = seeds](const ComparedSeed& one) { return !shown.contains(one.seed); });
    for (auto sentence : left_behind_sentences(compared)) {
      sentence.front() = 'S';
      data.warnings.push_back(sentence + ".");
    }
  }
}

// Runs with clusters of training rows in the wrong class.
void add_clusters(ReportData& data, const std::vector<FolderRun>& all) {
  for (const auto& one : all) {
    const auto checked = read_checked_clusters(one.folder);
    if (!checked || !checked->looks_left()) continue;
    auto name = one.run.name;
    name.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(name.front())));
    data.warnings.push_back(clusters_sentence(*checked, name) + ".");
  }
}

void add_warnings(ReportData& data, const std::vector<FolderRun>& all) {
  for (size_t i = 1; i < all.size(); ++i) {
    if (!all[0].config || !all[i].config) continue;
    auto there = *all[i].config;
    there.seed = all[0].config->seed;
    there.candidate = all[0].config->candidate;
    if (!there.taught.empty() && !all[0].config->taught.empty()) {
      there.taught = all[0].config->taught;  // teachers differ from seed to seed
    }
    const auto differences = runs::diff(*all[0].config, there, runs::Compare::kExperiment);
    if (differences.empty()) continue;
    std::vector<std::string> names;
    for (const auto& difference : differences) names.push_back(difference.name);
    data.warnings.push_back(
        fmt::format("The runs are not seeds of one experiment: {} differs from {} in {}.",
                    all[i].run.name, all[0].run.name, listed(names)));
  }
  size_t unfinished = 0;
  for (const auto& one : all) {
    unfinished += one.run.status == "finished" || one.run.status == "stopped early" ? 0 : 1;
  }
  if (unfinished > 0) {
    data.warnings.push_back(
        all.size() == 1
            ? fmt::format("The run has not ended (state: {}).",
                          all[0].run.status.empty() ? "no evaluation yet" : all[0].run.status)
            : fmt::format("{} of {} runs have not ended.", unfinished, all.size()));
  }
}

// Names that occur twice get the folder behind them.
void make_unique(std::vector<FolderRun>& all) {
  std::map<std::string, int> times;
  for (const auto& one : all) ++times[one.run.name];
  for (auto& one : all) {
    if (times[one.run.name] > 1) one.run.name += " in " + one.folder.string();
  }
}

}  // namespace

std::vector<ReportedSetting> settings_of_json(std::string_view json) {
  std::vector<ReportedSetting> settings;
  flatten("", ordered_json::parse(json), settings);
  return settings;
}

ReportData report_of_runs(const std::vector<fs::path>& folders) {
  TORCH_CHECK(!folders.empty(), "report: expected at least one run folder but got none.");
  std::vector<FolderRun> all;
  for (const auto& folder : folders) {
    for (const auto& run : run_folders(folder)) all.push_back(read_folder(run));
  }
  std::vector<FolderRun> baseline;
  if (!std::all_of(all.begin(), all.end(), is_baseline)) {
    const auto middle = std::stable_partition(all.begin(), all.end(), std::not_fn(is_baseline));
    baseline.assign(std::make_move_iterator(middle), std::make_move_iterator(all.end()));
    all.erase(middle, all.end());
  }
  make_unique(all);
  const bool test = std::any_of(all.begin(), all.end(), [](const FolderRun& one) {
    return one.test || (!one.run.evaluations.empty() && one.run.evaluations.back().test_error);
  });
  ReportData data;
  name_rows(data, all, test);
  for (auto& one : all) {
    count_errors(one, test);
    data.runs.push_back(one.run);
  }
  describe_config(data, all.front());
  if (data.title.empty()) data.title = all.front().folder.filename().string();
  add_labels_alone(data, all, test);
  leave_out_others(data, all, baseline);
  add_baseline(data, baseline, test);
  if (all.front().config) {
    if (const auto published = runs::published_error(*all.front().config); published && test) {
      data.baselines.published = published->mean;
      data.baselines.published_note =
          with_sign(models::to_string(*published)) + " % over their seeds";
    }
  }
  add_commands(data, all);
  add_warnings(data, all);
  add_left_behind(data, all);
  add_clusters(data, all);
  return data;
}

}  // namespace ladder::apps
