/// The flags of every program that trains.
#pragma once

#include <ladder/models/recipes.h>
#include <ladder/ops/product.h>
#include <ladder/runs/run_config.h>
#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/support/command_line.h"

namespace ladder::apps {

/// Values of `--precision`.
inline const std::vector<std::string> kPrecisions = {"float32", "bfloat16", "tf32", "float64"};

/// The settings of a run as the flags edit them, and how to run it.
struct TrainingFlags {
  /// The settings of the recipe `name`.
  explicit TrainingFlags(const std::string& name)
      : config(runs::config_of(models::find_recipe(name))),
        teacher(models::find_recipe(name).taught_by) {}

  runs::RunConfig config;
  std::optional<uint64_t> seed = {};  ///< --seed
  std::vector<uint64_t> seeds = {};   ///< --seeds; empty for a single run
  std::optional<std::filesystem::path> data_dir = {};
  std::optional<torch::Device> device = {};  ///< none: a GPU if there is one
  int64_t threads = 0;                       ///< 0: the number that LibTorch takes
  ops::ProductPlan products = {};            ///< set by `settle`
  bool no_graph = false;
  bool parallel_seeds = false;
  std::vector<std::filesystem::path> taught_by = {};  ///< folders of finished runs; none: no labels
  std::string teacher = {};   ///< recipe of a run to train before, which labels rows; empty: none
  double rank_timeout = 300;  ///< seconds that ranks wait for each other
  std::filesystem::path out = {};
  double checkpoint_seconds = 60;
  bool resume = false;
  bool predictions = false;  ///< write those of the test rows when the run has ended
  bool quiet = false;
  bool list = false;
  bool settings = false;
  bool find_data = false;  ///< the program prints the folder of its data and exits
  bool help = false;
  bool version = false;
  std::string batch_flag = {};          ///< that set the unlabeled batch, as typed; empty: none
  std::vector<std::string> notes = {};  ///< what a flag does otherwise than it says
};

/// What a program knows of its data set before reading it.
struct DatasetFacts {
  std::string dataset;  ///< of the recipes that the program runs
  int64_t rows = 0;
  int64_t classes = 0;
  int64_t test_rows = 0;
};

/// Add `--recipe` and `--list`. They come first, since the other flags edit the recipe.
void add_recipe_flag(CommandLine& line, TrainingFlags& flags);
/// Add the flags for data, training, machine and output.
void add_training_flags(CommandLine& line, TrainingFlags& flags);

/// Read the command line into `flags` and complete what it leaves open: device, product route,
/// threads of LibTorch, folder. An experiment that flags change has another folder than its recipe.
/// Answers `--help`, `--version`, `--list` and `--settings`.
///
/// Returns false if one of these was given: nothing else is to be done then. Errors (UsageError):
/// those of CommandLine; a recipe of another data set; a number of labels that is no multiple of
/// the classes or exceeds the rows; a batch above the rows; a device that is not there; flags that
/// contradict each other.
bool read_command_line(CommandLine& line, int argc, const char* const* argv,
                       const std::string& program, const DatasetFacts& facts, TrainingFlags& flags);

}  // namespace ladder::apps
