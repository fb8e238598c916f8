#include "ladder/ops/denoise.h"
#include "ladder/ops/normalise.h"
#include "ladder/ops/product.h"

// Every program that links the archive is made to refer to this symbol (see ladder/CMakeLists.txt),
// so that the operators and their registration are there for those that reach them by name alone.
extern "C" {
// NOLINTBEGIN(readability-identifier-naming): a symbol of C
extern const void* const ladder_operators[];
const void* const ladder_operators[] = {
    reinterpret_cast<const void*>(&ladder::ops::denoise),
    reinterpret_cast<const void*>(&ladder::ops::linear),
    reinterpret_cast<const void*>(&ladder::ops::normalise),
};
// NOLINTEND(readability-identifier-naming)
}
