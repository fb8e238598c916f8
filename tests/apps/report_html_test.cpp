#include "apps/support/report/report_html.h"

#include <algorithm>
#include <string>
#include <vector>

#include "tests/apps/sample_report.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/paths.h"
#include "tests/support/program.h"
#include "tests/support/run_files.h"

using namespace ladder;
using namespace ladder::testing;

namespace {

bool holds(const std::string& page, const std::string& part) {
  return page.find(part) != std::string::npos;
}

// The part of a page from the section `id` to the next one.
std::string section_of(const std::string& page, const std::string& id) {
  const auto at = page.find("<section id='" + id + "'");
  if (at == std::string::npos) return "";
  return page.substr(at, page.find("</section>", at) - at);
}

}  // namespace

TEST_CASE("report_html: says the outcome first, with its interval and what it is beside",
          "[apps]") {
  apps::ReportData data;
  data.title = "Digits";
  data.runs = {{.name = "seed 1", .rows = 400, .wrong = 12}};
  data.baselines.labels_alone = 12.0;
  const auto page = apps::report_html(data);
  const auto outcome = section_of(page, "outcome");
  CHECK(holds(outcome, "Error on 400 test rows"));
  CHECK(holds(outcome, "<p class='big'>3.0<span>%</span></p>"));
  // wilson_interval(12, 400)
  CHECK(holds(outcome,
              "wrong on 12 of 400 test rows. With 95 % confidence its error on such rows "
              "lies between 1.7 and 5.2 %."));
  CHECK(holds(outcome,
              "The labels alone give 12.0 %: the unlabeled rows remove 75 of every 100 "
              "errors."));
  for (const char* id : {"curves", "classes", "data", "settings"}) {
    CHECK(page.find("<section id='outcome'") < page.find(std::string("<section id='") + id));
  }
}

TEST_CASE("report_html: draws no conclusion that the rows do not carry", "[apps]") {
  apps::ReportData data;
  data.runs = {{.name = "seed 1", .rows = 400, .wrong = 12}};
  const auto verdict = [&](double labels_alone) {
    data.baselines.labels_alone = labels_alone;
    return section_of(apps::report_html(data), "outcome");
  };
  CHECK(
      holds(verdict(4.5), "which is within the uncertainty of the rows measured: do not conclude"));
  // wilson_interval(0, 400) ends at 1.0 %, that of 4 rows at 2.5 % and that of 12 begins at 1.7 %.
  CHECK(holds(verdict(0.0), "which is better: the unlabeled rows do harm here."));
  CHECK(
      holds(verdict(1.0), "which is within the uncertainty of the rows measured: do not conclude"));

  // Of rows that only one network gets wrong, 6 to 0 are less likely than 5 %, 5 to 0 are not.
  data.runs = {{.name = "seed 1", .rows = 150, .wrong = 1}};
  data.baselines.wrong_alone = {1, 0};
  CHECK(
      holds(verdict(0.0), "which is within the uncertainty of the rows measured: do not conclude"));
  data.runs[0].wrong = 6;
  data.baselines.wrong_alone = {6, 0};
  CHECK(holds(verdict(0.0), "which is better: the unlabeled rows do harm here."));
  data.runs[0].wrong = 5;
  data.baselines.wrong_alone = {5, 0};
  CHECK(holds(verdict(0.0), "which is within the uncertainty"));
  data.runs[0].wrong = 20;
  data.baselines.wrong_alone = {4, 14};
  CHECK(holds(verdict(20.0), "the unlabeled rows remove 33 of every 100 errors."));
  data.baselines.wrong_alone.reset();
  data.runs = {{.name = "seed 1", .rows = 400, .wrong = 12}};

  data.baselines.labels_alone.reset();
  CHECK(holds(section_of(apps::report_html(data), "outcome"),
              "No network was trained on the labels alone"));
  data.runs[0].rows.reset();
  const auto page = apps::report_html(data);
  CHECK(holds(section_of(page, "outcome"), "not measured"));
  CHECK_FALSE(holds(page, "<section id='seeds'"));
  data.rows_unseen = false;
  data.runs[0].rows = 400;
  CHECK(holds(section_of(apps::report_html(data), "outcome"),
              "Training used these rows: expect more errors on new ones."));
}

