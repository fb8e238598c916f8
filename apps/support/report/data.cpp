// What the network was trained on, how it was set up, and how to repeat it.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <numeric>

#include "apps/support/markup.h"
#include "apps/support/report/parts.h"

namespace ladder::apps {
namespace {

constexpr size_t kMaxCounts = 20;           // classes with a bar
constexpr size_t kMaxColumns = 25;          // columns that are open
constexpr size_t kMaxListedColumns = 1000;  // columns in the file
constexpr size_t kMaxSettings = 200;
constexpr size_t kMaxReadNotes = 20;
constexpr size_t kMaxUnread = 100;

std::string bars_html(const std::vector<std::pair<std::string, int64_t>>& counts) {
  int64_t most = 1;
  for (const auto& [name, count] : counts) most = std::max(most, count);
  std::string out = "<ul class='bars'>\n";
  for (const auto& [name, count] : counts) {
    out += fmt::format("<li><span class='what'>{}</span>{}<span class='n'>{}</span></li>\n",
                       escaped(shortened_name(name, 28)),
                       track(static_cast<double>(count) / static_cast<double>(most)),
                       count_text(count));
  }
  return out + "</ul>";
}

std::string rows_html(const ReportedData& data) {
  std::vector<std::pair<std::string, int64_t>> counts;
  for (const auto& [name, count] : {std::pair{"labeled", data.labeled_rows},
                                    {"unlabeled", data.unlabeled_rows},
                                    {"validation", data.validation_rows},
                                    {"test", data.test_rows}}) {
    if (count > 0) counts.emplace_back(name, count);
  }
  if (counts.empty()) return "";
  const auto training = data.labeled_rows + data.unlabeled_rows;
  std::string caption = "Rows by what they are used for.";
  if (data.labeled_rows > 0 && data.unlabeled_rows > 0) {
    caption = fmt::format(
        "Rows by what they are used for. {} % of the training rows have a label.",
        short_text(100.0 * static_cast<double>(data.labeled_rows) / static_cast<double>(training)));
  }
  if (data.validation_rows > 0) {
    caption +=
        " Validation rows have a label, too: they are held back from training to measure an error.";
  }
  return figure(bars_html(counts), caption, "card");
}

std::string classes_html(const ReportData& report) {
  const auto& counts = report.data.class_counts;
  if (counts.empty()) return "";
  std::vector<std::pair<std::string, int64_t>> named;
  for (size_t c = 0; c < counts.size(); ++c) {
    named.emplace_back(class_text(report, static_cast<int64_t>(c)), counts[c]);
  }
  const auto most = *std::max_element(counts.begin(), counts.end());
  const auto least = *std::min_element(counts.begin(), counts.end());
  std::string caption =
      most == least
          ? fmt::format("Labeled rows of each of the {} classes: all have the same number.",
                        counts.size())
      : least == 0
          ? "Labeled rows of each class. A class without any cannot be learned."
          : fmt::format(
                "Labeled rows of each of the {} classes: the largest has {} times "
                "as many as the smallest.",
                counts.size(), short_text(static_cast<double>(most) / static_cast<double>(least)));
  const auto rows = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  const auto& data = report.data;
  if (data.validation_rows > 0 && rows == data.labeled_rows + data.validation_rows) {
    caption += fmt::format(" Together they are {}, of which {} train and {} are held back.",
                           count_text(rows, "row"), count_text(data.labeled_rows),
                           count_text(data.validation_rows));
  }
  std::string body;
  if (named.size() <= kMaxCounts) {
    body = bars_html(named);
  } else {
    std::stable_sort(named.begin(), named.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    const auto half = static_cast<std::ptrdiff_t>(kMaxCounts / 2);
    std::vector<std::pair<std::string, int64_t>> ends(named.begin(), named.begin() + half);
    ends.insert(ends.end(), named.end() - half, named.end());
    body = bars_html(ends);
    caption += fmt::format(" Shown are the {} largest and the {} smallest.", kMaxCounts / 2,
                           kMaxCounts / 2);
  }
  return figure(body, caption, "card");
}

std::string column_table(const std::vector<ReportedColumn>& columns, size_t count, int64_t rows,
                         std::string_view caption) {
  std::vector<std::vector<std::string>> cells;
  for (size_t i = 0; i < count; ++i) {
    const auto& column = columns[i];
    const double share =
        rows > 0 ? 100.0 * static_cast<double>(column.missing) / static_cast<double>(rows) : 0;
    cells.push_back({escaped(shortened_name(column.name, 32)), escaped(column.kind),
                     column.missing == 0 ? "0"
                     : rows > 0 ? fmt::format("{} <span>({} %)</span>", count_text(column.missing),
                                              share < 0.1 ? "&lt; 0.1" : decimal_text(share, 1))
                                : count_text(column.missing),
                     std::to_string(column.inputs),
                     column.dropped.empty() ? escaped(shortened(column.summary, 60))
                                            : fmt::format("<strong>not used</strong>: {}",
                                                          escaped(shortened(column.dropped, 60)))});
  }
  return table_html(caption, {"Column", "Type", "#Missing", "#Inputs", "Values"}, cells);
}

std::string columns_html(const ReportedData& data) {
  const auto& columns = data.columns;
  if (columns.empty()) return "";
  int64_t inputs = 0, dropped = 0, missing = 0;
  for (const auto& column : columns) {
    inputs += column.inputs;
    dropped += column.dropped.empty() ? 0 : 1;
    missing += column.missing > 0 ? 1 : 0;
  }
  const auto rows = data.labeled_rows + data.unlabeled_rows + data.validation_rows;
  std::string out = subheading("Columns");
  out += paragraph(fmt::format("{} became {} of the network. {} not used; {} missing values.",
                               count_text(static_cast<int64_t>(columns.size()), "column"),
                               count_text(inputs, "input"),
                               dropped == 0   ? "None is"
                               : dropped == 1 ? "One is"
                                              : count_text(dropped) + " are",
                               missing == 0   ? "none has"
                               : missing == 1 ? "one has"
                                              : count_text(missing) + " have"));
  const size_t open = std::min(kMaxColumns, columns.size());
  out += "<div class='card'>" +
         column_table(columns, open, rows,
                      open == columns.size()
                          ? std::string("Columns of the table.")
                          : fmt::format("The first {} of {} columns.", open, columns.size()));
  if (open < columns.size()) {
    const size_t most = std::min(kMaxListedColumns, columns.size());
    out += details_html(most == columns.size() ? fmt::format("All {} columns", most)
                                               : fmt::format("The first {} columns", most),
                        column_table(columns, most, rows, "Columns of the table."));
  }
  return out + "</div>\n";
}

// What the readers of the data said: lost classes, and files that they could not read.
std::string read_notes_html(const ReportedData& data) {
  std::string out;
  for (size_t i = 0; i < data.notes.size() && i < kMaxReadNotes; ++i) {
    auto note = data.notes[i];
    if (note.empty()) continue;
    note.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(note.front())));
    out += paragraph(note + ".");
  }
  if (data.notes.size() > kMaxReadNotes) {
    const auto more = static_cast<int64_t>(data.notes.size() - kMaxReadNotes);
    out += paragraph(count_text(more, "note") + " more.");
  }
  if (data.unread.empty()) return out;
  const auto all = static_cast<int64_t>(data.unread.size());
  out += paragraph(all == 1 ? std::string("1 file could not be read and is left out.")
                            : count_text(all) + " files could not be read and are left out.");
  std::string list = "<ul>\n";
  for (size_t i = 0; i < data.unread.size() && i < kMaxUnread; ++i) {
    // The sentence of an error begins with the component that found it.
    const auto& text = data.unread[i];
    const auto begin = text.find(": ");
    const auto at = begin == std::string::npos || text.find(' ') < begin ? 0 : begin + 2;
    list += "<li>" + escaped(text.substr(at)) + "</li>\n";
  }
  return out + details_html(data.unread.size() > kMaxUnread
                                ? fmt::format("The first {} of these files", kMaxUnread)
                            : all == 1 ? std::string("The file and why")
                                       : std::string("The files and why"),
                            list + "</ul>\n");
}

std::string code_html(const std::vector<std::string>& lines) {
  std::string out = "<pre class='card'><code>";
  for (const auto& line : lines) out += escaped(line) + "\n";
  return out + "</code></pre>\n";
}

}  // namespace

