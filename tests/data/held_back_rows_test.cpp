#include "ladder/data/held_back_rows.h"

#include <torch/torch.h>

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

TEST_CASE("Hold back: takes each class's share and never its last row", "[data]") {
  std::vector<int64_t> labels;
  for (int i = 0; i < 100; ++i) labels.push_back(i < 70 ? 0 : i < 99 ? 1 : 2);
  labels.insert(labels.end(), 20, -1);
  const auto all = row_list(labels);
  const auto held = data::hold_back(all, 3, 0.1, 5);
  CHECK(held.numel() == 10);
  const auto of = all.index_select(0, held);
  CHECK(of.eq(0).sum().item<int64_t>() == 7);
  CHECK(of.eq(1).sum().item<int64_t>() == 3);
  require_equal(data::hold_back(all, 3, 0.1, 5), held);
  CHECK_FALSE(data::hold_back(all, 3, 0.1, 6).equal(held));
  CHECK(data::hold_back(all, 3, 0, 5).numel() == 0);
  CHECK(data::hold_back(all, 3, 0.9, 5).numel() == 90);
  CHECK(data::hold_back(row_list({0, 1, 2}), 3, 0.5, 1).numel() == 0);
  CHECK(error_text([&] { data::hold_back(all, 3, 1, 5); }) ==
        "hold_back: expected a share from 0 to below 1 but got 1.");
}

TEST_CASE("Stratified folds: every labeled row is in one fold, classes evenly", "[data]") {
  std::vector<int64_t> labels;
  for (int i = 0; i < 50; ++i) labels.push_back(i % 5 == 0 ? -1 : i % 2);
  const auto all = row_list(labels);
  const auto folds = data::stratified_folds(all, 2, 4, 1);
  for (int64_t fold = 0; fold < 4; ++fold) {
    const auto in = folds.eq(fold);
    CHECK(in.sum().item<int64_t>() == 10);
    CHECK(in.logical_and(all.eq(0)).sum().item<int64_t>() == 5);
  }
  CHECK(folds.eq(-1).equal(all.lt(0)));
  CHECK(error_text([&] { data::stratified_folds(all, 2, 1, 1); }) ==
        "stratified_folds: expected 2 to 40 folds for 40 labeled rows but got 1.");
  CHECK(error_text([] {
          data::stratified_folds(row_list({0, 1, -1}), 2, 3, 1);
        }) == "stratified_folds: expected 2 to 2 folds for 2 labeled rows but got 3.");
}

TEST_CASE("hold_back gives rows of other classes for other seeds", "[data]") {
  // A tenth of 20 classes of 3 rows: 6 rows, of 6 classes.
  const auto labels = torch::arange(60) % 20;
  auto seen = torch::zeros({20}, torch::kBool);
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const auto rows = data::hold_back(labels, 20, 0.1, seed);
    CHECK(rows.numel() == 6);
    seen.index_fill_(0, labels.index_select(0, rows), true);
  }
  CHECK(seen.all().item<bool>());  // one class is never drawn with a chance of 20 (14/20)^40
}
