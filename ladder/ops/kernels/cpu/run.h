/// Run the CPU kernels on the threads of the library's pool (core/internal/threads.h).
#pragma once

#include <c10/util/ArrayRef.h>

#include "ladder/ops/kernels/cpu/kernels.h"

namespace ladder::ops::cpu {

/// The most rows of a matrix that `run` splits by columns.
inline constexpr int64_t kMaxRowsByColumns = 2048;

/// Run the kernel for `args`, of float or double, over all rows and columns:
/// split by columns, or, if the rows of a few columns do not fit into a core's
/// cache, by rows.
template <class Args>
void run(const Args& args);

/// Compute the product, whose result has the columns of `args`, run the kernel, which reads it, and
/// compute the products `beside`; all in one section of tasks where `run` splits by columns.
template <class Args>
void multiply_and_run(const Product& product, const ProductKernel& kernel, const Args& args,
                      c10::ArrayRef<Product> beside = {});

/// Run the kernel for `args` over the windows of `rows` maps.
#define LADDER_DECLARE(Args) \
  template <class T>         \
  void run(const Args<T>& args, int64_t rows);
LADDER_WINDOW_OPERATORS(LADDER_DECLARE)
#undef LADDER_DECLARE

}  // namespace ladder::ops::cpu
