#include <torch/torch.h>

#include <sstream>

#include "ladder/nn/combinators/direct_combinator.h"
#include "ladder/nn/combinators/gaussian_combinator.h"
#include "ladder/nn/combinators/mlp_combinator.h"
#include "ladder/nn/combinators/vanilla_combinator.h"
#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::require_close;
using ladder::testing::require_gradient;
using ladder::testing::weighted_sum;

namespace {

using Strings = std::vector<std::string>;

// Parameters other than those of the start, so that every term counts.
template <class Module>
Module perturbed(Module g) {
  const torch::NoGradGuard no_grad;
  g->to(torch::kDouble);
  g->weight.normal_();
  return g;
}

VanillaCombinator vanilla_combinator(VanillaCombinatorOptions options) {
  return perturbed(VanillaCombinator(options));
}

torch::Tensor normals(int64_t rows, int64_t columns) {
  return torch::randn({rows, columns}, torch::kDouble);
}

}  // namespace

TEST_CASE("GaussianCombinator starts at z^ = 0", "[nn]") {
  GaussianCombinator g(GaussianCombinatorOptions{5});
  const auto z = torch::randn({7, 5});
  require_close(g->forward(z, torch::randn({7, 5})), torch::zeros({7, 5}));
}

TEST_CASE("GaussianCombinator holds the optimal denoiser of a Gaussian", "[nn]") {
  // z ~ N(0, 1), noise 0.5: the best guess is z~ / 1.25, mean 0 and v = 1 / (1 + 0.25).
  GaussianCombinator g(GaussianCombinatorOptions{1});
  const torch::NoGradGuard no_grad;
  g->weight[9][0] = 1 / 1.25;
  const auto z = torch::randn({9, 1});
  require_close(g->forward(z, torch::randn({9, 1})), z / 1.25, 1e-6);
}

TEST_CASE("GaussianCombinator with a sigmoid starts at z~ / 2 and keeps v in 0..1", "[nn]") {
  torch::manual_seed(1);
  GaussianCombinator g(GaussianCombinatorOptions{.channels = 5, .sigmoid_v = true});
  const auto z = torch::randn({7, 5});
  require_close(g->forward(z, torch::randn({7, 5})), z / 2, 1e-6, 1e-6);
  const torch::NoGradGuard no_grad;
  g->weight.normal_(0, 5);
  const auto u = torch::randn({7, 5});
  const auto v = g->forward(z + 1, u) - g->forward(z, u);  // z^ is affine in z~ with slope v
  CHECK(v.min().item<double>() >= -1e-4);
  CHECK(v.max().item<double>() <= 1 + 1e-4);
  CHECK(v.std().item<double>() > 0.1);
}

TEST_CASE("VanillaCombinator starts at z~ + sigmoid(z~)", "[nn]") {
  VanillaCombinator g(VanillaCombinatorOptions{3});
  const auto z = torch::randn({6, 3});
  require_close(g->forward(z, torch::randn({6, 3})), z + torch::sigmoid(z), 1e-6, 1e-6);
}

TEST_CASE("VanillaCombinator reversed starts at u + sigmoid(u)", "[nn]") {
  VanillaCombinator g(VanillaCombinatorOptions{.channels = 3, .init = VanillaInit::kReversed});
  const auto u = torch::randn({6, 3});
  require_close(g->forward(torch::randn({6, 3}), u), u + torch::sigmoid(u), 1e-6, 1e-6);
}

