#pragma once

#include <torch/types.h>

#include <cstdint>

namespace ladder::data {

/// How labeled rows are drawn: the same number of rows of every class, as in the published results,
/// or without regard to the classes.
enum class Balance { kBalanced, kUnbalanced };

/// Use every row that has a label.
inline constexpr int64_t kAllLabels = -1;

/// Draw `count` labeled rows. Return their indices, int64 [count], ascending.
///
/// `labels` is int64 [rows], each in [0, classes), or -1 for a row without a label, which is never
/// drawn. The draw depends only on the arguments, so a run can keep its labeled rows and change
/// every other seed, or the reverse. A draw contains every smaller draw with the same seed. If
/// `count` is `kAllLabels` or the number of rows that have a label, all of those are returned, even
/// if the classes have different numbers of rows.
///
/// Throws `c10::Error` if `count` is neither positive nor `kAllLabels`, if it exceeds the number of
/// rows that have a label, if a balanced draw does not divide evenly among the classes (the
/// sentence names the nearest counts that do), or if a class has too few rows.
///
///     auto labeled = draw_labeled(train.labels, 100, train.classes, /*seed=*/1);  // 10 a class
torch::Tensor draw_labeled(const torch::Tensor& labels, int64_t count, int64_t classes,
                           uint64_t seed, Balance balance = Balance::kBalanced);

/// How `make_split` divides the training rows.
struct SplitOptions {
  int64_t labels = 100;    ///< labeled rows, or `kAllLabels`
  int64_t validation = 0;  ///< rows set aside for validation
  uint64_t seed = 1;
  Balance balance = Balance::kBalanced;  ///< how the labeled rows are drawn
};

/// Row indices, int64 and ascending.
struct Split {
  torch::Tensor labeled;     ///< rows whose label training may use, a subset of `unlabeled`
  torch::Tensor unlabeled;   ///< all rows except the validation rows
  torch::Tensor validation;  ///< rows that training does not see
};

/// Divide training rows into labeled, unlabeled and validation rows.
///
/// The validation rows are drawn first, the same number of each class as far as possible. All other
/// rows are unlabeled rows, and the labeled rows are drawn among them [Rasmus2015]. Validation and
/// labeled rows use separate random streams. With `validation = 0` the labeled rows are those of
/// `draw_labeled`; a larger `validation` only replaces the labeled rows that it takes.
///
/// Throws `c10::Error` as `draw_labeled` does, or if no row with a label would remain.
///
///     Split split = make_split(train.labels, 10, {.labels = 100, .validation = 5000, .seed = 1});
Split make_split(const torch::Tensor& labels, int64_t classes, const SplitOptions& options);

}  // namespace ladder::data
