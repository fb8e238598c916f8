#include "apps/support/png.h"

#include <torch/torch.h>
#include <zlib.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"

using namespace ladder;
using ladder::testing::error_text;

namespace {

uint32_t number_at(const std::string& bytes, size_t at) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i)
    number = number << 8 | static_cast<unsigned char>(bytes.at(at + i));
  return number;
}

// Contents of the chunks by type; checks the signature, the lengths and the sums.
std::map<std::string, std::string> chunks_of(const std::string& png) {
  REQUIRE(png.substr(0, 8) == "\x89PNG\r\n\x1A\n");
  std::map<std::string, std::string> chunks;
  size_t at = 8;
  while (at < png.size()) {
    const auto size = number_at(png, at);
    const auto body = png.substr(at + 4, 4 + size);
    const auto sum =
        ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
    CHECK(number_at(png, at + 8 + size) == sum);
    chunks[body.substr(0, 4)] = body.substr(4);
    at += 12 + size;
  }
  CHECK(at == png.size());
  return chunks;
}

std::string inflated(const std::string& bytes, size_t size) {
  std::string out(size + 1, '\0');  // room for a byte too many
  uLongf got = out.size();
  REQUIRE(::uncompress(reinterpret_cast<Bytef*>(out.data()), &got,
                       reinterpret_cast<const Bytef*>(bytes.data()),
                       static_cast<uLong>(bytes.size())) == Z_OK);
  out.resize(got);
  return out;
}

}  // namespace

TEST_CASE("png_bytes: writes gray and RGB pictures", "[apps]") {
  for (const int64_t channels : {1, 3}) {
    const auto image = torch::arange(channels * 5 * 4)
                           .mul(37)
                           .remainder(256)
                           .to(torch::kUInt8)
                           .reshape({channels, 5, 4});
    const auto chunks = chunks_of(apps::png_bytes(image));
    REQUIRE(chunks.size() == 3);
    const auto& header = chunks.at("IHDR");
    REQUIRE(header.size() == 13);
    CHECK(number_at(header, 0) == 4);
    CHECK(number_at(header, 4) == 5);
    CHECK(header.substr(8) ==
          std::string("\x08", 1) + (channels == 1 ? '\0' : '\x02') + std::string(3, '\0'));
    CHECK(chunks.at("IEND").empty());
    const auto line = static_cast<size_t>(4 * channels);
    const auto lines = inflated(chunks.at("IDAT"), 5 * (line + 1));
    REQUIRE(lines.size() == 5 * (line + 1));
    for (int64_t y = 0; y < 5; ++y) {
      CHECK(lines[static_cast<size_t>(y) * (line + 1)] == 0);
      for (int64_t x = 0; x < 4; ++x) {
        for (int64_t c = 0; c < channels; ++c) {
          const auto at =
              static_cast<size_t>(y) * (line + 1) + 1 + static_cast<size_t>(x * channels + c);
          CHECK(static_cast<unsigned char>(lines[at]) == image[c][y][x].item<uint8_t>());
        }
      }
    }
  }
  CHECK(error_text([] {
          apps::png_bytes(torch::zeros({2, 3, 3}, torch::kUInt8));
        }) == "png_bytes: expected uint8 [1 or 3, height, width] but got Byte [2, 3, 3].");
  CHECK(error_text([] {
          apps::png_bytes(torch::zeros({1, 3, 3}));
        }) == "png_bytes: expected uint8 [1 or 3, height, width] but got Float [1, 3, 3].");
}

TEST_CASE("base64: writes the examples of RFC 4648", "[apps]") {
  const std::pair<const char*, const char*> examples[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : examples) CHECK(apps::base64(bytes) == text);
  CHECK(apps::base64(std::string("\xff\xfe\x00", 3)) == "//4A");
  CHECK(apps::png_uri(torch::zeros({1, 1, 1}, torch::kUInt8))
            .starts_with("data:image/png;base64,iVBORw0KGgo"));
}

TEST_CASE("thumbnail: keeps small pictures and the shape of large ones", "[apps]") {
  const auto small = torch::arange(12).to(torch::kUInt8).reshape({1, 3, 4});
  CHECK(apps::thumbnail(small, 4).equal(small));
  const auto halved =
      apps::thumbnail(torch::tensor({{{10, 20, 0, 4}, {30, 40, 8, 4}}}, torch::kUInt8), 2);
  CHECK(halved.equal(torch::tensor({{{25, 4}}}, torch::kUInt8)));
  CHECK(apps::thumbnail(torch::zeros({3, 500, 100}, torch::kUInt8), 50).sizes() ==
        at::IntArrayRef({3, 50, 10}));
  CHECK(apps::thumbnail(torch::zeros({1, 500, 1}, torch::kUInt8), 50).sizes() ==
        at::IntArrayRef({1, 50, 1}));
}
