#pragma once

#include "ladder/data/sampler.h"
#include "ladder/train/checkpoint.h"
#include "ladder/train/trainer.h"

namespace ladder::train {

/// Name of the number of ranks among the settings of a checkpoint, which lacks it if there is one.
inline constexpr const char* kRanks = "ranks";

/// Names of fingerprints that checkpoints of older versions lack.
inline constexpr const char* kNeighboursPrint = "neighbours";
inline constexpr const char* kBlocksPrint = "blocks";

inline bool several_ranks(const TrainOptions& options) {
  return options.ranks && options.ranks->size() > 1;
}

/// Return `options`; throw what is wrong with them, in a sentence.
TrainOptions checked(TrainOptions options);

/// Return `parts`, completed by what `options` say. Errors: no objective; a network without
/// parameters or in half precision; parameter groups of different rates.
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

/// Error: a rank whose parameters differ from those of rank 0 in a bit. Ranks that round otherwise
/// would drift apart. Nothing for one rank.
void check_same_parameters(const std::shared_ptr<Communicator>& ranks, const torch::nn::Module& net,
                           int64_t step);

/// Replace the validation error by that of rank 0, which decides for all ranks when to stop.
void agree_on_validation(const std::shared_ptr<Communicator>& ranks, Evaluation& evaluation);

}  // namespace ladder::train
