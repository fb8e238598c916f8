/// What a network of cross-validation predicted, in a file of its run.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace ladder::runs {

/// Predictions of the rows of one fold by the network that was trained without their labels.
struct FoldPredictions {
  torch::Tensor rows = {};           ///< int64 [n], rows of the training data
  torch::Tensor probabilities = {};  ///< float32 [n, classes]
  double seconds = 0;                ///< that the network took
};

/// Write a fold to `path`, atomically; folders above it are made. `settings` is a text of all that
/// the predictions depend on. Errors: those of io::save_tensors.
void save_fold(const std::filesystem::path& path, const std::string& settings,
               const FoldPredictions& fold);

/// Read a fold. None if `path` is no file of save_fold, a damaged one, or one of other settings,
/// rows or classes: its network can be trained again.
std::optional<FoldPredictions> load_fold(const std::filesystem::path& path,
                                         const std::string& settings, const torch::Tensor& rows,
                                         int64_t classes);

}  // namespace ladder::runs
