#include "ladder/classifier.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <system_error>
#include <utility>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/core/internal/threads.h"
#include "ladder/data/class_labels.h"
#include "ladder/data/features.h"
#include "ladder/data/internal/label_column.h"
#include "ladder/data/internal/row_checks.h"
#include "ladder/data/read_samples.h"
#include "ladder/internal/fit_folds.h"
#include "ladder/internal/fit_rows.h"
#include "ladder/internal/fit_settings.h"
#include "ladder/internal/fit_training.h"
#include "ladder/internal/network_inputs.h"
#include "ladder/internal/predictions.h"
#include "ladder/io/text_file.h"
#include "ladder/io/utf8.h"
#include "ladder/runs/model_file.h"
#include "ladder/runs/run_folder.h"
#include "ladder/train/train_data.h"

namespace ladder {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxEvaluations = 40;
constexpr const char* kFoldsFolder = "folds";  // in that of the run

// Labels that the caller knows for classes: names that look like a quantity or a list are kept.
data::ClassLabels labels_for_sure(const data::Column& column) {
  data::ClassLabels found{.classes = data::ordered_classes(data::label_texts(column))};
  found.labels = data::labels_of(column, found.classes);
  return found;
}

// Add the weights of rows to what `config` says about the data; return how many rows an epoch
// draws.
int64_t add_row_weights(runs::RunConfig& config, const ClassifierOptions& options,
                        const torch::Tensor& labels, const fitting::Division& division) {
  if (!options.row_weights) return division.used;
  const auto& weights = *options.row_weights;
  TORCH_CHECK(weights.dim() == 1 && weights.numel() == labels.numel(),
              "Classifier: expected a weight for each of ", labels.numel(),
              " rows but got weights of shape ", weights.sizes(), ".");
  const auto drawn = fitting::weighted(division, weights).unlabeled.numel();
  const auto of_weights = train::data_fingerprint(
      {.training = {.inputs = weights.to(at::kDouble).unsqueeze(1), .labels = labels}});
  *config.data += ", " + of_weights.at("inputs");
  return drawn;
}

// Return the rows of a batch that all networks of a fit can fill, those that train without a fold
// too. A default gives way; a batch that was asked for is an error. `drawn`: rows of an epoch.
int64_t settle_batch(runs::RunConfig& config, const ClassifierOptions& options,
                     const torch::Tensor& labels, int64_t classes, int64_t drawn) {
  auto& batch = options.labels_alone ? config.labeled_batch : config.unlabeled_batch;
  const auto& given = options.labels_alone ? options.labeled_batch : options.unlabeled_batch;
  const auto most = std::min(
      drawn, options.folds > 0 ? fitting::rows_beside_folds(options, labels, classes) : drawn);
  if (!given) batch = std::min(batch, most);
  TORCH_CHECK(batch >= 2 && batch <= most, "Classifier: expected a ",
              options.labels_alone ? "labeled " : "", "batch of 2 to ", most, " rows",
              most == drawn                                ? ""
              : options.ranks && options.ranks->size() > 1 ? ", those without a fold on each rank,"
                                                           : ", those without a fold,",
              " but got ", batch, ".");
  return batch;
}

// The record of a run in the folder of the options. Error: another run there.
train::RunRecordFactory record_of(const ClassifierOptions& options, const runs::RunConfig& config,
                                  const std::optional<runs::RunConfig>& continued) {
  auto json = runs::to_json(config);
  if (continued) {
    const auto differences = runs::diff(*continued, config);
    TORCH_CHECK(differences.empty(), "Classifier: expected the settings and data that the run in ",
                options.folder.string(),
                " was started with but got others: ", runs::to_string(differences),
                " (give what it was started with again, or take ", "another folder).");
    json = io::read_text(options.folder / "config.json");
  }
  return runs::in_folder(options.folder, {.config = json, .resume = options.resume});
}

std::vector<std::pair<std::string, std::string>> facts_of(const FitReport& report,
                                                          const std::string& label) {
  const auto& config = report.config;
  const auto& held_back = report.held_back;
  std::vector<std::pair<std::string, std::string>> facts = {
      {"rows", std::to_string(report.rows)}, {"labeled rows", std::to_string(report.labeled)}};
  if (!label.empty()) facts.emplace_back("label", label);
  if (const auto name = data::source_name(config.dataset); !name.empty()) {
    facts.emplace_back("data", io::valid_utf8(name));
  }
  if (held_back.labels.defined()) {
    facts.emplace_back("error", fmt::format("{:.2f} % of {} labeled rows ({})",
                                            100 * (1 - fitting::share_right(held_back)),
                                            held_back.labels.numel(), held_back.method));
  }
  facts.emplace_back("epochs", std::to_string(config.epochs));
  facts.emplace_back("seed", std::to_string(*config.seed));
  return facts;
}

// Set the blocks that rows of shards are shuffled by. Rank 0 decides for all: it knows the run that
// is continued, and one disk is measured.
void settle_blocks(runs::RunConfig& config, const ClassifierOptions& options,
                   const std::optional<runs::RunConfig>& continued, const data::Shards& shards) {
  data::BlockSizes blocks;
  if (options.blocks) {
    blocks = *options.blocks;
  } else if (continued) {
    blocks = fitting::blocks_of(*continued);
  } else if ((!options.ranks || options.ranks->rank() == 0) &&
             shards.random_read_seconds() > kSlowReadSeconds) {
    blocks = shards.block_sizes();
  }
  config.block_rows = train::value_of_first_rank(options.ranks, blocks.rows);
  const auto window = train::value_of_first_rank(options.ranks, blocks.blocks);
  if (*config.block_rows > 0) config.window_blocks = window;
}

}  // namespace

