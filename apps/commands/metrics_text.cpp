#include "apps/commands/metrics_text.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <ladder/io/utf8.h>

#include <algorithm>
#include <optional>
#include <set>

#include "apps/support/output.h"

namespace ladder::apps {
namespace {

constexpr size_t kMaxPrintedClasses = 12;  // of a matrix
constexpr size_t kShownPairs = 10;
constexpr size_t kWidestName = 24;

std::string ratio_text(const std::optional<double>& ratio) {
  return ratio ? fmt::format("{:.3f}", *ratio) : std::string("-");
}

std::string short_name(const std::string& name) {
  return name.size() <= kWidestName ? name
                                    : std::string(io::cut_text(name, kWidestName - 3)) + "...";
}

size_t name_width(const std::vector<std::string>& classes) {
  size_t width = 5;
  for (const auto& name : classes) width = std::max(width, short_name(name).size());
  return width;
}

std::string matrix_text(const torch::Tensor& confusion, const std::vector<std::string>& classes) {
  const auto most = std::to_string(confusion.max().item<int64_t>()).size();
  const auto cell = std::max<size_t>(most, 4) + 2;
  std::vector<std::string> names, headings;
  for (const auto& name : classes) {
    names.push_back(short_name(name));
    headings.emplace_back(io::cut_text(name, cell - 2));
  }
  // Names that begin alike have numbers for headings: sensor_ok and sensor_bad.
  if (std::set<std::string>(headings.begin(), headings.end()).size() < classes.size()) {
    for (size_t c = 0; c < classes.size(); ++c) {
      headings[c] = std::to_string(c + 1);
      names[c] = fmt::format("{:>2} {}", c + 1, names[c]);
    }
  }
  size_t width = 5;
  for (const auto& name : names) width = std::max(width, name.size());
  std::string text = fmt::format("\nlabel (down) and prediction (across):\n{:<{}}", "", width);
  for (const auto& heading : headings) text += fmt::format("{:>{}}", heading, cell);
  text += "\n";
  for (size_t i = 0; i < classes.size(); ++i) {
    text += fmt::format("{:<{}}", names[i], width);
    for (size_t j = 0; j < classes.size(); ++j) {
      text += fmt::format(
          "{:>{}}", confusion[static_cast<int64_t>(i)][static_cast<int64_t>(j)].item<int64_t>(),
          cell);
    }
    text += "\n";
  }
  return text;
}

std::string pairs_text(const std::vector<train::ConfusedPair>& pairs,
                       const std::vector<std::string>& classes) {
  std::string text = pairs.empty() ? "" : "\nmost confused:\n";
  for (size_t k = 0; k < pairs.size() && k < kShownPairs; ++k) {
    text += fmt::format("  {} of {} predicted as {}\n", counted(pairs[k].rows, "row"),
                        classes[static_cast<size_t>(pairs[k].label)],
                        classes[static_cast<size_t>(pairs[k].prediction)]);
  }
  return text;
}

nlohmann::ordered_json json_of(const std::optional<double>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
}

}  // namespace

std::string error_text(const train::ClassificationMetrics& metrics) {
  return fmt::format("{:.2f} % (95 % interval {:.2f} to {:.2f} %, {} of {})", metrics.error,
                     metrics.interval.low, metrics.interval.high, metrics.wrong,
                     counted(metrics.rows, "row"));
}

std::string metrics_text(const train::ClassificationMetrics& metrics,
                         const std::vector<std::string>& classes) {
  std::string text = fmt::format(
      "error               {}\nbalanced accuracy   {:.3f}\nmacro F1            {:.3f}\n"
      "log loss            {:.4f}\ncalibration error   {:.3f}\n\n",
      error_text(metrics), metrics.balanced_accuracy, metrics.macro_f1, metrics.log_loss,
      metrics.reliability.error);
  const auto width = name_width(classes);
  text += fmt::format("{:<{}}  {:>9}  {:>6}  {:>6}  {:>8}\n", "class", width, "precision", "recall",
                      "F1", "rows");
  for (size_t c = 0; c < classes.size(); ++c) {
    const auto& one = metrics.classes[c];
    text += fmt::format("{:<{}}  {:>9}  {:>6}  {:>6}  {:>8}\n", short_name(classes[c]), width,
                        ratio_text(one.precision), ratio_text(one.recall), ratio_text(one.f1),
                        one.support);
  }
  return text + (classes.size() <= kMaxPrintedClasses ? matrix_text(metrics.confusion, classes)
                                                      : pairs_text(metrics.confused, classes));
}

std::string left_out_text(int64_t rows) {
  return rows > 0 ? "\n" + counted(rows, "row") + " without a label left out\n" : std::string();
}

nlohmann::ordered_json metrics_json(const train::ClassificationMetrics& metrics,
                                    const std::vector<std::string>& classes) {
  nlohmann::ordered_json json = {{"rows", metrics.rows},
                                 {"wrong", metrics.wrong},
                                 {"error", metrics.error},
                                 {"error_interval", {metrics.interval.low, metrics.interval.high}},
                                 {"balanced_accuracy", metrics.balanced_accuracy},
                                 {"macro_f1", metrics.macro_f1},
                                 {"log_loss", metrics.log_loss},
                                 {"calibration_error", metrics.reliability.error}};
  json["classes"] = nlohmann::ordered_json::array();
  for (size_t c = 0; c < classes.size(); ++c) {
    const auto& one = metrics.classes[c];
    json["classes"].push_back({{"name", classes[c]},
                               {"support", one.support},
                               {"predicted", one.predicted},
                               {"precision", json_of(one.precision)},
                               {"recall", json_of(one.recall)},
                               {"f1", json_of(one.f1)}});
  }
  if (!metrics.confusion.defined()) {
    json["confused"] = nlohmann::ordered_json::array();
    for (const auto& pair : metrics.confused) {
      json["confused"].push_back({pair.label, pair.prediction, pair.rows});
    }
    return json;
  }
  const auto counts = metrics.confusion.contiguous();
  json["confusion"] = nlohmann::ordered_json::array();
  for (int64_t i = 0; i < counts.size(0); ++i) {
    const int64_t* row = counts.const_data_ptr<int64_t>() + i * counts.size(1);
    json["confusion"].push_back(std::vector<int64_t>(row, row + counts.size(1)));
  }
  return json;
}

}  // namespace ladder::apps
