// Published tables have the test errors of the recorded runs. A row of a table is checked if its
// first cell links what it shows: a folder of results/ (errors of its seeds) or a run in one
// (errors by epoch).
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/files_below.h"
#include "tests/support/paths.h"
#include "tests/support/temporary_folder.h"

namespace {

namespace fs = std::filesystem;
using ladder::testing::file_bytes;
using ladder::testing::files_below;
using ladder::testing::source_folder;
using nlohmann::json;

using Cells = std::vector<std::string>;

struct RecordedRun {
  json config, result;
  std::map<int, json> evaluations;  // by epoch
};

using Seeds = std::map<int, RecordedRun>;

// By folder and seed.
std::map<std::string, Seeds> recorded_runs() {
  std::map<std::string, Seeds> found;
  for (const auto& path : files_below(source_folder() / "results")) {
    if (path.filename() != "result.json") continue;
    const auto place = path.parent_path();
    INFO(place);
    REQUIRE(place.filename().string().starts_with("seed-"));
    RecordedRun run{.config = json::parse(file_bytes(place / "config.json")),
                    .result = json::parse(file_bytes(path)),
                    .evaluations = {}};
    std::ifstream metrics(place / "metrics.jsonl");
    for (std::string line; std::getline(metrics, line);) {
      const auto one = json::parse(line);
      run.evaluations[one.at("epoch")] = one;
    }
    const auto seed = run.config.at("seed").get<int>();
    CHECK(place.filename() == "seed-" + std::to_string(seed));
    found[place.parent_path().filename().string()][seed] = run;
  }
  return found;
}

struct Row {
  int line = 0;
  Cells head, cells;  // as many of both
};

// Rows of all tables of a page.
std::vector<Row> rows_of(const std::string& page) {
  std::vector<Row> rows;
  std::istringstream lines(page);
  Cells head;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (!line.starts_with('|')) {
      head.clear();
      continue;
    }
    Cells cells;
    std::istringstream in(line.substr(1));
    for (std::string cell; std::getline(in, cell, '|');) {
      const auto begin = cell.find_first_not_of(' ');
      const auto end = cell.find_last_not_of(' ');
      cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1));
    }
    if (head.empty()) {
      head = cells;
    } else if (!cells.front().starts_with("---")) {
      INFO("line " << number);
      REQUIRE(cells.size() == head.size());
      rows.push_back({number, head, cells});
    }
  }
  return rows;
}

// "1 to 3, 7" names four seeds.
std::set<int> seeds_in(const std::string& text) {
  static const std::regex kRange(R"((\d+)(?: to (\d+))?)");
  std::set<int> seeds;
  for (std::sregex_iterator range(text.begin(), text.end(), kRange), end; range != end; ++range) {
    const int first = std::stoi((*range)[1]);
    const int last = (*range)[2].matched ? std::stoi((*range)[2]) : first;
    for (int seed = first; seed <= last; ++seed) seeds.insert(seed);
  }
  return seeds;
}

// Whether a text begins with a number that is `value`, rounded to the places that it shows.
bool shows(const std::string& text, double value) {
  static const std::regex kNumber(R"(\**(?=[\d.])(\d*)(?:\.(\d+))?\**(?:,| .*|, .*)?)");
  std::smatch number;
  if (!std::regex_match(text, number, kNumber)) return false;
  const double half = 0.5 * std::pow(10.0, -static_cast<double>(number[2].length()));
  const double shown = std::stod("0" + number[1].str() + "." + number[2].str());
  return std::abs(shown - value) <= half + 1e-9;  // both ways where it lies halfway
}

struct Summary {
  double mean = 0, std = 0, median = 0, worst = 0;
};

Summary summary_of(std::vector<double> errors) {
  std::sort(errors.begin(), errors.end());
  const auto n = errors.size();
  Summary all{.median = (errors[(n - 1) / 2] + errors[n / 2]) / 2, .worst = errors.back()};
  for (const double error : errors) all.mean += error / static_cast<double>(n);
  for (const double error : errors) all.std += std::pow(error - all.mean, 2);
  all.std = n > 1 ? std::sqrt(all.std / static_cast<double>(n - 1)) : 0;
  return all;
}

// "1.17 +- .37, median 1.11"; a spread only from three seeds on.
void check_mean(const std::string& text, const Summary& all, size_t seeds) {
  CHECK(shows(text, all.mean));
  const auto spread = text.find(" +- ");
  CHECK((spread != std::string::npos) == (seeds > 2));
  if (spread != std::string::npos) CHECK(shows(text.substr(spread + 4), all.std));
  const std::string kMedian = "median ";
  const auto median = text.find(kMedian);
  if (median != std::string::npos) CHECK(shows(text.substr(median + kMedian.size()), all.median));
}

