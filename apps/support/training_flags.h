/// The flags of every program that trains.
#pragma once

#include <ladder/models/recipes.h>
#include <ladder/ops/product.h>
#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/support/command_line.h"

namespace ladder::apps {

/// What `--precision` takes.
inline const std::vector<std::string> kPrecisions = {"float32", "bfloat16", "tf32", "float64"};

/// A recipe as the flags have edited it, and how it is run.
struct TrainingFlags {
  models::Recipe recipe;
  std::optional<uint64_t> seed = {};  ///< of --seed
  std::vector<uint64_t> seeds = {};   ///< of --seeds; empty for a single run
  bool unbalanced = false;
  int64_t validation = 0;
  std::optional<std::filesystem::path> data_dir = {};
  int64_t eval_every = 1;
  std::string calibration = "training";
  int64_t patience = 0;
  std::string device = "auto";
  int64_t threads = 0;  ///< 0: as many as LibTorch takes
  std::string product_route = "auto";
  ops::ProductPlan products = {};  ///< after `settle`
  bool no_graph = false;
  bool parallel_seeds = false;
  std::filesystem::path out = {};
  double checkpoint_seconds = 60;
  bool resume = false;
  bool quiet = false;
  bool list = false;
  bool settings = false;
  bool help = false;
  bool version = false;

  torch::Device torch_device() const;  ///< after `settle`
  torch::Dtype dtype() const;
};

/// What is known of a data set before it is read.
struct DatasetFacts {
  int64_t rows = 0;
  int64_t classes = 0;
  int64_t test_rows = 0;
};

/// `--recipe`, which comes first since the others edit it.
void add_recipe_flag(CommandLine& line, TrainingFlags& flags);
void add_training_flags(CommandLine& line, TrainingFlags& flags);

/// Answers `--help`, `--version` and `--list`, which shows the recipes of `dataset`. Returns
/// whether one of them was given: nothing else is to be done then.
bool answer(const CommandLine& line, const std::string& program, const std::string& dataset);

/// Error: a recipe of another data set than `dataset`.
void check_dataset(const TrainingFlags& flags, const std::string& dataset);

/// Fills in what was left to the program (device, folder) and sets LibTorch's threads and the
/// products' route and precision. Throws UsageError for values that cannot be: labels that do not
/// divide among the classes or exceed the rows, a device that is not there, flags that contradict.
void settle(TrainingFlags& flags, const DatasetFacts& facts);

/// Error: a batch of more rows than there are.
void check_batch_size(const TrainingFlags& flags, int64_t rows);

/// The recipes as a table.
std::string recipe_table(const std::vector<models::Recipe>& recipes);
/// The units of each layer, where all are dense and the input is a vector.
std::optional<std::vector<int64_t>> dense_units(const models::NetworkOptions& network);

/// "100", or "all".
std::string labels_text(int64_t labels);

}  // namespace ladder::apps