std::string to_string(ClassBalance balance) {
  switch (balance) {
    case ClassBalance::kNone:
      return "none";
    case ClassBalance::kSampling:
      return "sampling";
    case ClassBalance::kWeights:
      return "weights";
  }
  TORCH_INTERNAL_ASSERT(false, "ClassBalance ", static_cast<int>(balance));
}

ClassBalance class_balance_from_string(const std::string& name) {
  for (const auto balance :
       {ClassBalance::kNone, ClassBalance::kSampling, ClassBalance::kWeights}) {
    if (to_string(balance) == name) return balance;
  }
  TORCH_CHECK(false, "ClassBalance: expected none, sampling or weights but got '", name, "'.");
}

train::ClassificationMetrics held_back_metrics(const HeldBack& held_back) {
  if (held_back.metrics) return *held_back.metrics;
  return train::classification_metrics(held_back.probabilities, held_back.labels);
}

Classifier::Classifier(ClassifierOptions options) : options_(std::move(options)) {
  fitting::check_options(options_);
}

FitReport Classifier::fit(const data::Table& table, const std::string& label,
                          const std::vector<std::string>& except) {
  const c10::InferenceMode off(false);  // the network outlives the mode of the caller
  const auto& of_rows = table.column(label);
  auto found = options_.labels_are_classes ? labels_for_sure(of_rows) : data::class_labels(of_rows);
  auto unused = except;
  unused.push_back(label);
  Rows rows{.labels = std::move(found.labels),
            .classes = std::move(found.classes),
            .features = data::fit_features(table, unused),
            .source = table.source,
            .label = label};
  rows.features->leave_out_label(label);
  rows.inputs = rows.features->apply(table);
  if (options_.test) {
    TORCH_CHECK(options_.test->table, "Classifier: expected a table to test on but got images.");
    rows.test_inputs = rows.features->apply(*options_.test->table);
    rows.test_labels = data::labels_of(options_.test->table->column(label), rows.classes);
  }
  return fit_rows(std::move(rows));
}

