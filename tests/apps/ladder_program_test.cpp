// The program `ladder`: from a table to a model, predictions, numbers and files.
#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <ladder/data/arrow.h>
#include <ladder/data/datasets.h>
#include <ladder/data/internal/image_codec.h>
#include <ladder/io/tensor_file.h>
#include <ladder/runs/seed_summary.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/data/npy_files.h"
#include "tests/data/png_files.h"
#include "tests/support/catch.h"
#include "tests/support/files_below.h"
#include "tests/support/paths.h"
#include "tests/support/program.h"
#include "tests/support/python.h"
#include "tests/support/run_files.h"

namespace {

namespace fs = std::filesystem;
using namespace ladder::testing;

// Rows of two clouds along x and y; a label for the first `labeled` rows. They reach 1.25 to each
// side and lie `apart` from each other.
void write_clouds(const fs::path& path, int rows, int labeled, int first = 0, double apart = 4) {
  std::ofstream out(path);
  out << "id,x,y,color,kind\n";
  for (int i = first; i < first + rows; ++i) {
    const int is = i % 2;
    const int a = (i * 7919) % 101, b = (i * 104729) % 97;
    out << "r" << i << "," << is * apart + (a - 50) / 40.0 << "," << (b - 48) / 40.0 << ","
        << (i % 3 == 0 ? "red" : "green") << ","
        << (i - first < labeled ? (is == 0 ? "left" : "right") : "") << "\n";
  }
}

struct LadderPlace {
  TemporaryFolder folder;
  std::string at(const std::string& name) const { return (folder / name).string(); }

  Outcome run(const Arguments& arguments) const {
    return run_to_end(Arguments{program_path("ladder")} + arguments);
  }
  // A quick training run into RUN.
  Arguments train(const std::string& run) const {
    return {"train", at("train.csv"), "--label",   "kind",     "--ignore",
            "id",    "--epochs",      "10",        "--layers", "10",
            "--out", at(run),         "--threads", "1",        "--no-baseline"};
  }

  LadderPlace() {
    write_clouds(folder / "train.csv", 300, 20);
    write_clouds(folder / "test.csv", 100, 100, 1000);
  }
};

// Arguments of a run that is compared with the labels alone.
Arguments with_baseline(Arguments training) {
  std::erase(training, "--no-baseline");
  return training;
}

// Gray pictures of two classes, 12 of each.
void write_shades(const fs::path& path, uint32_t size) {
  for (const char* kind : {"dark", "light"}) {
    fs::create_directories(path / kind);
    for (int i = 0; i < 12; ++i) {
      write_file(path / kind / (std::to_string(i) + ".png"),
                 png_bytes({size, size, 8, 0},
                           std::vector<int>(size * size, (kind[0] == 'd' ? 40 : 200) + i)));
    }
  }
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> all;
  std::stringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) all.push_back(cell);
  return all;
}

}  // namespace

TEST_CASE("ladder: trains, predicts, evaluates, inspects and reports", "[cli]") {
  const LadderPlace place;
  const auto trained =
      place.run(place.train("run") + Arguments{"--test", place.at("test.csv"), "--quiet"});
  INFO(trained.err << trained.out);
  REQUIRE(trained.status == 0);
  CHECK(lines_of(trained.out).size() == 5);
  CHECK(trained.out.find("trained   300 rows, 20 of them labeled, 2 classes") != std::string::npos);
  for (const char* name : {"model.ladder", "report.html", "config.json", "metrics.jsonl",
                           "result.json", "evaluation.json", "MODEL.md"}) {
    INFO(name);
    CHECK(fs::file_size(place.folder / "run" / name) > 0);
  }

  const auto predicted = place.run(
      {"predict", place.at("run"), place.at("test.csv"), "--id", "id", "--probabilities"});
  INFO(predicted.err);
  REQUIRE(predicted.status == 0);
  const auto lines = lines_of(predicted.out);
  REQUIRE(lines.size() == 101);
  CHECK(lines[0] == "id,class,p:left,p:right");
  int right = 0;
  for (size_t i = 1; i < lines.size(); ++i) {
    const auto row = cells(lines[i]);
    REQUIRE(row.size() == 4);
    CHECK(row[0] == "r" + std::to_string(999 + i));
    right += row[1] == ((999 + i) % 2 == 0 ? "left" : "right") ? 1 : 0;
    const double left = std::stod(row[2]), other = std::stod(row[3]);
    CHECK(std::abs(left + other - 1) <= 4 * 0x1p-23);
    CHECK((row[1] == "left") == (left >= other));
  }
  CHECK(right >= 98);  // the clouds lie 4 apart and reach 1.25 to each side

  const auto to_file = place.run({"predict", place.at("run/model.ladder"), place.at("test.csv"),
                                  "--id", "id", "--probabilities", "-o", place.at("answers.csv")});
  CHECK(to_file.status == 0);
  CHECK(file_bytes(place.folder / "answers.csv") == predicted.out);

  const auto top = place.run({"predict", place.at("run"), place.at("test.csv"), "--top", "2"});
  CHECK(lines_of(top.out)[0] == "class,p,class2,p2");
  const auto best = place.run({"predict", place.at("run"), place.at("test.csv"), "--top", "1"});
  CHECK(lines_of(best.out)[0] == "class,p");
  CHECK(cells(lines_of(best.out)[1]).size() == 2);

  const auto evaluated = place.run({"evaluate", place.at("run"), place.at("test.csv"), "--json"});
  INFO(evaluated.err);
  REQUIRE(evaluated.status == 0);
  auto measured = nlohmann::json::parse(evaluated.out);
  CHECK(measured.at("left_out") == 0);
  measured.erase("left_out");
  CHECK(measured.at("rows") == 100);
  CHECK(measured.at("wrong") == 100 - right);
  CHECK(measured.at("confusion").size() == 2);
  CHECK(nlohmann::json::parse(file_bytes(place.folder / "run/evaluation.json")).at("test") ==
        measured);
  const auto text = place.run({"evaluate", place.at("run"), place.at("test.csv")});
  CHECK(text.out.find("balanced accuracy") != std::string::npos);

  const auto data = place.run({"inspect", place.at("train.csv"), "--label", "kind"});
  CHECK(data.status == 0);
  CHECK(data.out.find("2 classes, 20 labeled rows of 300") != std::string::npos);
  CHECK(data.out.find("not used: id (different in nearly every row)") != std::string::npos);
  const auto model = place.run({"inspect", place.at("run")});
  // The error that the run has printed comes first.
  const auto printed = trained.out.substr(std::string("error     ").size());
  const auto error = printed.substr(0, printed.find(", test rows\n"));
  CHECK(contains(error, " of 100 rows)"));
  CHECK(model.out.starts_with("test error     " + error + "\n"));
  CHECK(contains(file_bytes(place.folder / "run/MODEL.md"),
                 "| fact | value |\n|---|---|\n| test error | " + error + " |\n"));
  CHECK(model.out.find("classes        left, right") != std::string::npos);

  const auto report = place.run({"report", place.at("run"), "-o", place.at("page.html")});
  INFO(report.err);
  CHECK(report.status == 0);
  const auto page = file_bytes(place.folder / "page.html");
  CHECK_FALSE(contains(page, "<script"));
  // It tells what the run measured, as the page of the training does.
  const auto big = fmt::format("<p class='big'>{:.1f}<span>", measured.at("error").get<double>());
  CHECK(contains(page, "Error on 100 test rows"));
  CHECK(contains(page, big));
  CHECK(contains(file_bytes(place.folder / "run/report.html"), big));
}

