/// The rows that `ladder train` trains and tests on.
#pragma once

#include <ladder/data/samples.h>

#include <optional>

#include "apps/commands/train_flags.h"

namespace ladder::apps {

/// Read DATA and the rows of --unlabeled. Arrays name their label, which then is that of `flags` by
/// default. Errors: those of the readers; flags that do not fit the rows.
data::Samples training_rows(TrainFlags& flags);

/// Read the rows of --test, beside those that are trained on. What would fail when they are
/// measured, after training, is refused now.
data::Samples test_rows(const TrainFlags& flags, const data::Samples& rows);

/// Refuse DATA for --test, which would measure too small an error.
void check_other_rows(const TrainFlags& flags);

/// Print what is worth saying about labels and parts before training.
void print_row_notes(const TrainFlags& flags, const data::Samples& rows);

/// Print what is worth saying about inputs before training: columns that may be no features, and
/// labeled rows that are equal to others, at most kFeatureRows of shards.
void print_input_notes(const TrainFlags& flags, const data::Samples& rows,
                       const std::optional<data::Samples>& test);

}  // namespace ladder::apps