FitReport Classifier::fit(const torch::Tensor& x, const torch::Tensor& y) {
  const c10::InferenceMode off(false);
  TORCH_CHECK(x.defined() && y.defined() && y.dim() == 1 && y.scalar_type() == at::kLong &&
                  x.dim() >= 2 && x.size(0) == y.size(0),
              "Classifier: expected rows x [N, ...] and labels y as int64 [N] but got ",
              shape_text(x), " and ", type_and_shape_text(y), ".");
  fitting::check_dense(x);
  const auto least = y.numel() > 0 ? y.min().item<int64_t>() : -1;
  TORCH_CHECK(least >= -1, "Classifier: expected labels from 0 up, or -1 for none, but got ", least,
              ".");
  const int64_t most = y.numel() > 0 ? y.max().item<int64_t>() : -1;
  TORCH_CHECK(most < y.numel(), "Classifier: expected labels below ", y.numel(),
              ", the number of rows, but got ", most, " (labels count from 0: number them anew).");
  const int64_t classes = most + 1;
  data::Samples samples;
  std::vector<std::string> names;
  for (int64_t c = 0; c < classes; ++c) names.push_back(std::to_string(c));
  if (x.scalar_type() == at::kByte) {
    samples.images = fitting::with_channels(x).cpu();
    samples.labels = y.cpu();
    samples.classes = std::move(names);
    return fit(samples);
  }
  TORCH_CHECK(!options_.test,
              "Classifier: expected no test rows beside a tensor of numbers but got ",
              options_.test->rows(), " (call score after fit).");
  const auto table = fitting::table_of(x);
  Rows rows{.labels = y.cpu().contiguous(),
            .classes = std::move(names),
            .features = data::fit_features(table, {})};
  rows.inputs = rows.features->apply(table);
  return fit_rows(std::move(rows));
}

FitReport Classifier::fit(const data::Samples& samples, const std::string& label,
                          const std::vector<std::string>& except) {
  const c10::InferenceMode off(false);
  if (samples.table) return fit(*samples.table, label.empty() ? samples.label : label, except);
  if (samples.shards) {
    TORCH_CHECK(label.empty() || label == samples.shards->label(),
                "Classifier: expected the labels that ", samples.source, " was written with ('",
                samples.shards->label(), "') but got '", label, "'.");
    return fit_shards(samples.shards, except);
  }
  TORCH_CHECK(samples.images.defined(),
              "Classifier: expected samples with a table, images or shards but got none of them.");
  fitting::check_bytes(samples.images);
  TORCH_CHECK(samples.labels.defined() && samples.labels.dim() == 1 &&
                  samples.labels.scalar_type() == at::kLong &&
                  samples.labels.size(0) == samples.images.size(0),
              "Classifier: expected labels of the images as int64 [", samples.images.size(0),
              "] but got ", type_and_shape_text(samples.labels), ".");
  TORCH_CHECK(except.empty(), "Classifier: expected no columns to leave out of images but got '",
              fmt::format("{}", fmt::join(except, "', '")), "'.");
  Rows rows{.labels = samples.labels, .classes = samples.classes, .source = samples.source};
  rows.images = fitting::measured_images(samples.images, !options_.convolutional);
  rows.inputs = fitting::image_rows(*rows.images, samples.images);
  if (options_.test) {
    const auto& test = *options_.test;
    TORCH_CHECK(test.images.defined(), "Classifier: expected images to test on but got a table.");
    rows.test_inputs = fitting::image_rows(*rows.images, test.images);
    rows.test_labels =
        test.classes.empty() || !test.labels.defined()
            ? test.labels
            : data::relabeled(test.labels, test.classes, samples.classes, test.source);
  }
  return fit_rows(std::move(rows));
}

