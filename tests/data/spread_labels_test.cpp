#include "ladder/data/spread_labels.h"

#include <torch/torch.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "ladder/core/random.h"
#include "ladder/data/neighbours.h"
#include "ladder/ops/noise.h"
#include "tests/support/bounds.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"

using namespace ladder;
using namespace ladder::testing;
using data::nearest_neighbours;
using data::spread_labels;
using data::SpreadLabelOptions;

namespace {

// Rows [n, 2] of three clouds that touch, and their classes.
std::pair<torch::Tensor, torch::Tensor> clouds(int64_t rows) {
  const auto classes = torch::arange(rows).remainder(3);
  const auto centres = torch::tensor({{0.0, 0.0}, {3.0, 0.0}, {1.5, 2.6}}, torch::kFloat);
  const auto noise = ops::standard_normal(NoiseDraw{1, 0, {}}, rows, 2, torch::kFloat);
  return {centres.index_select(0, classes) + noise, classes};
}

// Labels of the first `count` rows.
torch::Tensor first_labels(const torch::Tensor& classes, int64_t count) {
  auto labels = classes.clone();
  labels.narrow(0, count, classes.size(0) - count).fill_(-1);
  return labels;
}

// The formulas of the header, with dense matrices in double.
struct DenseGraph {
  torch::Tensor weights, degrees, sources;  // W [n, n], D [n, 1], F [n, classes]

  DenseGraph(const torch::Tensor& x, const torch::Tensor& neighbours, const torch::Tensor& labels,
             double sharpness) {
    const auto exact = x.to(torch::kDouble);
    const auto squares = (exact.unsqueeze(1) - exact.unsqueeze(0)).square().sum(2);
    const auto near = squares.gather(1, neighbours);
    const auto last = near.narrow(1, neighbours.size(1) - 1, 1);
    const auto directed =
        torch::zeros_like(squares).scatter(1, neighbours, (-sharpness * near / last).exp());
    weights = (directed + directed.t()) / 2;
    degrees = weights.sum(1, true);
    const auto labeled = labels.ge(0);
    const auto own = torch::one_hot(labels.clamp_min(0)).to(torch::kDouble);
    const auto parts = own.index({labeled}).mean(0);
    sources = (own - parts) * labeled.unsqueeze(1);
  }

  torch::Tensor diffuse(torch::Tensor u, int64_t steps) const {
    for (int64_t step = 0; step < steps; ++step) u = (weights.mm(u) + sources) / degrees;
    return u;
  }

  double cut(const torch::Tensor& classes) const {
    const auto differ = classes.unsqueeze(1).ne(classes.unsqueeze(0));
    return (weights * differ).sum().item<double>() / 2;
  }
};

// Require that some offset of each class makes `classes` those of the largest u + offset: of rows
// of two classes, the difference of both values is never larger where the second one is found.
void require_largest_with_offsets(const torch::Tensor& u, const torch::Tensor& classes,
                                  double tolerance) {
  for (int64_t a = 0; a < u.size(1); ++a) {
    for (int64_t b = 0; b < u.size(1); ++b) {
      if (a == b) continue;
      const auto more = u.select(1, a) - u.select(1, b);
      const auto least = more.masked_select(classes.eq(a)).min().item<double>();
      const auto most = more.masked_select(classes.eq(b)).max().item<double>();
      INFO("classes " << a << " and " << b);
      CHECK(least > most - tolerance);
    }
  }
}

// A step averages, so the errors of steps add up. One step: the weights have 3 roundings of squares
// of differences, times the exponent, and few more; a sum has one for each edge of a row.
double rounding_bound(const torch::Tensor& u, const torch::Tensor& near, int64_t steps) {
  const auto edges = near.size(1) + near.flatten().bincount().max().item<int64_t>();
  return 2 * gamma(steps * (2 * edges + 40), torch::kFloat) * u.abs().max().item<double>();
}

}  // namespace

TEST_CASE("spread_labels takes the largest values of the diffusion, in equal shares", "[data]") {
  const auto [x, classes] = clouds(900);
  const auto near = nearest_neighbours(x, {.k = 6});
  const auto labels = first_labels(classes, 6);
  const DenseGraph dense(x, near, labels, 3);
  const auto rest = torch::arange(6, 900);
  const auto rows_of = [&](const torch::Tensor& t) { return t.index_select(0, rest); };
  const SpreadLabelOptions once{
      .share_tolerance = 0.002, .sharpness = 3, .first_steps = 50, .rounds = 0, .pairs = 0};
  const auto first = spread_labels(x, near, labels, once);
  require_equal(first.narrow(0, 0, 6), labels.narrow(0, 0, 6));
  const auto u = dense.diffuse(torch::zeros({900, 3}, torch::kDouble), 50);
  require_largest_with_offsets(rows_of(u), rows_of(first), rounding_bound(u, near, 50));
  for (int64_t c = 0; c < 3; ++c) {
    CHECK(std::abs(first.eq(c).sum().item<int64_t>() - 300) <= 1);
  }
  // One more diffusion, from these classes.
  auto again = once;
  again.rounds = 1;
  again.steps = 20;
  const auto second = spread_labels(x, near, labels, again);
  const auto v = dense.diffuse(torch::one_hot(first).to(torch::kDouble), 20);
  require_largest_with_offsets(rows_of(v), rows_of(second), rounding_bound(v, near, 20));
  CHECK(second.ne(first).any().item<bool>());
  // Clouds overlap: some 13 % of the rows are nearer to the centre of another one.
  CHECK(spread_labels(x, near, labels).ne(classes).sum().item<int64_t>() < 225);
}

