#include "ladder/nn/stages/noisy_stage.h"

#include <torch/torch.h>

#include "ladder/nn/ladder.h"
#include "ladder/nn/stages/noisy_batch_norm_linear.h"
#include "tests/nn/feature_maps.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/networks.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::error_text;
using ladder::testing::kStages;
using ladder::testing::loss_of;
using ladder::testing::require_close;
using ladder::testing::require_equal;
using ladder::testing::require_gradient;
using ladder::testing::require_rounded;
using ladder::testing::roundings;
using ladder::testing::rows_of;
using ladder::testing::weighted_sum;

namespace {

NoisyStage conv_stage() {
  const auto conv = torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 3, 3).bias(false));
  return NoisyStage(torch::nn::AnyModule(conv),
                    NoisyStageOptions{.normalization = {.channels = 3}});
}

}  // namespace

TEST_CASE("NoisyStage wraps a convolution with statistics per channel", "[nn]") {
  torch::manual_seed(5);
  auto stage = conv_stage();
  NoiseSource noise(1);
  const auto x = torch::randn({5, 2, 6, 7});
  const Pass pass{.groups = {{2, true}, {3, false}}, .noise = &noise};
  const auto out = stage->forward(x, pass);
  CHECK(out.h.sizes() == at::IntArrayRef({5, 3, 4, 5}));
  CHECK(out.z[0].sizes() == at::IntArrayRef({2, 3, 4, 5}));
  require_rounded({out.z[1]}, [&] {
    const auto kernels = stage->map.ptr()->parameters()[0].to(torch::kDouble);
    const auto pre = torch::conv2d(x.to(torch::kDouble), kernels).narrow(0, 2, 3);
    const auto mean = pre.mean(at::IntArrayRef{0, 2, 3}, true);
    const auto var = pre.var(at::IntArrayRef{0, 2, 3}, false, true);
    return std::vector{(pre - mean) / (var + 1e-10).sqrt()};
  });
  require_close(out.h.narrow(0, 2, 3), torch::relu(out.z[1]), roundings(2, torch::kFloat));
  weighted_sum({out.h, out.z[0], out.z[1]}).backward();
  CHECK(stage->map.ptr()->parameters()[0].grad().defined());
}

TEST_CASE("NoisyStage passes central differences", "[nn][grad]") {
  torch::manual_seed(8);
  const auto conv = torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 3, 2).bias(false));
  NoisyStage stage(
      torch::nn::AnyModule(conv),
      NoisyStageOptions{
          .normalization = {.channels = 3, .activation = Activation::kTanh, .gamma = true}});
  stage->to(torch::kDouble);
  auto& norm = *stage->normalization;
  {
    const torch::NoGradGuard no_grad;
    norm.beta.normal_();
    norm.gamma.normal_();
  }
  require_gradient(
      [&](const std::vector<torch::Tensor>& in) {
        NoiseSource noise(1);
        const auto out =
            stage->forward(in[0], Pass{.groups = {{2, true}, {3, false}}, .noise = &noise});
        return weighted_sum({out.h, out.z[0], out.z[1], out.mean, out.std});
      },
      {torch::randn({5, 2, 3, 3}, torch::kDouble), conv->weight, norm.beta, norm.gamma});
}

TEST_CASE("NoisyStage makes a dense vertical map unless told otherwise", "[nn]") {
  auto stage = conv_stage();
  auto vertical = stage->make_vertical({2, 6, 7}, {3, 4, 5});
  CHECK(vertical.forward<torch::Tensor>(torch::randn({4, 3, 4, 5})).sizes() ==
        at::IntArrayRef({4, 2, 6, 7}));
  stage->options.vertical = [](at::IntArrayRef, at::IntArrayRef) {
    return torch::nn::AnyModule(
        torch::nn::ConvTranspose2d(torch::nn::ConvTranspose2dOptions(3, 2, 3).bias(false)));
  };
  vertical = stage->make_vertical({2, 6, 7}, {3, 4, 5});
  CHECK(vertical.forward<torch::Tensor>(torch::randn({4, 3, 4, 5})).sizes() ==
        at::IntArrayRef({4, 2, 6, 7}));
}

TEST_CASE("NoisyStage clones deeply", "[nn]") {
  torch::manual_seed(6);
  auto stage = conv_stage();
  const auto copy = std::dynamic_pointer_cast<NoisyStageImpl>(stage->clone());
  REQUIRE(copy);
  const auto x = torch::randn({4, 2, 5, 5});
  const auto pass = Pass::clean(4, Statistics::kBatch);
  require_close(copy->forward(x, pass).h, stage->forward(x, pass).h);
  const torch::NoGradGuard no_grad;
  copy->parameters()[0].add_(1);
  CHECK_FALSE(torch::equal(copy->parameters()[0], stage->parameters()[0]));
}

