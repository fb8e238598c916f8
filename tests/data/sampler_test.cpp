#include <ladder/data/row_source.h>
#include <ladder/data/sampler.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/require_close.h>
#include <torch/torch.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

using ladder::SemiBatch;
using ladder::data::SamplerOptions;
using ladder::data::SemiData;
using ladder::data::SemiSampler;
using ladder::testing::error_text;

namespace {

// Row r holds the values r, r + 0.5 and has label r % 7.
SemiData numbered(int64_t rows, int64_t labeled, int64_t unlabeled) {
  const torch::Tensor row = torch::arange(rows);
  return {torch::stack({row.to(torch::kFloat32), row.to(torch::kFloat32) + 0.5f}, 1),
          row.remainder(7), torch::arange(labeled) * (rows / std::max<int64_t>(labeled, 1)),
          torch::arange(rows - unlabeled, rows)};
}

torch::Tensor sorted(const torch::Tensor& values) { return std::get<0>(values.sort()); }

torch::Tensor rows_in(const torch::Tensor& x) { return x.select(1, 0).to(torch::kInt64); }

// The rows of `numbered` as a source that keeps what it was asked for.
class Numbered : public ladder::data::RowSource {
 public:
  Numbered(int64_t rows, int64_t width) : rows_(rows), width_(width) {}
  int64_t rows() const override { return rows_; }
  std::vector<int64_t> row_shape() const override { return {width_}; }
  torch::Tensor inputs(const torch::Tensor& rows) const override {
    for (int64_t i = 0; i < rows.numel(); ++i) {
      unexpected += !everything_expected && expected.count(rows[i].item<int64_t>()) == 0 ? 1 : 0;
    }
    read += rows.numel();
    return rows.to(torch::kFloat32).unsqueeze(1).expand({-1, width_}).contiguous();
  }
  torch::Tensor labels(const torch::Tensor& rows) const override { return rows.remainder(7); }
  void expect(const torch::Tensor& rows) const override {
    for (int64_t i = 0; i < rows.numel(); ++i) expected.insert(rows[i].item<int64_t>());
    runs += rows.diff().ne(1).sum().item<int64_t>() + 1;
    ++calls;
  }
  std::string fingerprint() const override { return "numbered"; }

  mutable std::set<int64_t> expected;
  mutable int64_t unexpected = 0, read = 0, runs = 0, calls = 0;
  bool everything_expected = false;

 private:
  int64_t rows_, width_;
};

std::string construct_error(const SemiData& data, const SamplerOptions& options) {
  return error_text([&] { SemiSampler(data, options); });
}

}  // namespace

TEST_CASE("known_labels keeps the labels that a run may read", "[data]") {
  const auto labels = torch::tensor({2, 0, 1, 1}, torch::kInt64);
  const auto some = torch::tensor({3, 0}, torch::kInt64);
  ladder::testing::require_equal(ladder::data::known_labels({.labels = labels, .labeled = some}),
                                 torch::tensor({2, -1, -1, 1}, torch::kInt64));
  ladder::testing::require_equal(ladder::data::known_labels({.labels = labels}),
                                 torch::full({4}, -1, torch::kInt64));
}

TEST_CASE("SemiSampler hands out matching rows and labels", "[data]") {
  SemiSampler sampler(numbered(50, 5, 40), {.unlabeled_batch = 8, .labeled_batch = 3});
  for (int64_t step = 0; step < 7; ++step) {
    const SemiBatch batch = sampler.batch(step);
    CHECK(batch.x_labeled.sizes() == torch::IntArrayRef({3, 2}));
    CHECK(batch.x_unlabeled.sizes() == torch::IntArrayRef({8, 2}));
    CHECK(torch::equal(batch.y, rows_in(batch.x_labeled).remainder(7)));
    CHECK(torch::equal(rows_in(batch.x_labeled), sampler.labeled_rows(step)));
    CHECK(torch::equal(rows_in(batch.x_unlabeled), sampler.unlabeled_rows(step)));
    CHECK(torch::equal(batch.unlabeled_rows, sampler.unlabeled_rows(step)));
    CHECK(batch.x_unlabeled.select(1, 1)
              .sub(batch.x_unlabeled.select(1, 0))
              .eq(0.5)
              .all()
              .item<bool>());
  }
}

