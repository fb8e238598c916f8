#include <ladder/io/internal/json.h>
#include <tests/support/catch.h>

#include <string>

using ladder::io::is_deep_json;
using ladder::io::kMaxJsonDepth;
using ladder::io::parse_json;

namespace {

std::string nested(int levels) {
  const auto count = static_cast<size_t>(levels);
  return std::string(count, '[') + std::string(count, ']');
}

}  // namespace

TEST_CASE("is_deep_json counts arrays and objects inside of each other", "[io]") {
  CHECK_FALSE(is_deep_json(nested(kMaxJsonDepth)));
  CHECK(is_deep_json(nested(kMaxJsonDepth + 1)));
  CHECK(is_deep_json("{\"a\": " + nested(kMaxJsonDepth) + "}"));
  // Side by side they may be as many as there are.
  std::string flat = "[";
  for (int i = 0; i < 2 * kMaxJsonDepth; ++i) flat += "[{}, []], ";
  CHECK_FALSE(is_deep_json(flat + "{}]"));
  // Brackets of texts do not count, and those behind a comment do.
  CHECK_FALSE(is_deep_json("[\"" + std::string(200, '[') + "\\\"" + std::string(200, '[') + "\"]"));
  CHECK(is_deep_json("// \"\n" + nested(kMaxJsonDepth + 1)));
  // A text that is no JSON counts up to there.
  CHECK(is_deep_json(std::string(300'000, '[')));
  CHECK_FALSE(is_deep_json("[x" + std::string(200, '[')));
  CHECK_FALSE(is_deep_json(""));
}

TEST_CASE("parse_json refuses what is deep, and what is no JSON", "[io]") {
  CHECK(parse_json(R"({"a": [1, 2]})").at("a").at(1).get<int>() == 2);
  CHECK(parse_json<nlohmann::ordered_json>(nested(kMaxJsonDepth)).is_array());
  CHECK(parse_json(nested(kMaxJsonDepth + 1)).is_discarded());
  CHECK(parse_json(nested(300'000)).is_discarded());
  CHECK(parse_json("{").is_discarded());
  CHECK(parse_json("// a comment\n1").is_discarded());
}
