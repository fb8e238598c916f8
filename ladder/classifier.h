/// Semi-supervised classification of your own rows in three lines.
#pragma once

#include <c10/core/Device.h>
#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ladder/core/activation.h"
#include "ladder/data/block_order.h"
#include "ladder/data/samples.h"
#include "ladder/exports/prediction_model.h"
#include "ladder/runs/run_config.h"
#include "ladder/train/metrics.h"
#include "ladder/train/trainer.h"

namespace ladder {

/// How classes with few labeled rows are treated (measured in docs/when-a-ladder-helps.md).
enum class ClassBalance {
  kNone,      ///< every labeled row counts the same: lowest error
  kSampling,  ///< rare classes are drawn more often: many more errors on common classes
  kWeights,   ///< rare classes weigh more in the supervised cost: slightly more errors in all
};

/// Return "none", "sampling" or "weights".
std::string to_string(ClassBalance balance);
/// Error: another name.
ClassBalance class_balance_from_string(const std::string& name);

/// Where a cross-validation stands, for a progress line.
struct FoldProgress {
  int64_t fold = 0;  ///< counted from 1, the one whose network trains
  int64_t folds = 0;
  train::Progress network = {};  ///< of that network
  bool ended = false;            ///< that network is trained and has predicted the fold
  int64_t rows = 0;              ///< labeled rows of all folds that have ended
  int64_t wrong = 0;             ///< rows among them with a wrong prediction
  double seconds = 0;            ///< since the first of the networks that this call trains began
};

/// How to train a classifier. The defaults suit most data.
struct ClassifierOptions {
  /// Units of the hidden layers. Empty: three layers whose width follows rows and columns.
  std::vector<int64_t> layers = {};
  bool convolutional = false;  ///< images: two blocks of convolutions in place of dense layers
  Activation activation = Activation::kRelu;
  std::string combinator = "gaussian";  ///< see models::combinators()
  /// Weights of the denoising costs, one per level from the input up. Empty: automatic weights that
  /// adapt to the size of the costs (train::scaled_objective).
  std::vector<double> lambda = {};
  /// Weight of the input's cost where lambda is empty. No effect on convolutional networks, whose
  /// only denoising cost is at the top.
  double input_weight = 10;
  /// Train the same network on the labeled rows only, with the same noise and no denoising cost.
  /// The difference in error shows what the unlabeled rows contribute.
  bool labels_alone = false;
  /// Standard deviation of the noise, in standard deviations of a column or hidden unit. None:
  /// kTableNoise for tables; for images kImageNoise at the input and 0.3 in the layers.
  std::optional<double> noise = {};

  int64_t epochs = 0;  ///< passes over all rows; 0: enough for kDefaultSteps steps
  /// Train for about this many minutes instead of a number of epochs; 0: no limit. The number of
  /// epochs is set from the speed, which is measured before training, so it differs between
  /// machines.
  double minutes = 0;
  double learning_rate = 0.002;
  std::optional<int64_t> unlabeled_batch = {};  ///< rows a step; none: from the number of rows
  std::optional<int64_t> labeled_batch = {};
  /// Block sizes for shuffling shards (see data::SemiData::blocks); with `rows` = 0, shuffle row by
  /// row. None: take those of the run that is resumed; otherwise use data::Shards::block_sizes() if
  /// reading a row at a random position takes longer than kSlowReadSeconds, else row by row.
  std::optional<data::BlockSizes> blocks = {};
  ClassBalance balance = ClassBalance::kNone;
  /// Weights of the rows that `fit` is given, float64 [N]: how often a row is drawn, with its label
  /// and without it (data::repeat_weighted). None: all rows alike.
  std::optional<torch::Tensor> row_weights = {};
  uint64_t seed = 1;
  /// The labels of a table are classes for sure, whatever their names look like: numbers far apart
  /// (post codes) are no quantity, and "a;b" beside "a" and "b" is no list. Otherwise
  /// data::class_labels refuses such names.
  bool labels_are_classes = false;

