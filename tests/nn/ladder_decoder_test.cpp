#include "ladder/nn/ladder_decoder.h"

#include <torch/torch.h>

#include <functional>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "ladder/nn/combinators/gaussian_combinator.h"
#include "ladder/nn/stages/noisy_batch_norm_linear.h"
#include "ladder/nn/stages/noisy_stage.h"
#include "ladder/ops/convolve.h"
#include "tests/nn/feature_maps.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/networks.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::error_text;
using ladder::testing::gamma;
using ladder::testing::normalised;
using ladder::testing::require_close;
using ladder::testing::require_equal;
using ladder::testing::require_gradient;
using ladder::testing::require_rounded;
using ladder::testing::roundings;
using ladder::testing::vanilla;
using ladder::testing::weighted_sum;

namespace {

// A combinator that returns what a function makes of z~.
struct CallingCombinatorImpl : torch::nn::Cloneable<CallingCombinatorImpl>, Combinator {
  using Function = std::function<torch::Tensor(const torch::Tensor&)>;
  explicit CallingCombinatorImpl(Function function_) : function(std::move(function_)) {}
  void reset() override {}
  torch::Tensor forward(const torch::Tensor& z_noisy, const torch::Tensor&) override {
    return function(z_noisy);
  }
  Function function;
};
TORCH_MODULE(CallingCombinator);

// Returns two tensors, as a recurrent layer does.
struct PairImpl : torch::nn::Cloneable<PairImpl> {
  void reset() override {}
  std::tuple<torch::Tensor, torch::Tensor> forward(const torch::Tensor& x) { return {x, x}; }
};
TORCH_MODULE(Pair);

// A stage whose map down is what it is given.
struct MapStageImpl : torch::nn::Cloneable<MapStageImpl>, Stage {
  explicit MapStageImpl(torch::nn::AnyModule map_) : map(std::move(map_)) {}
  void reset() override {}
  StageOutput forward(const torch::Tensor&, const Pass&) override { return {}; }
  torch::nn::AnyModule make_vertical(at::IntArrayRef, at::IntArrayRef) const override {
    return map;
  }
  torch::nn::AnyModule map;
};
TORCH_MODULE(MapStage);

Stages dense_stages() {
  return {NoisyBatchNormLinear(NoisyBatchNormLinearOptions{.in_features = 5, .out_features = 4}),
          NoisyBatchNormLinear(NoisyBatchNormLinearOptions{.in_features = 4, .out_features = 3})};
}

LadderDecoder decoder(int64_t lowest = 0, CombinatorFactory combinator = {}) {
  return LadderDecoder(
      LadderDecoderOptions{
          .shapes = {{5}, {4}, {3}}, .lowest_level = lowest, .combinator = std::move(combinator)},
      dense_stages());
}

using Targets = std::vector<std::optional<ops::DenoisingTarget>>;

}  // namespace

TEST_CASE("LadderDecoder walks down as the formula says", "[nn]") {
  torch::manual_seed(1);
  auto d = decoder(0, vanilla());
  const auto top = torch::randn({6, 3});
  const std::vector<torch::Tensor> z = {torch::randn({6, 5}), torch::randn({6, 4}),
                                        torch::randn({6, 3})};
  const auto target = torch::randn({6, 4});
  const auto mean = torch::randn({4});
  const auto std = torch::rand({4}) + 0.5;
  const auto levels =
      d->forward(top, z, Targets{std::nullopt, ops::DenoisingTarget{target, mean, std}, {}});

  CHECK_FALSE(levels[0].cost.defined());
  CHECK_FALSE(levels[2].cost.defined());
  require_rounded({levels[2].z_hat, levels[1].z_hat, levels[0].z_hat, levels[1].cost}, [&] {
    const auto in_double = [](const torch::Tensor& t) { return t.to(torch::kDouble); };
    const auto normal = [](const torch::Tensor& u) {
      return (u - u.mean(0)) / (u.var(0, false) + 1e-10).sqrt();
    };
    const auto parameters = d->named_parameters();
    const auto g = [&](int level, const torch::Tensor& u) {
      return ops::reference::combine(
          in_double(z[static_cast<size_t>(level)]), normal(u),
          in_double(parameters["combinators." + std::to_string(level) + ".weight"]),
          ops::CombinatorFunction::kVanilla);
    };
    const auto z2 = g(2, in_double(top));
    const auto z1 = g(1, torch::matmul(z2, in_double(parameters["verticals.1.weight"]).t()));
    const auto z0 = g(0, torch::matmul(z1, in_double(parameters["verticals.0.weight"]).t()));
    const auto rescaled = (z1 - in_double(mean)) / in_double(std);
    return std::vector{z2, z1, z0, (rescaled - in_double(target)).square().mean()};
  });
}

