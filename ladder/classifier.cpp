#include "ladder/classifier.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/models/combinators.h>
#include <ladder/models/network.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <memory>
#include <system_error>
#include <utility>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/core/random.h"
#include "ladder/data/class_labels.h"
#include "ladder/data/features.h"
#include "ladder/data/internal/row_checks.h"
#include "ladder/data/read_samples.h"
#include "ladder/io/text_file.h"
#include "ladder/io/utf8.h"
#include "ladder/nn/random_init.h"
#include "ladder/runs/internal/fold_file.h"
#include "ladder/runs/model_file.h"
#include "ladder/runs/run_folder.h"
#include "ladder/train/scaled_objective.h"
#include "ladder/train/train_data.h"

namespace ladder {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPredictedAtOnce = 1000;
constexpr int64_t kHeldBackAtOnce = 10 * kPredictedAtOnce;
constexpr int64_t kMostCalibrationRows = 50000;
constexpr int64_t kMostEvaluations = 40;
constexpr int64_t kLeastLabeledToHoldBack = 100;
constexpr double kHeldBackShare = 0.1;
constexpr double kSpeedTrialSeconds = 1.5;
constexpr const char* kFoldsFolder = "folds";  // in that of the run

// ---- Settings from the data

std::vector<int64_t> hidden_layers(int64_t rows, int64_t inputs, int64_t classes, bool images) {
  std::vector<int64_t> units;
  if (images) {
    units = {500, 250, 100};
  } else {
    const int64_t first = inputs > 200 ? 400 : rows < 2000 ? 100 : 200;
    units = {first, first / 2, first / 4};
  }
  const int64_t least = std::min<int64_t>(2 * classes, units.front());
  for (auto& layer : units) layer = std::max(layer, least);
  return units;
}

// Rows a step: at least ten steps an epoch for small data, at most kDefaultSteps for large ones.
int64_t batch_of(int64_t rows) {
  const int64_t small = std::clamp<int64_t>(rows / 10, 20, 100);
  const int64_t large = (rows + kDefaultSteps - 1) / kDefaultSteps;
  return std::min(rows, std::clamp<int64_t>(std::max(small, large), 2, 2000));
}

models::NetworkOptions network_of(const ClassifierOptions& options,
                                  const std::vector<int64_t>& shape, int64_t rows, int64_t classes,
                                  bool images) {
  models::NetworkOptions network;
  network.input_shape = shape;
  if (options.convolutional) {
    TORCH_CHECK(shape.size() == 3,
                "Classifier: expected images for a convolutional network but got rows of ",
                shape.front(), " numbers (leave `convolutional` false).");
    TORCH_CHECK(options.layers.empty(),
                "Classifier: expected no hidden layers for a convolutional network but got ",
                options.layers.size(), ".");
    network.layers = {models::Conv{32, 3, Border::kSame},
                      models::Conv{32, 3, Border::kSame},
                      models::MaxPool{2},
                      models::Conv{64, 3, Border::kSame},
                      models::Conv{64, 3, Border::kSame},
                      models::MaxPool{2},
                      models::Conv{64, 3, Border::kSame},
                      models::GlobalMeanPool{},
                      models::Dense{classes}};
  } else {
    const auto hidden = options.layers.empty() ? hidden_layers(rows, shape.front(), classes, images)
                                               : options.layers;
    for (const int64_t units : hidden) network.layers.emplace_back(models::Dense{units});
    network.layers.emplace_back(models::Dense{classes});
  }
  const size_t levels = network.layers.size();
  TORCH_CHECK(options.lambda.empty() || options.lambda.size() == levels + 1,
              "Classifier: expected ", levels + 1,
              " lambdas, one for each level from the input to the classes, but got ",
              options.lambda.size(), ".");
  if (options.labels_alone) {
    network.lambda = std::vector<double>(levels + 1, 0);
  } else if (!options.lambda.empty()) {
    network.lambda = options.lambda;
  } else if (options.convolutional) {
    network.lambda = models::gamma_lambda(levels, 1);  // a full decoder costs twice the time
  } else {
    network.lambda = train::scaled_weights(levels, options.input_weight);
  }
  network.input_noise = options.noise.value_or(images ? kImageNoise : kTableNoise);
  network.noise_std = options.noise.value_or(images ? 0.3 : kTableNoise);
  network.activation = options.activation;
  network.combinator = models::find_combinator(options.combinator).make;
  return network;
}

void check_utf8(const char* what, const std::string& text) {
  const auto whole = io::utf8_prefix(text);
  TORCH_CHECK(whole == text.size(), "Classifier: expected ", what, " in UTF-8 but got '",
              text.substr(0, whole), "' and other bytes (convert the texts first).");
}

void check_options(const ClassifierOptions& options) {
  TORCH_CHECK(options.device.is_cpu() || options.device.is_cuda(),
              "Classifier: expected the CPU or a CUDA device but got ", options.device.str(), ".");
  TORCH_CHECK(options.epochs >= 0, "Classifier: expected epochs of at least 0 but got ",
              options.epochs, ".");
  TORCH_CHECK(options.minutes >= 0 && std::isfinite(options.minutes),
              "Classifier: expected minutes of at least 0 but got ", options.minutes, ".");
  TORCH_CHECK(options.epochs == 0 || options.minutes == 0,
              "Classifier: expected epochs or minutes but got both (", options.epochs, " and ",
              options.minutes, ").");
  TORCH_CHECK(!options.noise || (*options.noise >= 0 && std::isfinite(*options.noise)),
              "Classifier: expected a noise of at least 0 but got ", options.noise.value_or(0),
              ".");
  TORCH_CHECK(!options.validation || (*options.validation >= 0 && *options.validation < 1),
              "Classifier: expected a share of 0 to below 1 for validation but got ",
              options.validation.value_or(0), ".");
  TORCH_CHECK(options.folds == 0 || options.folds >= 2,
              "Classifier: expected 0 or at least 2 folds but got ", options.folds, ".");
  TORCH_CHECK(options.folds == 0 || options.validation.value_or(0) == 0,
              "Classifier: expected folds or a share for validation but got both (", options.folds,
              " and ", options.validation.value_or(0), "; folds measure every labeled row).");
  TORCH_CHECK(!options.resume || !options.folder.empty(),
              "Classifier: expected the folder of the run to resume but got none.");
  TORCH_CHECK(options.input_weight >= 0 && std::isfinite(options.input_weight),
              "Classifier: expected an input weight of at least 0 but got ", options.input_weight,
              ".");
}

// ---- Labels

// Labels that the caller knows for classes: names that look like a quantity or a list are kept.
data::ClassLabels labels_for_sure(const data::Column& column) {
  auto names = column.levels;
  for (int64_t row = 0; row < std::ssize(column.numbers); ++row) {
    names.push_back(data::cell_text(column, row));
  }
  std::erase_if(names, data::is_unlabeled);
  data::ClassLabels found{.classes = data::ordered_classes(std::move(names))};
  found.labels = data::labels_of(column, found.classes);
  return found;
}

// ---- Images

void check_bytes(const torch::Tensor& images) {
  TORCH_CHECK(images.defined() && images.scalar_type() == at::kByte && images.dim() == 4,
              "Classifier: expected images as uint8 [N, C, H, W] but got ",
              type_and_shape_text(images),
              images.defined() && images.is_floating_point()
                  ? " ((x * 255).to(kByte) makes them of numbers in 0 to 1)."
                  : ".");
}

exports::ImageInputs measure_images(const torch::Tensor& images, bool flat) {
  exports::ImageInputs inputs{
      .channels = images.size(1), .height = images.size(2), .width = images.size(3), .flat = flat};
  bool differ = false;
  for (int64_t channel = 0; channel < inputs.channels; ++channel) {
    const auto counts =
        at::bincount(images.select(1, channel).reshape({-1}), {}, 256).to(at::kDouble);
    const auto values = at::arange(256, at::kDouble) / 255;
    const double rows = counts.sum().item<double>();
    const double mean = counts.dot(values).item<double>() / rows;
    const double variance = counts.dot((values - mean).square()).item<double>() / rows;
    inputs.mean.push_back(mean);
    inputs.scale.push_back(variance > 0 ? std::sqrt(variance) : 1);
    differ = differ || variance > 0;
  }
  TORCH_CHECK(differ, "Classifier: expected pixels that differ but got one value alone in ",
              images.size(0), " images.");
  return inputs;
}

torch::Tensor image_rows(const exports::ImageInputs& inputs, const torch::Tensor& given) {
  check_bytes(given);
  // Gray pictures have three equal channels where a model takes colours, as among others.
  const bool gray = given.dim() == 4 && given.size(1) == 1 && inputs.channels == 3;
  const auto images = gray ? given.expand({-1, 3, -1, -1}) : given;
  TORCH_CHECK(images.dim() == 4 && images.size(1) == inputs.channels &&
                  images.size(2) == inputs.height && images.size(3) == inputs.width,
              "Classifier: expected images of ", inputs.channels, " x ", inputs.height, " x ",
              inputs.width, " (channels, height, width) but got a tensor of shape ", images.sizes(),
              ".");
  auto x = at::empty(images.sizes(), at::kFloat);
  for (int64_t channel = 0; channel < inputs.channels; ++channel) {
    const auto at = static_cast<size_t>(channel);
    const auto factor = static_cast<float>(1 / (255 * inputs.scale[at]));
    const auto shift = static_cast<float>(-inputs.mean[at] / inputs.scale[at]);
    auto plane = x.select(1, channel);
    plane.copy_(images.select(1, channel));
    plane.mul_(factor).add_(shift);
  }
  return inputs.flat ? x.flatten(1) : x;
}

// Images [N, H, W] or [N, C, H, W] as [N, C, H, W].
torch::Tensor with_channels(const torch::Tensor& images) {
  TORCH_CHECK(images.dim() == 3 || images.dim() == 4,
              "Classifier: expected uint8 images [N, H, W] or [N, C, H, W] but got a tensor of "
              "shape ",
              images.sizes(), ".");
  return images.dim() == 3 ? images.unsqueeze(1) : images;
}

// Columns of a tensor have these names.
std::string place_name(size_t place) { return fmt::format("x{}", place); }

void check_columns(const data::Features& features, const torch::Tensor& x) {
  const auto& columns = features.columns;
  bool named = false;
  for (size_t i = 0; i < columns.size(); ++i) named = named || columns[i].name != place_name(i);
  TORCH_CHECK(!named,
              "Classifier: expected a table with the columns that it was trained on but "
              "got a tensor ",
              x.sizes(), ", whose columns have no names.");
  const auto wanted = static_cast<int64_t>(columns.size());
  TORCH_CHECK(x.dim() != 2 || x.size(1) == wanted, "Classifier: expected rows of ", wanted,
              wanted == 1 ? " number" : " numbers", " but got ", x.sizes(), ".");
}

void check_dense(const torch::Tensor& x) {
  TORCH_CHECK(x.defined() && x.layout() == at::kStrided,
              "Classifier: expected rows as a dense tensor but got ",
              x.defined() ? "a sparse one (call to_dense())." : "an undefined one.");
}

data::Table table_of(const torch::Tensor& x) {
  TORCH_CHECK(x.dim() == 2 && x.is_floating_point(),
              "Classifier: expected rows as floating numbers [N, D] or images as uint8 but got ",
              c10::toString(x.scalar_type()), " ", x.sizes(), ".");
  const auto columns = x.to(at::kCPU, at::kDouble).t().contiguous();
  data::Table table{.rows = x.size(0)};
  for (int64_t i = 0; i < columns.size(0); ++i) {
    const double* begin = columns[i].const_data_ptr<double>();
    table.columns.push_back({.name = place_name(static_cast<size_t>(i)),
                             .kind = data::ColumnKind::kNumber,
                             .numbers = {begin, begin + table.rows},
                             .single = x.scalar_type() == at::kFloat});
  }
  return table;
}

// Unlike train::probabilities, leaves the mode of the network alone, so that threads may share it.
torch::Tensor probabilities_of(Ladder net, const torch::Tensor& inputs) {
  const torch::NoGradGuard no_gradients;
  const auto parameter = net->parameters().front();
  std::vector<torch::Tensor> parts;
  for (int64_t begin = 0; begin < inputs.size(0); begin += kPredictedAtOnce) {
    const auto batch = inputs.narrow(0, begin, std::min(kPredictedAtOnce, inputs.size(0) - begin))
                           .to(parameter.device(), parameter.scalar_type());
    parts.push_back(at::softmax(net->forward(batch), 1).to(at::kCPU, at::kFloat));
  }
  return parts.empty() ? at::empty({0, net->classes()}, at::kFloat) : at::cat(parts);
}

std::vector<std::string> names_of(const torch::Tensor& probabilities,
                                  const std::vector<std::string>& classes) {
  const auto best = probabilities.argmax(1);
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(best.numel()));
  for (int64_t row = 0; row < best.numel(); ++row) {
    names.push_back(classes[static_cast<size_t>(best.const_data_ptr<int64_t>()[row])]);
  }
  return names;
}

