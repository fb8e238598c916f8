#include "ladder/data/neighbours.h"

#include <torch/torch.h>

#include <limits>
#include <set>
#include <thread>
#include <vector>

#include "ladder/core/random.h"
#include "ladder/ops/noise.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

using namespace ladder;
using namespace ladder::testing;
using data::nearest_neighbours;

namespace {

// The k nearest rows of `row` among those of `pool`, by distances computed one by one.
torch::Tensor one_by_one(const torch::Tensor& x, int64_t row, const torch::Tensor& pool,
                         int64_t k) {
  const auto exact = x.to(torch::kDouble);
  auto distances = (exact.index_select(0, pool) - exact[row]).norm(2, 1);
  distances.masked_fill_(pool.eq(row), std::numeric_limits<double>::infinity());
  return pool.index_select(0, std::get<1>(distances.topk(k, 0, /*largest=*/false)));
}

}  // namespace

TEST_CASE("nearest_neighbours finds the nearest rows, and not the row itself", "[data]") {
  // On a line: gaps 1, 2, 4, 8.
  const auto line = torch::tensor({0.0F, 1.0F, 3.0F, 7.0F, 15.0F}).unsqueeze(1);
  require_equal(nearest_neighbours(line, {.k = 2}),
                torch::tensor({{1, 2}, {0, 2}, {1, 0}, {2, 1}, {3, 2}}, torch::kInt64));
  // More rows than one block.
  const auto x = ops::standard_normal(NoiseDraw{3, 0, {}}, 1100, 4, torch::kFloat32);
  const auto found = nearest_neighbours(x, {.k = 5});
  for (const int64_t row : {0, 499, 500, 999, 1099}) {
    require_equal(found[row], one_by_one(x, row, torch::arange(1100), 5));
  }
  require_equal(nearest_neighbours(x.view({1100, 2, 2}), {.k = 5}), found);
  require_equal(nearest_neighbours(x, {.k = 5, .pool = 1100}), found);
  const auto bytes = torch::tensor({0, 10, 30}, torch::kUInt8).unsqueeze(1);
  require_equal(nearest_neighbours(bytes, {.k = 1}), torch::tensor({{1}, {0}, {1}}, torch::kInt64));
}

TEST_CASE("nearest_neighbours looks among the rows of a pool", "[data]") {
  const auto x = ops::standard_normal(NoiseDraw{3, 0, {}}, 1100, 4, torch::kFloat32);
  const auto found = nearest_neighbours(x, {.k = 3, .pool = 50, .seed = 2});
  const auto pool = permutation(1100, 2).narrow(0, 0, 50);
  for (const int64_t row : {int64_t{0}, int64_t{700}, pool[0].item<int64_t>()}) {
    require_equal(found[row], one_by_one(x, row, pool, 3));
  }
  require_equal(nearest_neighbours(x, {.k = 3, .pool = 50, .seed = 2}), found);
  CHECK_FALSE(nearest_neighbours(x, {.k = 3, .pool = 50, .seed = 3}).equal(found));
}

TEST_CASE("nearest_neighbours finds nearly all of them by principal components", "[data]") {
  // 3,000 rows of 80 columns that lie near 6 dimensions, some 1 % of their variance beside them.
  const auto draw = [](uint64_t seed, int64_t rows, int64_t columns) {
    return ops::standard_normal(NoiseDraw{seed, 0, {}}, rows, columns, torch::kFloat32);
  };
  const auto x = draw(1, 3000, 6).mm(draw(2, 6, 80)) + 0.25 * draw(3, 3000, 80);
  const auto exact = nearest_neighbours(x, {.k = 5});
  const auto found = nearest_neighbours(x, {.k = 5, .exact = false});
  const auto there = found.unsqueeze(2).eq(exact.unsqueeze(1)).any(2).to(torch::kDouble);
  CHECK(there.mean().item<double>() > 0.9);
  CHECK_FALSE(found.eq(torch::arange(3000).unsqueeze(1)).any().item<bool>());
  require_equal(nearest_neighbours(x, {.k = 5, .exact = false}), found);
  // Of those that were found the first is the nearest.
  const auto first = found.select(1, 0);
  const auto distances = [&](const torch::Tensor& rows) {
    return (x - x.index_select(0, rows)).to(torch::kDouble).norm(2, 1);
  };
  CHECK(distances(first).le(distances(found.select(1, 4))).all().item<bool>());
  // Rows whose variance lies in all columns are searched exactly.
  const auto flat = draw(4, 500, 20);
  require_equal(nearest_neighbours(flat, {.k = 5, .exact = false}),
                nearest_neighbours(flat, {.k = 5}));
}

