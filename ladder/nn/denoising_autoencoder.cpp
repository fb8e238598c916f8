#include "ladder/nn/denoising_autoencoder.h"

#include <torch/torch.h>

#include <algorithm>

#include "ladder/nn/combinators/direct_combinator.h"
#include "ladder/nn/internal/copy_state.h"
#include "ladder/nn/internal/encoder.h"
#include "ladder/ops/corrupt.h"

namespace ladder {

DenoisingAutoencoderImpl::DenoisingAutoencoderImpl(DenoisingAutoencoderOptions options_,
                                                   Stages stages_)
    : options(std::move(options_)), stages(std::move(stages_)) {
  TORCH_CHECK(options.input_noise >= 0, "DenoisingAutoencoder: expected input_noise >= 0 but got ",
              options.input_noise, ".");
  register_stages(*this, stages);
  shapes = probe_shapes("DenoisingAutoencoder", options.input_shape, stages);
  const bool features = options.cost == AutoencoderCost::kFeatureDifference;
  if (features) {
    if (options.lambda.empty()) {
      options.lambda.assign(stages.size(), 1.0);
    }
    TORCH_CHECK(options.lambda.size() == stages.size(), "DenoisingAutoencoder: expected ",
                stages.size(), " values of lambda (levels 1 up) but got ", options.lambda.size(),
                ".");
    TORCH_CHECK(std::all_of(options.lambda.begin(), options.lambda.end(),
                            [](double w) { return w >= 0; }) &&
                    std::any_of(options.lambda.begin(), options.lambda.end(),
                                [](double w) { return w > 0; }),
                "DenoisingAutoencoder: expected values of lambda >= 0 of which one is above 0.");
  }
  decoder = register_module(
      "decoder", LadderDecoder(LadderDecoderOptions{.shapes = shapes,
                                                    .lowest_level = features ? 1 : 0,
                                                    .combinator =
                                                        [](int64_t channels) {
                                                          return DirectCombinator(
                                                              DirectCombinatorOptions{channels});
                                                        }},
                               stages));
}

AutoencoderLoss DenoisingAutoencoderImpl::loss(const torch::Tensor& x, NoiseSource& noise) {
  check_rows("DenoisingAutoencoder", x, "x", options.input_shape);
  const bool features = options.cost == AutoencoderCost::kFeatureDifference;
  const auto rows = x.size(0);
  const auto levels = shapes.size();
  Pass pass{.groups = {{rows, true}}, .noise = &noise};
  if (features) {
    pass.groups.push_back({rows, false});
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
      targets[l] = ops::DenoisingTarget{output.z[1], output.mean[1], output.std[1]};
    }
  }
  const auto decoded =
      decoder->forward(h.narrow(0, 0, rows), std::vector<torch::Tensor>(levels), targets);
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
  check_rows("DenoisingAutoencoder", x, "x", options.input_shape);
  return run_clean(stages, x, Pass::clean(x.size(0), Statistics::kBatch));
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

std::shared_ptr<torch::nn::Module> DenoisingAutoencoderImpl::clone(
    const std::optional<torch::Device>& device) const {
  auto copy = std::make_shared<DenoisingAutoencoderImpl>(options, clone_stages(stages, device));
  copy_state(*this, *copy, device);
  return copy;
}

}  // namespace ladder
