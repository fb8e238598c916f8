#include "ladder/train/trainer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <exception>
#include <utility>
#include <vector>

#include "ladder/core/random.h"
#include "ladder/ops/product.h"
#include "ladder/runs/run_folder.h"
#include "ladder/train/checkpoint.h"
#include "ladder/train/fused_adam.h"
#include "ladder/train/process_memory.h"
#include "ladder/train/schedule.h"
#include "ladder/train/step_graph.h"

namespace ladder::train {
namespace {

// Costs wait on the device for so many steps before they are read.
constexpr size_t kPendingSteps = 100;
// Places in a row of costs; the denoising costs follow.
constexpr size_t kSupervised = 0;
constexpr size_t kTotal = 1;
constexpr size_t kDenoising = 2;
// Steps before one is recorded: libraries set themselves up, Adam makes its state.
constexpr int64_t kWarmUpSteps = 3;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void check_options(const TrainOptions& options) {
  const auto at_least = [](const char* name, auto value, auto least) {
    TORCH_CHECK(value >= least, "Trainer: expected ", name, " of at least ", least, " but got ",
                value, ".");
  };
  at_least("epochs", options.epochs, 1);
  at_least("eval_every", options.eval_every, 0);
  at_least("evaluation_batch", options.evaluation_batch, 2);
  at_least("patience", options.patience, 0);
  at_least("checkpoint_every_seconds", options.checkpoint_every_seconds, 0);
  at_least("progress_every_seconds", options.progress_every_seconds, 0);
  TORCH_CHECK(!options.resume || !options.out.empty(),
              "Trainer: expected the folder of a run to resume but got none (set out).");
}

torch::Tensor any_parameter(const Ladder& net) {
  TORCH_CHECK(!net.is_empty(), "Trainer: expected a network but got an empty Ladder.");
  const auto parameters = net->parameters();
  TORCH_CHECK(!parameters.empty(), "Trainer: expected a network with parameters but got none.");
  return parameters.front();
}

void check_inputs(const char* name, const torch::Tensor& inputs, const torch::Tensor& parameter) {
  TORCH_CHECK(inputs.defined(), "Trainer: expected ", name, " but got none.");
  const auto type = inputs.scalar_type() == torch::kUInt8 ? torch::kFloat32 : inputs.scalar_type();
  TORCH_CHECK(type == parameter.scalar_type() && inputs.device() == parameter.device(),
              "Trainer: expected ", name, " in ", c10::toString(parameter.scalar_type()), " on ",
              parameter.device(), " like the network but got ", c10::toString(inputs.scalar_type()),
              " on ", inputs.device(), ".");
}

TrainData checked(TrainData data, const Ladder& net, const TrainOptions& options) {
  const auto parameter = any_parameter(net);
  check_inputs("training inputs", data.training.inputs, parameter);
  const auto rows = data.training.inputs.size(0);
  if (data.validation.defined() && data.validation.numel() > 0) {
    const auto& validation = data.validation;
    TORCH_CHECK(validation.dim() == 1 && validation.scalar_type() == torch::kInt64 &&
                    validation.min().item<int64_t>() >= 0 &&
                    validation.max().item<int64_t>() < rows,
                "Trainer: expected validation rows as int64 [v] in 0..", rows - 1, " but got ",
                c10::toString(validation.scalar_type()), " ", validation.sizes(), ".");
    TORCH_CHECK(data.training.labels.defined(),
                "Trainer: expected labels of the validation rows but got none.");
  } else {
    data.validation = torch::Tensor();
    TORCH_CHECK(options.patience == 0, "Trainer: expected validation rows for a patience of ",
                options.patience, " epochs but got none.");
  }
  TORCH_CHECK(data.test_inputs.defined() == data.test_labels.defined(),
              "Trainer: expected test inputs and test labels, or neither, but got ",
              data.test_inputs.defined() ? "inputs" : "labels", " alone.");
  if (data.test_inputs.defined()) check_inputs("test inputs", data.test_inputs, parameter);
  return data;
}

}  // namespace

class Trainer::Run {
 public:
  Run(Ladder net, TrainData data, TrainOptions options);

