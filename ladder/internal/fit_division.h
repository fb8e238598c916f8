/// Which rows are trained on, and which are held back.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>

namespace ladder::fitting {

/// Numbers of rows, int64, ascending.
struct Division {
  torch::Tensor labeled;
  torch::Tensor unlabeled;  ///< undefined for rows of a source: all but the validation rows
  torch::Tensor validation;
  int64_t used = 0;  ///< number of unlabeled rows
};

/// Divide rows in memory: all but `validation` are trained on.
Division division_of(const torch::Tensor& labels, const torch::Tensor& validation);

/// Divide `rows` rows of a source, of which `labeled` have labels; `validation` are some of these.
Division division_of_source(int64_t rows, const torch::Tensor& labeled,
                            const torch::Tensor& validation);

/// Repeat rows as often as their weights say (data::repeat_weighted).
Division weighted(Division division, const std::optional<torch::Tensor>& weights);

}  // namespace ladder::fitting
