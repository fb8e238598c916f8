#include "ladder/nn/pluggable.h"

#include <torch/torch.h>

#include <memory>
#include <optional>

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
        "Ladder: expected the clone of ClonedAsLinear to be of the same kind (does its clone() "
        "return a module of its own type?).");
}
