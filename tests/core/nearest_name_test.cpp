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

TEST_CASE("Nearest name: equal but for case is nearest, and far ones are none", "[core]") {
  using ladder::nearest_name;
  CHECK(nearest_name("state", {"stat", "STATE", "State"}) == "State");
  CHECK(nearest_name("MNIST-10-full", {"mnist-100-full"}) == "mnist-100-full");
  CHECK(nearest_name("vib", {"id", "temperature"}).empty());
  CHECK(nearest_name("strange", {"warn", "ok"}).empty());
  CHECK(nearest_name("C", {"ok"}).empty());
  CHECK(nearest_name("", {"ok"}).empty());
  CHECK(nearest_name("--bananas", {"--unbalanced"}).empty());
  CHECK(nearest_name("train", {"training"}) == "training");
  CHECK(nearest_name("ide", {"id"}) == "id");  // half of its characters
}

TEST_CASE("Name hint: the nearest name, or a list of at most ten", "[core]") {
  using ladder::name_hint;
  CHECK(name_hint("agee", {"age", "id"}) == " (did you mean 'age'?)");
  CHECK(name_hint("agee", {"age", "id"}, "") == " (did you mean age?)");
  CHECK(name_hint("vib", {"id", "age"}) == " (there are 'id', 'age')");
  CHECK(name_hint("vib", {"id"}) == " (there is 'id')");
  CHECK(name_hint("vib", {}).empty());
  CHECK(name_hint("vib", {"c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11"},
                  "") == " (there are c1, c2, c3, c4, c5, c6, c7, c8, c9, c10 and 1 more)");
  // A long name is cut between characters, here within the second byte of one.
  CHECK(name_hint("x", {std::string(39, 'a') + "\u00e4\n"}, "") ==
        " (there is " + std::string(39, 'a') + "...)");
}

TEST_CASE("or_list names one, two and more", "[core]") {
  CHECK(ladder::or_list({"a"}) == "a");
  CHECK(ladder::or_list({"a", "b"}) == "a or b");
  CHECK(ladder::or_list({"a", "b", "c"}) == "a, b or c");
}
