#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/data/internal/row_checks.h"
#include "ladder/data/neighbours.h"
#include "ladder/nn/ladder.h"
#include "ladder/train/objective.h"

namespace ladder::train {

/// Return the rows of data::SemiData `inputs` that a piece looks at: `unlabeled`, int64 [N], or all
/// where it is undefined. Errors, naming `piece`: an empty network, no inputs [rows, ...], numbers
/// that are no rows of them.
inline at::Tensor rows_of_piece(const char* piece, const Ladder& net, const at::Tensor& inputs,
                                at::Tensor unlabeled) {
  TORCH_CHECK(!net.is_empty(), piece, ": expected a network but got an empty Ladder.");
  TORCH_CHECK(inputs.defined() && inputs.dim() >= 2, piece,
              ": expected inputs [rows, ...] but got ", shape_text(inputs), ".");
  if (!unlabeled.defined()) {
    return at::arange(inputs.size(0), at::dtype(at::kLong).device(inputs.device()));
  }
  data::check_row_places(piece, "unlabeled", unlabeled, inputs.size(0));
  return unlabeled;
}

/// Return the neighbours of these rows that a piece was given, or its own where it was given none.
inline std::shared_ptr<data::SharedNeighbours> neighbours_of_piece(
    std::shared_ptr<data::SharedNeighbours> given, const at::Tensor& inputs,
    const at::Tensor& rows) {
  return given ? std::move(given) : std::make_shared<data::SharedNeighbours>(inputs, rows);
}

/// Error, naming `piece`: too few rows to find `k` neighbours of each, late in a run.
inline void check_enough_rows(const char* piece, const at::Tensor& rows, int64_t k) {
  TORCH_CHECK(rows.numel() > k, piece, ": expected at least ", k + 1, " unlabeled rows, for ", k,
              " neighbours each, but got ", rows.numel(), ".");
}

/// Add to the settings of a piece how its neighbours are searched for, where that is not as usual.
inline void add_search_settings(const data::NeighbourOptions& options,
                                std::map<std::string, std::string>& settings) {
  const data::NeighbourOptions usual;
  if (options.pool != usual.pool) settings["neighbour pool"] = std::to_string(options.pool);
  if (options.seed != usual.seed) settings["neighbour seed"] = std::to_string(options.seed);
  if (options.exact) settings["exact neighbours"] = "true";
}

/// Return the rows of data::SemiData that the batch of a step holds, int64 [M]. Error, naming
/// `piece`: a batch that does not say them.
inline const at::Tensor& rows_of_batch(const char* piece, const StepValues& values) {
  const auto& rows = values.batch.unlabeled_rows;
  TORCH_CHECK(rows.defined(), piece,
              ": expected batches with unlabeled_rows but got one without (see "
              "SemiBatch::unlabeled_rows).");
  return rows;
}

}  // namespace ladder::train
