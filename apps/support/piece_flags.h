/// The flags of pieces (runs::pieces), which follow from their table.
#pragma once

#include <ladder/models/network.h>
#include <ladder/models/recipes.h>
#include <ladder/runs/run_config.h>

#include <cstdint>

#include "apps/support/command_line.h"

namespace ladder::apps {

/// Add a flag for each setting of each piece.
void add_piece_flags(CommandLine& line, models::RecipePieces& pieces);

/// True if `level` or one above it has a weight above 0 in --lambda.
bool has_cost_from(const models::NetworkOptions& network, int64_t level);

/// Errors (UsageError): a piece without a denoising cost that it needs; a secondary setting of a
/// piece that is off; a value that has to be below its maximum and is not.
void check_pieces(const runs::RunConfig& config);

}  // namespace ladder::apps