FitReport Classifier::fit_shards(const std::shared_ptr<const data::Shards>& shards,
                                 const std::vector<std::string>& except) {
  TORCH_CHECK(!shards->label().empty(), "Classifier: expected shards with labels but got none in ",
              shards->folder().string(), " (write them with a label column).");
  TORCH_CHECK(options_.folds == 0, "Classifier: expected no folds for shards but got ",
              options_.folds, " (rows that are held back measure the error).");
  TORCH_CHECK(!options_.row_weights,
              "Classifier: expected no row weights for shards but got some.");
  shards->verify();
  auto features = data::fit_features(shards->sample(kFeatureRows, /*seed=*/1), except);
  features.leave_out_label(shards->label());
  for (auto& feature : features.columns) {
    for (const auto& column : shards->columns()) {  // the sample may lack missing values
      if (column.name == feature.name && feature.dropped.empty()) {
        feature.indicator = feature.indicator || column.missing;
      }
    }
  }
  Rows rows{.labels = {},
            .from = data::row_source(shards, features),
            .shards = shards,
            .labeled = shards->labeled_rows(),
            .classes = shards->classes(),
            .features = features,
            .source = shards->folder().string(),
            .label = shards->label()};
  rows.labels = shards->labels(rows.labeled);
  data::check_class_labels({.classes = rows.classes, .labels = rows.labels}, rows.label);
  if (options_.test) {
    TORCH_CHECK(options_.test->table, "Classifier: expected a table to test on but got ",
                options_.test->shards ? "shards." : "images.");
    rows.test_inputs = features.apply(*options_.test->table);
    rows.test_labels = data::labels_of(options_.test->table->column(rows.label), rows.classes);
  }
  return fit_rows(std::move(rows));
}

FitReport Classifier::fit_rows(Rows rows) {
  rows.check(options_);
  const auto division = rows.divided(options_);
  FitReport report;
  report.rows = division.used;
  report.labeled = division.labeled.numel();
  auto& config = report.config;
  config = rows.settings(options_, division);
  const int64_t drawn = add_row_weights(config, options_, rows.labels, division);
  const auto batch = settle_batch(config, options_, rows.labels, std::ssize(rows.classes), drawn);
  const fitting::Training training{options_,         config,          rows.inputs,
                                   rows.labels,      rows.from,       std::ssize(rows.classes),
                                   rows.test_inputs, rows.test_labels};
  const bool writes = !options_.folder.empty() && (!options_.ranks || options_.ranks->rank() == 0);
  const auto continued =
      writes && options_.resume ? runs::read_config(options_.folder) : std::nullopt;
  if (continued && continued->data == config.data) config.dataset = continued->dataset;  // moved
  config.statistics = options_.statistics;
  runs::settle_statistics(config, continued, options_.ranks);
  if (rows.shards) settle_blocks(config, options_, continued, *rows.shards);
  config.epochs = training.epochs(division, drawn, drawn / batch, continued);
  config.eval_every = std::max<int64_t>(1, config.epochs / kMaxEvaluations);
  config.environment = options_.environment;

  auto net = training.build();
  std::shared_ptr<train::RunRecord> record;  // keeps the folder locked while folds are trained
  train::RunRecordFactory open;
  if (writes) {
    open = [&, make = record_of(options_, config, continued)] { return record = make(); };
  }
  report.training = training.run(net, division, open, continued);
  report.held_back = training.held_back(net, division);
  net->to(at::kCPU);
  exports::PredictionModel fitted{.net = net,
                                  .features = std::move(rows.features),
                                  .images = std::move(rows.images),
                                  .classes = std::move(rows.classes),
                                  .facts = facts_of(report, rows.label)};
  const auto file = options_.folder / kModelFile;
  if (options_.folds > 0 && report.training.status != train::TrainStatus::kInterrupted) {
    // What stops the folds leaves the model, which only lacks its error. One that is there and
    // belongs to this run may have it.
    std::error_code none;
    if (writes && !(continued && fs::exists(file, none))) {
      runs::save_model(file, {.model = fitted, .config = config, .label = rows.label});
    }
    const auto folder = writes ? options_.folder / kFoldsFolder : fs::path();
    if (auto by_folds = fitting::held_back_by_folds(training, folder, report)) {
      report.held_back = std::move(*by_folds);
      fitted.facts = facts_of(report, rows.label);
    } else {
      report.training.status = train::TrainStatus::kInterrupted;
    }
  }

  model_ = std::move(fitted);
  label_ = rows.label;
  config_ = config;
  if (writes && report.training.status != train::TrainStatus::kInterrupted) save(file);
  return report;
}

