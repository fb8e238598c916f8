// Which classes are confused, and how good each class is.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <ladder/train/metrics.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "apps/support/markup.h"
#include "apps/support/report/parts.h"

namespace ladder::apps {
namespace {

constexpr int64_t kMaxTableClasses = 10;  // classes of a matrix with numbers
constexpr int64_t kMaxPictureClasses = train::kMaxConfusionClasses;  // colours
constexpr size_t kMaxPairs = 10;
constexpr size_t kMaxClasses = 20;  // rows of the table by class that are open
constexpr int kHeatLevels = 6;

// "980", "1.1k", "12k": at most four characters.
std::string compact_count(int64_t count) {
  const auto value = static_cast<double>(count);
  if (count < 1000) return std::to_string(count);
  if (count < 9950) return fmt::format("{:.1f}k", value / 1e3);
  if (count < 999500) return fmt::format("{:.0f}k", value / 1e3);
  if (count < 9950000) return fmt::format("{:.1f}M", value / 1e6);
  return fmt::format("{:.0f}M", value / 1e6);
}

// 1..kHeatLevels, so that small shares show.
int heat_level(int64_t rows, int64_t of) {
  const double share = static_cast<double>(rows) / static_cast<double>(std::max<int64_t>(1, of));
  return std::clamp(static_cast<int>(std::ceil(std::sqrt(share) * kHeatLevels)), 1, kHeatLevels);
}

std::string matrix_table(const ReportData& data, const at::Tensor& confusion) {
  const auto classes = confusion.size(0);
  const size_t longest = classes > 6 ? 9 : 12;
  double head = 0;
  bool turned = false;
  for (int64_t c = 0; c < classes; ++c) {
    const auto name = shortened_name(class_text(data, c), longest);
    head = std::max(head, text_width(name, 12));
    turned = turned || text_width(name, 12) > 26;
  }
  std::string out = fmt::format(
      "<table class='matrix{}' style='--head:{:.0f}px;--columns:{}'>\n<caption>Rows: label. "
      "Columns: "
      "prediction.</caption>\n<thead><tr><td>"
      "</td>",
      turned ? " turned" : "", head + 10, classes);
  for (int64_t j = 0; j < classes; ++j) {
    const auto name = class_text(data, j);
    out += fmt::format("<th scope='col' title='{}'><span>{}</span></th>", escaped(name),
                       escaped(shortened_name(name, longest)));
  }
  out += "</tr></thead>\n<tbody>\n";
  const auto support = confusion.sum(1);
  for (int64_t i = 0; i < classes; ++i) {
    const auto name = class_text(data, i);
    out += fmt::format("<tr><th scope='row' title='{}'>{}</th>", escaped(name),
                       escaped(shortened_name(name, longest)));
    for (int64_t j = 0; j < classes; ++j) {
      const auto rows = confusion[i][j].item<int64_t>();
      const auto kind = rows == 0 ? std::string("h0")
                                  : fmt::format("{}{}", i == j ? "r" : "w",
                                                heat_level(rows, support[i].item<int64_t>()));
      out += fmt::format("<td class='{}'{}>{}</td>", kind,
                         rows < 1000 ? "" : fmt::format(" title='{}'", count_text(rows)),
                         compact_count(rows));
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table>";
}

std::string matrix_picture(const at::Tensor& confusion) {
  const auto classes = confusion.size(0);
  const auto counts = confusion.contiguous();
  const auto* cells = counts.const_data_ptr<int64_t>();
  std::array<std::string, kHeatLevels + 1> right, wrong;
  for (int64_t i = 0; i < classes; ++i) {
    int64_t support = 0;
    for (int64_t j = 0; j < classes; ++j) support += cells[i * classes + j];
    for (int64_t j = 0; j < classes; ++j) {
      const auto rows = cells[i * classes + j];
      if (rows == 0) continue;
      auto& path = (i == j ? right : wrong)[static_cast<size_t>(heat_level(rows, support))];
      path += fmt::format("M{} {}h1v1h-1z", j, i);
    }
  }
  std::string out = fmt::format(
      "<svg class='heat' viewBox='0 0 {0} {0}' role='img'><title>Confusion matrix of {0} classes"
      "</title><desc>One cell for each label, down, and prediction, across. The table of the most "
      "frequent confusions says the same in words.</desc><rect class='ground' width='{0}' "
      "height='{0}'/>",
      classes);
  for (size_t level = 1; level <= kHeatLevels; ++level) {
    if (!right[level].empty())
      out += fmt::format("<path class='r{}' d='{}'/>", level, right[level]);
    if (!wrong[level].empty())
      out += fmt::format("<path class='w{}' d='{}'/>", level, wrong[level]);
  }
  return out + "</svg>";
}

std::string pairs_table(const ReportData& data, const std::vector<train::ConfusedPair>& pairs,
                        const std::vector<train::ClassMetrics>& classes) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& pair : pairs) {
    if (rows.size() == kMaxPairs) break;
    const auto of = classes[static_cast<size_t>(pair.label)].support;
    const double share = static_cast<double>(pair.rows) / static_cast<double>(of);
    rows.push_back({escaped(shortened_name(class_text(data, pair.label), 28)),
                    escaped(shortened_name(class_text(data, pair.prediction), 28)),
                    count_text(pair.rows), decimal_text(100 * share, 1) + " %"});
  }
  return table_html("Most frequent confusions.", {"Label", "Taken for", "#Rows", "#Of the label"},
                    rows);
}

std::string ratio_text(const std::optional<double>& ratio) {
  return ratio ? decimal_text(*ratio, 3) : "–";
}

std::string class_table(const ReportData& data, const std::vector<size_t>& order,
                        std::string_view caption) {
  std::vector<std::vector<std::string>> rows;
  for (const size_t c : order) {
    const auto& one = data.metrics->classes[c];
    rows.push_back({escaped(shortened_name(class_text(data, static_cast<int64_t>(c)), 24)),
                    count_text(one.support), ratio_text(one.precision), ratio_text(one.recall),
                    ratio_text(one.f1), track(one.f1.value_or(0))});
  }
  return table_html(caption, {"Class", "#Rows", "#Precision", "#Recall", "#F1", ""}, rows);
}

std::string by_class(const ReportData& data) {
  const auto& classes = data.metrics->classes;
  std::vector<size_t> order(classes.size());
  for (size_t c = 0; c < order.size(); ++c) order[c] = c;
  if (order.size() <= kMaxClasses) return class_table(data, order, "Numbers of each class.");
  auto worst = order;
  std::stable_sort(worst.begin(), worst.end(), [&](size_t a, size_t b) {
    return classes[a].f1.value_or(2) < classes[b].f1.value_or(2);
  });
  worst.resize(kMaxClasses);
  return class_table(data, worst, fmt::format("The {} classes with the lowest F1.", kMaxClasses)) +
         details_html(fmt::format("All {} classes", order.size()),
                      class_table(data, order, "Numbers of each class."));
}

std::string weakest_sentence(const ReportData& data) {
  const auto& classes = data.metrics->classes;
  size_t weakest = classes.size();
  for (size_t c = 0; c < classes.size(); ++c) {
    if (!classes[c].f1) continue;
    if (weakest == classes.size() || *classes[c].f1 < *classes[weakest].f1) weakest = c;
  }
  if (weakest == classes.size()) return "";
  return fmt::format(
      "Precision is the share of the predictions of a class that are right, recall "
      "the share of its rows that are found, and F1 their harmonic mean. The weakest "
      "class is {} with an F1 of {}.",
      shortened_name(class_text(data, static_cast<int64_t>(weakest)), 40),
      decimal_text(*classes[weakest].f1, 3));
}

std::string pairs_sentence(const ReportData& data, const std::vector<train::ConfusedPair>& pairs) {
  if (pairs.empty()) return "No row was taken for another class.";
  const auto& first = pairs.front();
  int64_t top = 0;
  const size_t count = std::min<size_t>(3, pairs.size());
  for (size_t i = 0; i < count; ++i) top += pairs[i].rows;
  auto text = fmt::format("The most frequent confusion is {} taken for {}: {}.",
                          shortened_name(class_text(data, first.label), 40),
                          shortened_name(class_text(data, first.prediction), 40),
                          count_text(first.rows, "row"));
  if (pairs.size() > 3) {
    text += fmt::format(
        " The three most frequent ones make up {} % of all {}.",
        std::llround(100.0 * static_cast<double>(top) / static_cast<double>(data.metrics->wrong)),
        count_text(data.metrics->wrong, "error"));
  }
  return text;
}

}  // namespace

ReportSection classes_section(const ReportData& data) {
  ReportSection section{"classes", "Where it is wrong", ""};
  if (!data.metrics) {
    section.body = paragraph(
        "Which rows were wrong was not measured, so there is no confusion matrix and no table by "
        "class: this needs the trained network and labeled rows.");
    return section;
  }
  const auto& metrics = *data.metrics;
  const auto classes = std::ssize(metrics.classes);
  const auto& pairs = metrics.confused;
  if (data.runs.size() > 1) {
    section.body += paragraph(fmt::format("Numbers of {}.", data.runs.front().name), "note");
  }
  section.body += paragraph(pairs_sentence(data, pairs));
  const std::string colours =
      "Blue cells are right, orange ones wrong; the stronger the colour, the larger the share of "
      "the rows with that label.";
  std::string matrix;
  if (classes <= kMaxTableClasses) {
    matrix = figure(matrix_table(data, metrics.confusion), colours, "card");
  } else if (classes <= kMaxPictureClasses) {
    matrix =
        figure(matrix_picture(metrics.confusion),
               "Labels down, predictions across, in the order of the classes. " + colours, "card");
  } else {
    section.body += paragraph(
        fmt::format("A matrix of {} classes is too large to read; the table names the confusions "
                    "that matter most.",
                    count_text(classes)),
        "note");
  }
  section.body += "<div class='beside'>\n" + matrix;
  if (!pairs.empty()) {
    section.body += "<div class='card'>" + pairs_table(data, pairs, metrics.classes) + "</div>\n";
  }
  section.body += "</div>\n" + subheading("By class") + paragraph(weakest_sentence(data)) +
                  "<div class='card'>" + by_class(data) + "</div>\n";
  return section;
}

}  // namespace ladder::apps
