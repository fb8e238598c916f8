// Runs of several seeds beside each other.
#include <fmt/format.h>
#include <ladder/runs/seed_summary.h>

#include <algorithm>

#include "apps/support/markup.h"
#include "apps/support/report/parts.h"

namespace ladder::apps {
namespace {

std::string seed_scale(const train::Interval& interval, double error, double low, double high) {
  const auto at = [&](double percent) { return 2 + 96 * (percent - low) / (high - low); };
  return fmt::format(
      "<svg class='scale' aria-hidden='true'><rect class='rail' x='1%' y='8' width='98%' "
      "height='2'/><rect class='f seed span' x='{:.2f}%' y='6' width='{:.2f}%' height='6' rx='3'/>"
      "<circle class='f accent ring' cx='{:.2f}%' cy='9' r='5'/></svg>",
      at(interval.low), std::max(0.4, at(interval.high) - at(interval.low)), at(error));
}

}  // namespace

ReportSection seeds_section(const ReportData& data) {
  ReportSection section{"seeds", "Seeds", ""};
  if (data.runs.size() < 2) return section;
  double low = 100, high = 0;
  for (const auto& run : data.runs) {
    if (!error_of(run)) continue;
    const auto share = train::wilson_interval(*run.wrong, *run.rows);
    low = std::min(low, 100 * share.low);
    high = std::max(high, 100 * share.high);
  }
  std::vector<std::vector<std::string>> rows;
  bool any_seconds = false, any_state = false;
  for (const auto& run : data.runs) {
    any_seconds = any_seconds || run.seconds.has_value();
    any_state = any_state || run.status != data.runs.front().status;
  }
  for (const auto& run : data.runs) {
    std::vector<std::string> cells = {escaped(run.name)};
    const auto error = error_of(run);
    if (error) {
      const auto share = train::wilson_interval(*run.wrong, *run.rows);
      const train::Interval interval{100 * share.low, 100 * share.high};
      cells.push_back(percent_of_rows(*error, *run.rows));
      cells.push_back(seed_scale(interval, *error, low, high));
      cells.push_back(count_text(*run.wrong));
    } else {
      cells.insert(cells.end(), {"–", "", "–"});
    }
    if (any_seconds) cells.push_back(run.seconds ? duration_text(*run.seconds) : "–");
    if (any_state) cells.push_back(run.status.empty() ? "–" : escaped(run.status));
    rows.push_back(std::move(cells));
  }
  const auto errors = errors_of(data);
  if (errors.size() > 1) {
    const auto summary = runs::summarize(errors);
    const auto rows_of = [&] {
      for (const auto& run : data.runs) {
        if (run.rows) return *run.rows;
      }
      return int64_t{0};
    }();
    const auto share = train::wilson_interval(
        std::llround(summary.median / 100 * static_cast<double>(rows_of)), rows_of);
    const bool within = summary.min >= 100 * share.low && summary.max <= 100 * share.high;
    section.body += paragraph(fmt::format(
        "Seeds differ in the rows that are labeled or held back, in initial weights, order "
        "and noise. The median error is {}. {}",
        percent_of_rows(summary.median, rows_of),
        within ? "All seeds lie in the interval that the number of rows alone leaves open: the "
                 "differences between them mean little."
               : "Some seeds lie outside of the interval that the number of rows alone leaves "
                 "open: the seed matters, so compare methods over several seeds."));
  } else {
    section.body += paragraph(
        "Fewer than two of the seeds have a measured error, so they cannot "
        "be compared.");
  }
  std::vector<std::string> columns = {"Run", "#Error", "~", "#Wrong rows"};
  if (any_seconds) columns.emplace_back("#Time");
  if (any_state) columns.emplace_back("State");
  section.body +=
      "<div class='card'>" +
      table_html("Error of each run. Dot: error; bar: its 95 % interval.", columns, rows) +
      "</div>\n";
  return section;
}

}  // namespace ladder::apps