TEST_CASE("SemiSampler goes over every unlabeled row once an epoch", "[data]") {
  const SemiData data = numbered(60, 6, 40);
  SemiSampler sampler(data, {.unlabeled_batch = 8});
  REQUIRE(sampler.steps_per_epoch() == 5);
  torch::Tensor first;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<torch::Tensor> rows;
    for (int64_t step = 0; step < 5; ++step) {
      rows.push_back(rows_in(sampler.batch(5 * epoch + step).x_unlabeled));
    }
    const torch::Tensor order = torch::cat(rows);
    CHECK(torch::equal(sorted(order), data.unlabeled));
    CHECK_FALSE(torch::equal(order, data.unlabeled));
    if (epoch == 0) first = order;
    if (epoch > 0) CHECK_FALSE(torch::equal(order, first));
  }
}

TEST_CASE("SemiSampler pairs rows with neighbours in the epochs that want it", "[data]") {
  constexpr int64_t kRows = 40, kBatch = 9, kHalf = 4;  // of unlabeled rows, the last of 50
  auto data = numbered(50, 5, kRows);
  SemiSampler alone(data, {.unlabeled_batch = kBatch, .labeled_batch = 3});
  // The neighbours of place p: the two behind it.
  const auto places = torch::arange(kRows);
  data.neighbours = torch::stack({(places + 1) % kRows, (places + 2) % kRows}, 1);
  data.paired_from = 1;
  data.paired_until = 3;
  SemiSampler paired(data, {.unlabeled_batch = kBatch, .labeled_batch = 3});
  std::set<int64_t> distances;
  for (int64_t step = 0; step < 4 * paired.steps_per_epoch(); ++step) {
    const auto epoch = step / paired.steps_per_epoch();
    const auto before = alone.unlabeled_rows(step);
    const auto rows = paired.unlabeled_rows(step);
    const bool expected = epoch == 1 || epoch == 2;
    CHECK(paired.batch(step).paired == expected);
    CHECK_FALSE(alone.batch(step).paired);
    CHECK(paired.labeled_rows(step).equal(alone.labeled_rows(step)));
    if (!expected) {
      CHECK(rows.equal(before));
      continue;
    }
    CHECK(rows.narrow(0, 0, kHalf).equal(before.narrow(0, 0, kHalf)));
    CHECK(rows[kBatch - 1].equal(before[kBatch - 1]));  // has no pair
    for (int64_t n = 0; n < kHalf; ++n) {
      const auto place = [&](int64_t of) { return rows[of].item<int64_t>() - 10; };
      distances.insert((place(n + kHalf) - place(n) + kRows) % kRows);
    }
  }
  CHECK(distances == std::set<int64_t>{1, 2});
  // Whatever was asked before.
  const auto step = 2 * paired.steps_per_epoch() + 1;
  const auto first = SemiSampler(data, {.unlabeled_batch = kBatch}).unlabeled_rows(step);
  CHECK(first.equal(paired.unlabeled_rows(step)));
}

TEST_CASE("SemiSampler says what is wrong with neighbours", "[data]") {
  const auto error = [](const torch::Tensor& neighbours) {
    auto data = numbered(50, 5, 40);
    data.neighbours = neighbours;
    return construct_error(data, {.unlabeled_batch = 8});
  };
  CHECK(error(torch::zeros({50, 2}, torch::kInt64)) ==
        "SemiSampler: expected int64 neighbours [40, k], of each unlabeled row, but got Long [50, "
        "2].");
  CHECK(error(torch::zeros({40, 2})) ==
        "SemiSampler: expected int64 neighbours [40, k], of each unlabeled row, but got Float [40, "
        "2].");
  CHECK(error(torch::full({40, 2}, 40, torch::kInt64)) ==
        "SemiSampler: expected neighbours in 0..39, places among the unlabeled rows, but got 40.");
  SemiData source{.neighbours = torch::zeros({40, 2}, torch::kInt64),
                  .source = std::make_shared<Numbered>(40, 2)};
  CHECK(construct_error(source, {.labeled_batch = 0}) ==
        "SemiSampler: expected neighbours of rows in memory but got a source.");
}

