#include "ladder/core/finite.h"

#include <torch/torch.h>

#include <limits>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"

using namespace ladder;  // NOLINT
using ladder::testing::error_text;

namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("check_finite names the first NaN or infinite number", "[core]") {
  for (const auto type : {torch::kFloat, torch::kDouble, torch::kBFloat16, torch::kHalf}) {
    INFO(type);
    auto x = torch::full({9, 4}, -60000.0, type);
    CHECK_NOTHROW(check_finite("Ladder", "x", x));
    x[8][1] = -kInfinite;
    CHECK(error_text([&] { check_finite("Ladder", "x", x); }) ==
          "Ladder: expected x to hold finite numbers but got -inf in row 8, column 1.");
    x[7][2] = kNaN;
    x[7][3] = kInfinite;
    CHECK(error_text([&] { check_finite("Ladder", "x", x); }) ==
          "Ladder: expected x to hold finite numbers but got nan in row 7, column 2.");
    // Columns in memory order, views and rows with several dimensions.
    CHECK(error_text([&] { check_finite("Ladder", "x", x.t()); }) ==
          "Ladder: expected x to hold finite numbers but got -inf in row 1, column 8.");
    CHECK(error_text([&] { check_finite("Ladder", "x", x.narrow(1, 3, 1)); }) ==
          "Ladder: expected x to hold finite numbers but got inf in row 7, column 0.");
    CHECK_NOTHROW(check_finite("Ladder", "x", x.narrow(1, 0, 1)));
    CHECK(error_text([&] {
            check_finite("Ladder", "x", x.reshape({3, 3, 2, 2}));
          }) ==
          "Ladder: expected x to hold finite numbers but got nan in row 2, column [1, 1, 0].");
    CHECK(error_text([&] { check_finite("Ladder", "x", x.select(1, 1)); }) ==
          "Ladder: expected x to hold finite numbers but got -inf in row 8.");
  }
}

TEST_CASE("find_not_finite takes the largest numbers, no numbers and other types", "[core]") {
  const auto largest = torch::full({3, 5}, std::numeric_limits<float>::max());
  CHECK_FALSE(find_not_finite(largest).has_value());
  CHECK_FALSE(find_not_finite(torch::empty({0, 5})).has_value());
  CHECK_FALSE(find_not_finite(torch::full({2, 2}, 255, torch::kByte)).has_value());
  // More rows than are compared at once, of a type without a loop of its own.
  auto many = torch::zeros({10000, 2}, torch::kBFloat16);
  many[9999][1] = kNaN;
  const auto found = find_not_finite(many);
  REQUIRE(found.has_value());
  CHECK(found->row == 9999);
  CHECK(found->column == std::vector<int64_t>{1});
  CHECK(std::isnan(found->value));
}

TEST_CASE("check_finite takes a scalar for one row", "[core]") {
  CHECK_NOTHROW(check_finite("Ladder", "x", torch::full({}, 2.0)));
  CHECK(error_text([&] { check_finite("Ladder", "x", torch::full({}, kNaN)); }) ==
        "Ladder: expected x to hold finite numbers but got nan in row 0.");
}

TEST_CASE("check_finite reads tensors on a GPU", "[core][cuda]") {
  if (!torch::cuda::is_available()) {
    LADDER_SKIP("no CUDA device");
  }
  auto x = torch::zeros({9, 4}, torch::kCUDA);
  CHECK_NOTHROW(check_finite("Ladder", "x", x));
  x[7][2] = kNaN;
  CHECK(error_text([&] { check_finite("Ladder", "x", x); }) ==
        "Ladder: expected x to hold finite numbers but got nan in row 7, column 2.");
}
