#include "ladder/data/block_order.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

#include "tests/support/catch.h"

using ladder::data::BlockOrder;
using ladder::data::BlockSizes;
using ladder::data::sample_rows;

namespace {

std::vector<int64_t> values(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<int64_t>(), tensor.const_data_ptr<int64_t>() + tensor.numel()};
}

}  // namespace

TEST_CASE("BlockOrder: is a permutation for any sizes", "[data]") {
  for (const int64_t n : {1, 2, 7, 64, 100, 1000, 1001}) {
    for (const int64_t rows : {1, 3, 10, 64, 5000}) {
      for (const int64_t blocks : {1, 2, 7, 64}) {
        INFO(n << ", " << rows << ", " << blocks);
        const BlockOrder order(n, 5, {.rows = rows, .blocks = blocks});
        auto all = values(order.elements(0, n));
        std::sort(all.begin(), all.end());
        REQUIRE(all == values(at::arange(n, at::kLong)));
        // So are its blocks.
        std::vector<int64_t> by_block;
        for (int64_t block = 0; block < order.blocks(); ++block) {
          const auto of_block = values(order.block(block));
          by_block.insert(by_block.end(), of_block.begin(), of_block.end());
        }
        std::sort(by_block.begin(), by_block.end());
        REQUIRE(by_block == all);
      }
    }
  }
}

TEST_CASE("BlockOrder: gives the same elements in any parts", "[data]") {
  const BlockOrder order(1003, 9, {.rows = 10, .blocks = 4});
  const auto whole = values(order.elements(0, 1003));
  std::vector<int64_t> parts;
  for (int64_t begin = 0, count = 1; begin < 1003; begin += count, count = count * 3 % 97 + 1) {
    const auto part = values(order.elements(begin, std::min(count, 1003 - begin)));
    parts.insert(parts.end(), part.begin(), part.end());
  }
  CHECK(parts == whole);
  CHECK(values(BlockOrder(1003, 9, {.rows = 10, .blocks = 4}).elements(0, 1003)) == whole);
  CHECK(values(BlockOrder(1003, 10, {.rows = 10, .blocks = 4}).elements(0, 1003)) != whole);
}

TEST_CASE("BlockOrder: what an element needs was asked for", "[data]") {
  for (const int64_t n : {1000, 1003, 65, 10}) {
    const BlockSizes sizes{.rows = 10, .blocks = 8};
    const BlockOrder order(n, 3, sizes);
    const auto all = values(order.elements(0, n));
    std::set<int64_t> there;
    int64_t asked = 0, most = 0;
    for (int64_t i = 0; i < n; ++i) {
      INFO(n << ", element " << i);
      for (; asked < std::min(order.asked_until(i), order.blocks()); ++asked) {
        for (const auto number : values(order.block(asked))) there.insert(number);
      }
      REQUIRE(there.count(all[static_cast<size_t>(i)]) == 1);
      // The first block that is needed has the element or comes before that of the element.
      bool in_window = false;
      for (auto block = order.first_needed(i);
           block < std::min(order.blocks(), order.first_needed(i) + sizes.blocks); ++block) {
        const auto numbers = values(order.block(block));
        in_window = in_window || std::find(numbers.begin(), numbers.end(),
                                           all[static_cast<size_t>(i)]) != numbers.end();
      }
      REQUIRE(in_window);
      most = std::max(most, asked - order.first_needed(i));
    }
    CHECK(most <= 2 * sizes.blocks);  // two windows are in use
  }
}

TEST_CASE("BlockOrder: neighbours of a window come from all its blocks", "[data]") {
  // 640 elements fall into 64 blocks like draws without replacement: chi-square of 63 degrees of
  // freedom has mean 63 and standard deviation sqrt(126).
  const int64_t n = 1'000'000, rows = 1000;
  for (const uint64_t seed : {1U, 2U, 3U, 4U}) {
    const BlockOrder order(n, seed, {.rows = rows, .blocks = 64});
    const auto window = values(order.elements(0, 640));
    std::vector<std::vector<int64_t>> blocks;
    for (int64_t block = 0; block < 64; ++block) blocks.push_back(values(order.block(block)));
    double chi = 0, covered = 0;
    for (const auto& block : blocks) {
      const auto count = std::count_if(window.begin(), window.end(), [&](int64_t number) {
        return (number - block.front() + n) % n < rows;
      });
      chi += (static_cast<double>(count) - 10) * (static_cast<double>(count) - 10) / 10;
      covered += static_cast<double>(count);
    }
    // 1,000 blocks in 16 windows: the first has 62.
    CHECK(order.first_needed(62 * rows - 1) == 0);
    CHECK(order.first_needed(62 * rows) == 62);
    CHECK(covered == 640);
    CHECK(std::abs(chi - 63) < 5 * std::sqrt(126.0));
  }
}

TEST_CASE("BlockOrder: says what it cannot permute", "[data]") {
  CHECK_THROWS_WITH(BlockOrder(0, 1, {.rows = 1}),
                    Catch::Contains("BlockOrder: expected at least 1 row but got 0."));
  CHECK_THROWS_WITH(BlockOrder(5, 1, {.rows = 0}),
                    Catch::Contains("BlockOrder: expected at least 1 row in a block but got 0."));
  CHECK_THROWS_WITH(
      BlockOrder(5, 1, {.rows = 1, .blocks = 0}),
      Catch::Contains("BlockOrder: expected at least 1 block in a window but got 0."));
  const BlockOrder order(5, 1, {.rows = 2});
  CHECK_THROWS_WITH(order.elements(3, 3),
                    Catch::Contains("BlockOrder: expected elements of 5 but got 3 from 3 on."));
  CHECK_THROWS_WITH(order.block(3),
                    Catch::Contains("BlockOrder: expected a block below 3 but got 3."));
}

TEST_CASE("sample_rows: draws the wanted number of rows in short runs at many places", "[data]") {
  for (const int64_t n : {10, 1000, 33'000, 100'000}) {
    for (const int64_t count : {1, 9, 999, 32'100, 32'999, 64'000}) {
      INFO(n << ", " << count);
      const auto rows = sample_rows(n, count, 3);
      REQUIRE(rows.numel() == std::min(n, count));
      CHECK(rows.min().item<int64_t>() >= 0);
      CHECK(rows.max().item<int64_t>() < n);
      if (rows.numel() > 1) CHECK(rows.diff().gt(0).all().item<bool>());
    }
  }
  const auto rows = sample_rows(10'000'000, 100'000, 1);
  const auto places = rows.diff().ne(1).sum().item<int64_t>() + 1;
  CHECK(places <= 100'000 / 32 + 1);  // a run may turn from the last row to the first
  CHECK(places >= 3000);  // two of 3,125 runs in 312,500 rarely touch: expected 31 times
  CHECK(at::equal(rows, sample_rows(10'000'000, 100'000, 1)));
  CHECK_FALSE(at::equal(rows, sample_rows(10'000'000, 100'000, 2)));
  // Mean of uniform draws: the runs are 3,125 draws of deviation n / sqrt(12).
  const double mean = rows.to(at::kDouble).mean().item<double>();
  CHECK(std::abs(mean - 5e6) < 5 * 1e7 / std::sqrt(12.0 * 3125));
}
