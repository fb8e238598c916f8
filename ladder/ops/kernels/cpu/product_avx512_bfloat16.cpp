// The product of bfloat16 operands by the AVX-512 instruction that multiplies them in pairs. Like
// kernels.inc, this uses nothing from the standard library that is not a type.
#include <immintrin.h>

#include <type_traits>

#include "ladder/ops/kernels/cpu/kernels.h"

#define LADDER_VECTOR_BYTES 64

namespace ladder::ops::cpu {
namespace {

// The first defines what the second uses.
// clang-format off
#include "ladder/ops/kernels/cpu/vectors.inc"
#include "ladder/ops/kernels/cpu/product.inc"
// clang-format on

// A lane holds the values at two neighbouring places of the depth, the first in the low half.
struct BFloat16Pairs {
  static constexpr int64_t kValues = 2;
  static constexpr bool kAsTheyLie = false;

  static LADDER_INLINE Vec<float> along(const float* from) {
    return round_pair(load_vector(from), load_vector(from + kWidth));
  }
  static LADDER_INLINE Vec<float> along(const float* from, int64_t values) {
    return values > kWidth
               ? round_pair(load_vector(from), load_part(from + kWidth, values - kWidth))
               : round_pair(load_part(from, values), Vec<float>{});
  }
  template <int N>
  static LADDER_INLINE void across(const float* from, const float* next, float* out) {
    if constexpr (N == kWidth) {
      const auto both =
          round_pair(load_vector(from), next != nullptr ? load_vector(next) : Vec<float>{});
      typedef uint16_t Halves __attribute__((vector_size(64)));
      constexpr Halves kInterleave = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
      const auto halves = bits<Halves>(both);
      const auto pairs = shuffled(halves, halves, kInterleave);
      __builtin_memcpy(out, &pairs, sizeof(pairs));
    } else {
      static_assert(N == 4);
      const auto second = next != nullptr ? _mm_loadu_ps(next) : _mm_setzero_ps();
      const auto both = (__m128i)_mm_cvtne2ps_pbh(second, _mm_loadu_ps(from));
      _mm_storeu_ps(out, (__m128)_mm_unpacklo_epi16(both, _mm_srli_si128(both, 8)));
    }
  }
  static LADDER_INLINE float lane(const float* from, const float* next) {
    const float second = next != nullptr ? *next : 0.0F;
    return ((__m128)_mm_cvtneps_pbh(_mm_setr_ps(*from, second, 0, 0)))[0];
  }
  static LADDER_INLINE Vec<float> broadcast(const float* lane) {
    int32_t pair;
    __builtin_memcpy(&pair, lane, sizeof(pair));
    return bits<Vec<float>>(_mm512_set1_epi32(pair));
  }
  static LADDER_INLINE Vec<float> multiply_add(Vec<float> sum, Vec<float> left, Vec<float> right) {
    return bits<Vec<float>>(
        _mm512_dpbf16_ps(bits<__m512>(sum), bits<__m512bh>(left), bits<__m512bh>(right)));
  }

 private:
  static LADDER_INLINE Vec<float> round_pair(Vec<float> low, Vec<float> high) {
    return bits<Vec<float>>(_mm512_cvtne2ps_pbh(bits<__m512>(high), bits<__m512>(low)));
  }
};

}  // namespace

const ProductKernel kAvx512BFloat16Product = kProduct<BFloat16Pairs>;

}  // namespace ladder::ops::cpu
