#include "ladder/internal/fit_rows.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <iterator>

#include "ladder/data/held_back_rows.h"
#include "ladder/internal/fit_settings.h"
#include "ladder/io/utf8.h"
#include "ladder/train/train_data.h"

namespace ladder {
namespace {

constexpr int64_t kMinLabeledToHoldBack = 100;
constexpr double kHeldBackShare = 0.1;

// Refuses a text that the model file could not hold. `what` names it.
void check_utf8(const char* what, const std::string& text) {
  const auto whole = io::utf8_prefix(text);
  TORCH_CHECK(whole == text.size(), "Classifier: expected ", what, " in UTF-8 but got '",
              text.substr(0, whole), "' and other bytes (convert the texts first).");
}

}  // namespace

void Classifier::Rows::check(const ClassifierOptions& options) const {
  TORCH_CHECK(classes.size() >= 2, "Classifier: expected labels of at least 2 classes but got ",
              classes.size(), ".");
  const auto count = labeled_count();
  TORCH_CHECK(count >= 2, "Classifier: expected at least 2 labeled rows but got ", count, ".");
  TORCH_CHECK(options.folds <= count, "Classifier: expected at most ", count,
              " folds, a labeled row in each, but got ", options.folds, ".");
  TORCH_CHECK(!options.test || (test_labels.defined() && test_labels.ge(0).any().item<bool>()),
              "Classifier: expected labels of the rows to test on but got none in ",
              options.test && !options.test->source.empty() ? options.test->source : "them", ".");
  for (const auto& name : classes) check_utf8("names of classes", name);
  check_utf8("the name of the label column", label);
  if (!features) return;
  for (const auto& text : features->missing) check_utf8("texts of missing values", text);
  for (const auto& column : features->columns) {
    check_utf8("names of columns", column.name);
    for (const auto& level : column.levels) check_utf8("texts of columns", level);
  }
}

fitting::Division Classifier::Rows::divided(const ClassifierOptions& options) const {
  const double share = options.validation.value_or(
      options.folds == 0 && labeled_count() >= kMinLabeledToHoldBack ? kHeldBackShare : 0);
  const auto validation = data::hold_back(labels, std::ssize(classes), share, options.seed);
  return from ? fitting::division_of_source(from->rows(), labeled,
                                            labeled.index_select(0, validation))
              : fitting::division_of(labels, validation);
}

runs::RunConfig Classifier::Rows::settings(const ClassifierOptions& options,
                                           const fitting::Division& division) const {
  runs::RunConfig config;
  config.program = options.program;
  config.dataset = io::valid_utf8(source);
  config.train_rows = from ? from->rows() : labels.numel();
  if (test_labels.defined()) config.test_rows = test_labels.ge(0).sum().item<int64_t>();
  config.classes = std::ssize(classes);
  config.labels = division.labeled.numel();
  config.balanced = false;
  config.validation = division.validation.numel();
  const int64_t used = division.used;
  const auto shape = from ? from->row_shape() : inputs.sizes().slice(1).vec();
  config.network = fitting::network_of(options, shape, used, config.classes, images.has_value());
  config.combinator = options.combinator;
  config.scaled_lambda = options.lambda.empty() || options.labels_alone;
  config.class_balance = to_string(options.balance);
  config.learning_rate = options.learning_rate;
  config.decay_from = 0.5;
  config.unlabeled_batch = options.unlabeled_batch.value_or(fitting::batch_of(used));
  config.labeled_batch = options.labeled_batch.value_or(
      std::min(std::max<int64_t>(config.unlabeled_batch, 50), division.labeled.numel()));
  config.seed = options.seed;
  config.device = options.device;
  config.precision = options.precision;
  config.network.combinator = {};
  const auto fingerprint =
      train::data_fingerprint({.training = {.inputs = inputs, .labels = labels, .source = from}});
  config.data = fingerprint.at("inputs") + ", " + fingerprint.at("labels");
  return config;
}

}  // namespace ladder
