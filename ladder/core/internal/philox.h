/// Philox4x32-10 and the normals made from it: the one definition behind ladder/core/random.h.
#pragma once

#include <cstdint>

#include "ladder/core/internal/portable.h"

namespace ladder {

/// The ten rounds, on the four words of a counter.
///
/// `Lane` is uint64_t or a vector of them. A word is the low half of a lane, and the high half does
/// not matter: of a product of two words, the high word is then one shift away, the low word none.
/// `M::multiply_words(lane, factor)` multiplies the word of each lane.
template <class M, class Lane>
LADDER_FORMULA void philox_rounds(Lane* c, uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const Lane product0 = M::multiply_words(c[0], uint32_t{0xD2511F53});
    const Lane product1 = M::multiply_words(c[2], uint32_t{0xCD9E8D57});
    c[0] = (product1 >> 32) ^ c[1] ^ uint64_t { k0 };
    c[1] = product1;
    c[2] = (product0 >> 32) ^ c[3] ^ uint64_t { k1 };
    c[3] = product0;
    k0 += uint32_t{0x9E3779B9};
    k1 += uint32_t{0xBB67AE85};
  }
}

/// The words of the blocks whose 64-bit counters are given.
template <class M, class Lane>
LADDER_FORMULA void philox_block(Lane counter, uint64_t seed, Lane* c) {
  c[0] = counter;
  c[1] = counter >> 32;
  c[2] = Lane{};
  c[3] = Lane{};
  philox_rounds<M>(c, static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
}

/// Two standard normals from two words (Box and Muller): radius from `word`, whose upper 24 bits
/// are a uniform number in (0, 1], angle 2 pi `angle` / 2^32.
/// `M::to_value(word)` converts words below 2^31; `M::sine_cosine(angle, sine, cosine)` takes
/// words.
template <class M>
LADDER_FORMULA void box_muller(typename M::Word word, typename M::Word angle,
                               typename M::Value& first, typename M::Value& second) {
  const typename M::Value uniform = M::to_value((word >> 8) + 1U) * 5.9604644775390625e-8F;
  const typename M::Value radius = M::square_root(M::logarithm(uniform) * -2.0F);
  typename M::Value sine, cosine;
  M::sine_cosine(angle, sine, cosine);
  first = radius * cosine;
  second = radius * sine;
}

/// The four normals of a block, which are those of four rows, from its words.
template <class M>
LADDER_FORMULA void normals_of_block(const typename M::Word* words, typename M::Value* rows) {
  box_muller<M>(words[0], words[1], rows[0], rows[1]);
  box_muller<M>(words[2], words[3], rows[2], rows[3]);
}

}  // namespace ladder