// Check the errors of a folder's seeds, and return the seeds: those that the row lists, or as many
// as it says, from the first on.
std::set<int> check_folder_row(const Row& row, const Seeds& recorded) {
  std::map<std::string, std::string> cell;
  for (size_t c = 1; c < row.cells.size(); ++c) {
    const auto& head = row.head[c];
    const auto has = [&](const char* words) { return head.find(words) != std::string::npos; };
    if (has("published")) continue;
    const bool is_named = head == "seeds" || head == "worst";
    INFO("column " << head);
    REQUIRE((is_named || has("mean") || has("each seed")));
    cell[is_named ? head : has("mean") ? "mean" : "each"] = row.cells[c];
  }
  std::set<int> seeds;
  if (cell.contains("each")) {
    seeds = seeds_in(cell["seeds"]);
  } else {
    for (const auto& [seed, run] : recorded) {
      if (seeds.size() < static_cast<size_t>(std::stoi(cell.at("seeds")))) seeds.insert(seed);
    }
    CHECK(std::to_string(seeds.size()) == cell["seeds"]);
  }
  REQUIRE_FALSE(seeds.empty());
  std::vector<double> errors;
  for (const int seed : seeds) {
    INFO("seed " << seed);
    REQUIRE(recorded.contains(seed));
    errors.push_back(recorded.at(seed).result.at("test_error"));
  }
  static const std::regex kListed(R"(.*\): ([\d., ]+))");  // behind the link
  if (std::smatch listed; std::regex_match(row.cells.front(), listed, kListed)) {
    cell["each"] = listed[1];
  }
  if (cell.contains("each")) {
    std::istringstream in(cell["each"]);
    Cells shown;
    for (std::string one; in >> one;) shown.push_back(one);
    REQUIRE(shown.size() == errors.size());
    for (size_t i = 0; i < errors.size(); ++i) CHECK(shows(shown[i], errors[i]));
  }
  const auto all = summary_of(errors);
  if (!cell["mean"].empty()) check_mean(cell["mean"], all, errors.size());
  if (!cell["worst"].empty()) CHECK(shows(cell["worst"], all.worst));
  return seeds;
}

// Check errors by epoch, and the two classes that are confused most. Return the number of errors.
int check_run_row(const Row& row, const RecordedRun& run) {
  const bool validation =
      (row.head.front() + row.cells.front()).find("validation") != std::string::npos;
  const char* kind = validation ? "validation_error" : "test_error";
  static const std::set<std::string> kOthers = {"", "moved", "teacher"};
  int errors = 0;
  for (size_t c = 1; c < row.cells.size(); ++c) {
    const auto& head = row.head[c];
    const auto& cell = row.cells[c];
    if (cell.empty()) continue;
    INFO("column " << head);
    if (!head.empty() && head.find_first_not_of("0123456789") == std::string::npos) {
      REQUIRE(run.evaluations.contains(std::stoi(head)));
      CHECK(shows(cell, run.evaluations.at(std::stoi(head)).at(kind)));
      ++errors;
    } else if (head == "test") {
      CHECK(shows(cell, run.result.at("test_error")));
      ++errors;
    } else if (head != "confused most") {
      CHECK(kOthers.contains(head));
    } else {
      const auto& pair = run.result.at("last").at("confused");
      std::ostringstream text;
      text << pair.at("label") << " as " << pair.at("prediction") << ": " << pair.at("rows");
      CHECK(cell == text.str());
    }
  }
  return errors;
}

struct Place {
  std::string folder;
  std::optional<int> seed;
};

std::optional<Place> linked(const std::string& cell) {
  static const std::regex kLink(R"(\]\((?:\.\./)?results/([^)/]+)(?:/seed-(\d+))?\))");
  std::smatch link;
  if (!std::regex_search(cell, link, kLink)) return std::nullopt;
  return Place{link[1], link[2].matched ? std::optional(std::stoi(link[2])) : std::nullopt};
}

}  // namespace

TEST_CASE("Published errors are those of the recorded runs", "[docs]") {
  const auto recorded = recorded_runs();
  std::map<std::string, std::set<int>> shown;
  int errors = 0;
  for (const char* page : {"README.md", "docs/results.md", "docs/earlier-forms.md"}) {
    for (const auto& row : rows_of(file_bytes(source_folder() / page))) {
      const auto place = linked(row.cells.front());
      if (!place) continue;
      INFO(page << ", line " << row.line << ": " << row.cells.front());
      REQUIRE(recorded.contains(place->folder));
      const auto& seeds = recorded.at(place->folder);
      if (place->seed) {
        REQUIRE(seeds.contains(*place->seed));
        const int shown_there = check_run_row(row, seeds.at(*place->seed));
        CHECK(shown_there > 0);
        errors += shown_there;
        shown[place->folder].insert(*place->seed);
      } else {
        shown[place->folder].merge(check_folder_row(row, seeds));
      }
    }
  }
  CHECK(errors > 1000);

  // No run is recorded and not shown.
  for (const auto& [folder, seeds] : recorded) {
    for (const auto& [seed, run] : seeds) {
      INFO(folder << ", seed " << seed);
      CHECK(shown[folder].contains(seed));
    }
  }
}

