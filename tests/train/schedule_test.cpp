#include "ladder/train/schedule.h"

#include <limits>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"

using ladder::testing::error_text;
using ladder::train::learning_rate;
using ladder::train::LinearDecay;

TEST_CASE("LinearDecay follows the published rates by epoch", "[train]") {
  const LinearDecay schedule{.learning_rate = 0.002, .epochs = 150, .decay_from = 0.67};
  // Full up to the decay's first epoch, 100.5, then (150 - epoch) / 49.5 of it.
  REQUIRE(learning_rate(schedule, 0) == 0.002);
  REQUIRE(learning_rate(schedule, 100) == 0.002);
  // Some ten roundings in float64, of which 150 - 0.67 * 150 enlarges the first ones threefold.
  const double rounding = 16 * std::numeric_limits<double>::epsilon();
  REQUIRE(learning_rate(schedule, 101) == Approx(0.002 * 49 / 49.5).epsilon(rounding));
  REQUIRE(learning_rate(schedule, 125) == Approx(0.002 * 25 / 49.5).epsilon(rounding));
  REQUIRE(learning_rate(schedule, 149) == Approx(0.002 / 49.5).epsilon(rounding));
  REQUIRE(learning_rate(schedule, 150) == 0);
  REQUIRE(learning_rate(schedule, 1000) == 0);
}

TEST_CASE("LinearDecay decays from the first epoch or not at all", "[train]") {
  const LinearDecay always{.learning_rate = 1, .epochs = 4, .decay_from = 0};
  const LinearDecay never{.learning_rate = 1, .epochs = 4, .decay_from = 1};
  for (int64_t epoch = 0; epoch < 4; ++epoch) {
    REQUIRE(learning_rate(always, epoch) == Approx((4.0 - static_cast<double>(epoch)) / 4));
    REQUIRE(learning_rate(never, epoch) == 1);
  }
  REQUIRE(learning_rate({.learning_rate = 1, .epochs = 1, .decay_from = 0.67}, 0) == 1);
}

TEST_CASE("LinearDecay says what is out of range", "[train]") {
  REQUIRE(error_text([] { learning_rate({.epochs = 0}, 0); }) ==
          "LinearDecay: expected at least 1 epoch but got 0.");
  REQUIRE(error_text([] { learning_rate({.decay_from = 67}, 0); }) ==
          "LinearDecay: expected decay_from in 0..1, a fraction of the epochs, but got 67.");
  REQUIRE(error_text([] { learning_rate({.learning_rate = -1}, 0); }) ==
          "LinearDecay: expected a finite learning rate above 0 but got -1.");
  const auto nan = std::numeric_limits<double>::quiet_NaN();
  REQUIRE(error_text([&] { learning_rate({.learning_rate = nan}, 0); }) ==
          "LinearDecay: expected a finite learning rate above 0 but got nan.");
  REQUIRE(error_text([] { learning_rate({.learning_rate = 0}, 0); }) ==
          "LinearDecay: expected a finite learning rate above 0 but got 0 (it would train "
          "nothing).");
  REQUIRE(error_text([] { learning_rate({}, -1); }) ==
          "LinearDecay: expected an epoch of at least 0 but got -1.");
}

TEST_CASE("LinearDecay warms up step by step", "[train]") {
  const LinearDecay schedule{.learning_rate = 1, .epochs = 4, .decay_from = 0.5, .warm_up = 1.5};
  const auto at = [](int64_t step) { return ladder::train::StepPosition{step, 10, 40}; };
  REQUIRE(learning_rate(schedule, at(0)) == Approx(1.0 / 15));
  REQUIRE(learning_rate(schedule, at(6)) == Approx(7.0 / 15));
  REQUIRE(learning_rate(schedule, at(14)) == 1);
  REQUIRE(learning_rate(schedule, at(29)) == 1);
  REQUIRE(learning_rate(schedule, at(30)) == 0.5);
  const LinearDecay without{.learning_rate = 1, .epochs = 4, .decay_from = 0.5};
  REQUIRE(learning_rate(without, at(0)) == 1);
  REQUIRE(error_text([] { learning_rate({.epochs = 2, .warm_up = 2.5}, 0); }) ==
          "LinearDecay: expected a warm-up from 0 to the 2 epochs but got 2.5.");
  REQUIRE(error_text([&] { learning_rate(schedule, ladder::train::StepPosition{}); }) ==
          "LinearDecay: expected the position of a step in a run, with its steps_per_epoch, but "
          "got one outside of a run.");
}
