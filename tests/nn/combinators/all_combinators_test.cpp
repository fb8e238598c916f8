#include <torch/torch.h>

#include <limits>
#include <sstream>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "ladder/nn/combinators/direct_combinator.h"
#include "ladder/nn/combinators/gaussian_combinator.h"
#include "ladder/nn/combinators/mlp_combinator.h"
#include "ladder/nn/combinators/vanilla_combinator.h"
#include "tests/nn/combinators/operands.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::error_text;
using ladder::testing::gamma;
using ladder::testing::normals;
using ladder::testing::require_close;
using ladder::testing::require_gradient;
using ladder::testing::require_rounded;
using ladder::testing::roundings;
using ladder::testing::weighted_sum;

namespace {

// All combinators: a new one is one line here.
using Combinators = std::tuple<GaussianCombinatorImpl, VanillaCombinatorImpl, MlpCombinatorImpl,
                               DirectCombinatorImpl>;

template <class Impl>
using OptionsOf = std::decay_t<decltype(Impl::options)>;

// Every form of a combinator, as its options; more than one where it is specialised.
template <class Impl>
std::vector<OptionsOf<Impl>> forms() {
  return {{.channels = 3}};
}

template <>
std::vector<GaussianCombinatorOptions> forms<GaussianCombinatorImpl>() {
  return {{.channels = 3}, {.channels = 3, .sigmoid_v = true}};
}

template <>
std::vector<VanillaCombinatorOptions> forms<VanillaCombinatorImpl>() {
  return {{.channels = 3},
          {.channels = 3, .init = VanillaInit::kRandom},
          {.channels = 3, .lateral = false},
          {.channels = 3, .sigmoid = false},
          {.channels = 3, .cross_term = false},
          {.channels = 3, .sigmoid = false, .cross_term = false}};
}

template <>
std::vector<MlpCombinatorOptions> forms<MlpCombinatorImpl>() {
  return {{.channels = 3},
          {.channels = 3, .hidden = {4}, .augmented = false},
          {.channels = 3, .hidden = {2, 2}, .leaky_slope = 0},
          {.channels = 3, .hidden = {}},
          {.channels = 3, .hidden = {70}}};  // more than the kernel takes
}

// "GaussianCombinator"
std::string kind_of(const torch::nn::Module& combinator) {
  std::ostringstream text;
  combinator.pretty_print(text);
  return text.str().substr(8, text.str().find('(') - 8);  // after "ladder::"
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("Combinator parameters and operands pass central differences", "[nn][grad]",
                        Combinators) {
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

TEMPLATE_LIST_TEST_CASE("Combinator denoise is forward between the operators", "[nn]",
                        Combinators) {
  torch::manual_seed(5);
  for (const auto& options : forms<TestType>()) {
    TestType g(options);
    g.to(torch::kDouble);
    const auto z = normals(6, 3);
    const auto u = normals(6, 3) * 2 + 1;
    const ops::DenoisingTarget target{normals(6, 3), normals(1, 3)[0], normals(1, 3)[0].abs() + 1};
    const auto whole = g.denoise(z, u, target);
    require_rounded({whole.z_hat, whole.cost}, [&] {
      const auto z_hat = g.forward(z, ops::normalise_rows(u));
      return std::vector{z_hat, ops::denoising_cost(z_hat, target)};
    });
    CHECK_FALSE(g.denoise(z, u, std::nullopt).cost.defined());
  }
}

namespace {

template <class Impl>
struct PlusOne : Impl {
  using Impl::Impl;
  torch::Tensor forward(const torch::Tensor& z_noisy, const torch::Tensor& u) override {
    return Impl::forward(z_noisy, u) + 1;
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("Combinator denoise calls the forward of a class that derives from it",
                        "[nn]", Combinators) {
  torch::manual_seed(6);
  for (const auto& options : forms<TestType>()) {
    PlusOne<TestType> g(options);
    g.to(torch::kDouble);
    const auto z = normals(6, 3);
    const auto u = normals(6, 3);
    const ops::DenoisingTarget target{normals(6, 3)};
    const auto z_hat = g.forward(z, ops::normalise_rows(u));
    const auto whole = g.denoise(z, u, target);
    CHECK(torch::equal(whole.z_hat, z_hat));
    CHECK(torch::equal(whole.cost, ops::denoising_cost(z_hat, target)));
  }
}

TEMPLATE_LIST_TEST_CASE("Combinator state survives clone, dtype and save", "[nn]", Combinators) {
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
    const auto in_double = [&] {
      return std::vector{g->forward(z.to(torch::kDouble), u.to(torch::kDouble))};
    };
    require_rounded({expected}, in_double);
    g->eval();
    require_rounded({expected}, in_double);
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

TEMPLATE_LIST_TEST_CASE("Combinators refuse levels without channels", "[nn]", Combinators) {
  auto options = forms<TestType>()[0];
  const auto kind = kind_of(TestType(options));
  for (const int64_t channels : {0, -1}) {
    options.channels = channels;
    CHECK(error_text([&] { TestType refused(options); }) ==
          kind + ": expected channels > 0 but got " + std::to_string(channels) + ".");
  }
}

TEST_CASE("Combinators refuse options out of range", "[nn]") {
  CHECK_THROWS_WITH(VanillaCombinator(VanillaCombinatorOptions{.channels = 1, .init_std = -1}),
                    Catch::Contains("VanillaCombinator: expected init_std >= 0 but got -1."));
  CHECK_THROWS_WITH(
      MlpCombinator(MlpCombinatorOptions{.channels = 1, .hidden = {2, 0}}),
      Catch::Contains("MlpCombinator: expected hidden layers of at least 1 unit but got [2, 0]."));
  CHECK_THROWS_WITH(MlpCombinator(MlpCombinatorOptions{.channels = 1, .leaky_slope = -0.1}),
                    Catch::Contains("MlpCombinator: expected leaky_slope >= 0 but got -0.1."));
  CHECK_THROWS_WITH(MlpCombinator(MlpCombinatorOptions{
                        .channels = 1, .init_std = std::numeric_limits<double>::infinity()}),
                    Catch::Contains("MlpCombinator: expected a finite init_std but got inf."));
  CHECK_THROWS_WITH(MlpCombinator(MlpCombinatorOptions{.channels = 1, .init_std = -2}),
                    Catch::Contains("MlpCombinator: expected init_std >= 0 but got -2."));
}

TEMPLATE_LIST_TEST_CASE("Combinator names operands that do not fit and changed options", "[nn]",
                        Combinators) {
  TestType g(forms<TestType>()[0]);
  const auto name = kind_of(g);
  const auto z = torch::randn({5, 3});
  const auto run = [&](const torch::Tensor& z_noisy, const torch::Tensor& u) {
    const auto sentence = error_text([&] { g.forward(z_noisy, u); });
    CHECK(error_text([&] { g.denoise(z_noisy, u, std::nullopt); }) == sentence);
    return sentence;
  };
  CHECK(run(z, z) == "(no error)");
  CHECK(run(z, torch::randn({5, 4})) == name + ": expected u [M, 3] but got [5, 4].");
  CHECK(run(z, z.to(torch::kDouble)) ==
        name + ": expected u in Float on cpu like its weight but got Double on cpu.");
  CHECK(error_text([&] { g.forward(z[0], z[0]); }) ==
        name + ": expected u [M, 3] but got [3] (one row needs a batch dimension: unsqueeze(0)).");
  if (!std::is_same_v<TestType, DirectCombinatorImpl>) {
    CHECK(run(torch::Tensor(), z) == name + ": expected z_noisy but got an undefined tensor.");
    CHECK(run(torch::randn({4, 3}), z) ==
          name + ": expected z_noisy and u of as many rows but got 4 and 5.");
  }
  CHECK_THROWS_WITH(g.denoise(z.narrow(0, 0, 1), z.narrow(0, 0, 1), std::nullopt),
                    Catch::Contains("expected at least 2 rows") ||
                        Catch::Contains("expected groups of at least 2 rows"));
  g.options.channels = 4;
  CHECK(run(z, z) ==
        name +
            ": expected the options that it was built with but got changed ones (options are "
            "fixed at construction: build another " +
            name + ").");
}