TEST_CASE("ladder: more than 200 classes have their confused pairs in place of a matrix", "[cli]") {
  const LadderPlace place;
  // Multiples of 1/8, which shards hold as they are.
  const auto write = [&](const char* name, int rows) {
    std::ofstream out(place.folder / name);
    out << "x,y,kind\n";
    for (int i = 0; i < rows; ++i) {
      const int is = i % 201;
      out << is % 15 + (i * 7 % 5) / 8.0 << "," << is / 15 + (i * 3 % 5) / 8.0 << ",c" << is
          << "\n";
    }
  };
  write("few.csv", 402);
  write("many.csv", 10'050);  // more than are evaluated at once
  const auto trained = place.run({"train", place.at("few.csv"), "--label", "kind", "--validation",
                                  "0.5", "--epochs", "1", "--layers", "10", "--out",
                                  place.at("run"), "--threads", "1", "--no-baseline", "--quiet"});
  INFO(trained.err);
  REQUIRE(trained.status == 0);
  const auto held_back = read_json(place.folder / "run/evaluation.json").at("held_back");
  CHECK_FALSE(held_back.contains("confusion"));
  CHECK(held_back.at("classes").size() == 201);
  int64_t wrong = 0, most = held_back.at("rows");
  for (const auto& pair : held_back.at("confused")) {
    CHECK(pair.at(0) != pair.at(1));
    CHECK((pair.at(0) < 201 && pair.at(1) < 201));
    CHECK(pair.at(2).get<int64_t>() <= most);
    most = pair.at(2);
    wrong += most;
  }
  CHECK(wrong == held_back.at("wrong"));
  CHECK(place.run({"report", place.at("run"), "-o", place.at("page.html")}).status == 0);

  REQUIRE(place.run({"convert", place.at("many.csv"), "--label", "kind", "-o", place.at("shards")})
              .status == 0);
  const auto measured = [&](const char* data) {
    const auto outcome = place.run({"evaluate", place.at("run"), place.at(data), "--json"});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    return nlohmann::json::parse(outcome.out);
  };
  const auto of_shards = measured("shards");
  CHECK(of_shards.at("rows") == 10'050);
  CHECK(of_shards.contains("confused"));
  CHECK(of_shards == measured("many.csv"));
}

TEST_CASE("ladder report: replaces pages, but not those of the training nor other files", "[cli]") {
  const LadderPlace place;
  REQUIRE(place.run(place.train("run") + Arguments{"--quiet"}).status == 0);
  fs::create_symlink(place.folder / "run/report.html", place.folder / "link.html");
  const auto refused = [&](const std::string& file, const std::string& written) {
    INFO(file);
    const auto bytes = file_bytes(place.folder / written);
    const auto outcome = place.run({"report", place.at("run"), "-o", place.at(file)});
    CHECK(outcome.status == 2);
    CHECK(outcome.out.empty());
    CHECK(file_bytes(place.folder / written) == bytes);
    return one_sentence("ladder", outcome.err);
  };
  CHECK(refused("run/report.html", "run/report.html") ==
        "expected another file in -o than the page of `ladder train` but got " +
            place.at("run/report.html") + " (it shows more than the folder of a run tells).");
  CHECK(refused("link.html", "run/report.html")
            .starts_with("expected another file in -o than the page of `ladder train` but got "));
  CHECK(refused("run/model.ladder", "run/model.ladder") ==
        "expected a new file, or a page to replace, in -o but got " + place.at("run/model.ladder") +
            " (it is no page).");
  CHECK(refused("train.csv", "train.csv").ends_with(" (it is no page)."));
  const auto in_folder = run_to_end({"/bin/sh", "-c", "cd \"$1\" && exec \"$2\" report .", "sh",
                                     place.at("run"), program_path("ladder")});
  CHECK(in_folder.status == 2);
  CHECK(in_folder.err.find("but got report.html (it shows more") != std::string::npos);
  for (int time = 0; time < 2; ++time) {
    CHECK(place.run({"report", place.at("run"), "-o", place.at("run/page.html")}).status == 0);
  }
}

TEST_CASE("ladder train: double precision has a report, and a report that fails takes nothing away",
          "[cli]") {
  const LadderPlace place;
  const auto exact = place.run(
      place.train("exact") + Arguments{"--precision", "float64", "--validation", "0.3", "--quiet"});
  INFO(exact.err);
  CHECK(exact.status == 0);
  CHECK(contains(file_bytes(place.folder / "exact/report.html"), "Rows it is least sure of"));

  fs::create_directory(place.folder / "full");
  fs::create_symlink("/dev/full", place.folder / "full/report.html");
  const auto full = place.run(place.train("full") + Arguments{"--quiet"});
  CHECK(full.status == 1);
  CHECK(contains(full.out, "\nmodel     " + place.at("full/model.ladder") + "\n"));
  CHECK(contains(full.out, "error     not measured: no labeled rows were held back ("));
  CHECK_FALSE(contains(full.out, "report    "));
  CHECK(one_sentence("ladder", full.err) == "expected to write " + place.at("full/report.html") +
                                                " but got \"No space left on device\".");
}

TEST_CASE("ladder train: the report names the rows of folds", "[cli]") {
  const LadderPlace place;
  write_clouds(place.folder / "train.csv", 288, 0);
  write_clouds(place.folder / "labeled.csv", 12, 12, 288);
  const auto labeled = file_bytes(place.folder / "labeled.csv");
  write_file(place.folder / "train.csv",
             file_bytes(place.folder / "train.csv") + labeled.substr(labeled.find('\n') + 1));
  const auto outcome = place.run(place.train("run") + Arguments{"--folds", "3", "--quiet"});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const auto page = file_bytes(place.folder / "run/report.html");
  CHECK(contains(page, "Error on 12 labeled rows, each predicted by a network that was not"));
  const std::regex name("<p class='what'>row (\\d+)</p>");
  std::set<int> rows;
  for (std::sregex_iterator at(page.begin(), page.end(), name), end; at != end; ++at) {
    rows.insert(std::stoi((*at)[1]));
  }
  CHECK(rows == std::set<int>{289, 290, 291, 292, 293, 294, 295, 296, 297, 298, 299, 300});
  CHECK(
      contains(page, "Rows are counted from 1 in train.csv, without the header and empty lines."));
}

TEST_CASE("ladder train: tells where the folds stand, and their time", "[cli]") {
  const LadderPlace place;
  const auto outcome = place.run(with_baseline(place.train("run")) +
                                 Arguments{"--folds", "3", "--no-report", "--epochs", "3"});
  INFO(outcome.out << outcome.err);
  REQUIRE(outcome.status == 0);
  for (const std::string name : {"", "labels alone  "}) {
    for (int fold = 1; fold <= 3; ++fold) {
      const std::regex line(fmt::format(R"(\n{}fold {}/3  error so far \d+\.\d\d %  {} left\n)",
                                        name, fold, fold == 3 ? "0:00" : R"(\d+:\d\d)"));
      CHECK(std::regex_search(outcome.out, line));
    }
  }
  CHECK(std::regex_search(outcome.out, std::regex("training from the labels alone, \\d+ steps, "
                                                  "and 3 folds\n")));
  CHECK(std::regex_search(outcome.out, std::regex("2 classes, in \\d+:\\d\\d, folds included\n")));
}

TEST_CASE("ladder train: interrupted in the folds, it keeps the model and the folds", "[cli]") {
  const LadderPlace place;
  const auto command = Arguments{program_path("ladder")} + place.train("run") +
                       Arguments{"--folds", "3", "--no-report", "--epochs", "400"};
  Program program(command);
  REQUIRE(program.wait_until([&] { return contains(program.out(), "fold 1/3  error so far "); }));
  program.send(SIGINT);
  REQUIRE(program.wait() == 130);
  const auto told = program.out();
  INFO(told);
  std::smatch left;
  REQUIRE(std::regex_search(
      told, left, std::regex(R"(\(its error is missing: ([12]) of 3 folds are left\)\n)")));
  CHECK(contains(told, "\nmodel     " + place.at("run/model.ladder") + " (its error is missing: "));
  CHECK(contains(told, "interrupted by SIGINT, saved in " + place.at("run") + "; to go on:\n"));
  CHECK(place.run({"predict", place.at("run"), place.at("test.csv")}).status == 0);
  CHECK_FALSE(contains(place.run({"inspect", place.at("run")}).out, "\nerror "));

  const auto rest = run_to_end(command + Arguments{"--resume"});
  INFO(rest.out << rest.err);
  REQUIRE(rest.status == 0);
  CHECK_FALSE(contains(rest.out, "fold 1/3"));
  CHECK(contains(rest.out, "fold 3/3  error so far "));
  const auto inspected = place.run({"inspect", place.at("run")}).out;
  CHECK(contains(inspected, "% of 20 labeled rows (3 folds)\n"));
}

TEST_CASE("ladder train: sets beside the error what the labels alone give", "[cli]") {
  const LadderPlace place;
  write_clouds(place.folder / "train.csv", 300, 150, 0, 0.8);
  write_clouds(place.folder / "test.csv", 100, 100, 1000, 0.8);
  const auto outcome = place.run(with_baseline(place.train("run")) +
                                 Arguments{"--validation", "0.3", "--test", place.at("test.csv")});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const auto measured = read_json(place.folder / "run/evaluation.json");
  for (const std::string rows : {"test", "held_back"}) {
    const auto& beside = measured.at(rows + "_labels_alone");
    CHECK(beside.at("rows") == measured.at(rows).at("rows"));
    CHECK(beside.at("wrong").get<int64_t>() - measured.at(rows).at("wrong").get<int64_t>() ==
          beside.at("only_wrong").get<int64_t>() - beside.at("only_right").get<int64_t>());
  }
  CHECK(measured.at("test_labels_alone").at("rows") == 100);
  const auto alone = measured.at("test_labels_alone").at("error").get<double>();
  CHECK(contains(outcome.out, "training from the labels alone, "));
  CHECK(contains(outcome.out, fmt::format("from the labels alone: {:.2f} %\n", alone)));
  const auto sentence = fmt::format("The labels alone give {:.1f} %", alone);
  CHECK(contains(file_bytes(place.folder / "run/report.html"), sentence));
  // Also where the page is made from the folder.
  REQUIRE(place.run({"report", place.at("run"), "-o", place.at("page.html")}).status == 0);
  CHECK(contains(file_bytes(place.folder / "page.html"), sentence));

  const auto without =
      place.run(place.train("without") + Arguments{"--test", place.at("test.csv")});
  REQUIRE(without.status == 0);
  CHECK_FALSE(contains(without.out, "from the labels alone"));
  CHECK_FALSE(read_json(place.folder / "without/evaluation.json").contains("test_labels_alone"));
}

TEST_CASE("ladder train: the labels alone get as many steps as the run", "[cli]") {
  const LadderPlace place;
  write_clouds(place.folder / "train.csv", 300, 150);
  auto command = with_baseline(place.train("run")) + Arguments{"--no-report"};
  const auto epochs = std::find(command.begin(), command.end(), "--epochs");
  command.erase(epochs, epochs + 2);
  const auto length = GENERATE(Arguments{"--minutes", "0.005"}, Arguments{"--epochs", "4"},
                               Arguments{"--epochs", "1"});
  const auto outcome = place.run(command + length);
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  std::smatch told;
  REQUIRE(std::regex_search(outcome.out, told,
                            std::regex("training from the labels alone, (\\d+) steps?\n")));
  const auto steps = std::stoll(told[1]);
  const auto config = read_json(place.folder / "run/config.json");
  const auto rows = config.at("train_rows").get<int64_t>() - config.at("validation").get<int64_t>();
  const auto steps_per_epoch = rows / config.at("labeled_batch").get<int64_t>();
  const auto of_run = read_json(place.folder / "run/result.json").at("steps").get<int64_t>();
  CHECK(steps >= of_run);
  CHECK(steps < of_run + steps_per_epoch);
}

TEST_CASE("ladder: what --missing names is missing for the model too", "[cli]") {
  const LadderPlace place;
  auto text = file_bytes(place.folder / "train.csv");
  for (const int row : {30, 60, 90, 120}) {  // a value of x in four rows without a label
    const auto begin = text.find(",", text.find("r" + std::to_string(row) + ",")) + 1;
    text.replace(begin, text.find(",", begin) - begin, "-999");
  }
  write_file(place.folder / "train.csv", text);
  REQUIRE(place
              .run(place.train("run") +
                   Arguments{"--missing", "-999", "--unlabeled", place.at("test.csv"), "--quiet"})
              .status == 0);
  const auto answers = [&](const std::string& x) {
    write_file(place.folder / "new.csv", "x,y,color\n" + x + ",0.5,red\n" + x + ",-0.5,green\n");
    const auto told =
        place.run({"predict", place.at("run"), place.at("new.csv"), "--probabilities"});
    INFO(told.err);
    REQUIRE(told.status == 0);
    return told.out;
  };
  CHECK(answers("-999") == answers(""));
  CHECK(answers("-999") != answers("-998"));

  // Shards keep it as well.
  REQUIRE(place
              .run({"convert", place.at("train.csv"), "--label", "kind", "--ignore", "id",
                    "--missing", "-999", "-o", place.at("shards")})
              .status == 0);
  const auto trained =
      place.run({"train", place.at("shards"), "--epochs", "2", "--layers", "10", "--threads", "1",
                 "--no-baseline", "--shuffle", "rows", "--out", place.at("of-shards")});
  INFO(trained.err);
  REQUIRE(trained.status == 0);
  CHECK(trained.out.find("seed 1; shuffled row by row (--shuffle rows)\n") != std::string::npos);
  const auto of_shards = [&](const std::string& x) {
    write_file(place.folder / "new.csv", "x,y,color\n" + x + ",0.5,red\n");
    return place.run({"predict", place.at("of-shards"), place.at("new.csv"), "--probabilities"})
        .out;
  };
  CHECK(of_shards("-999") == of_shards(""));
}

TEST_CASE("ladder train: test rows that lack a column of the shards are refused at once", "[cli]") {
  const LadderPlace place;
  std::string constant, lacking;  // a column of one value; no y
  for (const auto& line : lines_of(file_bytes(place.folder / "train.csv"))) {
    constant += line + (constant.empty() ? ",site\n" : ",T1\n");
  }
  for (const auto& line : lines_of(file_bytes(place.folder / "test.csv"))) {
    const auto row = cells(line);
    lacking += row[1] + "," + row[3] + "," + row[4] + "\n";
  }
  write_file(place.folder / "train.csv", constant);
  write_file(place.folder / "lacking.csv", lacking);
  const auto convert = [&](const std::string& out, const Arguments& more) {
    return place.run(Arguments{"convert", place.at("train.csv"), "-o", place.at(out)} + more);
  };
  REQUIRE(convert("shards", {"--label", "kind", "--ignore", "id"}).status == 0);
  const auto train = [&](const std::string& shards, const std::string& test) {
    return place.run({"train", place.at(shards), "--test", place.at(test), "--epochs", "1",
                      "--layers", "10", "--threads", "1", "--no-baseline", "--quiet", "--out",
                      place.at("run")});
  };
  const auto refused = train("shards", "lacking.csv");
  CHECK(refused.status == 1);
  CHECK(contains(refused.err, "expected a column 'y' in " + place.at("lacking.csv")));
  CHECK_FALSE(fs::exists(place.folder / "run"));
  const auto taken = train("shards", "test.csv");  // without the column that is not used
  INFO(taken.err);
  CHECK(taken.status == 0);

  REQUIRE(convert("unlabeled", {"--ignore", "id,kind"}).status == 0);
  CHECK(train("unlabeled", "test.csv").err ==
        "ladder: expected shards with labels but got none in " + place.at("unlabeled") +
            " (ladder convert DATA --label COLUMN -o SHARDS).\n");
}

TEST_CASE("ladder inspect: names five files that cannot be read, and counts the others", "[cli]") {
  if (!ladder::data::has_image_codecs()) LADDER_SKIP("built without libpng and TurboJPEG");
  const LadderPlace place;
  for (const char* kind : {"a", "b"}) {
    fs::create_directories(place.folder / "pictures" / kind);
    for (int i = 0; i < 7; ++i) {
      const auto name = std::to_string(i) + ".png";
      write_file(place.folder / "pictures" / kind / name,
                 png_bytes({4, 4, 8, 0}, std::vector<int>(16, i)));
      write_file(place.folder / "pictures/a" / ("broken-" + name), "no picture");
    }
  }
  const auto told = place.run({"inspect", place.at("pictures")});
  CHECK(told.status == 0);
  const auto lines = lines_of(told.err);
  REQUIRE(lines.size() == 6);
  CHECK(lines[4].find("broken-4.png") != std::string::npos);
  CHECK(lines[5] == "note: 2 further files could not be read");
}

TEST_CASE("ladder inspect: names a lost class before single files", "[cli]") {
  if (!ladder::data::has_image_codecs()) LADDER_SKIP("built without libpng and TurboJPEG");
  const LadderPlace place;
  write_shades(place.folder / "pictures", 4);
  fs::create_directories(place.folder / "pictures/grey");
  for (int i = 0; i < 7; ++i) {
    write_file(place.folder / "pictures/grey" / (std::to_string(i) + ".png"), "no picture");
  }
  const auto told = place.run({"inspect", place.at("pictures")});
  CHECK(told.status == 0);
  const auto lines = lines_of(told.err);
  REQUIRE(lines.size() == 7);
  CHECK(lines[0] ==
        "note: a class is left out because no picture of it can be read: 'grey' (7 files)");
  CHECK(lines[6] == "note: 2 further files could not be read");
  CHECK(contains(told.out, "2 classes, 24 labeled rows of 24\n"));
  CHECK(told.out.ends_with("\n7 files could not be read\n"));
}

TEST_CASE("ladder: what a model of pictures does not take is a sentence", "[cli]") {
  if (!ladder::data::has_image_codecs()) LADDER_SKIP("built without libpng and TurboJPEG");
  const LadderPlace place;
  write_shades(place.folder / "pictures", 6);
  write_file(place.folder / "pictures/dark/broken.png", "no picture");
  const auto train = Arguments{"train", place.at("pictures"), "--epochs", "1", "--threads",
                               "1",     "--no-baseline",      "--quiet"};
  const auto trained = place.run(train + Arguments{"--out", place.at("run")});
  INFO(trained.err);
  REQUIRE(trained.status == 0);
  const auto page = file_bytes(place.folder / "run/report.html");
  CHECK(contains(page, "<p>1 file could not be read and is left out.</p>"));
  CHECK(contains(page, "<li>expected a PNG or JPEG image but got text that begins with"));

  const auto error = [&](const Arguments& arguments, int status = 1) {
    const auto outcome = place.run(arguments);
    CHECK(outcome.status == status);
    CHECK(outcome.out.empty());
    return outcome.err;
  };
  CHECK(error({"predict", place.at("run"), place.at("test.csv")}) ==
        "ladder: read_samples: expected pictures, to scale to 6x6, but got a table in " +
            place.at("test.csv") + " (neither --size nor a model of pictures takes a table).\n");

  // Pictures in colours: the second one, beside a gray one with three channels.
  fs::create_directories(place.folder / "colours");
  const auto write_rgb = [&](const char* name, const std::vector<int>& pixel) {
    std::vector<int> samples;
    for (int i = 0; i < 36; ++i) samples.insert(samples.end(), pixel.begin(), pixel.end());
    write_file(place.folder / "colours" / name, png_bytes({6, 6, 8, 2}, samples));
  };
  write_rgb("1.png", {7, 7, 7});
  const auto refusal = [&](const std::string& as, const std::string& got) {
    return "ladder: expected gray pictures in " + place.at("colours") + " as in " + as +
           " but got " + got + " (convert them to gray, one value a pixel).\n";
  };
  const std::string of_model = "the training of the model";
  CHECK(error({"predict", place.at("run"), place.at("colours")}) ==
        refusal(of_model, "1 picture saved with three channels, such as 1.png"));
  write_rgb("2.png", {7, 8, 7});
  CHECK(error({"predict", place.at("run"), place.at("colours")}) ==
        refusal(of_model, "1 picture in colours, such as 2.png"));
  CHECK(error(train + Arguments{"--unlabeled", place.at("colours"), "--size", "6x6", "--out",
                                place.at("other")}) ==
        "note: read_image_folder: expected a PNG or JPEG image but got text that begins with \"no "
        "picture\" in " +
            place.at("pictures/dark/broken.png") +
            " (only PNG and JPEG files are read as pictures).\n" +
            refusal(place.at("pictures"), "1 picture in colours, such as 2.png"));

  // A picture of another shape is answered, with a note.
  write_file(place.folder / "wide.png", png_bytes({60, 6, 8, 0}, std::vector<int>(360, 200)));
  const auto wide = place.run({"predict", place.at("run"), place.at("wide.png")});
  CHECK(wide.status == 0);
  CHECK(wide.err ==
        "note: scaling to 6x6 (height x width) changed the proportions of the picture: 6x60 (1 "
        "file, such as wide.png)\n");
  CHECK(
      error({"evaluate", place.at("run"), place.at("wide.png")})
          .ends_with("ladder: expected rows with labels but got 1 without one in " +
                     place.at("wide.png") +
                     " (the class of a picture is the name of its folder; ladder predict needs no "
                     "labels).\n"));
}

TEST_CASE("ladder: a model of tables names what it does not take", "[cli]") {
  const LadderPlace place;
  REQUIRE(place.run(place.train("run") + Arguments{"--quiet", "--no-report"}).status == 0);
  const auto error = [&](const Arguments& arguments, int status) {
    const auto outcome = place.run(arguments);
    CHECK(outcome.status == status);
    CHECK(outcome.out.empty());
    return outcome.err;
  };
  for (const auto& command : Arguments{"predict", "evaluate"}) {
    CHECK(error({command, place.at("test.csv"), place.at("run")}, 2) ==
          "ladder: expected MODEL before DATA but got them in the other order (ladder " + command +
              " " + place.at("run") + " " + place.at("test.csv") + ").\n");
    CHECK(error({command, place.at("test.csv"), place.at("train.csv")}, 1) ==
          "ladder: expected a model file or the folder of a run but got a file of another kind "
          "at " +
              place.at("test.csv") + ".\n");
  }
  write_clouds(place.folder / "bare.csv", 100, 0, 1000);
  CHECK(error({"evaluate", place.at("run"), place.at("bare.csv")}, 1) ==
        "ladder: expected rows with labels but got 100 without one in " + place.at("bare.csv") +
            " (column 'kind' has no value that is a class; ladder predict needs no labels).\n");
  write_file(place.folder / "x.npy", npy_file("|u1", "(2, 2, 2)", "abcdefgh"));
  CHECK(error({"predict", place.at("run"), place.at("x.npy")}, 1) ==
        "ladder: expected a table, as the model was trained on, but got pictures in " +
            place.at("x.npy") + ".\n");
}

TEST_CASE("ladder train: test pictures of another size are refused at once", "[cli]") {
  if (!ladder::data::has_image_codecs()) LADDER_SKIP("built without libpng and TurboJPEG");
  const LadderPlace place;
  write_shades(place.folder / "pictures", 6);
  write_shades(place.folder / "others", 5);
  const auto told = place.run({"train", place.at("pictures"), "--test", place.at("others"),
                               "--epochs", "1", "--out", place.at("run")});
  CHECK(told.status == 1);
  CHECK(told.err == "ladder: expected images of 1 x 6 x 6 (channels, height, width) in " +
                        place.at("others") + " as in " + place.at("pictures") +
                        " but got 1 x 5 x 5 (--size HxW brings all to one size).\n");
  CHECK_FALSE(fs::exists(place.folder / "run"));
}

TEST_CASE("ladder predict: answers rows of the standard input as they come", "[cli]") {
  const LadderPlace place;
  REQUIRE(place.run(place.train("run") + Arguments{"--quiet"}).status == 0);
  // A header and one row, then silence: the answer must be there before the input ends.
  const auto pipe = place.at("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  Program program({"/bin/sh", "-c", "exec \"$1\" predict \"$2\" - <\"$3\"", "sh",
                   program_path("ladder"), place.at("run"), pipe});
  std::ofstream in(pipe);
  in << "y,x,color\n0.1,4.2,red\n" << std::flush;
  CHECK(program.wait_until([&] { return lines_of(program.out()).size() == 2; }));
  CHECK(program.running());
  in << "0.1,-0.2,red\n" << std::flush;
  CHECK(program.wait_until([&] { return lines_of(program.out()).size() == 3; }));
  in.close();
  CHECK(program.wait() == 0);
  CHECK(program.out() == "class\nright\nleft\n");
}

TEST_CASE("ladder predict: a full disk is a sentence, and an old file stays whole", "[cli]") {
  const LadderPlace place;
  REQUIRE(place.run(place.train("run") + Arguments{"--quiet", "--no-report"}).status == 0);
  const auto full =
      place.run({"predict", place.at("run"), place.at("test.csv"), "-o", "/dev/full"});
  CHECK(full.status == 1);
  CHECK(full.err == "ladder: expected to write /dev/full but got \"No space left on device\".\n");
  const auto to_output =
      run_to_end({"/bin/sh", "-c", "\"$1\" predict \"$2\" \"$3\" >/dev/full", "sh",
                  program_path("ladder"), place.at("run"), place.at("test.csv")});
  CHECK(to_output.status == 1);
  CHECK(to_output.err.find("No space left on device") != std::string::npos);

  const auto rows = file_bytes(place.folder / "test.csv");
  const auto same =
      place.run({"predict", place.at("run"), place.at("test.csv"), "-o", place.at("test.csv")});
  CHECK(same.status == 2);
  CHECK(same.err == "ladder: expected another file to write than DATA but got " +
                        place.at("test.csv") + " for both.\n");
  CHECK(file_bytes(place.folder / "test.csv") == rows);

  write_file(place.folder / "answers.csv", "old");
  const auto mine = fs::perms::owner_read | fs::perms::owner_write;
  fs::permissions(place.folder / "answers.csv", mine);
  REQUIRE(
      place.run({"predict", place.at("run"), place.at("test.csv"), "-o", place.at("answers.csv")})
          .status == 0);
  CHECK(fs::status(place.folder / "answers.csv").permissions() == mine);

  write_file(place.folder / "answers.csv", "old");
  write_file(place.folder / "broken.csv", "x,y,color\n1,2,red\n1,2\n");
  const auto broken = place.run(
      {"predict", place.at("run"), place.at("broken.csv"), "-o", place.at("answers.csv")});
  CHECK(broken.status == 1);
  CHECK(broken.err.find(place.at("broken.csv")) != std::string::npos);
  CHECK(file_bytes(place.folder / "answers.csv") == "old");
  for (const auto& entry : fs::directory_iterator(place.folder.path())) {
    CHECK(entry.path().extension() != ".tmp");
  }
}

TEST_CASE("ladder predict: an interruption ends it, and an old file stays whole", "[cli]") {
  const LadderPlace place;
  std::string x, y;
  for (int row = 0; row < 100; ++row) {
    const float values[] = {row % 2 == 0 ? -2.F : 2.F, .01F * static_cast<float>(row)};
    const int64_t label = row < 20 ? row % 2 : -1;
    x.append(reinterpret_cast<const char*>(values), sizeof values);
    y.append(reinterpret_cast<const char*>(&label), sizeof label);
  }
  write_file(place.folder / "x.npy", npy_file("<f4", "(100, 2)", x));
  write_file(place.folder / "y.npy", npy_file("<i8", "(100,)", y));
  fs::create_directory(place.folder / "new");
  // Seconds of work, in parts of 10,000 rows.
  write_file(place.folder / "new/x.npy",
             npy_file("<f4", "(3000000, 2)", std::string(3'000'000 * 2 * sizeof(float), '\0')));
  REQUIRE(place
              .run({"train", place.at("x.npy"), "--epochs", "2", "--layers", "4", "--out",
                    place.at("run"), "--no-baseline", "--no-report", "--quiet"})
              .status == 0);
  write_file(place.folder / "answers.csv", "old");
  const auto is_written = [&] {
    const fs::directory_iterator entries(place.folder.path());
    return std::any_of(begin(entries), end(entries),
                       [](const auto& entry) { return entry.path().extension() == ".tmp"; });
  };
  Program program({program_path("ladder"), "predict", place.at("run"), place.at("new/x.npy"),
                   "--threads", "1", "-o", place.at("answers.csv")});
  REQUIRE(program.wait_until(is_written));
  program.send(SIGINT);
  CHECK(program.wait() == 130);
  CHECK(file_bytes(place.folder / "answers.csv") == "old");
  CHECK_FALSE(is_written());
}

TEST_CASE("ladder train: an interrupted run continues to the same model", "[cli]") {
  const LadderPlace place;
  // Some seconds, with 40 evaluations.
  const Arguments length = {"--epochs", "600", "--layers", "100,50", "--no-report"};
  REQUIRE(place.run(place.train("whole") + length + Arguments{"--quiet"}).status == 0);
  const auto command =
      Arguments{program_path("ladder")} + place.train("parts") + length + Arguments{"--resume"};
  const auto evaluations = [&] {
    return lines_of(file_bytes(place.folder / "parts/metrics.jsonl")).size();
  };
  for (int kill = 0; kill < 4; ++kill) {
    const auto before = evaluations();
    Program program(command);
    REQUIRE(program.wait_until([&] { return evaluations() > before; }));
    program.send(kill % 2 == 0 ? SIGKILL : SIGINT);
    CHECK(program.wait() == (kill % 2 == 0 ? -SIGKILL : 130));
    CHECK_FALSE(fs::exists(place.folder / "parts/result.json"));
  }
  REQUIRE(run_to_end(command).status == 0);
  CHECK(file_bytes(place.folder / "whole/model.ladder") ==
        file_bytes(place.folder / "parts/model.ladder"));
}

TEST_CASE("ladder train: data may have moved when a run goes on", "[cli]") {
  const LadderPlace place;
  const auto quiet = Arguments{"--quiet", "--no-report", "--resume"};
  REQUIRE(place.run(place.train("run") + quiet).status == 0);
  const auto model = file_bytes(place.folder / "run/model.ladder");
  fs::rename(place.folder / "train.csv", place.folder / "moved.csv");
  auto moved = place.train("run");
  moved[1] = place.at("moved.csv");
  const auto outcome = place.run(moved + quiet);
  INFO(outcome.err);
  CHECK(outcome.status == 0);
  CHECK(file_bytes(place.folder / "run/model.ladder") == model);
  CHECK(read_json(place.folder / "run/config.json").at("dataset") == place.at("train.csv"));
  write_clouds(place.folder / "moved.csv", 300, 21);
  CHECK(contains(place.run(moved + quiet).err, "was started with but got others: "));
}

TEST_CASE("ladder train: several seeds, and the best is kept", "[cli]") {
  const LadderPlace place;
  write_clouds(place.folder / "train.csv", 300, 150, 0, 0.8);  // so near that each seed errs
  for (const auto& [name, seeds] : {std::pair("up", "1..3"), std::pair("down", "3,2,1")}) {
    INFO(name);
    const auto outcome = place.run(
        place.train(name) + Arguments{"--seeds", seeds, "--validation", "0.4", "--no-report"});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK(contains(outcome.out, "over 3 seeds"));
    const auto run = place.folder / name;
    std::set<double> errors;
    std::vector<double> all;
    fs::path best;
    for (const int seed : std::string(name) == "up" ? std::vector{1, 2, 3} : std::vector{3, 2, 1}) {
      const auto of_seed = run / fmt::format("seed-{}", seed);
      const auto held_back = read_json(of_seed / "evaluation.json").at("held_back");
      const auto error = held_back.at("error").get<double>();
      if (errors.empty() || error < *errors.begin()) best = of_seed;
      errors.insert(error);
      all.push_back(error);
    }
    CHECK(errors.size() > 1);
    auto kept = ladder::io::load_tensors(run / "model.ladder");
    auto of_best = ladder::io::load_tensors(best / "model.ladder");
    kept.erase("model.json");  // which says that it was chosen
    of_best.erase("model.json");
    REQUIRE(kept.size() == of_best.size());
    for (const auto& [tensor, values] : kept) CHECK(values.equal(of_best.at(tensor)));

    const auto summary = ladder::runs::summarize(all);
    const auto said = place.run({"inspect", run.string()}).out;
    CHECK(contains(said, "classes        left, right"));
    const auto error = fmt::format(
        "{:.2f} % of 60 labeled rows (held-back rows); lowest of 3 "
        "seeds, so too good",
        *errors.begin());
    const auto mean =
        fmt::format("{:.2f} % over 3 seeds, standard deviation {:.2f} % (held-back rows)",
                    summary.mean, summary.std);
    CHECK(said.starts_with(fmt::format("error          {}\nmean error     {}\n", error, mean)));
    CHECK(contains(file_bytes(run / "MODEL.md"),
                   fmt::format("| error | {} |\n| mean error | {} |\n", error, mean)));
    CHECK_FALSE(contains(file_bytes(best / "MODEL.md"), "too good"));
  }
}

TEST_CASE("ladder train: the report measures each seed on its own rows", "[cli]") {
  const LadderPlace place;
  write_clouds(place.folder / "train.csv", 300, 150, 0, 0.8);
  write_clouds(place.folder / "test.csv", 100, 100, 1000, 0.8);
  const auto train = [&](const std::string& out, const Arguments& more) {
    const auto outcome =
        place.run(with_baseline(place.train(out)) +
                  Arguments{"--seeds", "1..2", "--validation", "0.3", "--quiet"} + more);
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    REQUIRE(place.run({"report", place.at(out), "-o", place.at(out + ".html")}).status == 0);
    return std::vector{file_bytes(place.folder / out / "report.html"),
                       file_bytes(place.folder / (out + ".html"))};
  };
  const auto mean = [&](const std::string& out, const std::string& rows) {
    double sum = 0;
    for (const int seed : {1, 2}) {
      const auto file = place.folder / out / fmt::format("seed-{}", seed) / "evaluation.json";
      sum += read_json(file).at(rows).at("error").get<double>();
    }
    return fmt::format("<p class='big'>{:.1f}<span>", sum / 2);
  };
  for (const auto& page : train("tested", {"--test", place.at("test.csv")})) {
    CHECK(contains(page, "Mean error of 2 seeds on 100 test rows."));
    CHECK(contains(page, mean("tested", "test")));
    CHECK(contains(page, "The labels alone give "));
  }
  for (const auto& page : train("held", {})) {
    CHECK(contains(page, "Mean error of 2 seeds, each on 45 held-back rows of its own."));
    CHECK(contains(page, mean("held", "held_back")));
    CHECK_FALSE(contains(page, "The labels alone give "));
  }
}

TEST_CASE("ladder train: a folder holds one run or those of seeds, and no test rows train",
          "[cli]") {
  const LadderPlace place;
  const auto quiet = Arguments{"--quiet", "--no-report"};
  REQUIRE(place.run(place.train("one") + quiet).status == 0);
  REQUIRE(place.run(place.train("all") + quiet + Arguments{"--seeds", "1,2"}).status == 0);
  const auto model = file_bytes(place.folder / "one/model.ladder");
  CHECK(place.run(place.train("one") + quiet + Arguments{"--seeds", "1,2"}).err ==
        "ladder: expected a folder for runs of several seeds in --out but got " + place.at("one") +
            ", which holds one run (choose another folder).\n");
  CHECK(file_bytes(place.folder / "one/model.ladder") == model);
  CHECK(place.run(place.train("all") + quiet).err ==
        "ladder: expected a folder for one run in --out but got " + place.at("all") +
            ", which holds runs of several seeds (choose another folder).\n");
  CHECK(place.run(place.train("new") + Arguments{"--test", place.at("train.csv")}).err ==
        "ladder: expected rows in --test that are not trained on but got " + place.at("train.csv") +
            " for both (without --test, a share of the labels is held back).\n");
  CHECK(place.run(place.train("new") + Arguments{"--lambda", "1,1,1", "--input-weight", "3"}).err ==
        "ladder: expected --input-weight or --lambda but got both (it is a part of auto).\n");
}

TEST_CASE("ladder train: ignored columns may differ between files, and are told apart", "[cli]") {
  const LadderPlace place;
  const auto rows = file_bytes(place.folder / "train.csv");
  std::string named, unnamed;
  const auto lines = lines_of(rows);
  for (size_t i = 0; i < lines.size(); ++i) {
    named += lines[i] + (i == 0 ? ",site\n" : i % 2 == 0 ? ",1\n" : ",2\n");
    unnamed += lines[i] + (i == 0 ? ",site\n" : ",T1\n");
  }
  write_file(place.folder / "train.csv", named);
  write_file(place.folder / "test.csv", unnamed);
  write_file(place.folder / "more.csv", rows);  // without the column
  const auto outcome =
      place.run(place.train("run") + Arguments{"--ignore", "site", "--test", place.at("test.csv"),
                                               "--unlabeled", place.at("more.csv")});
  INFO(outcome.err);
  CHECK(outcome.status == 0);
  const auto config = nlohmann::json::parse(file_bytes(place.folder / "run/config.json"));
  CHECK(config.at("train_rows") == 600);
  CHECK(config.at("input_shape") == nlohmann::json({4}));  // x, y, two colors: no id, no site
}

TEST_CASE("ladder predict: --id copies what it can tell apart", "[cli]") {
  const LadderPlace place;
  REQUIRE(place.run(place.train("run") + Arguments{"--quiet", "--no-report"}).status == 0);
  write_file(place.folder / "new.csv",
             "x,y,color,code\n1,2,red,007\n1,2,blue,1234567890123456789\n");
  const auto outcome = place.run({"predict", place.at("run"), place.at("new.csv"), "--id", "code"});
  REQUIRE(outcome.status == 0);
  CHECK(cells(lines_of(outcome.out)[1])[0] == "007");
  CHECK(cells(lines_of(outcome.out)[2])[0] == "1234567890123456789");
  write_file(place.folder / "new.csv", "x,y,color,code\n1,2,red,1\n1,2,blue,123456789\n");
  REQUIRE(place.run({"convert", place.at("new.csv"), "-o", place.at("shards")}).status == 0);
  const auto refused = place.run({"predict", place.at("run"), place.at("shards"), "--id", "code"});
  INFO(refused.err);
  CHECK(refused.status == 1);
  CHECK(refused.err.find("in column 'code' for --id but got 123456792") != std::string::npos);
}

TEST_CASE("ladder predict: --id copies numbers of a feature as they are written", "[cli]") {
  const LadderPlace place;
  REQUIRE(place.run(place.train("run") + Arguments{"--quiet", "--no-report"}).status == 0);
  const auto predicted = [&](const std::string& table, const Arguments& more) {
    write_file(place.folder / "new.csv", table);
    const auto outcome = place.run(
        Arguments{"predict", place.at("run"), place.at("new.csv"), "--probabilities"} + more);
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    return lines_of(outcome.out);
  };
  const std::string points = "x,y,color\n1.50,2,red\n003,2,blue\n,2,red\n";
  const std::string commas = "x;y;color\n1,50;2;red\n003;2;blue\n;2;red\n";
  const auto plain = predicted(points, {});
  REQUIRE(plain.size() == 4);
  const std::vector<std::string> ids = {"x", "1.50", "003", ""};
  const auto with_points = predicted(points, {"--id", "x"});
  const auto with_commas = predicted(commas, {"--id", "x"});
  for (size_t i = 0; i < plain.size(); ++i) {
    CHECK(with_points.at(i) == ids[i] + "," + plain[i]);
    CHECK(with_commas.at(i) == (i == 1 ? "\"1,50\"" : ids[i]) + "," + plain[i]);
  }
}

TEST_CASE("ladder evaluate: damaged labels of shards are named", "[cli]") {
  const LadderPlace place;
  REQUIRE(place.run(place.train("run") + Arguments{"--quiet", "--no-report"}).status == 0);
  REQUIRE(place
              .run({"convert", place.at("test.csv"), "--label", "kind", "--ignore", "id", "-o",
                    place.at("shards")})
              .status == 0);
  const auto evaluate = Arguments{"evaluate", place.at("run"), place.at("shards")};
  CHECK(place.run(evaluate).status == 0);
  const auto labels = place.folder / "shards/labels-00000.npy";
  auto bytes = file_bytes(labels);
  bytes.at(128) = static_cast<char>(bytes.at(128) ^ 1);  // the other class
  write_file(labels, bytes);
  const auto refused = place.run(evaluate);
  CHECK(refused.status == 1);
  CHECK(refused.err.find("of " + labels.string() + " but got ") != std::string::npos);
}

TEST_CASE("ladder convert: labels of one value are one class, however they are spelled", "[cli]") {
  const LadderPlace place;
  write_file(place.folder / "first.csv", "x,y\n1,1.0\n2,0.0\n3,\n");
  write_file(place.folder / "second.csv", "x,y\n1,1\n2,0\n3,1\n");
  const auto outcome = place.run({"convert", place.at("first.csv"), place.at("second.csv"),
                                  "--label", "y", "-o", place.at("shards")});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  CHECK(outcome.out.find("labels    5 rows, 2 classes\n") != std::string::npos);
}

TEST_CASE("ladder convert: --text-columns holds for Parquet", "[cli]") {
  if (!ladder::data::has_arrow()) LADDER_SKIP("built without Arrow (-DLADDER_ARROW=ON)");
  if (!python("pyarrow")) LADDER_SKIP(kNoPython);
  const LadderPlace place;
  const auto written = run_python(R"(
import sys, pyarrow as pa, pyarrow.parquet as pq
pq.write_table(pa.table({'zip': [1, 2, 2], 'x': [0.5, 1.5, -9.0]}), sys.argv[1])
)",
                                  {place.at("t.parquet")});
  INFO(written.err);
  REQUIRE(written.status == 0);
  const auto outcome = place.run({"convert", place.at("t.parquet"), "--text-columns", "zip",
                                  "--missing", "-9", "-o", place.at("shards")});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const auto index = nlohmann::json::parse(file_bytes(place.folder / "shards/index.json"));
  CHECK(index.at("columns")[0].at("kind") == "text");
  CHECK(index.at("columns")[0].at("levels") == nlohmann::json({"1", "2"}));
  CHECK(index.at("columns")[1].at("missing") == true);
}

