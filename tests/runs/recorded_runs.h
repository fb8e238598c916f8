/// Folders of runs as the programs leave them.
#pragma once

#include <tests/support/temporary_folder.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ladder/runs/run_config.h"
#include "ladder/runs/run_table.h"

namespace ladder::testing {

inline const nlohmann::json kSettings = {{"program", "ladder-mnist"},
                                         {"recipe", "mnist-100-full"},
                                         {"dataset", "mnist"},
                                         {"labels", 100},
                                         {"epochs", 150},
                                         {"noise_std", 0.3},
                                         {"eval_every", 1},
                                         {"device", "cpu"},
                                         {"precision", "float32"},
                                         {"product_route", "auto"}};

inline runs::RunConfig recipe_settings() { return runs::run_config_from_json(kSettings.dump()); }

inline nlohmann::json config_json(const std::string& recipe, uint64_t seed,
                                  const nlohmann::json& changes = nlohmann::json::object()) {
  auto config = kSettings;
  config["recipe"] = recipe;
  config["seed"] = seed;
  config["train_rows"] = 60000;
  config.update(changes);
  return config;
}

struct RecordedRuns {
  std::filesystem::path folder_of(const std::string& recipe, uint64_t seed) const {
    const auto path = runs::run_path(folder.path(), recipe, seed);
    std::filesystem::create_directories(path);
    return path;
  }
  void start(const std::string& recipe, uint64_t seed,
             const nlohmann::json& changes = nlohmann::json::object()) const {
    write_file(folder_of(recipe, seed) / "config.json", config_json(recipe, seed, changes).dump(2));
  }
  void finish(const std::string& recipe, uint64_t seed, double error,
              const nlohmann::json& changes = nlohmann::json::object()) const {
    start(recipe, seed, changes);
    const nlohmann::json result = {{"status", "finished"}, {"recipe", recipe},
                                   {"seed", seed},         {"epochs", 150},
                                   {"epoch", 150},         {"test_error", error},
                                   {"seconds", 90.0},      {"training_seconds", 80.0}};
    write_file(folder_of(recipe, seed) / "result.json", result.dump(2));
  }
  runs::RecordedRun read(const std::string& recipe, uint64_t seed) const {
    return runs::read_run(runs::run_path(folder.path(), recipe, seed), recipe, seed,
                          [] { return recipe_settings(); });
  }

  TemporaryFolder folder;
};

inline models::Recipe recipe(const std::string& name, int64_t labels,
                             std::optional<models::Published> published) {
  models::Recipe row;
  row.name = name;
  row.dataset = "mnist";
  row.labels = labels;
  row.published = published;
  return row;
}

inline runs::RunTable read(const RecordedRuns& runs, const std::vector<models::Recipe>& rows,
                           const std::vector<uint64_t>& seeds) {
  return runs::read_table(runs::published_tables().front(), rows, seeds, runs.folder.path(),
                          [](const models::Recipe&) { return recipe_settings(); });
}

}  // namespace ladder::testing
