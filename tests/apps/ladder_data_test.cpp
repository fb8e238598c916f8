// How the program `ladder` reads tables and pictures: signs of files, missing values, notes.
#include <fmt/format.h>
#include <ladder/data/arrow.h>
#include <ladder/data/datasets.h>
#include <ladder/data/internal/image_codec.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "tests/apps/ladder_place.h"
#include "tests/data/npy_files.h"
#include "tests/data/png_files.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/python.h"
#include "tests/support/run_files.h"

namespace fs = std::filesystem;
using namespace ladder::testing;

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

TEST_CASE("ladder convert: leaves out rows without any value, as training does", "[cli]") {
  const LadderPlace place;
  write_file(place.folder / "rows.csv", "x;y\n1,5;-1,0\n2;0,0\n;\n3;1,0\n;\n");
  const auto outcome =
      place.run({"convert", place.at("rows.csv"), "--label", "y", "-o", place.at("shards")});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  CHECK(contains(outcome.err,
                 "note: 2 rows of " + place.at("rows.csv") + " have no value and are left out\n"));
  CHECK(contains(outcome.out, "shards    3 rows of "));
  CHECK(contains(outcome.out, "labels    2 rows, 2 classes\n"));  // -1,0 is none
  const auto index = nlohmann::json::parse(file_bytes(place.folder / "shards/index.json"));
  CHECK(index.at("columns")[0].at("missing") == false);

  // Rows to predict have an answer each.
  REQUIRE(place.run(place.train("run") + Arguments{"--no-report", "--quiet"}).status == 0);
  write_file(place.folder / "new.csv", "x,y\n1,2\n,\n3,4\n");
  const auto kept = place.run({"convert", place.at("new.csv"), "-o", place.at("new")});
  CHECK(contains(kept.out, "shards    3 rows of "));
  CHECK_FALSE(contains(kept.err, "no value"));
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
  // One column more in front would move the others.
  std::vector<float> wide;
  for (size_t row = 0; row < 100; ++row) {
    wide.insert(wide.end(), {static_cast<float>(row), x[2 * row], x[2 * row + 1]});
  }
  fs::create_directory(place.folder / "wide");
  write_file(place.folder / "wide/x.npy", npy_file("<f4", "(100, 3)", raw(wide)));
  write_file(place.folder / "wide/y.npy", npy_file("<i8", "(100,)", raw(y)));
  for (const auto& command : Arguments{"predict", "evaluate"}) {
    const auto refused = place.run({command, place.at("run"), place.at("wide/x.npy")});
    CHECK(refused.status == 1);
    CHECK(refused.err.ends_with(
        "ladder: expected rows of 2 numbers, as in training, but got 3 in " +
        place.at("wide/x.npy") + " (columns of arrays are known by their places alone).\n"));
  }
  const auto more = place.run({"train", place.at("x.npy"), "--unlabeled", place.at("wide/x.npy"),
                               "--out", place.at("more"), "--quiet"});
  CHECK(more.status == 1);
  CHECK(contains(more.err,
                 "expected rows of 2 numbers, as in " + place.at("x.npy") + ", but got 3 in "));
  const auto test = place.run({"train", place.at("x.npy"), "--test", place.at("wide/x.npy"),
                               "--out", place.at("tested"), "--quiet"});
  CHECK(test.status == 1);
  CHECK(contains(test.err, "expected rows of 2 numbers, as in training, but got 3 in "));

  // Shards keep the number of columns.
  for (const char* folder : {"", "wide/"}) {
    const auto name = std::string(folder) + "x.npy";
    REQUIRE(place.run({"convert", place.at(name), "-o", place.at(name + "-shards")}).status == 0);
  }
  REQUIRE(place
              .run({"train", place.at("x.npy-shards"), "--epochs", "2", "--layers", "4", "--out",
                    place.at("of-shards"), "--no-baseline", "--quiet"})
              .status == 0);
  CHECK(place.run({"evaluate", place.at("of-shards"), place.at("x.npy")}).status == 0);
  for (const char* wider : {"wide/x.npy", "wide/x.npy-shards"}) {
    INFO(wider);
    CHECK(contains(place.run({"predict", place.at("of-shards"), place.at(wider)}).err,
                   "expected rows of 2 numbers, as in training, but got 3 in "));
  }
  CHECK(contains(
      place.run({"convert", place.at("x.npy"), place.at("wide/x.npy"), "-o", place.at("both")}).err,
      "expected rows of 2 numbers as before but got 3 in "));

  // Columns that training ignored count, too.
  for (const auto& ignored : Arguments{"x0", "x1"}) {
    INFO(ignored);
    const auto run = place.at("without-" + ignored);
    REQUIRE(place
                .run({"train", place.at("x.npy"), "--ignore", ignored, "--epochs", "2", "--layers",
                      "4", "--out", run, "--no-baseline", "--no-report", "--quiet"})
                .status == 0);
    CHECK(place.run({"evaluate", run, place.at("x.npy")}).status == 0);
    CHECK(contains(place.run({"evaluate", run, place.at("wide/x.npy")}).err,
                   "expected rows of 2 numbers, as in training, but got 3 in "));
  }
}

TEST_CASE("ladder: columns that are called x0, x1 and so on have names", "[cli]") {
  const LadderPlace place;
  std::string text = "x0,x1,y\n", wide = "x0,x1,x2,y\n";
  for (int row = 0; row < 60; ++row) {
    const auto cells = fmt::format("{},{}", row % 2 == 0 ? -2 : 2, row % 5);
    text += fmt::format("{},{}\n", cells, row % 2 == 0 ? "a" : "b");
    wide += fmt::format("{},7,{}\n", cells, row % 2 == 0 ? "a" : "b");
  }
  write_file(place.folder / "rows.csv", text);
  write_file(place.folder / "wide.csv", wide);
  REQUIRE(place
              .run({"train", place.at("rows.csv"), "--label", "y", "--epochs", "2", "--layers", "4",
                    "--out", place.at("run"), "--no-baseline", "--no-report", "--quiet"})
              .status == 0);
  CHECK(place.run({"evaluate", place.at("run"), place.at("wide.csv")}).status == 0);
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

TEST_CASE("ladder: flags name the delimiter, the header and the decimal mark of a table", "[cli]") {
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
            .starts_with("expected labels in column 'kind' but got none"));
  write_clouds(place.folder / "one.csv", 10, 1);
  CHECK(sentence("one.csv", {"--label", "kind"})
            .starts_with("expected at least 2 classes in column 'kind'"));
  write_file(place.folder / "same.csv", "a,b\n1,2\n1,2\n");
  CHECK(sentence("same.csv", {}).starts_with("expected a column whose values vary in "));

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