TEST_CASE("SemiSampler drops the rows that do not fill a batch, and not always the same",
          "[data]") {
  SemiSampler sampler(numbered(43, 4, 43), {.unlabeled_batch = 10});
  REQUIRE(sampler.steps_per_epoch() == 4);
  torch::Tensor seen = torch::zeros({43}, torch::kInt64);
  for (int64_t epoch = 0; epoch < 8; ++epoch) {
    torch::Tensor this_epoch = torch::zeros({43}, torch::kInt64);
    for (int64_t step = 0; step < 4; ++step) {
      this_epoch.index_add_(0, sampler.unlabeled_rows(4 * epoch + step),
                            torch::ones({10}, torch::kInt64));
    }
    CHECK(this_epoch.sum().item<int64_t>() == 40);
    CHECK(this_epoch.max().item<int64_t>() == 1);
    seen += this_epoch;
  }
  CHECK(seen.min().item<int64_t>() > 0);
}

TEST_CASE("SemiSampler cycles labeled rows exactly, across batches and epochs", "[data]") {
  for (const int64_t batch : {2, 3, 7, 20, 45}) {
    const SemiData data = numbered(100, 20, 60);
    SemiSampler sampler(data, {.unlabeled_batch = 10, .labeled_batch = batch});
    const int64_t steps = 260 * 20 / batch + 1;
    std::vector<torch::Tensor> rows;
    for (int64_t step = 0; step < steps; ++step) rows.push_back(sampler.labeled_rows(step));
    const torch::Tensor order = torch::cat(rows);
    const int64_t cycles = order.numel() / 20;
    REQUIRE(cycles >= 260);
    const torch::Tensor by_cycle = order.narrow(0, 0, cycles * 20).view({cycles, 20});
    CHECK(torch::equal(sorted(by_cycle), data.labeled.expand({cycles, 20})));
    CHECK_FALSE(torch::equal(by_cycle[0], by_cycle[1]));
    CHECK_FALSE(torch::equal(by_cycle[0], by_cycle[258]));
  }
}

TEST_CASE("SemiSampler keeps the order of labeled rows when steps are asked back and forth",
          "[data]") {
  // Blocks of 256 steps take a part of a cycle, end inside of one, or take several.
  for (const int64_t labeled : {30, 900, 3000}) {
    CAPTURE(labeled);
    const auto data = numbered(3000, labeled, 3000);
    const SamplerOptions options{.unlabeled_batch = 100, .labeled_batch = 7, .seed = 5};
    SemiSampler sampler(data, options);
    for (const int64_t step : {0, 255, 256, 0, 511, 512, 513, 300, 1000, 1024, 767, 1, 5000, 256}) {
      CAPTURE(step);
      CHECK(sampler.labeled_rows(step).equal(SemiSampler(data, options).labeled_rows(step)));
    }
    std::vector<torch::Tensor> rows;
    const int64_t steps = 2 * labeled / 7 + 1;  // two cycles
    for (int64_t step = 0; step < steps; ++step) rows.push_back(sampler.labeled_rows(step));
    const auto all = torch::cat(rows);
    for (const int64_t cycle : {0, 1}) {
      CHECK(sorted(all.narrow(0, cycle * labeled, labeled)).equal(data.labeled));
    }
  }
}

TEST_CASE("SemiSampler gives the batch of a step whatever was asked before", "[data]") {
  const SemiData data = numbered(90, 9, 77);
  const SamplerOptions options{.unlabeled_batch = 10, .labeled_batch = 4, .seed = 12};
  SemiSampler forward(data, options);
  SemiSampler backward(data, options);
  torch::manual_seed(1);
  std::vector<SemiBatch> batches;
  for (int64_t step = 0; step < 600; ++step) batches.push_back(forward.batch(step));
  torch::manual_seed(2);
  bool same = true;
  for (int64_t step = 599; step >= 0; step -= 7) {
    const SemiBatch batch = backward.batch(step);
    same = same && torch::equal(batch.x_labeled, batches[step].x_labeled) &&
           torch::equal(batch.y, batches[step].y) &&
           torch::equal(batch.x_unlabeled, batches[step].x_unlabeled);
  }
  CHECK(same);
}

