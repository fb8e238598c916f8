#include "ladder/core/nearest_name.h"

#include "tests/support/catch.h"

TEST_CASE("Edit distance: counts insertions, deletions and replacements", "[core]") {
  using ladder::edit_distance;
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("flaw", "lawn") == 2);
  CHECK(edit_distance("same", "same") == 0);
}

TEST_CASE("Nearest name: the first of the nearest, or nothing", "[core]") {
  using ladder::nearest_name;
  CHECK(nearest_name("rlu", {"tanh", "relu", "gelu"}) == "relu");
  CHECK(nearest_name("elu", {"relu", "gelu"}) == "relu");
  CHECK(nearest_name("x", {}).empty());
}
