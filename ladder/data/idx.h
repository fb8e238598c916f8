#pragma once

#include <torch/types.h>

#include <filesystem>

namespace ladder::data {

/// Reads an IDX file of unsigned bytes, the format of MNIST, and returns it as a uint8 tensor with
/// the file's own shape (1 to 4 dimensions).
///
/// A file is read as gzip when it starts as gzip does, whatever its name. The size that the header
/// declares is compared with the size of the file before anything of that size is allocated.
///
/// Throws `c10::Error`, one sentence for each fault, always naming the file: no such file, a
/// folder, an empty file, not IDX, another element type than unsigned bytes, another number of
/// dimensions than 1 to 4, fewer or more bytes than the header declares, a truncated gzip file,
/// corrupt gzip data, bytes after the gzip data.
///
///     torch::Tensor images = read_idx("train-images-idx3-ubyte.gz");  // uint8 [60000, 28, 28]
torch::Tensor read_idx(const std::filesystem::path& path);

}  // namespace ladder::data
