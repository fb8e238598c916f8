/// The flags that edit the network of a recipe.
#pragma once

#include <ladder/models/network.h>

#include <string>

#include "apps/support/command_line.h"
#include "apps/support/training_flags.h"

namespace ladder::apps {

/// Add `--layers`, for networks of dense layers.
void add_layers_flag(CommandLine& line, TrainingFlags& flags);
/// Add `--lambda`, `--noise`, `--input-noise`, `--combinator` and `--activation`.
void add_network_flags(CommandLine& line, TrainingFlags& flags);

/// The names that `--combinator` takes, as a table.
std::string combinator_table();

/// Errors (UsageError): a number of weights in --lambda other than one for each level; a last layer
/// with another number of units than `classes`; a combinator for a network without a decoder; those
/// of check_pieces.
void check_network(const runs::RunConfig& config, int64_t classes, bool combinator_given);

}  // namespace ladder::apps