ReportSection data_section(const ReportData& data) {
  ReportSection section{"data", "Data", ""};
  std::string text = data.data.source.empty() ? "" : "Read from " + data.data.source + ".";
  if (!data.data.inputs.empty()) text += (text.empty() ? "" : " ") + data.data.inputs + ".";
  if (!text.empty()) section.body += paragraph(text);
  section.body += read_notes_html(data.data);
  const auto pictures = rows_html(data.data) + classes_html(data);
  if (!pictures.empty()) section.body += "<div class='beside'>\n" + pictures + "</div>\n";
  section.body += columns_html(data.data);
  if (section.body.empty()) {
    section.body = paragraph("The run folder does not describe its data.");
  }
  return section;
}

ReportSection settings_section(const ReportData& data) {
  ReportSection section{"settings", "Settings", ""};
  auto settings = data.settings;
  if (settings.size() > kMaxSettings) settings.resize(kMaxSettings);
  if (!settings.empty() && data.runs.size() > 1) {
    section.body += paragraph(fmt::format("These are those of {}, the first of {} runs.",
                                          escaped(data.runs.front().name), data.runs.size()));
  }
  if (!settings.empty()) {
    section.body += "<div class='card'>" + pairs_html(settings) + "</div>\n";
  }
  if (!data.environment.empty()) {
    section.body += subheading("Environment") + "<div class='card'>" +
                    pairs_html(data.environment) + "</div>\n";
  }
  if (!data.commands.empty()) {
    section.body += subheading("How to repeat it") +
                    paragraph(data.environment.empty()
                                  ? "These commands repeat the run."
                                  : "These commands repeat the run. The same seed gives the same "
                                    "numbers with the same versions, kernels and threads. "
                                    "Elsewhere roundings differ, and in the end the run does: "
                                    "it is like a run of another seed.");
    section.body += code_html(data.commands);
  }
  if (section.body.empty()) section.body = paragraph("The run folder has no settings.");
  return section;
}

}  // namespace ladder::apps
