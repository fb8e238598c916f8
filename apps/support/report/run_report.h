/// Reports from run folders alone.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "apps/support/report/report_data.h"

namespace ladder::apps {

/// Return what the folders say: settings, history and outcome of each run. A folder may be a run
/// (config.json, metrics.jsonl, result.json) or hold runs as seed-1, seed-2, ... Several runs are
/// seeds of one experiment: settings in which they differ become a warning. Runs without a decoder
/// beside others with one are the baseline of labels alone, if rows, labels and layers are the
/// same; others are left out with a warning.
///
/// The outcome is the error on test rows if a run has one, else on rows that were held back. It is
/// that of evaluation.json where `ladder train` wrote one, with what the labels alone gave, else of
/// the last evaluation. seeds.json beside runs in seed-1, seed-2, ... says which look left behind.
///
/// Nothing is locked or changed, so runs that go on can be reported. What needs a network or data
/// is not there, see measure.h.
///
/// Errors: no folder; a folder without a run; a file of a run that cannot be read.
ReportData report_of_runs(const std::vector<std::filesystem::path>& folders);

/// Return a JSON object as names and values: nested names are joined by spaces, underscores become
/// spaces, lists become text.
std::vector<ReportedSetting> settings_of_json(std::string_view json);

}  // namespace ladder::apps
