/// A RunTable as text, for people and for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ladder/runs/run_table.h"

namespace ladder::apps {

/// Return Markdown that also reads well on a terminal: the table as the paper has it (kinds down,
/// numbers of labels across); each recipe with mean, sample standard deviation, median and the
/// values of its seeds; a line for each run that is not in the means.
std::string to_markdown(const runs::RunTable& table);

/// {table, title, seeds, rows: [{recipe, kind, labels, published: {mean, std}|null, ours: {mean,
/// std, median, min, max, runs}|null, runs: [{seed, state, test_error, seconds, note}],
/// other_seeds}]}. std is null for a single run.
nlohmann::ordered_json to_json(const runs::RunTable& table);

/// "1..3, 5".
std::string seeds_text(const std::vector<uint64_t>& seeds);

}  // namespace ladder::apps