double share_right(const torch::Tensor& probabilities, const torch::Tensor& labels) {
  const auto known = labels.ge(0);
  const auto count = known.sum().item<int64_t>();
  TORCH_CHECK(count > 0, "Classifier: expected a row with a label but got none of ", labels.numel(),
              ".");
  const auto right = probabilities.argmax(1).eq(labels).logical_and(known);
  return right.sum().item<double>() / static_cast<double>(count);
}

// ---- Training

// Rows and how they are divided.
struct Division {
  torch::Tensor labeled;
  torch::Tensor unlabeled;  // undefined for rows of a source: all but the validation rows
  torch::Tensor validation;
  int64_t used = 0;  // number of unlabeled rows
};

Division division_of(const torch::Tensor& labels, const torch::Tensor& validation) {
  auto used = at::ones({labels.numel()}, at::kBool);
  if (validation.defined() && validation.numel() > 0) used.index_fill_(0, validation, false);
  Division division{.labeled = used.logical_and(labels.ge(0)).nonzero().squeeze(1),
                    .unlabeled = used.nonzero().squeeze(1),
                    .validation = validation};
  division.used = division.unlabeled.numel();
  return division;
}

// The same for `rows` of a source, of which `labeled` have labels; `validation` are some of these.
Division division_of_source(int64_t rows, const torch::Tensor& labeled,
                            const torch::Tensor& validation) {
  return {.labeled = labeled.masked_select(at::isin(labeled, validation).logical_not()),
          .unlabeled = {},
          .validation = validation,
          .used = rows - validation.numel()};
}

