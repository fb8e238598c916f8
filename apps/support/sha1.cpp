#include "apps/support/sha1.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace ladder::apps {

Sha1& Sha1::add(std::string_view bytes) {
  count_ += bytes.size();
  while (!bytes.empty()) {
    const size_t size = std::min(kBlock - filled_, bytes.size());
    std::memcpy(block_.data() + filled_, bytes.data(), size);
    filled_ += size;
    bytes.remove_prefix(size);
    if (filled_ == kBlock) add_block();
  }
  return *this;
}

std::string Sha1::digits() {
  const uint64_t bits = 8 * count_;
  add(std::string_view("\x80", 1));
  while (filled_ != kBlock - sizeof bits) add(std::string_view("\0", 1));
  std::array<char, sizeof bits> length{};
  for (size_t i = 0; i < length.size(); ++i) {
    length[i] = static_cast<char>(bits >> (8 * (length.size() - 1 - i)));
  }
  add({length.data(), length.size()});
  std::string text;
  for (const uint32_t word : state_) text += fmt::format("{:08x}", word);
  return text;
}

void Sha1::add_block() {
  filled_ = 0;
  std::array<uint32_t, 80> words{};
  for (size_t i = 0; i < 16; ++i) {
    for (size_t k = 0; k < 4; ++k) words[i] = words[i] << 8 | block_[4 * i + k];
  }
  for (size_t i = 16; i < words.size(); ++i) {
    words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
  }
  auto [a, b, c, d, e] = state_;
  for (size_t i = 0; i < words.size(); ++i) {
    const uint32_t mixed = i < 20   ? ((b & c) | (~b & d)) + 0x5A827999
                           : i < 40 ? (b ^ c ^ d) + 0x6ED9EBA1
                           : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC
                                    : (b ^ c ^ d) + 0xCA62C1D6;
    const uint32_t next = std::rotl(a, 5) + mixed + e + words[i];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  state_[0] += a;
  state_[1] += b;
  state_[2] += c;
  state_[3] += d;
  state_[4] += e;
}

}  // namespace ladder::apps
