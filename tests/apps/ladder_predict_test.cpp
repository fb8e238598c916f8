// ladder predict and ladder evaluate: answers, what they refuse, and the standard input.
#include <ladder/data/datasets.h>
#include <ladder/data/internal/image_codec.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
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
        "ladder: expected pictures, to scale to 6x6, but got a table in " + place.at("test.csv") +
            " (neither --size nor a model of pictures takes a table).\n");

  // The folders of new pictures are no classes.
  fs::create_directories(place.folder / "pictures/empty");
  const auto seen = place.run({"inspect", place.at("pictures")});
  CHECK(contains(seen.err, "a class is left out because no picture of it can be read: 'empty'"));
  const auto predicted = place.run({"predict", place.at("run"), place.at("pictures")});
  CHECK(predicted.status == 0);
  CHECK(contains(predicted.err, "dark/broken.png"));
  CHECK_FALSE(contains(predicted.err, "a class is left out"));
  fs::remove(place.folder / "pictures/empty");
  const auto other = place.folder / "new/caf\xe9";  // of any name
  fs::create_directories(other);
  fs::copy(place.folder / "pictures/dark/1.png", other);
  CHECK(place.run({"predict", place.at("run"), place.at("new")}).status == 0);
  CHECK(
      contains(place.run({"inspect", place.at("new")}).err, "expected names of classes in UTF-8"));

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
        "note: expected a PNG or JPEG image but got text that begins with \"no "
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
