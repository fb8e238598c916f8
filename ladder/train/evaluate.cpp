#include "ladder/train/evaluate.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "ladder/core/finite.h"
#include "ladder/core/floating_rows.h"
#include "ladder/core/internal/tensor_text.h"
#include "ladder/data/block_order.h"
#include "ladder/data/internal/row_checks.h"
#include "ladder/train/internal/pair_counts.h"
#include "ladder/train/internal/row_batches.h"

namespace ladder::train {
namespace {

class EvalMode {
 public:
  explicit EvalMode(torch::nn::Module& net) : net_(net), training_(net.is_training()) {
    net_.eval();
  }
  EvalMode(const EvalMode&) = delete;
  EvalMode& operator=(const EvalMode&) = delete;
  ~EvalMode() { net_.train(training_); }

 private:
  torch::nn::Module& net_;
  bool training_;
};

// What `of_logits` makes of the logits of each batch, over all rows.
template <typename OfLogits>
torch::Tensor over_batches(Ladder& net, const RowBatches& rows, int64_t batch_size,
                           const OfLogits& of_logits) {
  const torch::NoGradGuard no_grad;
  const EvalMode eval_mode(*net);
  std::vector<torch::Tensor> parts;
  for (int64_t begin = 0; begin < rows.size(); begin += batch_size) {
    parts.push_back(
        of_logits(net->forward(rows(begin, std::min(begin + batch_size, rows.size())))));
  }
  return at::cat(parts);
}

// Rows of a source to calibrate on, ascending. Of many, a seeded sample is drawn: rows at equal
// distances could all be of one kind, and a slow disk would read each of them at another place.
torch::Tensor source_rows(const data::SemiData& data, int64_t rows) {
  const auto held_out = data.held_out.defined() ? data.held_out.numel() : 0;
  const auto count = data.source->rows() - held_out;
  TORCH_CHECK(count > 0, "calibration_rows: expected training rows but got none.");
  auto places = at::arange(rows == 0 ? count : std::min(rows, count));
  if (rows > 0 && rows < count) {
    const bool drawn = data.blocks.rows > 0 || count > data::SamplerOptions().keyed_order_above;
    places =
        drawn ? data::sample_rows(count, rows, /*seed=*/1) : places.mul(count).div(rows, "floor");
  }
  return data::rows_besides(data.held_out, places);
}

// Pairs of label and prediction of the rows that are wrong.
PairCounts wrong_pairs(const torch::Tensor& labels, const torch::Tensor& predictions,
                       int64_t classes) {
  const auto wrong = predictions.ne(labels).logical_and_(labels.ge(0));
  return pair_counts(labels.masked_select(wrong), predictions.masked_select(wrong), classes);
}

// Check what every function takes.
void check_rows(const char* component, const torch::Tensor& inputs, int64_t batch_size) {
  TORCH_CHECK(inputs.defined() && inputs.dim() >= 1 && inputs.size(0) >= 1, component,
              ": expected inputs of at least one row but got none.");
  TORCH_CHECK(batch_size >= 1, component, ": expected a batch size of at least 1 but got ",
              batch_size, ".");
}

}  // namespace

torch::Tensor network_inputs(const torch::Tensor& inputs) { return floating_rows(inputs); }

torch::Tensor calibration_rows(const data::SemiData& data, Calibration calibration, int64_t rows) {
  TORCH_CHECK(rows == 0 || rows >= 2,
              "calibration_rows: expected at least 2 rows, or 0 for all, but got ", rows, ".");
  const auto has_rows = [](const torch::Tensor& tensor) {
    return tensor.defined() && tensor.numel() > 0;
  };
  if (data.source && calibration == Calibration::kTrainingRows) return source_rows(data, rows);
  const auto& all = calibration == Calibration::kTrainingRows && has_rows(data.unlabeled)
                        ? data.unlabeled
                        : data.labeled;
  TORCH_CHECK(has_rows(all), "calibration_rows: expected ",
              calibration == Calibration::kTrainingRows ? "training" : "labeled",
              " rows but got none.");
  auto sorted = std::get<0>(all.sort());
  const auto count = sorted.size(0);
  if (rows == 0 || rows >= count) return sorted;
  const auto every = at::arange(rows, sorted.options()).mul(count).div(rows, "floor");
  return sorted.index_select(0, every);
}

torch::Tensor predict_rows(Ladder& net, const RowBatches& rows, int64_t batch_size) {
  return over_batches(net, rows, batch_size,
                      [](const torch::Tensor& logits) { return logits.argmax(1); });
}

RowErrors errors_of_rows(Ladder& net, const RowBatches& rows, const torch::Tensor& labels,
                         int64_t batch_size) {
  const auto classes = predict_rows(net, rows, batch_size);
  const auto there = labels.to(classes.device());
  const auto labeled = there.ge(0);
  const auto wrong = classes.ne(there).logical_and_(labeled);
  const auto counts = at::stack({wrong.sum(), labeled.sum()}).cpu();
  return {.percent = 100.0 * static_cast<double>(counts[0].item<int64_t>()) /
                     static_cast<double>(counts[1].item<int64_t>()),
          .confused = most_confused(there, classes, net->classes())};
}

std::optional<ConfusedPair> most_confused(const torch::Tensor& labels,
                                          const torch::Tensor& predictions, int64_t classes) {
  const auto pairs = wrong_pairs(labels, predictions, classes);
  if (pairs.rows.numel() == 0) return std::nullopt;
  const auto most = pairs.rows.argmax().item<int64_t>();
  return ConfusedPair{.label = pairs.first[most].item<int64_t>(),
                      .prediction = pairs.second[most].item<int64_t>(),
                      .rows = pairs.rows[most].item<int64_t>()};
}

std::vector<ConfusedPair> confused_pairs(const torch::Tensor& labels,
                                         const torch::Tensor& predictions, int64_t classes) {
  const auto counts = wrong_pairs(labels, predictions, classes);
  const auto first = counts.first.cpu(), second = counts.second.cpu(), rows = counts.rows.cpu();
  std::vector<ConfusedPair> pairs;
  for (int64_t i = 0; i < rows.numel(); ++i) {
    pairs.push_back({.label = first.const_data_ptr<int64_t>()[i],
                     .prediction = second.const_data_ptr<int64_t>()[i],
                     .rows = rows.const_data_ptr<int64_t>()[i]});
  }
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const ConfusedPair& a, const ConfusedPair& b) { return a.rows > b.rows; });
  return pairs;
}

