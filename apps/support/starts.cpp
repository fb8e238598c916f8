#include "apps/support/starts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/train/agreed_labels.h>
#include <ladder/train/evaluate.h>
#include <ladder/train/run_signs.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "apps/support/compared_seeds.h"
#include "apps/support/output.h"
#include "apps/support/program.h"

namespace ladder::apps {

namespace fs = std::filesystem;

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
      if (trainer.step() < steps) return SeedResult{run.config, std::move(result)};
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
  fs::rename(best, folder);
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
  auto teachers = folder;
  teachers += ".teachers";
  const auto unlabeled = split_rows(experiment, flags.config, seed).unlabeled;
  std::vector<torch::Tensor> probabilities;
  for (int64_t teacher = 1; teacher <= flags.config.teachers; ++teacher) {
    auto run = seed_run(experiment, placed, flags, seed,
                        {.folder = teachers / std::to_string(teacher),
                         .start = teacher,
                         .name = fmt::format("teacher {}", teacher)});
    TORCH_CHECK(run.trainer, "expected the checkpoint of a teacher in ",
                (teachers / std::to_string(teacher)).string(),
                " but it is gone (remove the folder to train it again).");
    auto result = run.trainer->run();
    if (result.status == train::TrainStatus::kInterrupted) {
      return {.stopped = SeedResult{run.config, std::move(result)}};
    }
    probabilities.push_back(train::probabilities(run.net, placed.train_inputs).cpu());
  }
  const auto agreed = train::agreed_labels(probabilities, flags.config.teacher_confidence);
  auto labels = torch::full_like(agreed, -1);
  labels.index_copy_(0, unlabeled, agreed.index_select(0, unlabeled));
  const auto count = labels.ge(0).sum().item<int64_t>();
  ProgressLine(0, flags.quiet)
      .print(fmt::format("{} teachers agree on the class of {} of {} rows", flags.config.teachers,
                         count, unlabeled.numel()));
  return {.labels = labels};
}

}  // namespace ladder::apps
