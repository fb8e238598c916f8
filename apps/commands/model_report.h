/// The report that training ends with.
#pragma once

#include <ladder/classifier.h>

#include <filesystem>
#include <string>
#include <vector>

namespace ladder::apps {

/// Name of the report in the folder of a run.
inline constexpr const char* kReportFile = "report.html";

/// What a report of `ladder train` shows beside the files of the runs.
struct ReportInputs {
  /// Those of the runs, the best first, each with its evaluation.json.
  std::vector<std::filesystem::path> folders = {};
  const Classifier* classifier = nullptr;  ///< of the best run
  const FitReport* fit = nullptr;
  const data::Samples* rows = nullptr;  ///< training rows
  const data::Samples* test = nullptr;  ///< none: rows that were held back
  std::string label = {};
  std::vector<std::string> ignored = {};  ///< columns that are not features
  std::string command = {};
};

/// Write the report to `path`. Errors: a file that cannot be written or read.
void write_model_report(const std::filesystem::path& path, const ReportInputs& inputs);

}  // namespace ladder::apps
