/// The model file of a run of a recipe.
#pragma once

#include <ladder/nn/ladder.h>

#include "apps/support/seed_run.h"
#include "apps/support/training_flags.h"

namespace ladder::apps {

/// Write model.ladder into the folder of a run that has ended: its network, how images become the
/// inputs of that, the classes and what is known of the run, for `Classifier::load`.
///
/// `inputs`: the training rows as the network took them. Writes nothing where the data are neither
/// bytes nor whitened images. Classes have the names of the data, or "0", "1", ...
void write_run_model(const SeedResult& run, const TrainingFlags& flags, const Ladder& net,
                     const Experiment& experiment, const torch::Tensor& inputs);

}  // namespace ladder::apps
