/// One source for the vectors of a CPU and the threads of a GPU.
///
/// Formulas are templates over a struct `M` (for "mathematics") that names the value type and its
/// elementary functions:
///
///     M::Scalar, M::Value        float or double; a vector of them, or one
///     M::fill(scalar)            a value from a scalar
///     M::exponential(value), error_function, hyperbolic_tangent, logarithm, square_root
///
/// An instruction set defines its `M` in an unnamed namespace, so that code compiled for it never
/// serves another one. For the same reason nothing here uses functions of the standard library.
#pragma once

#if defined(__CUDACC__)
#define LADDER_FORMULA __device__ __forceinline__
#else
#define LADDER_FORMULA inline __attribute__((always_inline))
#endif

namespace ladder {

/// Numbers one by one, for formulas without elementary functions on the host.
template <class T>
struct PlainNumbers {
  using Scalar = T;
  using Value = T;
};

}  // namespace ladder