// Rows as often as their weights say.
Division weighted(Division division, const std::optional<torch::Tensor>& weights) {
  if (!weights) return division;
  division.labeled = data::repeat_weighted(division.labeled, *weights);
  division.unlabeled = data::repeat_weighted(division.unlabeled, *weights);
  division.used = division.unlabeled.numel();
  return division;
}

std::vector<double> class_weights(const torch::Tensor& labels, int64_t classes) {
  const auto counts = at::bincount(labels, {}, classes);
  std::vector<double> weights;
  for (int64_t c = 0; c < classes; ++c) {
    const auto count = static_cast<double>(counts[c].item<int64_t>());
    weights.push_back(static_cast<double>(labels.numel()) /
                      (static_cast<double>(classes) * std::max(count, 1.0)));
  }
  return weights;
}

}  // namespace

struct Classifier::Rows {
  torch::Tensor inputs = {};  // float32 [N, ...]
  torch::Tensor labels = {};  // int64 [N]
  // Rows that are read when they are needed, in place of `inputs`: `labels` are those of `labeled`.
  std::shared_ptr<const data::RowSource> from = {};
  std::shared_ptr<const data::Shards> shards = {};  // of `from`
  torch::Tensor labeled = {};                       // int64 [n], ascending
  std::vector<std::string> classes = {};
  std::optional<data::Features> features = {};
  std::optional<exports::ImageInputs> images = {};
  std::string source = {}, label = {};
  torch::Tensor test_inputs = {}, test_labels = {};

