#include "ladder/data/internal/row_checks.h"

#include <torch/torch.h>

#include <limits>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"

using ladder::data::check_finite;
using ladder::data::check_labels;
using ladder::data::check_neighbours;
using ladder::testing::error_text;

TEST_CASE("check_labels names the range and the first row outside of it", "[data]") {
  const auto labels = torch::tensor({0, 2, -1, 3, 1}, torch::kInt64);
  CHECK(error_text([&] { check_labels("X", "test", labels, {}, 4, true); }) == "(no error)");
  CHECK(error_text([&] { check_labels("X", "test", labels, {}, 3, true); }) ==
        "X: expected labels of the test rows in 0..2, or -1 for none, but got 3 (row 3).");
  CHECK(error_text([&] { check_labels("X", "labeled", labels, {}, 4, false); }) ==
        "X: expected labels of the labeled rows in 0..3 but got -1 (row 2).");
  CHECK(error_text([&] { check_labels("X", "test", labels - 1, {}, 4, true); }) ==
        "X: expected labels of the test rows in 0..3, or -1 for none, but got -2 (row 2).");
  const auto some = torch::tensor({4, 3, 0}, torch::kInt64);
  CHECK(error_text([&] { check_labels("X", "labeled", labels, some, 4, false); }) == "(no error)");
  CHECK(error_text([&] { check_labels("X", "labeled", labels, some, 2, false); }) ==
        "X: expected labels of the labeled rows in 0..1 but got 3 (row 3).");
}

TEST_CASE("check_finite names the first row and column that is not", "[data]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    auto x = torch::rand({3000, 7}, type);
    CHECK(error_text([&] { check_finite("X", "inputs", x); }) == "(no error)");
    x[2999][0] = nan;
    x[2047][6] = -infinity;
    CHECK(error_text([&] { check_finite("X", "inputs", x); }) ==
          "X: expected inputs to hold finite numbers but got -inf in row 2047, column 6.");
    x[17][2] = nan;
    CHECK(error_text([&] { check_finite("X", "inputs", x); })
              .starts_with(
                  "X: expected inputs to hold finite numbers but got nan in row 17, column 2."));
    // Rows that are not used may hold anything.
    CHECK(error_text([&] { check_finite("X", "inputs", x, torch::arange(17)); }) == "(no error)");
    CHECK(error_text([&] {
            check_finite("X", "inputs", x, torch::tensor({2999, 5}, torch::kInt64));
          })
              .starts_with(
                  "X: expected inputs to hold finite numbers but got nan in row 2999, column 0."));
  }
  auto maps = torch::zeros({4, 3, 5, 6});
  maps[2][1][4][3] = infinity;
  CHECK(error_text([&] { check_finite("X", "maps", maps); })
            .starts_with(
                "X: expected maps to hold finite numbers but got inf in row 2, column [1, 4, 3]."));
  CHECK(error_text([&] { check_finite("X", "maps", maps.to(torch::kUInt8)); }) == "(no error)");
  CHECK(error_text([&] { check_finite("X", "none", torch::empty({0, 3})); }) == "(no error)");
}

TEST_CASE("check_neighbours names the rows that there are", "[data]") {
  const auto near = torch::tensor({{1, 2}, {0, 2}, {1, 0}}, torch::kInt64);
  CHECK(error_text([&] { check_neighbours("X", near, 3); }) == "(no error)");
  CHECK(error_text([&] { check_neighbours("X", near, 4); }) ==
        "X: expected int64 neighbours [4, k] but got Long [3, 2].");
  CHECK(error_text([&] { check_neighbours("X", near.to(torch::kFloat), 3); }) ==
        "X: expected int64 neighbours [3, k] but got Float [3, 2].");
  CHECK(error_text([&] { check_neighbours("X", near.narrow(1, 0, 0), 3); }) ==
        "X: expected int64 neighbours [3, k] but got Long [3, 0].");
  CHECK(error_text([&] { check_neighbours("X", near + 1, 3); }) ==
        "X: expected neighbours in 0..2 but got 3.");
  CHECK(error_text([&] { check_neighbours("X", near - 1, 3); }) ==
        "X: expected neighbours in 0..2 but got -1.");
}
