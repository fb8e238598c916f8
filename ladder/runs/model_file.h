/// The file of a trained classifier.
#pragma once

#include <filesystem>
#include <string>

#include "ladder/exports/prediction_model.h"
#include "ladder/runs/run_config.h"

namespace ladder::runs {

/// What a model file holds.
struct StoredModel {
  exports::PredictionModel model = {};
  RunConfig config = {};   ///< how it was trained, network included
  std::string label = {};  ///< name of the label column; empty for tensors and images
};

/// Write a model to `path`, atomically, as a dictionary that Python's torch.load opens:
///
///     "model.json"      uint8 [bytes]: format, classes, features or images, settings, facts,
///                      and, where there are any, texts of missing values, the decimal mark that
///                      was given and columns of whole numbers
///     "network.NAME"    parameters and statistics of the network, by their names
///     "images.mean", "images.map"   float32 [D], [D, D], where images are whitened
///
/// The same model gives the same bytes: neither times nor the machine are in it. The network is
/// made again from `config.network`, so it must be one of models::network;
/// exports::write_safetensors writes any. Errors: a network that was not calibrated, that
/// `config.network` does not describe, or without features or images; a file that cannot be
/// written.
void save_model(const std::filesystem::path& path, const StoredModel& stored);

/// Read a model file to the CPU. The file is data: nothing in it is executed.
///
/// Errors, one sentence that names the file: no such file; a damaged or foreign one; a later
/// format; settings, features or tensors that do not fit each other, or are not finite.
StoredModel load_model(const std::filesystem::path& path);

}  // namespace ladder::runs