TEST_CASE("SemiSampler shuffles rows of a source by blocks and reads them ahead", "[data]") {
  const auto source = std::make_shared<Numbered>(1000, 2);
  const SemiData data{.labeled = torch::arange(0, 40, 2),
                      .source = source,
                      .held_out = torch::tensor({3, 500, 501, 999}),
                      .blocks = {.rows = 16, .blocks = 4}};
  source->everything_expected = true;  // labeled rows are read at once
  SemiSampler sampler(data, {.unlabeled_batch = 10, .labeled_batch = 4, .seed = 3});
  CHECK(source->read == 20);
  source->everything_expected = false;
  REQUIRE(sampler.steps_per_epoch() == 99);
  std::vector<SemiBatch> batches;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    std::set<int64_t> seen;
    for (int64_t step = 0; step < 99; ++step) {
      batches.push_back(sampler.batch(99 * epoch + step));
      const auto& batch = batches.back();
      const auto rows = rows_in(batch.x_unlabeled);
      for (int64_t i = 0; i < 10; ++i) seen.insert(rows[i].item<int64_t>());
      REQUIRE(torch::equal(batch.y, rows_in(batch.x_labeled).remainder(7)));
      REQUIRE(rows_in(batch.x_labeled).remainder(2).eq(0).all().item<bool>());
      // Ten rows of a window come from 4 of 63 blocks, and a block turns or has gaps at most twice.
      const auto runs = sorted(rows).diff().gt(16).sum().item<int64_t>() + 1;
      REQUIRE(runs <= 2 * 8);  // a batch may touch two windows
    }
    CHECK(seen.size() == 990);
    for (const int64_t row : {3, 500, 501, 999}) CHECK(seen.count(row) == 0);
  }
  CHECK(source->unexpected == 0);
  CHECK(source->read == 20 + 3 * 990);  // labeled rows were kept
  // 996 rows are 63 blocks, and row 989, the last of an epoch, is in block 61 by its place.
  CHECK(source->calls == 2 * 63 + 61 + 4 + 1);
  // A turn or rows held out (in two places besides the ends) part a block.
  CHECK(source->runs <= source->calls + 4 * (1 + 2));

  // A run that goes on, from any step, has the same batches and asks for what it needs.
  const auto again = std::make_shared<Numbered>(1000, 2);
  auto same_data = data;
  same_data.source = again;
  again->everything_expected = true;
  SemiSampler resumed(same_data, {.unlabeled_batch = 10, .labeled_batch = 4, .seed = 3});
  again->everything_expected = false;
  for (const int64_t step : {57, 58, 290, 98, 99, 4, 0}) {
    INFO(step);
    const auto batch = resumed.batch(step);
    const auto& expected = batches[static_cast<size_t>(step)];
    CHECK(torch::equal(batch.x_unlabeled, expected.x_unlabeled));
    CHECK(torch::equal(batch.x_labeled, expected.x_labeled));
    CHECK(torch::equal(batch.y, expected.y));
  }

  CHECK(again->unexpected == 0);

  // Ranks divide the steps of one process.
  for (const int64_t rank : {0, 1, 2}) {
    SemiSampler one(
        same_data,
        {.unlabeled_batch = 10, .labeled_batch = 4, .seed = 3, .rank = rank, .ranks = 3});
    again->expected.clear();
    again->unexpected = 0;
    for (int64_t step = 0; step < 66; ++step) {
      CHECK(torch::equal(one.batch(step).x_unlabeled,
                         batches[static_cast<size_t>(3 * step + rank)].x_unlabeled));
    }
    CHECK(again->unexpected == 0);
  }
}

TEST_CASE("SemiSampler shuffles labeled rows by blocks where it cannot keep them", "[data]") {
  // 300 rows of a megabyte: more than 256 MiB.
  class Wide : public Numbered {
   public:
    Wide() : Numbered(300, 1) {}
    std::vector<int64_t> row_shape() const override { return {1 << 18}; }
  };
  const auto source = std::make_shared<Wide>();
  const SemiData data{
      .labeled = torch::arange(300), .source = source, .blocks = {.rows = 16, .blocks = 4}};
  SemiSampler sampler(data, {.unlabeled_batch = 10, .labeled_batch = 7, .seed = 3});
  CHECK(source->read == 0);
  std::vector<int64_t> labeled;
  for (int64_t step = 0; step < 129; ++step) {
    const auto batch = sampler.batch(step);
    const auto rows = batch.x_labeled.flatten().to(torch::kInt64);
    CHECK(torch::equal(batch.y, rows.remainder(7)));
    for (int64_t i = 0; i < 7; ++i) labeled.push_back(rows[i].item<int64_t>());
  }
  CHECK(source->unexpected == 0);
  for (int64_t cycle = 0; cycle < 3; ++cycle) {
    const std::set<int64_t> seen(labeled.begin() + 300 * cycle,
                                 labeled.begin() + 300 * (cycle + 1));
    CHECK(seen.size() == 300);
  }
  SemiSampler again(data, {.unlabeled_batch = 10, .labeled_batch = 7, .seed = 3});
  CHECK(torch::equal(
      again.labeled_rows(43).flatten(),
      torch::tensor(std::vector<int64_t>(labeled.begin() + 301, labeled.begin() + 308))));
}