torch::Tensor Classifier::inputs(const data::Samples& samples) const {
  const auto& trained = model();
  TORCH_CHECK(!samples.shards, "Classifier: expected rows in memory but got the shards in ",
              samples.source, " (predict them in blocks: Shards::table).");
  TORCH_CHECK(samples.table || samples.images.defined(),
              "Classifier: expected samples with a table or images but got neither.");
  if (trained.features) {
    TORCH_CHECK(samples.table, "Classifier: expected a table but got images in ", samples.source,
                ".");
    return trained.features->apply(*samples.table);
  }
  TORCH_CHECK(samples.images.defined(), "Classifier: expected images but got a table in ",
              samples.source, ".");
  return fitting::image_rows(*trained.images, samples.images);
}

torch::Tensor Classifier::predict_proba(const data::Samples& samples) const {
  return fitting::probabilities_of(model_.net, inputs(samples));
}

torch::Tensor Classifier::predict_proba(const data::Table& table) const {
  TORCH_CHECK(model().features, "Classifier: expected images but got a table.");
  return fitting::probabilities_of(model_.net, model_.features->apply(table));
}

torch::Tensor Classifier::predict_proba(const torch::Tensor& x) const {
  const auto& trained = model();
  fitting::check_dense(x);
  if (trained.images) {
    return fitting::probabilities_of(
        trained.net, fitting::image_rows(*trained.images, fitting::with_channels(x)));
  }
  const auto table = fitting::table_of(x);
  fitting::check_columns(*trained.features, x);
  return predict_proba(table);
}

std::vector<std::string> Classifier::predict(const data::Table& table) const {
  return fitting::names_of(predict_proba(table), model_.classes);
}
std::vector<std::string> Classifier::predict(const torch::Tensor& x) const {
  return fitting::names_of(predict_proba(x), model_.classes);
}
std::vector<std::string> Classifier::predict(const data::Samples& samples) const {
  return fitting::names_of(predict_proba(samples), model_.classes);
}

double Classifier::score(const data::Table& table, const std::string& label) const {
  return fitting::share_right(predict_proba(table),
                              data::labels_of(table.column(label), classes()));
}

double Classifier::score(const torch::Tensor& x, const torch::Tensor& y) const {
  fitting::check_dense(x);
  TORCH_CHECK(y.defined() && y.dim() == 1 && y.scalar_type() == at::kLong && x.dim() >= 1 &&
                  y.size(0) == x.size(0),
              "Classifier: expected labels as int64 [", x.dim() >= 1 ? x.size(0) : 0, "] but got ",
              type_and_shape_text(y), ".");
  if (y.numel() > 0) {
    const threads::OneThread serial;  // as in probabilities_of
    data::check_labels("Classifier", "scored", y, {}, static_cast<int64_t>(classes().size()),
                       /*missing=*/true);
  }
  return fitting::share_right(predict_proba(x), y.cpu());
}

const std::vector<std::string>& Classifier::classes() const { return model().classes; }

const exports::PredictionModel& Classifier::model() const {
  TORCH_CHECK(is_fitted(), "Classifier: expected a trained classifier (call fit or load first).");
  return model_;
}

void Classifier::put_fact(const std::string& name, const std::string& value) {
  TORCH_CHECK(is_fitted(), "Classifier: expected a trained classifier (call fit or load first).");
  auto& facts = model_.facts;
  auto valid_name = io::valid_utf8(name);
  std::erase_if(facts, [&](const auto& fact) { return fact.first == valid_name; });
  facts.emplace(facts.begin(), std::move(valid_name), io::valid_utf8(value));
}

void Classifier::save(const fs::path& path) const {
  runs::save_model(path, {.model = model(), .config = config_, .label = label_});
}

Classifier Classifier::load(const fs::path& path) {
  std::error_code error;
  const auto file = fs::is_directory(path, error) ? path / kModelFile : path;
  const bool found = fs::exists(file, error);
  TORCH_CHECK(found, "Classifier: expected a model file or the folder of a run but got ",
              error ? "\"" + error.message() + "\"" : std::string("nothing"), " at ", file.string(),
              " (check the path).");
  auto stored = runs::load_model(file);
  Classifier classifier;
  classifier.model_ = std::move(stored.model);
  classifier.config_ = std::move(stored.config);
  classifier.label_ = std::move(stored.label);
  return classifier;
}

}  // namespace ladder
