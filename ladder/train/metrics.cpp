#include "ladder/train/metrics.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/train/evaluate.h"
#include "ladder/train/internal/row_batches.h"

namespace ladder::train {
namespace {

// How far from 1 the probabilities of a row may add up: they may have been rounded to a few digits.
constexpr double kSumTolerance = 1e-3;
constexpr const char* kMetricsName = "classification_metrics";

std::optional<double> ratio(int64_t numerator, int64_t denominator) {
  if (denominator == 0) return std::nullopt;
  return static_cast<double>(numerator) / static_cast<double>(denominator);
}

double mean_of_known(const std::vector<ClassMetrics>& classes, const std::string& component,
                     std::optional<double> ClassMetrics::*number) {
  double sum = 0;
  int64_t known = 0;
  for (const auto& one : classes) {
    if (one.*number) {
      sum += *(one.*number);
      ++known;
    }
  }
  TORCH_CHECK(known > 0, component, ": expected a confusion matrix of at least one row but got 0.");
  return sum / static_cast<double>(known);
}

// First row where `bad` is true.
int64_t first_row(const at::Tensor& bad) { return bad.to(at::kInt).argmax().item<int64_t>(); }

void check_probability_shape(const at::Tensor& probabilities) {
  TORCH_CHECK(
      probabilities.defined() && probabilities.dim() == 2 && probabilities.size(0) >= 1 &&
          probabilities.size(1) >= 1 &&
          (probabilities.scalar_type() == at::kFloat || probabilities.scalar_type() == at::kDouble),
      "classification_metrics: expected float or double probabilities [rows, classes] but "
      "got ",
      type_and_shape_text(probabilities), ".");
}

// `before`: rows of other blocks, to name one.
void check_probabilities(const at::Tensor& probabilities, int64_t before) {
  const auto inside = probabilities.ge(0).logical_and(probabilities.le(1)).all(1);
  if (!inside.all().item<bool>()) {
    const auto row = first_row(inside.logical_not());
    const auto values = probabilities[row];
    const auto value =
        values.masked_select(values.ge(0).logical_and(values.le(1)).logical_not())[0];
    TORCH_CHECK(false, "classification_metrics: expected probabilities in 0..1 but got ",
                value.item<double>(), " (row ", before + row, "; take the softmax of logits).");
  }
  const auto sums = probabilities.sum(1, /*keepdim=*/false, at::kDouble);
  const auto off = sums.sub(1).abs().gt(kSumTolerance);
  if (off.any().item<bool>()) {
    const auto row = first_row(off);
    TORCH_CHECK(false,
                "classification_metrics: expected probabilities of a row to add up to 1 but "
                "got ",
                sums[row].item<double>(), " (row ", before + row, ").");
  }
}

// Numbers of each class from its rows: int64 [K] each.
std::vector<ClassMetrics> metrics_of_counts(const at::Tensor& support, const at::Tensor& predicted,
                                            const at::Tensor& hits) {
  std::vector<ClassMetrics> classes;
  for (int64_t c = 0; c < support.size(0); ++c) {
    ClassMetrics one{.support = support[c].item<int64_t>(),
                     .predicted = predicted[c].item<int64_t>(),
                     .hits = hits[c].item<int64_t>()};
    one.precision = ratio(one.hits, one.predicted);
    one.recall = ratio(one.hits, one.support);
    one.f1 = ratio(2 * one.hits, one.support + one.predicted);
    classes.push_back(one);
  }
  return classes;
}

// `confidence` double [R] in (0, 1], `right` bool [R].
Reliability reliability_of(const at::Tensor& confidence, const at::Tensor& right, int64_t bins) {
  Reliability result;
  const auto bin_of = confidence.mul(bins).ceil().sub(1).clamp(0, bins - 1).to(at::kLong);
  const auto sums = [&](const at::Tensor& values) {
    return at::zeros({bins}, at::kDouble).index_add(0, bin_of, values);
  };
  const auto rows = sums(at::ones_like(confidence));
  const auto confidences = sums(confidence);
  const auto rights = sums(right.to(at::kDouble));
  const auto all = static_cast<double>(confidence.size(0));
  for (int64_t b = 0; b < bins; ++b) {
    ReliabilityBin bin;
    bin.low = static_cast<double>(b) / static_cast<double>(bins);
    bin.high = static_cast<double>(b + 1) / static_cast<double>(bins);
    const auto count = rows[b].item<double>();
    bin.rows = static_cast<int64_t>(count);
    if (bin.rows > 0) {
      bin.confidence = confidences[b].item<double>() / count;
      bin.accuracy = rights[b].item<double>() / count;
      result.error += count / all * std::abs(bin.accuracy - bin.confidence);
    }
    result.bins.push_back(bin);
  }
  return result;
}

}  // namespace

Interval wilson_interval(int64_t hits, int64_t rows, double z) {
  TORCH_CHECK(rows >= 1, "wilson_interval: expected at least 1 row but got ", rows, ".");
  TORCH_CHECK(hits >= 0 && hits <= rows, "wilson_interval: expected hits in 0..", rows, " but got ",
              hits, ".");
  TORCH_CHECK(z > 0 && std::isfinite(z), "wilson_interval: expected z above 0 but got ", z, ".");
  const auto n = static_cast<double>(rows);
  const double p = static_cast<double>(hits) / n;
  const double middle = p + z * z / (2 * n);
  const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  const double scale = 1 + z * z / n;
  // Exact ends, where the difference of equal numbers would leave rounding.
  return {.low = hits == 0 ? 0 : std::max(0.0, (middle - half) / scale),
          .high = hits == rows ? 1 : std::min(1.0, (middle + half) / scale)};
}

torch::Tensor confusion_matrix(const torch::Tensor& labels, const torch::Tensor& predictions,
                               int64_t classes) {
  TORCH_CHECK(classes >= 1, "confusion_matrix: expected at least 1 class but got ", classes, ".");
  TORCH_CHECK(
      predictions.defined() && predictions.dim() == 1 && predictions.scalar_type() == at::kLong,
      "confusion_matrix: expected int64 predictions [rows] but got ",
      type_and_shape_text(predictions), ".");
  check_evaluation_labels("confusion_matrix", "evaluated", labels, {}, predictions.size(0),
                          classes);
  const auto outside = predictions.lt(0).logical_or(predictions.ge(classes));
  if (outside.any().item<bool>()) {
    const auto row = first_row(outside);
    TORCH_CHECK(false, "confusion_matrix: expected predictions in 0..", classes - 1, " but got ",
                predictions[row].item<int64_t>(), " (row ", row, ").");
  }
  const auto there = labels.cpu();
  const auto known = there.ge(0);
  const auto cells = there.mul(classes).add(predictions.cpu()).masked_select(known);
  return cells.bincount({}, classes * classes).reshape({classes, classes});
}

std::vector<ClassMetrics> class_metrics(const torch::Tensor& confusion) {
  TORCH_CHECK(confusion.defined() && confusion.dim() == 2 && confusion.scalar_type() == at::kLong &&
                  confusion.size(0) == confusion.size(1),
              "class_metrics: expected an int64 confusion matrix [classes, classes] but got ",
              type_and_shape_text(confusion), ".");
  return metrics_of_counts(confusion.sum(1), confusion.sum(0), confusion.diagonal());
}

double balanced_accuracy(const torch::Tensor& confusion) {
  return mean_of_known(class_metrics(confusion), "balanced_accuracy", &ClassMetrics::recall);
}

double macro_f1(const torch::Tensor& confusion) {
  return mean_of_known(class_metrics(confusion), "macro_f1", &ClassMetrics::f1);
}

ClassificationMetrics classification_metrics(const torch::Tensor& probabilities,
                                             const torch::Tensor& labels, int64_t bins) {
  check_probability_shape(probabilities);
  BlockMetrics all(probabilities.size(1), bins);
  all.add(probabilities, labels);
  return all.metrics();
}

BlockMetrics::BlockMetrics(int64_t classes, int64_t bins) : classes_(classes), bins_(bins) {
  TORCH_CHECK(classes >= 1, kMetricsName, ": expected at least 1 class but got ", classes, ".");
  TORCH_CHECK(bins >= 1, kMetricsName, ": expected at least 1 bin but got ", bins, ".");
}

void BlockMetrics::add(const torch::Tensor& probabilities, const torch::Tensor& labels) {
  const at::NoGradGuard no_grad;
  check_probability_shape(probabilities);
  TORCH_CHECK(probabilities.size(1) == classes_, kMetricsName, ": expected probabilities of ",
              classes_, " classes but got ", probabilities.size(1), ".");
  check_probabilities(probabilities, rows_);
  check_label_values(kMetricsName, "evaluated", labels, {}, probabilities.size(0), classes_);
  rows_ += probabilities.size(0);
  const auto known = labels.cpu().ge(0).nonzero().flatten();
  const auto there = labels.cpu().index_select(0, known);
  const auto p = probabilities.cpu().index_select(0, known);  // [N, K]
  const auto [confidence, predictions] = p.max(1);
  const double least = p.scalar_type() == at::kFloat ? std::numeric_limits<float>::epsilon()
                                                     : std::numeric_limits<double>::epsilon();
  labels_.push_back(there);
  predictions_.push_back(predictions);
  confidences_.push_back(confidence.to(at::kDouble));
  of_labels_.push_back(p.gather(1, there.unsqueeze(1)).to(at::kDouble).clamp_min(least).flatten());
}

ClassificationMetrics BlockMetrics::metrics() const {
  const at::NoGradGuard no_grad;
  const auto labels = labels_.empty() ? at::empty({0}, at::kLong) : at::cat(labels_);
  TORCH_CHECK(labels.numel() > 0, kMetricsName,
              rows_ == 0 ? ": expected rows to measure but got none."
                         : ": expected labels of the evaluated rows but got -1, which stands for "
                           "none, for every row.");
  const auto predictions = at::cat(predictions_);
  const auto right = predictions.eq(labels);
  ClassificationMetrics metrics;
  metrics.rows = labels.size(0);
  if (classes_ <= kMaxConfusionClasses) {
    metrics.confusion = confusion_matrix(labels, predictions, classes_);
  }
  metrics.confused = confused_pairs(labels, predictions, classes_);
  metrics.classes =
      metrics_of_counts(labels.bincount({}, classes_), predictions.bincount({}, classes_),
                        labels.masked_select(right).bincount({}, classes_));
  metrics.wrong = metrics.rows - right.sum().item<int64_t>();
  metrics.error = 100.0 * static_cast<double>(metrics.wrong) / static_cast<double>(metrics.rows);
  const auto interval = wilson_interval(metrics.wrong, metrics.rows);
  metrics.interval = {.low = 100 * interval.low, .high = 100 * interval.high};
  metrics.balanced_accuracy =
      mean_of_known(metrics.classes, "balanced_accuracy", &ClassMetrics::recall);
  metrics.macro_f1 = mean_of_known(metrics.classes, "macro_f1", &ClassMetrics::f1);
  metrics.log_loss = -at::cat(of_labels_).log().mean().item<double>();
  metrics.reliability = reliability_of(at::cat(confidences_), right, bins_);
  return metrics;
}

}  // namespace ladder::train