TEST_CASE("SemiSampler refuses blocks that it cannot shuffle by", "[data]") {
  auto in_memory = numbered(50, 5, 40);
  in_memory.blocks = {.rows = 8};
  CHECK(construct_error(in_memory, {}) ==
        "SemiSampler: expected blocks of rows for a source only but got blocks of 8 rows.");
  const SemiData data{.labeled = torch::arange(10),
                      .source = std::make_shared<Numbered>(100, 2),
                      .blocks = {.rows = 8, .blocks = 0}};
  CHECK(construct_error(data, {.unlabeled_batch = 10}) ==
        "SemiSampler: expected blocks of at least 0 rows and at least 1 in a window but got 8 and "
        "0.");
}

TEST_CASE("SemiSampler keeps the streams of its seed apart", "[data]") {
  const SemiData data = numbered(60, 60, 60);
  SemiSampler a(data, {.unlabeled_batch = 60, .labeled_batch = 60, .seed = 1});
  SemiSampler b(data, {.unlabeled_batch = 60, .labeled_batch = 60, .seed = 2});
  SemiSampler c(data, {.unlabeled_batch = 60, .labeled_batch = 13, .seed = 1});
  CHECK_FALSE(torch::equal(a.labeled_rows(0), a.unlabeled_rows(0)));
  CHECK_FALSE(torch::equal(a.labeled_rows(0), b.labeled_rows(0)));
  CHECK_FALSE(torch::equal(a.unlabeled_rows(0), b.unlabeled_rows(0)));
  CHECK(torch::equal(a.unlabeled_rows(5), c.unlabeled_rows(5)));
  CHECK(torch::equal(a.labeled_rows(0).narrow(0, 13, 13), c.labeled_rows(1)));
}

TEST_CASE("SemiSampler takes batches of at most 100 labeled rows by default", "[data]") {
  CHECK(SemiSampler(numbered(1000, 50, 1000)).labeled_batch() == 50);
  CHECK(SemiSampler(numbered(1000, 500, 1000)).labeled_batch() == 100);
  CHECK(SemiSampler(numbered(1000, 500, 1000)).unlabeled_batch() == 100);
  CHECK(SemiSampler(numbered(1000, 500, 1000)).steps_per_epoch() == 10);
}

TEST_CASE("SemiSampler trains without unlabeled or without labeled rows", "[data]") {
  SemiSampler supervised(numbered(100, 10, 80), {.unlabeled_batch = 0, .labeled_batch = 20});
  const SemiBatch labeled_only = supervised.batch(3);
  CHECK(labeled_only.x_labeled.size(0) == 20);
  CHECK_FALSE(labeled_only.x_unlabeled.defined());
  CHECK(supervised.unlabeled_rows(3).numel() == 0);
  CHECK(supervised.steps_per_epoch() == 4);

  // As many steps as a ladder with an unlabeled batch of 8, from the same labeled rows.
  const auto counted = [](int64_t rank, int64_t ranks) {
    return SemiSampler(numbered(100, 10, 80), {.unlabeled_batch = 0,
                                               .labeled_batch = 20,
                                               .epoch_batch = 8,
                                               .rank = rank,
                                               .ranks = ranks});
  };
  auto as_ladder = counted(0, 1);
  CHECK(as_ladder.steps_per_epoch() == 10);
  CHECK(counted(1, 2).steps_per_epoch() == 5);
  for (const int64_t step : {0, 3, 4, 25}) {
    CHECK(as_ladder.labeled_rows(step).equal(supervised.labeled_rows(step)));
  }

  SemiData all_labeled = numbered(100, 50, 0);
  all_labeled.unlabeled = torch::Tensor();
  CHECK(SemiSampler(all_labeled, {.unlabeled_batch = 0, .labeled_batch = 20}).steps_per_epoch() ==
        2);

  SemiSampler unsupervised({torch::rand({40, 3}), {}, {}, torch::arange(40)},
                           {.unlabeled_batch = 20});
  const SemiBatch unlabeled_only = unsupervised.batch(1);
  CHECK_FALSE(unlabeled_only.x_labeled.defined());
  CHECK_FALSE(unlabeled_only.y.defined());
  CHECK(unlabeled_only.x_unlabeled.sizes() == torch::IntArrayRef({20, 3}));
  CHECK(unsupervised.labeled_rows(1).numel() == 0);
}

