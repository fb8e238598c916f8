/// Export to a Python module.
#pragma once

#include <filesystem>

#include "ladder/exports/prediction_model.h"

namespace ladder::exports {

/// The files of an export.
struct PythonFiles {
  std::filesystem::path module = {};   ///< NAME.py
  std::filesystem::path weights = {};  ///< NAME.pt
};

/// Return the files that `write_python` writes for `path`: the module `NAME.py` itself, or a folder
/// for `model.py` and `model.pt`. Touches no file.
PythonFiles python_files(const std::filesystem::path& path);

/// Write the prediction of a model as a Python module that needs nothing but PyTorch: the network
/// as plain modules of torch.nn, how rows become its inputs, and the class names, with the weights
/// beside it (`python_files(path)`). A folder is created where missing.
///
///     import model
///     model.predict({"age": [31, None], "colour": ["red", ""]})        # class names
///     model.predict_proba(pandas.read_csv("rows.csv"))                 # tensor [rows, classes]
///
/// `model.load(path)` also takes the files of `write_torch` and `write_safetensors`. Parameters
/// have the names of the library, so that `state_dict()` can be read back by `read_weights`.
///
/// Missing values are None, NaN, NA, the usual texts of CSV files and those of the model
/// (data::Features::missing); texts that spell numbers or truth values are read as in
/// data::Features::apply, and the module refuses other texts and infinite numbers as it does.
///
/// Errors: those of `write_onnx`, except for the size; a file of the weights' name that holds
/// anything but such weights, a model of `write_torch` say.
void write_python(const std::filesystem::path& path, const PredictionModel& model);

}  // namespace ladder::exports
