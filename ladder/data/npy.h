/// NumPy's files.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "ladder/io/tensor_file.h"

namespace ladder::data {

/// Read an array from an .npy file, version 1.0 to 3.0, of numbers in either byte order and in C or
/// Fortran order. Return it in C order.
///
///     NumPy               tensor
///     bool                bool
///     int8 ... int64      the same
///     uint8               uint8
///     uint16, uint32      int32, int64
///     uint64              int64, if no value is above 2^63 - 1
///     float16 ... 64      the same
///
/// The declared size is compared with the size of the file before memory is allocated.
///
/// Throws `c10::Error`, one sentence that names the file: no file, another kind of file, a damaged
/// header or one above 64 KiB, more than 32 dimensions, a size that is not that of the file, values
/// that are no real numbers (Python objects, texts, records, dates, complex and long floats).
///
///     torch::Tensor x = read_npy("x.npy");
torch::Tensor read_npy(const std::filesystem::path& path);

/// Read all arrays of an .npz file, stored or deflated, by name. Check sums are verified, and sizes
/// compared with what the compressed bytes can hold. Errors: those of `read_npy`, a damaged zip
/// archive, a record that is no array.
///
///     io::TensorMap arrays = read_npz("digits.npz");   // arrays.at("x"), arrays.at("y")
io::TensorMap read_npz(const std::filesystem::path& path);

/// Read these arrays alone, which `npz_names` lists: the others may be texts or objects.
io::TensorMap read_npz(const std::filesystem::path& path, const std::vector<std::string>& names);

/// Return the names of the arrays of an .npz file, sorted, without reading them. Errors: no file, a
/// damaged directory.
std::vector<std::string> npz_names(const std::filesystem::path& path);

}  // namespace ladder::data
