#include "ladder/nn/pluggable.h"

#include <torch/torch.h>

#include <memory>
#include <optional>
#include <string>

#include "ladder/nn/combinators/vanilla_combinator.h"
#include "ladder/nn/ladder.h"
#include "ladder/nn/stage.h"
#include "ladder/nn/stages/noisy_batch_norm_linear.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"

using namespace ladder;  // NOLINT
using ladder::testing::error_text;

namespace {

// A stage whose clone is none.
struct ClonedAsLinear : torch::nn::Module, Stage {
  ClonedAsLinear() : Module("ClonedAsLinear") {}
  StageOutput forward(const torch::Tensor& h, const Pass&) override { return {h, {}, {}, {}}; }
  torch::nn::AnyModule make_vertical(at::IntArrayRef, at::IntArrayRef) const override {
    return torch::nn::AnyModule();
  }
  std::shared_ptr<torch::nn::Module> clone(
      const std::optional<torch::Device>& = std::nullopt) const override {
    return std::make_shared<torch::nn::LinearImpl>(2, 2);
  }
};

// A stage that derives from one of the library and computes something else.
struct SineStageImpl : NoisyBatchNormLinearImpl {
  using NoisyBatchNormLinearImpl::NoisyBatchNormLinearImpl;
  StageOutput forward(const torch::Tensor& h, const Pass& pass) override {
    return NoisyBatchNormLinearImpl::forward(torch::sin(3 * h), pass);
  }
};

// The same, with a clone() of its own.
struct ClonedSineStageImpl : SineStageImpl {
  using SineStageImpl::SineStageImpl;
  std::shared_ptr<Module> clone(const std::optional<torch::Device>& = std::nullopt) const override {
    auto copy = std::make_shared<ClonedSineStageImpl>(options);
    const torch::NoGradGuard no_grad;
    copy->weight.copy_(weight);
    return copy;
  }
};

struct PlusOneCombinatorImpl : VanillaCombinatorImpl {
  using VanillaCombinatorImpl::VanillaCombinatorImpl;
  torch::Tensor forward(const torch::Tensor& z_noisy, const torch::Tensor& u) override {
    return VanillaCombinatorImpl::forward(z_noisy, u) + 1;
  }
};

}  // namespace

TEST_CASE("Pluggable holds both sides of one module, and so does its clone", "[nn]") {
  const NoisyBatchNormLinear linear(
      NoisyBatchNormLinearOptions{.in_features = 4, .out_features = 3});
  const AnyStage stage = linear;
  CHECK(stage.module().get() == linear.get());
  CHECK(&*stage == static_cast<const Stage*>(linear.get()));
  const auto copy = stage.clone();
  REQUIRE(copy.module() != stage.module());
  CHECK(&*copy == dynamic_cast<Stage*>(copy.module().get()));
  const auto there = stage.module()->parameters(), here = copy.module()->parameters();
  REQUIRE(here.size() == there.size());
  for (size_t i = 0; i < here.size(); ++i) {
    CHECK(torch::equal(here[i], there[i]));
    CHECK_FALSE(here[i].is_alias_of(there[i]));
  }
}

TEST_CASE("Pluggable names a module whose clone is of another kind", "[nn]") {
  const AnyStage stage(std::make_shared<ClonedAsLinear>());
  CHECK(error_text([&] { stage.clone(); }) ==
        "Ladder: expected the clone of ClonedAsLinear to be of the same kind but got "
        "torch::nn::LinearImpl (does its clone() return a module of its own type?).");
}

TEST_CASE("Pluggable refuses a clone that is the base of its module", "[nn]") {
  const NoisyBatchNormLinearOptions options{
      .in_features = 4, .out_features = 3, .softmax_top = true};
  const auto expected = [](const torch::nn::Module& module, const std::string& base) {
    return "Ladder: expected the clone of " + module.name() + " to be of the same kind but got " +
           base + " (does its clone() return a module of its own type?).";
  };
  const auto derived = std::make_shared<SineStageImpl>(options);
  const Ladder net(LadderOptions{.input_shape = {4}}, Stages{derived});
  CHECK(error_text([&] { net->clone(); }) ==
        expected(*derived, "ladder::NoisyBatchNormLinearImpl"));

  Ladder cloneable(LadderOptions{.input_shape = {4}},
                   Stages{std::make_shared<ClonedSineStageImpl>(options)});
  const auto copy = std::dynamic_pointer_cast<LadderImpl>(cloneable->clone());
  const auto x = torch::rand({5, 4});
  CHECK(torch::equal(copy->forward(x), cloneable->forward(x)));

  std::shared_ptr<PlusOneCombinatorImpl> top;
  const Ladder decoded(LadderOptions{.input_shape = {4},
                                     .lambda = {0, 1},
                                     .combinator =
                                         [&](int64_t channels) {
                                           top = std::make_shared<PlusOneCombinatorImpl>(
                                               VanillaCombinatorOptions{.channels = channels});
                                           return AnyCombinator(top);
                                         }},
                       Stages{NoisyBatchNormLinear(options)});
  CHECK(error_text([&] { decoded->clone(); }) == expected(*top, "ladder::VanillaCombinatorImpl"));
}
