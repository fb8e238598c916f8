#include <ladder/data/split.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <torch/torch.h>

#include <vector>

using ladder::data::Balance;
using ladder::data::draw_labeled;
using ladder::data::kAllLabels;
using ladder::data::make_split;
using ladder::data::Split;
using ladder::data::SplitOptions;
using ladder::testing::error_text;

namespace {

// `counts[c]` rows of class c, -1 last where `unknown` is given, in a scattered order.
torch::Tensor scattered(const std::vector<int64_t>& counts, int64_t unknown = 0) {
  std::vector<torch::Tensor> parts;
  for (size_t c = 0; c < counts.size(); ++c) {
    parts.push_back(torch::full({counts[c]}, static_cast<int64_t>(c), torch::kInt64));
  }
  parts.push_back(torch::full({unknown}, -1, torch::kInt64));
  const torch::Tensor labels = torch::cat(parts);
  const torch::Tensor order = torch::arange(labels.numel()).mul(7919).remainder(10007).argsort();
  return labels.index_select(0, order);
}

torch::Tensor counts_of(const torch::Tensor& labels, const torch::Tensor& rows, int64_t classes) {
  return torch::bincount(labels.index_select(0, rows), {}, classes);
}

torch::Tensor long_tensor(const std::vector<int64_t>& values) {
  return torch::tensor(values, torch::kInt64);
}

bool ascending_rows(const torch::Tensor& rows) {
  return rows.scalar_type() == torch::kInt64 && rows.dim() == 1 &&
         (rows.numel() < 2 || rows.diff().gt(0).all().item<bool>());
}

bool contains(const torch::Tensor& all, const torch::Tensor& part) {
  return torch::isin(part, all).all().item<bool>();
}

}  // namespace

TEST_CASE("draw_labeled draws equally many rows of each class", "[data]") {
  const torch::Tensor labels = scattered({40, 31, 100});
  for (const int64_t count : {3, 30, 93}) {
    const torch::Tensor rows = draw_labeled(labels, count, 3, 1);
    CHECK(ascending_rows(rows));
    CHECK(torch::equal(counts_of(labels, rows, 3), torch::full({3}, count / 3, torch::kInt64)));
  }
}

TEST_CASE("draw_labeled depends on its seed and on nothing else", "[data]") {
  const torch::Tensor labels = scattered({500, 500});
  torch::manual_seed(1);
  const torch::Tensor rows = draw_labeled(labels, 20, 2, 1);
  torch::manual_seed(2);
  const torch::Tensor before = torch::rand({1});
  torch::manual_seed(2);
  CHECK(torch::equal(draw_labeled(labels, 20, 2, 1), rows));
  CHECK(torch::equal(torch::rand({1}), before));
  CHECK_FALSE(torch::equal(draw_labeled(labels, 20, 2, 2), rows));
  CHECK(contains(draw_labeled(labels, 100, 2, 1), rows));
  CHECK(contains(draw_labeled(labels, 100, 2, 1, Balance::kUnbalanced),
                 draw_labeled(labels, 19, 2, 1, Balance::kUnbalanced)));
}

TEST_CASE("draw_labeled reaches every row over the seeds", "[data]") {
  const torch::Tensor labels = scattered({5, 5});
  torch::Tensor hits = torch::zeros({10}, torch::kInt64);
  for (uint64_t seed = 0; seed < 500; ++seed) {
    hits.index_add_(0, draw_labeled(labels, 2, 2, seed), torch::ones({2}, torch::kInt64));
  }
  // 100 expected for each row, with a standard deviation of 9.
  CHECK(hits.min().item<int64_t>() > 60);
  CHECK(hits.max().item<int64_t>() < 140);
}

TEST_CASE("draw_labeled returns every row when all are asked for", "[data]") {
  const torch::Tensor labels = scattered({4, 9, 2});
  CHECK(torch::equal(draw_labeled(labels, 15, 3, 1), torch::arange(15)));
  CHECK(torch::equal(draw_labeled(labels, kAllLabels, 3, 1), torch::arange(15)));
  CHECK(torch::equal(draw_labeled(labels, kAllLabels, 3, 1, Balance::kUnbalanced),
                     torch::arange(15)));
}

TEST_CASE("draw_labeled without balance takes any count", "[data]") {
  const torch::Tensor labels = scattered({2, 500, 3});
  const torch::Tensor rows = draw_labeled(labels, 17, 3, 4, Balance::kUnbalanced);
  CHECK(rows.numel() == 17);
  CHECK(ascending_rows(rows));
  CHECK_FALSE(torch::equal(rows, draw_labeled(labels, 17, 3, 5, Balance::kUnbalanced)));
}

