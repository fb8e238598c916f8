/// Runs what the flags ask for: one seed or several, from the data to the last line.
#pragma once

#include <ladder/data/datasets.h>
#include <ladder/nn/ladder.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/support/training_flags.h"

namespace ladder::apps {

/// What a program adds to the flags that all programs share.
struct Experiment {
  std::string program;
  std::string command;             ///< as typed, to say how to resume
  nlohmann::ordered_json network;  ///< its keys of config.json, see `network_settings`
  std::function<Ladder()> build;   ///< the network, with any initial parameters
  torch::Tensor train_inputs;      ///< floating, on the device, [N, ...]
  torch::Tensor train_labels;      ///< int64 [N]
  torch::Tensor test_inputs;
  torch::Tensor test_labels;
  int64_t classes = 0;
  std::string data_dir;
};

/// A network whole, as keys of config.json: its shape and layers (units alone where all are dense,
/// else readable strings), lambda, noise, activation, and the name of its combinator.
nlohmann::ordered_json network_settings(const models::NetworkOptions& network,
                                        const std::string& combinator);

/// What is known of config.json before there are data and a seed: the settings of any run with
/// these flags. The numbers of rows are in it unless the user's own folder decides them.
nlohmann::ordered_json settings(const std::string& program, const nlohmann::ordered_json& network,
                                const TrainingFlags& flags, const DatasetFacts& facts);

/// Answers `--settings` with them, as JSON. Returns whether it was given: nothing else is to be
/// done then.
bool print_settings(const std::string& program, const nlohmann::ordered_json& network,
                    const TrainingFlags& flags, const DatasetFacts& facts);

/// Trains for each seed and prints the outcome: the last line of one run, or the table of several.
/// Returns 0, or kInterrupted.
///
/// Throws UsageError when the data cannot be divided as asked, when a folder holds a run already
/// and resuming was not asked for, and when it was started with other settings (which are named).
int run_experiment(const Experiment& experiment, const TrainingFlags& flags);

}  // namespace ladder::apps