TEST_CASE("spread_labels divides the rows by the given shares", "[data]") {
  const auto [x, classes] = clouds(3000);
  const auto near = nearest_neighbours(x);
  const auto found =
      spread_labels(x, near, first_labels(classes, 3),
                    {.shares = {0.5, 0.2, 0.3}, .share_tolerance = 0.05, .rounds = 3, .pairs = 0});
  const std::vector<int64_t> expected = {1500, 600, 900};
  for (int64_t c = 0; c < 3; ++c) {
    const auto wanted = expected[static_cast<size_t>(c)];
    // A twentieth of them, and the three rows with a label.
    CHECK(std::abs(found.eq(c).sum().item<int64_t>() - wanted) <= wanted / 20 + 3);
  }
}

TEST_CASE("spread_labels finds a border that it missed at first", "[data]") {
  // Two bars side by side with a gap. Class 0 has its label at the left end, class 1 at the right
  // one: labels reach the near half of both bars first.
  const int64_t rows = 1200;
  const auto classes = torch::arange(rows).remainder(2);
  const auto along = permutation(rows, 3).to(torch::kFloat) / static_cast<double>(rows) * 6;
  const auto across = permutation(rows, 4).to(torch::kFloat) / static_cast<double>(rows);
  const auto x = torch::stack({along, across + 1.12 * classes.to(torch::kFloat)}, 1);
  auto labels = torch::full({rows}, -1, torch::kLong);
  const auto own = classes.eq(0);
  const auto left = torch::where(own, along, 100).argmin().item<int64_t>();
  const auto right = torch::where(own, -100, along).argmax().item<int64_t>();
  labels[left] = 0;
  labels[right] = 1;
  const auto near = nearest_neighbours(x);
  const auto at_first = spread_labels(x, near, labels, {.pairs = 0});
  const auto found = spread_labels(x, near, labels);
  CHECK(at_first.ne(classes).sum().item<int64_t>() > rows / 4);
  CHECK(found.ne(classes).sum().item<int64_t>() < rows / 50);
  const DenseGraph dense(x, near, labels, 4);
  CHECK(dense.cut(found) < dense.cut(at_first));
}

TEST_CASE("spread_labels weighs a border by the rows that it leaves the smaller class", "[data]") {
  // Three clusters in a row. The first one, of 200 rows, is class 0; the others, of 50 and 150, are
  // class 1. 24 edges of weight 1/2 join the first to the second and 22 the second to the third. So
  // the border between the last two has the smaller cut, 11 in place of 12, but leaves class 1 only
  // 150 rows: 11/150 > 12/200.
  constexpr int64_t k = 11;
  const std::vector<int64_t> begins = {0, 200, 250, 400};
  auto near = torch::empty({400, k}, torch::kLong);
  for (size_t c = 0; c < 3; ++c) {
    const auto n = begins[c + 1] - begins[c];
    const auto inside = torch::arange(n).view({-1, 1}).mul(7).add(torch::arange(k).mul(13));
    near.narrow(0, begins[c], n).copy_(inside.remainder(n) + begins[c]);
  }
  for (int64_t i = 0; i < 24; ++i) near[i][0] = 200 + 2 * i;        // first to second
  for (int64_t i = 0; i < 22; ++i) near[201 + 2 * i][0] = 250 + i;  // second to third
  const auto classes = torch::arange(400).ge(200).to(torch::kLong);
  auto labels = torch::full({400}, -1, torch::kLong);
  labels[150] = 0;
  labels[350] = 1;
  const auto edges_across = [&](const torch::Tensor& two) {
    return two.unsqueeze(1).ne(two.index({near})).sum().item<int64_t>();
  };
  REQUIRE(edges_across(classes) == 24);
  REQUIRE(edges_across(torch::arange(400).ge(250)) == 22);
  const SpreadLabelOptions halves{.share_tolerance = 0.01, .sharpness = 0};
  require_equal(spread_labels(torch::zeros({400, 1}), near, labels, halves), classes);
}

