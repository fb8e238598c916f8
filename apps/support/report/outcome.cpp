// The first thing a reader sees: how often the network is wrong, how sure that number is, and what
// it is to be compared with.
#include <fmt/format.h>
#include <ladder/runs/seed_summary.h>

#include <algorithm>
#include <cmath>

#include "apps/support/markup.h"
#include "apps/support/report/parts.h"

namespace ladder::apps {
namespace {

// The error that the page is about: of one run, or the mean of several seeds.
struct Headline {
  double error = 0;
  train::Interval interval = {};  // in percent
  int64_t rows = 0;
  size_t seeds = 0;
  std::optional<runs::SeedSummary> summary = {};  // of several seeds
  bool own_rows = false;                          // each of these is measured on other rows
};

std::optional<Headline> headline_of(const ReportData& data) {
  const auto errors = errors_of(data);
  if (errors.empty()) return std::nullopt;
  Headline headline{.seeds = errors.size()};
  for (const auto& run : data.runs) {
    if (!error_of(run)) continue;
    headline.rows = *run.rows;
    if (errors.size() == 1) {
      const auto share = train::wilson_interval(*run.wrong, *run.rows);
      headline.error = errors[0];
      headline.interval = {.low = 100 * share.low, .high = 100 * share.high};
    }
  }
  if (errors.size() > 1) {
    headline.summary = runs::summarize(errors);
    headline.error = headline.summary->mean;
    headline.interval = {.low = headline.summary->min, .high = headline.summary->max};
    headline.own_rows = data.own_rows;
  }
  return headline;
}

std::string headline_sentence(const ReportData& data, const Headline& headline) {
  if (headline.summary) {
    return fmt::format(
        "Mean error of {} seeds{} on {} {}{}. Single seeds range from {}; their standard deviation "
        "is {}.",
        headline.seeds, headline.own_rows ? ", each" : "", count_text(headline.rows),
        data.rows_name, headline.own_rows ? " of its own" : "",
        interval_text(headline.interval, headline.rows),
        percent_of_rows(headline.summary->std, headline.rows));
  }
  for (const auto& run : data.runs) {
    if (!error_of(run)) continue;
    return fmt::format(
        "The network is wrong on {} of {} {}. With 95 % confidence its error on such rows lies "
        "between {}.",
        count_text(*run.wrong), count_text(*run.rows), data.rows_name, [&] {
          auto text = interval_text(headline.interval, headline.rows);
          const auto at = text.find(" to ");
          return text.substr(0, at) + " and " + text.substr(at + 4);
        }());
  }
  return "";
}

// Chance that of `first` + `second` rows that only one of two equally good networks gets wrong, the
// share of one is as uneven as this or more: the two-sided sign test.
double sign_test(int64_t first, int64_t second) {
  constexpr double kManyRows = 1e6;  // of which the binomial distribution is normal
  const auto rows = static_cast<double>(first) + static_cast<double>(second);
  if (rows > kManyRows) {
    const auto apart = std::abs(static_cast<double>(first) - static_cast<double>(second));
    return std::erfc(apart / std::sqrt(2 * rows));
  }
  double tail = 0;
  for (int64_t k = 0; k <= std::min(first, second); ++k) {
    const auto hits = static_cast<double>(k);
    tail += std::exp(std::lgamma(rows + 1) - std::lgamma(hits + 1) - std::lgamma(rows - hits + 1) -
                     rows * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

train::Interval percent_interval(double percent, int64_t rows) {
  const auto wrong = std::llround(percent / 100 * static_cast<double>(rows));
  const auto share = train::wilson_interval(std::clamp<int64_t>(wrong, 0, rows), rows);
  return {.low = 100 * share.low, .high = 100 * share.high};
}

// Whether the difference from what the labels alone give is more than chance would make of it.
bool is_certain(const ReportBaselines& baselines, const Headline& headline) {
  constexpr double kSurprise = 0.05;
  if (!headline.summary && baselines.wrong_alone) {  // both networks predicted the same rows
    const auto& [here, there] = *baselines.wrong_alone;
    return sign_test(here, there) <= kSurprise;
  }
  const auto own = percent_interval(headline.error, headline.rows);
  const auto alone = percent_interval(*baselines.labels_alone, headline.rows);
  return alone.low > std::max(own.high, headline.interval.high) ||
         alone.high < std::min(own.low, headline.interval.low);
}

// What the unlabeled rows brought.
std::string verdict(const ReportData& data, const Headline& headline) {
  if (headline.own_rows) {
    return "Each seed is measured on other rows, so this page does not set what the labels alone "
           "give on those of one seed beside the mean. Test rows would be the same for all.";
  }
  if (!data.baselines.labels_alone) {
    return "No network was trained on the labels alone, so this page cannot say how much the "
           "unlabeled rows helped.";
  }
  const double alone = *data.baselines.labels_alone;
  const auto text = percent_of_rows(alone, headline.rows);
  const bool certain = is_certain(data.baselines, headline);
  if (certain && alone > headline.error) {
    const double share = 100 * (alone - headline.error) / alone;
    return fmt::format(
        "The labels alone give {}: the unlabeled rows remove {} of every 100 errors.", text,
        std::llround(share));
  }
  if (certain && alone < headline.error) {
    return fmt::format(
        "The labels alone give {}, which is better: the unlabeled rows do harm here. Smaller "
        "weights of the denoising costs are worth a try.",
        text);
  }
  return fmt::format(
      "The labels alone give {}, which is within {}: do not conclude that the unlabeled rows "
      "helped.",
      text,
      headline.summary && alone >= headline.interval.low && alone <= headline.interval.high
          ? "the range of the seeds"
          : "the uncertainty of the rows measured");
}

struct Compared {
  std::string name;
  std::string note;
  double percent;
  std::string color;
  std::optional<train::Interval> interval = {};
};

std::vector<Compared> compared_errors(const ReportData& data, const Headline& headline) {
  std::vector<Compared> all = {
      {headline.summary ? "This network, mean of the seeds" : "This network",
       headline.summary ? "bar: range of the seeds" : "bar: 95 % interval", headline.error,
       "accent", headline.interval}};
  const auto& baselines = data.baselines;
  if (baselines.labels_alone) {
    all.push_back({"Labels alone", baselines.labels_alone_note, *baselines.labels_alone, "second"});
  }
  if (baselines.published) {
    all.push_back({"Published", baselines.published_note, *baselines.published, "quiet"});
  }
  if (baselines.majority) {
    all.push_back({"Always the most frequent class",
                   baselines.majority_class.empty()
                       ? ""
                       : "class " + shortened_name(baselines.majority_class, 40),
                   *baselines.majority, "quiet"});
  }
  return all;
}

std::string comparison(const ReportData& data, const Headline& headline) {
  const auto all = compared_errors(data, headline);
  if (all.size() < 2 || headline.own_rows) return "";
  double most = 0;
  for (const auto& one : all) {
    most = std::max({most, one.percent, one.interval ? one.interval->high : 0.0});
  }
  const double end = std::min(100.0, std::max(most * 1.04, 1e-9));
  const auto at = [&](double percent) { return 1 + 98 * percent / end; };  // room for a dot
  std::string body = "<div class='compare'>\n";
  for (const auto& one : all) {
    std::string marks = "<rect class='rail' x='1%' y='8' width='98%' height='2'/>";
    if (one.interval) {
      marks += fmt::format(
          "<rect class='f {} span' x='{:.2f}%' y='5' width='{:.2f}%' height='8' rx='4'/>",
          one.color, at(one.interval->low),
          std::max(0.4, at(one.interval->high) - at(one.interval->low)));
    }
    marks += fmt::format("<circle class='f {} ring' cx='{:.2f}%' cy='9' r='6'/>", one.color,
                         at(one.percent));
    body += fmt::format(
        "<div><p class='what'>{}{}</p><svg class='scale' aria-hidden='true'>{}</svg>"
        "<p class='value'>{}</p></div>\n",
        escaped(one.name),
        one.note.empty() ? "" : fmt::format(" <span>{}</span>", escaped(one.note)), marks,
        percent_of_rows(one.percent, headline.rows));
  }
  body += "</div>";
  return figure(body, fmt::format("Errors on the same {}, on a scale from 0 to {} %. The further "
                                  "left, the better.",
                                  data.rows_name, decimal_text(end, end < 10 ? 1 : 0)));
}

void add_tile(std::string& out, std::string_view name, const std::string& value,
              std::string_view note) {
  out += fmt::format("<div><dt>{}</dt><dd>{}<span>{}</span></dd></div>\n", escaped(name),
                     escaped(value), escaped(note));
}

std::string tiles(const ReportData& data) {
  std::string out;
  if (data.metrics) {
    const auto& m = *data.metrics;
    const auto note = [&](const char* text) -> std::string {
      return data.runs.size() > 1 ? "of " + data.runs.front().name : text;
    };
    add_tile(out, "Balanced accuracy", decimal_text(100 * m.balanced_accuracy, 1) + " %",
             note("mean recall of the classes"));
    add_tile(out, "Macro F1", decimal_text(m.macro_f1, 3), note("mean over the classes"));
    add_tile(out, "Log loss", decimal_text(m.log_loss, 3),
             fmt::format("even guesses give {}",
                         decimal_text(std::log(static_cast<double>(m.classes.size())), 2)));
    add_tile(out, "Calibration error", decimal_text(100 * m.reliability.error, 1) + " %",
             note("between confidence and accuracy"));
  }
  if (data.data.labeled_rows > 0) {
    add_tile(out, "Labeled rows", count_text(data.data.labeled_rows),
             data.data.unlabeled_rows > 0
                 ? fmt::format("beside {} unlabeled", count_text(data.data.unlabeled_rows))
                 : "no unlabeled rows");
  }
  const auto& run = data.runs.front();
  if (run.seconds) {
    add_tile(out, "Training time", duration_text(*run.seconds),
             data.runs.size() > 1 ? "of " + data.runs.front().name
             : run.steps          ? count_text(*run.steps, "step")
                                  : "steps only");
  }
  return out.empty() ? "" : "<dl class='tiles'>\n" + out + "</dl>\n";
}

std::string warnings_html(const ReportData& data) {
  if (data.warnings.empty()) return "";
  std::string out =
      "<aside class='warnings' aria-label='Warnings'>\n<h2>Before you trust this</h2>"
      "\n<ul>\n";
  for (const auto& warning : data.warnings) {
    out += fmt::format("<li>{}</li>\n", escaped(warning));
  }
  return out + "</ul>\n</aside>\n";
}

}  // namespace

std::string outcome_html(const ReportData& data) {
  std::string out = "<section id='outcome' class='outcome' aria-label='Outcome'>\n<div>\n";
  const auto headline = headline_of(data);
  if (headline) {
    const auto number = percent_of_rows(headline->error, headline->rows);
    out += fmt::format("<h2 class='eyebrow'>Error on {} {}{}</h2>\n", count_text(headline->rows),
                       escaped(data.rows_name), headline->own_rows ? " of each seed" : "");
    out +=
        fmt::format("<p class='big'>{}<span>%</span></p>\n", number.substr(0, number.size() - 2));
    out += paragraph(headline_sentence(data, *headline), "lead");
    out += paragraph(verdict(data, *headline), "lead");
    if (!data.rows_unseen) {
      out += paragraph("Training used these rows: expect more errors on new ones.", "lead alarm");
    }
  } else {
    out += "<h2 class='eyebrow'>Error</h2>\n<p class='big unknown'>not measured</p>\n";
    const bool rows_there = data.data.test_rows > 0 || data.data.validation_rows > 0;
    out += paragraph(
        rows_there
            ? "No evaluation was recorded, so nobody knows yet how often this network is wrong."
            : "No labeled rows were kept from training or given as test rows, so nobody knows yet "
              "how often this network is wrong. Keep some labeled rows back, or give test rows.",
        "lead");
  }
  out += "</div>\n" + tiles(data);
  if (headline) out += comparison(data, *headline);
  return out + "</section>\n" + warnings_html(data);
}

}  // namespace ladder::apps