TEST_CASE("VanillaCombinator is its formula, whatever terms are left", "[nn]") {
  torch::manual_seed(3);
  const auto z = normals(6, 3);
  const auto u = normals(6, 3);
  const auto s = [](const torch::Tensor& x) { return torch::sigmoid(x); };
  {
    auto g = vanilla_combinator({.channels = 3});
    const auto w = g->weight.unbind(0);
    CHECK(g->terms() == Strings{"b0", "w0z", "w0u", "w0zu", "ws", "b1", "w1z", "w1u", "w1zu"});
    require_close(g->forward(z, u), w[0] + w[1] * z + w[2] * u + w[3] * z * u +
                                        w[4] * s(w[5] + w[6] * z + w[7] * u + w[8] * z * u));
  }
  {
    auto g = vanilla_combinator({.channels = 3, .lateral = false});
    const auto w = g->weight.unbind(0);
    CHECK(g->terms() == Strings{"b0", "w0u", "ws", "b1", "w1u"});
    require_close(g->forward(z, u), w[0] + w[1] * u + w[2] * s(w[3] + w[4] * u));
    require_close(g->forward(z + 1, u), g->forward(z, u));
  }
  {
    auto g = vanilla_combinator({.channels = 3, .sigmoid = false});
    const auto w = g->weight.unbind(0);
    CHECK(g->terms() == Strings{"b0", "w0z", "w0u", "w0zu"});
    require_close(g->forward(z, u), w[0] + w[1] * z + w[2] * u + w[3] * z * u);
  }
  {
    auto g = vanilla_combinator({.channels = 3, .cross_term = false});
    const auto w = g->weight.unbind(0);
    CHECK(g->terms() == Strings{"b0", "w0z", "w0u", "ws", "b1", "w1z", "w1u"});
    require_close(g->forward(z, u),
                  w[0] + w[1] * z + w[2] * u + w[3] * s(w[4] + w[5] * z + w[6] * u));
  }
  {
    auto g = vanilla_combinator({.channels = 3, .sigmoid = false, .cross_term = false});
    const auto w = g->weight.unbind(0);
    CHECK(g->terms() == Strings{"b0", "w0z", "w0u"});
    require_close(g->forward(z, u), w[0] + w[1] * z + w[2] * u);
  }
  {
    auto g = vanilla_combinator({.channels = 3, .lateral = false, .sigmoid = false});
    CHECK(g->terms() == Strings{"b0", "w0u"});
    require_close(g->forward(z, u), g->weight[0] + g->weight[1] * u);
  }
}

TEST_CASE("VanillaCombinator's start keeps to the terms that are left", "[nn]") {
  const auto u = torch::randn({6, 3});
  VanillaCombinator linear(
      VanillaCombinatorOptions{.channels = 3, .sigmoid = false, .cross_term = false});
  const auto z = torch::randn({6, 3});
  require_close(linear->forward(z, u), z);
  VanillaCombinator blind(VanillaCombinatorOptions{.channels = 3, .lateral = false});
  require_close(blind->forward(z, u), torch::full({6, 3}, 0.5), 1e-6);
  VanillaCombinator reversed(VanillaCombinatorOptions{
      .channels = 3, .init = VanillaInit::kReversed, .lateral = false, .sigmoid = false});
  require_close(reversed->forward(z, u), u);
}

TEST_CASE("VanillaCombinator draws its random start from the stream, its others draw nothing",
          "[nn]") {
  VanillaCombinator g(
      VanillaCombinatorOptions{.channels = 20000, .init = VanillaInit::kRandom, .init_std = 0.3});
  reset_parameters(*g, 5);
  CHECK(g->weight.mean(1).abs().max().item<double>() < 0.012);  // 0.3 / sqrt(20000) is 0.002
  CHECK((g->weight.std(1) - 0.3).abs().max().item<double>() < 0.01);
  const auto first = g->weight.detach().clone();
  reset_parameters(*g, 6);
  CHECK_FALSE(torch::equal(g->weight, first));
  reset_parameters(*g, 5);
  CHECK(torch::equal(g->weight, first));

  for (const auto init : {VanillaInit::kPublished, VanillaInit::kReversed}) {
    VanillaCombinator constant(VanillaCombinatorOptions{.channels = 4, .init = init});
    const auto start = constant->weight.detach().clone();
    {
      const torch::NoGradGuard no_grad;
      constant->weight.normal_();
    }
    NoiseSource source(1);
    constant->reset_parameters(source);
    CHECK(source.offset() == 0);
    CHECK(torch::equal(constant->weight, start));
  }
}

