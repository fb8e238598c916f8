#pragma once

#include <torch/types.h>
#include <zlib.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ladder::testing {

inline std::string idx_header(const std::vector<uint32_t>& sizes, int code = 0x08) {
  std::string bytes = {0, 0, static_cast<char>(code), static_cast<char>(sizes.size())};
  for (const uint32_t size : sizes) {
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(size >> shift & 0xFF);
  }
  return bytes;
}

/// The bytes of an IDX file with the values of a uint8 tensor.
inline std::string idx_bytes(const torch::Tensor& values) {
  const torch::Tensor data = values.contiguous();
  std::vector<uint32_t> sizes;
  for (const int64_t size : data.sizes()) sizes.push_back(static_cast<uint32_t>(size));
  return idx_header(sizes) + std::string(reinterpret_cast<const char*>(data.data_ptr<uint8_t>()),
                                         static_cast<size_t>(data.numel()));
}

/// Pack bytes by zlib; `window` is the argument windowBits of deflateInit2.
inline std::string deflate_bytes(std::string_view bytes, int window) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    throw std::runtime_error("deflateInit2");
  }
  std::string out(deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = deflate(&stream, Z_FINISH);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  if (status != Z_STREAM_END) throw std::runtime_error("deflate");
  return out;
}

inline std::string gzip_bytes(std::string_view bytes) {
  constexpr int kGzip = 16;
  return deflate_bytes(bytes, MAX_WBITS + kGzip);
}

}  // namespace ladder::testing
