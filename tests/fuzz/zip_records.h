/// Checksums of mutated zip files.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <cstring>

namespace ladder::fuzz {

inline uint32_t little_word(const uint8_t* at, int bytes) {
  uint32_t value = 0;
  for (int i = bytes - 1; i >= 0; --i) value = value << 8 | at[i];
  return value;
}

inline void put_little_word(uint8_t* at, uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<uint8_t>(value >> 8 * i);
}

/// Correct the CRC-32 of every stored record that the central directory names.
inline void mend_records(uint8_t* data, size_t size) {
  for (size_t at = 0; at + 46 <= size; ++at) {
    if (std::memcmp(data + at, "PK\1\2", 4) != 0) continue;
    const size_t header = little_word(data + at + 42, 4);
    const size_t length = little_word(data + at + 20, 4);
    if (header + 30 > size || std::memcmp(data + header, "PK\3\4", 4) != 0) continue;
    const size_t begin =
        header + 30 + little_word(data + header + 26, 2) + little_word(data + header + 28, 2);
    if (begin > size || length > size - begin) continue;
    const auto crc = static_cast<uint32_t>(::crc32(0, data + begin, static_cast<uInt>(length)));
    put_little_word(data + at + 16, crc);
    put_little_word(data + header + 14, crc);
  }
}

}  // namespace ladder::fuzz
