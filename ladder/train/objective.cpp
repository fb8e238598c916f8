#include "ladder/train/objective.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>
#include <utility>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/nn/internal/costed_levels.h"
#include "ladder/nn/stages/noisy_normalization.h"
#include "ladder/train/internal/direct_step.h"
#include "ladder/train/internal/number_text.h"
#include "ladder/train/internal/setting_names.h"

namespace ladder::train {
namespace {

std::vector<CostTerm> denoising_terms(const std::vector<int64_t>& levels) {
  std::vector<CostTerm> terms;
  for (const auto level : levels) {
    terms.push_back({.kind = CostKind::kDenoising, .level = level});
  }
  return terms;
}

// The noise of each stage, or once that of all; empty where no stage adds noise by a
// NoisyNormalization.
std::string stage_noise(const Stages& stages) {
  std::vector<double> all;
  for (const auto& stage : stages) {
    for (const auto& module : stage.module()->modules()) {
      if (const auto* normalization = module->as<NoisyNormalization>()) {
        all.push_back(normalization->options.noise_std);
      }
    }
  }
  const bool equal = !all.empty() &&
                     std::all_of(all.begin(), all.end(), [&](double one) { return one == all[0]; });
  return equal ? number_text(all[0]) : numbers_text(all);
}

template <class Network>
std::map<std::string, std::string> network_settings(const Network& net) {
  const auto& options = net->options;
  std::map<std::string, std::string> settings = {{"lambda", numbers_text(options.lambda)},
                                                 {"input_noise", number_text(options.input_noise)}};
  if (const auto noise = stage_noise(net->stages); !noise.empty()) settings[kStageNoise] = noise;
  return settings;
}

// A cost, or 0 where its lambda is 0 now.
at::Tensor or_zero(const at::Tensor& cost, const at::Tensor& total) {
  return cost.defined() ? cost : at::zeros_like(total);
}

class LadderObjective : public Objective {
 public:
  explicit LadderObjective(Ladder net)
      : net_(std::move(net)), levels_(costed_levels(net_->options.lambda)) {}

  torch::nn::Module& module() override { return *net_; }
  Ladder classifier() override { return net_; }
  size_t levels() const override { return net_->shapes.size(); }
  std::map<std::string, std::string> settings() const override {
    auto settings = network_settings(net_);
    settings[kDetachTargets] = net_->options.detach_targets ? "true" : "false";
    return settings;
  }

  std::vector<CostTerm> terms() const override {
    auto terms = denoising_terms(levels_);
    terms.insert(terms.begin(), {.kind = CostKind::kSupervised});
    return terms;
  }

  StepLoss loss(const SemiBatch& batch, NoiseSource& noise) override {
    auto loss = net_->loss(batch, noise);
    StepLoss step{.total = loss.total, .costs = {loss.supervised}};
    for (const auto level : levels_) {
      step.costs.push_back(or_zero(loss.denoising[static_cast<size_t>(level)], loss.total));
    }
    step.values = {batch,
                   loss.logits,
                   loss.unlabeled_logits,
                   loss.clean_logits,
                   std::move(loss.denoising),
                   lambda(loss.total)};
    return step;
  }

  torch::Tensor direct_step(const SemiBatch& batch, NoiseSource& noise, const GradientReady& ready,
                            const MoreCosts& more) override {
    const auto* costs = direct_.forward(net_, batch, noise);
    if (costs == nullptr) return {};
    std::vector<float> weights;
    for (const auto level : costs->levels()) {
      weights.push_back(static_cast<float>(net_->options.lambda[static_cast<size_t>(level)]));
    }
    return direct_.backward(batch, at::tensor(weights, at::kFloat), levels_, ready, more);
  }

 private:
  // Weights as scalars like `total`, made when they change: recorded steps take no numbers.
  const std::vector<at::Tensor>& lambda(const at::Tensor& total) {
    const auto& wanted = net_->options.lambda;
    if (wanted != lambda_values_ || lambda_.size() != wanted.size() ||
        (!lambda_.empty() && !lambda_[0].options().type_equal(total.options()))) {
      lambda_values_ = wanted;
      lambda_.clear();
      for (const double value : wanted) {
        lambda_.push_back(at::full({}, value, total.options().requires_grad(false)));
      }
    }
    return lambda_;
  }

