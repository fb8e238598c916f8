/// Weights and descriptions of a model as named tensors, in the formats of PyTorch and safetensors.
#pragma once

#include <filesystem>

#include "ladder/exports/prediction_model.h"
#include "ladder/io/tensor_file.h"

namespace ladder::exports {

/// Return all that a model holds as named tensors:
///
///     stages.L.*   parameters and buffers of the encoder, from stage 0 up
///     decoder.*    those of the decoder, if there is one
///     classes      class names, a text (io::text_tensor) that is a JSON array
///     features     columns of a table, a text of data::to_json; only if the model has features
///     missing      further missing values of the table (data::Features::missing), a text that is
///                  a JSON array; only if there are any
///     images       JSON object with channels, height, width, flat, and mean and scale, or
///                  contrast_norm where images are whitened; only for images
///     images.mean, images.map   of a whitening (ImageInputs::whitening), float32 [D] and [D, D]
///     facts        JSON object, name to text
///
/// Errors: an empty network; parts that do not fit together (see `write_onnx`).
io::TensorMap model_tensors(const PredictionModel& model);

/// Write `model_tensors` to a file that Python reads by `torch.load(path, weights_only=True)`, a
/// dictionary from names to tensors. A text is its bytes: `bytes(d["classes"].tolist()).decode()`.
/// Error: a network that was not calibrated.
void write_torch(const std::filesystem::path& path, const PredictionModel& model);

/// Write the parameters and buffers of `model_tensors` as tensors, and the texts as metadata, in
/// the safetensors format. Error: a network that was not calibrated.
void write_safetensors(const std::filesystem::path& path, const PredictionModel& model);

/// Read the weights of a network that is built already from a .safetensors file, a .pt file of
/// `write_torch`, a `state_dict()` of the Python form (see `write_python`), or the model file of a
/// Classifier. The file must have all parameters and buffers of the encoder. The decoder is read if
/// both have one and stays as it is if the file has none. Numbers are converted to the type of the
/// network.
///
/// Errors name the file and leave the network as it was: a tensor that is not there, one of another
/// shape or type, a part of a decoder, one for a stage that the network does not have; NaN and
/// infinite numbers in parameters and stored statistics, where a buffer of a stage of your own may
/// hold them; a number that the type of the network does not hold; the checkpoint of a run, which
/// train::load_network reads; a file of torch::save.
///
///     auto net = models::mlp({.in_features = 20, .layers = {100, 3}, .lambda = {}});
///     exports::read_weights("tuned.safetensors", net);
void read_weights(const std::filesystem::path& path, const Ladder& net);

}  // namespace ladder::exports
