/// How good the predictions of a classifier are, from probabilities and labels.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "ladder/train/evaluation.h"

namespace ladder::train {

/// A two-sided confidence interval.
struct Interval {
  double low = 0;
  double high = 1;
};

/// Standard normal quantile of a two-sided 95 % interval.
inline constexpr double kNormal95 = 1.959963984540054;

/// Return the interval of a share p of which `hits` of `rows` independent rows are known
/// [Wilson1927]:
///
///     (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n),   p = hits / n
///
/// It lies in [0, 1] and stays meaningful for 0 hits. Errors: rows below 1, hits outside 0..rows, z
/// that is not above 0.
///
///     auto [low, high] = wilson_interval(/*hits=*/12, /*rows=*/400);
Interval wilson_interval(int64_t hits, int64_t rows, double z = kNormal95);

/// Count rows by label and prediction: element [i, j] is the number of rows with label i that are
/// predicted as j, int64 [classes, classes] on the CPU. Rows with label -1 are left out.
///
/// Errors: labels or predictions that are not int64 [R]; labels outside -1..classes - 1 (the row is
/// named) or all -1; predictions outside 0..classes - 1.
torch::Tensor confusion_matrix(const torch::Tensor& labels, const torch::Tensor& predictions,
                               int64_t classes);

/// Numbers of one class c. Ratios with a denominator of 0 have no value.
struct ClassMetrics {
  int64_t support = 0;                   ///< rows with label c
  int64_t predicted = 0;                 ///< rows that are predicted as c
  int64_t hits = 0;                      ///< rows with label c that are predicted as c
  std::optional<double> precision = {};  ///< hits / predicted
  std::optional<double> recall = {};     ///< hits / support
  std::optional<double> f1 = {};         ///< 2 hits / (support + predicted)
};

/// Return the numbers of every class. Error: a matrix that is not int64 [K, K].
std::vector<ClassMetrics> class_metrics(const torch::Tensor& confusion);

/// Mean recall of the classes that have rows. Error: no rows.
double balanced_accuracy(const torch::Tensor& confusion);

/// Mean F1 of the classes that have rows or predictions. Error: no rows.
double macro_f1(const torch::Tensor& confusion);

/// Rows whose confidence (probability of the predicted class) is in (low, high].
struct ReliabilityBin {
  double low = 0;
  double high = 1;
  int64_t rows = 0;
  double confidence = 0;  ///< mean over the rows, 0 without rows
  double accuracy = 0;    ///< share of right predictions among them, 0 without rows
};

/// Whether probabilities can be taken at their word: of the rows that are predicted with 80 %, 80 %
/// should be right.
struct Reliability {
  std::vector<ReliabilityBin> bins = {};  ///< of equal width, ascending
  /// Expected calibration error [Naeini2015]: mean over rows of |accuracy - confidence| of the bin
  /// that the row is in.
  double error = 0;
};

/// Most classes of which `ClassificationMetrics` has a confusion matrix.
inline constexpr int64_t kMaxConfusionClasses = 200;

/// Everything above over the rows that have a label.
struct ClassificationMetrics {
  int64_t rows = 0;        ///< rows with a label
  int64_t wrong = 0;       ///< rows among them that are predicted as another class
  double error = 0;        ///< wrong / rows in percent
  Interval interval = {};  ///< 95 % interval of `error`, in percent
  double balanced_accuracy = 0;
  double macro_f1 = 0;
  double log_loss = 0;  ///< mean of -log(p of the label), in nats
  Reliability reliability = {};
  /// int64 [K, K], see confusion_matrix; undefined for more than kMaxConfusionClasses classes.
  torch::Tensor confusion = {};
  std::vector<ConfusedPair> confused = {};  ///< its cells off the diagonal, see confused_pairs
  std::vector<ClassMetrics> classes = {};
};

/// Measure probabilities [R, K] (float or double) against labels (int64 [R], -1 for none, left
/// out). The prediction of a row is its most probable class, the first of equal ones. A probability
/// below the epsilon of its type counts as that epsilon in the log loss, which stays finite.
///
/// Errors: another shape or type; a probability outside [0, 1], or a row whose sum is not 1 within
/// 0.001 (the row is named); labels as in `confusion_matrix`; less than one bin.
///
///     auto metrics = classification_metrics(train::probabilities(net, inputs), labels);
ClassificationMetrics classification_metrics(const torch::Tensor& probabilities,
                                             const torch::Tensor& labels, int64_t bins = 10);

/// Measures rows that are predicted block by block: the same numbers as `classification_metrics` of
/// all of them, bit for bit, but of a row only a few numbers are kept, however many classes there
/// are. Errors: those of classification_metrics; rows are numbered over all blocks.
///
///     BlockMetrics measured(classes);
///     for (const auto& block : blocks) measured.add(probabilities(net, block.x), block.labels);
///     auto metrics = measured.metrics();
class BlockMetrics {
 public:
  explicit BlockMetrics(int64_t classes, int64_t bins = 10);

  void add(const torch::Tensor& probabilities, const torch::Tensor& labels);
  ClassificationMetrics metrics() const;

 private:
  int64_t classes_;
  int64_t bins_;
  int64_t rows_ = 0;  // with and without a label
  // Of the rows with a label in each block.
  std::vector<torch::Tensor> labels_ = {}, predictions_ = {};
  std::vector<torch::Tensor> confidences_ = {}, of_labels_ = {};  // double
};

}  // namespace ladder::train
