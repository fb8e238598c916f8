#pragma once

#include <cstddef>
#include <string>

namespace ladder::data {

/// Return what a column without a name is called, by its place from 0: x0, x1, ...
inline std::string unnamed_column(size_t place) { return "x" + std::to_string(place); }

}  // namespace ladder::data