TEST_CASE("report_html: sets seeds beside each other", "[apps]") {
  apps::ReportData data;
  for (int seed = 1; seed <= 3; ++seed) {
    data.runs.push_back(
        {.name = "seed " + std::to_string(seed), .rows = 10000, .wrong = 90 + 10 * seed});
  }
  const auto page = apps::report_html(data);
  CHECK(holds(section_of(page, "outcome"),
              "Mean error of 3 seeds on 10,000 test rows. Single seeds "
              "range from 1.00 to 1.20 %; their standard deviation is "
              "0.10 %."));
  const auto seeds = section_of(page, "seeds");
  CHECK(holds(seeds,
              "The median error is 1.10 %. All seeds lie in the interval that the number of "
              "rows alone leaves open"));
  for (const char* name : {"seed 1", "seed 2", "seed 3"}) {
    CHECK(holds(seeds, std::string("<th scope='row'>") + name + "</th>"));
  }
  data.runs[2].wrong = 300;
  CHECK(holds(section_of(apps::report_html(data), "seeds"), "the seed matters"));
}

TEST_CASE("report_html: sets no baseline beside seeds that are measured on other rows each",
          "[apps]") {
  apps::ReportData data;
  data.rows_name = "held-back rows";
  data.own_rows = true;
  data.baselines.labels_alone = 20.0;
  data.baselines.majority = 50.0;
  for (int seed = 1; seed <= 3; ++seed) {
    data.runs.push_back({.name = "seed " + std::to_string(seed), .rows = 40, .wrong = seed});
  }
  const auto outcome = section_of(apps::report_html(data), "outcome");
  CHECK(holds(outcome, "Error on 40 held-back rows of each seed"));
  CHECK(holds(outcome, "Mean error of 3 seeds, each on 40 held-back rows of its own. Single"));
  CHECK(holds(outcome, "this page does not set what the labels alone give"));
  CHECK_FALSE(holds(outcome, "<div class='compare'>"));
  data.runs.resize(1);
  data.baselines.labels_alone = 40.0;
  const auto alone = section_of(apps::report_html(data), "outcome");
  CHECK(holds(alone, "wrong on 1 of 40 held-back rows."));
  CHECK(holds(alone, "The labels alone give 40.0 %: the unlabeled rows remove"));
  CHECK(holds(alone, "<div class='compare'>"));
}

TEST_CASE("report_html: says where a reader would look what is missing", "[apps]") {
  apps::ReportData data;
  data.runs = {{.name = "seed 1"}};
  const auto page = apps::report_html(data);
  CHECK(holds(section_of(page, "curves"), "recorded no evaluation"));
  CHECK(holds(section_of(page, "classes"), "there is no confusion matrix"));
  CHECK(holds(section_of(page, "certainty"), "Probabilities were not measured"));
  CHECK(holds(section_of(page, "learned"),
              "The denoising functions and the top hidden layer were not "
              "measured"));
  CHECK(holds(section_of(page, "data"), "does not describe its data"));
  CHECK(holds(section_of(page, "settings"), "has no settings"));
  data.lambda = {0, 0};
  data.runs[0].evaluations.push_back({.epoch = 1, .step = 10, .supervised = 0.5, .total = 0.5});
  const auto once = apps::report_html(data);
  CHECK(holds(section_of(once, "curves"), "There is one evaluation, so there are no curves."));
  CHECK(holds(section_of(once, "learned"), "has no decoder, so it has no denoising functions"));
  data.runs[0].evaluations.push_back({.epoch = 2, .step = 20, .supervised = 0.4, .total = 0.4});
  const auto twice = section_of(apps::report_html(data), "curves");
  CHECK(holds(twice, "No errors were measured during training"));
  CHECK(holds(twice, "This network has no decoder"));
  data.runs = {{.name = "seed 1"}, {.name = "seed 2"}};  // the first was stopped at once
  data.runs[1].evaluations = {{.epoch = 1, .step = 10, .supervised = 0.75, .total = 0.75}};
  const auto second = section_of(apps::report_html(data), "curves");
  CHECK(holds(second, "There is one evaluation, so there are no curves."));
  CHECK(holds(second, "0.75"));
  CHECK(error_text([] { apps::report_html({}); }) ==
        "report_html: expected at least one run but got none.");
}