TEST_CASE("SharedNeighbours finds them once, for all who ask", "[data]") {
  const auto x = ops::standard_normal(NoiseDraw{1, 0, {}}, 400, 6, torch::kFloat);
  const auto rows = torch::arange(0, 400, 2);
  data::SharedNeighbours near(x, rows, {.k = 3});
  CHECK(near.options().k == 3);
  std::vector<torch::Tensor> asked(4);
  std::vector<std::thread> threads;
  for (auto& one : asked) threads.emplace_back([&] { one = near.get(); });
  for (auto& thread : threads) thread.join();
  const auto expected = nearest_neighbours(x.index_select(0, rows), {.k = 3});
  for (const auto& one : asked) {
    require_equal(one, expected);
    CHECK(one.is_same(asked.front()));
  }
  require_equal(data::SharedNeighbours(x).get(), nearest_neighbours(x, {.exact = false}));
}

TEST_CASE("nearest_neighbours says what it expects", "[data]") {
  const auto x = torch::rand({3, 12});
  CHECK(error_text([&] { nearest_neighbours(x, {.k = 3}); }) ==
        "nearest_neighbours: expected at least 4 rows, for 3 neighbours each, but got [3, 12].");
  CHECK(error_text([&] { nearest_neighbours(x, {.k = 0}); }) ==
        "nearest_neighbours: expected k of at least 1 but got 0.");
  CHECK(error_text([&] { nearest_neighbours(x, {.k = 1, .pool = -1}); }) ==
        "nearest_neighbours: expected a pool of at least 0 rows but got -1.");
  CHECK(error_text([&] { nearest_neighbours(x, {.k = 2, .pool = 2}); }) ==
        "nearest_neighbours: expected a pool of at least 3 rows, for 2 neighbours each, but got "
        "2.");
  CHECK(error_text([] { nearest_neighbours({}); }) ==
        "nearest_neighbours: expected at least 11 rows, for 10 neighbours each, but got "
        "an undefined tensor.");
  CHECK(error_text([&] { nearest_neighbours(x * 1e25, {.k = 1}); }) ==
        "nearest_neighbours: expected rows whose squared length is below 2^126 but got longer ones "
        "(divide x by a number).");
  // Squared lengths are finite, the distance is not.
  const auto far = torch::tensor({1.5e19F, -1.5e19F}).unsqueeze(1);
  for (const bool pooled : {false, true}) {
    const auto rows = pooled ? torch::cat({far, torch::zeros({1, 1})}) : far;
    CHECK(error_text([&] { nearest_neighbours(rows, {.k = 1, .pool = pooled ? 2 : 0}); }) ==
          "nearest_neighbours: expected rows whose squared length is below 2^126 but got longer "
          "ones (divide x by a number).");
  }
  CHECK(error_text([&] { nearest_neighbours(far.to(torch::kDouble).sign() * 1e154, {.k = 1}); }) ==
        "nearest_neighbours: expected rows whose squared length is below 2^1022 but got longer "
        "ones (divide x by a number).");
  require_equal(nearest_neighbours(far * 0.6, {.k = 1}), torch::tensor({{1}, {0}}, torch::kInt64));
  auto bad = x.clone();
  bad[1][2] = NAN;
  CHECK(error_text([&] {
          nearest_neighbours(bad, {.k = 1});
        }).starts_with("nearest_neighbours: expected"));
}
