#include "ladder/nn/pass.h"

#include <torch/torch.h>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"

using namespace ladder;  // NOLINT
using ladder::testing::error_text;

TEST_CASE("Pass of a training step holds its groups by role", "[nn]") {
  NoiseSource noise(1);
  const auto full = Pass::training(4, 7, /*clean=*/true, noise);
  CHECK(full.rows() == 4 + 7 + 7);
  CHECK(full.group(RowRole::kLabeledNoisy) == 0);
  CHECK(full.group(RowRole::kUnlabeledNoisy) == 1);
  CHECK(full.group(RowRole::kUnlabeledClean) == 2);
  CHECK(full.groups[1].noisy);
  CHECK_FALSE(full.groups[2].noisy);
  const auto bottom = Pass::training(4, 7, /*clean=*/false, noise);
  CHECK(error_text([&] { bottom.group(RowRole::kUnlabeledClean); }) ==
        "Pass: expected a group of rows with role 2 but got none among 2 groups.");
  CHECK(Pass::training(4, 0, /*clean=*/true, noise).groups.size() == 1);
  CHECK(Pass::clean(5, Statistics::kStored).group(RowRole::kOther) == 0);
}

TEST_CASE("CalibrationRun resets statistics at their first batch and counts all", "[nn]") {
  struct Counting : StoredStatistics {
    void reset_statistics() override { ++resets; }
    int resets = 0;
  };
  Counting first, second;
  CalibrationRun calibration;
  calibration.measure(first);
  calibration.measure(second);
  calibration.measure(first);
  CHECK(first.resets == 1);
  CHECK(second.resets == 1);
  CHECK(calibration.measured() == 3);
  calibration.abandon();
  CHECK(first.resets == 2);
  CalibrationRun again;
  again.measure(first);
  CHECK(first.resets == 3);
}

TEST_CASE("CalibrationRun refuses a module that measures twice in a batch", "[nn]") {
  struct Silent : StoredStatistics {
    void reset_statistics() override {}
  };
  Silent first, second;
  CalibrationRun calibration;
  calibration.next_batch();
  calibration.measure(first);
  calibration.measure(second);
  CHECK(calibration.measured_in_batch() == std::vector<StoredStatistics*>{&first, &second});
  CHECK(error_text([&] { calibration.measure(first); }) ==
        "CalibrationRun: expected a module to measure once in a batch but got a second time (a "
        "NoisyNormalization in two places would mix their statistics: make one for each).");
  calibration.next_batch();
  CHECK(calibration.measured_in_batch().empty());
  CHECK(error_text([&] { calibration.measure(first); }) == "(no error)");
  CHECK(calibration.measured() == 3);
}
