/// Splitting work over LibTorch's threads.
#pragma once

#include <c10/util/FunctionRef.h>

#include <cstdint>

#include "ladder/ops/kernels/cpu/kernels.h"

namespace ladder::ops::cpu {

/// Runs f(begin, end) over column ranges of a [rows, cols] matrix on LibTorch's threads. Ranges
/// start at multiples of a cache line, and matrices too small to gain from a second thread stay on
/// one.
void for_columns(int64_t rows, int64_t cols, c10::function_ref<void(int64_t, int64_t)> f);

/// The whole of c = a b by one kernel, in blocks on LibTorch's threads. Bit for bit the same on any
/// number of them.
void multiply(const Product& product, const ProductKernel& kernel);

/// Runs f(task) for every task below `count` on LibTorch's threads, each taking the next one as it
/// gets free.
void for_tasks(int64_t count, c10::function_ref<void(int64_t)> f);

/// kProductScratch floats of the calling thread's.
float* product_scratch();

}  // namespace ladder::ops::cpu
