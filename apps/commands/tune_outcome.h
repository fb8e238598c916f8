/// What `ladder tune` shows of its trials.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "apps/commands/tune_trials.h"

namespace ladder::apps {

/// Return a table of the trials, those that went furthest first, with their errors at each length.
/// `epochs`: lengths of the rungs.
std::string trials_table(const std::vector<Trial>& trials, const std::vector<int64_t>& epochs);

/// Return a picture (SVG) with a line for each trial, from its shortest runs to its longest.
/// `best`: the trial that is drawn in colour.
std::string trials_picture(const std::vector<Trial>& trials, const std::vector<int64_t>& epochs,
                           size_t best);

}  // namespace ladder::apps
