#include <ladder/data/row_hashes.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <torch/torch.h>

#include <cstdint>
#include <vector>

using ladder::data::repeated_hashes;
using ladder::data::row_hashes;
using ladder::testing::error_text;

TEST_CASE("row_hashes are equal for equal rows alone", "[data]") {
  torch::manual_seed(1);
  const auto rows = torch::randn({500, 7});
  const auto hashes = row_hashes(rows);
  CHECK(hashes.scalar_type() == torch::kInt64);
  CHECK(hashes.sizes().vec() == std::vector<int64_t>{500});
  CHECK_FALSE(repeated_hashes(hashes).any().item<bool>());
  // The layout in memory does not count, and one number that differs does.
  CHECK(row_hashes(rows.t().contiguous().t()).equal(hashes));
  const auto other = rows.clone();
  other[3][6] += 1;
  CHECK(row_hashes(other).ne(hashes).nonzero().equal(torch::tensor({{3}}, torch::kInt64)));
  const auto images = torch::randint(0, 256, {10, 1, 4, 4}, torch::kByte);
  CHECK(torch::isin(row_hashes(images.slice(0, 2, 5)), row_hashes(images)).all().item<bool>());
  CHECK(row_hashes(torch::empty({0, 3})).numel() == 0);
  CHECK(error_text([] { row_hashes(torch::tensor(1.0)); }) ==
        "row_hashes: expected rows [N, ...] but got a single number.");
}

TEST_CASE("repeated_hashes marks every row that another one equals", "[data]") {
  const auto rows = torch::tensor({{1, 2}, {3, 4}, {1, 2}, {5, 6}, {3, 4}, {1, 2}});
  CHECK(repeated_hashes(row_hashes(rows))
            .equal(torch::tensor({true, true, true, false, true, true})));
}
