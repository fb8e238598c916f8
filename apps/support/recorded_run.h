/// A run that has a checkpoint: its network, and the images of one of ladder-mnist.
#pragma once

#include <ladder/data/datasets.h>
#include <ladder/nn/ladder.h>
#include <ladder/runs/run_config.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace ladder::apps {

/// Return the folders of runs that `folder` stands for: those called seed-N in it, by number, where
/// it holds no run itself (no config.json), else `folder`.
std::vector<std::filesystem::path> run_folders(const std::filesystem::path& folder);

/// Return the N of a folder seed-N; none for another name.
std::optional<uint64_t> seed_of_folder(const std::filesystem::path& folder);

/// Return the settings that the checkpoint of a run folder holds. Error: a folder without one.
runs::RunConfig recorded_config(const std::filesystem::path& folder);

/// Return the network as the checkpoint has it, in float32. Error: a checkpoint that does not fit.
Ladder recorded_network(const std::filesystem::path& folder, const runs::RunConfig& config);

/// Return it of a run of dense layers with a decoder; another one is an error.
Ladder recorded_dense_ladder(const std::filesystem::path& folder, const runs::RunConfig& config);

/// Return the images that the run was trained and tested on, from `data_dir` or from where the run
/// found them. Errors: no such folder, other images.
data::TrainTest recorded_images(const runs::RunConfig& config,
                                const std::optional<std::filesystem::path>& data_dir);

}  // namespace ladder::apps
