/// Description of a model for people.
#pragma once

#include <string>

#include "ladder/exports/prediction_model.h"

namespace ladder::exports {

/// Return a model card in Markdown: what the model predicts from what, all `facts` (data, settings
/// and measured numbers), columns or pixels and what is done with them, the layers, limits, and how
/// to load it in each format. `stem`: name of the files to load, without ending.
///
/// Errors: those of `model_tensors`.
///
///     io::write_atomically("model.md", exports::model_card(model));
std::string model_card(const PredictionModel& model, const std::string& stem = "model");

}  // namespace ladder::exports