TEST_CASE("report_html: names what was not read under the data", "[apps]") {
  apps::ReportData data;
  data.runs = {{.name = "seed 1"}};
  CHECK_FALSE(holds(section_of(apps::report_html(data), "data"), "could not be read"));
  data.data.notes = {"a class is left out because no picture of it can be read: '<b>' (2 files)"};
  data.data.unread = {"read_image_folder: expected X but got <Y>: Z in a/1.png."};
  auto section = section_of(apps::report_html(data), "data");
  CHECK(holds(section, "<p>A class is left out because no picture of it can be read: "));
  CHECK(holds(section, "&lt;b&gt;"));
  CHECK(holds(section, "<p>1 file could not be read and is left out.</p>"));
  CHECK(holds(section, "<li>expected X but got &lt;Y&gt;: Z in a/1.png.</li>"));
  data.data.unread.resize(1200, "expected X but got Y: Z in a/2.png.");
  data.data.notes.resize(23, "a note");
  section = section_of(apps::report_html(data), "data");
  CHECK(holds(section, "<p>1,200 files could not be read and are left out.</p>"));
  CHECK(holds(section, "<summary>The first 100 of these files</summary>"));
  CHECK(holds(section, "<li>expected X but got Y: Z in a/2.png.</li>"));
  CHECK(holds(section, "<p>3 notes more.</p>"));
}

TEST_CASE("report_html: says that an error still falls where enough rows show it", "[apps]") {
  apps::ReportData data;
  data.runs = {{.name = "seed 1"}};
  const auto sentence = [&](double before, int64_t rows) {
    data.runs[0].evaluations.clear();
    for (int64_t epoch = 1; epoch <= 4; ++epoch) {
      train::Evaluation evaluation{.epoch = epoch, .step = epoch};
      evaluation.validation_error = epoch == 1 ? 50 : epoch < 4 ? before : 25;
      data.runs[0].evaluations.push_back(evaluation);
    }
    data.data.validation_rows = rows;
    return section_of(apps::report_html(data), "curves");
  };
  const std::string first = "The validation error is lowest at the end (25.00 %, after ";
  CHECK(holds(sentence(100.0 / 3, 12), first + "33.33 % at epoch 3). That is 1 row of 12, which "
                                               "may be chance: it does not show that more epochs "
                                               "would help."));
  // Two-sided sign test: 5 rows to 0 have a chance of 6 %, 6 to 0 of 3 %.
  CHECK(holds(sentence(30, 100), "That is 5 rows of 100, which may be chance"));
  CHECK(holds(sentence(31, 100),
              first + "31.00 % at epoch 3): it is still falling, and more epochs may help."));
  CHECK(holds(sentence(30, 0), "it is still falling"));  // of rows that nobody counted
  CHECK(holds(sentence(25.1, 1000), "hardly changes any more: training was long enough"));
  CHECK(holds(sentence(25.1, 24), "hardly changes any more"));  // all 6 wrong rows could be right
  CHECK(holds(sentence(25.1, 12),
              "The validation error is lowest at the end, 25.00 %. That is 3 wrong rows of 12, too "
              "few to show whether more epochs would help."));
  CHECK_FALSE(holds(sentence(25.1, 12), "long enough"));
}

TEST_CASE("report_html: rows that are held back are among those of the classes", "[apps]") {
  apps::ReportData data;
  data.runs = {{.name = "seed 1"}};
  data.data.labeled_rows = 142;
  data.data.validation_rows = 16;
  data.data.class_counts = {100, 40, 10, 8};
  const auto part = [&] { return section_of(apps::report_html(data), "data"); };
  CHECK(holds(part(), "Labeled rows of each of the 4 classes: the largest has"));
  CHECK(holds(part(), "Together they are 158 rows, of which 142 train and 16 are held back."));
  CHECK(holds(part(), "Validation rows have a label, too: they are held back from training"));
  data.data.labeled_rows = 158;
  data.data.validation_rows = 0;
  CHECK_FALSE(holds(part(), "held back"));
}

