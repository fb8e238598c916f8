// Errors and costs over the epochs.
#include <fmt/format.h>
#include <ladder/runs/seed_summary.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "apps/support/markup.h"
#include "apps/support/report/parts.h"
#include "apps/support/svg_panel.h"

namespace ladder::apps {
namespace {

constexpr size_t kMaxPoints = 300;       // of one line
constexpr size_t kMaxLines = 5;          // runs with a thin line each
constexpr size_t kMaxPanels = 24;        // costs with a plot of their own
constexpr double kLogarithmicFrom = 20;  // largest over smallest value
// Rows that all become right are less likely than 5 % by chance from here on (two-sided sign test).
constexpr int64_t kMinFallenRows = 6;

using ValueOf = std::function<std::optional<double>(const train::Evaluation&)>;

struct Curve {
  std::vector<double> epochs = {};
  std::vector<double> values = {};
};

// Indices of evenly spread points, with the first and the last.
std::vector<size_t> spread(size_t count, size_t most) {
  std::vector<size_t> chosen;
  const size_t kept = std::min(count, most);
  for (size_t i = 0; i < kept; ++i) {
    chosen.push_back(kept < 2 ? 0 : i * (count - 1) / (kept - 1));
  }
  return chosen;
}

std::vector<double> picked(const std::vector<double>& values, const std::vector<size_t>& chosen) {
  std::vector<double> some;
  for (const size_t i : chosen) some.push_back(values[i]);
  return some;
}

Curve curve_of(const ReportedRun& run, const ValueOf& value_of) {
  Curve curve;
  for (const auto& evaluation : run.evaluations) {
    const auto value = value_of(evaluation);
    if (!value || !std::isfinite(*value)) continue;
    curve.epochs.push_back(static_cast<double>(evaluation.epoch));
    curve.values.push_back(*value);
  }
  return curve;
}

// Median, least and largest value over the runs, at the epochs that at least half of them have.
struct CurveRange {
  Curve median = {};
  std::vector<double> low = {};
  std::vector<double> high = {};
};

CurveRange range_of(const std::vector<Curve>& curves) {
  std::map<double, std::vector<double>> by_epoch;
  for (const auto& curve : curves) {
    for (size_t i = 0; i < curve.epochs.size(); ++i) {
      by_epoch[curve.epochs[i]].push_back(curve.values[i]);
    }
  }
  CurveRange range;
  for (const auto& [epoch, values] : by_epoch) {
    if (2 * values.size() < curves.size()) continue;
    range.median.epochs.push_back(epoch);
    range.median.values.push_back(runs::summarize(values).median);
    range.low.push_back(*std::min_element(values.begin(), values.end()));
    range.high.push_back(*std::max_element(values.begin(), values.end()));
  }
  return range;
}

std::vector<Curve> curves_of(const ReportData& data, const ValueOf& value_of) {
  std::vector<Curve> curves;
  for (const auto& run : data.runs) {
    auto curve = curve_of(run, value_of);
    if (!curve.epochs.empty()) curves.push_back(std::move(curve));
  }
  return curves;
}

template <typename OfCurve>
std::vector<double> all_of(const std::vector<Curve>& curves, const OfCurve& of_curve) {
  std::vector<double> all;
  for (const auto& curve : curves) {
    const auto& values = of_curve(curve);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

SvgAxis epoch_axis(const std::vector<Curve>& curves) {
  auto axis = axis_over(all_of(
                            curves, [](const Curve& c) -> const auto& { return c.epochs; }),
                        true, "epoch");
  axis.whole = true;
  axis.high = std::ceil(axis.high);
  return axis;
}

// A bold line for one run. Of several, the median is bold, with thin lines for a few single ones
// or a band for many.
void draw_curves(SvgPanel& panel, const std::vector<Curve>& curves, const SvgColor& color,
                 const std::string& label) {
  const auto range = range_of(curves);
  const auto chosen = spread(range.median.epochs.size(), kMaxPoints);
  const auto epochs = picked(range.median.epochs, chosen);
  if (curves.size() > kMaxLines) {
    panel.band(epochs, picked(range.low, chosen), picked(range.high, chosen), color);
  } else if (curves.size() > 1) {
    for (const auto& curve : curves) {
      const auto some = spread(curve.epochs.size(), kMaxPoints);
      panel.line(picked(curve.epochs, some), picked(curve.values, some), "seed");
    }
  }
  panel.line(epochs, picked(range.median.values, chosen), color, label);
}

SvgAxis cost_axis(const std::vector<double>& values, bool from_zero) {
  auto axis = axis_over(values, from_zero);
  axis.max_ticks = 4;
  return axis;
}

std::string cost_figure(const std::string& name, const std::string& note,
                        const std::vector<Curve>& curves) {
  const auto values = all_of(
      curves, [](const Curve& c) -> const auto& { return c.values; });
  const double low = *std::min_element(values.begin(), values.end());
  const double high = *std::max_element(values.begin(), values.end());
  const bool logarithmic = low > 0 && high / low > kLogarithmicFrom;
  SvgPanel panel(name,
                 fmt::format("{} by epoch, from {} to {}.", name, short_text(values.front()),
                             short_text(curves[0].values.back())),
                 epoch_axis(curves),
                 logarithmic ? log_axis_over(values) : cost_axis(values, low >= 0),
                 {.width = 168, .height = 122});
  draw_curves(panel, curves, "accent", "");
  return fmt::format(
      "<figure class='small'>\n<figcaption><strong>{}</strong>{}{}</figcaption>\n{}\n</figure>\n",
      escaped(name), escaped(note),
      logarithmic ? fmt::format("{}logarithmic", note.empty() ? "" : ", ") : "", panel.svg());
}

struct Cost {
  std::string name;
  std::string note;
  ValueOf value_of;
};

std::string level_note(const ReportData& data, size_t level) {
  std::vector<std::string> parts;
  if (level < data.levels.size() && !data.levels[level].empty())
    parts.push_back(data.levels[level]);
  if (level < data.lambda.size()) {
    parts.push_back(fmt::format("weight {}", short_text(data.lambda[level])));
  }
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : ", ") + part;
  return out;
}

std::vector<Cost> costs_of(const ReportData& data) {
  std::vector<Cost> costs = {
      {"Total cost", "what training minimises",
       [](const auto& e) { return std::optional(e.total); }},
      {"Supervised cost", "labeled rows", [](const auto& e) { return e.supervised; }}};
  size_t levels = 0;
  std::map<std::string, bool> others;
  for (const auto& run : data.runs) {
    for (const auto& evaluation : run.evaluations) {
      levels = std::max(levels, evaluation.denoising.size());
      for (const auto& [name, value] : evaluation.others) others[name] = true;
    }
  }
  for (size_t l = 0; l < levels; ++l) {
    costs.push_back(
        {fmt::format("Level {}", l), level_note(data, l), [l](const train::Evaluation& e) {
           return l < e.denoising.size() ? e.denoising[l] : std::nullopt;
         }});
  }
  for (const auto& [name, there] : others) {
    costs.push_back({"Cost " + name, "", [name = name](const train::Evaluation& e) {
                       const auto found = e.others.find(name);
                       return found == e.others.end() ? std::nullopt
                                                      : std::optional<double>(found->second);
                     }});
  }
  return costs;
}

std::string errors_figure(const ReportData& data, const std::vector<Curve>& test,
                          const std::vector<Curve>& validation) {
  auto all = test;
  all.insert(all.end(), validation.begin(), validation.end());
  const auto values = all_of(
      all, [](const Curve& c) -> const auto& { return c.values; });
  // The first epochs are so much worse that the rest would be flat.
  const double top = *std::max_element(values.begin(), values.end());
  const double low = *std::min_element(values.begin(), values.end());
  const bool logarithmic = low > 0 && top / low > 6;
  const std::string name = "Error by epoch";
  const auto panel_of = [&](double width, double height) {
    const double right = validation.empty() ? 38 : 78;  // room for "test" or "validation"
    auto y = logarithmic ? log_axis_over(values) : axis_over(values, true);
    y.unit = " %";
    SvgPanel panel(name,
                   fmt::format("Errors between {} and {} %.", short_text(low), short_text(top)),
                   epoch_axis(all), y, {.width = width, .height = height, .right = right});
    if (!test.empty()) draw_curves(panel, test, "accent", "test");
    if (!validation.empty()) draw_curves(panel, validation, "second", "validation");
    return panel.svg();
  };
  std::string caption = "Error after each epoch.";
  if (data.runs.size() > kMaxLines) {
    caption += " Line: median of the seeds; band: all seeds.";
  } else if (data.runs.size() > 1) {
    caption += " Bold: median of the seeds; thin: single seeds.";
  }
  if (logarithmic) caption += " The scale is logarithmic.";
  return figure("<div class='wide'>" + panel_of(720, 280) + "</div><div class='narrow'>" +
                    panel_of(310, 220) + "</div>",
                caption, "card");
}

// Whether training was long enough, from the errors of the run, or the median of several. `count`:
// rows that they are measured on, 0 where that is not known.
std::string errors_sentence(const std::vector<Curve>& curves, const std::string& rows,
                            int64_t count) {
  const auto curve = range_of(curves).median;
  if (curve.values.size() < 3) return "";
  const auto best = std::min_element(curve.values.begin(), curve.values.end());
  const auto at = static_cast<size_t>(best - curve.values.begin());
  const double last = curve.values.back();
  const auto text = [](double value) { return decimal_text(value, 2) + " %"; };
  const auto epoch = [&](size_t i) { return count_text(static_cast<int64_t>(curve.epochs[i])); };
  const auto rows_of = [&](double error) {
    return std::llround(error / 100 * static_cast<double>(count));
  };
  if (last == *best) {
    const size_t tail = curve.values.size() - 1 - std::max<size_t>(1, curve.values.size() / 10);
    const double before = curve.values[tail];
    const auto fallen = rows_of(before - last);
    if (before > last * 1.02 && count > 0 && fallen < kMinFallenRows) {
      return fmt::format(
          "The {} error is lowest at the end ({}, after {} at epoch {}). That is {} of {}, which "
          "may be chance: it does not show that more epochs would help.",
          rows, text(last), text(before), epoch(tail),
          count_text(std::max<int64_t>(1, fallen), "row"), count_text(count));
    }
    if (before > last * 1.02) {
      return fmt::format(
          "The {} error is lowest at the end ({}, after {} at epoch {}): it is still falling, and "
          "more epochs may help.",
          rows, text(last), text(before), epoch(tail));
    }
    if (count > 0 && rows_of(last) < kMinFallenRows) {  // it cannot fall by that many
      return fmt::format(
          "The {} error is lowest at the end, {}. That is {} of {}, too few to show whether more "
          "epochs would help.",
          rows, text(last), count_text(rows_of(last), "wrong row"), count_text(count));
    }
    return fmt::format(
        "The {} error is lowest at the end, {}, and hardly changes any more: "
        "training was long enough.",
        rows, text(last));
  }
  return fmt::format(
      "The {} error ends at {}; its lowest value is {}, at epoch {}. Such a minimum "
      "is partly luck, so the last value counts.",
      rows, text(last), text(*best), epoch(at));
}

// The numbers of the only evaluation.
std::string costs_table(const std::vector<Cost>& costs, const ReportedRun& run) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& cost : costs) {
    const auto value = cost.value_of(run.evaluations.back());
    if (!value) continue;
    rows.push_back({escaped(cost.name), short_text(*value), escaped(cost.note)});
  }
  return "<div class='card'>" +
         table_html("Costs at the only evaluation.", {"Cost", "#Value", "Level"}, rows) +
         "</div>\n";
}

}  // namespace

