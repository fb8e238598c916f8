#pragma once

#include <stdexcept>

namespace ladder::io {

/// Reason why a file could not be read. The caller of the reader adds the name of the file.
class ReadFault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace ladder::io
