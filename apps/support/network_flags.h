/// The flags that edit the network of a recipe, whatever its layers are.
#pragma once

#include <ladder/models/network.h>
#include <ladder/models/recipes.h>

#include <string>

#include "apps/support/command_line.h"

namespace ladder::apps {

/// `--lambda`, `--noise`, `--input-noise`, `--combinator` and `--activation`.
void add_network_flags(CommandLine& line, models::Recipe& recipe);

/// The names that --combinator takes.
std::string combinator_table();

/// Error: another number of weights in --lambda than levels.
void check_lambda(const models::NetworkOptions& network);

}  // namespace ladder::apps