TEST_CASE("LadderDecoder stops at its lowest level", "[nn]") {
  auto d = decoder(2);
  CHECK(d->named_parameters().keys() == std::vector<std::string>{"combinators.2.weight"});
  const auto levels = d->forward(
      torch::randn({6, 3}), {torch::Tensor(), torch::Tensor(), torch::randn({6, 3})}, Targets(3));
  CHECK(levels[2].z_hat.defined());
  CHECK_FALSE(levels[1].z_hat.defined());
  CHECK_THROWS_WITH(d->combinator(0), Catch::Contains("expected a level in 2..2 but got 0"));
}

TEST_CASE("LadderDecoder passes central differences", "[nn][grad]") {
  torch::manual_seed(2);
  auto d = decoder(0, vanilla());
  d->to(torch::kDouble);
  const auto options = torch::kDouble;
  require_gradient(
      [&](const std::vector<torch::Tensor>& in) {
        const auto levels = d->forward(
            in[0], {in[1], in[2], in[3]},
            Targets{ops::DenoisingTarget{in[4]}, ops::DenoisingTarget{in[5], in[6], in[7]}, {}});
        return weighted_sum({levels[0].z_hat}) + levels[0].cost + 2 * levels[1].cost;
      },
      {torch::randn({5, 3}, options), torch::randn({5, 5}, options), torch::randn({5, 4}, options),
       torch::randn({5, 3}, options), torch::randn({5, 5}, options), torch::randn({5, 4}, options),
       torch::randn({4}, options), torch::rand({4}, options) + 0.5,
       d->named_parameters()["verticals.0.weight"], d->named_parameters()["verticals.1.weight"]});
}

TEST_CASE("LadderDecoder treats maps per channel", "[nn]") {
  torch::manual_seed(3);
  NoisyStageOptions options{.normalization = {.channels = 3}};
  options.vertical = [](at::IntArrayRef, at::IntArrayRef) {
    return torch::nn::AnyModule(
        torch::nn::ConvTranspose2d(torch::nn::ConvTranspose2dOptions(3, 2, 3).bias(false)));
  };
  const Stages stages = {NoisyStage(
      torch::nn::AnyModule(torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 3, 3).bias(false))),
      options)};
  LadderDecoder d(LadderDecoderOptions{.shapes = {{2, 6, 6}, {3, 4, 4}}, .combinator = vanilla()},
                  stages);
  {  // at the start u counts 0 times
    const torch::NoGradGuard no_grad;
    for (auto& parameter : d->parameters()) parameter.normal_();
  }
  const auto top = torch::randn({5, 3, 4, 4});
  const auto z1 = torch::randn({5, 3, 4, 4});
  const auto z0 = torch::randn({5, 2, 6, 6});
  const auto levels = d->forward(top, {z0, z1}, Targets{ops::DenoisingTarget{z0}, {}});
  CHECK(levels[0].z_hat.sizes() == z0.sizes());
  CHECK(levels[1].z_hat.sizes() == z1.sizes());
  require_rounded({levels[1].z_hat, levels[0].z_hat, levels[0].cost}, [&] {
    const auto parameters = d->named_parameters();
    const auto in_double = [](const torch::Tensor& t) { return t.to(torch::kDouble); };
    const auto g = [&](const std::string& level, const torch::Tensor& z, const torch::Tensor& u) {
      const auto combined =
          ops::reference::combine(ops::maps_to_matrix(z), ops::maps_to_matrix(normalised(u)),
                                  in_double(parameters["combinators." + level + ".weight"]),
                                  ops::CombinatorFunction::kVanilla);
      return ops::matrix_to_maps(combined, z.sizes().slice(2));
    };
    const auto z1_hat = g("1", in_double(z1), in_double(top));
    const auto u0 = torch::conv_transpose2d(z1_hat, in_double(parameters["verticals.0.weight"]));
    const auto z0_hat = g("0", in_double(z0), u0);
    return std::vector{z1_hat, z0_hat, (z0_hat - in_double(z0)).square().mean()};
  });
}

