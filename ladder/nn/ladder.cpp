#include "ladder/nn/ladder.h"

#include <torch/torch.h>

#include <algorithm>

#include "ladder/nn/internal/copy_state.h"
#include "ladder/nn/internal/encoder.h"
#include "ladder/nn/stages/noisy_normalization.h"
#include "ladder/ops/corrupt.h"

namespace ladder {

LadderImpl::LadderImpl(LadderOptions options_, Stages stages_)
    : options(std::move(options_)), stages(std::move(stages_)) {
  TORCH_CHECK(options.input_noise >= 0, "Ladder: expected input_noise >= 0 but got ",
              options.input_noise, ".");
  TORCH_CHECK(options.lambda.empty() || options.lambda.size() == stages.size() + 1,
              "Ladder: expected ", stages.size() + 1, " values of lambda for ", stages.size(),
              " stages (level 0 is the input) but got ", options.lambda.size(), ".");
  int64_t lowest = -1;
  for (size_t l = 0; l < options.lambda.size(); ++l) {
    TORCH_CHECK(options.lambda[l] >= 0, "Ladder: expected lambda >= 0 but got ", options.lambda[l],
                " for level ", l, ".");
    if (options.lambda[l] > 0 && lowest < 0) {
      lowest = static_cast<int64_t>(l);
    }
  }
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

void LadderImpl::check_batch(const SemiBatch& batch) const {
  check_rows("Ladder", batch.x_labeled, "x_labeled", options.input_shape);
  TORCH_CHECK(batch.y.defined() && batch.y.dim() == 1 && batch.y.scalar_type() == torch::kLong &&
                  batch.y.size(0) == batch.x_labeled.size(0),
              "Ladder: expected y to be int64 [", batch.x_labeled.size(0), "] but got ",
              batch.y.defined() ? c10::str(batch.y.scalar_type(), " ", batch.y.sizes())
                                : "an undefined tensor",
              ".");
  if (has_decoder()) {
    check_rows("Ladder", batch.x_unlabeled, "x_unlabeled", options.input_shape);
  }
}

torch::Tensor LadderImpl::forward(const torch::Tensor& x) {
  check_rows("Ladder", x, "x", options.input_shape);
  const auto pass =
      Pass::clean(x.size(0), is_training() ? Statistics::kBatch : Statistics::kStored);
  return run_clean(stages, x, pass);
}

// A tensor is made of the weights only when they are others than before: a copy from the host would
// make a GPU wait, and could not be part of a recorded step.
const torch::Tensor& LadderImpl::Weights::like(const torch::Tensor& costs,
                                               const std::vector<double>& wanted) {
  if (!tensor.defined() || values != wanted || tensor.device() != costs.device() ||
      tensor.scalar_type() != costs.scalar_type()) {
    values = wanted;
    tensor = torch::tensor(wanted, costs.options().requires_grad(false));
  }
  return tensor;
}

LadderLoss LadderImpl::loss(const SemiBatch& batch, NoiseSource& noise) {
  check_batch(batch);
  const auto levels = shapes.size();
  const auto labeled = batch.x_labeled.size(0);
  const auto unlabeled = has_decoder() ? batch.x_unlabeled.size(0) : 0;
  const bool clean = std::any_of(options.lambda.begin() + (options.lambda.empty() ? 0 : 1),
                                 options.lambda.end(), [](double weight) { return weight > 0; });
  auto pass = Pass::training(labeled, unlabeled, clean, noise);

  std::vector<torch::Tensor> noisy_rows = {batch.x_labeled};
  std::vector<torch::Tensor> clean_rows;
  if (unlabeled > 0) {
    noisy_rows.push_back(batch.x_unlabeled);
    if (clean) {
      clean_rows.push_back(batch.x_unlabeled);
    }
  }
  const auto draw =
      options.input_noise > 0
          ? noise.draw(labeled + unlabeled, c10::multiply_integers(options.input_shape))
          : NoiseDraw{};
  auto h = ops::stack_corrupted(noisy_rows, clean_rows, options.input_noise, draw);  // [R, ...]

  std::vector<torch::Tensor> z_noisy(levels);
  std::vector<std::optional<ops::DenoisingTarget>> targets(levels);
  if (unlabeled > 0) {
    z_noisy[0] = h.narrow(0, labeled, unlabeled);
    if (options.lambda[0] > 0) {
      targets[0] = ops::DenoisingTarget{batch.x_unlabeled};
    }
  }
  for (size_t l = 1; l < levels; ++l) {
    pass.compared = unlabeled > 0 && static_cast<int64_t>(l) >= decoder->options.lowest_level;
    auto output = stages[l - 1]->forward(h, pass);
    h = std::move(output.h);
    if (pass.compared) {
      z_noisy[l] = std::move(output.z[1]);
      if (options.lambda[l] > 0) {
        targets[l] = ops::DenoisingTarget{output.z[2], output.mean[2], output.std[2]};
      }
    }
  }

  LadderLoss result;
  result.denoising.resize(levels);
  result.logits = h.narrow(0, 0, labeled);
  result.supervised = torch::cross_entropy_loss(result.logits, batch.y);
  result.total = result.supervised;
  if (unlabeled > 0) {
    const auto top = torch::softmax(h.narrow(0, labeled, unlabeled), 1);
    const auto decoded = decoder->forward(top, z_noisy, targets);
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
  check_rows("Ladder", inputs, "inputs", options.input_shape);
  TORCH_CHECK(
      inputs.size(0) >= 2 && batch_size >= 2,
      "Ladder: expected at least 2 rows and a batch size of at least 2 to calibrate but got ",
      inputs.size(0), " and ", batch_size, ".");
  const torch::NoGradGuard no_grad;
  apply([](torch::nn::Module& module) {
    if (auto* normalization = dynamic_cast<NoisyNormalizationImpl*>(&module)) {
      normalization->reset_statistics();
    }
  });
  const auto rows = inputs.size(0);
  for (int64_t begin = 0; begin < rows;) {
    auto end = std::min(begin + batch_size, rows);
    if (rows - end < (batch_size + 1) / 2) {
      end = rows;
    }
    run_clean(stages, inputs.narrow(0, begin, end - begin),
              Pass::clean(end - begin, Statistics::kCalibrate));
    begin = end;
  }
}

std::shared_ptr<torch::nn::Module> LadderImpl::clone(
    const std::optional<torch::Device>& device) const {
  auto copy = std::make_shared<LadderImpl>(options, clone_stages(stages, device));
  copy_state(*this, *copy, device);
  return copy;
}

}  // namespace ladder