ReportSection curves_section(const ReportData& data) {
  ReportSection section{"curves", "Training", ""};
  size_t most = 0;
  for (const auto& run : data.runs) most = std::max(most, run.evaluations.size());
  if (most == 0) {
    section.body = paragraph("The run recorded no evaluation, so there are no curves.");
    return section;
  }
  const auto test = curves_of(data, [](const auto& e) { return e.test_error; });
  const auto validation = curves_of(data, [](const auto& e) { return e.validation_error; });
  const auto costs = costs_of(data);
  if (most == 1) {
    section.body = paragraph(
        "There is one evaluation, so there are no curves. Evaluate after each epoch to see them.");
    const auto evaluated =
        std::find_if(data.runs.begin(), data.runs.end(),
                     [](const ReportedRun& run) { return !run.evaluations.empty(); });
    section.body += costs_table(costs, *evaluated);
    return section;
  }
  if (test.empty() && validation.empty()) {
    section.body += paragraph(
        "No errors were measured during training: there were no test rows and "
        "no validation rows.");
  } else {
    section.body += paragraph(errors_sentence(
        validation.empty() ? test : validation, validation.empty() ? "test" : "validation",
        validation.empty() ? data.data.test_rows : data.data.validation_rows));
    section.body += errors_figure(data, test, validation);
    if (validation.empty()) {
      section.body += paragraph(
          "There were no validation rows. Choose settings by validation rows: "
          "choosing by test rows makes the test error too good.",
          "note");
    }
  }
  std::string panels;
  size_t drawn = 0;
  bool denoises = false;
  for (const auto& cost : costs) {
    const auto curves = curves_of(data, cost.value_of);
    if (curves.empty()) continue;
    denoises = denoises || cost.name.starts_with("Level");
    if (++drawn > kMaxPanels) continue;
    panels += cost_figure(cost.name, cost.note, curves);
  }
  section.body += subheading("Costs by level");
  section.body += paragraph(
      denoises ? "The denoising costs of each level, and the sum that is minimised. Level 0 is the "
                 "input. At levels 1 and up the clean values have variance 1, so a "
                 "denoising cost of 1 means that the level is guessed no better than by its mean, "
                 "and 0 that it is restored exactly. Costs are shown before their weights."
      : data.data.taught
          ? "This network has no decoder: every weight of a denoising cost is 0. It learns from "
            "the labeled rows and from labels that other runs gave."
          : "This network has no decoder: every weight of a denoising cost is 0, and it learns "
            "from the labeled rows only.");
  section.body += "<div class='card panels'>\n" + panels + "</div>\n";
  if (drawn > kMaxPanels) {
    section.body +=
        paragraph(fmt::format("{} more costs are not drawn.", drawn - kMaxPanels), "note");
  }
  return section;
}

}  // namespace ladder::apps
