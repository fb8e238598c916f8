/// What the flags of a run mean together: settings, device, products and folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "apps/support/training_flags.h"

namespace ladder::apps {

/// Check flags that have been read, and complete what they leave open: device, product route,
/// threads of LibTorch, labeled batch, folder. `labeled_batch_given`: by its own flag. Errors
/// (UsageError): those of `read_command_line` that need more than one flag.
void settle(TrainingFlags& flags, const DatasetFacts& facts, bool labeled_batch_given);

/// True if other runs label rows for the one of `flags`.
bool learns_from_runs(const TrainingFlags& flags);
/// Return the flags of the run of `flags.teacher`: that recipe with the data, labels and machine of
/// `flags`. Its folder is to be set.
TrainingFlags teacher_flags(const TrainingFlags& flags);

/// What flags change of the recipe's experiment: "labels 500, noise std 0.4"; empty for nothing.
std::string changes_text(const TrainingFlags& flags);

/// Return the folder of the runs of a recipe where no flag names one: runs/RECIPE, or
/// runs/RECIPE-changed for an experiment that flags change, which stays apart from its recipe.
std::filesystem::path runs_folder(const std::string& recipe, bool changed);

/// Error: a batch of more rows than the `rows` to train on.
void check_batch_size(const TrainingFlags& flags, int64_t rows);

}  // namespace ladder::apps
