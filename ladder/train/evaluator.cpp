#include "ladder/train/evaluator.h"

#include <ATen/ATen.h>

#include <utility>

#include "ladder/train/internal/row_batches.h"

namespace ladder::train {

Evaluator::Evaluator(TrainData data, Ladder net, EvaluatorOptions options)
    : data_(std::move(data)), net_(std::move(net)), options_(options) {
  if (net_.is_empty()) return;
  const auto& training = data_.training;
  const auto rows =
      train::calibration_rows(training, options_.calibration, options_.calibration_rows);
  if (training.source) {
    calibration_rows_ = rows;
    if (data_.validation.defined()) {
      data_.validation = data_.validation.cpu();
      validation_labels_ = training.source->labels(data_.validation);
      check_evaluation_labels("Trainer", "validation", validation_labels_, {},
                              validation_labels_.numel(), net_->classes());
    }
  } else if (const auto device = training.inputs.device();
             !rows.cpu().equal(at::arange(training.inputs.size(0)))) {
    calibration_rows_ = rows.to(device);
  }
  if (data_.validation.defined() && !training.source) {
    const auto device = training.inputs.device();
    check_evaluation_labels("Trainer", "validation", training.labels, data_.validation,
                            training.inputs.size(0), net_->classes());
    validation_labels_ =
        training.labels.index_select(0, data_.validation.to(training.labels.device()));
    data_.validation = data_.validation.to(device);
  }
  if (data_.test_inputs.defined()) {
    check_evaluation_labels("Trainer", "test", data_.test_labels, {}, data_.test_inputs.size(0),
                            net_->classes());
  }
}

void Evaluator::calibrate() {
  const auto& training = data_.training;
  const RowBatches rows{training.inputs, calibration_rows_, training.source, training.placed};
  net_->calibrate(rows.size(), rows, options_.batch);
}

void Evaluator::measure(Evaluation& evaluation, bool always) {
  const bool rows = data_.validation.defined() || data_.test_inputs.defined();
  if (net_.is_empty() || (!rows && !always)) return;
  calibrate();
  if (data_.validation.defined()) {
    const auto& training = data_.training;
    const auto errors =
        errors_of_rows(net_, {training.inputs, data_.validation, training.source, training.placed},
                       validation_labels_, options_.batch);
    evaluation.validation_error = errors.percent;
    evaluation.confused = errors.confused;
  }
  if (data_.test_inputs.defined()) {
    const auto errors =
        errors_of_rows(net_, {data_.test_inputs}, data_.test_labels, options_.batch);
    evaluation.test_error = errors.percent;
    if (!data_.validation.defined()) evaluation.confused = errors.confused;
  }
}

}  // namespace ladder::train
