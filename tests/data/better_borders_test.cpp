#include "ladder/data/better_borders.h"

#include <torch/torch.h>

#include "ladder/data/neighbours.h"
#include "tests/support/bars.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"

using namespace ladder;
using namespace ladder::testing;
using data::better_borders;
using data::BetterBorderOptions;
using data::nearest_neighbours;

namespace {

// The classes after a look.
torch::Tensor moved(const torch::Tensor& better, const torch::Tensor& classes) {
  return torch::where(better.ge(0), better, classes);
}

// The part of the neighbours of the smaller class that lie beyond the border, by the formula of the
// header: W between both classes, beside k rows.
double cut(const torch::Tensor& neighbours, const torch::Tensor& two) {
  const auto n = neighbours.size(0), k = neighbours.size(1);
  const auto directed = torch::zeros({n, n}, torch::kDouble).scatter(1, neighbours, 1);
  const auto weights = (directed + directed.t()) / 2;
  const auto first = two.eq(0).to(torch::kDouble);
  const auto fewer = std::min(first.sum().item<double>(), (1 - first).sum().item<double>());
  return first.dot(weights.mv(1 - first)).item<double>() / (static_cast<double>(k) * fewer);
}

}  // namespace

TEST_CASE("better_borders finds the gap that a border misses", "[data]") {
  const auto data = two_bars(800, 0.5);
  const auto near = nearest_neighbours(data.x, {.k = 8});
  REQUIRE(cut(near, data.bars) == 0);  // no row has a neighbour beyond the gap
  REQUIRE(cut(near, data.halves) > 0);
  const auto better = better_borders(near, data.halves, data.labels);
  require_equal(moved(better, data.halves), data.bars);
  require_equal(better.ge(0), data.halves.ne(data.bars));
  // A border at the gap stays.
  CHECK(better_borders(near, data.bars, data.labels).eq(-1).all().item<bool>());
  // Classes of other names, and a third class far away.
  const auto far = two_bars(200, 0.5);
  const auto x = torch::cat({data.x, far.x + 1000});
  const auto third = torch::full({200}, 0, torch::kLong);
  const auto named = [&](const torch::Tensor& two) { return torch::cat({2 - two, third}); };
  const auto labels = torch::cat({torch::where(data.labels.ge(0), 2 - data.labels, data.labels),
                                  torch::full({200}, -1, torch::kLong)});
  const auto of_three = better_borders(nearest_neighbours(x, {.k = 8}), named(data.halves), labels);
  require_equal(moved(of_three, named(data.halves)), named(data.bars));
}

TEST_CASE("better_borders asks the labels of both classes", "[data]") {
  const auto data = two_bars(800, 0.5);
  const auto near = nearest_neighbours(data.x, {.k = 8});
  const auto stays = [&](const torch::Tensor& labels) {
    return better_borders(near, data.halves, labels).eq(-1).all().item<bool>();
  };
  CHECK_FALSE(stays(data.labels));
  // Labels that lie in the halves agree with one bar or the other by half.
  auto of_halves = torch::full({800}, -1, torch::kLong);
  of_halves.narrow(0, 0, 40).copy_(data.halves.narrow(0, 0, 40));
  CHECK(stays(of_halves));
  // One class without a label: nothing says which side is whose.
  CHECK(stays(data.labels.clone().masked_fill_(data.labels.eq(1), -1)));
  // Two of twenty labels may disagree, more may not.
  const auto wrong = [&](int64_t count) {
    auto labels = data.labels.clone();
    const auto zeros = labels.eq(0).nonzero().flatten();
    return labels.index_fill_(0, zeros.narrow(0, 0, count), 1);
  };
  auto of_wrong = data.halves.clone();  // as the network has it: its labeled rows are right
  for (const int64_t count : {2, 3}) {
    const auto labels = wrong(count);
    const auto classes = torch::where(labels.ge(0), labels, of_wrong);
    CHECK(better_borders(near, classes, labels).eq(-1).all().item<bool>() == (count > 2));
  }
}

TEST_CASE("better_borders keeps the few labels of one class on its side", "[data]") {
  // All labels lie in one bar: a border at the gap leaves 36 of 40 right, but none of class 1.
  const auto data = two_bars(800, 0.5);
  const auto near = nearest_neighbours(data.x, {.k = 8});
  auto labels = torch::full({800}, -1, torch::kLong);
  const auto of_bar = [&](int64_t bar) { return data.bars.eq(bar).nonzero().flatten(); };
  labels.index_fill_(0, of_bar(0).narrow(0, 0, 36), 0);
  labels.index_fill_(0, of_bar(0).narrow(0, 36, 4), 1);
  const auto classes = torch::where(labels.ge(0), labels, data.halves);
  CHECK(better_borders(near, classes, labels).eq(-1).all().item<bool>());
}

TEST_CASE("better_borders takes a border with a much smaller cut only", "[data]") {
  // Bars that touch in places: a border along them has a cut, too.
  const auto data = two_bars(800, 0.05);
  const auto near = nearest_neighbours(data.x, {.k = 8});
  const double now = cut(near, data.halves);
  const auto found =
      moved(better_borders(near, data.halves, data.labels, {.times = 1.01}), data.halves);
  const double then = cut(near, found);
  REQUIRE(then < now / 1.01);
  const double ratio = now / then;
  require_equal(
      moved(better_borders(near, data.halves, data.labels, {.times = ratio * 0.99}), data.halves),
      found);
  CHECK(better_borders(near, data.halves, data.labels, {.times = ratio * 1.01})
            .eq(-1)
            .all()
            .item<bool>());
  // No pair to look at.
  CHECK(better_borders(near, data.halves, data.labels, {.pairs = 0}).eq(-1).all().item<bool>());
}

TEST_CASE("better_borders gives the same rows on any number of threads", "[data]") {
  const auto data = two_bars(3000, 0.05);
  const auto near = nearest_neighbours(data.x, {.k = 8});
  const auto on = [&](int threads) {
    const ThreadsOfTest of_test(threads);
    return better_borders(near, data.halves, data.labels, {.times = 1.01});
  };
  const auto one = on(1);
  REQUIRE(one.ge(0).any().item<bool>());
  require_equal(on(2), one);
  require_equal(on(3), one);
}

TEST_CASE("better_borders says what it expects", "[data]") {
  const auto data = two_bars(40, 0.5);
  const auto near = nearest_neighbours(data.x, {.k = 3});
  const auto error = [&](const torch::Tensor& neighbours, const torch::Tensor& classes,
                         const torch::Tensor& labels, const BetterBorderOptions& options = {}) {
    return error_text([&] { better_borders(neighbours, classes, labels, options); });
  };
  const auto& classes = data.bars;
  const auto& labels = data.labels;
  CHECK(error(near, classes.to(torch::kInt), labels) ==
        "better_borders: expected int64 classes [rows], from 0, but got Int [40].");
  CHECK(error(near, classes - 1, labels) ==
        "better_borders: expected int64 classes [rows], from 0, but got Long [40].");
  CHECK(error(near, classes, labels.narrow(0, 0, 39)) ==
        "better_borders: expected int64 labels [40] but got Long [39].");
  CHECK(error({}, classes, labels) ==
        "better_borders: expected int64 neighbours [40, k] but got an undefined tensor.");
  CHECK(error(near + 1, classes, labels) ==
        "better_borders: expected neighbours in 0..39 but got 40.");
  CHECK(error(near, classes, labels, {.pairs = -1}) ==
        "better_borders: expected pairs of at least 0 but got -1.");
  CHECK(error(near, classes, labels, {.times = 1}) ==
        "better_borders: expected times above 1 but got 1.");
}
