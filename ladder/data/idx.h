#pragma once

#include <torch/types.h>

#include <filesystem>

namespace ladder::data {

/// Read an IDX file of unsigned bytes, the format of MNIST. Return a uint8 tensor with the shape
/// that the file declares (1 to 4 dimensions).
///
/// The content decides whether a file is read as gzip, not its name. Zero padding behind the gzip
/// data is ignored, as gunzip does. The declared size is compared with the size of the file before
/// memory is allocated.
///
/// Throws `c10::Error`. Each sentence names the file and one fault: no such file, a folder, an
/// empty file, another kind of file (a zip archive, a web page, gzip data inside gzip data, ...),
/// elements that are not unsigned bytes, not 1 to 4 dimensions, fewer or more bytes than the header
/// declares, a truncated gzip file, corrupt gzip data, other bytes after the gzip data.
///
///     torch::Tensor images = read_idx("train-images-idx3-ubyte.gz");  // uint8 [60000, 28, 28]
torch::Tensor read_idx(const std::filesystem::path& path);

}  // namespace ladder::data
