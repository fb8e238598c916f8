#include "apps/support/child_process.h"

#include <tests/support/catch.h>

using namespace ladder::apps;

TEST_CASE("last_line: the last one with something in it", "[programs]") {
  CHECK(last_line("").empty());
  CHECK(last_line(" \n\n").empty());
  CHECK(last_line("one") == "one");
  CHECK(last_line("one\n  two \n\n") == "two");
  CHECK(last_line("one\rtwo\r\n") == "two");
}

TEST_CASE("output_of: what a program prints, or its last line when it fails", "[programs]") {
  CHECK(output_of({"/bin/sh", "-c", "echo one; echo two"}) == "one\ntwo\n");
  CHECK_THROWS_WITH(output_of({"/bin/sh", "-c", "echo one; echo no luck >&2; exit 3"}),
                    "expected status 0 of sh but got 3: no luck");
  CHECK_THROWS_WITH(
      output_of({"/no/such/program"}),
      "expected status 0 of program but got 127: expected to run /no/such/program but "
      "got \"No such file or directory\".");
}