TEST_CASE("SemiSampler scales bytes and keeps floating rows as they are", "[data]") {
  const torch::Tensor images = torch::arange(4 * 64).to(torch::kUInt8).view({4, 1, 8, 8});
  const torch::Tensor labels = torch::zeros({4}, torch::kInt64);
  SemiSampler sampler({images, labels, torch::arange(2), torch::arange(4)},
                      {.unlabeled_batch = 4, .labeled_batch = 2});
  const SemiBatch batch = sampler.batch(0);
  CHECK(batch.x_unlabeled.scalar_type() == torch::kFloat32);
  CHECK(batch.x_labeled.sizes() == torch::IntArrayRef({2, 1, 8, 8}));
  CHECK(torch::equal(batch.x_unlabeled,
                     images.index_select(0, sampler.unlabeled_rows(0)).to(torch::kFloat32) / 255));

  const torch::Tensor wide = torch::rand({4, 5}, torch::kFloat64);
  SemiSampler same({wide, labels, torch::arange(2), torch::arange(4)}, {.unlabeled_batch = 4});
  CHECK(torch::equal(same.batch(0).x_unlabeled, wide.index_select(0, same.unlabeled_rows(0))));
}

TEST_CASE("SemiSampler says what is wrong with its options", "[data]") {
  const SemiData data = numbered(50, 5, 40);
  CHECK(construct_error(data, {.unlabeled_batch = 41}) ==
        "SemiSampler: expected at least 41 unlabeled rows, one batch, but got 40 (lower "
        "unlabeled_batch).");
  CHECK(construct_error(data, {.unlabeled_batch = 0, .labeled_batch = 41}) ==
        "SemiSampler: expected at least 41 rows, one batch, but got 40 (lower labeled_batch).");
  CHECK(construct_error(data, {.unlabeled_batch = 0, .epoch_batch = 41}) ==
        "SemiSampler: expected at least 41 rows, one batch, but got 40 (lower epoch_batch).");
  CHECK(construct_error(data, {.unlabeled_batch = 0, .epoch_batch = 0}) ==
        "SemiSampler: expected an epoch_batch of at least 1 but got 0.");
  CHECK(construct_error(data, {.unlabeled_batch = 10, .epoch_batch = 10}) ==
        "SemiSampler: expected no epoch_batch for an unlabeled_batch of 10, which counts the steps "
        "of an epoch, but got 10.");
  CHECK(construct_error(data, {.unlabeled_batch = -1}) ==
        "SemiSampler: expected an unlabeled_batch of at least 0 but got -1.");
  CHECK(construct_error(data, {.labeled_batch = -1}) ==
        "SemiSampler: expected a labeled_batch of at least 0 but got -1.");
  CHECK(construct_error(data, {.unlabeled_batch = 0, .labeled_batch = 0}) ==
        "SemiSampler: expected labeled or unlabeled rows in a batch but got neither.");
  SemiSampler sampler(data, {.unlabeled_batch = 10});
  CHECK(error_text([&] { sampler.batch(-1); }) ==
        "SemiSampler: expected a step of at least 0 but got -1.");
}

