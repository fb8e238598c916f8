#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ladder/exports/prediction_model.h"
#include "ladder/io/tensor_file.h"
#include "ladder/nn/stages/noisy_normalization.h"

namespace ladder::exports {

/// What a stage computes in eval mode: a map, the stored statistics, scale, shift and activation.
struct PlainLayer {
  enum class Map { kDense, kConv, kMaxPool, kMeanPool, kGlobalMean };

  Map map = Map::kDense;
  std::string name = {};      ///< of the stage in the network's state: "stages.0"
  std::string map_name = {};  ///< of the map in the stage: "", or "map" inside of a NoisyStage
  torch::Tensor weight = {};  ///< [out, in], or [out, in / groups, ...]
  torch::Tensor bias = {};    ///< [out], of the map itself; undefined for none
  std::vector<int64_t> kernel = {}, stride = {}, dilation = {};  ///< of windows
  std::vector<int64_t> padding = {};      ///< zeros, or nothing for a maximum, on both sides
  std::vector<int64_t> end_padding = {};  ///< more of them at the end
  bool ceil_mode = false;                 ///< windows that are cut at the end count
  bool count_padding = true;              ///< a mean counts `padding`
  int64_t groups = 1;
  double factor = 1;  ///< on the result of the map
  NoisyNormalization normalization = nullptr;
  std::vector<int64_t> in = {}, out = {};  ///< shapes of one row
};

/// Return the layers of a network.
///
/// Errors, led by `component`: an empty network; a stage that is not of the library, or a map that
/// has no equal elsewhere, by its place and kind: one that derives from them may compute something
/// else; statistics that were never measured.
std::vector<PlainLayer> plain_layers(const char* component, const Ladder& net);

/// h = scale map(x) + shift before the activation, float64 [out]: statistics, gamma, beta, bias and
/// factor in one.
struct FoldedNormalization {
  torch::Tensor scale, shift;
};
FoldedNormalization folded(const PlainLayer& layer);

/// Check that the parts of a model fit together. Errors, led by `component`: inputs of another
/// shape than the network's; another number of class names; names that are not UTF-8; a mean or a
/// scale too many or too few; a scale that is not above 0; a whitening of other images.
void check_model(const char* component, const PredictionModel& model);

/// Check that all statistics of a network were measured: its predictions need them. Error, led by
/// `component`: the first stage without.
void check_calibrated(const char* component, const Ladder& net);

/// Names of the two tensors of a whitening in the files that hold them.
inline constexpr const char* kWhiteningMean = "images.mean";
inline constexpr const char* kWhiteningMap = "images.map";

/// Return the tensors of a whitening by these names; none where images are not whitened.
io::TensorMap whitening_tensors(const ImageInputs& images);

/// Return the class names, "0", "1", ... where the model has none.
std::vector<std::string> class_names(const PredictionModel& model);

/// Used columns of this kind, in the order of the inputs.
std::vector<const data::Feature*> used_columns(const PredictionModel& model, data::ColumnKind kind);

/// Return texts as a JSON array.
std::string json_array(const std::vector<std::string>& texts);

}  // namespace ladder::exports
