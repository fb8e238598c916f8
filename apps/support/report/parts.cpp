#include "apps/support/report/parts.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/support/markup.h"

namespace ladder::apps {
namespace {

std::string class_attribute(std::string_view html_class) {
  return html_class.empty() ? "" : fmt::format(" class='{}'", html_class);
}

}  // namespace

std::string paragraph(std::string_view text, std::string_view html_class) {
  return fmt::format("<p{}>{}</p>\n", class_attribute(html_class), escaped(text));
}

std::string subheading(std::string_view text) {
  return fmt::format("<h3>{}</h3>\n", escaped(text));
}

std::string figure(const std::string& body, std::string_view caption, std::string_view html_class) {
  return fmt::format("<figure{}>\n{}\n<figcaption>{}</figcaption>\n</figure>\n",
                     class_attribute(html_class), body, escaped(caption));
}

std::string track(double share, std::string_view color) {
  return fmt::format(
      "<svg class='track' aria-hidden='true'><rect class='rail' width='100%' height='8' rx='4'/>"
      "<rect class='f {}' width='{:.2f}%' height='8' rx='{}'/></svg>",
      color, 100 * std::clamp(share, 0.0, 1.0), share < 0.02 ? 1 : 4);
}

std::string table_html(std::string_view caption, const std::vector<std::string>& columns,
                       const std::vector<std::vector<std::string>>& rows) {
  const auto is_number = [&](size_t c) { return columns[c].starts_with("#"); };
  const auto is_drawn = [&](size_t c) { return columns[c].empty() || columns[c] == "~"; };
  const auto drawn = [&](size_t c) {
    return columns[c].empty() ? " class='drawn extra'" : " class='drawn'";
  };
  auto out = fmt::format(
      "<div class='scroll' role='region' tabindex='0' aria-label='{0}'><table>\n<caption>{0}"
      "</caption>\n<thead><tr>",
      escaped(caption));
  for (size_t c = 0; c < columns.size(); ++c) {
    if (is_drawn(c)) {
      out += fmt::format("<td{}></td>", drawn(c));
    } else {
      out += fmt::format("<th scope='col'{}>{}</th>", is_number(c) ? " class='n'" : "",
                         escaped(columns[c].substr(is_number(c) ? 1 : 0)));
    }
  }
  out += "</tr></thead>\n<tbody>\n";
  for (const auto& row : rows) {
    out += "<tr>";
    for (size_t c = 0; c < row.size(); ++c) {
      const char* kind = is_drawn(c) ? drawn(c) : is_number(c) ? " class='n'" : "";
      out += c == 0 ? fmt::format("<th scope='row'{}>{}</th>", kind, row[c])
                    : fmt::format("<td{}>{}</td>", kind, row[c]);
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string pairs_html(const std::vector<ReportedSetting>& pairs) {
  std::string out = "<dl class='pairs'>\n";
  for (const auto& [name, value] : pairs) {
    out += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", escaped(name),
                       value.empty() ? "–" : escaped(value));
  }
  return out + "</dl>\n";
}

std::string details_html(std::string_view summary, const std::string& body) {
  return fmt::format("<details><summary>{}</summary>\n{}</details>\n", escaped(summary), body);
}

std::string percent_of_rows(double percent, int64_t rows) {
  return decimal_text(percent, rows >= 5000 ? 2 : 1) + " %";
}

std::string interval_text(const train::Interval& interval, int64_t rows) {
  const int digits = rows >= 5000 ? 2 : 1;
  return fmt::format("{} to {} %", decimal_text(interval.low, digits),
                     decimal_text(interval.high, digits));
}

std::string class_text(const ReportData& data, int64_t index) {
  const auto i = static_cast<size_t>(index);
  return i < data.classes.size() && !data.classes[i].empty() ? data.classes[i]
                                                             : std::to_string(index);
}

std::optional<double> error_of(const ReportedRun& run) {
  if (!run.rows || !run.wrong || *run.rows < 1) return std::nullopt;
  return 100.0 * static_cast<double>(*run.wrong) / static_cast<double>(*run.rows);
}

std::vector<double> errors_of(const ReportData& data) {
  std::vector<double> errors;
  for (const auto& run : data.runs) {
    if (const auto error = error_of(run)) errors.push_back(*error);
  }
  return errors;
}

std::string listed(const std::vector<std::string>& words) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) {
    out += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
  }
  return out;
}

}  // namespace ladder::apps
