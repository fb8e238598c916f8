#include "apps/support/cached_tensors.h"

#include <c10/util/hash.h>
#include <tests/support/catch.h>
#include <tests/support/grouping_locale.h>
#include <torch/torch.h>

#include <string>

#include "apps/support/sha1.h"

using namespace ladder::apps;
using ladder::testing::GroupingLocale;

TEST_CASE("Sha1 is that of the standard, in parts too", "[cli]") {
  CHECK(Sha1().digits() == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  CHECK(Sha1().add("abc").digits() == "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK(Sha1().add(std::string(1'000'000, 'a')).digits() ==
        "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
  std::string text;
  for (int i = 0; i < 200; ++i) {
    text += static_cast<char>(37 * i);
    CAPTURE(text.size());
    CHECK(Sha1().add(text).digits() == c10::sha1(text).str());
    const std::string_view all = text;
    CHECK(Sha1().add(all.substr(0, all.size() / 3)).add(all.substr(all.size() / 3)).digits() ==
          c10::sha1(text).str());
  }
}

TEST_CASE("checksum is of type, sizes and elements, in every locale", "[cli]") {
  const auto tensor = torch::arange(2400).remainder(251).to(torch::kUInt8).view({1200, 2});
  const auto bytes = std::string(static_cast<const char*>(tensor.const_data_ptr()), 2400);
  const auto expected = c10::sha1("Byte[1200, 2] " + bytes).str();
  CHECK(checksum(tensor) == expected);
  CHECK(checksum(tensor.t().contiguous().t()) == expected);
  CHECK(checksum(tensor.t()) != expected);
  const CachedTensors cached{.folder = "cache", .stem = "x", .about = "12345 rows"};
  const auto path = cache_path(cached);
  CHECK(path == "cache/x-" + c10::sha1("12345 rows").str().substr(0, 16) + ".pt");
  const GroupingLocale commas;
  CHECK(checksum(tensor) == expected);
  CHECK(cache_path(cached) == path);
}
