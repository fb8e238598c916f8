/// Tensors that take long to make, kept in a file.
#pragma once

#include <ladder/io/tensor_file.h>
#include <torch/types.h>

#include <filesystem>
#include <functional>
#include <string>

namespace ladder::apps {

/// SHA-1 of type, sizes and elements of a tensor, as hexadecimal digits.
std::string checksum(const torch::Tensor& tensor);

/// What is kept, and where.
struct CachedTensors {
  std::filesystem::path folder;
  std::string stem;   ///< the file is <folder>/<stem>-<16 digits of the SHA-1 of `about`>.pt
  std::string about;  ///< all that the tensors depend on, in words; kept in the file and compared
};

std::filesystem::path cache_path(const CachedTensors& cached);

/// Returns the tensors that the file holds, or those of `make`, which are then written to it,
/// atomically. A file that is damaged or about something else is made anew; one that cannot be
/// written is done without. `note` is handed a line about either.
io::TensorMap load_or_make(const CachedTensors& cached, const std::function<io::TensorMap()>& make,
                           const std::function<void(const std::string&)>& note);

}  // namespace ladder::apps
