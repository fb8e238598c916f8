#include "ladder/nn/ladder.h"

#include <torch/torch.h>

#include <algorithm>

#include "ladder/nn/internal/copy_state.h"
#include "ladder/nn/internal/encoder.h"
#include "ladder/nn/internal/not_negative.h"
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

ops::DenoisingTarget target_of(const StageOutput& output, const Pass& pass) {
  constexpr auto kClean = RowRole::kUnlabeledClean;
  return {output.z_of(pass, kClean), output.mean_of(pass, kClean), output.std_of(pass, kClean)};
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
  TORCH_CHECK(shapes.back().size() == 1,
              "Ladder: expected the last stage to give rows of [classes] "
              "but got rows of ",
              at::IntArrayRef(shapes.back()), ".");
  if (lowest >= 0) {
    decoder = register_module("decoder",
                              LadderDecoder(LadderDecoderOptions{.shapes = shapes,
                                                                 .lowest_level = lowest,
                                                                 .combinator = options.combinator},
                                            stages));
  }
}

// Options that may change between steps, and those that may not.
void LadderImpl::check_options() const {
  TORCH_CHECK(options.input_shape == shapes.front() && stages.size() + 1 == shapes.size(),
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
    if (pass.compared) targets[l] = target_of(output, pass);
  }
  return h;
}

LadderLoss LadderImpl::loss(const SemiBatch& batch, NoiseSource& noise) {
  check_options();
  const bool denoises = any_above_zero(options.lambda);
  const auto like = any_tensor(stages);
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
      z_noisy[l] = output.z_of(pass, RowRole::kUnlabeledNoisy);
      if (options.lambda[l] > 0 && stacked_clean) {
        targets[l] = target_of(output, pass);
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
