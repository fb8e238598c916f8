/// The CPU kernels on LibTorch's threads.
#pragma once

#include "ladder/ops/kernels/cpu/kernels.h"

namespace ladder::ops::cpu {

/// Run the kernel of `args` over all rows and columns, for T float or double: by columns, or, where
/// rows are so many that those of a few columns do not stay in a core's cache, in parts of rows.
template <class T>
void run(const AddNoise<T>& args);
template <class T>
void run(const NormaliseForward<T>& args);
template <class T>
void run(const NormaliseBackward<T>& args);
template <class T>
void run(const DenoiseForward<T>& args);
template <class T>
void run(const DenoiseBackward<T>& args);
/// Those of windows, over `rows` maps.
template <class T>
void run(const MaxPoolForward<T>& args, int64_t rows);
template <class T>
void run(const MaxPoolBackward<T>& args, int64_t rows);

}  // namespace ladder::ops::cpu