  // The result, where the run has ended already.
  std::optional<TrainResult> begin();
  // One step and what is due after it; the result when that was the last.
  std::optional<TrainResult> advance(const TrainCallbacks& callbacks);
  int64_t steps_per_epoch() const { return sampler_.steps_per_epoch(); }
  int64_t steps() const { return options_.epochs * steps_per_epoch(); }
  int64_t step() const { return state_.step; }

 private:
  void resume();
  void train_step();
  torch::Tensor update(const SemiBatch& batch, NoiseSource& noise);
  torch::Tensor replay();
  void record();
  TrainResult finish();
  void read_costs();
  void check_finite(const double* costs, int64_t step) const;
  void check_parameters() const;
  void evaluate(const TrainCallbacks& callbacks);
  void calibrate();
  void report(const TrainCallbacks& callbacks);
  void save();
  void start_clocks();
  void stop_training_clock();
  void update_seconds();
  bool at_evaluation() const;
  bool stopped_early() const;
  bool ended() const { return state_.step >= steps() || stopped_early(); }
  TrainResult result(TrainStatus status) const;

  TrainOptions options_;
  Ladder net_;
  TrainData data_;
  data::SemiSampler sampler_;
  LinearDecay schedule_;
  FusedAdam adam_;
  NoiseSource noise_;
  TrainState state_;
  torch::Tensor calibration_rows_;  // undefined: all rows of the training inputs
  torch::Tensor validation_inputs_, validation_labels_;
  std::vector<size_t> costed_levels_;
  std::vector<torch::Tensor> pending_;  // costs not yet read, [kDenoising + costed levels] a step

  // What a recorded step reads and writes.
  struct Recorded {
    torch::Tensor labeled_rows, unlabeled_rows;  // set before each step
    torch::Tensor noise_position;                // moved on by the step itself
    torch::Tensor costs;
    uint64_t noise_blocks = 0;  // that a step draws
  };
  std::optional<StepGraph> graph_;
  Recorded recorded_;
  int64_t warm_up_ = kWarmUpSteps;

  std::optional<RunFolder> folder_;
  std::optional<Evaluation> last_;
  std::optional<TrainResult> earlier_result_;

