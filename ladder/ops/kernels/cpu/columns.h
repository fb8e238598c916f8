/// Division of a kernel's work into tasks for several threads.
#pragma once

#include <c10/util/ArrayRef.h>
#include <c10/util/FunctionRef.h>

#include <cstdint>

#include "ladder/core/internal/threads.h"
#include "ladder/ops/kernels/cpu/kernels.h"

namespace ladder::ops::cpu {

using threads::for_tasks;
using threads::kWorkOfThread;

/// Call f(begin, end) for column ranges of a [rows, cols] matrix that together cover it, of which a
/// value takes some `cost` nanoseconds. Ranges start at multiples of a cache line. What takes
/// little time stays on the calling thread.
void for_columns(int64_t rows, int64_t cols, int64_t cost,
                 c10::function_ref<void(int64_t, int64_t)> f);

/// Compute c = a b by one kernel, in blocks for several threads. The result has the same bits on
/// any number of threads.
void multiply(const Product& product, const ProductKernel& kernel);
/// The same for products of which none reads what another writes: threads wait for each other once,
/// at the end of all.
void multiply_all(c10::ArrayRef<Product> products, const ProductKernel& kernel);

/// Compute a product in blocks of all its rows, call then(begin, end) as soon as the columns
/// [begin, end) of c are whole, and compute the products `beside`, of which none reads what another
/// task writes. Threads wait for each other once, at the end of all. Ranges start at multiples of a
/// cache line; the results have the same bits as by `multiply`.
void multiply_then(const Product& product, const ProductKernel& kernel,
                   c10::function_ref<void(int64_t, int64_t)> then,
                   c10::ArrayRef<Product> beside = {});

/// Scratch memory of the calling thread for one product: kProductScratch floats.
float* product_scratch();

}  // namespace ladder::ops::cpu
