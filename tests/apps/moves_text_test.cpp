#include "apps/support/moves_text.h"

#include <tests/support/catch.h>
#include <torch/torch.h>

using ladder::apps::moves_text;

TEST_CASE("moves_text lists rows by the classes that they move between", "[cli]") {
  const auto classes = torch::tensor({2, 9, 2, 0, 2}, torch::kInt64);
  CHECK(moves_text(classes, torch::tensor({1, 3, 1, -1, 7}, torch::kInt64)) ==
        "2 rows from 2 to 1, 1 rows from 2 to 7, 1 rows from 9 to 3");
  CHECK(moves_text(classes, torch::full({5}, -1, torch::kInt64)).empty());
}
