/// Checks of rows, labels and neighbours, in sentences that name the first row that is wrong.
#pragma once

#include <torch/types.h>

#include <string>

namespace ladder::data {

/// Check that `labels` (int64 [rows]) are 0..classes-1, at the positions `rows` (int64 [n]) only
/// where these are defined. With `missing`, -1 stands for no label. Error:
///
///     <component>: expected labels of the test rows in 0..9, or -1 for none, but got 10 (row 3).
void check_labels(const std::string& component, const std::string& what,
                  const torch::Tensor& labels, const torch::Tensor& rows, int64_t classes,
                  bool missing);

/// Check that floating `inputs` [rows, ...] are finite, in the rows `rows` (int64 [n]) only where
/// these are defined. The error is that of ladder::check_finite.
void check_finite(const std::string& component, const std::string& what,
                  const torch::Tensor& inputs, const torch::Tensor& rows = {});

/// Check that `labels` are int64 [rows]. Error:
///
///     <component>: expected int64 labels [900] but got Int [900].
void check_label_rows(const std::string& component, const torch::Tensor& labels, int64_t rows);

/// Check that `rows` are int64 [n], places among `count` rows. `what` names them. Errors:
///
///     <component>: expected int64 unlabeled rows [n] but got Float [2].
///     <component>: expected unlabeled rows in 0..899 but got 900 (the inputs have 900 rows).
void check_row_places(const std::string& component, const std::string& what,
                      const torch::Tensor& rows, int64_t count);

/// Check that `neighbours` are int64 [rows, k], places among these rows. Error:
///
///     <component>: expected neighbours in 0..899 but got 900.
void check_neighbours(const std::string& component, const torch::Tensor& neighbours, int64_t rows);

}  // namespace ladder::data