TEST_CASE("LadderDecoder keeps its state when it is saved, moved and put into eval mode", "[nn]") {
  torch::manual_seed(5);
  auto d = decoder(0, vanilla());
  {
    const torch::NoGradGuard no_grad;
    for (auto& parameter : d->parameters()) parameter.normal_();
  }
  const auto top = torch::randn({6, 3});
  const std::vector<torch::Tensor> z = {torch::randn({6, 5}), torch::randn({6, 4}),
                                        torch::randn({6, 3})};
  const auto reconstruct = [&](LadderDecoder& of, torch::Dtype dtype) {
    std::vector<torch::Tensor> lateral;
    for (const auto& level : z) lateral.push_back(level.to(dtype));
    return of->forward(top.to(dtype), lateral, Targets(3))[0].z_hat;
  };
  const auto expected = reconstruct(d, torch::kFloat);
  std::stringstream stream;
  torch::save(d, stream);
  auto loaded = decoder(0, vanilla());
  torch::load(loaded, stream);
  require_equal(reconstruct(loaded, torch::kFloat), expected);
  loaded->eval();
  require_equal(reconstruct(loaded, torch::kFloat), expected);
  d->to(torch::kDouble);
  require_rounded({expected}, [&] { return std::vector{reconstruct(d, torch::kDouble)}; });
}

TEST_CASE("LadderDecoder clones deeply", "[nn]") {
  torch::manual_seed(4);
  auto d = decoder();
  const auto copy = std::dynamic_pointer_cast<LadderDecoderImpl>(d->clone());
  REQUIRE(copy);
  REQUIRE(copy->named_parameters().keys() == d->named_parameters().keys());
  for (const auto& parameter : d->named_parameters()) {
    require_close(copy->named_parameters()[parameter.key()], parameter.value());
    CHECK_FALSE(copy->named_parameters()[parameter.key()].is_alias_of(parameter.value()));
  }
}

TEST_CASE("LadderDecoder refuses to clone a map whose clone is of another type", "[nn]") {
  struct WideMapImpl : torch::nn::LinearImpl {
    using LinearImpl::LinearImpl;
    torch::Tensor forward(const torch::Tensor& x) { return 2 * LinearImpl::forward(x); }
  };
  const auto map = std::make_shared<WideMapImpl>(4, 4);
  const LadderDecoder d(LadderDecoderOptions{.shapes = {{4}, {4}}},
                        Stages{MapStage(torch::nn::AnyModule(map))});
  CHECK(error_text([&] { d->clone(); }) ==
        "Ladder: expected the clone of " + map->name() +
            " to be of the same kind but got torch::nn::LinearImpl (does its clone() return a "
            "module of its own type?).");
}

TEST_CASE("LadderDecoder refuses one row and changed options", "[nn]") {
  auto d = decoder();
  const auto run = [&](int64_t rows) {
    return error_text([&] {
      d->forward(torch::ones({rows, 3}),
                 {torch::ones({rows, 5}), torch::ones({rows, 4}), torch::ones({rows, 3})},
                 Targets(3));
    });
  };
  CHECK(run(1) ==
        "LadderDecoder: expected at least 2 rows of top but got 1 (u is normalised by the "
        "statistics of its rows, and one row has none).");
  CHECK(error_text([&] {
          d->forward(torch::ones({3}),
                     {torch::ones({2, 5}), torch::ones({2, 4}), torch::ones({2, 3})}, Targets(3));
        }) == "LadderDecoder: expected top of shape [M, ...] but got [3].");
  CHECK(run(4) == "(no error)");
  const std::string changed =
      "LadderDecoder: expected the options that it was built with but got changed ones (options "
      "are "
      "fixed at construction: build another LadderDecoder).";
  d->options.lowest_level = -1;
  CHECK(run(4) == changed);
  d->options.lowest_level = 0;
  d->options.shapes.pop_back();
  CHECK(run(4) == changed);
}

TEST_CASE("LadderDecoder names what does not fit", "[nn]") {
  CHECK_THROWS_WITH(LadderDecoder(LadderDecoderOptions{.shapes = {{5}, {4}}}, dense_stages()),
                    Catch::Contains("expected 3 level shapes for 2 stages but got 2"));
  CHECK_THROWS_WITH(decoder(3), Catch::Contains("expected a lowest level in 0..2 but got 3"));
  auto d = decoder();
  CHECK_THROWS_WITH(d->forward(torch::ones({2, 3}), {torch::ones({2, 3})}, Targets(1)),
                    Catch::Contains("expected 3 levels of z_noisy and targets but got 1 and 1"));
  CHECK_THROWS_WITH(
      d->forward(torch::ones({2, 3}),
                 {torch::ones({2, 5}), torch::ones({2, 9}), torch::ones({2, 3})}, Targets(3)),
      Catch::Contains("expected the map down to level 1 to give [2, 9] but got [2, 4]"));
}

