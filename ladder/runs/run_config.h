/// What a run is started with, as one value; config.json is written and read here only.
#pragma once

#include <c10/core/Device.h>
#include <ladder/data/neighbours.h>
#include <ladder/data/sampler.h>
#include <ladder/models/network.h>
#include <ladder/models/recipes.h>
#include <ladder/nn/ladder.h>
#include <ladder/ops/product.h>
#include <ladder/train/communicator.h>
#include <ladder/train/evaluate.h>
#include <ladder/train/objective.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ladder::train {
struct ClusterLook;
struct FeatureLook;
}  // namespace ladder::train

namespace ladder::runs {

/// Machine and software that a run was started on. Results of two environments may differ in
/// rounding, and so do their times.
struct Environment {
  std::string ladder = {};              ///< version of this library
  std::string commit = {};              ///< its commit
  std::string libtorch = {};            ///< version of LibTorch
  std::string cpu = {};                 ///< model of the processor
  std::optional<std::string> gpu = {};  ///< model of the GPU that trains; none: the CPU trains
  int64_t threads = 0;
  std::optional<int64_t> ranks = {};  ///< processes that train together; none: one
  std::string kernels = {};           ///< CPU kernels in use, such as "avx512" (ops::kernel_info)
  std::string instruction_set = {};   ///< instruction set of these kernels, such as "AVX-512"
  std::string product_route = {};     ///< library of the matrix products in use
  std::string data_dir = {};          ///< absolute path of the data; empty if unknown

  bool operator==(const Environment&) const = default;
};

/// Where a run went on from a step, if not where it was started or had gone on before.
struct Resumed {
  int64_t step = 0;
  Environment environment = {};
};

/// The settings of one run.
///
/// Fields are named like the options that they set: `noise_std` of the stages, `unlabeled_batch` of
/// the trainer. A value that is only known once there are data and a seed is optional; an unset
/// value equals any other in comparisons.
struct RunConfig {
  std::string program = {};
  std::string recipe = {};
  std::string dataset = {};

  std::optional<int64_t> train_rows = {};
  std::optional<int64_t> test_rows = {};
  std::optional<std::string> data = {};  ///< fingerprint of all rows and labels
  int64_t classes = 10;
  int64_t labels = 100;  ///< labeled rows, or data::kAllLabels
  bool balanced = true;  ///< the same number of labeled rows of each class
  int64_t validation = 0;
  std::optional<double> contrast_norm = {};  ///< preparation of CIFAR-10's images
  std::optional<double> zca_ridge = {};

  models::NetworkOptions network = {};  ///< without its combinator's factory, see `network_of`
  std::string combinator = "gaussian";
  /// True: `network.lambda` holds the weights of train::scaled_objective. None: false.
  std::optional<bool> scaled_lambda = {};
  std::optional<std::string> class_balance = {};  ///< of Classifier: "none", "sampling", "weights"

  int64_t epochs = 150;
  double learning_rate = 0.002;
  double decay_from = 0.67;
  double warm_up = 0;
  models::RecipePieces pieces = {};
  int64_t unlabeled_batch = 100;
  int64_t labeled_batch = 100;
  /// Of a baseline, which reads no unlabeled rows: data::SamplerOptions::epoch_batch. None in runs
  /// of earlier versions: the labeled batch.
  std::optional<int64_t> epoch_batch = {};
  std::optional<int64_t> block_rows = {};     ///< data::BlockSizes of shards; none: no blocks
  std::optional<int64_t> window_blocks = {};  ///< as block_rows
  std::optional<uint64_t> seed = {};
  int64_t candidates = 1;                 ///< number of short starts, one of which is continued
  int64_t candidate_epochs = 4;           ///< epochs of each start
  std::optional<int64_t> candidate = {};  ///< which start this is, from 1; a teacher's as well
  int64_t teachers = 0;                   ///< whole runs from the same labels, which label rows
  double teacher_confidence = 0.95;       ///< least probability of a class that they agree on
  std::string taught = {};  ///< fingerprint of labels from finished runs; empty: there are none

  std::optional<train::RankStatistics> statistics = {};  ///< of ranks; none: local
  int64_t eval_every = 1;
  train::Calibration calibration = train::Calibration::kTrainingRows;
  int64_t patience = 0;
  c10::Device device = c10::kCPU;
  models::Precision precision = models::Precision::kFloat32;
  std::optional<ops::ProductRoute> product_route = {};  ///< none: the default of the machine

