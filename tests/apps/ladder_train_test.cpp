// ladder train: runs, folders, seeds, folds, baselines and notes before training.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/data/datasets.h>
#include <ladder/data/internal/image_codec.h>
#include <ladder/io/tensor_file.h>
#include <ladder/runs/seed_summary.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/apps/ladder_place.h"
#include "tests/data/npy_files.h"
#include "tests/data/png_files.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"
#include "tests/support/program.h"
#include "tests/support/run_files.h"

namespace fs = std::filesystem;
using namespace ladder::testing;

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
  CHECK_FALSE(read_json(place.folder / "parts/config.json").contains("resumed"));
  CHECK(file_bytes(place.folder / "whole/model.ladder") ==
        file_bytes(place.folder / "parts/model.ladder"));
}

TEST_CASE("ladder train: config.json lists where a run went on", "[cli]") {
  const LadderPlace place;
  const auto flags = Arguments{"--no-report", "--resume"};
  const auto command = Arguments{program_path("ladder")} + place.train("run") +
                       Arguments{"--epochs", "100000"} + flags;  // which no machine ends
  const auto evaluations = [&] {
    const auto metrics = place.folder / "run/metrics.jsonl";
    return fs::exists(metrics) ? lines_of(file_bytes(metrics)).size() : 0;
  };
  for (const auto& words : {command, command + Arguments{"--threads", "2"}}) {
    const auto before = evaluations();
    Program program(words);
    REQUIRE(program.wait_until([&] { return evaluations() > before; }));
    program.send(SIGINT);
    REQUIRE(program.wait() == 130);
  }
  const auto config = read_json(place.folder / "run/config.json");
  CHECK(config.at("environment").at("threads") == 1);
  REQUIRE(config.at("resumed").size() == 1);
  CHECK(config["resumed"][0].at("step") > 0);
  CHECK(config["resumed"][0].at("environment").at("threads") == 2);
  // A run that has ended goes on nowhere.
  REQUIRE(place.run(place.train("short") + flags).status == 0);
  REQUIRE(place.run(place.train("short") + flags + Arguments{"--threads", "2"}).status == 0);
  CHECK_FALSE(read_json(place.folder / "short/config.json").contains("resumed"));
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
    // With one more column, in which a text among numbers would be a mistake.
    unnamed += lines[i] + (i == 0   ? ",site,remark\n"
                           : i == 7 ? ",T1,x\n"
                                    : fmt::format(",T1,{}\n", i));
  }
  write_file(place.folder / "train.csv", named);
  write_file(place.folder / "test.csv", unnamed);
  std::string more;  // without the site
  for (const auto& line : lines_of(unnamed)) {
    auto row = cells(line);
    row.erase(row.end() - 2);
    more += fmt::format("{}\n", fmt::join(row, ","));
  }
  write_file(place.folder / "more.csv", more);
  const auto outcome =
      place.run(place.train("run") + Arguments{"--ignore", "site", "--test", place.at("test.csv"),
                                               "--unlabeled", place.at("more.csv")});
  INFO(outcome.err);
  CHECK(outcome.status == 0);
  const auto config = nlohmann::json::parse(file_bytes(place.folder / "run/config.json"));
  CHECK(config.at("train_rows") == 600);
  CHECK(config.at("input_shape") == nlohmann::json({4}));  // x, y, two colors: no id, no site
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