  /// Share of the labeled rows that is held back to measure the error. None: 0.1 where there are
  /// at least 100 labeled rows, else 0.
  std::optional<double> validation = {};
  /// Measure the error by cross-validation with this number of stratified folds instead of
  /// held-back rows; each fold trains one more network. 0: no cross-validation. Error: folds and a
  /// `validation` above 0.
  ///
  /// The classifier is trained first, and saved in `folder`. Then `folder` keeps the predictions of
  /// each fold, if they are at most `max_probabilities`: a run that is resumed goes on with the
  /// next fold.
  int64_t folds = 0;

  /// Maximum number of probabilities of held-back rows (rows x classes) that FitReport keeps, by
  /// default 400 MB. Above it FitReport has only their metrics.
  int64_t max_probabilities = 100'000'000;

  models::Precision precision = models::Precision::kFloat32;
  c10::Device device = c10::kCPU;  ///< the CPU or a CUDA device

  std::filesystem::path folder = {};  ///< folder to record the run in; empty: do not record
  bool resume = false;                ///< continue the run in `folder`; error without one
  double checkpoint_every_seconds = 60;
  /// Facts about machine and program for config.json.
  std::optional<runs::Environment> environment = {};
  std::string program = "ladder";

  /// Processes that train this classifier together, see train::TrainOptions::ranks. All of them
  /// call `fit` with the same rows and options; only rank 0 writes into `folder`.
  std::shared_ptr<train::Communicator> ranks = {};
  /// Rows whose mean and variance normalise the rows of a rank (see
  /// train::TrainOptions::statistics). None: as in the run that is resumed, else local.
  std::optional<train::RankStatistics> statistics = {};

  train::TrainCallbacks callbacks = {};
  /// Called once before training with all settings, defaults filled in.
  std::function<void(const runs::RunConfig& config, int64_t steps)> on_start = {};
  /// Called about once a second while the networks of folds are trained, and when one has ended.
  /// (Of `callbacks`, these networks only ask stop_requested.)
  std::function<void(const FoldProgress&)> on_fold = {};
  /// Rows to measure the test error on at each evaluation: after each epoch, or after every n-th
  /// one in long runs, and at the end. They are never trained on.
  std::optional<data::Samples> test = {};
};

/// Default noise, as multiples of a standard deviation.
inline constexpr double kTableNoise = 0.3;
inline constexpr double kImageNoise = 1.0;
/// Default length of training in steps.
inline constexpr int64_t kDefaultSteps = 6000;

/// Rows of shards that features are measured on, drawn at random, the same in every run.
inline constexpr int64_t kFeatureRows = 100'000;
/// Seconds to read a row, above which rows are shuffled by blocks: solid-state disks take some .1
/// ms, spinning ones several.
inline constexpr double kSlowReadSeconds = 1e-3;

/// Predictions of rows that were held back.
struct HeldBack {
  std::string method = "none";  ///< "none", "held-back rows" or "N folds"
  torch::Tensor rows = {};      ///< int64 [n], rows of the training data
  torch::Tensor labels = {};    ///< int64 [n]
  /// float32 [n, classes]; undefined where `metrics` stands in its place.
  torch::Tensor probabilities = {};
  /// Of more than ClassifierOptions::max_probabilities probabilities.
  std::optional<train::ClassificationMetrics> metrics = {};
};

/// Return the metrics of rows that were held back. Errors: none were; those of
/// train::classification_metrics.
train::ClassificationMetrics held_back_metrics(const HeldBack& held_back);

/// What `fit` did.
struct FitReport {
  train::TrainResult training;
  int64_t rows = 0;     ///< rows trained on, labeled and unlabeled
  int64_t labeled = 0;  ///< labeled rows among them
  HeldBack held_back = {};
  double fold_seconds = 0;  ///< that the networks of folds took, besides those of `training`
  /// Folds that were not predicted because a stop was requested. Above 0, the classifier itself is
  /// whole, but its error is not known, and `training.status` is kInterrupted.
  int64_t folds_left = 0;
  runs::RunConfig config = {};  ///< all settings, defaults filled in
};

/// A classifier of rows of a table, of images or of tensors, trained from a few labeled and many
/// unlabeled ones.
///
///     Classifier classifier;
///     classifier.fit(data::read_csv("sensor.csv"), "state");      // empty cells: no label
///     auto classes = classifier.predict(data::read_csv("new.csv"));
///     classifier.save("sensor.ladder");
///
/// Predictions change nothing and may be made by several threads at once.
class Classifier {
 public:
  explicit Classifier(ClassifierOptions options = {});

