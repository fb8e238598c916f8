#include "apps/support/flag_values.h"

#include <tests/support/catch.h>

#include <cstdint>
#include <string>
#include <vector>

using namespace ladder::apps;

TEST_CASE("parse_seeds takes lists and ranges up to the largest seed", "[cli]") {
  CHECK(parse_seeds("--seeds", "1..3,7") == std::vector<uint64_t>{1, 2, 3, 7});
  CHECK(parse_seeds("--seeds", "9223372036854775807") ==
        std::vector<uint64_t>{9223372036854775807ULL});
  CHECK_THROWS_WITH(parse_seeds("--seeds", "0..9223372036854775807"),
                    "expected at most 10000 seeds for --seeds but got '0..9223372036854775807'.");
  CHECK_THROWS_WITH(parse_seeds("--seeds", ""),
                    "expected seeds like 1..10 or 1,2,5 for --seeds but got ''.");
  CHECK_THROWS_WITH(parse_seeds("--seeds", "1,,2"),
                    "expected seeds like 1..10 or 1,2,5 for --seeds but got '1,,2'.");
}

TEST_CASE("parse_words takes what word_text writes", "[cli]") {
  using Words = std::vector<std::string>;
  CHECK(parse_words("a, b ,c") == Words{"a", "b", "c"});
  CHECK(parse_words("") == Words{""});
  CHECK(parse_words("a\\, b,c") == Words{"a, b", "c"});
  const Words words = {"plain", "with, comma", "two,,", "back\\slash"};
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ",") + word_text(word);
  CHECK(parse_words(text) == words);
}
