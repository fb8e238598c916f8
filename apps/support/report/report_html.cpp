#include "apps/support/report/report_html.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <ladder/version.h>

#include "apps/support/markup.h"
#include "apps/support/report/parts.h"
#include "apps/support/svg_panel.h"

namespace ladder::apps {

std::string report_html(const ReportData& data) {
  TORCH_CHECK(!data.runs.empty(), "report_html: expected at least one run but got none.");
  std::string contents = "<li><a href='#outcome'>Outcome</a></li>\n";
  std::string sections;
  for (const auto& section :
       {seeds_section(data), curves_section(data), classes_section(data), certainty_section(data),
        insight_section(data), data_section(data), settings_section(data)}) {
    if (section.body.empty()) continue;
    contents += fmt::format("<li><a href='#{}'>{}</a></li>\n", section.id, section.title);
    sections += fmt::format(
        "<section id='{0}' aria-labelledby='{0}-title'>\n<h2 id='{0}-title'>{1}"
        "</h2>\n{2}</section>\n",
        section.id, section.title, section.body);
  }
  const auto title = data.title.empty() ? std::string("Report") : data.title;
  return fmt::format(
      "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
      "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
      "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src "
      "'unsafe-inline'; img-src data:\">\n"
      "<meta name='color-scheme' content='light dark'>\n<meta name='generator' content='ladder "
      "{}'>\n"
      "<title>{}</title>\n<style>{}{}</style>\n</head>\n<body>\n<div class='page'>\n"
      "<header>\n<p class='brand'>Ladder report</p>\n<h1>{}</h1>\n{}</header>\n"
      "<div class='layout'>\n<nav aria-label='Contents'>\n<ol>\n{}</ol>\n</nav>\n<main>\n{}{}"
      "</main>\n</div>\n<footer>\n<p>Written by ladder {}{}. This page has no scripts and loads "
      "nothing.</p>\n</footer>\n</div>\n</body>\n</html>\n",
      escaped(ladder::version()), escaped(title), svg_style(), report_style(), escaped(title),
      data.subtitle.empty() ? "" : paragraph(data.subtitle, "subtitle"), contents,
      outcome_html(data), sections, escaped(ladder::version()),
      data.date.empty() ? "" : " on " + escaped(data.date));
}

}  // namespace ladder::apps