  int64_t labeled_count() const { return labels.ge(0).sum().item<int64_t>(); }
  // Refuse rows that do not fit the options, and names that the model file cannot hold.
  void check(const ClassifierOptions& options) const;
  Division divided(const ClassifierOptions& options) const;
  // The settings of a run that need no look at a run that is continued, nor at the time.
  runs::RunConfig settings(const ClassifierOptions& options, const Division& division) const;
};

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
  for (const auto& column : features->columns) {
    check_utf8("names of columns", column.name);
    for (const auto& level : column.levels) check_utf8("texts of columns", level);
  }
}

Division Classifier::Rows::divided(const ClassifierOptions& options) const {
  const double share = options.validation.value_or(
      options.folds == 0 && labeled_count() >= kLeastLabeledToHoldBack ? kHeldBackShare : 0);
  const auto validation = data::hold_back(labels, std::ssize(classes), share, options.seed);
  return from ? division_of_source(from->rows(), labeled, labeled.index_select(0, validation))
              : division_of(labels, validation);
}

runs::RunConfig Classifier::Rows::settings(const ClassifierOptions& options,
                                           const Division& division) const {
  runs::RunConfig config;
  config.program = options.program;
  config.dataset = source;
  config.train_rows = from ? from->rows() : labels.numel();
  if (test_labels.defined()) config.test_rows = test_labels.ge(0).sum().item<int64_t>();
  config.classes = std::ssize(classes);
  config.labels = division.labeled.numel();
  config.balanced = false;
  config.validation = division.validation.numel();
  const int64_t used = division.used;
  const auto shape = from ? from->row_shape() : inputs.sizes().slice(1).vec();
  config.network = network_of(options, shape, used, config.classes, images.has_value());
  config.combinator = options.combinator;
  config.scaled_lambda = options.lambda.empty() || options.labels_alone;
  config.class_balance = to_string(options.balance);
  config.learning_rate = options.learning_rate;
  config.decay_from = 0.5;
  // A fold is trained without its labeled rows.
  const int64_t of_fold =
      options.folds == 0 ? 0 : (labeled_count() + options.folds - 1) / options.folds;
  const int64_t least = options.folds == 0 ? used : std::min(used, labels.numel() - of_fold);
  config.unlabeled_batch = options.unlabeled_batch.value_or(std::min(batch_of(used), least));
  config.labeled_batch = options.labeled_batch.value_or(
      std::min<int64_t>(std::max<int64_t>(config.unlabeled_batch, 50), division.labeled.numel()));
  TORCH_CHECK(config.unlabeled_batch >= 2 && config.unlabeled_batch <= least,
              "Classifier: expected a batch of 2 to ", least, " rows",
              least < used ? ", those without a fold," : "", " but got ", config.unlabeled_batch,
              ".");
  config.seed = options.seed;
  config.device = options.device;
  config.precision = options.precision;
  config.network.combinator = {};
  const auto fingerprint =
      train::data_fingerprint({.training = {.inputs = inputs, .labels = labels, .source = from}});
  config.data = fingerprint.at("inputs") + ", " + fingerprint.at("labels");
  return config;
}