TEST_CASE("Recorded runs are complete, and their list names each", "[docs]") {
  const auto recorded = recorded_runs();
  for (const auto& [folder, seeds] : recorded) {
    for (const auto& [seed, run] : seeds) {
      INFO(folder << ", seed " << seed);
      CHECK(run.result.at("status") == "finished");
      CHECK(run.result.at("seed") == seed);
      REQUIRE_FALSE(run.evaluations.empty());
      const auto& [epoch, last] = *run.evaluations.rbegin();
      CHECK(epoch == run.config.at("epochs"));
      CHECK(last.at("test_error") == run.result.at("test_error"));
      if (folder.ends_with("-bfloat16")) CHECK(run.config.at("precision") == "bfloat16");
    }
  }

  static const std::regex kFolder("`([^`]+)`");
  std::set<std::string> named;
  for (const auto& row : rows_of(file_bytes(source_folder() / "results/README.md"))) {
    if (row.head.front() != "folder") continue;
    const auto column = [&](const char* head) {
      return static_cast<size_t>(std::find(row.head.begin(), row.head.end(), head) -
                                 row.head.begin());
    };
    const auto& first = row.cells.front();
    for (std::sregex_iterator one(first.begin(), first.end(), kFolder), end; one != end; ++one) {
      const auto folder = (*one)[1].str();
      INFO("results/README.md, line " << row.line << ": " << folder);
      CHECK(named.insert(folder).second);
      REQUIRE(recorded.contains(folder));
      std::set<int> seeds;
      const auto precision = column("precision");
      for (const auto& [seed, run] : recorded.at(folder)) {
        seeds.insert(seed);
        if (precision == row.head.size()) continue;
        CHECK(run.config.at("precision") == row.cells[precision]);
        CHECK(run.config.at("recipe") == folder);
      }
      CHECK(seeds_in(row.cells[column("seeds")]) == seeds);
    }
  }
  for (const auto& [folder, seeds] : recorded) {
    INFO(folder);
    CHECK(named.contains(folder));
  }
}

TEST_CASE("Published table has the recorded runs", "[docs]") {
  const auto recorded = recorded_runs();
  const auto table = json::parse(file_bytes(source_folder() / "results/table.json"));
  for (const auto& row : table.at("rows")) {
    const auto recipe = row.at("recipe").get<std::string>();
    size_t finished = 0;
    for (const auto& run : row.at("runs")) {
      INFO(recipe << ", seed " << run.at("seed"));
      if (run.at("state") != "finished") continue;
      ++finished;
      REQUIRE(recorded.contains(recipe));
      REQUIRE(recorded.at(recipe).contains(run.at("seed")));
      CHECK(recorded.at(recipe).at(run.at("seed")).result.at("test_error") == run.at("test_error"));
    }
    size_t expected = 0;
    if (recorded.contains(recipe)) {
      for (const int seed : table.at("seeds")) expected += recorded.at(recipe).count(seed);
    }
    INFO(recipe);
    CHECK(finished == expected);
  }
}

TEST_CASE("Published errors: a wrong figure is found", "[docs]") {
  CHECK(shows(".97", 0.966));
  CHECK(shows("**2.61**", 2.61));
  CHECK(shows("10", 10.4));
  CHECK(shows(".85, .90", 0.845));
  CHECK(shows("1.42 +- .67", 1.42));
  CHECK_FALSE(shows(".97", 0.96));
  CHECK_FALSE(shows("1,06", 1.06));
  CHECK_FALSE(shows(".9x", 0.9));
  CHECK_FALSE(shows("", 0));
  CHECK(seeds_in("1 to 3 on a CPU, 7") == std::set<int>{1, 2, 3, 7});

  const auto rows = rows_of("text\n| seed | 5 |\n|---|---|\n| [1](../results/a/seed-1) | .9 |\n");
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].line == 4);
  CHECK(rows[0].cells.back() == ".9");
  const auto place = linked(rows[0].cells.front());
  REQUIRE(place);
  CHECK(place->folder == "a");
  CHECK(place->seed == 1);
  CHECK_FALSE(linked("[1](../docs/a.md)"));

  const auto all = summary_of({1.0, 2.0, 6.0});
  CHECK(shows("3.00", all.mean));
  CHECK(shows("2.65", all.std));  // sqrt((4 + 1 + 9) / 2)
  CHECK(shows("2.00", all.median));
  CHECK(shows("6", all.worst));
}
