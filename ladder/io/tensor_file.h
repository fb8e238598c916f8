#pragma once

#include <torch/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace ladder::io {

/// Tensors by name.
using TensorMap = std::map<std::string, torch::Tensor>;

/// Write named tensors to the file `path`, atomically, in PyTorch's format. Python reads the file
/// by `torch.load(path, weights_only=True)` as a dictionary from names to tensors.
///
/// Values, sizes and types are kept. Tensors are copied to the CPU, made contiguous and written
/// without gradients; no two share storage. The same tensors give the same bytes.
///
/// Throws `c10::Error` if a tensor is undefined or not dense, or if the file cannot be written.
///
///     save_tensors("model.pt", {{"w", w}, {"about", text_tensor("epoch 3")}});
void save_tensors(const std::filesystem::path& path, const TensorMap& tensors);

/// Read named tensors to the CPU, from a file of `save_tensors`, or of Python's `torch.save`
/// applied to a dictionary from strings to tensors or to a `state_dict()`. Every tensor is
/// contiguous, shares no storage and requires no gradient, even if the saved one did. The file is
/// data: none of it is executed. Checksums are verified.
///
/// Throws `c10::Error`, one sentence that names the file: no such file, a truncated, damaged or
/// foreign file, one that holds other things than named dense tensors, or one whose expanded
/// tensors and those that share storage take more than 32 MiB and four times what it stores.
TensorMap load_tensors(const std::filesystem::path& path);

/// Return a text as a uint8 tensor [bytes], so that it can be saved with tensors.
torch::Tensor text_tensor(std::string_view text);

/// Return the text of a tensor of `text_tensor`. Throws `c10::Error` if `tensor` is not uint8 with
/// one dimension.
std::string tensor_text(const torch::Tensor& tensor);

}  // namespace ladder::io