  /// Train on the rows of `table`. The column `label` holds class names; a missing value or -1
  /// means no label. Columns in `except`, such as identifiers, are not used.
  ///
  /// Errors: no such column; fewer than 2 classes; an option that does not fit the data; those of
  /// fit_features and of train::Trainer. After an error the classifier is unchanged.
  FitReport fit(const data::Table& table, const std::string& label,
                const std::vector<std::string>& except = {});

  /// Train on rows x [N, D] (floating; NaN is a missing value) or images [N, H, W], [N, C, H, W]
  /// (uint8), with labels y, int64 [N]: 0 to classes - 1, or -1 for a row without label. Errors: as
  /// above; a sparse tensor; a label of N or more, since a class needs a row.
  FitReport fit(const torch::Tensor& x, const torch::Tensor& y);

  /// Train on what a reader returned: a table with the column `label` (by default the one that the
  /// reader names), images with labels, or shards, which have labels of their own. Rows of shards
  /// are read when a step needs them; features are measured on kFeatureRows of them.
  FitReport fit(const data::Samples& samples, const std::string& label = "",
                const std::vector<std::string>& except = {});

  /// Return the probability of each class, float32 [N, classes]; [0, classes] for no rows. Columns
  /// of a table are found by name; those of a tensor have none, so that a classifier takes one of
  /// numbers only if it was trained on one of as many columns. Errors: a classifier that was not
  /// trained; a column that is missing; another number of columns of a tensor; images of another
  /// size or type than uint8.
  torch::Tensor predict_proba(const data::Table& table) const;
  torch::Tensor predict_proba(const torch::Tensor& x) const;
  torch::Tensor predict_proba(const data::Samples& samples) const;

  /// Return the most probable class of each row.
  std::vector<std::string> predict(const data::Table& table) const;
  std::vector<std::string> predict(const torch::Tensor& x) const;
  std::vector<std::string> predict(const data::Samples& samples) const;

  /// Return the share of rows whose class is predicted right; rows without label are left out.
  /// Errors: no row with a label, a label that is no class.
  double score(const data::Table& table, const std::string& label) const;
  double score(const torch::Tensor& x, const torch::Tensor& y) const;

  /// Class names in the order of probabilities.
  const std::vector<std::string>& classes() const;
  bool is_fitted() const { return !model_.net.is_empty(); }

  /// Write everything that predictions need to one file, atomically: a dictionary of tensors, which
  /// Python's torch.load can open, that includes a JSON text. The same model gives the same bytes.
  void save(const std::filesystem::path& path) const;
  /// Read such a file, or the file in a run folder. Nothing in it is executed; sizes, names and
  /// shapes are checked. The settings of the training are in `config()` alone: a later `fit` takes
  /// default ClassifierOptions. Error: one sentence that names the file.
  static Classifier load(const std::filesystem::path& path);

  /// Network, features, classes and facts, as exports take them. Error: not trained.
  const exports::PredictionModel& model() const;
  /// Put a fact before the others, an error on test rows say; it replaces one of the same name.
  /// `save` and exports keep it. Error: not trained.
  void put_fact(const std::string& name, const std::string& value);
  /// Settings of the training, defaults filled in.
  const runs::RunConfig& config() const { return config_; }
  /// Name of the label column; empty for tensors and images.
  const std::string& label() const { return label_; }

  /// Return inputs of the network for rows of these kinds.
  torch::Tensor inputs(const data::Samples& samples) const;

 private:
  struct Rows;
  FitReport fit_shards(const std::shared_ptr<const data::Shards>& shards,
                       const std::vector<std::string>& except);
  FitReport fit_rows(Rows rows);

  ClassifierOptions options_;
  exports::PredictionModel model_;
  runs::RunConfig config_;
  std::string label_;
};

/// Name of the model file in a run folder.
inline constexpr const char* kModelFile = "model.ladder";

}  // namespace ladder
