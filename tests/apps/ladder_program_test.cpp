// The program `ladder`: from a table to a model, predictions, numbers and files.
#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <ladder/data/datasets.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "tests/apps/ladder_place.h"
#include "tests/data/png_files.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"
#include "tests/support/program.h"
#include "tests/support/python.h"
#include "tests/support/run_files.h"

namespace fs = std::filesystem;
using namespace ladder::testing;

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
        "ladder: expected to write weights to " + place.at("m.pt") +
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
            .find("expected a known class but got 'banana' in row 1") != std::string::npos);
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
        "ladder: expected a model file or the folder of a run but got \"File name too "
        "long\" at " +
            long_name + " (check the path).\n");
  CHECK(error({"report", long_name}, 1) ==
        "ladder: expected to read " + long_name + "/config.json but got \"File name too long\".\n");
  fs::create_directories(place.folder / "empty");
  CHECK(error({"predict", place.at("empty"), place.at("test.csv")}, 1)
            .find("expected a model in " + place.at("empty")) != std::string::npos);
  write_file(place.folder / "empty/config.json", R"({"program": "ladder"})");
  CHECK(error({"predict", place.at("empty"), place.at("test.csv")}, 1)
            .ends_with("(the run has not finished; `ladder train ... --resume` continues it).\n"));
  const auto no_model = [&](const std::string& config) {
    write_file(place.folder / "empty/config.json", config);
    const auto text = error({"export", place.at("empty"), "-o", place.at("m.onnx")}, 1);
    const auto begin =
        "ladder: expected a model in " + place.at("empty") + " but found no model.ladder (";
    CHECK(text.starts_with(begin));
    return text.substr(begin.size());
  };
  const auto go_on = "`ladder-mnist --resume --out " + place.at("empty") + "` ";
  CHECK(no_model(R"({"program": "ladder-mnist"})") == go_on + "continues the run).\n");
  write_file(place.folder / "empty/result.json", "{}");
  CHECK(no_model(R"({"program": "ladder-mnist"})") ==
        "the run has ended, and without its checkpoint.pt none can be made).\n");
  write_file(place.folder / "empty/checkpoint.pt", "");
  CHECK(no_model(R"({"program": "ladder-mnist"})") == go_on + "writes it from checkpoint.pt).\n");
  CHECK(no_model(R"({"program": "ladder-cifar10", "zca_ridge": 0.1})") ==
        "`ladder-cifar10 --resume --out " + place.at("empty") +
            "` writes it from checkpoint.pt).\n");
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
