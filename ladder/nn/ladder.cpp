#include "ladder/nn/ladder.h"

#include <torch/torch.h>

#include <algorithm>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/nn/internal/copy_state.h"
#include "ladder/nn/internal/encoder.h"
#include "ladder/nn/internal/not_negative.h"
#include "ladder/nn/internal/rows_apart.h"
#include "ladder/nn/stages/noisy_normalization.h"
#include "ladder/ops/corrupt.h"
#include "ladder/ops/internal/classes.h"

namespace ladder {
namespace {

constexpr const char* kLadder = "Ladder";

void check_lambda(const std::vector<double>& lambda, size_t levels) {
  TORCH_CHECK(lambda.size() == levels, "Ladder: expected ", levels, " values of lambda for ",
              levels - 1, " stages (level 0 is the input) but got ", lambda.size(), ".");
  for (size_t l = 0; l < levels; ++l) {
    check_not_negative(kLadder, "lambda", lambda[l], " for level ", l);
  }
}

// What the decoder compares, with errors that name the stage.
class Compared {
 public:
  Compared(const StageOutput& output, const Pass& pass, size_t level,
           const std::vector<int64_t>& shape)
      : output_(output), pass_(pass), level_(level), shape_(shape) {}

  torch::Tensor z(RowRole role) const {
    const auto z = in_stage([&] { return output_.z_of(pass_, role); });
    auto wanted = shape_;
    wanted.insert(wanted.begin(), pass_.groups[pass_.group(role)].rows);
    check("z", z, wanted);
    return z;
  }

  ops::DenoisingTarget target() const {
    constexpr auto kClean = RowRole::kUnlabeledClean;
    const auto mean = in_stage([&] { return output_.mean_of(pass_, kClean); });
    const auto std = in_stage([&] { return output_.std_of(pass_, kClean); });
    check("mean", mean, {shape_[0]});
    check("std", std, {shape_[0]});
    return {z(kClean), mean, std};
  }

 private:
  template <class Call>
  torch::Tensor in_stage(const Call& call) const {
    try {
      return call();
    } catch (c10::Error& error) {
      error.add_context(c10::str("stage ", level_, " of Ladder"));
      throw;
    }
  }

  void check(const char* name, const torch::Tensor& values, at::IntArrayRef wanted) const {
    TORCH_CHECK(values.defined() && values.sizes() == wanted, "Ladder: expected stage ", level_,
                " to give for a group a ", name, " of shape ", wanted, " but got ",
                shape_text(values), ".");
  }