TEST_CASE("MlpCombinator is the network of its parameters, on known numbers", "[nn]") {
  MlpCombinator g(MlpCombinatorOptions{.channels = 1, .hidden = {2}, .augmented = true});
  {
    const torch::NoGradGuard no_grad;  // two units on [u, z~, u z~], their biases, the output
    g->weight.copy_(
        torch::tensor({0.5, 1.0, -2.0, -1.0, 0.25, 0.0, 0.1, -0.3, 2.0, -4.0, 0.7}).view({11, 1}));
  }
  const auto expected = [](double z, double u) {
    const auto leaky = [](double x) { return x > 0 ? x : 0.1 * x; };
    const double first = leaky(0.5 * u + z - 2 * u * z + 0.1);
    const double second = leaky(-u + 0.25 * z - 0.3);
    return 2 * first - 4 * second + 0.7;
  };
  const auto out = g->forward(torch::tensor({{0.4F}, {-1.0F}, {2.0F}}),
                              torch::tensor({{1.0F}, {0.5F}, {-3.0F}}));
  CHECK(out[0].item<double>() == Approx(expected(0.4, 1.0)).epsilon(1e-5));
  CHECK(out[1].item<double>() == Approx(expected(-1.0, 0.5)).epsilon(1e-5));
  CHECK(out[2].item<double>() == Approx(expected(2.0, -3.0)).epsilon(1e-5));
}

TEST_CASE("MlpCombinator gives each unit a network of its own", "[nn]") {
  torch::manual_seed(4);
  for (const bool augmented : {false, true}) {
    for (const std::vector<int64_t>& hidden :
         {std::vector<int64_t>{}, {4}, {2, 2}, {2, 2, 2}, {3, 1, 5}, {20, 30}}) {
      INFO(hidden.size() << " hidden layers, augmented " << augmented);
      auto g = perturbed(MlpCombinator(
          MlpCombinatorOptions{.channels = 3, .hidden = hidden, .augmented = augmented}));
      const auto z = normals(6, 3);
      const auto u = normals(6, 3);
      const auto out = g->forward(z, u);
      for (int64_t c = 0; c < 3; ++c) {
        std::vector<torch::Tensor> inputs = {u.select(1, c), z.select(1, c)};
        if (augmented) {
          inputs.push_back(u.select(1, c) * z.select(1, c));
        }
        auto h = torch::stack(inputs, 1);  // [6, in]
        const auto w = g->weight.select(1, c);
        int64_t row = 0;
        const auto linear = [&](int64_t units) {
          const auto in = h.size(1);
          const auto matrix = w.narrow(0, row, units * in).reshape({units, in});
          const auto bias = w.narrow(0, row + units * in, units);
          row += units * (in + 1);
          return torch::linear(h, matrix, bias);
        };
        for (const auto units : hidden) {
          h = torch::leaky_relu(linear(units), 0.1);
        }
        require_close(out.select(1, c), linear(1).squeeze(1), 1e-9, 1e-10);
        CHECK(row == g->weight.size(0));
      }
    }
  }
}

TEST_CASE("MlpCombinator draws N(0, init_std^2) from the stream", "[nn]") {
  MlpCombinator g(MlpCombinatorOptions{.channels = 20000, .init_std = 0.025});
  CHECK(g->weight.sizes() == at::IntArrayRef({23, 20000}));
  reset_parameters(*g, 5);
  CHECK(g->weight.mean(1).abs().max().item<double>() < 0.001);
  CHECK((g->weight.std(1) - 0.025).abs().max().item<double>() < 0.001);
  MlpCombinator wide(MlpCombinatorOptions{.channels = 20000});
  reset_parameters(*wide, 5);
  CHECK((wide->weight.std(1) - 0.5).abs().max().item<double>() < 0.02);
  const auto first = g->weight.detach().clone();
  reset_parameters(*g, 6);
  CHECK_FALSE(torch::equal(g->weight, first));
  reset_parameters(*g, 5);
  CHECK(torch::equal(g->weight, first));
}

