/// Pieces of HTML that several sections of a report use.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/support/report/report_data.h"

namespace ladder::apps {

/// A part of a page with a heading: `id` for links, `title` for the heading and the list of
/// contents, `body` as HTML.
struct ReportSection {
  std::string id;
  std::string title;
  std::string body;
};

/// The sections, in the order of the page. The outcome stands first and has no heading.
std::string outcome_html(const ReportData& data);
ReportSection seeds_section(const ReportData& data);
ReportSection curves_section(const ReportData& data);
ReportSection classes_section(const ReportData& data);
ReportSection certainty_section(const ReportData& data);
ReportSection insight_section(const ReportData& data);
ReportSection data_section(const ReportData& data);
ReportSection settings_section(const ReportData& data);

/// CSS of the page.
std::string_view report_style();

/// A paragraph of text.
std::string paragraph(std::string_view text, std::string_view html_class = {});

/// A heading within a section.
std::string subheading(std::string_view text);

/// A picture with a caption; `body` is HTML, `caption` is text.
std::string figure(const std::string& body, std::string_view caption,
                   std::string_view html_class = {});

/// A bar from 0 to `share` of its width, for a number that stands beside it.
std::string track(double share, std::string_view color = "accent");

/// A table. Columns that begin with "#" hold numbers and stand at the right; the first column of
/// every row is its header. Cells are HTML, column names are text. A column without a name holds
/// drawings that phones leave out, a column "~" drawings that they keep.
std::string table_html(std::string_view caption, const std::vector<std::string>& columns,
                       const std::vector<std::vector<std::string>>& rows);

/// Names and values in two columns, as text.
std::string pairs_html(const std::vector<ReportedSetting>& pairs);

/// A part of the page that opens at a click, closed at first.
std::string details_html(std::string_view summary, const std::string& body);

/// Text of a number in percent: as many digits as `rows` rows can tell apart.
std::string percent_of_rows(double percent, int64_t rows);

/// "4.3 %", "0.82 to 1.21 %" of rows.
std::string interval_text(const train::Interval& interval, int64_t rows);

/// Name of a class, its number without one.
std::string class_text(const ReportData& data, int64_t index);

/// Error of a run in percent; none if it was not measured.
std::optional<double> error_of(const ReportedRun& run);

/// Errors of the runs that have one, in percent.
std::vector<double> errors_of(const ReportData& data);

/// "a", "a and b", "a, b and c".
std::string listed(const std::vector<std::string>& words);

}  // namespace ladder::apps
