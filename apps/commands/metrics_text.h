/// Metrics of a classifier as text and JSON.
#pragma once

#include <ladder/train/metrics.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace ladder::apps {

/// "4.2 % (95 % interval 2.8 to 6.3 %, 21 of 500 rows)".
std::string error_text(const train::ClassificationMetrics& metrics);

/// Error, balanced accuracy, log loss and calibration, a table of classes and the confusion matrix
/// (the most confused pairs where there are many classes).
std::string metrics_text(const train::ClassificationMetrics& metrics,
                         const std::vector<std::string>& classes);

/// "\n50 rows without a label left out\n"; "" for none.
std::string left_out_text(int64_t rows);

/// The same numbers: {rows, error, error_interval, balanced_accuracy, macro_f1, log_loss,
/// calibration_error, classes: [{name, support, predicted, precision, recall, f1}], confusion}. For
/// more than train::kMaxConfusionClasses classes the last is confused: [[label, prediction, rows],
/// ...], places in `classes`, those of most rows first.
nlohmann::ordered_json metrics_json(const train::ClassificationMetrics& metrics,
                                    const std::vector<std::string>& classes);

}  // namespace ladder::apps
