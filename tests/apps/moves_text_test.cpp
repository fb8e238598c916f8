#include <apps/support/moves_text.h>
#include <tests/support/catch.h>

using ladder::apps::moves_text;

TEST_CASE("moves_text lists rows by the classes that they leave and join", "[apps]") {
  CHECK(moves_text({}).empty());
  CHECK(moves_text({{.from = 2, .to = 1, .rows = 185}, {.from = 9, .to = 3, .rows = 75}}) ==
        "185 rows from 2 to 1, 75 rows from 9 to 3");
}
