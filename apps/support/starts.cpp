#include "apps/support/starts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/io/tensor_file.h>
#include <ladder/io/text_file.h>
#include <ladder/train/agreed_labels.h>
#include <ladder/train/clean_features.h>
#include <ladder/train/evaluate.h>
#include <ladder/train/run_signs.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "apps/support/cached_tensors.h"
#include "apps/support/checked_clusters.h"
#include "apps/support/compared_seeds.h"
#include "apps/support/moves_text.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/recorded_run.h"

namespace ladder::apps {

namespace fs = std::filesystem;

namespace {

using namespace std::string_literals;

// The file in which a run keeps the labels of its teachers, and their name in it.
constexpr const char* kTaughtStem = "taught";
constexpr const char* kTaughtLabels = "labels";

// The unlabeled rows of a run, and their neighbours.
struct UnlabeledRows {
  torch::Tensor rows;    // int64, on the CPU
  torch::Tensor labels;  // int64, -1 for those of other rows than the labeled ones
  std::shared_ptr<data::SharedNeighbours> near;
};

UnlabeledRows unlabeled_rows(const Experiment& experiment, const PlacedData& placed,
                             const TrainingFlags& flags, uint64_t seed) {
  const auto split = split_rows(experiment, flags.config, seed);
  const auto labels =
      data::known_labels({.labels = experiment.data.train.labels, .labeled = split.labeled});
  return {.rows = split.unlabeled,
          .labels = labels.index_select(0, split.unlabeled),
          .near = near_unlabeled(placed, flags.config, split.unlabeled)};
}

// The probabilities of a teacher for all rows of `inputs`, on the CPU. Where near rows share their
// class, they are 0 for unlabeled rows whose clusters lie in another class: a network would learn
// such a cluster from its teacher, since it looks like any other, and without labels it decides by
// what it sees itself.
torch::Tensor told_by(Ladder& teacher, const torch::Tensor& inputs, const UnlabeledRows& unlabeled,
                      const Experiment& experiment, const std::string& name, bool quiet) {
  auto told = train::probabilities(teacher, inputs).cpu();
  if (!clusters_tell(experiment, teacher, unlabeled.rows.numel())) return told;
  const auto seen = train::clean_features(teacher, inputs, unlabeled.rows.to(inputs.device()));
  const auto lost = all_lost(seen, unlabeled.near->get(), unlabeled.labels).cpu();
  doubt_lost(told, unlabeled.rows, lost);
  const auto moves = moves_text(train::cluster_moves(seen.classes.cpu(), lost));
  if (!moves.empty()) {
    ProgressLine(0, quiet).print(
        fmt::format("no labels for clusters of {} that lie in another class: {}", name, moves));
  }
  return told;
}

// What decides which rows are labeled: "--seed 4 --labels 20 --validation 50".
std::string draw_text(const runs::RunConfig& config, uint64_t seed) {
  return fmt::format("--seed {} --labels {}{} --validation {}", seed,
                     runs::labels_text(config.labels), config.balanced ? "" : " --unbalanced",
                     config.validation);
}

// A run that labels rows of another: its folder and its name in what is printed.
struct Teacher {
  fs::path folder;
  std::string name;
};

// The labels of the unlabeled rows on which finished runs agree, -1 for other rows; `told` returns
// the probabilities of each, by its place. The labels are kept in the folder of the run, since a
// run that goes on needs the same labels to the last, and another number of threads may change
// some.
torch::Tensor agreed_among(const std::vector<Teacher>& teachers,
                           const std::function<torch::Tensor(size_t)>& told,
                           const UnlabeledRows& unlabeled, const TrainingFlags& flags,
                           uint64_t seed, const fs::path& folder) {
  const auto confidence = flags.config.teacher_confidence;
  auto about = fmt::format("labels of confidence {} for {}, of runs", confidence,
                           draw_text(flags.config, seed));
  for (const auto& teacher : teachers) {
    for (const auto* const file : {"config.json", "result.json"}) {
      const auto text = io::read_text(teacher.folder / file);
      about += fmt::format(" {}", fingerprint(io::text_tensor(text)));
    }
  }
  ProgressLine line(0, flags.quiet);
  const auto make = [&]() -> io::TensorMap {
    std::vector<torch::Tensor> all;
    for (size_t i = 0; i < teachers.size(); ++i) all.push_back(told(i));
    const auto agreed = train::agreed_labels(all, confidence);
    const auto labels = torch::full_like(agreed, -1);
    const auto& rows = unlabeled.rows;
    return {{kTaughtLabels, labels.index_copy_(0, rows, agreed.index_select(0, rows))}};
  };
  const auto labels =
      load_or_make({.folder = folder, .stem = kTaughtStem, .about = about}, make,
                   [&line](const std::string& text) { line.print(fmt::format("note: {}", text)); })
          .at(kTaughtLabels);
  line.print(fmt::format("{} teacher{} the class of {} of {} rows", teachers.size(),
                         teachers.size() == 1 ? " is sure of" : "s agree on",
                         labels.ge(0).sum().item<int64_t>(), unlabeled.rows.numel()));
  return labels;
}

// The settings of a finished run from the labels of this seed.
runs::RunConfig config_of_teacher(const fs::path& folder, const Experiment& experiment,
                                  const TrainingFlags& flags, uint64_t seed) {
  if (!fs::exists(folder / "result.json") || !fs::exists(folder / "checkpoint.pt")) {
    throw UsageError(
        fmt::format("expected a finished run with its checkpoint to learn from but got none in {}.",
                    folder.string()));
  }
  auto config = recorded_config(folder);
  const auto& here = flags.config;
  if (config.data != experiment.fingerprint) {
    throw UsageError(
        fmt::format("expected a run on the same data to learn from but got other data in {}.",
                    folder.string()));
  }
  const auto there = draw_text(config, config.seed.value_or(1));
  if (there != draw_text(here, seed)) {
    throw UsageError(fmt::format(
        "expected a run from the same labels to learn from ({}) but got one with {} in {}.",
        draw_text(here, seed), there, folder.string()));
  }
  return config;
}

}  // namespace

std::optional<SeedResult> choose_candidate(const Experiment& experiment, const PlacedData& placed,
                                           const TrainingFlags& flags, uint64_t seed,
                                           const fs::path& folder) {
  if (fs::exists(folder / "config.json")) return std::nullopt;
  TORCH_CHECK(!fs::exists(folder) || fs::is_empty(folder),
              "expected a new or an empty folder for a run with candidates but got ",
              folder.string(), ", which holds other files (give another folder).");
  auto starts = folder;
  starts += ".candidates";
  const auto unlabeled = split_rows(experiment, flags.config, seed).unlabeled;
  const auto rows = placed.train_inputs.index_select(
      0, unlabeled.slice(0, 0, kComparedRows).to(placed.train_inputs.device()));
  std::vector<torch::Tensor> classes;
  for (int64_t candidate = 1; candidate <= flags.config.candidates; ++candidate) {
    auto run = seed_run(experiment, placed, flags, seed,
                        {.folder = starts / std::to_string(candidate),
                         .start = candidate,
                         .name = fmt::format("candidate {}", candidate)});
    auto& trainer = *run.trainer;
    const auto steps = flags.config.candidate_epochs * trainer.steps_per_epoch();
    trainer.callbacks.stop_requested = [&] { return stop_requested() || trainer.step() >= steps; };
    if (trainer.step() < steps) {
      auto result = trainer.run();
      if (trainer.step() < steps) {
        return SeedResult{.config = run.config,
                          .result = std::move(result),
                          .folder = starts / std::to_string(candidate)};
      }
    }
    classes.push_back(train::run_signs(run.net, rows).classes);
  }
  const auto others = train::disagreements(classes);
  const auto chosen = std::min_element(others.begin(), others.end()) - others.begin() + 1;
  const auto best = starts / std::to_string(chosen);
  write_text(
      best / "candidates.json",
      nlohmann::ordered_json(
          {{"epochs", flags.config.candidate_epochs}, {"disagreement", others}, {"chosen", chosen}})
              .dump(2) +
          "\n");
  std::error_code none;
  const bool inside = fs::equivalent(folder, ".", none);  // of the folder that is replaced
  fs::rename(best, folder);
  if (inside) fs::current_path(folder);
  remove_folder(starts);
  std::vector<std::string> shares;
  for (const auto share : others) shares.push_back(fmt::format("{:.2f}", share));
  ProgressLine(0, flags.quiet)
      .print(
          fmt::format("the others disagree with candidates 1 to {} on {} % of the rows; candidate "
                      "{} goes on",
                      others.size(), fmt::join(shares, ", "), chosen));
  return std::nullopt;
}

Taught teach(const Experiment& experiment, const PlacedData& placed, const TrainingFlags& flags,
             uint64_t seed, const fs::path& folder) {
  auto place = folder;
  place += ".teachers";
  std::vector<Teacher> teachers;
  std::vector<Ladder> nets;
  for (int64_t i = 1; i <= flags.config.teachers; ++i) {
    teachers.push_back({.folder = place / std::to_string(i), .name = fmt::format("teacher {}", i)});
    const auto& [there, name] = teachers.back();
    auto run = seed_run(experiment, placed, flags, seed,
                        {.folder = there, .start = i, .name = name, .teaches = true});
    TORCH_CHECK(run.trainer, "expected the checkpoint of a teacher in ", there.string(),
                " but it is gone (remove the folder to train it again).");
    auto result = run.trainer->run();
    if (result.status == train::TrainStatus::kInterrupted) {
      return {.stopped =
                  SeedResult{.config = run.config, .result = std::move(result), .folder = there}};
    }
    nets.push_back(run.net);
  }
  const auto unlabeled = unlabeled_rows(experiment, placed, flags, seed);
  const auto told = [&](size_t i) {
    return told_by(nets[i], placed.train_inputs, unlabeled, experiment, teachers[i].name,
                   flags.quiet);
  };
  return {.labels = agreed_among(teachers, told, unlabeled, flags, seed, folder)};
}

torch::Tensor taught_labels(const Experiment& experiment, const PlacedData& placed,
                            const TrainingFlags& flags, uint64_t seed, const fs::path& folder) {
  std::vector<Teacher> teachers;
  std::vector<runs::RunConfig> configs;
  for (const auto& given : flags.taught_by) {
    const auto of_seed = given / fmt::format("seed-{}", seed);
    const auto there = fs::exists(of_seed) ? of_seed : given;
    configs.push_back(config_of_teacher(there, experiment, flags, seed));
    teachers.push_back({.folder = there, .name = there.string()});
  }
  const auto unlabeled = unlabeled_rows(experiment, placed, flags, seed);
  const auto told = [&](size_t i) {
    auto net = recorded_network(teachers[i].folder, configs[i]);
    net->to(flags.config.device);
    const auto inputs =
        train::network_inputs(in_shape(placed.train_inputs, configs[i])).to(torch::kFloat32);
    return told_by(net, inputs, unlabeled, experiment, teachers[i].name, flags.quiet);
  };
  return agreed_among(teachers, told, unlabeled, flags, seed, folder);
}

torch::Tensor kept_labels(const fs::path& folder, const std::string& fingerprint) {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    const auto name = entry.path().filename().string();
    if (!name.starts_with(kTaughtStem + "-"s) || !name.ends_with(".pt")) continue;
    try {
      const auto tensors = io::load_tensors(entry.path());
      const auto labels = tensors.find(kTaughtLabels);
      if (labels != tensors.end() && apps::fingerprint(labels->second) == fingerprint) {
        return labels->second;
      }
    } catch (const c10::Error&) {
      continue;  // another one may be whole
    }
  }
  return {};
}

}  // namespace ladder::apps
