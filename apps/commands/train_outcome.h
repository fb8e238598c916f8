/// What `ladder train` tells and writes when its runs have ended.
#pragma once

#include <ladder/classifier.h>
#include <ladder/data/samples.h>

#include <filesystem>
#include <string>
#include <vector>

#include "apps/commands/train_runs.h"

namespace ladder::apps {

/// Write evaluation.json and MODEL.md into the folder of a run. `baseline` may be null.
void write_outcome(const Trained& run, const Trained* baseline);

/// Return the lines that end a training. `baseline` may be null. `chosen`: the run is the best one
/// of several seeds. `out` has the model.
std::string outcome_text(const Trained& run, const Trained* baseline,
                         const std::filesystem::path& out, bool chosen);

/// Return a table of the errors of the seeds.
std::string seed_errors_text(const std::vector<Trained>& runs);

/// Compare the runs on rows that lie evenly among those in memory, and write what was found into
/// `out`; return a line for each run that looks left behind.
std::string left_behind_text(const std::vector<Trained>& runs, const data::Samples& rows,
                             const std::filesystem::path& out);

/// Return the run with the least error on held-back rows, the first of equal ones. Test rows choose
/// nothing.
const Trained& best_of(const std::vector<Trained>& runs);

/// Return the model of the best run, which says that it was chosen among the seeds, and what all of
/// them gave: its error on the rows that chose it is too good.
Classifier chosen_model(const std::vector<Trained>& runs, const Trained& best);

}  // namespace ladder::apps
