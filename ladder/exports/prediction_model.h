/// All that a prediction needs, as exports write it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ladder/data/features.h"
#include "ladder/data/image_whitening.h"
#include "ladder/nn/ladder.h"

namespace ladder::exports {

/// How images become inputs: y = (x / 255 - mean) / scale, one mean and scale a channel, or whole
/// images by `whitening`.
struct ImageInputs {
  int64_t channels = 1, height = 0, width = 0;
  std::vector<double> mean = {};   ///< one a channel; none with `whitening`
  std::vector<double> scale = {};  ///< one a channel, above 0; none with `whitening`
  bool flat = false;               ///< the network takes rows [C H W] in place of [C, H, W]
  std::optional<data::ImageWhitening> whitening = {};
};

/// Return them as a JSON object, one key a field; of a whitening only its contrast_norm.
std::string to_json(const ImageInputs& images);

/// A trained network between raw rows and class names. Either `features` or `images` is set, or
/// neither where the network takes its inputs as they are.
struct PredictionModel {
  Ladder net = nullptr;                         ///< calibrated
  std::optional<data::Features> features = {};  ///< of a table
  std::optional<ImageInputs> images = {};
  std::vector<std::string> classes = {};  ///< class names in the order of the logits
  /// Facts for metadata and the model card, as (name, text) in order: "labeled rows", "200".
  std::vector<std::pair<std::string, std::string>> facts = {};
};

}  // namespace ladder::exports