  Ladder net_;
  std::vector<int64_t> levels_;  // with a denoising cost
  DirectStep direct_;
  std::vector<double> lambda_values_;
  std::vector<at::Tensor> lambda_;
};

class AutoencoderObjective : public Objective {
 public:
  explicit AutoencoderObjective(DenoisingAutoencoder net) : net_(std::move(net)) {
    const auto& options = net_->options;
    if (options.cost == AutoencoderCost::kReconstruction) {
      levels_ = {0};
      return;
    }
    for (size_t l = 0; l < options.lambda.size(); ++l) {
      if (options.lambda[l] > 0) levels_.push_back(static_cast<int64_t>(l) + 1);
    }
  }

  torch::nn::Module& module() override { return *net_; }
  std::vector<CostTerm> terms() const override { return denoising_terms(levels_); }
  size_t levels() const override { return net_->shapes.size(); }
  std::map<std::string, std::string> settings() const override { return network_settings(net_); }

  StepLoss loss(const SemiBatch& batch, NoiseSource& noise) override {
    auto loss = net_->loss(batch.x_unlabeled.defined() ? batch.x_unlabeled : batch.x_labeled, noise,
                           batch.ranks);
    StepLoss step{.total = loss.total};
    for (const auto level : levels_) {
      step.costs.push_back(or_zero(loss.denoising[static_cast<size_t>(level)], loss.total));
    }
    step.values.batch = batch;
    return step;
  }

 private:
  DenoisingAutoencoder net_;
  std::vector<int64_t> levels_;  // with a cost
};

constexpr const char* kPieceNames = "pieces";  // of the settings

class PiecedObjective : public Objective {
 public:
  PiecedObjective(std::shared_ptr<Objective> base,
                  std::vector<std::shared_ptr<ObjectivePiece>> pieces)
      : base_(std::move(base)), pieces_(std::move(pieces)) {}

  // Names of the pieces, those of the base first.
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    if (const auto* pieced = dynamic_cast<const PiecedObjective*>(base_.get())) {
      all = pieced->names();
    }
    for (const auto& piece : pieces_) all.push_back(piece->name());
    return all;
  }

  torch::nn::Module& module() override { return base_->module(); }
  Ladder classifier() override { return base_->classifier(); }
  size_t levels() const override { return base_->levels(); }

  std::map<std::string, std::string> settings() const override {
    auto all = base_->settings();
    std::string names =
        all.contains(kPieceNames) ? all.at(kPieceNames) : "";  // of a base with pieces
    for (const auto& piece : pieces_) {
      names += (names.empty() ? "" : ", ") + piece->name();
      for (const auto& [name, value] : piece->settings()) all[piece->name() + "." + name] = value;
    }
    if (!names.empty()) all[kPieceNames] = names;
    return all;
  }

  std::vector<CostTerm> terms() const override {
    auto terms = base_->terms();
    for (const auto& piece : pieces_) {
      if (piece->has_cost()) terms.push_back({.kind = CostKind::kOther, .name = piece->name()});
    }
    return terms;
  }

  StepLoss loss(const SemiBatch& batch, NoiseSource& noise) override {
    auto step = base_->loss(batch, noise);
    for (const auto& cost : costs_of_pieces(step.values)) {
      step.total = step.total + cost;
      step.costs.push_back(cost);
    }
    return step;
  }

  torch::Tensor direct_step(const SemiBatch& batch, NoiseSource& noise, const GradientReady& ready,
                            const MoreCosts& more) override {
    const bool cost = std::any_of(pieces_.begin(), pieces_.end(),
                                  [](const auto& piece) { return piece->has_cost(); });
    if (!cost) return base_->direct_step(batch, noise, ready, more);
    return base_->direct_step(batch, noise, ready, [&](const StepValues& values) {
      auto costs = costs_of_pieces(values);
      if (more) {
        for (const auto& other : more(values)) costs.push_back(other);
      }
      return costs;
    });
  }

  void before_step(const StepPosition& position) override {
    base_->before_step(position);
    for (const auto& piece : pieces_) piece->before_step(position);
  }

  void after_update() override {
    base_->after_update();
    for (const auto& piece : pieces_) piece->after_update();
  }

  void begin_evaluation() override {
    base_->begin_evaluation();
    for (const auto& piece : pieces_) piece->begin_evaluation();
  }