TEST_CASE("ladder train: rows of --unlabeled have no labels", "[cli]") {
  const LadderPlace place;
  const auto outcome =
      place.run(place.train("run") + Arguments{"--unlabeled", place.at("test.csv"), "--quiet"});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  CHECK(outcome.out.find("trained   400 rows, 20 of them labeled, 2 classes") != std::string::npos);
}

TEST_CASE("ladder train: takes flags from a file, and typed ones win", "[cli]") {
  const LadderPlace place;
  write_file(place.folder / "flags.json",
             "{\"label\": \"kind\", \"ignore\": [\"id\"], \"layers\": [8, 4], // hidden\n"
             " \"epochs\": 1, \"quiet\": true, \"no-baseline\": true, \"seed\": 5}");
  const auto outcome =
      place.run({"train", place.at("train.csv"), "--config", place.at("flags.json"), "--epochs",
                 "2", "--out", place.at("run"), "--no-report"});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const auto config = nlohmann::json::parse(file_bytes(place.folder / "run/config.json"));
  CHECK(config.at("epochs") == 2);
  CHECK(config.at("seed") == 5);
  CHECK(config.at("layers") == nlohmann::json({"dense 8", "dense 4", "dense 2"}));

  write_file(place.folder / "none.json", "{\"ignore\": [], \"layers\": []}");
  auto listed = place.train("listed");
  std::replace(listed.begin(), listed.end(), std::string("--ignore"), std::string("--config"));
  std::replace(listed.begin(), listed.end(), std::string("id"), place.at("none.json"));
  const auto empty = place.run(listed + Arguments{"--no-report", "--quiet"});
  INFO(empty.err);
  CHECK(empty.status == 0);

  write_file(place.folder / "bad.json", "{\"epoch\": 1}");
  CHECK(place.run({"train", place.at("train.csv"), "--config", place.at("bad.json")}).err ==
        "ladder: expected a known flag but got --epoch (did you mean --epochs?).\n");
  // Arrays inside of each other would use up the stack where they are shown.
  write_file(place.folder / "deep.json",
             "{\"epochs\": " + std::string(300'000, '[') + std::string(300'000, ']') + "}");
  CHECK(place.run({"train", place.at("train.csv"), "--config", place.at("deep.json")}).err ==
        "ladder: expected a JSON object in --config " + place.at("deep.json") +
            " but got no JSON.\n");
}

TEST_CASE("ladder export: every format is written, and others are refused", "[cli]") {
  const LadderPlace place;
  REQUIRE(place.run(place.train("run") + Arguments{"--quiet", "--no-report"}).status == 0);
  for (const char* name : {"m.onnx", "m.safetensors", "m.pt", "module.py", "module.py"}) {
    const auto outcome = place.run({"export", place.at("run"), "-o", place.at(name)});
    INFO(name << outcome.err);
    CHECK(outcome.status == 0);
    CHECK(fs::file_size(place.folder / name) > 0);
    const bool module = std::string(name).ends_with(".py");
    const auto card = std::string(name) + ".md";
    CHECK(outcome.out == "wrote " + place.at(name) +
                             (module ? ", its weights " + place.at("module.pt") : std::string()) +
                             " and its model card " + place.at(card) + "\n");
    CHECK(file_bytes(place.folder / card).starts_with("# Model card\n"));
  }
  const auto folder =
      place.run({"export", place.at("run"), "--format", "python", "-o", place.at("m-python")});
  CHECK(folder.status == 0);
  for (const char* name : {"model.py", "model.pt", "MODEL.md"}) {
    CHECK(fs::exists(place.folder / "m-python" / name));
  }
  // What is no export is not replaced by one.
  const auto model = file_bytes(place.folder / "m.pt");
  const auto over_model = place.run({"export", place.at("run"), "-o", place.at("m.py")});
  CHECK(over_model.status == 1);
  CHECK(over_model.err ==
        "ladder: write_python: expected to write weights to " + place.at("m.pt") +
            " but got a file there that holds more than weights of such a module (give the module "
            "another name or folder).\n");
  CHECK(file_bytes(place.folder / "m.pt") == model);
  CHECK_FALSE(fs::exists(place.folder / "m.py"));
  write_file(place.folder / "README.md", "# My project");
  const auto over_text =
      place.run({"export", place.at("run"), "--format", "onnx", "-o", place.at("README")});
  CHECK(over_text.status == 1);
  CHECK(over_text.err == "ladder: expected to write the model card to " + place.at("README.md") +
                             " but got a file there that is no model card (give FILE another "
                             "name).\n");
  const auto own = file_bytes(place.folder / "run/model.ladder");
  const auto over_itself = place.run(
      {"export", place.at("run"), "--format", "safetensors", "-o", place.at("run/model.ladder")});
  CHECK(over_itself.status == 2);
  CHECK(over_itself.err == "ladder: expected another file to write than MODEL but got " +
                               place.at("run/model.ladder") + " for both.\n");
  CHECK(file_bytes(place.folder / "run/model.ladder") == own);
  // Exports of two models keep their cards, whatever their names share.
  const auto card = file_bytes(place.folder / "m.onnx.md");
  REQUIRE(
      place.run(place.train("other") + Arguments{"--quiet", "--no-report", "--layers=9"}).status ==
      0);
  REQUIRE(place.run({"export", place.at("other"), "-o", place.at("m.pt")}).status == 0);
  CHECK(file_bytes(place.folder / "m.onnx.md") == card);
  CHECK(file_bytes(place.folder / "m.pt.md") != card);

  const auto refused = place.run({"export", place.at("run"), "-o", place.at("m.h5")});
  CHECK(refused.status == 2);
  CHECK(refused.err ==
        "ladder: expected --format onnx, safetensors, pt or python, or a FILE with such an ending, "
        "but got '" +
            place.at("m.h5") + "'.\n");
}

TEST_CASE("ladder: arrays need no --label", "[cli]") {
  const LadderPlace place;
  std::vector<float> x;
  std::vector<int64_t> y;
  for (int row = 0; row < 100; ++row) {
    for (int column = 0; column < 2; ++column) {
      x.push_back(static_cast<float>(row % 2 == 0 ? -2 : 2) + .01F * static_cast<float>(row));
    }
    y.push_back(row < 20 ? row % 2 : -1);
  }
  const auto raw = [](const auto& values) {
    return std::string(reinterpret_cast<const char*>(values.data()),
                       values.size() * sizeof(values[0]));
  };
  write_file(place.folder / "x.npy", npy_file("<f4", "(100, 2)", raw(x)));
  write_file(place.folder / "y.npy", npy_file("<i8", "(100,)", raw(y)));
  const auto seen = place.run({"inspect", place.at("x.npy")});
  CHECK(seen.out.find("2 classes, 20 labeled rows of 100\n") != std::string::npos);
  const auto trained =
      place.run({"train", place.at("x.npy"), "--epochs", "2", "--layers", "4", "--out",
                 place.at("run"), "--no-baseline", "--no-report", "--quiet"});
  INFO(trained.err);
  REQUIRE(trained.status == 0);
  CHECK(trained.out.find("trained   100 rows, 20 of them labeled, 2 classes") != std::string::npos);
  CHECK(place.run({"evaluate", place.at("run"), place.at("x.npy")}).status == 0);
}

TEST_CASE("ladder: new data are read by the decimal mark that training was told", "[cli]") {
  const LadderPlace place;
  std::string text = "x;n;kind\n";  // each comma may be one of thousands
  for (int i = 0; i < 60; ++i) {
    text += fmt::format("{},{};{};{}\n", 1 + 4 * (i % 2), 100 + i, 3000 + 50 * (7 * i % 60),
                        i >= 20      ? ""
                        : i % 2 == 0 ? "left"
                                     : "right");
  }
  write_file(place.folder / "open.csv", text);
  const auto trained =
      place.run({"train", place.at("open.csv"), "--label", "kind", "--decimal", ",", "--epochs",
                 "2", "--layers", "4", "--threads", "1", "--no-baseline", "--no-report", "--quiet",
                 "--out", place.at("run")});
  INFO(trained.err);
  REQUIRE(trained.status == 0);
  const Arguments predict = {"predict", place.at("run"), place.at("open.csv"), "--probabilities"};
  const auto predicted = place.run(predict);
  INFO(predicted.err);
  REQUIRE(predicted.status == 0);
  CHECK(lines_of(predicted.out).size() == 61);
  CHECK(predicted.out == place.run(predict + Arguments{"--decimal", ","}).out);
  write_file(place.folder / "points.csv", "x;n\n1.25;3000\n");  // a file that shows its mark
  CHECK(place.run({"predict", place.at("run"), place.at("points.csv")}).status == 0);

  // Whole numbers have no decimals in new data.
  write_file(place.folder / "grouped.csv", "x;n\n1;3.050\n");
  const auto refused =
      place.run({"predict", place.at("run"), place.at("grouped.csv"), "--decimal", ","});
  CHECK(refused.status == 1);
  CHECK(contains(refused.err, "column 2 ('n') of " + place.at("grouped.csv") +
                                  " (remove the separators of thousands)."));
  CHECK(place.run({"predict", place.at("run"), place.at("grouped.csv"), "--decimal", "."}).status ==
        0);
}

TEST_CASE("ladder: thousands are no decimals where training had whole numbers", "[cli]") {
  const LadderPlace place;
  std::string text = "n;t;kind\n";
  for (int i = 0; i < 60; ++i) {
    text += fmt::format("{};{};{}\n", 3000 + 9000 * (i % 2) + 50 * i, 40 + i % 7,
                        i >= 20      ? ""
                        : i % 2 == 0 ? "left"
                                     : "right");
  }
  write_file(place.folder / "whole.csv", text);
  const auto trained = place.run({"train", place.at("whole.csv"), "--label", "kind", "--epochs",
                                  "2", "--layers", "4", "--threads", "1", "--no-baseline",
                                  "--no-report", "--quiet", "--out", place.at("run")});
  INFO(trained.err);
  REQUIRE(trained.status == 0);
  write_file(place.folder / "new.csv", "n;t;kind\n14.531;43;left\n6.875;44;right\n");
  const std::string sentence =
      "expected whole numbers, as in training, but got '14.531' in line 2, column 1 ('n') of " +
      place.at("new.csv") +
      " (is it 14531? then remove the marks of thousands; is it 14.531? then --decimal .).";
  const auto predicted = place.run({"predict", place.at("run"), place.at("new.csv")});
  CHECK(predicted.status == 1);
  CHECK(contains(predicted.err, sentence));
  CHECK(contains(place.run({"evaluate", place.at("run"), place.at("new.csv")}).err, sentence));
  CHECK(contains(place
                     .run({"train", place.at("whole.csv"), "--label", "kind", "--test",
                           place.at("new.csv"), "--out", place.at("other")})
                     .err,
                 sentence));
  CHECK(place.run({"predict", place.at("run"), place.at("new.csv"), "--decimal", "."}).status == 0);
}

TEST_CASE("ladder: names with a comma, and missing numbers with a decimal comma", "[cli]") {
  const LadderPlace place;
  std::string text = "\"id, code\";x;kind\n";
  for (int i = 0; i < 60; ++i) {
    text += fmt::format("c{} mm;{},5;{}\n", i, i % 7 == 3 ? 0 : i, i % 2 == 0 ? "left" : "right");
  }
  write_file(place.folder / "commas.csv", text);
  const Arguments train = {"train",      place.at("commas.csv"),
                           "--label",    "kind",
                           "--epochs",   "1",
                           "--layers",   "4",
                           "--threads",  "1",
                           "--quiet",    "--no-baseline",
                           "--no-report"};
  const auto refused =
      place.run(train + Arguments{"--ignore", "id, code", "--out", place.at("refused")});
  CHECK(refused.status == 1);
  CHECK(contains(refused.err, "(in a list, a comma of a name has a backslash: 'id\\, code')."));
  const auto typed =
      place.run(train + Arguments{"--ignore", "id\\, code", "--out", place.at("typed")});
  INFO(typed.err);
  CHECK(typed.status == 0);
  write_file(place.folder / "flags.json", R"({"ignore": ["id, code"]})");
  const auto listed =
      place.run(train + Arguments{"--config", place.at("flags.json"), "--out", place.at("listed")});
  INFO(listed.err);
  CHECK(listed.status == 0);

  const Arguments inspect = {"inspect", place.at("commas.csv"), "--label", "kind", "--missing"};
  CHECK(contains(place.run(inspect + Arguments{"-999,0"}).err,
                 "note: --missing -999,0 means two texts, -999 and 0 (one number: '-999\\,0')\n"));
  CHECK(place.run(inspect + Arguments{"-999\\,0"}).err.empty());
  CHECK(place.run(inspect + Arguments{"a,b"}).err.empty());
}

TEST_CASE("ladder: reads a table by the signs that it is told", "[cli]") {
  const LadderPlace place;
  std::string text = "10/20/30\n";  // a first line that would be taken for numbers
  for (int i = 0; i < 60; ++i) {
    text += fmt::format("{},{}/{}/{}\n", 4 * (i % 2), i * 37 % 90 + 10, 7 + i % 3,
                        i >= 20      ? ""
                        : i % 2 == 0 ? "left"
                                     : "right");
  }
  write_file(place.folder / "signs.csv", text);
  const Arguments signs = {"--delimiter", "/",   "--decimal",      ",",
                           "--header",    "yes", "--text-columns", "20"};
  const auto seen = place.run(Arguments{"inspect", place.at("signs.csv"), "--label", "30"} + signs);
  INFO(seen.err);
  REQUIRE(seen.status == 0);
  CHECK(contains(seen.out, "60 rows, 3 columns\n"));
  CHECK(std::regex_search(seen.out, std::regex("\n10 +number +0  0.1[0-9]* to 4.9")));
  CHECK(std::regex_search(seen.out, std::regex("\n20 +text +0  3 different: 7, 8, 9\n")));
  CHECK(contains(seen.out, "2 classes, 20 labeled rows of 60\n"));

  const auto trained =
      place.run(Arguments{"train", place.at("signs.csv"), "--label", "30", "--epochs", "2",
                          "--layers", "4", "--threads", "1", "--no-baseline", "--no-report",
                          "--quiet", "--out", place.at("run")} +
                signs);
  INFO(trained.err);
  REQUIRE(trained.status == 0);
  const auto config = read_json(place.folder / "run/config.json");
  CHECK(config.at("train_rows") == 60);
  CHECK(config.at("input_shape") == nlohmann::json({4}));  // a number, three texts
  const auto predicted =
      place.run(Arguments{"predict", place.at("run"), place.at("signs.csv")} + signs);
  INFO(predicted.err);
  CHECK(predicted.status == 0);
  CHECK(lines_of(predicted.out).size() == 61);
}

TEST_CASE("ladder: what is left out or unlike the training is noted", "[cli]") {
  const LadderPlace place;
  // Labels -1, 0 and 1, and a column of texts.
  const auto table = [](int rows, const std::string& model, const std::string& more) {
    std::string text = "size,model,state" + std::string(more.empty() ? "" : ",extra") + "\n";
    for (int i = 0; i < rows; ++i) {
      text += fmt::format("{},{},{}{}\n", 4 * (i % 2) + i * 37 % 90 / 100.0,
                          model.empty() ? (i % 2 == 0 ? "a" : "b") : model,
                          i % 3 == 0 ? "-1" : std::to_string(i % 2), more);
    }
    return text;
  };
  write_file(place.folder / "t.csv", table(60, "", ""));
  write_file(place.folder / "new.csv", table(30, "z", ""));
  write_file(place.folder / "more.csv", table(30, "", ",7"));
  const auto trained =
      place.run({"train", place.at("t.csv"), "--label", "state", "--unlabeled",
                 place.at("more.csv"), "--epochs", "2", "--layers", "4", "--threads", "1",
                 "--no-baseline", "--no-report", "--quiet", "--out", place.at("run")});
  INFO(trained.err);
  REQUIRE(trained.status == 0);
  CHECK(contains(trained.err, "note: -1 means no label: 20 rows\n"));
  CHECK(contains(trained.err, "note: columns of " + place.at("more.csv") +
                                  " that the rows before lack are not used: extra\n"));

  const auto predicted = place.run({"predict", place.at("run"), place.at("new.csv")});
  CHECK(predicted.status == 0);
  CHECK(predicted.err == "note: column 'model': 30 of 30 texts were not in training\n");
  CHECK(place.run({"predict", place.at("run"), place.at("t.csv")}).err.empty());
  const auto measured = place.run({"evaluate", place.at("run"), place.at("new.csv")});
  CHECK(measured.status == 0);
  CHECK(contains(measured.err, "note: -1 means no label: 10 rows\n"));
  CHECK(contains(measured.err, "30 of 30 texts were not in training\n"));
  CHECK(contains(place.run({"inspect", place.at("t.csv"), "--label", "state"}).err,
                 "note: -1 means no label: 20 rows\n"));

  const auto written = place.run({"convert", place.at("t.csv"), place.at("more.csv"), "--label",
                                  "state", "-o", place.at("shards")});
  CHECK(written.status == 0);
  CHECK(contains(written.err, " that the rows before lack are not used: extra\n"));

  // A column of --id is copied as it is written.
  write_file(place.folder / "ids.csv", "code,size,model\nNA,1,a\n?,2,a\n,3,b\nnull,4,b\n");
  const auto copied = place.run({"predict", place.at("run"), place.at("ids.csv"), "--id", "code"});
  REQUIRE(copied.status == 0);
  const auto lines = lines_of(copied.out);
  REQUIRE(lines.size() == 5);
  CHECK(lines[1].starts_with("NA,"));
  CHECK(lines[2].starts_with("?,"));
  CHECK(lines[3].starts_with(","));
  CHECK(lines[4].starts_with("null,"));
}

TEST_CASE("ladder: counters with gaps, copies of rows, rows without values and typing errors",
          "[cli]") {
  const LadderPlace place;
  // Two clouds with a counter and a date; three lines of the counter are not there, and two rows
  // have no value. Of 25 labeled rows the last six are copies of the first, one has a typing error.
  std::string text, test = "n,x,day,kind\n";
  int n = 0;
  const auto add = [&](int i, const std::string& kind) {
    const auto rest =
        fmt::format(",{},2024-03-{:02},{}\n", 4 * (i % 2) + i * 37 % 90 / 100.0, 1 + i % 4, kind);
    text += std::to_string(++n) + rest;
    if (i < 3 || i >= 60) test += std::to_string(1000 + n) + rest;
  };
  const auto side = [](int i) { return std::string(i % 2 == 0 ? "left" : "right"); };
  for (int i = 0; i < 60; ++i) {
    add(i, i < 18 ? side(i) : i == 20 ? "rihgt" : "");
    if (i == 30) text += ",,,\n";
    if (i == 40) n += 3;
  }
  for (int i = 0; i < 6; ++i) add(i, side(i));
  write_file(place.folder / "t.csv", "n,x,day,kind\n" + text + ",,,\n");
  for (int i = 60; i < 67; ++i) add(i, side(i));  // new ones
  write_file(place.folder / "test.csv", test);

  const Arguments quick = {"--epochs", "2",       "--layers",      "4",          "--threads",
                           "1",        "--quiet", "--no-baseline", "--no-report"};
  const auto trained = place.run(Arguments{"train", place.at("t.csv"), "--label", "kind", "--test",
                                           place.at("test.csv"), "--out", place.at("run")} +
                                 quick);
  INFO(trained.err << trained.out);
  REQUIRE(trained.status == 0);
  CHECK(contains(trained.err,
                 "note: 2 rows of " + place.at("t.csv") + " have no value and are left out\n"));
  CHECK(contains(trained.err,
                 "note: class 'rihgt' has a single labeled row (did you mean 'right'?)\n"));
  CHECK(contains(trained.err,
                 "note: day: 4 dates, taken as categories: later dates tell the "
                 "network nothing (leave the column out)\n"));
  CHECK(contains(trained.err,
                 "note: 12 of 25 labeled rows have the same inputs as another one; if "
                 "they are copies, the error on held-back rows is too low (keep one of "
                 "each)\n"));
  // The first three rows, and their copies.
  CHECK(contains(trained.err,
                 "note: 6 of 13 test rows have the same inputs as a labeled row to "
                 "train on; if they are copies, the error on test rows is too low\n"));
  CHECK(contains(trained.out, "not used  n (counts rows or time)\n"));
  CHECK(contains(trained.out, "trained   66 rows, 25 of them labeled, 3 classes"));
  const auto config = read_json(place.folder / "run/config.json");
  CHECK(config.at("input_shape") == nlohmann::json({1 + 4}));  // no input of missing values

  const auto seen = place.run({"inspect", place.at("t.csv"), "--label", "kind"});
  CHECK(contains(seen.err, " have no value and are left out\n"));
  CHECK(contains(seen.err, "note: class 'rihgt' has a single labeled row"));
  CHECK(contains(seen.out, "66 rows, 4 columns\n"));

  // Predictions have a line for each row, those without values too.
  const auto predicted = place.run({"predict", place.at("run"), place.at("t.csv")});
  REQUIRE(predicted.status == 0);
  CHECK(lines_of(predicted.out).size() == 1 + 68);

  // Rows of shards are compared as well.
  REQUIRE(place.run({"convert", place.at("t.csv"), "--label", "kind", "-o", place.at("shards")})
              .status == 0);
  const auto of_shards =
      place.run(Arguments{"train", place.at("shards"), "--shuffle", "rows", "--test",
                          place.at("test.csv"), "--out", place.at("of-shards")} +
                quick);
  INFO(of_shards.err);
  REQUIRE(of_shards.status == 0);
  CHECK(contains(of_shards.err, "note: 12 of 25 labeled rows have the same inputs as another one"));
  CHECK(contains(of_shards.err, "note: 6 of 13 test rows have the same inputs as a labeled row"));
}

TEST_CASE("ladder: rows to predict whose columns are empty or stuck are noted", "[cli]") {
  const LadderPlace place;
  const auto trained = place.run(place.train("run") + Arguments{"--quiet", "--no-report"});
  REQUIRE(trained.status == 0);
  CHECK(trained.err.empty());
  const auto notes = [&](const std::string& x, const std::string& y) {
    std::string text = "x,y,color,kind\n";
    for (int i = 0; i < 40; ++i) {
      text += fmt::format("{},{},{},{}\n",
                          x.empty()    ? ""
                          : i % 2 == 0 ? x
                                       : "1.25",
                          y.empty() ? std::to_string(i % 7 / 8.0) : y, i % 3 == 0 ? "red" : "green",
                          i % 2 == 0 ? "left" : "right");
    }
    write_file(place.folder / "new.csv", text);
    return place.run({"predict", place.at("run"), place.at("new.csv")}).err;
  };
  CHECK(notes("3.5", "").empty());
  CHECK(notes("", "") == "note: column 'x': 40 of 40 values are missing, none in training\n");
  // y has a standard deviation of .7: 40 rows of 1.1 have a chance below (1 + 1.5^2)^-40.
  CHECK(notes("3.5", "1.1") ==
        "note: column 'y': all 40 numbers are 1.1, while those of training vary\n");

  // Rows that were trained on say so.
  const auto measured = [&](const std::string& data) {
    return place.run({"evaluate", place.at("run"), place.at(data)}).err;
  };
  CHECK(measured("train.csv") ==
        "note: the model was trained on these rows: the error on them is too low\n");
  CHECK(measured("test.csv").empty());
}

TEST_CASE("ladder train: copies of labeled pictures are noted", "[cli]") {
  if (!ladder::data::has_image_codecs()) LADDER_SKIP("built without libpng and TurboJPEG");
  const LadderPlace place;
  const auto picture = [&](const std::string& name, int kind_of) {
    std::vector<int> samples;  // the first one differs where `kind_of` does
    for (int p = 0; p < 36; ++p) samples.push_back((kind_of * 31 + p * (p * 7 + kind_of)) % 256);
    fs::create_directories((place.folder / name).parent_path());
    write_file(place.folder / name, png_bytes({6, 6, 8, 0}, samples));
  };
  for (int i = 0; i < 12; ++i) {
    const std::string kind = i % 2 == 0 ? "cat/" : "dog/";
    picture("train/" + kind + std::to_string(i) + ".png", i);
    if (i < 2) picture("train/" + kind + "copy.png", i);
    picture("test/" + kind + std::to_string(i) + ".png", i < 3 ? i : 100 + i);
  }
  const auto trained = place.run(
      {"train", place.at("train"), "--test", place.at("test"), "--epochs", "1", "--layers", "4",
       "--threads", "1", "--no-baseline", "--no-report", "--quiet", "--out", place.at("run")});
  INFO(trained.err);
  REQUIRE(trained.status == 0);
  CHECK(contains(trained.err, "note: 4 of 14 labeled rows have the same inputs as another one"));
  CHECK(contains(trained.err, "note: 3 of 12 test rows have the same inputs as a labeled row"));
}

TEST_CASE("ladder train: takes convolutions for images", "[cli]") {
  const LadderPlace place;
  std::string pixels, labels;
  for (int i = 0; i < 24; ++i) {
    pixels += std::string(64, static_cast<char>((i % 2 == 0 ? 10 : 90) + i));
    const int64_t label = i < 12 ? i % 2 : -1;
    labels += std::string(reinterpret_cast<const char*>(&label), sizeof label);
  }
  write_file(place.folder / "x.npy", npy_file("|u1", "(24, 8, 8)", pixels));
  write_file(place.folder / "y.npy", npy_file("<i8", "(24,)", labels));
  const auto outcome =
      place.run({"train", place.at("x.npy"), "--convolutional", "--epochs", "1", "--threads", "1",
                 "--no-baseline", "--no-report", "--quiet", "--out", place.at("run")});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const auto layers = read_json(place.folder / "run/config.json").at("layers");
  CHECK(layers.size() == 9);
  CHECK(layers.at(0).get<std::string>().starts_with("conv "));
}

TEST_CASE("ladder inspect: shows the columns of a table that cannot be trained on", "[cli]") {
  const LadderPlace place;
  const auto sentence = [&](const std::string& file, const Arguments& more) {
    const auto outcome = place.run(Arguments{"inspect", place.at(file)} + more);
    INFO(outcome.out);
    CHECK(outcome.status == 1);
    CHECK(contains(outcome.out, "\ncolumn "));
    return one_sentence("ladder", outcome.err);
  };
  CHECK(contains(sentence("train.csv", {"--label", "x"}), "regression is not supported"));
  write_clouds(place.folder / "alone.csv", 10, 0);
  CHECK(sentence("alone.csv", {"--label", "kind"})
            .starts_with("class_labels: expected labels in column 'kind' but got none"));
  write_clouds(place.folder / "one.csv", 10, 1);
  CHECK(sentence("one.csv", {"--label", "kind"})
            .starts_with("class_labels: expected at least 2 classes in column 'kind'"));
  write_file(place.folder / "same.csv", "a,b\n1,2\n1,2\n");
  CHECK(sentence("same.csv", {}).starts_with("Features: expected a column whose values vary in "));

  REQUIRE(place
              .run({"convert", place.at("train.csv"), "--label", "kind", "--ignore", "id", "-o",
                    place.at("shards")})
              .status == 0);
  CHECK(contains(place.run({"inspect", place.at("shards")}).out,
                 "2 classes, 20 labeled rows of 300\n"));
}

TEST_CASE("ladder inspect: cuts long cells and counts one row as one", "[cli]") {
  const LadderPlace place;
  const std::string name(50, 'n');
  write_file(place.folder / "long.csv",
             name + ",y\n" + std::string(600'000, 'x') + ",1\n\"a\nb\",2\n");
  const auto outcome = place.run({"inspect", place.at("long.csv")});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  CHECK(outcome.out.size() < 1000);
  CHECK(contains(outcome.out, "2 rows, 2 columns\n"));
  CHECK(contains(outcome.out, "2 different: " + std::string(39, 'x') + "\u2026, a b\n"));
  CHECK(contains(outcome.out, "\n" + name.substr(0, 39) + "\u2026  "));
  write_file(place.folder / "one.csv", "a,b\n1,2\n");
  CHECK(contains(place.run({"inspect", place.at("one.csv")}).out, "1 row, 2 columns\n"));
  write_file(place.folder / "column.csv", "a\n1\n2\n");
  const auto column = place.run({"inspect", place.at("column.csv")}).out;
  CHECK(contains(column, "2 rows, 1 column\n"));
  CHECK(contains(column, "\n1 input of a network\n"));
}

TEST_CASE("ladder evaluate: classes whose names begin alike have numbers", "[cli]") {
  const LadderPlace place;
  for (const char* name : {"train.csv", "test.csv"}) {
    auto text = file_bytes(place.folder / name);
    text = std::regex_replace(text, std::regex("left\n"), "sensor_bad\n");
    text = std::regex_replace(text, std::regex("right\n"), "sensor_ok\n");
    write_file(place.folder / name, text);
  }
  REQUIRE(place.run(place.train("run") + Arguments{"--quiet", "--no-report"}).status == 0);
  const auto told = place.run({"evaluate", place.at("run"), place.at("test.csv")});
  INFO(told.out << told.err);
  REQUIRE(told.status == 0);
  CHECK(std::regex_search(told.out,
                          std::regex("across\\):\n +1 +2\n 1 sensor_bad .*\n 2 sensor_ok ")));
}

TEST_CASE("ladder: wrong use is one sentence and status 2", "[cli]") {
  const LadderPlace place;
  const auto error = [&](const Arguments& arguments, int status = 2) {
    const auto outcome = place.run(arguments);
    CHECK(outcome.status == status);
    CHECK(outcome.out.empty());
    CHECK(lines_of(outcome.err).size() == 1);
    return outcome.err;
  };
  const auto alone = run_to_end(by_shell({program_path("ladder"), "trian"}));
  CHECK(alone.status == 2);
  CHECK(alone.err == error({"trian"}));
  CHECK(error({"trian"}) == "ladder: expected a command but got 'trian' (did you mean train?).\n");
  CHECK(error({"train"}) == "ladder: expected DATA but got none (ladder train DATA [FLAGS]).\n");
  CHECK(
      error({"train", place.at("train.csv")})
          .find(
              "ladder: expected the column of the labels in --label but got none (the last column "
              "of ") == 0);
  CHECK(error({"predict", "a", "b", "c"}) ==
        "ladder: expected one DATA but got also 'c' (ladder predict MODEL DATA [FLAGS]).\n");
  CHECK(error({"train", place.at("train.csv"), "--label", "kind", "--epochs", "1", "--minutes",
               "1"}) == "ladder: expected --epochs or --minutes but got both.\n");
  CHECK(error({"train", place.at("none.csv"), "--label", "kind"}, 1).find(place.at("none.csv")) !=
        std::string::npos);
  CHECK(error({"train", place.at("train.csv"), "--label", "kind", "--minutes", "0"}) ==
        "ladder: expected a number above 0 for --minutes but got '0'.\n");
  CHECK(error({"train", place.at("train.csv"), "--label", "kind", "--activation", "relo"}) ==
        "ladder: expected relu, leaky-relu, tanh, gelu or identity for --activation but got "
        "'relo' (did you mean relu?).\n");
  CHECK(error({"train", place.at("train.csv"), "--label", "kind", "--device", "gpu"}) ==
        "ladder: expected auto, cpu or cuda for --device but got 'gpu' (did you mean cuda?).\n");
  CHECK(error({"train", place.at("train.csv"), "--label", "kind,color"}) ==
        "ladder: expected one column of labels in --label but got 'kind,color' (several labels a "
        "row are not supported; train one model for each).\n");
  CHECK(error({"train", place.at("train.csv"), "--label", "x"}, 1)
            .find("labeled rows of column 'x' (regression is not supported;") != std::string::npos);
  CHECK(error({"train", place.at("train.csv"), "--label", "kin"}, 1)
            .find("expected a column 'kin' in " + place.at("train.csv") +
                  " but found none (did you mean 'kind'?)") != std::string::npos);
  CHECK(error({"train", place.at("train.csv"), "--label", "state"}, 1)
            .find("but found none (there are 'id', 'x', 'y', 'color', 'kind')") !=
        std::string::npos);
  write_clouds(place.folder / "alone.csv", 10, 0);
  CHECK(error({"train", place.at("alone.csv"), "--label", "kind"}, 1).find("expected labels") !=
        std::string::npos);
  // Nothing is ignored without a word.
  const auto both = [&](const Arguments& more) { return error(place.train("refused") + more); };
  CHECK(both({"--seed", "7", "--seeds", "1..3"}) ==
        "ladder: expected --seed or --seeds but got both.\n");
  CHECK(both({"--folds", "5", "--validation", "0.2"}) ==
        "ladder: expected --folds or --validation but got both (folds measure every labeled "
        "row).\n");
  CHECK(both({"--convolutional", "--input-weight", "30"}) ==
        "ladder: expected --input-weight or --convolutional but got both (only the top has a "
        "denoising cost there; --lambda weighs every level).\n");
  CHECK(both({"--precision", "tf32", "--device", "cpu"}) ==
        "ladder: expected a CUDA device for --precision tf32 but got the CPU (bfloat16 is the fast "
        "precision there).\n");
  // What --test and --ignore ask for is checked before anything is trained.
  const auto refused = [&](const Arguments& more) {
    const auto text = error(place.train("refused") + more, 1);
    CHECK_FALSE(fs::exists(place.folder / "refused" / "metrics.jsonl"));
    return text;
  };
  CHECK(refused({"--test", place.at("alone.csv")}) ==
        "ladder: expected labels of the rows in --test but got none in " + place.at("alone.csv") +
            ".\n");
  write_file(place.folder / "other.csv", "kind,size\nbanana,1\n");
  CHECK(refused({"--test", place.at("other.csv")})
            .find("labels_of: expected a known class but got 'banana' in row 1") !=
        std::string::npos);
  CHECK(refused({"--ignore", "idd"}).find("expected a column 'idd'") != std::string::npos);
  REQUIRE(place.run(place.train("run") + Arguments{"--quiet", "--no-report"}).status == 0);
  CHECK(error({"predict", place.at("run"), place.at("test.csv"), "--id", "it"}, 1)
            .find("expected a column 'it'") != std::string::npos);
  CHECK(error(place.train("run"), 1).find("which holds one (continue it with --resume") !=
        std::string::npos);
  CHECK(error({"predict", place.at("none"), place.at("test.csv")}, 1)
            .find("expected a model file or the folder of a run but got nothing at " +
                  place.at("none")) != std::string::npos);
  const auto long_name = place.at(std::string(300, 'x'));
  CHECK(error({"predict", long_name, place.at("test.csv")}, 1) ==
        "ladder: Classifier: expected a model file or the folder of a run but got \"File name too "
        "long\" at " +
            long_name + " (check the path).\n");
  CHECK(error({"report", long_name}, 1) == "ladder: read_text: expected to read " + long_name +
                                               "/config.json but got \"File name too long\".\n");
  fs::create_directories(place.folder / "empty");
  CHECK(error({"predict", place.at("empty"), place.at("test.csv")}, 1)
            .find("expected a model in " + place.at("empty")) != std::string::npos);
  write_file(place.folder / "empty/config.json", R"({"program": "ladder"})");
  CHECK(error({"predict", place.at("empty"), place.at("test.csv")}, 1)
            .ends_with("(the run has not finished; `ladder train ... --resume` continues it).\n"));
  write_file(place.folder / "empty/config.json", R"({"program": "ladder-mnist"})");
  write_file(place.folder / "empty/result.json", "{}");
  CHECK(error({"export", place.at("empty"), "-o", place.at("m.onnx")}, 1) ==
        "ladder: expected a model in " + place.at("empty") +
            " but found no model.ladder (ladder-mnist writes none; `ladder train` makes models of "
            "your own data).\n");
}

TEST_CASE("ladder predict: a table without rows is answered by the header alone", "[cli]") {
  const LadderPlace place;
  REQUIRE(place.run(place.train("run") + Arguments{"--quiet", "--no-report"}).status == 0);
  write_file(place.folder / "none.csv", "id,x,y,color\n");
  const auto none = place.run(
      {"predict", place.at("run"), place.at("none.csv"), "--id", "id", "--probabilities"});
  CHECK(none.err.empty());
  CHECK(none.status == 0);
  CHECK(none.out == "id,class,p:left,p:right\n");
  write_file(place.folder / "lacking.csv", "x,color\n");
  const auto lacking = place.run({"predict", place.at("run"), place.at("lacking.csv")});
  CHECK(lacking.status == 1);
  CHECK(lacking.out.empty());
  CHECK(contains(lacking.err, "expected a column 'y' in " + place.at("lacking.csv")));
  // There is nothing to measure or to train on.
  for (const Arguments& command : {Arguments{"evaluate", place.at("run"), place.at("none.csv")},
                                   Arguments{"train", place.at("none.csv"), "--label", "color"}}) {
    const auto refused = place.run(command);
    CHECK(refused.status == 1);
    CHECK(contains(refused.err, "expected rows but got only a header in "));
  }
}

TEST_CASE("ladder predict: two columns of one name are refused", "[cli]") {
  const LadderPlace place;
  REQUIRE(place.run(place.train("run") + Arguments{"--quiet", "--no-report"}).status == 0);
  write_file(place.folder / "new.csv", "x,y,color,class,p2\n1,2,red,a,b\n");
  const auto predict = Arguments{"predict", place.at("run"), place.at("new.csv"), "--id"};
  const auto refused = place.run(predict + Arguments{"class"});
  CHECK(refused.status == 2);
  CHECK(one_sentence("ladder", refused.err) ==
        "expected a column for --id that has another name than those of the answers but got "
        "'class' (rename it in DATA).");
  CHECK(place.run(predict + Arguments{"p2"}).out.starts_with("p2,class\nb,"));
  CHECK(place.run(predict + Arguments{"p2", "--top", "2"}).status == 2);
}

TEST_CASE("ladder evaluate: counts the rows that it leaves out", "[cli]") {
  const LadderPlace place;
  REQUIRE(place.run(place.train("run") + Arguments{"--quiet", "--no-report"}).status == 0);
  write_clouds(place.folder / "part.csv", 100, 50, 1000);
  const auto text = place.run({"evaluate", place.at("run"), place.at("part.csv")});
  INFO(text.err);
  REQUIRE(text.status == 0);
  CHECK(text.out.ends_with("\n50 rows without a label left out\n"));
  const auto whole_text =
      place.run({"evaluate", place.at("run"), place.at("part.csv"), "--json"}).out;
  const auto measured = nlohmann::json::parse(whole_text);
  CHECK(measured.at("rows") == 50);
  CHECK(measured.at("left_out") == 50);
  const auto whole = place.run({"evaluate", place.at("run"), place.at("test.csv")});
  CHECK_FALSE(contains(whole.out, "left out"));
  REQUIRE(place
              .run({"convert", place.at("part.csv"), "--label", "kind", "--ignore", "id", "-o",
                    place.at("shards")})
              .status == 0);
  const auto shards = place.run({"evaluate", place.at("run"), place.at("shards")});
  CHECK(shards.out.ends_with("\n50 rows without a label left out\n"));
}

TEST_CASE("ladder: '-' is the standard input of every command that reads rows once", "[cli]") {
  const LadderPlace place;
  const auto piped = [&](const std::string& words) {
    return run_to_end({"/bin/sh", "-c", "cat \"$2\" | \"$1\" " + words, "sh",
                       program_path("ladder"), place.at("train.csv"), place.at("run")});
  };
  const auto trained = piped(
      "train - --label kind --ignore id --epochs 2 --layers 10 --threads 1 --no-baseline "
      "--no-report --quiet --out \"$3\"");
  INFO(trained.err);
  REQUIRE(trained.status == 0);
  CHECK(contains(trained.out, "trained   300 rows, 20 of them labeled, 2 classes"));
  const auto evaluated = piped("evaluate \"$3\" -");
  INFO(evaluated.err);
  CHECK(evaluated.status == 0);
  CHECK(contains(evaluated.out, " of 20 rows)\n"));
  CHECK(contains(piped("inspect - --label kind").out, "2 classes, 20 labeled rows of 300"));
  const auto tuned = piped("tune - --label kind");
  CHECK(tuned.status == 2);
  CHECK(one_sentence("ladder", tuned.err) ==
        "expected a file or a folder in DATA but got the standard input (each run reads it).");
}

TEST_CASE("ladder: what to type next is quoted for a shell", "[cli]") {
  const LadderPlace place;
  const auto trained = place.run(place.train("ta ble") + Arguments{"--quiet", "--no-report"});
  REQUIRE(trained.status == 0);
  CHECK(lines_of(trained.out).back() ==
        "next      ladder predict '" + place.at("ta ble") + "' NEW_DATA");
  const auto converted =
      place.run({"convert", place.at("train.csv"), "--label", "kind", "-o", place.at("sh ards")});
  CHECK(lines_of(converted.out).back() == "next      ladder train '" + place.at("sh ards") + "'");
}

TEST_CASE("ladder: a wrong LADDER_KERNELS is no fault of the model", "[cli]") {
  const LadderPlace place;
  REQUIRE(place.run(place.train("run") + Arguments{"--quiet", "--no-report"}).status == 0);
  const auto outcome = run_to_end(
      by_shell({program_path("ladder"), "predict", place.at("run"), place.at("test.csv")}),
      {{"LADDER_KERNELS", "foo"}});
  CHECK(outcome.status == 1);
  CHECK(one_sentence("ladder", outcome.err).starts_with("LADDER_KERNELS: expected baseline"));
}

TEST_CASE("ladder: every command explains itself on one screen", "[cli]") {
  const LadderPlace place;
  for (const char* command : {"train", "predict", "evaluate", "inspect", "export", "report",
                              "reproduce", "convert", "launch"}) {
    const auto help = place.run({command, "--help"});
    INFO(command << "\n" << help.out);
    CHECK(help.status == 0);
    CHECK(lines_of(help.out).size() <= 60);
    for (const auto& line : lines_of(help.out)) CHECK(line.size() <= 80);
  }
  CHECK(contains(place.run({"reproduce", "--help"}).out, "\n  ladder reproduce [FLAGS]\n"));
  CHECK_FALSE(contains(place.run({"convert", "--help"}).out, "--size"));
  const auto help = place.run({"--help"});
  CHECK(help.status == 0);
  CHECK(help.err.empty());
  const auto without_command = place.run({});
  CHECK(without_command.status == 2);
  CHECK(without_command.out == help.out);
  CHECK(place.run({"--version"}).out.find("ladder ") == 0);
  for (const char* command : {"train", "tune", "predict", "evaluate", "launch", "reproduce"}) {
    INFO(command);
    const auto version = place.run({command, "--version"});
    CHECK(version.status == 0);
    CHECK(version.out == place.run({"--version"}).out);
  }
  CHECK(place.run({"predict", "--label=--version"}).status == 2);
  const auto train = place.run({"train", "--help"}).out;
  CHECK(contains(train,
                 "\n  --batch-size N              rows per step (20 to 2,000, by their number)\n"));
  CHECK(contains(train, "If a flag is given twice, the last value counts; "));
  std::string flat = train;
  std::replace(flat.begin(), flat.end(), '\n', ' ');
  CHECK(contains(flat, "0 done, 1 failed, 2 usage error, 130 interrupted by a signal ("));
}

TEST_CASE("ladder: bash completes the commands that the program has", "[cli]") {
  const auto completed = [](const std::string& word) {
    const auto outcome =
        run_to_end({"/bin/bash", "-c",
                    "source \"$1\"; COMP_WORDS=(\"$2\" \"$3\"); COMP_CWORD=1; _ladder; "
                    "printf '%s\\n' \"${COMPREPLY[@]}\"",
                    "bash", (source_folder() / "apps/ladder-completion.bash").string(),
                    program_path("ladder"), word});
    CHECK(outcome.err.empty());
    return lines_of(outcome.out);
  };
  CHECK(completed("re") == std::vector<std::string>{"report", "reproduce"});
  const auto commands = completed("");
  REQUIRE(commands.size() >= 10);
  CHECK(commands.front() == "train");
  CHECK(commands.back() == "launch");
  // The sentence of a wrong one has the nearest command, so a name in it is one of the program's.
  for (const auto& command : commands) {
    INFO(command);
    const auto outcome = run_to_end({program_path("ladder"), command + "x"});
    CHECK(contains(outcome.err, "(did you mean " + command + "?)"));
  }
}

namespace {

const std::string kPictures = "\n## Pictures\n";

// Commands of a part of docs/own-data.md as a script that trains for fewer epochs.
std::string script_of(const std::string& page, const std::string& epochs) {
  std::string script = "set -eu\nladder() { \"$LADDER\" \"$@\"; }\n";
  const std::regex block("```sh\n([^`]*)```");
  for (std::sregex_iterator at(page.begin(), page.end(), block), end; at != end; ++at) {
    script += (*at)[1].str();
  }
  // Set-up is another test's.
  script = std::regex_replace(script, std::regex("\\./bootstrap\\.sh train"), "ladder train");
  script = std::regex_replace(script, std::regex("\n(ladder tune [^\n]*)"),
                              "\n$1 --trials 2 --draws 1 --epochs " + epochs);
  return std::regex_replace(script, std::regex("\n(ladder train [^\n]*)"),
                            "\n$1 --quiet --epochs " + epochs);
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

Outcome run_script(const TemporaryFolder& folder, const std::string& script) {
  fs::create_directory_symlink(source_folder() / "examples", folder / "examples");
  write_file(folder / "script.sh", script);
  return run_to_end(
      {"/bin/sh", "-c", "cd \"$1\" && exec sh script.sh", "sh", folder.path().string()},
      {{"LADDER", program_path("ladder")}});
}

}  // namespace

TEST_CASE("docs/own-data.md: its commands for a table run as they stand", "[cli][docs]") {
  const TemporaryFolder folder;
  const auto page = file_bytes(source_folder() / "docs/own-data.md");
  const auto pictures = page.find(kPictures);
  REQUIRE(pictures != std::string::npos);
  const auto outcome = run_script(folder, script_of(page.substr(0, pictures), "2"));
  INFO(outcome.err << outcome.out);
  CHECK(outcome.status == 0);
  CHECK(lines_of(file_bytes(folder / "answers.csv")).size() == 1501);
  CHECK(lines_of(file_bytes(folder / "probabilities.csv")).size() == 1501);
  CHECK(fs::exists(folder / "page.html"));
  CHECK(fs::exists(folder / "tune/machines/tune.svg"));
  CHECK(fs::exists(folder / "runs/tuned/model.ladder"));
  CHECK(fs::exists(folder / "machines.onnx"));
}

TEST_CASE("docs/own-data.md: its commands for pictures run as they stand", "[cli][docs]") {
  fs::path data;
  try {
    data = ladder::data::find_fashion_mnist();
  } catch (const c10::Error&) {
    LADDER_SKIP("no Fashion-MNIST (Debian: dataset-fashion-mnist)");
  }
  if (run_to_end({"/bin/sh", "-c", "command -v python3"}).status != 0) LADDER_SKIP("no python3");
  const TemporaryFolder folder;
  const auto page = file_bytes(source_folder() / "docs/own-data.md");
  auto script = script_of(page.substr(page.find(kPictures)), "1");
  script = replaced(std::move(script), ladder::data::kFashionMnistPackageDir, data.string());
  const auto outcome = run_script(folder, script);
  INFO(outcome.err << outcome.out);
  REQUIRE(outcome.status == 0);
  CHECK(outcome.out.find("10 classes, 200 labeled rows of 10000\n") != std::string::npos);
  const auto sorted = lines_of(file_bytes(folder / "sorted.csv"));
  REQUIRE(sorted.size() == 9801);
  CHECK(sorted[0] == "file,class,p,class2,p2");
  CHECK(outcome.out.find("file,class\n00018.png,") != std::string::npos);
  CHECK(file_bytes(folder / "fashion.html").find("<html") != std::string::npos);
  // An epoch learns more than nothing: one in ten would be right by chance.
  const auto measured =
      nlohmann::json::parse(file_bytes(folder / "runs/fashion/evaluation.json")).at("test");
  CHECK(measured.at("rows") == 2000);
  CHECK(measured.at("error") < 80);
}