TEST_CASE("report_html: says what the least sure rows are for, and how they are counted",
          "[apps]") {
  apps::ReportData data;
  data.runs = {{.name = "seed 1"}};
  data.unsure = {{.name = "row 12", .label = "a", .top = {{"a", 0.5}}},
                 {.name = "row 3", .label = "b", .top = {{"a", 0.5}}}};
  const auto part = [&] { return section_of(apps::report_html(data), "certainty"); };
  CHECK(holds(part(), "Wrong labels are often found among such rows, so check them."));
  CHECK_FALSE(holds(part(), "A label for a row"));  // all have one
  CHECK_FALSE(holds(part(), "counted from 1"));
  data.rows_from = "sensor.csv";
  CHECK(
      holds(part(), "Rows are counted from 1 in sensor.csv, without the header and empty lines."));
  data.unsure[1].label.clear();
  CHECK(holds(part(), "A label for a row without one teaches the network most here."));
}

TEST_CASE("report_html: writes names from data as text", "[apps]") {
  const std::string evil = "<script>alert('1')</script>\x1b\xff&\"";
  auto data = sample_report({.classes = 3, .rows = 50, .seeds = 2, .columns = 3});
  data.title = data.subtitle = data.date = data.rows_name = evil;
  for (auto& name : data.classes) name = evil;
  for (auto& run : data.runs) run.name = run.status = evil;
  for (auto& row : data.unsure) {
    row.name = row.label = evil;
    for (auto& [name, p] : row.top) name = evil;
  }
  for (auto& column : data.data.columns) {
    column.name = column.kind = column.dropped = column.summary = evil;
  }
  data.data.source = data.data.inputs = data.rows_from = evil;
  data.baselines = {.labels_alone = 50,
                    .labels_alone_note = evil,
                    .majority = 60,
                    .majority_class = evil,
                    .published = 1,
                    .published_note = evil};
  for (auto& level : data.levels) level = evil;
  data.runs[0].evaluations.back().others[evil] = 1;
  data.settings = data.environment = {{evil, evil}};
  data.commands = data.warnings = {evil};
  const auto page = apps::report_html(data);
  CHECK_FALSE(holds(page, "<script"));
  CHECK_FALSE(holds(page, "\x1b"));
  CHECK_FALSE(holds(page, "\xff"));
  CHECK(holds(page, "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"));
}

TEST_CASE("report_html: is one file that loads nothing, of a bounded size", "[apps]") {
  for (const auto& [name, data] : sample_reports()) {
    INFO(name);
    const auto page = apps::report_html(data);
    CHECK(page.size() < 2'000'000);
    CHECK(page.starts_with("<!doctype html>\n<html lang='en'>"));
    CHECK(page.ends_with("</html>\n"));
    CHECK_FALSE(holds(page, "http:"));
    CHECK_FALSE(holds(page, "https:"));
    CHECK(holds(page, "default-src 'none'; style-src 'unsafe-inline'; img-src data:"));
    CHECK_FALSE(holds(page, "<script"));
    for (const char* number : {"nan", "inf"}) {
      for (const char* before : {" ", ",", "'", ">", "M", "L", "-"}) {
        for (const char* after : {" ", ",", "'", "<", "h0", "%"}) {
          CHECK_FALSE(holds(page, std::string(before) + number + after));
        }
      }
    }
  }
}

TEST_CASE("report_html: makes large pictures small", "[apps]") {
  auto data = sample_report();
  torch::manual_seed(4);
  for (auto& row : data.unsure) row.picture = torch::randint(256, {3, 400, 600}).to(torch::kUInt8);
  data.reconstructions =
      apps::Reconstructions{torch::rand({10, 3, 200, 200}), torch::rand({10, 3, 200, 200}),
                            torch::rand({10, 3, 200, 200})};
  CHECK(apps::report_html(data).size() < 1'500'000);
}