TEST_CASE("LadderDecoder refuses one combinator or one map for several levels", "[nn]") {
  const GaussianCombinator one(GaussianCombinatorOptions{.channels = 4});
  CHECK(error_text([&] { decoder(0, [&](int64_t) { return one; }); }) ==
        "LadderDecoder: expected a combinator of its own for each level but got one module for "
        "levels 0 and 1 (make another one at each call).");
  const auto built = [](const Stages& stages) {
    return error_text([&] {
      LadderDecoder(LadderDecoderOptions{.shapes = {{4}, {4}, {4}}}, stages);
    });
  };
  const torch::nn::AnyModule identity{torch::nn::Identity()};
  CHECK(built({MapStage(identity), MapStage(identity)}) ==
        "LadderDecoder: expected a map of its own for each level but got one module for levels 0 "
        "and 1 (make another one at each call).");
  CHECK(built({MapStage(identity), MapStage(torch::nn::AnyModule())}) ==
        "LadderDecoder: expected a map down to level 1 but got an empty AnyModule from "
        "make_vertical of stage 2.");
}

TEST_CASE("LadderDecoder names the level of a piece that does not fit", "[nn]") {
  const auto run = [](CombinatorFactory combinator, torch::nn::AnyModule map) {
    LadderDecoder d(LadderDecoderOptions{.shapes = {{4}, {4}}, .combinator = combinator},
                    Stages{MapStage(map)});
    const auto rows = torch::rand({3, 4});
    const auto with = [&](const Targets& targets) {
      return error_text([&] { d->forward(rows, {rows, rows}, targets); });
    };
    const auto text = with(Targets(2));
    CHECK(with(Targets{ops::DenoisingTarget{rows}, ops::DenoisingTarget{rows}}) == text);
    return text;
  };
  const torch::nn::AnyModule identity{torch::nn::Identity()};
  const auto calling = [](CallingCombinatorImpl::Function function) {
    return [function](int64_t) { return CallingCombinator(function); };
  };
  CHECK(run(calling([](const torch::Tensor& z) { return z; }), identity) == "(no error)");
  const auto gave = [&](CallingCombinatorImpl::Function function) {
    return run(calling(std::move(function)), identity);
  };
  const std::string wanted = "Combinator: expected z^ to be Float [3, 4] on cpu like u but got ";
  const std::string level = " (combinator of level 1 of LadderDecoder)";
  CHECK(gave([](const torch::Tensor&) { return torch::Tensor(); }) ==
        wanted + "an undefined tensor." + level);
  CHECK(gave([](const torch::Tensor& z) { return z.mean(1); }) ==
        wanted + "Float [3] on cpu." + level);
  CHECK(gave([](const torch::Tensor& z) { return z.to(torch::kDouble); }) ==
        wanted + "Double [3, 4] on cpu." + level);
  const auto narrow = [](int64_t) {
    return GaussianCombinator(GaussianCombinatorOptions{.channels = 3});
  };
  const auto of_narrow = run(narrow, identity);
  CHECK(of_narrow.starts_with("GaussianCombinator: expected "));
  CHECK(of_narrow.ends_with(" (combinator of level 1 of LadderDecoder)"));
  const auto plain = calling([](const torch::Tensor& z) { return z; });
  const auto of_map = run(plain, torch::nn::AnyModule(torch::nn::Linear(5, 4)));
  CHECK(of_map.ends_with(" (map down to level 0 of LadderDecoder)"));
  const auto of_pair = run(plain, torch::nn::AnyModule(Pair()));
  CHECK(of_pair.starts_with("LadderDecoder: expected a module that returns a Tensor but got "));
  CHECK(of_pair.ends_with(
      ", which returns std::tuple<at::Tensor, at::Tensor> (hold it in a module that returns the "
      "tensor alone). (map down to level 0 of LadderDecoder)"));
  CHECK(run(plain,
            torch::nn::AnyModule(torch::nn::Flatten(torch::nn::FlattenOptions().start_dim(0)))) ==
        "LadderDecoder: expected the map down to level 0 to give Float [3, ...] but got Float "
        "[12].");
}