TEST_CASE("NoisyStage names what does not fit", "[nn]") {
  CHECK_THROWS_WITH(NoisyStage(torch::nn::AnyModule(), NoisyStageOptions{}),
                    Catch::Contains("NoisyStage: expected a module but got an empty AnyModule"));
}

namespace {

struct NormedBlockImpl : torch::nn::Cloneable<NormedBlockImpl> {
  NormedBlockImpl() { reset(); }
  void reset() override { norm = register_module("norm", torch::nn::BatchNorm1d(6)); }
  torch::Tensor forward(const torch::Tensor& x) { return x + norm->forward(x); }
  torch::nn::BatchNorm1d norm{nullptr};
};
TORCH_MODULE(NormedBlock);

}  // namespace

TEST_CASE("NoisyStage refuses a module that mixes rows or draws numbers", "[nn]") {
  namespace tnn = torch::nn;
  const auto around = [](const auto& map) {
    return error_text([&] {
      NoisyStage(tnn::AnyModule(map), NoisyStageOptions{.normalization = {.channels = 6}});
    });
  };
  CHECK(around(NormedBlock()) ==
        "NoisyStage: expected a module that treats each row by itself but got a BatchNorm as "
        "map.norm, which mixes noisy and clean rows (leave it out: the stage normalises).");
  CHECK(around(tnn::Dropout(0.5)) ==
        "NoisyStage: expected a module without random numbers but got a Dropout as map (leave it "
        "out: noise_std takes its place).");
  CHECK(around(tnn::InstanceNorm1d(tnn::InstanceNorm1dOptions(6).track_running_stats(true))) ==
        "NoisyStage: expected a module without statistics of its own but got an InstanceNorm with "
        "running ones as map (build it with track_running_stats(false)).");
  CHECK(around(tnn::InstanceNorm1d(6)) == "(no error)");
  CHECK(around(tnn::GroupNorm(2, 6)) == "(no error)");
  CHECK(around(tnn::Dropout(0.0)) == "(no error)");
}

namespace {

// Computes something else than its base, and does not say how it is cloned.
struct SineLayerImpl : torch::nn::LinearImpl {
  using LinearImpl::LinearImpl;
  torch::Tensor forward(const torch::Tensor& x) { return LinearImpl::forward(torch::sin(x)); }
};

// The same, with a clone() of its own.
struct ClonedSineLayerImpl : SineLayerImpl {
  using SineLayerImpl::SineLayerImpl;
  torch::Tensor forward(const torch::Tensor& x) { return SineLayerImpl::forward(x); }
  std::shared_ptr<Module> clone(const std::optional<torch::Device>& = std::nullopt) const override {
    auto copy =
        std::make_shared<ClonedSineLayerImpl>(options.in_features(), options.out_features());
    const torch::NoGradGuard no_grad;
    copy->weight.copy_(weight);
    copy->bias.copy_(bias);
    return copy;
  }
};

}  // namespace

TEST_CASE("NoisyStage refuses to clone a module whose clone is of another type", "[nn]") {
  const auto around = [](const auto& map) {
    return NoisyStage(torch::nn::AnyModule(map),
                      NoisyStageOptions{.normalization = {.channels = 3}});
  };
  const auto stage = around(std::make_shared<SineLayerImpl>(4, 3));
  CHECK(error_text([&] { stage->clone(); }) ==
        "Ladder: expected the clone of " + stage->map.ptr()->name() +
            " to be of the same kind but got torch::nn::LinearImpl (does its clone() return a "
            "module of its own type?).");
  auto cloneable = around(std::make_shared<ClonedSineLayerImpl>(4, 3));
  const auto copy = std::dynamic_pointer_cast<NoisyStageImpl>(cloneable->clone());
  const auto x = torch::randn({6, 4});
  const auto pass = Pass::clean(6, Statistics::kBatch);
  CHECK(torch::equal(copy->forward(x, pass).h, cloneable->forward(x, pass).h));
}

TEST_CASE("NoisyStage refuses a module that returns no tensor", "[nn]") {
  const auto gru = torch::nn::GRU(torch::nn::GRUOptions(4, 5).batch_first(true));
  NoisyStage stage(torch::nn::AnyModule(gru), NoisyStageOptions{.normalization = {.channels = 3}});
  CHECK(error_text([&] {
          stage->forward(torch::randn({2, 3, 4}), Pass::clean(2, Statistics::kBatch));
        }) ==
        "NoisyStage: expected a module that returns a Tensor but got torch::nn::GRUImpl, which "
        "returns std::tuple<at::Tensor, at::Tensor> (hold it in a module that returns the tensor "
        "alone).");
  const std::shared_ptr<torch::nn::LinearImpl> none;
  CHECK(error_text([&] { NoisyStage(torch::nn::AnyModule(none), NoisyStageOptions{}); }) ==
        "NoisyStage: expected a module but got an empty AnyModule.");
}

