/// Predictions that rows share with those that are near them in the features of a network.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace ladder::train {

struct SmoothingOptions {
  int64_t k = 10;      ///< neighbours of a row in each of the features
  int64_t rounds = 4;  ///< R, how often a row takes the mean over its neighbours, at least 1
};

/// Throw the errors of `options`, naming the function or piece that takes them.
void check_options(const char* name, const SmoothingOptions& options);

/// Return P_R, [n, classes], where P_0 are the probabilities that a network gives to n rows and
///
///     P_r(n) = 1 / (F k) sum over the F features f, and over the k rows m next to n by f, of
///              P_(r-1)(m)
///
/// so that a row does not count for itself in the first round. The distance of two rows is the
/// cosine of their features, less the mean of these over all rows.
///
/// The middle levels of a trained network place a row among rows of its class more often than the
/// levels above them classify it rightly: label propagation along features [Iscen2019], here of the
/// network's own predictions instead of the labels.
///
/// `features`: [n, units] each; `probabilities`: [n, classes]. Errors: other shapes or types;
/// values that are not finite; options below 1; fewer than k + 1 rows.
///
///     const auto seen = train::clean_features(net, x, {}, {.levels = {3, 4}});
///     const auto smooth = train::smoothed_predictions(seen.features, seen.probabilities);
///     const auto classes = smooth.argmax(1);
torch::Tensor smoothed_predictions(const std::vector<torch::Tensor>& features,
                                   const torch::Tensor& probabilities,
                                   const SmoothingOptions& options = {});

}  // namespace ladder::train
