#include "apps/support/table_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>

namespace ladder::apps {
namespace {

using nlohmann::ordered_json;
using Cells = std::vector<std::string>;

std::string markdown_rows(const std::vector<Cells>& rows) {
  std::vector<size_t> widths(rows.front().size(), 3);
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (size_t line = 0; line < rows.size(); ++line) {
    for (size_t i = 0; i < widths.size(); ++i) {
      text += fmt::format("| {:<{}} ", rows[line][i], widths[i]);
    }
    text += "|\n";
    if (line == 0) {
      for (const auto width : widths) {
        text += fmt::format("|{:-<{}}", "", width + 2);
      }
      text += "|\n";
    }
  }
  return text;
}

std::string published_text(const models::Recipe& recipe) {
  return recipe.published ? to_string(*recipe.published) : "-";
}

std::string std_text(const runs::SeedSummary& summary) {
  return std::isfinite(summary.std) ? fmt::format("{:.2f}", summary.std) : std::string("-");
}

std::string ours_text(const runs::TableRow& row) {
  const auto summary = row.summary();
  if (!summary) {
    return "-";
  }
  const auto count = summary->values.size();
  return count == 1 ? fmt::format("{:.2f} (1)", summary->mean)
                    : fmt::format("{:.2f} +- {} ({})", summary->mean, std_text(*summary), count);
}

template <class T>
void add_once(std::vector<T>& values, const T& value) {
  if (std::find(values.begin(), values.end(), value) == values.end()) {
    values.push_back(value);
  }
}

// data::kAllLabels is more than any number.
bool fewer_labels(int64_t a, int64_t b) {
  if (a == data::kAllLabels || b == data::kAllLabels) {
    return a != data::kAllLabels;
  }
  return a < b;
}

std::string overview(const runs::RunTable& table) {
  std::vector<std::string> kinds;
  std::vector<int64_t> labels;
  for (const auto& row : table.rows) {
    add_once(kinds, runs::kind_of(row.recipe));
    add_once(labels, row.recipe.labels);
  }
  std::stable_sort(labels.begin(), labels.end(),
                   [](int64_t a, int64_t b) { return a != b && fewer_labels(a, b); });
  std::vector<Cells> rows(1, Cells{""});
  for (const auto count : labels) {
    rows[0].push_back(fmt::format("{} labels: ours", runs::labels_text(count)));
    rows[0].emplace_back("published");
  }
  for (const auto& kind : kinds) {
    Cells cells = {kind};
    for (const auto count : labels) {
      const auto row =
          std::find_if(table.rows.begin(), table.rows.end(), [&](const runs::TableRow& one) {
            return one.recipe.labels == count && runs::kind_of(one.recipe) == kind;
          });
      cells.push_back(row == table.rows.end() ? "" : ours_text(*row));
      cells.push_back(row == table.rows.end() ? "" : published_text(row->recipe));
    }
    rows.push_back(std::move(cells));
  }
  return markdown_rows(rows);
}

std::string recipe_rows(const runs::RunTable& table) {
  std::vector<Cells> rows = {{"recipe", "published", "mean", "std", "median", "runs", "by seed"}};
  for (const auto& row : table.rows) {
    std::string values;
    for (const auto& run : row.runs) {
      if (run.state == runs::RunState::kFinished) {
        values += fmt::format("{}{}: {:.2f}", values.empty() ? "" : ", ", run.seed,
                              run.test_error.value());
      }
    }
    const auto summary = row.summary();
    const auto count =
        fmt::format("{} of {}", summary ? summary->values.size() : 0, row.runs.size());
    rows.push_back(
        summary ? Cells{row.recipe.name, published_text(row.recipe),
                        fmt::format("{:.3f}", summary->mean),
                        std::isfinite(summary->std) ? fmt::format("{:.3f}", summary->std)
                                                    : std::string("-"),
                        fmt::format("{:.3f}", summary->median), count, values}
                : Cells{row.recipe.name, published_text(row.recipe), "-", "-", "-", count, ""});
  }
  return markdown_rows(rows);
}

std::string left_out(const runs::RunTable& table) {
  std::string text;
  for (const auto& row : table.rows) {
    const auto& name = row.recipe.name;
    std::vector<uint64_t> missing;
    for (const auto& run : row.runs) {
      if (run.state == runs::RunState::kMissing) {
        missing.push_back(run.seed);
      } else if (run.state != runs::RunState::kFinished) {
        text += fmt::format(
            "- {}, seed {}: {} ({})\n", name, run.seed,
            run.state == runs::RunState::kForeign ? "another experiment" : to_string(run.state),
            run.note);
      }
    }
    if (!missing.empty()) {
      text += fmt::format("- {}, seed{} {}: missing\n", name, missing.size() > 1 ? "s" : "",
                          seeds_text(missing));
    }
    if (!row.other_seeds.empty()) {
      text += fmt::format("- {}, seed{} {}: there, but not asked for\n", name,
                          row.other_seeds.size() > 1 ? "s" : "", seeds_text(row.other_seeds));
    }
  }
  return text.empty() ? "" : "\nNot in the means:\n\n" + text;
}

}  // namespace

std::string seeds_text(const std::vector<uint64_t>& seeds) {
  std::vector<std::string> parts;
  for (size_t first = 0; first < seeds.size();) {
    auto last = first;
    while (last + 1 < seeds.size() && seeds[last + 1] == seeds[last] + 1) {
      ++last;
    }
    if (last - first >= 2) {
      parts.push_back(fmt::format("{}..{}", seeds[first], seeds[last]));
    } else {
      for (auto i = first; i <= last; ++i) {
        parts.push_back(fmt::format("{}", seeds[i]));
      }
    }
    first = last + 1;
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string to_markdown(const runs::RunTable& table) {
  return fmt::format(
      "# {}\n\nTest error in %: mean +- sample standard deviation (number of runs); seeds {}.\n\n"
      "{}\n{}{}",
      table.title, seeds_text(table.seeds), overview(table), recipe_rows(table), left_out(table));
}

ordered_json to_json(const runs::RunTable& table) {
  auto rows = ordered_json::array();
  for (const auto& row : table.rows) {
    auto run_list = ordered_json::array();
    for (const auto& run : row.runs) {
      run_list.push_back({{"seed", run.seed},
                          {"state", to_string(run.state)},
                          {"test_error", run.test_error ? ordered_json(*run.test_error) : nullptr},
                          {"seconds", run.seconds ? ordered_json(*run.seconds) : nullptr},
                          {"note", run.note}});
    }
    const auto& recipe = row.recipe;
    ordered_json object = {{"recipe", recipe.name}, {"kind", runs::kind_of(recipe)}};
    object["labels"] =
        recipe.labels == data::kAllLabels ? ordered_json("all") : ordered_json(recipe.labels);
    object["published"] = nullptr;
    if (recipe.published) {
      const std::optional<double> spread = recipe.published->std;
      object["published"] = {{"mean", recipe.published->mean},
                             {"std", spread ? ordered_json(*spread) : ordered_json(nullptr)}};
    }
    object["ours"] = nullptr;
    if (const auto summary = row.summary()) {
      object["ours"] = {{"mean", summary->mean},     {"std", summary->std},
                        {"median", summary->median}, {"min", summary->min},
                        {"max", summary->max},       {"runs", summary->values.size()}};
    }
    object["runs"] = std::move(run_list);
    object["other_seeds"] = row.other_seeds;
    rows.push_back(std::move(object));
  }
  ordered_json object = {{"table", table.name}, {"title", table.title}, {"seeds", table.seeds}};
  object["rows"] = std::move(rows);
  return object;
}

}  // namespace ladder::apps
