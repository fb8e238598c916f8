/// Checksums of data, and tensors that take long to make, kept in a file.
#pragma once

#include <ladder/data/datasets.h>
#include <ladder/io/tensor_file.h>
#include <torch/types.h>

#include <filesystem>
#include <functional>
#include <string>

namespace ladder::apps {

/// SHA-1 of type, sizes and elements of a tensor, as hexadecimal digits.
std::string checksum(const torch::Tensor& tensor);

/// 16 hexadecimal digits that tell one tensor from another.
std::string fingerprint(const torch::Tensor& tensor);

/// 16 hexadecimal digits that tell one data set from another: of the SHA-1 of the checksums of
/// training inputs and labels, test inputs and labels.
std::string fingerprint(const data::TrainTest& data);

/// Tensors to keep, and where.
struct CachedTensors {
  std::filesystem::path folder;
  std::string stem;   ///< the file is <folder>/<stem>-<16 digits of the SHA-1 of `about`>.pt
  std::string about;  ///< all that the tensors depend on, in words; kept in the file and compared
};

std::filesystem::path cache_path(const CachedTensors& cached);

/// Return the tensors in the file, or those of `make`, which are then written to it atomically. A
/// file that is damaged or about something else is made anew; if it cannot be written, the tensors
/// are returned all the same. `note` gets a line about either.
io::TensorMap load_or_make(const CachedTensors& cached, const std::function<io::TensorMap()>& make,
                           const std::function<void(const std::string&)>& note);

}  // namespace ladder::apps
