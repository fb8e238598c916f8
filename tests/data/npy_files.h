/// NumPy's files, written without NumPy.
#pragma once

#include <string>

namespace ladder::testing {

/// The bytes of an .npy file, version 1.0: `descr` is the type, such as "<f8", and `shape` a tuple
/// in Python's notation.
inline std::string npy_file(const std::string& descr, const std::string& shape,
                            const std::string& data) {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header += std::string(64 - (10 + header.size() + 1) % 64, ' ') + "\n";
  return std::string("\x93NUMPY\1\0", 8) + static_cast<char>(header.size() & 0xFF) +
         static_cast<char>(header.size() >> 8) + header + data;
}

}  // namespace ladder::testing
