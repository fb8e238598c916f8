#include "ladder/exports/formats.h"

#include <c10/util/Exception.h>

#include <algorithm>

#include "ladder/core/nearest_name.h"
#include "ladder/exports/onnx.h"
#include "ladder/exports/python.h"
#include "ladder/exports/weights.h"

namespace ladder::exports {

const std::vector<NamedFormat>& formats() {
  static const std::vector<NamedFormat> all = {
      {"onnx", ".onnx", "a graph from raw rows to probabilities", write_onnx},
      {"safetensors", ".safetensors", "weights and texts", write_safetensors},
      {"pt", ".pt", "weights and texts for torch.load", write_torch},
      {"python", ".py", "a module for PyTorch with its weights", write_python},
  };
  return all;
}

const NamedFormat* find_format(const std::filesystem::path& path) {
  const auto& all = formats();
  const auto found = std::find_if(all.begin(), all.end(), [&](const NamedFormat& format) {
    return path.extension() == format.ending;
  });
  return found == all.end() ? nullptr : &*found;
}

void write_model(const std::filesystem::path& path, const PredictionModel& model) {
  const auto* const format = find_format(path);
  if (format != nullptr) return format->write(path, model);
  std::vector<std::string> endings;
  for (const auto& known : formats()) endings.push_back(known.ending);
  TORCH_CHECK(false, "write_model: expected a path that ends in ", or_list(endings), " but got '",
              path.string(), "'.");
}

}  // namespace ladder::exports
