/// Whether bytes are text.
#pragma once

#include <cstddef>
#include <string_view>

namespace ladder::data {

/// Return the position of the first byte that is not UTF-8, or the size.
size_t utf8_prefix(std::string_view text);

}  // namespace ladder::data
