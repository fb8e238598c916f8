/// PNG files, written without libpng.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ladder::testing {

inline std::string big_endian(uint32_t value) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

inline std::string png_chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto crc =
      ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(static_cast<uint32_t>(data.size())) + body +
         big_endian(static_cast<uint32_t>(crc));
}

/// How the samples of a PNG file are stored: color types 0 gray, 2 RGB, 3 palette, 4 gray and
/// alpha, 6 RGB and alpha.
struct PngFormat {
  uint32_t width = 1;
  uint32_t height = 1;
  int depth = 8;
  int color = 0;
};

inline std::string png_header(const PngFormat& format) {
  std::string header = big_endian(format.width) + big_endian(format.height);
  header += {static_cast<char>(format.depth), static_cast<char>(format.color), 0, 0, 0};
  return std::string("\x89PNG\r\n\x1A\n", 8) + png_chunk("IHDR", header);
}

/// The bytes of a PNG file with these samples, row by row. `chunks` (PLTE, tRNS, ...) come before
/// the data.
inline std::string png_bytes(const PngFormat& format, const std::vector<int>& samples,
                             const std::vector<std::pair<std::string, std::string>>& chunks = {}) {
  const size_t per_row = samples.size() / format.height;
  std::string data;
  for (uint32_t y = 0; y < format.height; ++y) {
    data += '\0';  // no filter
    int bits = 0;
    unsigned packed = 0;
    for (size_t i = 0; i < per_row; ++i) {
      const auto sample = static_cast<unsigned>(samples[y * per_row + i]);
      if (format.depth == 16) {
        data += static_cast<char>(sample >> 8);
        data += static_cast<char>(sample & 0xFF);
        continue;
      }
      packed = packed << format.depth | sample;
      bits += format.depth;
      if (bits == 8) {
        data += static_cast<char>(packed & 0xFF);
        bits = 0;
        packed = 0;
      }
    }
    if (bits > 0) data += static_cast<char>(packed << (8 - bits) & 0xFF);
  }
  uLongf size = ::compressBound(static_cast<uLong>(data.size()));
  std::string deflated(size, '\0');
  if (::compress(reinterpret_cast<Bytef*>(deflated.data()), &size,
                 reinterpret_cast<const Bytef*>(data.data()),
                 static_cast<uLong>(data.size())) != Z_OK) {
    throw std::runtime_error("compress");
  }
  deflated.resize(size);
  std::string bytes = png_header(format);
  for (const auto& [type, content] : chunks) bytes += png_chunk(type, content);
  return bytes + png_chunk("IDAT", deflated) + png_chunk("IEND", "");
}

}  // namespace ladder::testing
