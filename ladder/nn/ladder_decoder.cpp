#include "ladder/nn/ladder_decoder.h"

#include <torch/torch.h>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/nn/combinators/gaussian_combinator.h"
#include "ladder/nn/internal/any_module.h"
#include "ladder/nn/internal/copy_state.h"
#include "ladder/nn/internal/operands.h"
#include "ladder/ops/convolve.h"
#include "ladder/ops/normalise.h"

namespace ladder {
namespace {

// What `call` returns; an error in it names the part of the decoder.
template <class Call>
auto in_part(const char* part, int64_t level, const Call& call) {
  try {
    return call();
  } catch (c10::Error& error) {
    error.add_context(c10::str(part, level, " of LadderDecoder"));
    throw;
  }
}

constexpr const char* kMap = "map down to level ";
constexpr const char* kCombinator = "combinator of level ";

// The module must be one of a level.
void check_own(const char* part, int64_t level, const torch::nn::Module* module,
               std::map<const torch::nn::Module*, int64_t>& levels) {
  const auto [other, is_new] = levels.emplace(module, level);
  TORCH_CHECK(is_new, "LadderDecoder: expected a ", part, " of its own for each level but got one ",
              "module for levels ", other->second, " and ", level,
              " (make another one at each call).");
}

// Combinator::denoise with the statistics of u over all ranks.
ops::DenoiseResult denoise_over(const std::shared_ptr<BatchRanks>& ranks, Combinator& combinator,
                                const torch::Tensor& z_noisy, const torch::Tensor& u,
                                const std::optional<ops::DenoisingTarget>& target) {
  ops::DenoiseResult result{
      combinator.forward(z_noisy, ops::standardise_over(ranks, u, {u.size(0)}).x), {}};
  check_z_hat(result.z_hat, u);
  if (target) {
    result.cost = ops::denoising_cost(result.z_hat, *target);
  }
  return result;
}

}  // namespace

LadderDecoderImpl::LadderDecoderImpl(LadderDecoderOptions options_, const Stages& stages)
    : options(std::move(options_)) {
  TORCH_CHECK(options.shapes.size() == stages.size() + 1, "LadderDecoder: expected ",
              stages.size() + 1, " level shapes for ", stages.size(), " stages but got ",
              options.shapes.size(), ".");
  TORCH_CHECK(options.lowest_level >= 0 && options.lowest_level <= top_level(),
              "LadderDecoder: expected a lowest level in 0..", top_level(), " but got ",
              options.lowest_level, ".");
  if (!options.combinator) {
    options.combinator = [](int64_t channels) {
      return GaussianCombinator(GaussianCombinatorOptions{channels});
    };
  }
  std::map<const torch::nn::Module*, int64_t> combinators, verticals;
  for (auto level = options.lowest_level; level <= top_level(); ++level) {
    const auto& shape = options.shapes[static_cast<size_t>(level)];
    TORCH_CHECK(!shape.empty(), "LadderDecoder: expected a row shape for level ", level,
                " but got an empty one.");
    const auto combinator = options.combinator(shape[0]);
    check_own("combinator", level, combinator.module().get(), combinators);
    combinators_.emplace(level, combinator);
    if (level < top_level()) {
      const auto above = static_cast<size_t>(level) + 1;
      const auto vertical = stages[above - 1]->make_vertical(shape, options.shapes[above]);
      TORCH_CHECK(!vertical.is_empty(), "LadderDecoder: expected a map down to level ", level,
                  " but got an empty AnyModule from make_vertical of stage ", above, ".");
      check_own("map", level, vertical.ptr().get(), verticals);
      verticals_.emplace(level, vertical);
    }
  }
  register_all();
}

LadderDecoderImpl::LadderDecoderImpl(LadderDecoderOptions options_,
                                     std::map<int64_t, torch::nn::AnyModule> verticals,
                                     std::map<int64_t, AnyCombinator> combinators)
    : options(std::move(options_)),
      verticals_(std::move(verticals)),
      combinators_(std::move(combinators)) {
  register_all();
}

void LadderDecoderImpl::register_all() {
  built_shapes_ = options.shapes;
  built_lowest_level_ = options.lowest_level;
  const auto verticals = register_module("verticals", std::make_shared<torch::nn::Module>());
  for (const auto& [level, vertical] : verticals_) {
    verticals->register_module(std::to_string(level), vertical.ptr());
  }
  const auto combinators = register_module("combinators", std::make_shared<torch::nn::Module>());
  for (const auto& [level, combinator] : combinators_) {
    combinators->register_module(std::to_string(level), combinator.module());
  }
}

void LadderDecoderImpl::check_options() const {
  TORCH_CHECK(options_hold(),
              "LadderDecoder: expected the options that it was built with but got changed ones "
              "(options are fixed at construction: build another LadderDecoder).");
}

const AnyCombinator& LadderDecoderImpl::combinator(int64_t level) const {
  const auto found = combinators_.find(level);
  TORCH_CHECK(found != combinators_.end(), "LadderDecoder: expected a level in ",
              options.lowest_level, "..", top_level(), " but got ", level, ".");
  return found->second;
}

std::vector<ops::DenoiseResult> LadderDecoderImpl::forward(
    const torch::Tensor& top, const std::vector<torch::Tensor>& z_noisy,
    const std::vector<std::optional<ops::DenoisingTarget>>& targets,
    const std::shared_ptr<BatchRanks>& ranks) {
  check_options();
  const auto levels = options.shapes.size();
  TORCH_CHECK(z_noisy.size() == levels && targets.size() == levels, "LadderDecoder: expected ",
              levels, " levels of z_noisy and targets but got ", z_noisy.size(), " and ",
              targets.size(), ".");
  TORCH_CHECK(top.defined() && top.dim() >= 2,
              "LadderDecoder: expected top of shape [M, ...] but got ", shape_text(top), ".");
  TORCH_CHECK(top.size(0) >= 2, "LadderDecoder: expected at least 2 rows of top but got ",
              top.size(0),
              " (u is normalised by the statistics of its rows, and one row has none).");
  std::vector<ops::DenoiseResult> results(levels);
  torch::Tensor u = top;
  for (auto level = top_level(); level >= options.lowest_level; --level) {
    const auto l = static_cast<size_t>(level);
    if (level < top_level()) {
      u = in_part(kMap, level, [&] {
        return tensor_from("LadderDecoder", verticals_.at(level), results[l + 1].z_hat);
      });
      const auto& above = results[l + 1].z_hat;
      TORCH_CHECK(u.defined() && u.dim() >= 2 && u.size(0) == above.size(0) &&
                      u.scalar_type() == above.scalar_type(),
                  "LadderDecoder: expected the map down to level ", level, " to give ",
                  c10::toString(above.scalar_type()), " [", above.size(0), ", ...] but got ",
                  type_and_shape_text(u), ".");
    }
    TORCH_CHECK(!z_noisy[l].defined() || u.sizes() == z_noisy[l].sizes(),
                "LadderDecoder: expected the map down to level ", level, " to give ",
                z_noisy[l].sizes(), " but got ", u.sizes(), ".");
    auto target = targets[l];
    if (target) {
      target->z = ops::maps_to_matrix(target->z);
    }
    const auto lateral = z_noisy[l].defined() ? ops::maps_to_matrix(z_noisy[l]) : torch::Tensor();
    const auto rows = ops::maps_to_matrix(u);
    results[l] = in_part(kCombinator, level, [&] {
      auto& combinator = *combinators_.at(level);
      auto result = several(ranks) ? denoise_over(ranks, combinator, lateral, rows, target)
                                   : combinator.denoise(lateral, rows, target);
      check_z_hat(result.z_hat, rows);
      return result;
    });
    if (u.dim() > 2) {
      results[l].z_hat = ops::matrix_to_maps(results[l].z_hat, u.sizes().slice(2));
    }
  }
  return results;
}

void LadderDecoderImpl::clone_(torch::nn::Module& other,
                               const std::optional<torch::Device>& device) {
  clone_into(*this, other, device);
}

std::shared_ptr<torch::nn::Module> LadderDecoderImpl::clone(
    const std::optional<torch::Device>& device) const {
  std::map<int64_t, torch::nn::AnyModule> verticals;
  std::map<int64_t, AnyCombinator> combinators;
  for (const auto& [level, vertical] : verticals_) {
    verticals.emplace(level, clone_any(vertical, device));
  }
  for (const auto& [level, combinator] : combinators_) {
    combinators.emplace(level, combinator.clone(device));
  }
  const std::shared_ptr<LadderDecoderImpl> copy(
      new LadderDecoderImpl(options, std::move(verticals), std::move(combinators)));
  copy_state(*this, *copy, device);
  return copy;
}

}  // namespace ladder