TEST_CASE("spread_labels: threads, bytes and classes without a label", "[data]") {
  const auto [x, classes] = clouds(1500);
  const auto near = nearest_neighbours(x);
  const auto labels = first_labels(classes, 3);
  check_same_on_threads([&] { return std::vector{spread_labels(x, near, labels)}; });
  const auto bytes = ((x + 8) * 10).clamp(0, 255).to(torch::kUInt8);
  const auto of_bytes = spread_labels(bytes, near, labels);
  require_equal(of_bytes, spread_labels(bytes.to(torch::kFloat) / 255, near, labels));
  // Rows all alike, and a fourth class that has no label.
  const auto same = torch::zeros({20, 2});
  const auto ring = torch::arange(20).unsqueeze(1).add(torch::tensor({1, 2})).remainder(20);
  const auto four =
      spread_labels(same, ring, first_labels(torch::arange(20).remainder(3), 3), {.classes = 4});
  CHECK(four.ge(0).all().item<bool>());
  CHECK(four.lt(4).all().item<bool>());
}

TEST_CASE("spread_labels lets classes trade places where the rows around labels say so", "[data]") {
  // Two clusters of n rows without an edge between them. The labels of class 0 have 6 edges to the
  // first and 5 to the second one. Of those of class 1, one has 6 edges to the second and 5 to the
  // first one, and one, out of place, is in the middle of the first. Each label is a source of half
  // a unit, so that what flows into the first cluster is
  //
  //     6/11 of class 0 - (5/22 + 1/2) of class 1 < 0
  //
  // and its rows take class 1 at first, with a label of class 1 beside them. But three of four
  // labels have most edges to a cluster that then has the other class.
  constexpr int64_t n = 100, k = 11;
  const auto in_cluster =
      torch::arange(2 * n + 4).view({-1, 1}).mul(7).add(torch::arange(k).mul(13)).remainder(n);
  auto near = in_cluster.clone();
  near.narrow(0, n, n) += n;
  for (int64_t i = 0; i < 40; ++i) near[i][0] = 2 * n + 3;
  for (int64_t label = 0; label < 2; ++label) near[2 * n + label].narrow(0, 6, 5) += n;
  near[2 * n + 2].narrow(0, 0, 6) += n;
  auto labels = torch::full({2 * n + 4}, -1, torch::kLong);
  labels.narrow(0, 2 * n, 4).copy_(torch::tensor({0, 0, 1, 1}));
  const auto classes = spread_labels(torch::zeros({2 * n + 4, 1}), near, labels, {.sharpness = 0});
  CHECK(classes.narrow(0, 0, n).eq(0).all().item<bool>());
  CHECK(classes.narrow(0, n, n).eq(1).all().item<bool>());
  require_equal(classes.narrow(0, 2 * n, 4), torch::tensor({0, 0, 1, 1}));
}

TEST_CASE("spread_labels says what it expects", "[data]") {
  const auto x = torch::arange(8).to(torch::kFloat).view({4, 2});
  const auto near = torch::tensor({{1}, {0}, {3}, {2}});
  const auto labels = torch::tensor({0, -1, 1, -1});
  const auto sentence = [&](const torch::Tensor& rows, const torch::Tensor& neighbours,
                            const torch::Tensor& y, const SpreadLabelOptions& options = {}) {
    return error_text([&] { spread_labels(rows, neighbours, y, options); });
  };
  CHECK(sentence({}, near, labels) ==
        "spread_labels: expected rows x [n, ...] but got an undefined tensor.");
  CHECK(sentence(x, near.to(torch::kInt), labels) ==
        "spread_labels: expected int64 neighbours [4, k] but got Int [4, 1].");
  CHECK(sentence(x, near + 1, labels) == "spread_labels: expected neighbours in 0..3 but got 4.");
  CHECK(sentence(x, near, labels.narrow(0, 0, 3)) ==
        "spread_labels: expected int64 labels [4] but got Long [3].");
  CHECK(sentence(x, near, torch::full({4}, -1, torch::kLong)) ==
        "spread_labels: expected a label of at least one row but got none.");
  CHECK(sentence(x, near, labels, {.classes = 1}) ==
        "spread_labels: expected labels below 1 classes but got 1.");
  CHECK(sentence(x, near, labels, {.classes = 1001}) ==
        "spread_labels: expected at most 1000 classes but got 1001 (it compares each class with "
        "each other one).");
  CHECK(sentence(x, near, labels, {.shares = {0.5, 0.4}}) ==
        "spread_labels: expected a share above 0 for each of 2 classes, together 1, but got 0.5 "
        "0.4.");
  CHECK(sentence(x, near, labels, {.sharpness = -1}) ==
        "spread_labels: expected a sharpness of at least 0 but got -1.");
  CHECK(sentence(x, near, labels, {.share_tolerance = 1}) ==
        "spread_labels: expected a share_tolerance from 0 to below 1 but got 1.");
  CHECK(sentence(x, near, labels, {.fine_steps = 0}) ==
        "spread_labels: expected fine_steps of at least 1 but got 0.");
}