TEST_CASE("report_html: names the most confused classes where a matrix is too large", "[apps]") {
  const auto few = section_of(apps::report_html(sample_report({.classes = 10})), "classes");
  CHECK(holds(few, "<table class='matrix"));
  const auto more = section_of(apps::report_html(sample_report({.classes = 40})), "classes");
  CHECK_FALSE(holds(more, "<table class='matrix"));
  CHECK(holds(more, "<svg class='heat'"));
  CHECK(holds(more, "<summary>All 40 classes</summary>"));
  const auto many =
      section_of(apps::report_html(sample_report({.classes = 1000, .rows = 3000})), "classes");
  CHECK_FALSE(holds(many, "<svg class='heat'"));
  CHECK(holds(many, "A matrix of 1,000 classes is too large to read"));
  CHECK(holds(many, "Most frequent confusions."));
}

TEST_CASE("report_html: is readable in a browser, wide and narrow, light and dark",
          "[apps][slow]") {
  const TemporaryFolder folder;
  Arguments command = {"/usr/bin/env", "python3",
                       (source_folder() / "tests/browser/report_check.py").string()};
  for (const auto& [name, data] : sample_reports()) {
    command.push_back(write_file(folder / (name + ".html"), apps::report_html(data)).string());
  }
  const auto outcome = run_to_end(command);
  if (outcome.status == 77 || outcome.status == 127) LADDER_SKIP("no python3 or no Chromium");
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 0);
  CHECK(holds(outcome.out, " reports, 0 faults\n"));
}

TEST_CASE("report_check.py: finds the faults that it looks for", "[apps][slow]") {
  struct Page {
    std::string body, style, sentence;
  };
  const std::vector<Page> pages = {
      {"<div class='w'>x</div>", ".w { width: 2000px }", "the page scrolls sideways"},
      {"<p style='color: #999'>pale</p>", "", "contrast 2.85 below 4.5"},
      {"<p style='position: absolute; top: 12px; margin: 0'>over</p>", "h1 { margin: 0 }",
       "texts overlap"},
      {"<p class='c'><span>0123456789</span></p>",
       ".c { width: 30px; overflow: hidden; white-space: nowrap }", "text is cut off"},
      {"<svg class='plot' viewBox='0 0 100 40' role='img'><title>t</title><text x='80' y='20' "
       "font-size='11'>too long</text></svg>",
       "", "text reaches out of its plot"},
      {"<svg viewBox='0 0 9 9'><rect class='f' fill='#eee' width='9' height='9'/></svg>", "",
       "contrast 1.16 below 3"},
      {"<script>1</script>", "", "a <script> element"},
      {"<img alt='x' src='https://localhost/x.png'>", "", "loads https://localhost/x.png"},
      {"<h3>deep</h3>", "", "heading of level 3 after level 1"},
  };
  const TemporaryFolder folder;
  Arguments command = {"/usr/bin/env", "python3",
                       (source_folder() / "tests/browser/report_check.py").string()};
  const auto add_page = [&](const std::string& name, const std::string& body,
                            const std::string& style) {
    command.push_back(
        write_file(folder / name,
                   "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta "
                   "name='viewport' content='width=device-width, initial-scale=1'><title>t</title>"
                   "<style>" +
                       style + "</style></head><body><h1>Title</h1>" + body + "</body></html>")
            .string());
  };
  const auto name_of = [](size_t i) { return "page-" + std::to_string(i) + ".html"; };
  for (size_t i = 0; i < pages.size(); ++i) add_page(name_of(i), pages[i].body, pages[i].style);
  add_page("fine.html", "<p>Fine.</p>", "");
  // One browser for all.
  const auto outcome = run_to_end(command);
  if (outcome.status == 77 || outcome.status == 127) LADDER_SKIP("no python3 or no Chromium");
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 1);
  CHECK_FALSE(holds(outcome.out, "fine.html"));
  const auto lines = lines_of(outcome.out);
  for (size_t i = 0; i < pages.size(); ++i) {
    INFO(pages[i].body);
    CHECK(std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
      return line.starts_with(name_of(i)) && holds(line, pages[i].sentence);
    }));
  }
}