namespace {

// Add the weights of rows to what `config` says about the data; return how many rows an epoch
// draws.
int64_t add_row_weights(runs::RunConfig& config, const ClassifierOptions& options,
                        const torch::Tensor& labels, const Division& division) {
  if (!options.row_weights) return division.used;
  const auto& weights = *options.row_weights;
  TORCH_CHECK(weights.dim() == 1 && weights.numel() == labels.numel(),
              "Classifier: expected a weight for each of ", labels.numel(),
              " rows but got weights of shape ", weights.sizes(), ".");
  const auto drawn = weighted(division, weights).unlabeled.numel();
  const auto of_weights = train::data_fingerprint(
      {.training = {.inputs = weights.to(at::kDouble).unsqueeze(1), .labels = labels}});
  *config.data += ", " + of_weights.at("inputs");
  return drawn;
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

// Predictions of rows that were held back: probabilities, or metrics of them where they are too
// many to keep.
class HeldBackPredictions {
 public:
  HeldBackPredictions(int64_t rows, int64_t classes, int64_t most)
      : keeps_(rows * classes <= most), measured_(classes) {}

  bool keeps() const { return keeps_; }
  int64_t rows() const { return rows_; }
  int64_t wrong() const { return wrong_; }

  void add(const torch::Tensor& probabilities, const torch::Tensor& labels) {
    rows_ += labels.numel();
    wrong_ += probabilities.argmax(1).ne(labels).sum().item<int64_t>();
    if (keeps_) {
      parts_.push_back(probabilities);
    } else {
      measured_.add(probabilities, labels);
    }
  }
  void put_into(HeldBack& held_back) const {
    if (keeps_) {
      held_back.probabilities = at::cat(parts_);
    } else {
      held_back.metrics = measured_.metrics();
    }
  }

 private:
  bool keeps_;
  int64_t rows_ = 0, wrong_ = 0;
  std::vector<torch::Tensor> parts_;
  train::BlockMetrics measured_;
};

double share_right(const HeldBack& held_back) {
  if (!held_back.metrics) return share_right(held_back.probabilities, held_back.labels);
  const auto& metrics = *held_back.metrics;
  return static_cast<double>(metrics.rows - metrics.wrong) / static_cast<double>(metrics.rows);
}

std::vector<std::pair<std::string, std::string>> facts_of(const FitReport& report,
                                                          const std::string& label) {
  const auto& config = report.config;
  const auto& held_back = report.held_back;
  std::vector<std::pair<std::string, std::string>> facts = {
      {"rows", std::to_string(report.rows)}, {"labeled rows", std::to_string(report.labeled)}};
  if (!label.empty()) facts.emplace_back("label", label);
  if (const auto name = data::source_name(config.dataset); !name.empty()) {
    facts.emplace_back("data", name);
  }
  if (held_back.labels.defined()) {
    facts.emplace_back(
        "error", fmt::format("{:.2f} % of {} labeled rows ({})", 100 * (1 - share_right(held_back)),
                             held_back.labels.numel(), held_back.method));
  }
  facts.emplace_back("epochs", std::to_string(config.epochs));
  facts.emplace_back("seed", std::to_string(*config.seed));
  return facts;
}

// The blocks that a run shuffles its rows by.
data::BlockSizes blocks_of(const runs::RunConfig& config) {
  return {.rows = config.block_rows.value_or(0), .blocks = config.window_blocks.value_or(1)};
}

using Instant = std::chrono::steady_clock::time_point;

double seconds_since(Instant began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

// One training, from division to a calibrated network.
struct Training {
  const ClassifierOptions& options;
  const runs::RunConfig& config;
  const torch::Tensor& inputs;
  const torch::Tensor& labels;
  std::shared_ptr<const data::RowSource> from;
  int64_t classes;
  torch::Tensor test_inputs = {}, test_labels = {};

  Ladder build() const {
    auto net = models::network(runs::network_of(config));
    reset_parameters(*net, stream_seed(*config.seed, "init"));
    net->to(config.device, models::dtype(config.precision));
    return net;
  }

  torch::Tensor placed(const torch::Tensor& tensor) const {
    return tensor.is_floating_point() ? tensor.to(config.device, models::dtype(config.precision))
                                      : tensor.to(config.device);
  }

  torch::Tensor labels_at(const torch::Tensor& rows) const {
    return from ? from->labels(rows) : labels.index_select(0, rows);
  }
  torch::Tensor inputs_at(const torch::Tensor& rows) const {
    return from ? from->inputs(rows) : inputs.index_select(0, rows);
  }

  std::shared_ptr<train::Objective> objective_of(const Ladder& net,
                                                 const torch::Tensor& labeled) const {
    if (!config.scaled_lambda.value_or(false)) {
      TORCH_CHECK(options.balance != ClassBalance::kWeights,
                  "Classifier: expected weights that follow the costs for balance 'weights' but "
                  "got fixed lambdas (leave lambda empty, or take balance 'sampling').");
      return train::objective(net);
    }
    train::ScaledObjectiveOptions scaled{.weights = config.network.lambda};
    if (options.balance == ClassBalance::kWeights) {
      scaled.class_weights = class_weights(labels_at(labeled), classes);
    }
    return train::scaled_objective(net, scaled);
  }

  train::Trainer trainer(const Ladder& net, const Division& division,
                         const train::RunRecordFactory& record, int64_t epochs) const {
    const auto rows = weighted(division, options.row_weights);
    auto labeled = rows.labeled;
    if (options.balance == ClassBalance::kSampling) {
      labeled = labeled.index_select(
          0, data::repeat_rare(at::arange(labeled.numel()), labels_at(labeled), classes));
    }
    train::TrainData data;
    if (from) {
      data.training = {.labeled = labeled, .source = from, .held_out = rows.validation};
      data.training.blocks = blocks_of(config);
    } else {
      data.training = {.inputs = placed(inputs),
                       .labels = placed(labels),
                       .labeled = placed(labeled),
                       .unlabeled = placed(rows.unlabeled)};
    }
    if (rows.validation.defined() && rows.validation.numel() > 0) {
      data.validation = from ? rows.validation : placed(rows.validation);
    }
    if (test_inputs.defined()) {
      data.test_inputs = placed(test_inputs);
      data.test_labels = placed(test_labels);
    }
    const int64_t all = rows.used;
    train::TrainOptions train{
        .epochs = epochs,
        .learning_rate = config.learning_rate,
        .decay_from = config.decay_from,
        .labeled_batch = config.labeled_batch,
        .unlabeled_batch = options.labels_alone ? 0 : config.unlabeled_batch,
        .seed = *config.seed,
        .eval_every = config.eval_every,
        .calibration_rows = all > kMostCalibrationRows ? kMostCalibrationRows : 0,
        .products = ops::default_product_plan(models::product_precision(config.precision)),
        .ranks = options.ranks,
        .statistics = config.statistics.value_or(train::RankStatistics::kLocal),
        .record = record,
        .checkpoint_every_seconds = options.checkpoint_every_seconds};
    return {train::TrainParts{.objective = objective_of(net, rows.labeled)}, std::move(data),
            std::move(train)};
  }

  // Epochs that take about `minutes`, from the speed of a short trial.
  int64_t epochs_within(double minutes, const Division& rows) const {
    auto trial = trainer(build(), rows, {}, 1000000);
    int64_t steps = 0;
    const auto begin = std::chrono::steady_clock::now();
    double seconds = 0;
    trial.callbacks.on_step = [&](int64_t step) {
      steps = step;
      seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    };
    // Also when a stop was asked for: the folder keeps the number that a whole trial finds.
    trial.callbacks.stop_requested = [&] { return seconds > kSpeedTrialSeconds; };
    trial.run();
    const double wanted =
        60 * minutes / (seconds / static_cast<double>(std::max<int64_t>(1, steps)));
    return std::max<int64_t>(
        1, static_cast<int64_t>(wanted / static_cast<double>(trial.steps_per_epoch())));
  }

  // Epochs of `drawn` rows each, those of the run that is continued where minutes were asked for.
  int64_t epochs(const Division& division, int64_t drawn, int64_t steps_per_epoch,
                 const std::optional<runs::RunConfig>& continued) const {
    if (options.minutes > 0) {
      const auto agreed = [&](int64_t count) {
        return train::value_of_first_rank(options.ranks, count);
      };
      const auto known = agreed(continued ? continued->epochs : 0);
      return known > 0 ? known : agreed(epochs_within(options.minutes, division));
    }
    if (options.epochs > 0) {
      return std::max<int64_t>(1, (options.epochs * division.used + drawn - 1) / drawn);
    }
    return std::max<int64_t>(1, (kDefaultSteps + steps_per_epoch - 1) / steps_per_epoch);
  }

  // Train `net`, and calibrate it where training was interrupted: it is the model so far.
  train::TrainResult run(Ladder& net, const Division& division,
                         const train::RunRecordFactory& record) const {
    train::TrainResult result;
    {
      auto all = trainer(net, division, record, config.epochs);
      all.callbacks = options.callbacks;
      if (options.on_start) options.on_start(config, all.steps());
      result = all.run();
    }
    if (result.status == train::TrainStatus::kInterrupted) {
      const int64_t rows = std::min(division.used, kMostCalibrationRows);
      net->calibrate(
          placed(inputs_at(from ? data::rows_besides(division.validation, at::arange(rows))
                                : division.unlabeled.narrow(0, 0, rows))));
    }
    net->eval();
    return result;
  }

  using TakePredictions =
      std::function<void(const torch::Tensor& probabilities, const torch::Tensor& row_labels)>;

  // Predict `rows` in parts, so that the inputs of all of them are never there at once.
  void predict(const Ladder& net, const torch::Tensor& rows, const TakePredictions& take) const {
    for (int64_t begin = 0; begin < rows.numel(); begin += kHeldBackAtOnce) {
      const auto some = rows.slice(0, begin, begin + kHeldBackAtOnce);
      take(probabilities_of(net, inputs_at(some)), labels_at(some));
    }
  }

  HeldBack held_back(const Ladder& net, const Division& division) const {
    const auto& rows = division.validation;
    if (rows.numel() == 0) return {};
    HeldBack held_back{.method = "held-back rows", .rows = rows, .labels = labels_at(rows)};
    HeldBackPredictions predictions(rows.numel(), classes, options.most_probabilities);
    predict(net, rows, [&](const auto& probabilities, const auto& row_labels) {
      predictions.add(probabilities, row_labels);
    });
    predictions.put_into(held_back);
    return held_back;
  }

  // Train a network without the labeled rows of a fold; none where that was interrupted.
  std::optional<Ladder> network_without(const torch::Tensor& rows, Instant began,
                                        FoldProgress& told) const {
    auto net = build();
    auto others = trainer(net, division_of(labels, rows), {}, config.epochs);
    others.callbacks.stop_requested = options.callbacks.stop_requested;
    if (options.on_fold) {
      others.callbacks.on_progress = [&](const train::Progress& progress) {
        told.network = progress;
        told.seconds = seconds_since(began);
        options.on_fold(told);
      };
    }
    const auto result = others.run();
    if (result.status == train::TrainStatus::kInterrupted) return std::nullopt;
    told.network = {.epoch = config.epochs,
                    .epochs = config.epochs,
                    .step = result.steps,
                    .steps = result.steps,
                    .steps_per_second = result.steps_per_second,
                    .total = result.last ? result.last->total : 0,
                    .seconds = result.seconds};
    return net;
  }

  // All that the predictions of folds depend on, whichever machine and folder has the data.
  std::string fold_settings() const {
    auto settings = config;
    settings.environment.reset();
    settings.dataset.clear();
    settings.test_rows.reset();
    return fmt::format("{} folds, {}", options.folds, runs::to_json(settings));
  }

  // What rank 0 has kept of a fold, on all ranks.
  std::optional<runs::FoldPredictions> kept_fold(const fs::path& path, const std::string& settings,
                                                 const torch::Tensor& rows) const {
    auto found = path.empty() || !options.resume ? std::nullopt
                                                 : runs::load_fold(path, settings, rows, classes);
    if (train::value_of_first_rank(options.ranks, found ? 1 : 0) == 0) return std::nullopt;
    if (!options.ranks) return found;
    if (!found) {
      found = {.rows = rows, .probabilities = at::empty({rows.numel(), classes}, at::kFloat)};
    }
    options.ranks->broadcast(found->probabilities);
    return found;
  }

  // Train a network for each fold without it; none where that was interrupted. `folder` keeps what
  // the networks predict, unless it is empty. Writes the time and the folds left into `report`.
  std::optional<HeldBack> held_back_by_folds(const fs::path& folder, FitReport& report) const {
    const auto fold = data::stratified_folds(labels, classes, options.folds, options.seed);
    HeldBackPredictions predictions(fold.ge(0).sum().item<int64_t>(), classes,
                                    options.most_probabilities);
    const bool keeps = predictions.keeps() && !folder.empty();
    const auto settings = fold_settings();
    const auto began = std::chrono::steady_clock::now();
    FoldProgress told{.folds = options.folds};
    std::vector<torch::Tensor> rows;
    for (int64_t i = 0; i < options.folds; ++i) {
      rows.push_back(fold.eq(i).nonzero().squeeze(1));
      told.fold = i + 1;
      const auto path = keeps ? folder / fmt::format("{}.pt", told.fold) : fs::path();
      const auto kept = kept_fold(path, settings, rows.back());
      if (kept) {
        predictions.add(kept->probabilities, labels_at(rows.back()));
        report.fold_seconds += kept->seconds;
      } else {
        const auto fold_began = std::chrono::steady_clock::now();
        const auto net = network_without(rows.back(), began, told);
        if (!net) {
          report.folds_left = options.folds - i;
          return std::nullopt;
        }
        std::vector<torch::Tensor> parts;
        predict(*net, rows.back(), [&](const auto& probabilities, const auto& row_labels) {
          predictions.add(probabilities, row_labels);
          if (keeps) parts.push_back(probabilities);
        });
        const double seconds = seconds_since(fold_began);
        report.fold_seconds += seconds;
        if (keeps) {
          runs::save_fold(
              path, settings,
              {.rows = rows.back(), .probabilities = at::cat(parts), .seconds = seconds});
        }
      }
      told.rows = predictions.rows();
      told.wrong = predictions.wrong();
      if (!kept && options.on_fold) {
        told.ended = true;
        told.seconds = seconds_since(began);
        options.on_fold(told);
        told.ended = false;
      }
    }
    const auto all = at::cat(rows);
    HeldBack held_back{.method = fmt::format("{} folds", options.folds),
                       .rows = all,
                       .labels = labels.index_select(0, all)};
    predictions.put_into(held_back);
    return held_back;
  }
};

// Set the blocks that rows of shards are shuffled by. Rank 0 decides for all: it knows the run that
// is continued, and one disk is measured.
void settle_blocks(runs::RunConfig& config, const ClassifierOptions& options,
                   const std::optional<runs::RunConfig>& continued, const data::Shards& shards) {
  data::BlockSizes blocks;
  if (options.blocks) {
    blocks = *options.blocks;
  } else if (continued) {
    blocks = blocks_of(*continued);
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
  check_options(options_);
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
  check_dense(x);
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
    samples.images = with_channels(x).cpu();
    samples.labels = y.cpu();
    samples.classes = std::move(names);
    return fit(samples);
  }
  TORCH_CHECK(!options_.test,
              "Classifier: expected no test rows beside a tensor of numbers but got ",
              options_.test->rows(), " (call score after fit).");
  const auto table = table_of(x);
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
  check_bytes(samples.images);
  TORCH_CHECK(samples.labels.defined() && samples.labels.dim() == 1 &&
                  samples.labels.scalar_type() == at::kLong &&
                  samples.labels.size(0) == samples.images.size(0),
              "Classifier: expected labels of the images as int64 [", samples.images.size(0),
              "] but got ", type_and_shape_text(samples.labels), ".");
  TORCH_CHECK(except.empty(), "Classifier: expected no columns to leave out of images but got '",
              fmt::format("{}", fmt::join(except, "', '")), "'.");
  Rows rows{.labels = samples.labels, .classes = samples.classes, .source = samples.source};
  rows.images = measure_images(samples.images, !options_.convolutional);
  rows.inputs = image_rows(*rows.images, samples.images);
  if (options_.test) {
    const auto& test = *options_.test;
    TORCH_CHECK(test.images.defined(), "Classifier: expected images to test on but got a table.");
    rows.test_inputs = image_rows(*rows.images, test.images);
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
  const auto batch = options_.labels_alone ? config.labeled_batch : config.unlabeled_batch;
  TORCH_CHECK(batch >= 2 && batch <= drawn, "Classifier: expected a ",
              options_.labels_alone ? "labeled " : "", "batch of 2 to ", drawn, " rows but got ",
              batch, ".");
  const Training training{options_,         config,          rows.inputs,
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
  config.eval_every = std::max<int64_t>(1, config.epochs / kMostEvaluations);
  config.environment = options_.environment;

  auto net = training.build();
  report.training =
      training.run(net, division, writes ? record_of(options_, config, continued) : nullptr);
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
    if (auto by_folds = training.held_back_by_folds(folder, report)) {
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
  return image_rows(*trained.images, samples.images);
}

torch::Tensor Classifier::predict_proba(const data::Samples& samples) const {
  return probabilities_of(model_.net, inputs(samples));
}

torch::Tensor Classifier::predict_proba(const data::Table& table) const {
  TORCH_CHECK(model().features, "Classifier: expected images but got a table.");
  return probabilities_of(model_.net, model_.features->apply(table));
}

torch::Tensor Classifier::predict_proba(const torch::Tensor& x) const {
  const auto& trained = model();
  check_dense(x);
  if (trained.images) {
    return probabilities_of(trained.net, image_rows(*trained.images, with_channels(x)));
  }
  const auto table = table_of(x);
  check_columns(*trained.features, x);
  return predict_proba(table);
}

std::vector<std::string> Classifier::predict(const data::Table& table) const {
  return names_of(predict_proba(table), model_.classes);
}
std::vector<std::string> Classifier::predict(const torch::Tensor& x) const {
  return names_of(predict_proba(x), model_.classes);
}
std::vector<std::string> Classifier::predict(const data::Samples& samples) const {
  return names_of(predict_proba(samples), model_.classes);
}

double Classifier::score(const data::Table& table, const std::string& label) const {
  return share_right(predict_proba(table), data::labels_of(table.column(label), classes()));
}

double Classifier::score(const torch::Tensor& x, const torch::Tensor& y) const {
  check_dense(x);
  TORCH_CHECK(y.defined() && y.dim() == 1 && y.scalar_type() == at::kLong && x.dim() >= 1 &&
                  y.size(0) == x.size(0),
              "Classifier: expected labels as int64 [", x.dim() >= 1 ? x.size(0) : 0, "] but got ",
              type_and_shape_text(y), ".");
  if (y.numel() > 0) {
    data::check_labels("Classifier", "scored", y, {}, static_cast<int64_t>(classes().size()),
                       /*missing=*/true);
  }
  return share_right(predict_proba(x), y.cpu());
}

const std::vector<std::string>& Classifier::classes() const { return model().classes; }

const exports::PredictionModel& Classifier::model() const {
  TORCH_CHECK(is_fitted(), "Classifier: expected a trained classifier (call fit or load first).");
  return model_;
}

void Classifier::put_fact(const std::string& name, const std::string& value) {
  TORCH_CHECK(is_fitted(), "Classifier: expected a trained classifier (call fit or load first).");
  auto& facts = model_.facts;
  std::erase_if(facts, [&](const auto& fact) { return fact.first == name; });
  facts.emplace(facts.begin(), name, value);
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