TEST_CASE("NoisyStage refuses a changed normalisation", "[nn]") {
  auto stage = conv_stage();
  const auto run = [&] {
    stage->forward(torch::randn({4, 2, 5, 5}), Pass::clean(4, Statistics::kBatch));
  };
  CHECK_NOTHROW(run());
  stage->options.normalization.noise_std = 0;
  CHECK(error_text(run) ==
        "NoisyStage: expected the options that it was built with but got changed ones (options are "
        "fixed at construction: build another NoisyStage).");
}

namespace {

// A user's stage around one of the library's: LibTorch's Cloneable clones it by its children.
struct BlockImpl : torch::nn::Cloneable<BlockImpl>, Stage {
  BlockImpl() { reset(); }
  void reset() override { inner = register_module("inner", conv_stage()); }
  StageOutput forward(const torch::Tensor& h, const Pass& pass) override {
    return inner->forward(h, pass);
  }
  torch::nn::AnyModule make_vertical(at::IntArrayRef in, at::IntArrayRef out) const override {
    return inner->make_vertical(in, out);
  }
  NoisyStage inner{nullptr};
};

}  // namespace

TEST_CASE("NoisyStage is cloned with a module that holds it", "[nn]") {
  torch::manual_seed(6);
  BlockImpl block;
  const auto copy = std::dynamic_pointer_cast<BlockImpl>(block.clone());
  REQUIRE(copy);
  const auto x = torch::randn({4, 2, 5, 5});
  const auto pass = Pass::clean(4, Statistics::kBatch);
  require_close(copy->forward(x, pass).h, block.forward(x, pass).h);
  const torch::NoGradGuard no_grad;
  copy->parameters()[0].add_(1);
  CHECK_FALSE(torch::equal(copy->parameters()[0], block.parameters()[0]));
}

TEST_CASE("NoisyStage keeps the mode of each of its modules when it is cloned", "[nn]") {
  auto stage = conv_stage();
  stage->map.ptr()->eval();  // frozen
  REQUIRE(stage->is_training());
  const auto copy = std::dynamic_pointer_cast<NoisyStageImpl>(stage->clone());
  CHECK(copy->is_training());
  CHECK_FALSE(copy->map.ptr()->is_training());
  CHECK(copy->normalization->is_training());
}

TEST_CASE("Stages of every kind keep a changed noise_std when they are cloned", "[nn]") {
  torch::manual_seed(7);
  const auto noise_of = [](const AnyStage& stage) -> double& {
    auto& module = *stage.module()->named_children()["normalization"];
    return dynamic_cast<NoisyNormalizationImpl&>(module).options.noise_std;
  };
  auto stages = kStages;
  stages.push_back({"dense",
                    [] {
                      return NoisyBatchNormLinear(
                          NoisyBatchNormLinearOptions{.in_features = 4, .out_features = 3});
                    },
                    {4}});
  stages.push_back({"module", [] { return conv_stage(); }, {2, 5, 5}});
  for (const auto& [name, make, row] : stages) {
    INFO(name);
    const auto stage = make();
    noise_of(stage) = 0.7;
    const auto copy = stage.clone();
    CHECK(noise_of(copy) == 0.7);
    const auto rows = rows_of(row, 6);
    const auto noisy = [&rows](const AnyStage& of) {
      NoiseSource noise(1);
      return of->forward(rows, Pass{.groups = {{6, true}}, .noise = &noise}).z[0];
    };
    require_equal(noisy(copy), noisy(stage));
  }

  Ladder net(LadderOptions{.input_shape = {2, 5, 5}, .lambda = {1, 1, 1}},
             Stages{conv_stage(), NoisyBatchNormLinear(NoisyBatchNormLinearOptions{
                                      .in_features = 27, .out_features = 3, .softmax_top = true})});
  for (const auto& stage : net->stages) noise_of(stage) = 0.7;
  Ladder copy(std::dynamic_pointer_cast<LadderImpl>(net->clone()));
  const SemiBatch batch{torch::randn({4, 2, 5, 5}), torch::tensor({0, 2, 1, 2}),
                        torch::randn({6, 2, 5, 5})};
  require_equal(loss_of(copy, batch).total, loss_of(net, batch).total);
}