TEST_CASE("draw_labeled never draws a row without a label", "[data]") {
  const torch::Tensor labels = scattered({6, 6}, 200);
  for (const Balance balance : {Balance::kBalanced, Balance::kUnbalanced}) {
    const torch::Tensor rows = draw_labeled(labels, 10, 2, 1, balance);
    CHECK(labels.index_select(0, rows).ge(0).all().item<bool>());
  }
  const torch::Tensor all = draw_labeled(labels, kAllLabels, 2, 1);
  CHECK(torch::equal(all, labels.ge(0).nonzero().squeeze(1)));
}

TEST_CASE("draw_labeled says what is wrong with a count", "[data]") {
  const torch::Tensor labels = scattered({50, 50, 50, 4});
  const auto error_of = [&](int64_t count, int64_t classes = 4) {
    return error_text([&] { draw_labeled(labels, count, classes, 1); });
  };
  CHECK(error_of(0) == "draw_labeled: expected at least 1 label, or kAllLabels, but got 0.");
  CHECK(error_of(-2) == "draw_labeled: expected at least 1 label, or kAllLabels, but got -2.");
  CHECK(error_of(155) ==
        "draw_labeled: expected at most 154 labels, as many as rows with a label, but got 155.");
  CHECK(error_of(10) ==
        "draw_labeled: expected a number of labels divisible by the 4 classes but got 10 (the "
        "nearest are 8 and 12).");
  CHECK(error_of(3) ==
        "draw_labeled: expected a number of labels divisible by the 4 classes but got 3 (the "
        "nearest is 4).");
  CHECK(error_of(153) ==
        "draw_labeled: expected a number of labels divisible by the 4 classes but got 153 (the "
        "nearest is 152).");
  CHECK(error_of(5, 200) ==
        "draw_labeled: expected a number of labels divisible by the 200 classes but got 5 "
        "(Balance::kUnbalanced takes any count).");
  CHECK(error_of(20) ==
        "draw_labeled: expected at least 5 rows of class 3 but got 4 (ask for fewer labels, or "
        "for Balance::kUnbalanced).");
}

TEST_CASE("draw_labeled says what is wrong with the labels", "[data]") {
  const auto error_of = [](const torch::Tensor& labels, int64_t classes) {
    return error_text([&] { draw_labeled(labels, 1, classes, 1); });
  };
  CHECK(error_of(long_tensor({0, 1, 3}), 3) ==
        "draw_labeled: expected labels in 0..2, or -1 for none, but got 3.");
  CHECK(error_of(long_tensor({0, -2}), 3) ==
        "draw_labeled: expected labels in 0..2, or -1 for none, but got -2.");
  CHECK(error_of(long_tensor({-1, -1}), 3) ==
        "draw_labeled: expected rows with a label but got none.");
  CHECK(error_of(torch::zeros({0}, torch::kInt64), 3) ==
        "draw_labeled: expected rows with a label but got none.");
  CHECK(error_of(torch::zeros({4}), 3) ==
        "draw_labeled: expected int64 labels [rows] but got Float [4].");
  CHECK(error_of(torch::zeros({4, 1}, torch::kInt64), 3) ==
        "draw_labeled: expected int64 labels [rows] but got Long [4, 1].");
  CHECK(error_of(torch::Tensor(), 3) ==
        "draw_labeled: expected int64 labels [rows] but got an undefined tensor.");
  CHECK(error_of(long_tensor({0}), 0) == "draw_labeled: expected at least 1 class but got 0.");
}

TEST_CASE("make_split divides the rows with labeled rows among the unlabeled ones", "[data]") {
  const torch::Tensor labels = scattered({90, 80, 70}, 33);
  const Split split = make_split(labels, 3, {.labels = 60, .validation = 31, .seed = 9});
  CHECK(ascending_rows(split.labeled));
  CHECK(ascending_rows(split.unlabeled));
  CHECK(ascending_rows(split.validation));
  CHECK(torch::equal(std::get<0>(torch::cat({split.unlabeled, split.validation}).sort()),
                     torch::arange(labels.numel())));
  CHECK(contains(split.unlabeled, split.labeled));
  CHECK(torch::equal(counts_of(labels, split.labeled, 3), long_tensor({20, 20, 20})));
  CHECK(torch::equal(counts_of(labels, split.validation, 3), long_tensor({11, 10, 10})));
}