TEST_CASE("DirectCombinator scales and shifts u alone", "[nn]") {
  DirectCombinator g(DirectCombinatorOptions{2});
  const auto u = torch::randn({4, 2});
  require_close(g->forward(torch::Tensor(), u), u);
  {
    const torch::NoGradGuard no_grad;
    g->weight[0].fill_(3);
    g->weight[1].fill_(-1);
  }
  require_close(g->forward(torch::Tensor(), u), 3 * u - 1, 1e-6, 1e-6);
}

namespace {

// Every form of a combinator, as its options.
template <class Impl>
std::vector<typename std::decay<decltype(Impl::options)>::type> forms() {
  if constexpr (std::is_same_v<Impl, GaussianCombinatorImpl>) {
    return {{.channels = 3}, {.channels = 3, .sigmoid_v = true}};
  } else if constexpr (std::is_same_v<Impl, VanillaCombinatorImpl>) {
    return {{.channels = 3},
            {.channels = 3, .init = VanillaInit::kRandom},
            {.channels = 3, .lateral = false},
            {.channels = 3, .sigmoid = false},
            {.channels = 3, .cross_term = false},
            {.channels = 3, .sigmoid = false, .cross_term = false}};
  } else if constexpr (std::is_same_v<Impl, MlpCombinatorImpl>) {
    return {{.channels = 3},
            {.channels = 3, .hidden = {4}, .augmented = false},
            {.channels = 3, .hidden = {2, 2}, .leaky_slope = 0},
            {.channels = 3, .hidden = {}},
            {.channels = 3, .hidden = {70}}};  // more than the kernel takes
  } else {
    return {{.channels = 3}};
  }
}

}  // namespace

TEMPLATE_TEST_CASE("Combinator parameters and operands pass central differences", "[nn][grad]",
                   GaussianCombinatorImpl, VanillaCombinatorImpl, MlpCombinatorImpl,
                   DirectCombinatorImpl) {
  torch::manual_seed(1);
  for (const auto& options : forms<TestType>()) {
    TestType g(options);
    g.to(torch::kDouble);
    std::ostringstream name;
    g.pretty_print(name);
    INFO(name.str());
    const auto target = torch::randn({5, 3}, torch::kDouble);
    {
      const torch::NoGradGuard no_grad;
      g.weight.normal_();
    }
    require_gradient(
        [&](const std::vector<torch::Tensor>& in) {
          const auto out = g.denoise(in[0], in[1], ops::DenoisingTarget{target});
          return weighted_sum({out.z_hat}) + out.cost + 0 * in[0].sum();  // Direct ignores in[0]
        },
        {torch::randn({5, 3}, torch::kDouble), torch::randn({5, 3}, torch::kDouble), g.weight});
  }
}

TEMPLATE_TEST_CASE("Combinator denoise is forward between the operators", "[nn]",
                   GaussianCombinatorImpl, VanillaCombinatorImpl, MlpCombinatorImpl,
                   DirectCombinatorImpl) {
  torch::manual_seed(5);
  for (const auto& options : forms<TestType>()) {
    TestType g(options);
    g.to(torch::kDouble);
    const auto z = normals(6, 3);
    const auto u = normals(6, 3) * 2 + 1;
    const ops::DenoisingTarget target{normals(6, 3), normals(1, 3)[0], normals(1, 3)[0].abs() + 1};
    const auto whole = g.denoise(z, u, target);
    const auto z_hat = g.forward(z, ops::normalise_rows(u));
    require_close(whole.z_hat, z_hat, 1e-9, 1e-10);
    require_close(whole.cost, ops::denoising_cost(z_hat, target), 1e-9, 1e-10);
    CHECK_FALSE(g.denoise(z, u, std::nullopt).cost.defined());
  }
}

