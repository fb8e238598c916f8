#pragma once

#include <torch/types.h>

#include <cstdint>

namespace ladder::data {

/// Whether the labeled rows hold equally many rows of every class, as in the published results, or
/// are drawn without regard to the classes.
enum class Balance { kBalanced, kUnbalanced };

/// Asks for every row that has a label.
inline constexpr int64_t kAllLabels = -1;

/// Draws `count` rows to be the labeled ones and returns their indices, int64 [count], ascending.
///
/// `labels` is int64 [rows], each in [0, classes), or -1 for a row without a label, which is never
/// drawn. The draw depends on its arguments alone: a run can keep its labeled rows and change the
/// seed of everything else, or the reverse. A smaller draw is contained in a larger one of the same
/// seed. With `count` equal to `kAllLabels`, or to the number of rows that have a label, all of
/// those are returned, however uneven the classes.
///
/// Throws `c10::Error` when `count` is neither positive nor `kAllLabels`, when it exceeds the rows
/// that have a label, when a balanced draw does not divide evenly among the classes (the message
/// names the nearest counts that do), or when a class has too few rows for its share.
///
///     auto labeled = draw_labeled(train.labels, 100, train.classes, /*seed=*/1);  // 10 a class
torch::Tensor draw_labeled(const torch::Tensor& labels, int64_t count, int64_t classes,
                           uint64_t seed, Balance balance = Balance::kBalanced);

/// How `make_split` divides the training rows.
struct SplitOptions {
  int64_t labels = 100;    ///< labeled rows, or `kAllLabels`
  int64_t validation = 0;  ///< rows set aside for validation
  uint64_t seed = 1;
  Balance balance = Balance::kBalanced;  ///< of the labeled rows
};

/// Row indices, int64 and ascending.
struct Split {
  torch::Tensor labeled;     ///< rows whose label training may use, all among `unlabeled`
  torch::Tensor unlabeled;   ///< every row but the validation rows
  torch::Tensor validation;  ///< rows that training does not see
};

/// Divides training rows into labeled, unlabeled and validation rows.
///
/// The validation rows are taken first, equally many of each class as far as the classes have them;
/// all other rows are unlabeled rows, and the labeled rows are drawn among them [Rasmus2015].
/// Validation and labeled rows come from separate random streams: with `validation = 0` the labeled
/// rows are those of `draw_labeled`, and asking for validation replaces only the labeled rows that
/// validation took.
///
/// Throws `c10::Error` as `draw_labeled` does, or when no row with a label would remain.
///
///     Split split = make_split(train.labels, 10, {.labels = 100, .validation = 5000, .seed = 1});
Split make_split(const torch::Tensor& labels, int64_t classes, const SplitOptions& options);

}  // namespace ladder::data
