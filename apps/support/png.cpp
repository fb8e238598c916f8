#include "apps/support/png.h"

#include <ATen/ATen.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>

namespace ladder::apps {
namespace {

void append_number(std::string& out, uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    out += static_cast<char>(number >> shift & 0xFF);
  }
}

// Length, type, content, CRC-32 of type and content.
void append_chunk(std::string& out, std::string_view type, std::string_view content) {
  append_number(out, static_cast<uint32_t>(content.size()));
  const std::string body = std::string(type) + std::string(content);
  out += body;
  append_number(out, static_cast<uint32_t>(::crc32(0, reinterpret_cast<const Bytef*>(body.data()),
                                                   static_cast<uInt>(body.size()))));
}

std::string deflated(const std::string& bytes) {
  uLongf size = ::compressBound(static_cast<uLong>(bytes.size()));
  std::string out(size, '\0');
  const int status = ::compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                                 reinterpret_cast<const Bytef*>(bytes.data()),
                                 static_cast<uLong>(bytes.size()), Z_BEST_COMPRESSION);
  TORCH_CHECK(status == Z_OK, "png_bytes: zlib failed with status ", status, ".");
  out.resize(size);
  return out;
}

}  // namespace

std::string png_bytes(const at::Tensor& image) {
  TORCH_CHECK(image.defined() && image.scalar_type() == at::kByte && image.dim() == 3 &&
                  (image.size(0) == 1 || image.size(0) == 3) && image.size(1) >= 1 &&
                  image.size(2) >= 1,
              "png_bytes: expected uint8 [1 or 3, height, width] but got ",
              image.defined() ? c10::str(c10::toString(image.scalar_type()), " ", image.sizes())
                              : "an undefined tensor",
              ".");
  const auto pixels = image.permute({1, 2, 0}).contiguous();  // [H, W, C]
  const auto height = pixels.size(0);
  const auto line = static_cast<size_t>(pixels.size(1) * pixels.size(2));
  const auto* bytes = reinterpret_cast<const char*>(pixels.const_data_ptr<uint8_t>());
  std::string lines;  // each with the number of its filter before it: 0, none
  for (int64_t y = 0; y < height; ++y) {
    lines += '\0';
    lines.append(bytes + static_cast<size_t>(y) * line, line);
  }
  std::string header;
  append_number(header, static_cast<uint32_t>(pixels.size(1)));
  append_number(header, static_cast<uint32_t>(height));
  header += '\x08';                               // bits a sample
  header += pixels.size(2) == 1 ? '\0' : '\x02';  // gray or RGB
  header += std::string(3, '\0');                 // deflate, adaptive filters, not interlaced
  std::string out = "\x89PNG\r\n\x1A\n";
  append_chunk(out, "IHDR", header);
  append_chunk(out, "IDAT", deflated(lines));
  append_chunk(out, "IEND", "");
  return out;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (size_t k = 0; k < 4; ++k) {
      out += i + k <= bytes.size() ? kAlphabet[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

at::Tensor thumbnail(const at::Tensor& image, int64_t most) {
  const auto height = image.size(1), width = image.size(2);
  const auto longest = std::max(height, width);
  if (longest <= most) return image;
  const auto side = [&](int64_t size) { return std::max<int64_t>(1, size * most / longest); };
  return at::adaptive_avg_pool2d(image.to(at::kFloat).unsqueeze(0), {side(height), side(width)})
      .squeeze(0)
      .round()
      .to(at::kByte);
}

std::string png_uri(const at::Tensor& image) {
  return "data:image/png;base64," + base64(png_bytes(image));
}

}  // namespace ladder::apps
