#include <ladder/data/image_whitening.h>
#include <tests/support/bounds.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <torch/torch.h>

#include <cmath>

using ladder::data::ImageWhitening;
using ladder::data::normalize_contrast;
using ladder::data::ZcaWhitening;
using ladder::testing::error_text;

namespace {

torch::Tensor random_bytes(int64_t rows) {
  return torch::randint(0, 256, {rows, 3, 4, 5}).to(torch::kUInt8);
}

}  // namespace

TEST_CASE("ImageWhitening: contrast of each image, then ZCA of all", "[data]") {
  torch::manual_seed(1);
  const auto train = random_bytes(300), test = random_bytes(2500);  // more than one chunk
  const auto whitening = ImageWhitening::fit(train, {.norm = 7}, {.ridge = 0.02});
  CHECK(whitening.contrast_norm == 7);
  const auto y = whitening.apply(test);
  REQUIRE(y.sizes() == test.sizes());
  REQUIRE(y.scalar_type() == torch::kFloat32);

  const auto wide = [](const torch::Tensor& images) {
    return normalize_contrast(images.to(torch::kDouble), {.norm = 7});
  };
  const auto zca = ZcaWhitening::fit(wide(train), {.ridge = 0.02});
  const auto c = wide(test);
  // c, m, their difference and W are rounded to float32, then 60 products are summed. W is fitted
  // to rows that were rounded to float32: for eigenvalues of at least the ridge r that changes it,
  // in norm, by at most 2 u |c|^2 / (2 r^(3/2)), and m by at most u |c|.
  const double u = 0x1p-24, norm = 7, ridge = 0.02;
  const auto terms = (c.flatten(1).abs() + zca.mean().abs()).mm(zca.whitening().abs());
  const double refit =
      2 * norm * u * norm * norm / std::pow(ridge, 1.5) + u * norm / std::sqrt(ridge);
  const auto bound = terms * ladder::testing::gamma(60 + 4, torch::kFloat) + refit;
  const auto difference = (y.to(torch::kDouble) - zca.apply(c)).abs().flatten(1);
  CHECK((difference - bound).max().item<double>() < 0);

  // Images do not depend on each other, but for the order in which a product adds.
  const auto alone = whitening.apply(test.slice(0, 2100, 2101)).to(torch::kDouble);
  const auto there = y.slice(0, 2100, 2101).to(torch::kDouble);
  CHECK(((alone - there).abs().flatten(1) - 2 * bound.slice(0, 2100, 2101)).max().item<double>() <
        0);
}

TEST_CASE("ImageWhitening: an image of one value has no contrast", "[data]") {
  torch::manual_seed(2);
  const auto whitening = ImageWhitening::fit(random_bytes(100));
  const auto flat = whitening.apply(torch::full({1, 3, 4, 5}, 9, torch::kUInt8));
  const auto expected =
      -whitening.mean.to(torch::kDouble).unsqueeze(0).mm(whitening.map.to(torch::kDouble));
  const auto terms = whitening.mean.abs()
                         .to(torch::kDouble)
                         .unsqueeze(0)
                         .mm(whitening.map.abs().to(torch::kDouble));
  const auto difference = (flat.flatten(1).to(torch::kDouble) - expected).abs();
  CHECK((difference - terms * ladder::testing::gamma(60, torch::kFloat)).max().item<double>() <= 0);
  CHECK(whitening.apply(torch::zeros({0, 3, 4, 5}, torch::kUInt8)).sizes() ==
        torch::IntArrayRef({0, 3, 4, 5}));
}

TEST_CASE("ImageWhitening: refuses other images and parts that do not fit", "[data]") {
  torch::manual_seed(3);
  auto whitening = ImageWhitening::fit(random_bytes(100));
  const auto refusal = [&](const torch::Tensor& images) {
    return error_text([&] { whitening.apply(images); });
  };
  CHECK(refusal(torch::Tensor()) ==
        "ImageWhitening: expected images [N, ...] of uint8 or float32 but got an undefined "
        "tensor.");
  CHECK(refusal(random_bytes(2).to(torch::kLong)) ==
        "ImageWhitening: expected images [N, ...] of uint8 or float32 but got Long [2, 3, 4, 5].");
  CHECK(refusal(random_bytes(2).slice(1, 0, 1)) ==
        "ImageWhitening: expected the mean of a whitening as Float [20] but got Float [60].");
  const auto whole = whitening;
  whitening.map = whole.map.to(torch::kDouble);
  CHECK(refusal(random_bytes(2)) ==
        "ImageWhitening: expected the map of a whitening as Float [60, 60] but got Double [60, "
        "60].");
  whitening.map = whole.map.clone();
  whitening.map[3][4] = std::nan("");
  CHECK(refusal(random_bytes(2)) ==
        "ImageWhitening: expected finite numbers in the map of a whitening but got others.");
  whitening = whole;
  whitening.contrast_norm = 0;
  CHECK(refusal(random_bytes(2)) == "ImageWhitening: expected a contrast norm above 0 but got 0.");
  CHECK(error_text([] {
          ImageWhitening::fit(random_bytes(1));
        }).starts_with("ZcaWhitening: expected at least 2 rows "));
}
