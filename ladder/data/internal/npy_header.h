#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace ladder::data {

/// What the header of an .npy file says.
struct NpyHeader {
  char kind = 'f';  // of NumPy: b, i, u or f
  uint64_t width = 0;
  bool swapped = false;
  bool fortran = false;
  std::vector<int64_t> shape = {};
  uint64_t data = 0;   // position of the values
  uint64_t bytes = 0;  // of the values
};

/// Read the header of the file `path`, which `descriptor` reads, and compare its shape with the
/// size of the file. Errors: those of read_npy, in the name of `component`.
NpyHeader read_npy_header(const char* component, const std::filesystem::path& path, int descriptor);

/// Hint of an error where the process has too many files open.
inline constexpr const char* kFewerFiles = "close some, or allow more by ulimit -n";

}  // namespace ladder::data
