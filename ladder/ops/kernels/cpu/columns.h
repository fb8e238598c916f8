/// Division of a kernel's work into tasks for several threads.
#pragma once

#include <c10/util/ArrayRef.h>
#include <c10/util/FunctionRef.h>

#include <cstdint>
#include <limits>

#include "ladder/ops/kernels/cpu/kernels.h"

namespace ladder::ops::cpu {

/// Work that makes up for a second thread, in nanoseconds or values of an elementwise kernel, of
/// which each takes about one: waking a thread and handing it a task takes a few microseconds.
inline constexpr int64_t kWorkOfThread = 20000;

/// Call f(task) once for each task below `count` on at most at::get_num_threads() threads (see
/// threads::share_tasks), and on no more than there is work for: `work` for all tasks in units of
/// kWorkOfThread.
void for_tasks(int64_t count, c10::function_ref<void(int64_t)> f,
               int64_t work = std::numeric_limits<int64_t>::max());

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
