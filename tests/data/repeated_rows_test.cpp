#include "ladder/data/repeated_rows.h"

#include <torch/torch.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/data/label_column.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

namespace {

namespace data = ladder::data;
using ladder::testing::error_text;
using ladder::testing::require_equal;
using ladder::testing::row_list;

}  // namespace

TEST_CASE("Repeat rare: every class has as many rows as the largest", "[data]") {
  const auto labels = row_list({0, 1, 0, 0, 2, 0, 2, -1});
  require_equal(data::repeat_rare(row_list({0, 1, 2, 3, 4, 6}), labels, 4),
                row_list({0, 1, 1, 1, 2, 3, 4, 4, 6}));
}

TEST_CASE("Repeat weighted: rows come as often as their weights say", "[data]") {
  const auto weights = torch::tensor({1.0, 0.5, 0.0, 1.5, 7.0}, torch::kDouble);
  require_equal(data::repeat_weighted(row_list({0, 1, 3}), weights), row_list({0, 0, 1, 3, 3, 3}));
  require_equal(data::repeat_weighted(row_list({0, 2}), weights), row_list({0}));
  const auto alike = torch::full({3}, 0.3, torch::kDouble);
  require_equal(data::repeat_weighted(row_list({0, 1, 2}), alike), row_list({0, 1, 2}));
}

TEST_CASE("Repeat weighted: other proportions are rounded, and no row is lost", "[data]") {
  const auto weights = torch::tensor({1.0, 1.7, 0.001, 5.3}, torch::kDouble);
  const auto counts =
      torch::bincount(data::repeat_weighted(row_list({0, 1, 2, 3}), weights), {}, 4);
  const double all = data::kMaxRepeats * 4;
  for (int64_t row : {0, 1, 3}) {
    const double wanted = all * weights[row].item<double>() / weights.sum().item<double>();
    CAPTURE(row);
    CHECK(std::abs(static_cast<double>(counts[row].item<int64_t>()) - wanted) < 1);
  }
  CHECK(counts[2].item<int64_t>() == 1);
}

TEST_CASE("Repeat weighted: weights whose sum float64 does not hold count by their ratios",
          "[data]") {
  const auto weights = torch::tensor({1e308, 1e308, 1e308, 1.0}, torch::kDouble);
  const auto counts =
      torch::bincount(data::repeat_weighted(row_list({0, 1, 2, 3}), weights), {}, 4);
  CHECK(counts[3].item<int64_t>() == 1);
  CHECK(counts.slice(0, 0, 3).min().item<int64_t>() >= 10);  // 8 times 4 rows, less one, by 3
}

TEST_CASE("Repeat weighted: refuses weights below 0 and rows without a weight", "[data]") {
  const auto of = [](const std::vector<double>& values) {
    const auto weights = torch::tensor(values, torch::kDouble);
    return error_text([&] { data::repeat_weighted(row_list({0, 1}), weights); });
  };
  CHECK(of({1, -2}) ==
        "repeat_weighted: expected finite weights of at least 0 but got -2 (row 1).");
  CHECK(of({0, 0}) == "repeat_weighted: expected a row with a weight above 0 but got none of 2.");
}
