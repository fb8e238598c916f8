/// Check of options that may not be negative.
#pragma once

#include <c10/util/Exception.h>

#include <cmath>

namespace ladder {

/// Check that an option, such as a standard deviation or a weight, is finite and at least 0.
/// `where` ends the sentence: " for level 2".
template <class... Where>
void check_not_negative(const char* owner, const char* name, double value, Where... where) {
  TORCH_CHECK(value >= 0, owner, ": expected ", name, " >= 0 but got ", value, where..., ".");
  TORCH_CHECK(std::isfinite(value), owner, ": expected a finite ", name, " but got ", value,
              where..., ".");
}

}  // namespace ladder