  const StageOutput& output_;
  const Pass& pass_;
  size_t level_;
  const std::vector<int64_t>& shape_;
};

// Where a block normalises several times, only its last activation counts, which has any place.
void check_gives_logits(const torch::nn::Module& top) {
  std::optional<Activation> other;
  for (const auto& module : top.modules()) {
    const auto* normalization = dynamic_cast<const NoisyNormalizationImpl*>(module.get());
    if (normalization == nullptr) continue;
    if (normalization->options.activation == Activation::kIdentity) return;
    other = normalization->options.activation;
  }
  TORCH_CHECK(!other,
              "Ladder: expected the last stage to give logits, without an activation, but "
              "got ",
              to_string(*other),
              " (set softmax_top, or Activation::kIdentity where a stage has no such option).");
}

bool any_above_zero(at::ArrayRef<double> weights) {
  return std::any_of(weights.begin(), weights.end(), [](double weight) { return weight > 0; });
}

}  // namespace

LadderImpl::LadderImpl(LadderOptions options_, Stages stages_)
    : options(std::move(options_)), stages(std::move(stages_)), built_lambda_(options.lambda) {
  check_not_negative(kLadder, "input_noise", options.input_noise);
  if (!options.lambda.empty()) {
    check_lambda(options.lambda, stages.size() + 1);
  }
  const auto above =
      std::find_if(options.lambda.begin(), options.lambda.end(), [](double w) { return w > 0; });
  const auto lowest =
      above == options.lambda.end() ? -1 : static_cast<int64_t>(above - options.lambda.begin());
  register_stages(*this, stages);
  shapes = probe_shapes("Ladder", options.input_shape, stages);
  built_stages_ = modules_of(stages);
  TORCH_CHECK(shapes.back().size() == 1,
              "Ladder: expected the last stage to give rows of [classes] "
              "but got rows of ",
              at::IntArrayRef(shapes.back()), ".");
  TORCH_CHECK(classes() >= 2,
              "Ladder: expected a last stage of at least 2 classes but got 1 (two classes are two "
              "logits).");
  check_gives_logits(*stages.back().module());
  if (lowest >= 0) {
    decoder = register_module("decoder",
                              LadderDecoder(LadderDecoderOptions{.shapes = shapes,
                                                                 .lowest_level = lowest,
                                                                 .combinator = options.combinator},
                                            stages));
    move_to_stages(*decoder, stages);
  }
}

void LadderImpl::train(bool on) {
  Module::train(on);
  for (const auto& stage : stages) keep_rows_apart(*stage.module());
}

// Options that may change between steps, and those that may not.
void LadderImpl::check_options() const {
  TORCH_CHECK(options.input_shape == shapes.front() && are_stages(stages, built_stages_),
              "Ladder: expected input_shape and stages as it was built with but got changed ones "
              "(build another Ladder).");
  check_not_negative(kLadder, "input_noise", options.input_noise);
  if (options.lambda.empty() && decoder.is_empty()) {
    return;
  }
  check_lambda(options.lambda, shapes.size());
  const auto reached =
      decoder.is_empty() ? shapes.size() : static_cast<size_t>(decoder->options.lowest_level);
  for (size_t l = 0; l < std::min(reached, shapes.size()); ++l) {
    TORCH_CHECK(options.lambda[l] == 0, "Ladder: expected lambda 0 for level ", l,
                ", which its decoder does not reach, but got ", options.lambda[l],
                " (the decoder is built down to the lowest level with a lambda above 0).");
  }
}

torch::Tensor LadderImpl::forward(const torch::Tensor& x) {
  check_options();
  const auto rows = accept_rows(kLadder, "x", x, options.input_shape, any_tensor(stages),
                                is_training() ? RowUse::kMeasure : RowUse::kPredict);
  return run_clean(
      stages, rows,
      Pass::clean(rows.size(0), is_training() ? Statistics::kBatch : Statistics::kStored));
}

// Make a tensor of the weights only when they change: a copy from the host makes a GPU wait and
// cannot be part of a recorded step. The tensor outlives the call, so it must not be an inference
// tensor.
const torch::Tensor& LadderImpl::Weights::like(const torch::Tensor& costs,
                                               const std::vector<double>& wanted) {
  if (!tensor.defined() || values != wanted || tensor.device() != costs.device() ||
      tensor.scalar_type() != costs.scalar_type()) {
    const c10::InferenceMode normal(false);
    values = wanted;
    tensor = torch::tensor(wanted, costs.options().requires_grad(false));
  }
  return tensor;
}

// Targets of levels 1 to L from clean rows `x` alone, without gradients; returns the top.
torch::Tensor LadderImpl::run_constant_targets(
    const torch::Tensor& x, const std::shared_ptr<BatchRanks>& ranks,
    std::vector<std::optional<ops::DenoisingTarget>>& targets) {
  const torch::NoGradGuard no_gradients;
  Pass pass{.groups = {{x.size(0), false, RowRole::kUnlabeledClean}}, .ranks = ranks};
  auto h = x;
  for (size_t l = 1; l < shapes.size(); ++l) {
    pass.compared = options.lambda[l] > 0;
    auto output = stages[l - 1]->forward(h, pass);
    h = std::move(output.h);
    if (pass.compared) targets[l] = Compared(output, pass, l, shapes[l]).target();
  }
  return h;
}

LadderLoss LadderImpl::loss(const SemiBatch& batch, NoiseSource& noise) {
  check_options();
  const bool denoises = any_above_zero(options.lambda);
  const auto like = any_tensor(stages);
  TORCH_CHECK(!like.defined() || like.scalar_type() != torch::kHalf,
              "Ladder: expected a network in Float or Double to compute costs but got Half (its "
              "numbers end at 65504, and costs overflow).");
  const auto x_labeled = accept_rows(kLadder, "x_labeled", batch.x_labeled, options.input_shape,
                                     like, RowUse::kMeasure);
  check_labels(kLadder, batch.y, x_labeled.size(0), classes(), x_labeled.device());
  const auto x_unlabeled = denoises ? accept_rows(kLadder, "x_unlabeled", batch.x_unlabeled,
                                                  options.input_shape, like, RowUse::kMeasure)
                                    : torch::Tensor();
  const auto levels = shapes.size();
  const auto labeled = x_labeled.size(0);
  const auto unlabeled = denoises ? x_unlabeled.size(0) : 0;
  const bool clean = denoises && any_above_zero(at::ArrayRef<double>(options.lambda).slice(1));
  const bool stacked_clean = clean && !options.detach_targets;
  auto pass = Pass::training(labeled, unlabeled, stacked_clean, noise);
  pass.ranks = batch.ranks;

  std::vector<torch::Tensor> noisy_rows = {x_labeled};
  std::vector<torch::Tensor> clean_rows;
  if (denoises) {
    noisy_rows.push_back(x_unlabeled);
    if (stacked_clean) {
      clean_rows.push_back(x_unlabeled);
    }
  }
  const auto draw =
      options.input_noise > 0
          ? noise.draw(labeled + unlabeled, c10::multiply_integers(options.input_shape))
          : NoiseDraw{};
  auto h = ops::stack_corrupted(noisy_rows, clean_rows, options.input_noise, draw);  // [R, ...]

  std::vector<torch::Tensor> z_noisy(levels);
  std::vector<std::optional<ops::DenoisingTarget>> targets(levels);
  if (denoises) {
    z_noisy[0] = h.narrow(0, labeled, unlabeled);
    if (options.lambda[0] > 0) {
      targets[0] = ops::DenoisingTarget{x_unlabeled};
    }
  }
  LadderLoss result;
  if (clean && !stacked_clean) {
    result.clean_logits = run_constant_targets(x_unlabeled, batch.ranks, targets);
  }
  for (size_t l = 1; l < levels; ++l) {
    pass.compared = denoises && static_cast<int64_t>(l) >= decoder->options.lowest_level;
    auto output = stages[l - 1]->forward(h, pass);
    h = std::move(output.h);
    if (pass.compared) {
      const Compared compared(output, pass, l, shapes[l]);
      z_noisy[l] = compared.z(RowRole::kUnlabeledNoisy);
      if (options.lambda[l] > 0 && stacked_clean) {
        targets[l] = compared.target();
      }
    }
  }

  result.denoising.resize(levels);
  result.logits = h.narrow(0, 0, labeled);
  if (denoises) {
    result.unlabeled_logits = h.narrow(0, labeled, unlabeled);
    if (stacked_clean) {
      result.clean_logits = h.narrow(0, labeled + unlabeled, unlabeled);
    }
  }
  result.supervised = ops::mean_cross_entropy(result.logits, batch.y);
  result.total = result.supervised;
  if (denoises) {
    const auto top = ops::softmax_of_rows(result.unlabeled_logits);
    const auto decoded = decoder->forward(top, z_noisy, targets, batch.ranks);
    std::vector<torch::Tensor> costs;
    std::vector<double> weights;
    for (size_t l = 0; l < levels; ++l) {
      if (decoded[l].cost.defined()) {
        result.denoising[l] = decoded[l].cost;
        costs.push_back(decoded[l].cost);
        weights.push_back(options.lambda[l]);
      }
    }
    const auto stacked = torch::stack(costs);
    result.total = result.total + torch::dot(stacked, weights_.like(stacked, weights));
  }
  return result;
}

void LadderImpl::calibrate(const torch::Tensor& inputs, int64_t batch_size) {
  check_options();
  check_calibration_rows(kLadder, inputs, options.input_shape, stages);
  calibrate_stages(
      kLadder, stages, inputs.size(0),
      [&](int64_t begin, int64_t end) { return inputs.narrow(0, begin, end - begin); },
      options.input_shape, batch_size);
}

void LadderImpl::calibrate(int64_t rows,
                           const std::function<torch::Tensor(int64_t begin, int64_t end)>& rows_of,
                           int64_t batch_size) {
  check_options();
  calibrate_stages(kLadder, stages, rows, rows_of, options.input_shape, batch_size);
}

void LadderImpl::clone_(torch::nn::Module& other, const std::optional<torch::Device>& device) {
  clone_into(*this, other, device);
}

std::shared_ptr<torch::nn::Module> LadderImpl::clone(
    const std::optional<torch::Device>& device) const {
  auto built = options;
  built.lambda = built_lambda_;  // which decides how far down the decoder reaches
  auto copy = std::make_shared<LadderImpl>(built, clone_stages(stages, device));
  copy->options.lambda = options.lambda;
  clone_decoder(decoder, *copy, device);
  copy_state(*this, *copy, device);
  return copy;
}

}  // namespace ladder
