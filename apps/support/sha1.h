#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ladder::apps {

/// SHA-1 of bytes that are given in parts: c10::sha1 takes them as one text, and its digits follow
/// the global locale.
///
///     Sha1().add("abc").digits();   // a9993e364706816aba3e25717850c26c9cd0d89d
class Sha1 {
 public:
  Sha1& add(std::string_view bytes);

  /// Return 40 hexadecimal digits. Nothing may be added afterwards.
  std::string digits();

 private:
  static constexpr size_t kBlock = 64;

  void add_block();

  std::array<uint32_t, 5> state_ = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
  std::array<unsigned char, kBlock> block_{};
  size_t filled_ = 0;   // of the block
  uint64_t count_ = 0;  // bytes
};

}  // namespace ladder::apps