TEST_CASE("SemiSampler says what is wrong with its data", "[data]") {
  const SamplerOptions options{.unlabeled_batch = 10};
  SemiData data = numbered(50, 5, 40);
  data.inputs = torch::zeros({50, 2}, torch::kInt64);
  CHECK(construct_error(data, options) ==
        "SemiSampler: expected floating or uint8 inputs [rows, ...] but got Long [50, 2].");
  data.inputs = torch::Tensor();
  CHECK(construct_error(data, options) ==
        "SemiSampler: expected floating or uint8 inputs [rows, ...] but got an undefined tensor.");

  data = numbered(50, 5, 40);
  data.unlabeled = torch::tensor({3, 50}, torch::kInt64);
  CHECK(construct_error(data, options) ==
        "SemiSampler: expected unlabeled rows in 0..49 but got 50 (the inputs have 50 rows).");
  data = numbered(50, 5, 40);
  data.labeled = torch::tensor({-1, 3}, torch::kInt64);
  CHECK(construct_error(data, options) ==
        "SemiSampler: expected labeled rows in 0..49 but got -1 (the inputs have 50 rows).");
  data.labeled = torch::zeros({3});
  CHECK(construct_error(data, options) ==
        "SemiSampler: expected int64 labeled rows [n] but got Float [3].");

  data = numbered(50, 5, 40);
  data.labels = torch::zeros({49}, torch::kInt64);
  CHECK(construct_error(data, options) ==
        "SemiSampler: expected int64 labels [50], one for each row of the inputs, but got Long "
        "[49].");
  data.labels = torch::full({50}, -1, torch::kInt64);
  CHECK(construct_error(data, options) ==
        "SemiSampler: expected a class for every labeled row but got label -1.");
  data.labeled = torch::Tensor();
  CHECK(construct_error(data, {.unlabeled_batch = 10, .labeled_batch = 5}) ==
        "SemiSampler: expected labeled rows for a labeled_batch of 5 but got none.");

  data = numbered(50, 5, 40);
  CHECK(construct_error(data, {.unlabeled_batch = 0, .labeled_batch = 60}) ==
        "SemiSampler: expected at least 60 rows, one batch, but got 40 (lower labeled_batch).");
  CHECK(construct_error(data, {.unlabeled_batch = 10, .rank = 2, .ranks = 2}) ==
        "SemiSampler: expected a rank from 0 to 1 but got 2.");
  data.blocks.rows = 8;
  CHECK(construct_error(data, options) ==
        "SemiSampler: expected blocks of rows for a source only but got blocks of 8 rows.");
  data.held_out = torch::arange(3);
  CHECK(construct_error(data, options) ==
        "SemiSampler: expected held-out rows beside a source only but got some.");
  data.source = std::make_shared<Numbered>(50, 2);
  CHECK(construct_error(data, options) ==
        "SemiSampler: expected rows of a source or rows in memory but got both.");
}

TEST_CASE("SemiSampler works on the device of the inputs", "[data][cuda]") {
  if (!torch::cuda::is_available()) LADDER_SKIP("no CUDA device");
  const SemiData data = numbered(50, 5, 40);
  SemiData on_device = data;
  on_device.inputs = data.inputs.cuda();
  SemiSampler cpu(data, {.unlabeled_batch = 8, .labeled_batch = 3});
  SemiSampler cuda(on_device, {.unlabeled_batch = 8, .labeled_batch = 3});
  for (const int64_t step : {0, 4, 9, 700}) {
    const SemiBatch expected = cpu.batch(step);
    const SemiBatch batch = cuda.batch(step);
    CHECK(batch.y.is_cuda());
    CHECK(torch::equal(batch.x_labeled.cpu(), expected.x_labeled));
    CHECK(torch::equal(batch.y.cpu(), expected.y));
    CHECK(torch::equal(batch.x_unlabeled.cpu(), expected.x_unlabeled));
  }
}

TEST_CASE("SemiSampler refuses batches of one row, which have no statistics", "[data]") {
  const auto data = numbered(50, 5, 40);
  const std::string reason = " (one row has no mean and variance to be normalised by).";
  CHECK(construct_error(data, {.unlabeled_batch = 1}) ==
        "SemiSampler: expected an unlabeled_batch of at least 2 but got 1" + reason);
  CHECK(construct_error(data, {.unlabeled_batch = 10, .labeled_batch = 1}) ==
        "SemiSampler: expected a labeled_batch of at least 2 but got 1" + reason);
  CHECK(construct_error(numbered(50, 1, 40), {.unlabeled_batch = 10}) ==
        "SemiSampler: expected at least 2 labeled rows but got 1" + reason);
  CHECK(construct_error(data, {.unlabeled_batch = 2, .labeled_batch = 2}) == "(no error)");
  CHECK(construct_error(data, {.unlabeled_batch = 10, .labeled_batch = 0}) == "(no error)");
}

TEST_CASE("SemiSampler checks labels against the number of classes", "[data]") {
  auto data = numbered(50, 5, 40);
  CHECK(construct_error(data, {.unlabeled_batch = 10, .classes = 7}) == "(no error)");
  CHECK(construct_error(data, {.unlabeled_batch = 10, .classes = 6}) ==
        "SemiSampler: expected labels of the labeled rows in 0..5 but got 6 (row 20).");
  data.labels[1] = 100;  // no labeled row
  CHECK(construct_error(data, {.unlabeled_batch = 10, .classes = 7}) == "(no error)");
}