TEST_CASE("make_split without validation draws as draw_labeled does", "[data]") {
  const torch::Tensor labels = scattered({90, 80, 70});
  const Split split = make_split(labels, 3, {.labels = 12, .seed = 5});
  CHECK(split.validation.numel() == 0);
  CHECK(split.validation.scalar_type() == torch::kInt64);
  CHECK(torch::equal(split.unlabeled, torch::arange(240)));
  CHECK(torch::equal(split.labeled, draw_labeled(labels, 12, 3, 5)));
}

TEST_CASE("make_split balances validation as far as the classes allow", "[data]") {
  const torch::Tensor labels = scattered({3, 100, 20});
  const auto shares = [&](int64_t validation) {
    const Split split = make_split(
        labels, 3,
        {.labels = 1, .validation = validation, .seed = 2, .balance = Balance::kUnbalanced});
    return counts_of(labels, split.validation, 3);
  };
  CHECK(torch::equal(shares(8), long_tensor({3, 3, 2})));
  CHECK(torch::equal(shares(9), long_tensor({3, 3, 3})));
  CHECK(torch::equal(shares(30), long_tensor({3, 14, 13})));
  CHECK(torch::equal(shares(53), long_tensor({3, 30, 20})));
  CHECK(torch::equal(shares(122), long_tensor({3, 99, 20})));
}

TEST_CASE("make_split keeps validation and labels in streams of their own", "[data]") {
  const torch::Tensor labels = scattered({400, 400, 400, 400});
  const Split none = make_split(labels, 4, {.labels = 80, .seed = 3});
  const Split some = make_split(labels, 4, {.labels = 80, .validation = 200, .seed = 3});
  const Split more = make_split(labels, 4, {.labels = 80, .validation = 203, .seed = 3});
  const Split other_labels = make_split(labels, 4, {.labels = 40, .validation = 200, .seed = 3});
  const Split other_seed = make_split(labels, 4, {.labels = 80, .validation = 200, .seed = 4});

  const torch::Tensor left =
      none.labeled.masked_select(torch::isin(none.labeled, some.validation).logical_not());
  CHECK(left.numel() < 80);
  CHECK(contains(some.labeled, left));
  CHECK(contains(more.validation, some.validation));
  CHECK(torch::equal(other_labels.validation, some.validation));
  CHECK(contains(some.labeled, other_labels.labeled));
  CHECK_FALSE(torch::equal(other_seed.validation, some.validation));
  CHECK_FALSE(torch::equal(other_seed.labeled, some.labeled));
  // Labeled rows are not those that validation drew first: the two draws are unrelated.
  CHECK_FALSE(contains(
      make_split(labels, 4, {.labels = 4, .validation = 400, .seed = 3}).validation, none.labeled));
}

TEST_CASE("make_split gives all remaining rows a label when asked for all", "[data]") {
  const torch::Tensor labels = scattered({30, 20}, 10);
  const Split split = make_split(labels, 2, {.labels = kAllLabels, .validation = 10});
  CHECK(split.labeled.numel() == 40);
  CHECK(split.unlabeled.numel() == 50);
  CHECK(
      torch::equal(make_split(labels, 2, {.labels = 40, .validation = 10}).labeled, split.labeled));
}

TEST_CASE("make_split says what is wrong with its options", "[data]") {
  const torch::Tensor labels = scattered({30, 20}, 10);
  const auto error_of = [&](const SplitOptions& options) {
    return error_text([&] { make_split(labels, 2, options); });
  };
  CHECK(error_of({.labels = 2, .validation = 50}) ==
        "make_split: expected 0 to 49 validation rows but got 50 (50 rows have a label).");
  CHECK(error_of({.labels = 2, .validation = -1}) ==
        "make_split: expected 0 to 49 validation rows but got -1 (50 rows have a label).");
  CHECK(error_of({.labels = 50, .validation = 10}) ==
        "make_split: expected at most 40 labels, as many as rows with a label besides the 10 for "
        "validation, but got 50.");
  CHECK(error_of({.labels = 15}) ==
        "make_split: expected a number of labels divisible by the 2 classes but got 15 (the "
        "nearest are 14 and 16).");
  CHECK(error_text([] { make_split(long_tensor({-1}), 2, {.labels = 2}); }) ==
        "make_split: expected rows with a label but got none.");
}