  Clock::time_point wall_mark_, training_mark_, saved_, reported_;
  int64_t reported_step_ = 0;
  int64_t evaluated_step_ = 0;
  double evaluated_training_seconds_ = 0;
};

Trainer::Run::Run(Ladder net, TrainData data, TrainOptions options)
    : options_((check_options(options), std::move(options))),
      net_(std::move(net)),
      data_(checked(std::move(data), net_, options_)),
      sampler_(data_.training, {.unlabeled_batch = options_.unlabeled_batch,
                                .labeled_batch = options_.labeled_batch,
                                .seed = options_.seed}),
      schedule_{options_.learning_rate, options_.epochs, options_.decay_from},
      adam_(*net_, torch::optim::AdamOptions(learning_rate(schedule_, 0))
                       .betas({options_.beta1, options_.beta2})
                       .eps(options_.eps)),
      noise_(stream_seed(options_.seed, "noise")) {
  const auto& training = data_.training;
  const auto rows = calibration_rows(training, options_.calibration, options_.calibration_rows);
  if (!rows.cpu().equal(at::arange(training.inputs.size(0)))) {
    calibration_rows_ = rows.to(training.inputs.device());
  }
  if (data_.validation.defined()) {
    const auto device = training.inputs.device();
    validation_inputs_ = training.inputs.index_select(0, data_.validation.to(device));
    validation_labels_ =
        training.labels.index_select(0, data_.validation.to(training.labels.device()));
  }
  const auto& lambda = net_->options.lambda;
  for (size_t l = 0; l < lambda.size(); ++l) {
    if (lambda[l] > 0) costed_levels_.push_back(l);
  }
  state_.steps_per_epoch = steps_per_epoch();
  state_.cost_sums.assign(kDenoising + costed_levels_.size(), 0);
  state_.config = options_.config;
  state_.products = options_.products.value_or(ops::product_plan());
  if (!options_.out.empty()) {
    folder_.emplace(options_.out, options_.config, options_.resume);
    resume();
  }
  const auto parameter = any_parameter(net_);
  const auto device = parameter.device();
  if (options_.graph.value_or(device.is_cuda() && StepGraph::available(device) &&
                              parameter.scalar_type() == torch::kFloat32)) {
    graph_.emplace(device);
  }
}

void Trainer::Run::resume() {
  earlier_result_ = folder_->result();
  if (!folder_->has_checkpoint()) {
    folder_->keep_evaluations(0);
    return;
  }
  const auto path = folder_->checkpoint_path();
  auto state = load_checkpoint(path, *net_, adam_);
  const auto differences = config_differences(state.config, options_.config);
  TORCH_CHECK(differences.empty(), "Trainer: expected ", path.string(),
              " to be of this configuration but got another one: ", differences, ".");
  TORCH_CHECK(state.noise_seed == noise_.seed(), "Trainer: expected ", path.string(),
              " to be of a run with seed ", options_.seed, " but got one with another.");
  TORCH_CHECK(state.steps_per_epoch == steps_per_epoch() && state.step <= steps() &&
                  state.cost_sums.size() == state_.cost_sums.size(),
              "Trainer: expected ", path.string(), " to be of a run of ", options_.epochs,
              " epochs of ", steps_per_epoch(), " steps but got step ", state.step, " of one with ",
              state.steps_per_epoch, " steps an epoch (other rows, batches or epochs?).");
  TORCH_CHECK(!options_.products || *options_.products == state.products, "Trainer: expected ",
              path.string(), " to be of a run with ", to_string(*options_.products),
              " but got one with ", to_string(state.products),
              " (leave products unset: a run keeps those that it was started with).");
  state_ = std::move(state);
  noise_ = NoiseSource(state_.noise_seed, state_.noise_offset);
  auto evaluations = folder_->keep_evaluations(state_.step);
  if (!evaluations.empty()) last_ = std::move(evaluations.back());
}

std::optional<TrainResult> Trainer::Run::begin() {
  if (earlier_result_) {
    net_->eval();
    return earlier_result_;
  }
  if (graph_) graph_->enter();
  net_->train();
  net_->zero_grad();
  start_clocks();
  return std::nullopt;
}

std::optional<TrainResult> Trainer::Run::advance(const TrainCallbacks& callbacks) {
  const c10::OptionalStreamGuard stream(graph_ ? graph_->stream() : std::nullopt);
  const ops::ProductScope products(state_.products);
  if (!ended()) {
    train_step();
    if (callbacks.on_step) callbacks.on_step(state_.step);
    if (callbacks.on_progress && seconds_since(reported_) >= options_.progress_every_seconds) {
      report(callbacks);
    }
    if (at_evaluation()) evaluate(callbacks);
  }
  if (ended()) return finish();
  if (callbacks.stop_requested && callbacks.stop_requested()) {
    save();
    net_->eval();
    if (graph_) graph_->leave();
    return result(TrainStatus::kInterrupted);
  }
  if (folder_ && seconds_since(saved_) >= options_.checkpoint_every_seconds) save();
  return std::nullopt;
}

TrainResult Trainer::Run::finish() {
  save();
  net_->eval();
  if (graph_) graph_->leave();
  auto ended_as =
      result(state_.step >= steps() ? TrainStatus::kFinished : TrainStatus::kStoppedEarly);
  if (folder_) {
    const auto& labeled = data_.training.labeled;
    folder_->write_result(ended_as, {.seed = options_.seed,
                                     .labels = labeled.defined() ? labeled.numel() : 0,
                                     .epochs = options_.epochs});
  }
  earlier_result_ = ended_as;
  return ended_as;
}

void Trainer::Run::train_step() {
  if (state_.step % steps_per_epoch() == 0) {
    read_costs();
    std::fill(state_.cost_sums.begin(), state_.cost_sums.end(), 0.0);
  }
  adam_.set_learning_rate(learning_rate(schedule_, state_.step / steps_per_epoch()));
  if (graph_ && warm_up_ == 0) {
    pending_.push_back(replay());
  } else {
    pending_.push_back(update(sampler_.batch(state_.step), noise_));
    warm_up_ = std::max<int64_t>(warm_up_ - 1, 0);
  }
  ++state_.step;
  if (pending_.size() >= kPendingSteps) read_costs();
}

// Moves the parameters by one step; returns its costs.
torch::Tensor Trainer::Run::update(const SemiBatch& batch, NoiseSource& noise) {
  const auto loss = net_->loss(batch, noise);
  loss.total.backward();
  adam_.step();
  adam_.zero_grad();
  std::vector<torch::Tensor> costs = {loss.supervised.detach(), loss.total.detach()};
  for (const auto level : costed_levels_) {
    costs.push_back(loss.denoising[level].detach());
  }
  return at::stack(costs);
}

torch::Tensor Trainer::Run::replay() {
  if (!graph_->recorded()) record();
  recorded_.labeled_rows.copy_(sampler_.labeled_rows(state_.step));
  recorded_.unlabeled_rows.copy_(sampler_.unlabeled_rows(state_.step));
  graph_->run();
  noise_ = NoiseSource(noise_.seed(), noise_.offset() + recorded_.noise_blocks);
  return recorded_.costs.clone();
}

void Trainer::Run::record() {
  const auto parameter = any_parameter(net_);
  recorded_.labeled_rows = sampler_.labeled_rows(state_.step).clone();
  recorded_.unlabeled_rows = sampler_.unlabeled_rows(state_.step).clone();
  recorded_.noise_position = at::full({}, std::bit_cast<int64_t>(noise_.offset()),
                                      parameter.options().dtype(at::kLong).requires_grad(false));
  recorded_.costs = at::zeros({static_cast<int64_t>(state_.cost_sums.size())},
                              parameter.options().requires_grad(false));
  adam_.zero_grad();  // a gradient from elsewhere would be added to, at each replay
  try {
    graph_->record([this] {
      auto noise = NoiseSource::from(noise_.seed(), recorded_.noise_position);
      const auto batch = sampler_.gather(recorded_.labeled_rows, recorded_.unlabeled_rows);
      recorded_.costs.copy_(update(batch, noise));
      recorded_.noise_position.add_(std::bit_cast<int64_t>(noise.offset()));
      recorded_.noise_blocks = noise.offset();
    });
  } catch (...) {
    adam_.zero_grad();  // those of a step that was recorded in part hold no numbers
    throw;
  }
}

void Trainer::Run::read_costs() {
  if (pending_.empty()) return;
  const auto costs = at::stack(pending_).to(at::kCPU, at::kDouble).contiguous();
  pending_.clear();
  const auto width = state_.cost_sums.size();
  const auto rows = static_cast<size_t>(costs.size(0));
  for (size_t row = 0; row < rows; ++row) {
    const double* values = costs.data_ptr<double>() + row * width;
    check_finite(values, state_.step - static_cast<int64_t>(rows - row) + 1);
    for (size_t i = 0; i < width; ++i) {
      state_.cost_sums[i] += values[i];
    }
  }
}

void Trainer::Run::check_finite(const double* costs, int64_t step) const {
  TORCH_CHECK(std::isfinite(costs[kSupervised]),
              "Trainer: the supervised cost is not finite at step ", step,
              " (lower the learning rate).");
  // The decoder goes down: what is wrong above spreads below.
  for (size_t i = costed_levels_.size(); i-- > 0;) {
    TORCH_CHECK(std::isfinite(costs[kDenoising + i]), "Trainer: the denoising cost of level ",
                costed_levels_[i], " is not finite at step ", step,
                " (lower lambda or the learning rate).");
  }
  TORCH_CHECK(std::isfinite(costs[kTotal]), "Trainer: the total cost is not finite at step ", step,
              " (lower lambda).");
}

// An activation may hide from the costs what is not a number: a rectifier makes it 0.
void Trainer::Run::check_parameters() const {
  const torch::NoGradGuard no_grad;
  const auto parameters = net_->named_parameters();
  std::vector<torch::Tensor> finite;
  for (const auto& parameter : parameters) {
    finite.push_back(parameter.value().isfinite().all());
  }
  const auto flags = at::stack(finite).cpu();
  for (size_t i = 0; i < finite.size(); ++i) {
    TORCH_CHECK(flags[static_cast<int64_t>(i)].item<bool>(), "Trainer: the parameter ",
                parameters[i].key(), " is not finite after step ", state_.step,
                " (lower lambda or the learning rate).");
  }
}

bool Trainer::Run::at_evaluation() const {
  if (state_.step % steps_per_epoch() != 0) return false;
  const auto epoch = state_.step / steps_per_epoch();
  return epoch == options_.epochs || (options_.eval_every > 0 && epoch % options_.eval_every == 0);
}

bool Trainer::Run::stopped_early() const {
  return options_.patience > 0 && state_.best_epoch > 0 &&
         state_.evaluated_epoch - state_.best_epoch >= options_.patience;
}

void Trainer::Run::calibrate() {
  const torch::NoGradGuard no_grad;
  const auto& inputs = data_.training.inputs;
  net_->calibrate(
      network_inputs(calibration_rows_.defined() ? inputs.index_select(0, calibration_rows_)
                                                 : inputs),
      options_.evaluation_batch);
}

void Trainer::Run::evaluate(const TrainCallbacks& callbacks) {
  read_costs();
  stop_training_clock();
  check_parameters();
  const auto epoch = state_.step / steps_per_epoch();
  const bool last_epoch = epoch == options_.epochs;
  Evaluation evaluation{.epoch = epoch, .step = state_.step};
  evaluation.learning_rate = learning_rate(schedule_, epoch - 1);
  const auto mean = [&](size_t place) {
    return state_.cost_sums[place] / static_cast<double>(steps_per_epoch());
  };
  evaluation.supervised = mean(kSupervised);
  evaluation.total = mean(kTotal);
  evaluation.denoising.resize(net_->shapes.size());
  for (size_t i = 0; i < costed_levels_.size(); ++i) {
    evaluation.denoising[costed_levels_[i]] = mean(kDenoising + i);
  }

  if (validation_inputs_.defined() || data_.test_inputs.defined() || last_epoch) calibrate();
  if (validation_inputs_.defined()) {
    evaluation.validation_error =
        error_rate(net_, validation_inputs_, validation_labels_, options_.evaluation_batch);
    if (!state_.best_validation_error ||
        *evaluation.validation_error < *state_.best_validation_error) {
      state_.best_validation_error = evaluation.validation_error;
      state_.best_epoch = epoch;
    }
  }
  if (data_.test_inputs.defined()) {
    evaluation.test_error =
        error_rate(net_, data_.test_inputs, data_.test_labels, options_.evaluation_batch);
  }
  state_.evaluated_epoch = epoch;
  update_seconds();
  evaluation.seconds = state_.seconds;
  const auto training = state_.training_seconds - evaluated_training_seconds_;
  const auto done = static_cast<double>(state_.step - evaluated_step_);
  evaluation.steps_per_second = training > 0 ? done / training : 0;
  evaluated_step_ = state_.step;
  evaluated_training_seconds_ = state_.training_seconds;

  last_ = evaluation;
  if (folder_) folder_->append(evaluation);
  if (callbacks.on_evaluation) callbacks.on_evaluation(evaluation);
  training_mark_ = Clock::now();
}

void Trainer::Run::report(const TrainCallbacks& callbacks) {
  read_costs();
  update_seconds();
  const auto elapsed = seconds_since(reported_);
  const auto in_epoch = (state_.step - 1) % steps_per_epoch() + 1;
  Progress progress{.epoch = (state_.step - 1) / steps_per_epoch() + 1,
                    .epochs = options_.epochs,
                    .step = state_.step,
                    .steps = steps()};
  const auto done = static_cast<double>(state_.step - reported_step_);
  progress.steps_per_second = elapsed > 0 ? done / elapsed : 0;
  progress.total = state_.cost_sums[kTotal] / static_cast<double>(in_epoch);
  progress.seconds = state_.seconds;
  reported_step_ = state_.step;
  reported_ = Clock::now();
  callbacks.on_progress(progress);
}

void Trainer::Run::save() {
  if (!folder_) return;
  read_costs();
  stop_training_clock();
  check_parameters();
  update_seconds();
  state_.noise_seed = noise_.seed();
  state_.noise_offset = noise_.offset();
  save_checkpoint(folder_->checkpoint_path(), *net_, adam_, state_);
  saved_ = training_mark_ = Clock::now();
}

void Trainer::Run::start_clocks() {
  wall_mark_ = training_mark_ = saved_ = reported_ = Clock::now();
  reported_step_ = evaluated_step_ = state_.step;
  evaluated_training_seconds_ = state_.training_seconds;
}

void Trainer::Run::stop_training_clock() {
  state_.training_seconds += seconds_since(training_mark_);
}

void Trainer::Run::update_seconds() {
  const auto now = Clock::now();
  state_.seconds += std::chrono::duration<double>(now - wall_mark_).count();
  wall_mark_ = now;
}

TrainResult Trainer::Run::result(TrainStatus status) const {
  TrainResult result;
  result.status = status;
  result.last = last_;
  result.best_validation_error = state_.best_validation_error;
  result.best_epoch = state_.best_epoch;
  result.steps = state_.step;
  result.seconds = state_.seconds;
  result.training_seconds = state_.training_seconds;
  result.steps_per_second =
      state_.training_seconds > 0 ? static_cast<double>(state_.step) / state_.training_seconds : 0;
  result.peak_memory_mib = peak_memory_mib();
  return result;
}

Trainer::Trainer(Ladder net, TrainData data, TrainOptions options)
    : run_(std::make_unique<Run>(std::move(net), std::move(data), std::move(options))) {}
Trainer::Trainer(Trainer&&) noexcept = default;
Trainer& Trainer::operator=(Trainer&&) noexcept = default;
Trainer::~Trainer() = default;

TrainResult Trainer::run() {
  auto result = run_->begin();
  while (!result) result = run_->advance(callbacks);
  return *result;
}

std::vector<TrainResult> run_together(std::vector<Trainer>& trainers) {
  std::vector<std::optional<TrainResult>> results;
  for (auto& trainer : trainers) {
    results.push_back(trainer.run_->begin());
  }
  std::vector<std::exception_ptr> errors(trainers.size());
  const auto running = [&](size_t i) { return !results[i] && !errors[i]; };
  for (bool any = true; any;) {
    any = false;
    for (size_t i = 0; i < trainers.size(); ++i) {
      if (!running(i)) continue;
      try {
        results[i] = trainers[i].run_->advance(trainers[i].callbacks);
      } catch (...) {
        errors[i] = std::current_exception();
      }
      any = any || running(i);
    }
  }
  std::vector<TrainResult> all;
  for (size_t i = 0; i < trainers.size(); ++i) {
    if (errors[i]) std::rethrow_exception(errors[i]);
    all.push_back(*results[i]);
  }
  return all;
}
int64_t Trainer::steps_per_epoch() const { return run_->steps_per_epoch(); }
int64_t Trainer::steps() const { return run_->steps(); }
int64_t Trainer::step() const { return run_->step(); }

}  // namespace ladder::train
