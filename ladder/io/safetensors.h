/// Named tensors in the safetensors format.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "ladder/io/tensor_file.h"

namespace ladder::io {

/// What a .safetensors file holds.
struct Safetensors {
  TensorMap tensors = {};
  std::map<std::string, std::string> metadata = {};  ///< texts by name
};

/// Write named tensors and texts to the file `path`, atomically. Python reads it by
/// `safetensors.torch.load_file(path)`.
///
/// Values, sizes and types are kept: float64, float32, float16, bfloat16, int64, int32, int16,
/// int8, uint8 and bool. Tensors are copied to the CPU, made contiguous and written without
/// gradients. The same tensors and texts give the same bytes.
///
/// Throws `c10::Error` if a tensor is undefined, not dense or of another type; if a name or a text
/// is not UTF-8; if the file cannot be written.
///
///     io::save_safetensors("model.safetensors", {{"w", w}}, {{"format", "pt"}});
void save_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                      const std::map<std::string, std::string>& metadata = {});

/// Read named tensors to the CPU, and the texts beside them. The file is data: none of it is
/// executed, and no more memory is taken than a few times its size. Its tensors must fill it
/// without overlaps or holes.
///
/// Throws `c10::Error`, one sentence that names the file: no such file, a truncated, damaged or
/// foreign file, or a tensor of another type than those of `save_safetensors`.
Safetensors load_safetensors(const std::filesystem::path& path);

}  // namespace ladder::io
