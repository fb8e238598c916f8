#include "ladder/internal/fit_training.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <ladder/models/network.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "ladder/core/random.h"
#include "ladder/data/repeated_rows.h"
#include "ladder/internal/predictions.h"
#include "ladder/nn/random_init.h"
#include "ladder/train/scaled_objective.h"
#include "ladder/train/train_data.h"

namespace ladder::fitting {
namespace {

constexpr int64_t kHeldBackAtOnce = 10'000;
constexpr int64_t kMaxCalibrationRows = 50000;
constexpr double kSpeedTrialSeconds = 1.5;

std::vector<double> class_weights(const torch::Tensor& labels, int64_t classes) {
  const auto counts = at::bincount(labels, {}, classes);
  std::vector<double> weights;
  for (int64_t c = 0; c < classes; ++c) {
    const auto count = static_cast<double>(counts[c].item<int64_t>());
    weights.push_back(static_cast<double>(labels.numel()) /
                      (static_cast<double>(classes) * std::max(count, 1.0)));
  }
  return weights;
}

}  // namespace

data::BlockSizes blocks_of(const runs::RunConfig& config) {
  return {.rows = config.block_rows.value_or(0), .blocks = config.window_blocks.value_or(1)};
}

Ladder Training::build() const {
  const SeededInit none_of_the_callers(0);
  auto net = models::network(runs::network_of(config));
  reset_parameters(*net, stream_seed(*config.seed, "init"));
  net->to(config.device, models::dtype(config.precision));
  return net;
}

torch::Tensor Training::placed(const torch::Tensor& tensor) const {
  return tensor.is_floating_point() ? tensor.to(config.device, models::dtype(config.precision))
                                    : tensor.to(config.device);
}

torch::Tensor Training::labels_at(const torch::Tensor& rows) const {
  return from ? from->labels(rows) : labels.index_select(0, rows);
}
torch::Tensor Training::inputs_at(const torch::Tensor& rows) const {
  return from ? from->inputs(rows) : inputs.index_select(0, rows);
}

std::shared_ptr<train::Objective> Training::objective_of(const Ladder& net,
                                                         const torch::Tensor& labeled) const {
  if (!config.scaled_lambda.value_or(false)) {
    TORCH_CHECK(options.balance != ClassBalance::kWeights,
                "Classifier: expected weights that follow the costs for balance 'weights' but "
                "got fixed lambdas (leave lambda empty, or take balance 'sampling').");
    return train::objective(net);
  }
  train::ScaledObjectiveOptions scaled{.weights = config.network.lambda};
  if (options.balance == ClassBalance::kWeights) {
    scaled.class_weights = class_weights(labels_at(labeled), classes);
  }
  return train::scaled_objective(net, scaled);
}

train::Trainer Training::trainer(const Ladder& net, const Division& division,
                                 const train::RunRecordFactory& record, int64_t epochs,
                                 std::optional<int64_t> eval_every) const {
  const auto rows = weighted(division, options.row_weights);
  auto labeled = rows.labeled;
  if (options.balance == ClassBalance::kSampling) {
    labeled = labeled.index_select(
        0, data::repeat_rare(at::arange(labeled.numel()), labels_at(labeled), classes));
  }
  train::TrainData data;
  if (from) {
    data.training = {.labeled = labeled, .source = from, .held_out = rows.validation};
    data.training.blocks = blocks_of(config);
  } else {
    data.training = {.inputs = placed(inputs),
                     .labels = placed(labels),
                     .labeled = placed(labeled),
                     .unlabeled = placed(rows.unlabeled)};
  }
  if (rows.validation.defined() && rows.validation.numel() > 0) {
    data.validation = from ? rows.validation : placed(rows.validation);
  }
  if (test_inputs.defined()) {
    data.test_inputs = placed(test_inputs);
    data.test_labels = placed(test_labels);
  }
  const int64_t all = rows.used;
  train::TrainOptions train{
      .epochs = epochs,
      .learning_rate = config.learning_rate,
      .decay_from = config.decay_from,
      .labeled_batch = config.labeled_batch,
      .unlabeled_batch = options.labels_alone ? 0 : config.unlabeled_batch,
      .seed = *config.seed,
      .eval_every = eval_every.value_or(config.eval_every),
      .calibration_rows = all > kMaxCalibrationRows ? kMaxCalibrationRows : 0,
      .products = ops::default_product_plan(models::product_precision(config.precision)),
      .ranks = options.ranks,
      .statistics = config.statistics.value_or(train::RankStatistics::kLocal),
      .record = record,
      .checkpoint_every_seconds = options.checkpoint_every_seconds};
  return {train::TrainParts{.objective = objective_of(net, rows.labeled)}, std::move(data),
          std::move(train)};
}

// Epochs that take about `minutes`, from the speed of a short trial. It measures steps alone: a run
// has few evaluations.
int64_t Training::epochs_within(double minutes, const Division& rows) const {
  auto trial = trainer(build(), rows, {}, 1000000, /*eval_every=*/0);
  int64_t steps = 0;
  const auto begin = std::chrono::steady_clock::now();
  double seconds = 0;
  trial.callbacks.on_step = [&](int64_t step) {
    steps = step;
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  // Also when a stop was asked for: the folder keeps the number that a whole trial finds.
  trial.callbacks.stop_requested = [&] { return seconds > kSpeedTrialSeconds; };
  trial.run();
  const double wanted = 60 * minutes / (seconds / static_cast<double>(std::max<int64_t>(1, steps)));
  return std::max<int64_t>(
      1, static_cast<int64_t>(wanted / static_cast<double>(trial.steps_per_epoch())));
}

int64_t Training::epochs(const Division& division, int64_t drawn, int64_t steps_per_epoch,
                         const std::optional<runs::RunConfig>& continued) const {
  if (options.minutes > 0) {
    const auto agreed = [&](int64_t count) {
      return train::value_of_first_rank(options.ranks, count);
    };
    const auto known = agreed(continued ? continued->epochs : 0);
    return known > 0 ? known : agreed(epochs_within(options.minutes, division));
  }
  if (options.epochs > 0) {
    return std::max<int64_t>(1, (options.epochs * division.used + drawn - 1) / drawn);
  }
  return std::max<int64_t>(1, (kDefaultSteps + steps_per_epoch - 1) / steps_per_epoch);
}

train::TrainResult Training::run(Ladder& net, const Division& division,
                                 const train::RunRecordFactory& record,
                                 const std::optional<runs::RunConfig>& continued) const {
  train::TrainResult result;
  {
    auto all = trainer(net, division, record, config.epochs);
    all.callbacks = options.callbacks;
    const auto& here = options.environment;
    if (continued && here && runs::is_elsewhere(*continued, *here) && all.step() < all.steps()) {
      runs::add_resumed(options.folder, {.step = all.step(), .environment = *here});
    }
    if (options.on_start) options.on_start(config, all.steps());
    result = all.run();
  }
  if (result.status == train::TrainStatus::kInterrupted) {
    const int64_t rows = std::min(division.used, kMaxCalibrationRows);
    net->calibrate(placed(inputs_at(from ? data::rows_besides(division.validation, at::arange(rows))
                                         : division.unlabeled.narrow(0, 0, rows))));
  }
  net->eval();
  return result;
}

void Training::predict(const Ladder& net, const torch::Tensor& rows,
                       const TakePredictions& take) const {
  for (int64_t begin = 0; begin < rows.numel(); begin += kHeldBackAtOnce) {
    const auto some = rows.slice(0, begin, begin + kHeldBackAtOnce);
    take(probabilities_of(net, inputs_at(some)), labels_at(some));
  }
}

HeldBack Training::held_back(const Ladder& net, const Division& division) const {
  const auto& rows = division.validation;
  if (rows.numel() == 0) return {};
  HeldBack held_back{.method = "held-back rows", .rows = rows, .labels = labels_at(rows)};
  HeldBackPredictions predictions(rows.numel(), classes, options.max_probabilities);
  predict(net, rows, [&](const auto& probabilities, const auto& row_labels) {
    predictions.add(probabilities, row_labels);
  });
  predictions.put_into(held_back);
  return held_back;
}

}  // namespace ladder::fitting
