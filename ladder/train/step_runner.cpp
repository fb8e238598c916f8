#include "ladder/train/step_runner.h"

#include <ATen/ATen.h>
#include <torch/utils.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_set>
#include <utility>

#include "ladder/train/fused_adam.h"
#include "ladder/train/internal/gradient_exchange.h"
#include "ladder/train/internal/parameters_once.h"
#include "ladder/train/optimizer_state.h"

namespace ladder::train {
namespace {

// Steps before one is recorded: libraries set themselves up, the optimiser makes its state.
constexpr int64_t kWarmUpSteps = 3;

void check_optimizer(const torch::optim::Optimizer& optimizer,
                     const std::vector<torch::Tensor>& parameters) {
  TORCH_CHECK(!parameters.empty(), "Trainer: expected a network with parameters but got none.");
  for (const auto& group : optimizer.param_groups()) {
    for (const auto& updated : group.params()) {
      for (const auto& parameter : parameters) {
        if (updated.is_same(parameter)) return;
      }
    }
  }
  TORCH_CHECK(false,
              "Trainer: expected an optimiser of the network's parameters but got one that updates "
              "none of them (make it from the network that is trained).");
}

// The parameters of the network, then those of pieces, which only the optimiser holds.
std::vector<torch::Tensor> trained_parameters(const torch::nn::Module& network,
                                              const torch::optim::Optimizer& optimizer) {
  auto all = tensors_once(network);
  std::unordered_set<const c10::TensorImpl*> known;
  for (const auto& parameter : all) known.insert(parameter.unsafeGetTensorImpl());
  for (const auto& group : optimizer.param_groups()) {
    for (const auto& parameter : group.params()) {
      if (known.insert(parameter.unsafeGetTensorImpl()).second) all.push_back(parameter);
    }
  }
  return all;
}

void check_loss(const StepLoss& loss) {
  const auto is_cost = [](const torch::Tensor& cost) {
    return cost.defined() && cost.numel() == 1;
  };
  TORCH_CHECK(is_cost(loss.total), "Trainer: expected the total cost of a step as one number but ",
              "got ", loss.total.defined() ? c10::str(loss.total.sizes()) : "none",
              " (Objective::loss sets StepLoss::total).");
  TORCH_CHECK(std::all_of(loss.costs.begin(), loss.costs.end(), is_cost),
              "Trainer: expected each cost of a step as one number but got others "
              "(StepLoss::costs has one for each of Objective::terms).");
}

// Scalars as one tensor on their device. On the CPU to read them takes less time than to stack
// them.
torch::Tensor as_one_tensor(const std::vector<torch::Tensor>& scalars) {
  const auto& total = scalars.back();
  if (!total.is_cpu()) return at::stack(scalars);
  std::vector<double> values;
  for (const auto& scalar : scalars) values.push_back(scalar.item<double>());
  return at::tensor(values, total.options().requires_grad(false));
}

}  // namespace

StepRunner::StepRunner(std::shared_ptr<Objective> objective,
                       std::shared_ptr<torch::optim::Optimizer> optimizer,
                       data::SemiSampler sampler, const NoiseSource& noise,
                       const StepRunnerOptions& options)
    : objective_(std::move(objective)),
      optimizer_(std::move(optimizer)),
      sampler_(std::move(sampler)),
      noise_(noise.part(sampler_.rank(), sampler_.ranks())),
      products_(options.products.value_or(ops::product_plan())),
      parameters_(trained_parameters(objective_->module(), *optimizer_)),
      warm_up_(kWarmUpSteps),
      statistics_(options.statistics) {
  check_optimizer(*optimizer_, objective_->module().parameters());
  const auto& parameter = parameters_.front();
  const auto device = parameter.device();
  const bool recordable = dynamic_cast<FusedAdam*>(optimizer_.get()) != nullptr;
  TORCH_CHECK(recordable || !options.graph.value_or(false),
              "Trainer: expected FusedAdam, whose step can be recorded, but got ",
              optimizer_name(*optimizer_), " (train without a graph).");
  TORCH_CHECK(!sampler_.reads_source() || !options.graph.value_or(false),
              "Trainer: expected rows in memory, whose step can be recorded, but got a source "
              "(train without a graph).");
  const int64_t ranks = options.ranks ? options.ranks->size() : 1;
  TORCH_CHECK(sampler_.ranks() == ranks, "Trainer: expected a sampler of ", ranks,
              " ranks but got one of ", sampler_.ranks(), ".");
  TORCH_CHECK(ranks == 1 || !options.graph.value_or(false),
              "Trainer: expected one rank, whose step ", "can be recorded, but got ", ranks,
              " (train without a graph).");
  if (ranks > 1) {
    check_same_statistics(*options.ranks);
    exchange_ = std::make_unique<GradientExchange>(options.ranks, parameters_,
                                                   objective_->row_statistics());
  }
  if (options.graph.value_or(!exchange_ && recordable && !sampler_.reads_source() &&
                             device.is_cuda() && StepGraph::available(device) &&
                             parameter.scalar_type() == torch::kFloat32)) {
    graph_ = std::make_unique<StepGraph>(device);
  }
}

StepRunner::~StepRunner() = default;

// Ranks with others would wait for exchanges that never come.
void StepRunner::check_same_statistics(Communicator& ranks) const {
  const auto all = ranks.all_gather(
      at::tensor({static_cast<int64_t>(statistics_)}, at::TensorOptions(at::kLong)));
  for (size_t rank = 1; rank < all.size(); ++rank) {
    const auto text = [&](size_t of) {
      return to_string(static_cast<RankStatistics>(all[of].item<int64_t>()));
    };
    TORCH_CHECK(text(rank) == text(0), "Trainer: expected ", text(0),
                " statistics on all ranks, as on rank 0, but got ", text(rank), " on rank ", rank,
                ".");
  }
}

void StepRunner::set_noise(const NoiseSource& noise) {
  noise_ = noise.part(sampler_.rank(), sampler_.ranks());
}

void StepRunner::request_stop(bool stop) {
  if (exchange_) exchange_->request_stop(stop);
}

bool StepRunner::stop_agreed() const { return exchange_ && exchange_->stop_agreed(); }

std::optional<ExchangeTimes> StepRunner::exchange_times() const {
  return exchange_ ? exchange_->times() : std::nullopt;
}

void StepRunner::enter() {
  if (graph_) graph_->enter();
  clear_gradients();
}

void StepRunner::leave() const {
  if (graph_) graph_->leave();
}

torch::Tensor StepRunner::run(const StepPosition& position, double learning_rate) {
  TORCH_CHECK(std::isfinite(learning_rate) && learning_rate >= 0,
              "Trainer: expected a finite learning rate of at least 0 but got ", learning_rate,
              " at step ", position.step, ".");
  set_learning_rate(*optimizer_, learning_rate);
  auto at = position;
  at.paired = sampler_.has_pairs(position.step);
  objective_->before_step(at);
  if (graph_ && warm_up_ == 0) return replay(position.step);
  warm_up_ = std::max<int64_t>(warm_up_ - 1, 0);
  auto noise = noise_;  // of a step that fails nothing stays
  auto batch = sampler_.batch(position.step);
  auto costs = exchange_ ? shared_step(std::move(batch), noise) : update(batch, noise);
  noise_ = std::move(noise);
  return costs;
}

torch::Tensor StepRunner::shared_step(SemiBatch batch, NoiseSource& noise) {
  if (statistics_ == RankStatistics::kSynchronised) batch.ranks = exchange_->row_ranks();
  exchange_->begin_step();
  try {
    return update(batch, noise);
  } catch (const CommunicationError&) {
    exchange_->undo_step();
    clear_gradients();
    throw;
  }
}

// Moves the parameters by one step; returns its costs.
torch::Tensor StepRunner::update(const SemiBatch& batch, NoiseSource& noise) {
  auto costs =
      objective_->direct_step(batch, noise, exchange_ ? exchange_->ready() : GradientReady());
  if (!costs.defined()) {
    auto loss = objective_->loss(batch, noise);
    check_loss(loss);
    const auto watch = exchange_ ? exchange_->watch_autograd() : nullptr;
    loss.total.backward();
    loss.costs.push_back(loss.total);
    costs = as_one_tensor(loss.costs);
  }
  if (exchange_) exchange_->average(costs);
  optimizer_->step();
  clear_gradients();
  const torch::NoGradGuard no_grad;
  objective_->after_update();
  return costs;
}

torch::Tensor StepRunner::replay(int64_t step) {
  if (!graph_->recorded()) record(step);
  recorded_.labeled_rows.copy_(sampler_.labeled_rows(step));
  recorded_.unlabeled_rows.copy_(sampler_.unlabeled_rows(step));
  graph_->run();
  set_noise(NoiseSource(noise_.seed(), noise_.offset() + recorded_.noise_blocks));
  return recorded_.costs.clone();
}

void StepRunner::record(int64_t step) {
  const auto options = parameters_.front().options().requires_grad(false);
  recorded_.labeled_rows = sampler_.labeled_rows(step).clone();
  recorded_.unlabeled_rows = sampler_.unlabeled_rows(step).clone();
  recorded_.noise_position =
      at::full({}, std::bit_cast<int64_t>(noise_.offset()), options.dtype(at::kLong));
  recorded_.costs = at::zeros({static_cast<int64_t>(objective_->terms().size()) + 1}, options);
  clear_gradients();  // a gradient from elsewhere would be added to, at each replay
  try {
    graph_->record([this] {
      auto noise = NoiseSource::from(noise_.seed(), recorded_.noise_position);
      const auto batch = sampler_.gather(recorded_.labeled_rows, recorded_.unlabeled_rows);
      recorded_.costs.copy_(update(batch, noise));
      recorded_.noise_position.add_(std::bit_cast<int64_t>(noise.offset()));
      recorded_.noise_blocks = noise.offset();
    });
  } catch (...) {
    clear_gradients();  // those of a step that was recorded in part hold no numbers
    throw;
  }
}

void StepRunner::clear_gradients() {
  for (const auto& parameter : parameters_) parameter.mutable_grad().reset();
}

}  // namespace ladder::train
