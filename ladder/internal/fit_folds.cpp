#include "ladder/internal/fit_folds.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "ladder/data/held_back_rows.h"
#include "ladder/internal/fit_division.h"
#include "ladder/internal/predictions.h"
#include "ladder/runs/internal/fold_file.h"
#include "ladder/train/communicator.h"

namespace ladder::fitting {
namespace {

namespace fs = std::filesystem;

using Instant = std::chrono::steady_clock::time_point;

double seconds_since(Instant began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

// Train a network without the labeled rows of a fold; none where that was interrupted.
std::optional<Ladder> network_without(const Training& training, const torch::Tensor& rows,
                                      Instant began, FoldProgress& told) {
  const auto& options = training.options;
  const auto& config = training.config;
  auto net = training.build();
  auto others = training.trainer(net, division_of(training.labels, rows), {}, config.epochs);
  others.callbacks.stop_requested = options.callbacks.stop_requested;
  if (options.on_fold) {
    others.callbacks.on_progress = [&](const train::Progress& progress) {
      told.network = progress;
      told.seconds = seconds_since(began);
      options.on_fold(told);
    };
  }
  const auto result = others.run();
  if (result.status == train::TrainStatus::kInterrupted) return std::nullopt;
  told.network = {.epoch = config.epochs,
                  .epochs = config.epochs,
                  .step = result.steps,
                  .steps = result.steps,
                  .steps_per_second = result.steps_per_second,
                  .total = result.last ? result.last->total : 0,
                  .seconds = result.seconds};
  return net;
}

// All that the predictions of folds depend on, whichever machine and folder has the data.
std::string fold_settings(const Training& training) {
  auto settings = training.config;
  settings.environment.reset();
  settings.dataset.clear();
  settings.test_rows.reset();
  return fmt::format("{} folds, {}", training.options.folds, runs::to_json(settings));
}

// What rank 0 has kept of a fold, on all ranks.
std::optional<runs::FoldPredictions> kept_fold(const Training& training, const fs::path& path,
                                               const std::string& settings,
                                               const torch::Tensor& rows) {
  const auto& options = training.options;
  auto found = path.empty() || !options.resume
                   ? std::nullopt
                   : runs::load_fold(path, settings, rows, training.classes);
  if (train::value_of_first_rank(options.ranks, found ? 1 : 0) == 0) return std::nullopt;
  if (!options.ranks) return found;
  if (!found) {
    found = {.rows = rows,
             .probabilities = at::empty({rows.numel(), training.classes}, at::kFloat)};
  }
  options.ranks->broadcast(found->probabilities);
  return found;
}

}  // namespace

int64_t rows_beside_folds(const ClassifierOptions& options, const torch::Tensor& labels,
                          int64_t classes) {
  const auto fold = data::stratified_folds(labels, classes, options.folds, options.seed);
  const int64_t ranks = options.ranks ? options.ranks->size() : 1;
  int64_t least = labels.numel();
  for (int64_t i = 0; i < options.folds; ++i) {
    const auto rows = fold.eq(i).nonzero().squeeze(1);
    const auto left = weighted(division_of(labels, rows), options.row_weights).unlabeled.numel();
    least = std::min(least, left / ranks);
  }
  return least;
}

std::optional<HeldBack> held_back_by_folds(const Training& training, const fs::path& folder,
                                           FitReport& report) {
  const auto& options = training.options;
  const auto& labels = training.labels;
  const int64_t classes = training.classes;
  const auto fold = data::stratified_folds(labels, classes, options.folds, options.seed);
  HeldBackPredictions predictions(fold.ge(0).sum().item<int64_t>(), classes,
                                  options.max_probabilities);
  const bool keeps = predictions.keeps() && !folder.empty();
  const auto settings = fold_settings(training);
  const auto began = std::chrono::steady_clock::now();
  FoldProgress told{.folds = options.folds};
  std::vector<torch::Tensor> rows;
  for (int64_t i = 0; i < options.folds; ++i) {
    rows.push_back(fold.eq(i).nonzero().squeeze(1));
    told.fold = i + 1;
    const auto path = keeps ? folder / fmt::format("{}.pt", told.fold) : fs::path();
    const auto kept = kept_fold(training, path, settings, rows.back());
    if (kept) {
      predictions.add(kept->probabilities, training.labels_at(rows.back()));
      report.fold_seconds += kept->seconds;
    } else {
      const auto fold_began = std::chrono::steady_clock::now();
      const auto net = network_without(training, rows.back(), began, told);
      if (!net) {
        report.folds_left = options.folds - i;
        return std::nullopt;
      }
      std::vector<torch::Tensor> parts;
      training.predict(*net, rows.back(), [&](const auto& probabilities, const auto& row_labels) {
        predictions.add(probabilities, row_labels);
        if (keeps) parts.push_back(probabilities);
      });
      const double seconds = seconds_since(fold_began);
      report.fold_seconds += seconds;
      if (keeps) {
        runs::save_fold(path, settings,
                        {.rows = rows.back(), .probabilities = at::cat(parts), .seconds = seconds});
      }
    }
    told.rows = predictions.rows();
    told.wrong = predictions.wrong();
    if (!kept && options.on_fold) {
      told.ended = true;
      told.seconds = seconds_since(began);
      options.on_fold(told);
      told.ended = false;
    }
  }
  const auto all = at::cat(rows);
  HeldBack held_back{.method = fmt::format("{} folds", options.folds),
                     .rows = all,
                     .labels = labels.index_select(0, all)};
  predictions.put_into(held_back);
  return held_back;
}

}  // namespace ladder::fitting
