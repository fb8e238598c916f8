#include <ladder/data/contrast.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/require_close.h>
#include <torch/torch.h>

#include <cmath>

using ladder::data::normalize_contrast;
using ladder::testing::error_text;
using ladder::testing::gamma;
using ladder::testing::require_close;
using ladder::testing::require_result;
using ladder::testing::roundings;

TEST_CASE("normalize_contrast subtracts the mean of an image and scales its norm", "[data]") {
  // 1, 2, 3, 6: mean 3, deviations -2, -1, 0, 3, norm sqrt(14).
  const auto images =
      torch::tensor({1.0, 2.0, 3.0, 6.0, 0.0, 0.0, 0.0, 8.0}, torch::kDouble).reshape({2, 1, 2, 2});
  const double a = 55 / std::sqrt(14.0);
  const double b = 55 / std::sqrt(48.0);
  const auto expected =
      torch::tensor({-2 * a, -a, 0.0, 3 * a, -2 * b, -2 * b, -2 * b, 6 * b}, torch::kDouble)
          .reshape({2, 1, 2, 2});
  require_close(normalize_contrast(images), expected);
  require_close(normalize_contrast(images, {.norm = 1}), expected / 55);
  require_close(normalize_contrast(images.to(torch::kUInt8)), expected.to(torch::kFloat32),
                roundings(2, torch::kFloat));  // each is stored in float32 once
}

TEST_CASE("normalize_contrast takes every image by itself, over all its channels", "[data]") {
  torch::manual_seed(1);
  const auto images = torch::randint(0, 256, {2100, 3, 4, 5}).to(torch::kUInt8);
  const auto out = normalize_contrast(images);
  REQUIRE(out.sizes() == images.sizes());
  REQUIRE(out.scalar_type() == torch::kFloat32);
  const auto rows = out.to(torch::kDouble).flatten(1);
  // Every value is rounded to float32 once, after sums in float64.
  const double rounding = gamma(2, torch::kFloat);
  CHECK(rows.mean(1).abs().max().item<double>() < rounding * rows.abs().max().item<double>());
  CHECK((rows.norm(2, {1}) - 55).abs().max().item<double>() < rounding * 55);
  for (const int64_t row : {0, 999, 1000, 2099}) {
    CHECK(torch::equal(out.slice(0, row, row + 1),
                       normalize_contrast(images.slice(0, row, row + 1))));
  }
  // Neither brightness nor contrast of what comes in matters.
  const auto x = images.to(torch::kDouble);
  require_result([&] { return std::vector{normalize_contrast(x * 0.3 + 17)}; },
                 {normalize_contrast(x)});
}

TEST_CASE("normalize_contrast makes a constant image 0", "[data]") {
  const auto bytes = torch::full({2, 3, 32, 32}, 200, torch::kUInt8);
  CHECK(normalize_contrast(bytes).eq(0).all().item<bool>());
  const auto tenths = torch::full({2, 3, 32, 32}, 0.1, torch::kFloat32);
  CHECK(normalize_contrast(tenths).eq(0).all().item<bool>());
  auto one = bytes.clone();
  one[1][0][0][0] = 201;  // the least contrast that bytes can have
  const auto out = normalize_contrast(one);
  CHECK(out[0].eq(0).all().item<bool>());
  CHECK(std::abs(out[1].to(torch::kDouble).norm().item<double>() - 55) <
        gamma(2, torch::kFloat) * 55);
}

TEST_CASE("normalize_contrast keeps an empty set and lets NaN show", "[data]") {
  CHECK(normalize_contrast(torch::zeros({0, 3, 2, 2})).sizes() == torch::IntArrayRef({0, 3, 2, 2}));
  const auto nan = torch::full({1, 4}, std::nan(""), torch::kFloat32);
  CHECK(normalize_contrast(nan).isnan().all().item<bool>());
}

TEST_CASE("normalize_contrast refuses what are no images", "[data]") {
  const auto call = [](const torch::Tensor& images, double norm = 55) {
    return error_text([&] { normalize_contrast(images, {.norm = norm}); });
  };
  CHECK(call(torch::zeros({2, 3}, torch::kInt64)) ==
        "normalize_contrast: expected uint8 or floating images but got Long.");
  CHECK(call(torch::Tensor()) ==
        "normalize_contrast: expected uint8 or floating images but got an undefined tensor.");
  CHECK(call(torch::zeros({})) == "normalize_contrast: expected images [N, ...] but got a scalar.");
  CHECK(call(torch::zeros({3})) ==
        "normalize_contrast: expected images of at least 1 element but got [3].");
  CHECK(call(torch::zeros({3, 0})) ==
        "normalize_contrast: expected images of at least 1 element but got [3, 0].");
  CHECK(call(torch::zeros({3, 1}), 0) == "normalize_contrast: expected a norm above 0 but got 0.");
}