  std::optional<Environment> environment = {};  ///< that the run was started on
  std::vector<Resumed> resumed = {};            ///< see add_resumed; never compared
};

/// Return the settings of a recipe.
RunConfig config_of(const models::Recipe& recipe);
/// Overwrite the settings of `config` with those of a recipe; settings that a recipe does not have
/// stay unchanged.
void apply(const models::Recipe& recipe, RunConfig& config);
/// Return the settings that a run like `config` has where no flag changes the recipe: data, seed
/// and machine are those of `config`, and a choice that no recipe makes has its default.
RunConfig unchanged(const models::Recipe& recipe, RunConfig config);

/// True if no level has a denoising cost: the network has no decoder and reads no unlabeled rows.
bool is_baseline(const RunConfig& config);

/// The network to build, with the factory of its combinator. Error: an unknown combinator.
models::NetworkOptions network_of(const RunConfig& config);

/// What pieces need beside the settings.
struct ObjectiveParts {
  /// Neighbours of the unlabeled rows; none: each piece that needs them finds its own.
  std::shared_ptr<data::SharedNeighbours> near = {};
  std::function<torch::Tensor()> guess = {};  ///< of train::early_labels
  /// Of train::cluster_repair, border_repair and feature_repair.
  std::function<void(const train::ClusterLook&)> on_look = {};
  std::function<void(const train::FeatureLook&)> on_feature_look = {};  ///< of feature_labels
};

/// The objective to train `net` with: its lambda, fixed or scaled (train::scaled_objective), and
/// the pieces. Initialise the parameters first: row projection keeps their norms. `rows` are those
/// it is trained on.
std::shared_ptr<train::Objective> objective_of(const RunConfig& config, const Ladder& net,
                                               const data::SemiData& rows = {},
                                               const ObjectiveParts& parts = {});

/// Set the statistics of ranks to those that were asked for, else those of the run that is
/// continued, if one is, else local. Rank 0, which knows that run, decides for all; without ranks
/// none may stay none.
void settle_statistics(RunConfig& config, const std::optional<RunConfig>& continued,
                       const std::shared_ptr<train::Communicator>& ranks);

/// JSON of the settings: an object with one key a field, layers as text ("dense 1000"), labels as a
/// number or "all". Fields that are not known are left out.
std::string to_json(const RunConfig& config);

/// The keys that `to_json` can write, but for "environment" and "resumed", in their order.
std::vector<std::string> config_fields();

/// Read the output of `to_json` of this or an earlier version. Old names (batch_size, noise,
/// in_features, layers as numbers of units) are accepted, and a setting that the older version did
/// not have gets its default.
///
/// Errors: no JSON object; an unknown key (the sentence names the nearest known one); a value of
/// another type:
///
///     RunConfig: expected epochs to be a whole number but got "many".
RunConfig run_config_from_json(std::string_view json);

/// Read FOLDER/config.json; none if there is no such file. Errors: those of run_config_from_json,
/// with the path of the file.
std::optional<RunConfig> read_config(const std::filesystem::path& folder);

/// Return true if a run that goes on in `here` does so on another machine or software than it was
/// started or last resumed on. Where its data lie makes no difference.
bool is_elsewhere(const RunConfig& run, const Environment& here);

/// Add to the list `resumed` of FOLDER/config.json that the run goes on from a step in an
/// environment. The environment that it was started on stays.
void add_resumed(const std::filesystem::path& folder, const Resumed& resumed);

/// One field in which two configurations differ, with both values as JSON.
struct Difference {
  std::string name;
  std::string there;
  std::string here;
};

/// Which fields `diff` compares.
enum class Compare {
  kSettings,    ///< all fields but the environment
  kExperiment,  ///< those on which the result depends: without device, eval_every, product_route
};

/// The fields in which two configurations differ, by name. A field that only one of them knows is
/// no difference, except for scaled_lambda, and for epoch_batch of two baselines.
std::vector<Difference> diff(const RunConfig& there, const RunConfig& here,
                             Compare compare = Compare::kSettings);

/// "epochs (1 there, 2 here), seed (1 there, 2 here)"; empty without differences.
std::string to_string(const std::vector<Difference>& differences);

/// Return how many ranks trained one network together, 1 without ranks: a step has the rows of as
/// many batches, which is another experiment.
int64_t trained_ranks(const RunConfig& config);

/// The published error that a run may be set beside: that of its recipe, if the run differs from it
/// in nothing but seed, device, evaluations and product route, was trained by one rank, and read
/// the recipe's data. None otherwise.
std::optional<models::Published> published_error(const RunConfig& config);

/// "100", or "all" for data::kAllLabels.
std::string labels_text(int64_t labels);

/// "training" or "labeled".
std::string to_string(train::Calibration calibration);
/// Error: another name.
train::Calibration calibration_from_string(const std::string& name);

}  // namespace ladder::runs
