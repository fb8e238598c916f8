#include "ladder/train/agreed_labels.h"

#include <torch/torch.h>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

using namespace ladder::train;
using namespace ladder::testing;

TEST_CASE("agreed_labels keeps classes that all networks are sure of", "[train]") {
  const auto a = torch::tensor({{0.9, 0.1}, {0.9, 0.1}, {0.9, 0.1}, {0.6, 0.4}, {0.1, 0.9}});
  const auto b = torch::tensor({{0.9, 0.1}, {0.1, 0.9}, {0.6, 0.4}, {0.9, 0.1}, {0.0, 1.0}});
  require_equal(agreed_labels({a, b}, 0.8), torch::tensor({0, -1, -1, -1, 1}));
  require_equal(agreed_labels({a, b}, 0.5), torch::tensor({0, -1, 0, 0, 1}));
  require_equal(agreed_labels({a}, 0.8), torch::tensor({0, 0, 0, -1, 1}));
  // Not above the confidence.
  require_equal(agreed_labels({torch::tensor({{0.5, 0.5}})}, 0.5), torch::tensor({-1}));
}

TEST_CASE("agreed_labels says what is wrong", "[train]") {
  REQUIRE(error_text([] { agreed_labels({}); }) ==
          "agreed_labels: expected probabilities but got none.");
  REQUIRE(error_text([] {
            agreed_labels({torch::ones({2, 3})}, 1);
          }) == "agreed_labels: expected a confidence from 0 to below 1 but got 1.");
  REQUIRE(
      error_text([] {
        agreed_labels({torch::ones({2, 3}), torch::ones({2, 2})});
      }) ==
      "agreed_labels: expected floating probabilities [rows, classes] of one shape but got Float "
      "[2, 2].");
}

TEST_CASE("vote takes the class with the largest mean probability", "[train]") {
  const auto a = torch::tensor({{0.9, 0.1, 0.0}, {0.4, 0.6, 0.0}, {0.5, 0.25, 0.25}});
  const auto b = torch::tensor({{0.2, 0.8, 0.0}, {0.0, 0.4, 0.6}, {0.25, 0.5, 0.25}});
  // In the third row two classes are equal: the first counts.
  require_equal(vote({a, b}), torch::tensor({0, 1, 0}));
  require_equal(vote({a}), torch::tensor({0, 1, 0}));
  require_equal(vote({a, b, b}), torch::tensor({1, 1, 1}));
  REQUIRE(error_text([] { vote({}); }) == "vote: expected probabilities but got none.");
  REQUIRE(
      error_text([&] {
        vote({a, torch::ones({3, 2})});
      }) ==
      "vote: expected floating probabilities [rows, classes] of one shape but got Float [3, 2].");
}