  void end_evaluation() override {
    // Not by std::views::reverse: clang before 16 does not compile it with GCC's library.
    // NOLINTNEXTLINE(modernize-loop-convert)
    for (auto piece = pieces_.rbegin(); piece != pieces_.rend(); ++piece) {
      (*piece)->end_evaluation();
    }
    base_->end_evaluation();
  }

  std::map<std::string, torch::Tensor> state() override {
    auto all = base_->state();
    for (const auto& piece : pieces_) {
      for (const auto& [name, tensor] : piece->state()) {
        all[piece->name() + "." + name] = tensor;
      }
    }
    return all;
  }

  std::vector<torch::Tensor> row_statistics() override {
    auto all = base_->row_statistics();
    for (const auto& piece : pieces_) {
      const auto some = piece->row_statistics();
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }

 private:
  std::vector<torch::Tensor> costs_of_pieces(const StepValues& values) const {
    std::vector<torch::Tensor> costs;
    for (const auto& piece : pieces_) {
      if (!piece->has_cost()) continue;
      try {
        costs.push_back(piece->cost(values));
      } catch (c10::Error& error) {
        error.add_context("piece " + piece->name());
        throw;
      }
      const auto& cost = costs.back();
      TORCH_CHECK(cost.defined() && cost.dim() == 0, "ObjectivePiece: expected the cost of ",
                  piece->name(), " as a scalar but got ", shape_text(cost), ".");
    }
    return costs;
  }

  std::shared_ptr<Objective> base_;
  std::vector<std::shared_ptr<ObjectivePiece>> pieces_;
};

}  // namespace

std::string to_string(const CostTerm& term) {
  switch (term.kind) {
    case CostKind::kSupervised:
      return "supervised cost";
    case CostKind::kDenoising:
      return "denoising cost of level " + std::to_string(term.level);
    case CostKind::kOther:
      return term.name + " cost";
  }
  TORCH_INTERNAL_ASSERT(false, "CostKind ", static_cast<int>(term.kind));
}

void StepHooks::before_step(const StepPosition&) {}
void StepHooks::after_update() {}
void StepHooks::begin_evaluation() {}
void StepHooks::end_evaluation() {}
std::map<std::string, torch::Tensor> StepHooks::state() { return {}; }
std::vector<torch::Tensor> StepHooks::row_statistics() { return {}; }
Ladder Objective::classifier() { return nullptr; }
torch::Tensor Objective::direct_step(const SemiBatch&, NoiseSource&, const GradientReady&,
                                     const MoreCosts&) {
  return {};
}
size_t Objective::levels() const { return 0; }
std::map<std::string, std::string> Objective::settings() const { return {}; }
bool ObjectivePiece::has_cost() const { return false; }
torch::Tensor ObjectivePiece::cost(const StepValues&) { return {}; }
std::map<std::string, std::string> ObjectivePiece::settings() const { return {}; }

std::shared_ptr<Objective> objective(const Ladder& net) {
  TORCH_CHECK(!net.is_empty(), "Trainer: expected a network but got an empty Ladder.");
  return std::make_shared<LadderObjective>(net);
}

std::shared_ptr<Objective> objective(const DenoisingAutoencoder& net) {
  TORCH_CHECK(!net.is_empty(),
              "Trainer: expected a network but got an empty DenoisingAutoencoder.");
  return std::make_shared<AutoencoderObjective>(net);
}

std::shared_ptr<Objective> with_pieces(std::shared_ptr<Objective> base,
                                       std::vector<std::shared_ptr<ObjectivePiece>> pieces) {
  TORCH_CHECK(base, "with_pieces: expected an objective but got none.");
  std::set<std::string> names;
  if (const auto* pieced = dynamic_cast<const PiecedObjective*>(base.get())) {
    for (auto& name : pieced->names()) names.insert(std::move(name));
  }
  for (const auto& piece : pieces) {
    TORCH_CHECK(piece, "with_pieces: expected pieces but got a null pointer.");
    TORCH_CHECK(!piece->name().empty(), "with_pieces: expected a piece with a name but got none.");
    TORCH_CHECK(names.insert(piece->name()).second,
                "with_pieces: expected pieces with different names but got two with the name ",
                piece->name(), ".");
  }
  return std::make_shared<PiecedObjective>(std::move(base), std::move(pieces));
}

}  // namespace ladder::train
