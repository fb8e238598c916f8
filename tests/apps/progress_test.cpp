#include "apps/support/progress.h"

#include <tests/support/catch.h>

using ladder::apps::clock_text;
using ladder::apps::TimeLeft;

TEST_CASE("clock_text shows hours where there are any", "[cli]") {
  CHECK(clock_text(0.4) == "0:00");
  CHECK(clock_text(-3) == "0:00");
  CHECK(clock_text(61.6) == "1:02");
  CHECK(clock_text(3723) == "1:02:03");
}

TEST_CASE("TimeLeft goes by the pace since its first call", "[cli]") {
  TimeLeft left;
  // Resumed after 5,000 s that say nothing: the pace of late at first, then 10 steps a second.
  CHECK(left.text(400, 1000, 5000, 20) == "0:30");
  CHECK(left.text(500, 1000, 5010, 20) == "0:50");
  CHECK(left.text(600, 1000, 5020, 40) == "0:40");
  CHECK(left.text(1000, 1000, 5060, 10) == "0:00");
}

TEST_CASE("TimeLeft without a pace is unknown", "[cli]") {
  CHECK(TimeLeft().text(0, 1000, 0, 0) == "?");
}
