// Whether the probabilities can be trusted, and the rows with the least certain predictions.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/support/markup.h"
#include "apps/support/png.h"
#include "apps/support/report/parts.h"
#include "apps/support/svg_panel.h"

namespace ladder::apps {
namespace {

constexpr size_t kMaxUnsure = 12;
constexpr int64_t kMaxPixels = 96;  // of a picture, high and wide

std::string reliability_figure(const train::Reliability& reliability) {
  double most = 0;
  for (const auto& bin : reliability.bins) most = std::max(most, static_cast<double>(bin.rows));
  const SvgAxis share{.low = 0, .high = 1, .label = "confidence"};
  SvgPanel panel("Accuracy by confidence",
                 "One dot for each tenth of confidence; on the dashed line both are equal.", share,
                 {.low = 0, .high = 1, .label = "accuracy"}, {.width = 300, .height = 290});
  panel.guide(0, 0, 1, 1);
  for (const auto& bin : reliability.bins) {
    if (bin.rows == 0) continue;
    const auto hits = std::llround(bin.accuracy * static_cast<double>(bin.rows));
    const auto interval = train::wilson_interval(hits, bin.rows);
    panel.line({bin.confidence, bin.confidence}, {interval.low, interval.high}, "seed");
  }
  for (const auto& bin : reliability.bins) {
    if (bin.rows == 0) continue;
    const double size = 3 + 4 * std::sqrt(static_cast<double>(bin.rows) / most);
    panel.marker(bin.confidence, bin.accuracy, "accent", size);
  }
  return figure(
      panel.svg(),
      "A dot for each tenth of confidence, larger for more rows, with the 95 % interval of "
      "its accuracy. Intervals that reach the dashed line agree with the confidence; below "
      "it the network claims too much.",
      "card");
}

std::string confidence_figure(const train::Reliability& reliability) {
  std::vector<double> shares;
  double rows = 0;
  for (const auto& bin : reliability.bins) rows += static_cast<double>(bin.rows);
  for (const auto& bin : reliability.bins) {
    shares.push_back(100 * static_cast<double>(bin.rows) / std::max(1.0, rows));
  }
  SvgPanel panel("Rows by confidence", "Share of the rows in each tenth of confidence.",
                 {.low = 0, .high = 1, .label = "confidence"},
                 axis_over(shares, true, "rows", " %"), {.width = 300, .height = 290});
  for (size_t i = 0; i < shares.size(); ++i) {
    panel.bar(reliability.bins[i].low, reliability.bins[i].high, shares[i], "accent");
  }
  return figure(panel.svg(), "How many rows are predicted with which confidence.", "card");
}

std::string calibration_sentence(const ReportData& data) {
  const auto& metrics = *data.metrics;
  double confidence = 0;
  for (const auto& bin : metrics.reliability.bins) {
    confidence += bin.confidence * static_cast<double>(bin.rows);
  }
  confidence *= 100.0 / static_cast<double>(metrics.rows);
  const double accuracy = 100 - metrics.error;
  const double gap = confidence - accuracy;
  const auto first =
      fmt::format("The network is {} % confident on average and right in {} % of the rows. ",
                  decimal_text(confidence, 1), decimal_text(accuracy, 1));
  // The accuracy itself is known within its interval only.
  if (100 - confidence >= metrics.interval.low && 100 - confidence <= metrics.interval.high) {
    return first +
           "That agrees within the uncertainty of the accuracy, so the probabilities can be "
           "taken at their word on average.";
  }
  return first +
         (gap > 0 ? "It claims too much: do not take its probabilities at their word, but their "
                    "order is still of use."
                  : "It claims too little: more of its predictions are right than their "
                    "probabilities say.");
}

std::string unsure_card(const UnsureRow& row) {
  std::string out = "<li class='card unsure'>";
  if (row.picture.defined()) {
    out += fmt::format("<img class='pixels' src='{}' alt='Picture of {}'>",
                       png_uri(thumbnail(row.picture, kMaxPixels)), escaped(row.name));
  }
  out += fmt::format(
      "<div><p class='what'>{}</p><p class='given'>{}</p><ul>",
      escaped(shortened_name(row.name, 40)),
      row.label.empty()
          ? "no label"
          : "label " + fmt::format("<strong>{}</strong>", escaped(shortened_name(row.label, 28))));
  for (const auto& [name, probability] : row.top) {
    out += fmt::format(
        "<li><span>{}</span>{}<span class='n'>{}</span></li>", escaped(shortened_name(name, 16)),
        track(probability, name == row.label ? "accent" : "quiet"), decimal_text(probability, 2));
  }
  return out + "</ul></div></li>\n";
}

std::string unsure_html(const ReportData& data) {
  if (data.unsure.empty()) return "";
  const size_t count = std::min(kMaxUnsure, data.unsure.size());
  const auto has_label = [](const UnsureRow& row) { return !row.label.empty(); };
  const bool any = std::any_of(data.unsure.begin(), data.unsure.end(), has_label);
  const bool all = std::all_of(data.unsure.begin(), data.unsure.end(), has_label);
  auto text = fmt::format(
      "The most probable classes of the {} rows with the least certain "
      "predictions.",
      count);
  if (any) {
    text +=
        " The bar of the given label is blue. Wrong labels are often found among such rows, so "
        "check them.";
  }
  if (!all) text += " A label for a row without one teaches the network most here.";
  if (!data.rows_from.empty()) {
    text += fmt::format(" Rows are counted from 1 in {}, without the header and empty lines.",
                        data.rows_from);
  }
  std::string out = subheading("Rows it is least sure of") + paragraph(text);
  out += "<ol class='cards'>\n";
  for (size_t i = 0; i < count; ++i) out += unsure_card(data.unsure[i]);
  return out + "</ol>\n";
}

}  // namespace

ReportSection certainty_section(const ReportData& data) {
  ReportSection section{"certainty", "How sure it is", ""};
  if (data.metrics) {
    const auto& metrics = *data.metrics;
    section.body += paragraph(calibration_sentence(data));
    section.body += "<div class='beside'>\n" + reliability_figure(metrics.reliability) +
                    confidence_figure(metrics.reliability) + "</div>\n";
    section.body += paragraph(
        fmt::format(
            "Expected calibration error: {} points. Log loss: {} nats; even guesses over {} "
            "classes give {}.",
            decimal_text(100 * metrics.reliability.error, 1), decimal_text(metrics.log_loss, 3),
            metrics.classes.size(),
            decimal_text(std::log(static_cast<double>(metrics.classes.size())), 2)),
        "note");
  } else {
    section.body += paragraph(
        "Probabilities were not measured: this needs the trained model and "
        "labeled rows.");
  }
  section.body += unsure_html(data);
  return section;
}

}  // namespace ladder::apps
