/// Numbers of text files. It includes nothing of LibTorch.
#pragma once

#include <string_view>

namespace ladder::data {

enum class NumberKind { kFinite, kInfinite, kNone };

/// Convert a text without spaces around it to the nearest double. "inf", "-Infinity" and 1e400 are
/// kInfinite. `decimal` is '.' or ','.
NumberKind parse_number(std::string_view text, char decimal, double& value);

}  // namespace ladder::data
