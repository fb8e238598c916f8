/// Options that a module was built with.
#pragma once

#include <c10/util/Exception.h>

namespace ladder {

/// Throw where the public `options` of a module differ from those it was built with: its parameters
/// would not fit, or the change would have no effect.
template <class Options>
void check_unchanged(const char* owner, const Options& options, const Options& built) {
  TORCH_CHECK(options == built, owner, ": expected the options that it was built with but got ",
              "changed ones (options are fixed at construction: build another ", owner, ").");
}

}  // namespace ladder
