#pragma once

#include "ladder/data/sampler.h"
#include "ladder/train/checkpoint.h"
#include "ladder/train/trainer.h"

namespace ladder::train {

/// Return `options`; throw what is wrong with them, in a sentence.
TrainOptions checked(TrainOptions options);

/// Return `parts`, completed by what `options` say. Errors: no objective; a network without
/// parameters or in half precision.
TrainParts completed(TrainParts parts, const TrainOptions& options);

/// Return `data`; throw what is wrong with them, in a sentence.
TrainData checked(TrainData data, Objective& objective, const TrainOptions& options);

/// Return the sampler of the training rows. Errors: those of SemiSampler; a value that is not
/// finite in rows that are used (the first row and column are named).
data::SemiSampler sampler_of(const TrainData& data, const Ladder& net, const TrainOptions& options);

/// Return the state before the first step, with the settings and the data that a resumed run must
/// have again (only where a record is kept).
TrainState first_state(const TrainParts& parts, const TrainData& data,
                       const data::SemiSampler& sampler, const TrainOptions& options);

/// Error: a parameter that is not finite, which an activation may hide from the costs.
void check_parameters(const torch::nn::Module& net, int64_t step);

}  // namespace ladder::train