TEMPLATE_TEST_CASE("Combinator state survives clone, dtype and save", "[nn]",
                   GaussianCombinatorImpl, VanillaCombinatorImpl, MlpCombinatorImpl,
                   DirectCombinatorImpl) {
  torch::manual_seed(2);
  for (const auto& options : forms<TestType>()) {
    const auto g = std::make_shared<TestType>(options);
    {
      const torch::NoGradGuard no_grad;
      g->weight.normal_();
    }
    const auto z = torch::randn({5, 3});
    const auto u = torch::randn({5, 3});
    const auto expected = g->forward(z, u);
    const auto copy = std::dynamic_pointer_cast<TestType>(g->clone());
    REQUIRE(copy);
    require_close(copy->forward(z, u), expected);
    CHECK_FALSE(copy->weight.is_alias_of(g->weight));
    std::stringstream stream;
    torch::serialize::OutputArchive out;
    g->save(out);
    out.save_to(stream);
    torch::serialize::InputArchive in;
    in.load_from(stream);
    auto loaded = std::make_shared<TestType>(g->options);
    loaded->load(in);
    require_close(loaded->forward(z, u), expected);
    g->to(torch::kDouble);
    require_close(g->forward(z.to(torch::kDouble), u.to(torch::kDouble)),
                  expected.to(torch::kDouble), 1e-5, 1e-5);
    g->eval();
    require_close(g->forward(z.to(torch::kDouble), u.to(torch::kDouble)),
                  expected.to(torch::kDouble), 1e-5, 1e-5);
  }
}

TEST_CASE("Combinators say what they are", "[nn]") {
  const auto text = [](const auto& g) {
    std::ostringstream stream;
    stream << g;
    return stream.str();
  };
  CHECK(text(GaussianCombinator(GaussianCombinatorOptions{4})) == "ladder::GaussianCombinator(4)");
  CHECK(text(GaussianCombinator(GaussianCombinatorOptions{.channels = 4, .sigmoid_v = true})) ==
        "ladder::GaussianCombinator(4, sigmoid_v)");
  CHECK(text(VanillaCombinator(VanillaCombinatorOptions{
            .channels = 4, .init = VanillaInit::kReversed, .lateral = false})) ==
        "ladder::VanillaCombinator(4, reversed, no lateral)");
  CHECK(text(MlpCombinator(MlpCombinatorOptions{.channels = 4, .hidden = {2, 3}})) ==
        "ladder::MlpCombinator(4, [2, 3], augmented)");
}

TEST_CASE("Combinators refuse levels without channels", "[nn]") {
  CHECK_THROWS_WITH(GaussianCombinator(GaussianCombinatorOptions{0}),
                    Catch::Contains("GaussianCombinator: expected channels > 0 but got 0"));
  CHECK_THROWS_WITH(VanillaCombinator(VanillaCombinatorOptions{-1}),
                    Catch::Contains("VanillaCombinator: expected channels > 0 but got -1"));
  CHECK_THROWS_WITH(MlpCombinator(MlpCombinatorOptions{0}),
                    Catch::Contains("MlpCombinator: expected channels > 0 but got 0"));
  CHECK_THROWS_WITH(DirectCombinator(DirectCombinatorOptions{0}),
                    Catch::Contains("DirectCombinator: expected channels > 0 but got 0"));
}

TEST_CASE("Combinators refuse options out of range", "[nn]") {
  CHECK_THROWS_WITH(VanillaCombinator(VanillaCombinatorOptions{.channels = 1, .init_std = -1}),
                    Catch::Contains("VanillaCombinator: expected init_std >= 0 but got -1."));
  CHECK_THROWS_WITH(
      MlpCombinator(MlpCombinatorOptions{.channels = 1, .hidden = {2, 0}}),
      Catch::Contains("MlpCombinator: expected hidden layers of at least 1 unit but got [2, 0]."));
  CHECK_THROWS_WITH(MlpCombinator(MlpCombinatorOptions{.channels = 1, .leaky_slope = -0.1}),
                    Catch::Contains("MlpCombinator: expected leaky_slope >= 0 but got -0.1."));
  CHECK_THROWS_WITH(MlpCombinator(MlpCombinatorOptions{.channels = 1, .init_std = -2}),
                    Catch::Contains("MlpCombinator: expected init_std >= 0 but got -2."));
}
