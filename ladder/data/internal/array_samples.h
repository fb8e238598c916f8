/// Samples from arrays in NumPy's files, for read_samples.
#pragma once

#include <filesystem>

#include "ladder/data/read_samples.h"
#include "ladder/data/samples.h"

namespace ladder::data {

/// Read the arrays of a part in an NPZ file: inputs, and labels if it has any.
Samples npz_samples(const std::filesystem::path& path, const ReadOptions& options);

/// Return whether an NPZ file holds inputs of a part.
bool npz_has_inputs(const std::filesystem::path& path, Part part);

/// Read inputs from a .npy file, and labels from the file beside it whose name says so: y.npy
/// beside x.npy, labels_test.npy beside images_test.npy.
Samples npy_samples(const std::filesystem::path& path, const ReadOptions& options);

/// Return the file of inputs of a part among the .npy files of a folder, or an empty path.
std::filesystem::path npy_inputs(const std::filesystem::path& folder, Part part);

}  // namespace ladder::data
