/// Compare a published table with runs of its recipes, read from their folders.
#pragma once

#include <ladder/models/recipes.h>
#include <ladder/runs/run_config.h>
#include <ladder/runs/seed_summary.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ladder::runs {

/// A table of the paper, the recipes that are its rows and the program that runs them.
struct PublishedTable {
  std::string name;
  std::string title;
  std::string program;
  std::function<bool(const models::Recipe&)> holds;
};

/// `mnist`, `conv` and `cifar`.
const std::vector<PublishedTable>& published_tables();

/// Return the rows of a table among `recipes`, in their order: those with a published error, and
/// with `ours` the others too.
std::vector<models::Recipe> rows_of(const PublishedTable& table,
                                    const std::vector<models::Recipe>& recipes, bool ours);

/// What follows the number of labels in the name of a recipe: "full" of "mnist-100-full".
std::string kind_of(const models::Recipe& recipe);

enum class RunState {
  kFinished,
  kUnfinished,  ///< started, and can go on
  kFailed,
  kForeign,  ///< of another experiment than the recipe
  kMissing,
};

/// "finished", "unfinished", "failed", "foreign", "missing".
std::string to_string(RunState state);

/// What the folder of a run says about it.
struct RecordedRun {
  uint64_t seed = 0;
  RunState state = RunState::kMissing;
  std::optional<double> test_error = {};  ///< test error in % of a finished run
  std::optional<double> seconds = {};     ///< training time of a finished run
  std::string note = {};                  ///< how far it came, why it failed, what differs
};

/// Read the run of `recipe` and `seed` in `folder` (see RunFolder). `settings` returns what a run
/// of the recipe is started with (`ladder-mnist --recipe NAME --settings`).
///
/// A run counts as finished if it ran all epochs and its config.json is the same experiment, see
/// Compare::kExperiment, with the recipe and the seed of its folder. A file that cannot be read
/// makes a failed run, never an error.
RecordedRun read_run(const std::filesystem::path& folder, const std::string& recipe, uint64_t seed,
                     const std::function<RunConfig()>& settings);

/// Write into the folder of a run how it failed, and remove that again.
void record_failure(const std::filesystem::path& folder, int status, const std::string& last_line);
void forget_failure(const std::filesystem::path& folder);

struct TableRow {
  models::Recipe recipe;
  std::vector<RecordedRun> runs = {};                ///< in the order of the seeds asked for
  std::vector<uint64_t> other_seeds = {};            ///< other seeds that have a folder
  std::vector<double> test_errors() const;           ///< test errors of the finished runs
  std::optional<runs::SeedSummary> summary() const;  ///< none without a finished run
};

struct RunTable {
  std::string name, title;
  std::vector<TableRow> rows;
  std::vector<uint64_t> seeds;
};

/// DIR/RECIPE/seed-N.
std::filesystem::path run_path(const std::filesystem::path& folder, const std::string& recipe,
                               uint64_t seed);

/// Read DIR/RECIPE/seed-N for each recipe and seed. `settings_of` is called for recipes that have a
/// run. To merge the folders of several machines, copy them into one.
RunTable read_table(const PublishedTable& table, const std::vector<models::Recipe>& rows,
                    const std::vector<uint64_t>& seeds, const std::filesystem::path& folder,
                    const std::function<RunConfig(const models::Recipe&)>& settings_of);

}  // namespace ladder::runs
