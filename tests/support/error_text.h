#pragma once

#include <c10/util/Exception.h>

#include <string>

namespace ladder::testing {

/// The sentence of the `c10::Error` that `call` throws, or "(no error)".
template <typename Call>
std::string error_text(Call&& call) {
  try {
    call();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "(no error)";
}

}  // namespace ladder::testing
