#include "ladder/train/cost_buffer.h"

#include <torch/torch.h>

#include <limits>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"

using namespace ladder::train;
using ladder::testing::error_text;

namespace {

const std::vector<CostTerm> kTerms = {{.kind = CostKind::kSupervised},
                                      {.kind = CostKind::kDenoising, .level = 0},
                                      {.kind = CostKind::kDenoising, .level = 2},
                                      {.kind = CostKind::kOther, .name = "pseudo-label"}};

torch::Tensor costs(const std::vector<double>& values) {
  return torch::tensor(values, torch::kFloat64);
}

}  // namespace

TEST_CASE("CostBuffer sums the costs of an epoch", "[train]") {
  CostBuffer buffer(kTerms);
  buffer.add(costs({1, 2, 3, 4, 10}), 1);
  REQUIRE(buffer.sums() == std::vector<double>(5, 0.0));  // not read yet
  buffer.add(costs({1, 2, 3, 5, 11}), 2);
  buffer.read();
  REQUIRE(buffer.sums() == std::vector<double>{2, 4, 6, 9, 21});
  Evaluation evaluation;
  buffer.write_means(2, 4, evaluation);
  REQUIRE(evaluation.supervised.value() == 1);
  REQUIRE(evaluation.denoising.size() == 4);
  REQUIRE(evaluation.denoising[0].value() == 2);
  REQUIRE_FALSE(evaluation.denoising[1].has_value());
  REQUIRE(evaluation.denoising[2].value() == 3);
  REQUIRE(evaluation.others.at("pseudo-label") == 4.5);
  REQUIRE(evaluation.total == 10.5);
  buffer.start_epoch();
  REQUIRE(buffer.sums() == std::vector<double>(5, 0.0));
  buffer.restore({1, 1, 1, 1, 4});
  buffer.add(costs({1, 1, 1, 1, 4}), 3);
  buffer.read();
  REQUIRE(buffer.sums() == std::vector<double>{2, 2, 2, 2, 8});
  REQUIRE(error_text([&] {
            buffer.restore({1, 2});
          }) == "CostBuffer: expected 5 sums of costs but got 2.");
}

TEST_CASE("CostBuffer refuses costs that do not belong to its terms", "[train]") {
  CostBuffer buffer(kTerms);
  for (const auto& wrong : {costs({1, 2, 3}), costs({1, 2, 3, 4, 5, 6}), torch::ones({1, 5})}) {
    const auto text = error_text([&] { buffer.add(wrong, 1); });
    REQUIRE(text == "Trainer: expected 4 costs of a step and their total but got " +
                        std::to_string(wrong.numel() - 1) +
                        " and the total (the loss of an objective returns one cost for each of "
                        "its terms).");
  }
  buffer.add(costs({1, 2, 3, 4, 10}), 1);
  buffer.read();
  Evaluation evaluation;
  REQUIRE(error_text([&] { buffer.write_means(1, 2, evaluation); }) ==
          "Trainer: expected denoising costs of levels below 2 but got the denoising cost of level "
          "2 (Objective::levels returns the number of levels).");
}

TEST_CASE("CostBuffer reads by itself every 100 steps", "[train]") {
  CostBuffer buffer({{.kind = CostKind::kSupervised}});
  for (int64_t step = 1; step <= 250; ++step) {
    buffer.add(costs({1, 1}), step);
    const auto summed = step / 100 * 100;
    REQUIRE(buffer.sums()[0] == static_cast<double>(summed));
  }
}

TEST_CASE("CostBuffer names the cost that is not finite, its step, and what to change", "[train]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto text = [&](const std::vector<double>& values) {
    CostBuffer buffer(kTerms);
    buffer.add(costs({1, 1, 1, 1, 1}), 41);
    buffer.add(costs(values), 42);
    return error_text([&] { buffer.read(); });
  };
  REQUIRE(text({nan, nan, nan, nan, nan}) ==
          "Trainer: the supervised cost is not finite at step 42 (lower the learning rate).");
  REQUIRE(text({1, nan, nan, nan, nan}) ==
          "Trainer: the denoising cost of level 2 is not finite at step 42 (lower lambda or the "
          "learning rate).");
  REQUIRE(text({1, nan, 1, nan, nan}) ==
          "Trainer: the denoising cost of level 0 is not finite at step 42 (lower lambda or the "
          "learning rate).");
  REQUIRE(text({1, 1, 1, nan, nan}) ==
          "Trainer: the pseudo-label cost is not finite at step 42 (lower its weight or the "
          "learning rate).");
  REQUIRE(text({1, 1, 1, 1, nan}) ==
          "Trainer: the total cost is not finite at step 42 (lower lambda).");
  const auto at_first = [&](const std::vector<double>& values) {
    CostBuffer buffer(kTerms);
    buffer.add(costs(values), 1);
    return error_text([&] { buffer.read(); });
  };
  REQUIRE(at_first({nan, nan, nan, nan, nan}) ==
          "Trainer: the supervised cost is not finite at step 1 (lower the noise or scale the "
          "inputs).");
  REQUIRE(at_first({1, nan, nan, nan, nan}) ==
          "Trainer: the denoising cost of level 2 is not finite at step 1 (lower lambda or the "
          "noise, or scale the inputs).");
  REQUIRE(at_first({1, 1, 1, nan, nan}) ==
          "Trainer: the pseudo-label cost is not finite at step 1 (lower its weight or the noise, "
          "or scale the inputs).");
  CostBuffer plain({{.kind = CostKind::kOther, .name = "margin"}});
  plain.add(costs({1, nan}), 7);
  REQUIRE(error_text([&] { plain.read(); }) ==
          "Trainer: the total cost is not finite at step 7 (lower the weights of its costs).");
}
