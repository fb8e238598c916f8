/// A published table beside our runs of it, from the folders of the runs alone.
#pragma once

#include <ladder/models/recipes.h>
#include <ladder/runs/seed_summary.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace ladder::apps {

/// A table of the paper: which recipes are its rows, and which program runs them.
struct PublishedTable {
  std::string name;
  std::string title;
  std::string program;
  std::function<bool(const models::Recipe&)> holds;
};

/// `mnist`, `conv` and `cifar`.
const std::vector<PublishedTable>& published_tables();

/// The rows of a table among `recipes`, in their order: those with a published error, and with
/// `ours` the others too.
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

struct RunRecord {
  uint64_t seed = 0;
  RunState state = RunState::kMissing;
  std::optional<double> test_error = {};  ///< %, of a finished run
  std::optional<double> seconds = {};     ///< of training, of a finished run
  std::string note = {};                  ///< how far, why failed, what differs
};

/// Reads the run of `recipe` and `seed` in `folder` (see RunFolder). `settings` is what a run of
/// the recipe is started with (`ladder-mnist --recipe NAME --settings`).
///
/// A run counts as finished when it ran all epochs and its config.json agrees with the settings in
/// every key that both have, with its folder in recipe and seed. `eval_every`, `device` and
/// `product_route` may differ: they change when one looks and where it runs, not the experiment.
/// Files that cannot be read make a failed run, never an error.
RunRecord read_run(const std::filesystem::path& folder, const std::string& recipe, uint64_t seed,
                   const std::function<nlohmann::json()>& settings);

/// Records in the folder of a run how it failed, and takes that back.
void record_failure(const std::filesystem::path& folder, int status, const std::string& last_line);
void forget_failure(const std::filesystem::path& folder);

struct TableRow {
  models::Recipe recipe;
  std::vector<RunRecord> runs = {};                  ///< in the order of the seeds asked for
  std::vector<uint64_t> other_seeds = {};            ///< of folders that nobody asked for
  std::vector<double> test_errors() const;           ///< of the finished runs
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

/// Reads DIR/RECIPE/seed-N for each recipe and seed. `settings_of` is asked for recipes that have a
/// run. Folders of several machines are merged by copying them into one.
RunTable read_table(const PublishedTable& table, const std::vector<models::Recipe>& rows,
                    const std::vector<uint64_t>& seeds, const std::filesystem::path& folder,
                    const std::function<nlohmann::json(const models::Recipe&)>& settings_of);

}  // namespace ladder::apps
