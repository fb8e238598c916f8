#include "ladder/nn/denoising_autoencoder.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "ladder/nn/combinators/direct_combinator.h"
#include "ladder/nn/internal/copy_state.h"
#include "ladder/nn/internal/encoder.h"
#include "ladder/nn/internal/not_negative.h"
#include "ladder/nn/internal/rows_apart.h"
#include "ladder/ops/corrupt.h"

namespace ladder {

namespace {

constexpr const char* kAutoencoder = "DenoisingAutoencoder";

}  // namespace

DenoisingAutoencoderImpl::DenoisingAutoencoderImpl(DenoisingAutoencoderOptions options_,
                                                   Stages stages_)
    : options(std::move(options_)), stages(std::move(stages_)) {
  check_not_negative(kAutoencoder, "input_noise", options.input_noise);
  register_stages(*this, stages);
  shapes = probe_shapes(kAutoencoder, options.input_shape, stages);
  built_stages_ = modules_of(stages);
  if (compares_features() && options.lambda.empty()) {
    options.lambda.assign(stages.size(), 1.0);
  }
  check_weights();
  decoder = register_module(
      "decoder", LadderDecoder(LadderDecoderOptions{.shapes = shapes,
                                                    .lowest_level = compares_features() ? 1 : 0,
                                                    .combinator =
                                                        [](int64_t channels) {
                                                          return DirectCombinator(
                                                              DirectCombinatorOptions{channels});
                                                        }},
                               stages));
  move_to_stages(*decoder, stages);
}

void DenoisingAutoencoderImpl::check_weights() const {
  if (!compares_features()) {
    return;
  }
  const auto& lambda = options.lambda;
  TORCH_CHECK(lambda.size() + 1 == shapes.size(), "DenoisingAutoencoder: expected ",
              shapes.size() - 1, " values of lambda (levels 1 up) but got ", lambda.size(), ".");
  TORCH_CHECK(
      std::all_of(lambda.begin(), lambda.end(),
                  [](double w) { return w >= 0 && std::isfinite(w); }) &&
          std::any_of(lambda.begin(), lambda.end(), [](double w) { return w > 0; }),
      "DenoisingAutoencoder: expected values of lambda >= 0 of which one is above 0 but got ",
      at::ArrayRef<double>(lambda), ".");
}

// Options that may change between steps, and those that may not.
void DenoisingAutoencoderImpl::check_options() const {
  TORCH_CHECK(
      options.input_shape == shapes.front() && are_stages(stages, built_stages_) &&
          compares_features() == (decoder->options.lowest_level == 1),
      "DenoisingAutoencoder: expected input_shape, cost and stages as it was built with but "
      "got changed ones (build another DenoisingAutoencoder).");
  check_not_negative(kAutoencoder, "input_noise", options.input_noise);
  check_weights();
}

AutoencoderLoss DenoisingAutoencoderImpl::loss(const torch::Tensor& x_, NoiseSource& noise,
                                               const std::shared_ptr<BatchRanks>& ranks) {
  check_options();
  const auto x =
      accept_rows(kAutoencoder, "x", x_, options.input_shape, any_tensor(stages), RowUse::kMeasure);
  const bool features = compares_features();
  const auto rows = x.size(0);
  const auto levels = shapes.size();
  Pass pass{.groups = {{rows, true, RowRole::kUnlabeledNoisy}}, .noise = &noise, .ranks = ranks};
  if (features) {
    pass.groups.push_back({rows, false, RowRole::kUnlabeledClean});
  }
  const auto draw = options.input_noise > 0
                        ? noise.draw(rows, c10::multiply_integers(options.input_shape))
                        : NoiseDraw{};
  std::vector<torch::Tensor> clean;
  if (features) {
    clean.push_back(x);
  }
  auto h = ops::stack_corrupted({x}, clean, options.input_noise, draw);
  std::vector<std::optional<ops::DenoisingTarget>> targets(levels);
  if (!features) {
    targets[0] = ops::DenoisingTarget{x};
  }
  for (size_t l = 1; l < levels; ++l) {
    auto output = stages[l - 1]->forward(h, pass);
    h = std::move(output.h);
    if (features && options.lambda[l - 1] > 0) {
      constexpr auto kClean = RowRole::kUnlabeledClean;
      targets[l] = ops::DenoisingTarget{output.z_of(pass, kClean), output.mean_of(pass, kClean),
                                        output.std_of(pass, kClean)};
    }
  }
  const auto decoded =
      decoder->forward(h.narrow(0, 0, rows), std::vector<torch::Tensor>(levels), targets, ranks);
  AutoencoderLoss result;
  result.denoising.resize(levels);
  for (size_t l = 0; l < levels; ++l) {
    result.denoising[l] = decoded[l].cost;
    if (decoded[l].cost.defined()) {
      const auto cost = features ? decoded[l].cost * options.lambda[l - 1] : decoded[l].cost;
      result.total = result.total.defined() ? result.total + cost : cost;
    }
  }
  return result;
}

torch::Tensor DenoisingAutoencoderImpl::encode(const torch::Tensor& x) {
  check_options();
  const auto rows =
      accept_rows(kAutoencoder, "x", x, options.input_shape, any_tensor(stages), RowUse::kMeasure);
  return run_clean(stages, rows, Pass::clean(rows.size(0), Statistics::kBatch));
}

torch::Tensor DenoisingAutoencoderImpl::forward(const torch::Tensor& x) {
  TORCH_CHECK(options.cost == AutoencoderCost::kReconstruction,
              "DenoisingAutoencoder: expected AutoencoderCost::kReconstruction to reconstruct the "
              "input but got kFeatureDifference (its decoder ends at level 1).");
  const auto levels = shapes.size();
  return decoder
      ->forward(encode(x), std::vector<torch::Tensor>(levels),
                std::vector<std::optional<ops::DenoisingTarget>>(levels))[0]
      .z_hat;
}

void DenoisingAutoencoderImpl::train(bool on) {
  Module::train(on);
  for (const auto& stage : stages) keep_rows_apart(*stage.module());
}

void DenoisingAutoencoderImpl::clone_(torch::nn::Module& other,
                                      const std::optional<torch::Device>& device) {
  clone_into(*this, other, device);
}

std::shared_ptr<torch::nn::Module> DenoisingAutoencoderImpl::clone(
    const std::optional<torch::Device>& device) const {
  auto copy = std::make_shared<DenoisingAutoencoderImpl>(options, clone_stages(stages, device));
  clone_decoder(decoder, *copy, device);
  copy_state(*this, *copy, device);
  return copy;
}

}  // namespace ladder
