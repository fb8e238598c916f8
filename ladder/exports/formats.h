/// The formats of exports, by name and by the ending of a file.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "ladder/exports/prediction_model.h"

namespace ladder::exports {

/// A format in which a trained model can be written.
struct NamedFormat {
  std::string name;     ///< "onnx"
  std::string ending;   ///< of its files, ".onnx"
  std::string summary;  ///< what a file holds, in a few words
  std::function<void(const std::filesystem::path&, const PredictionModel&)> write;
};

/// Return every format. To add one, add an entry to the table in `formats.cpp`.
const std::vector<NamedFormat>& formats();

/// Return the format whose files end like `path`, nullptr for another ending.
const NamedFormat* find_format(const std::filesystem::path& path);

/// Write a model in the format that the ending of `path` names. Errors: another ending; those of
/// `write_onnx`, `write_python`, `write_safetensors` and `write_torch`.
///
///     exports::write_model("machines.onnx", classifier.model());
void write_model(const std::filesystem::path& path, const PredictionModel& model);

}  // namespace ladder::exports
