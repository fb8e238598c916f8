/// Slow modes of diffusion on a graph, and the borders that they show.
#pragma once

#include <cstdint>
#include <vector>

#include "ladder/data/internal/row_graph.h"

namespace ladder::data {

/// The `count` slowest modes of diffusion but the constant one: eigenvectors of D^-1 W with the
/// largest eigenvalues, [rows, count], nearly. By subspace iteration from a start that `seed`
/// draws.
std::vector<float> slowest_modes(const RowGraph& graph, int64_t count, uint64_t seed);

/// Two classes by the values of one of the modes [rows, count], class 0 where they are larger
/// (`up`) or smaller: split where the cut is smallest per row of the smaller class, with at least
/// `least` and at most `most` rows in class 0.
RowClasses split_by_mode(const RowGraph& graph, const std::vector<float>& modes, int64_t mode,
                         bool up, int64_t least, int64_t most);

}  // namespace ladder::data