torch::Tensor predict(Ladder& net, const torch::Tensor& inputs, int64_t batch_size) {
  check_rows("predict", inputs, batch_size);
  check_finite("predict", "inputs", inputs);
  return predict_rows(net, {inputs}, batch_size);
}

torch::Tensor probabilities(Ladder& net, const torch::Tensor& inputs, int64_t batch_size) {
  check_rows("probabilities", inputs, batch_size);
  check_finite("probabilities", "inputs", inputs);
  return over_batches(net, {inputs}, batch_size,
                      [](const torch::Tensor& logits) { return at::softmax(logits, 1); });
}

double error_rate(Ladder& net, const torch::Tensor& inputs, const torch::Tensor& labels,
                  int64_t batch_size) {
  check_rows("error_rate", inputs, batch_size);
  check_evaluation_labels("error_rate", "evaluated", labels, {}, inputs.size(0), net->classes());
  check_finite("error_rate", "inputs", inputs);
  return errors_of_rows(net, {inputs}, labels, batch_size).percent;
}

void check_label_values(const std::string& component, const std::string& what,
                        const torch::Tensor& labels, const torch::Tensor& rows, int64_t count,
                        int64_t classes) {
  TORCH_CHECK(labels.defined() && labels.dim() == 1 && labels.scalar_type() == torch::kInt64 &&
                  labels.size(0) == count,
              component, ": expected int64 labels [", count, "], one for each row, but got ",
              type_and_shape_text(labels), ".");
  data::check_labels(component, what, labels, rows, classes, /*missing=*/true);
}

void check_evaluation_labels(const std::string& component, const std::string& what,
                             const torch::Tensor& labels, const torch::Tensor& rows, int64_t count,
                             int64_t classes) {
  check_label_values(component, what, labels, rows, count, classes);
  const auto values = rows.defined() ? labels.index_select(0, rows.to(labels.device())) : labels;
  TORCH_CHECK(values.ge(0).any().item<bool>(), component, ": expected labels of the ", what,
              " rows but got -1, which stands for none, for every row.");
}

}  // namespace ladder::train
