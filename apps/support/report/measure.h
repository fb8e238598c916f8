/// Measure what a report shows of a trained network.
#pragma once

#include <ladder/data/features.h>
#include <ladder/data/table.h>
#include <ladder/exports/prediction_model.h>
#include <ladder/nn/ladder.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/support/report/report_data.h"

namespace ladder::apps {

/// Return the `count` rows of `probabilities` [R, K] whose most probable class is least probable.
/// `labels` (int64 [R], -1 for none), `names` (one a row) and `pictures` (uint8 [R, C, H, W]) may
/// be missing; a row without a name is "row 12", counted from 1.
std::vector<UnsureRow> unsure_rows(const torch::Tensor& probabilities, const torch::Tensor& labels,
                                   const std::vector<std::string>& classes,
                                   const std::vector<std::string>& names = {},
                                   const torch::Tensor& pictures = {}, int64_t count = 12);

/// What one level of the decoder sees in a training step, as matrices [rows, units]. The rows of
/// feature maps are positions, their units channels.
struct DenoisedLevel {
  int64_t level = 0;
  torch::Tensor z_noisy = {}, z = {};  ///< corrupted and clean
  torch::Tensor u = {};                ///< signal from above, normalised
  torch::Tensor mean = {}, std = {};   ///< by which z^ is rescaled to be compared with z
  AnyCombinator g;

  /// z^, rescaled.
  torch::Tensor denoise(const torch::Tensor& noisy, const torch::Tensor& vertical) const {
    return (g->forward(noisy, vertical) - mean) / std;
  }
};

/// Return the decoded levels of `net` over the rows `inputs` (as the network takes them) with the
/// noise of training, from the top down. Empty without a decoder. Ends above a level whose vertical
/// map is of a kind that the library does not have. Of many rows, evenly spread ones are taken.
std::vector<DenoisedLevel> denoised_levels(Ladder& net, const torch::Tensor& inputs);

/// Return the denoising functions of up to three units of each level, with a small, a middle and a
/// large slope; levels in the order given.
std::vector<DenoisingCurve> denoising_curves(const std::vector<DenoisedLevel>& levels);

/// Return `count` images as the network sees, restores and knows them; none if the decoder does not
/// reach the input. `image` says how images became inputs.
std::optional<Reconstructions> reconstructions(const std::vector<DenoisedLevel>& levels,
                                               const exports::ImageInputs& image,
                                               int64_t count = 10);

/// Return the rows in the two directions of largest variance of the top hidden layer (principal
/// components; the largest element of each direction is positive). The statistics are the stored
/// ones. `labeled` says which rows have a label that training used; empty: none.
TopLayerPicture top_layer_picture(Ladder& net, const torch::Tensor& inputs,
                                  const std::vector<bool>& labeled = {});

/// Rows with labels that a report measures a network on.
struct MeasuredRows {
  torch::Tensor inputs = {};            ///< as the network takes them
  torch::Tensor labels = {};            ///< int64 [R], -1 for none
  std::vector<std::string> names = {};  ///< identifiers; may be empty
  torch::Tensor pictures = {};          ///< uint8 [R, C, H, W]; undefined for rows of a table
};

/// Measure predictions: fill in `metrics`, `unsure`, rows and wrong rows of the first run, and the
/// error of always answering the most frequent class. Class names must be there.
void measure_predictions(ReportData& data, Ladder& net, const MeasuredRows& rows);

/// Measure what the network learned: fill in `denoising`, `reconstructions` (of images) and
/// `top_layer`.
void measure_learned(ReportData& data, Ladder& net, const torch::Tensor& inputs,
                     const std::vector<bool>& labeled = {},
                     const std::optional<exports::ImageInputs>& image = {});

/// Return the columns of a table and what became of them; those in `except` (label, identifiers)
/// are left out.
std::vector<ReportedColumn> reported_columns(const data::Table& table,
                                             const data::Features& features,
                                             const std::vector<std::string>& except = {});

}  // namespace ladder::apps
