#pragma once

#include <torch/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace ladder::io {

/// Tensors by name.
using TensorMap = std::map<std::string, torch::Tensor>;

/// Writes named tensors to the file `path`, atomically, in PyTorch's own format: Python reads it
/// with `torch.load(path, weights_only=True)` as a dictionary from names to tensors.
///
/// Values, sizes and types are kept. Tensors are written contiguous, from the CPU, without their
/// gradients, each with storage of its own. The same tensors give the same bytes.
///
/// Throws `c10::Error` when a tensor is undefined or not dense, or when the file cannot be written.
///
///     save_tensors("model.pt", {{"w", w}, {"about", text_tensor("epoch 3")}});
void save_tensors(const std::filesystem::path& path, const TensorMap& tensors);

/// Reads named tensors, on the CPU, from a file of `save_tensors` or of Python's `torch.save`
/// applied to a dictionary from strings to tensors or to a `state_dict()`. Every tensor is
/// contiguous, has storage of its own and takes no gradient, whatever was saved. The file is
/// treated as data, none of it is executed, and its check sums are compared.
///
/// Throws `c10::Error`, one sentence that names the file: no such file, a truncated, damaged or
/// foreign one, or one that holds something else than named dense tensors.
TensorMap load_tensors(const std::filesystem::path& path);

/// A text as a uint8 tensor [bytes], so that it can be saved beside tensors; and back.
///
/// `tensor_text` throws `c10::Error` when `tensor` is not uint8 with one dimension.
torch::Tensor text_tensor(std::string_view text);
std::string tensor_text(const torch::Tensor& tensor);

}  // namespace ladder::io
