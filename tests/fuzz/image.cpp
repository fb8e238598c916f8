// PNG and JPEG files. Mutations of a PNG file get correct checksums, so that they reach what comes
// behind them.
#include <zlib.h>

#include <cstring>
#include <vector>

#include "ladder/data/internal/image_codec.h"
#include "tests/fuzz/support.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

namespace {

uint32_t read_word(const uint8_t* at) {
  return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3];
}

void write_word(uint8_t* at, uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

void mend_checksums(uint8_t* data, size_t size) {
  size_t at = 8;
  while (at + 12 <= size) {
    const size_t length = read_word(data + at);
    if (length > size - at - 12) return;
    const auto crc = ::crc32(0, data + at + 4, static_cast<uInt>(length + 4));
    write_word(data + at + 8 + length, static_cast<uint32_t>(crc));
    at += length + 12;
  }
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, most);
  const bool png = size > 8 && std::memcmp(data, "\x89PNG\r\n\x1A\n", 8) == 0;
  if (png && seed % 8 != 0) mend_checksums(data, size);
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ladder;
  constexpr data::ImageLimits kLimits = {
      .pixels = 1 << 16, .small = 1 << 14, .pixels_per_byte = 64};
  const std::string_view bytes = fuzz::Input(data, size).rest();
  std::vector<uint8_t> pixels;
  try {
    const auto info = data::decode_image(bytes, pixels, kLimits);
    const auto read = data::read_image_info(bytes, kLimits);
    if (info.height != read.height || info.width != read.width || info.channels != read.channels ||
        static_cast<int64_t>(pixels.size()) != info.height * info.width * info.channels) {
      fuzz::fault("an image of another size");
    }
  } catch (const data::ImageFault& error) {
    if (!std::string_view(error.what()).starts_with("expected ")) fuzz::fault(error.what());
  }
  return 0;
}
