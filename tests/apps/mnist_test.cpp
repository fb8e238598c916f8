#include <ladder/io/tensor_file.h>
#include <ladder/models/combinators.h>
#include <ladder/models/recipes.h>
#include <pty.h>
#include <tests/data/banded_images.h>
#include <tests/support/catch.h>
#include <tests/support/paths.h>
#include <tests/support/program.h>
#include <tests/support/run_files.h>
#include <tests/support/temporary_folder.h>
#include <tests/support/wrong_commands.h>
#include <torch/torch.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <regex>

using namespace ladder::testing;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

const std::string kProgram = program_path("ladder-mnist");
constexpr int64_t kTrainRows = 200;
constexpr int64_t kTestRows = 50;

// Small data in MNIST's format, and a folder for runs.
struct Place {
  Place() {
    torch::manual_seed(1);
    fs::create_directory(folder / "data");
    write_banded_images(folder / "data", "train", kTrainRows);
    write_banded_images(folder / "data", "t10k", kTestRows);
  }

  // A network that trains in seconds: 10 steps an epoch.
  Arguments command(const std::string& out, const Arguments& more = {}) const {
    return Arguments{kProgram,         "--data-dir=" + (folder / "data").string(),
                     "--layers=30,10", "--lambda=10,1,.1",
                     "--labels=20",    "--batch-size=20",
                     "--threads=1",    "--product-route=aten",
                     "--device=cpu",   "--out=" + (folder / out).string()} +
           more;
  }
  Outcome run(const std::string& out, const Arguments& more = {}) const {
    return run_to_end(command(out, more));
  }
  fs::path file(const std::string& out, const std::string& name) const {
    return folder / out / name;
  }
  json read(const std::string& out, const std::string& name) const {
    return read_json(file(out, name));
  }

  TemporaryFolder folder;
};

std::string one_sentence(const std::string& err) {
  return ladder::testing::one_sentence("ladder-mnist", err);
}

void require_same_run(const Place& place, const std::string& left, const std::string& right) {
  ladder::testing::require_same_run(place.folder / left, place.folder / right);
}

}  // namespace

TEST_CASE("ladder-mnist: a wrong command line is answered in one sentence, status 2", "[cli]") {
  check_wrong_commands(
      kProgram, "ladder-mnist",
      {
          {{"--epoch", "1"}, "expected a known flag but got --epoch (did you mean --epochs?)."},
          {{"--bananas"}, "expected a known flag but got --bananas (--help lists them)."},
          {{"mnist"}, "expected a flag (--name) but got 'mnist'."},
          {{"--epochs"}, "expected a value after --epochs but got none (N)."},
          {{"--epochs", "--quiet"}, "expected a value after --epochs but got none (N)."},
          {{"--quiet=yes"}, "expected --quiet without a value but got '--quiet=yes'."},
          {{"--recipe", "mnist-100-ful"},
           "expected a recipe but got 'mnist-100-ful' (did you mean mnist-100-full? --list shows "
           "all)."},
          {{"--dataset", "mnits"},
           "expected mnist or fashion-mnist for --dataset but got 'mnits' (did you mean mnist?)."},
          {{"--combinator", "gausian"},
           "expected a combinator but got 'gausian' (did you mean gaussian? --list shows all)."},
          {{"--activation", "rely"},
           "expected relu, leaky-relu, tanh or gelu for --activation but got 'rely' (did you mean "
           "relu?)."},
          {{"--precision", "half"},
           "expected float32, bfloat16, tf32 or float64 for --precision but got 'half'."},
          {{"--product-route", "mkl"},
           "expected auto, aten, onednn or ladder for --product-route but got 'mkl'."},
          {{"--calibration", "train"},
           "expected training or labeled for --calibration but got 'train' (did you mean "
           "training?)."},
          {{"--device", "gpu"}, "expected auto, cpu, cuda or cuda:N for --device but got 'gpu'."},
          {{"--epochs", "0"}, "expected a whole number of at least 1 for --epochs but got '0'."},
          {{"--epochs", "10x"},
           "expected a whole number of at least 1 for --epochs but got '10x'."},
          {{"--epochs", "1.5"},
           "expected a whole number of at least 1 for --epochs but got '1.5'."},
          {{"--epochs="}, "expected a whole number of at least 1 for --epochs but got ''."},
          {{"--epochs", "99999999999999999999"},
           "expected a whole number of at least 1 for --epochs but got '99999999999999999999'."},
          {{"--batch-size", "1"},
           "expected a whole number of at least 2 for --batch-size but got '1'."},
          {{"--batch-size", "60001"},
           "expected --batch-size of at most 60000, the rows to train on, but got 60001."},
          {{"--lr", "-1"}, "expected a number of at least 0 for --lr but got '-1'."},
          {{"--lr", "fast"}, "expected a number of at least 0 for --lr but got 'fast'."},
          {{"--lr", "nan"}, "expected a number of at least 0 for --lr but got 'nan'."},
          {{"--noise", "inf"}, "expected a number of at least 0 for --noise but got 'inf'."},
          {{"--input-noise", ".3.3"},
           "expected a number of at least 0 for --input-noise but got '.3.3'."},
          {{"--decay-from", "1.1"},
           "expected a number from 0 to 1 for --decay-from but got '1.1'."},
          {{"--threads", "0"}, "expected a whole number from 1 to 4096 for --threads but got '0'."},
          {{"--labels", "0"},
           "expected a whole number of at least 1 for --labels N|all but got '0'."},
          {{"--labels", "55"},
           "expected a number of labels divisible by the 10 classes but got --labels 55 (the "
           "nearest "
           "are 50 and 60; --unbalanced takes any)."},
          {{"--labels", "5"},
           "expected a number of labels divisible by the 10 classes but got --labels 5 (the "
           "nearest is "
           "10; --unbalanced takes any)."},
          {{"--labels", "60010"},
           "expected at most 60000 labels, as many as training rows of mnist, but got --labels "
           "60010."},
          {{"--labels", "59000", "--validation", "5000"},
           "expected at most 55000 labels, as many as training rows of mnist besides those for "
           "validation, but got --labels 59000."},
          {{"--validation", "60000"},
           "expected --validation below the 60000 training rows of mnist but got 60000."},
          {{"--patience", "3"},
           "expected --validation with --patience 3 but got none (the validation error decides "
           "when to "
           "stop)."},
          {{"--lambda", "1000,10"},
           "expected 7 weights in --lambda, for the input and each of 6 layers, but got 2 "
           "(1000,10)."},
          {{"--layers", "100,10"},
           "expected 3 weights in --lambda, for the input and each of 2 layers, but got 7 "
           "(1000,10,0.1,0.1,0.1,0.1,0.1)."},
          {{"--lambda", "1,-1"},
           "expected numbers of at least 0 separated by commas for --lambda but got '1,-1'."},
          {{"--layers", "100,,10"},
           "expected whole numbers of at least 1 separated by commas for --layers but got "
           "'100,,10'."},
          {{"--layers", "100,10", "--recipe", "mnist-100-conv-small-gamma"},
           "expected a recipe of dense layers for --layers but got mnist-100-conv-small-gamma (in "
           "C++, "
           "edit its models::NetworkOptions)."},
          {{"--recipe", "mnist-100-conv-fc", "--lambda", "1,2"},
           "expected 8 weights in --lambda, for the input and each of 7 layers, but got 2 (1,2)."},
          {{"--recipe", "cifar-4000-conv-large-gamma"},
           "expected a recipe for mnist but got cifar-4000-conv-large-gamma (ladder-cifar10 trains "
           "it)."},
          {{"--layers", "100,12", "--lambda", "1,1,1"},
           "expected 10 units in the last of --layers, one for each class, but got 12 (100,12)."},
          {{"--seed", "-1"}, "expected a whole number of at least 0 for --seed but got '-1'."},
          {{"--seeds", "5..1"}, "expected a range that runs up for --seeds but got '5..1'."},
          {{"--seeds", "1..3,2"},
           "expected every seed once for --seeds but got '1..3,2' (2 comes twice)."},
          {{"--seeds", "1.3"}, "expected seeds like 1..10 or 1,2,5 for --seeds but got '1.3'."},
          {{"--seeds", "0..100000"},
           "expected at most 10000 seeds for --seeds but got '0..100000'."},
          {{"--seed", "1", "--seeds", "1..2"}, "expected --seed or --seeds but got both."},
          {{"--device", "cpu", "--precision", "tf32"},
           "expected a CUDA device for --precision tf32 but got the CPU (bfloat16 is the fast "
           "precision "
           "there)."},
          {{"--parallel-seeds"},
           "expected --seeds with --parallel-seeds but got none (--seeds 1..10)."},
      });
}

TEST_CASE("ladder-mnist: a GPU that is not there is refused", "[cli]") {
  if (torch::cuda::is_available()) LADDER_SKIP("this machine has one");
  const auto outcome = run_to_end({kProgram, "--device", "cuda:1"});
  CHECK(outcome.status == 2);
  CHECK(one_sentence(outcome.err)
            .starts_with("expected a CUDA device for --device cuda:1 but got none ("));
}

TEST_CASE("ladder-mnist: trains a convolutional recipe and describes it whole", "[cli]") {
  const Place place;
  const auto outcome =
      run_to_end({kProgram, "--data-dir=" + (place.folder / "data").string(),
                  "--recipe=mnist-100-conv-small-gamma", "--epochs=1", "--device=cpu",
                  "--product-route=aten", "--out=" + (place.folder / "conv").string()});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const auto config = place.read("conv", "config.json");
  CHECK(config.at("input_shape") == json({1, 28, 28}));
  CHECK(config.at("layers") == json({"conv full 32@5x5", "max pool 2", "conv valid 64@3x3",
                                     "conv full 64@3x3", "max pool 2", "conv valid 128@3x3",
                                     "conv valid 10@1x1", "global mean pool", "dense 10"}));
  CHECK(config.at("lambda") == json({0., 0., 0., 0., 0., 0., 0., 0., 0., 1.}));
  CHECK(config.at("top_gamma") == true);
  CHECK(config.at("activation") == "relu");
  CHECK_FALSE(config.contains("in_features"));
  CHECK(place.read("conv", "result.json").at("steps") == 2);
}

TEST_CASE("ladder-mnist: lists its recipes, its flags and its version", "[cli]") {
  const auto list = run_to_end({kProgram, "--list"});
  CHECK(list.status == 0);
  const auto rows = lines_of(list.out);
  size_t row = 0;
  for (const auto& recipe : ladder::models::recipes()) {
    if (recipe.dataset == "mnist") {
      REQUIRE(++row < rows.size());
      CHECK(rows[row].starts_with(recipe.name + " "));
      if (!recipe.network.lambda.empty()) {
        CHECK(rows[row].find(" " + recipe.combinator + " ") != std::string::npos);
      }
    }
  }
  row += 2;  // a line between the tables, and the second one's heading
  for (const auto& combinator : ladder::models::combinators()) {
    REQUIRE(++row < rows.size());
    CHECK(rows[row].starts_with(combinator.name + " "));
  }
  CHECK(rows.size() == row + 1);
  CHECK(list.out.find("1000,10,0.1,0.1,0.1,0.1,0.1") != std::string::npos);
  CHECK(list.out.find("21.74 +- 1.77") != std::string::npos);

  const auto help = run_to_end({kProgram, "--epochs", "1", "--help"});
  CHECK(help.status == 0);
  CHECK(run_to_end({kProgram, "-h"}).out == help.out);
  for (const char* flag : {"--recipe",      "--list",       "--labels",        "--layers",
                           "--lambda",      "--noise",      "--input-noise",   "--combinator",
                           "--activation",  "--epochs",     "--batch-size",    "--lr",
                           "--decay-from",  "--seed",       "--seeds",         "--device",
                           "--threads",     "--precision",  "--product-route", "--data-dir",
                           "--dataset",     "--validation", "--unbalanced",    "--eval-every",
                           "--calibration", "--patience",   "--out",           "--resume",
                           "--quiet",       "--settings",   "--no-graph",      "--parallel-seeds",
                           "--help",        "--version",    "--labeled-batch"}) {
    INFO(flag);
    CHECK(help.out.find(std::string("  ") + flag + " ") != std::string::npos);
  }

  const auto labeled_batch = [](std::vector<std::string> flags) {
    flags.insert(flags.begin(), {kProgram, "--settings"});
    return nlohmann::json::parse(run_to_end(flags).out).at("labeled_batch").get<int>();
  };
  CHECK(labeled_batch({"--batch-size=40"}) == 40);
  CHECK(labeled_batch({"--labeled-batch=30", "--batch-size=40"}) == 30);
  CHECK(labeled_batch({"--labeled-batch=300"}) == 100);  // all there are

  const auto version = run_to_end({kProgram, "--version"});
  CHECK(version.status == 0);
  CHECK(std::regex_match(version.out,
                         std::regex(R"(ladder-mnist \d+\.\d+\.\d+ \(.+\), LibTorch .+\n)")));
}

TEST_CASE("ladder-mnist: missing and damaged data are failures of the run, status 1", "[cli]") {
  const Place place;
  const auto missing = run_to_end({kProgram, "--data-dir", (place.folder / "nowhere").string(),
                                   "--out", (place.folder / "run").string()});
  CHECK(missing.status == 1);
  CHECK(one_sentence(missing.err) ==
        "find_mnist: expected four IDX files in " + (place.folder / "nowhere").string() +
            " but got no train-images-idx3-ubyte, train-labels-idx1-ubyte, "
            "t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (a name may end in .gz).");

  write_file(place.folder / "data/train-labels-idx1-ubyte", "not IDX at all");
  const auto damaged = place.run("run");
  CHECK(damaged.status == 1);
  CHECK(one_sentence(damaged.err).starts_with("read_idx: expected "));
  CHECK(lines_of(damaged.err).size() == 1);
  CHECK_FALSE(fs::exists(place.folder / "run"));
}

TEST_CASE("ladder-mnist: what the data cannot give is refused before anything is written",
          "[cli]") {
  const Place place;
  const auto labels = place.run("run", {"--labels", "300"});
  CHECK(labels.status == 2);
  CHECK(one_sentence(labels.err) ==
        "make_split: expected at most 200 labels, as many as rows with a label, but got 300.");
  const auto validation = place.run("run", {"--validation", "200"});
  CHECK(validation.status == 2);
  CHECK(one_sentence(validation.err).starts_with("make_split: expected 0 to 199 validation rows"));
  const auto batch = place.run("run", {"--batch-size", "201"});
  CHECK(batch.status == 2);
  CHECK(one_sentence(batch.err) ==
        "expected --batch-size of at most 200, the rows to train on, but got 201.");
  CHECK_FALSE(fs::exists(place.folder / "run"));
}

TEST_CASE("ladder-mnist: a run leaves its settings, its course and its result", "[cli]") {
  const Place place;
  const auto outcome = place.run("run", {"--epochs", "3", "--seed", "7", "--validation", "50"});
  REQUIRE(outcome.err.empty());
  REQUIRE(outcome.status == 0);
  const auto lines = lines_of(outcome.out);
  REQUIRE(lines.size() == 5);
  CHECK(lines[0] == "mnist-100-full, seed 7, in " + (place.folder / "run").string());
  CHECK(std::regex_match(
      lines[1],
      std::regex(R"(epoch 1/3  cost \S+, supervised \S+, denoising \S+ \S+ \S+  validation )"
                 R"(error \S+ %  test error \S+ %  \S+ steps/s  \d+:\d\d left)")));
  CHECK(lines[3].starts_with("epoch 3/3  "));
  CHECK(std::regex_match(lines[4], std::regex(R"(validation error \S+ %, test error \S+ %)")));

  const auto config = place.read("run", "config.json");
  const json expected = {{"program", "ladder-mnist"},
                         {"recipe", "mnist-100-full"},
                         {"dataset", "mnist"},
                         {"train_rows", kTrainRows},
                         {"test_rows", kTestRows},
                         {"classes", 10},
                         {"labels", 20},
                         {"balanced", true},
                         {"validation", 50},
                         {"in_features", 784},
                         {"layers", {30, 10}},
                         {"lambda", {10.0, 1.0, 0.1}},
                         {"input_noise", 0.3},
                         {"noise", 0.3},
                         {"combinator", "gaussian"},
                         {"activation", "relu"},
                         {"leaky_slope", 0.1},
                         {"epochs", 3},
                         {"learning_rate", 0.002},
                         {"decay_from", 0.67},
                         {"batch_size", 20},
                         {"labeled_batch", 20},
                         {"seed", 7},
                         {"eval_every", 1},
                         {"calibration", "training"},
                         {"patience", 0},
                         {"device", "cpu"},
                         {"precision", "float32"},
                         {"product_route", "aten"}};
  auto settings = config;
  settings.erase("environment");
  CHECK(settings == expected);
  const auto& environment = config.at("environment");
  CHECK(environment.at("threads") == 1);
  CHECK(environment.at("product_route") == "aten");
  CHECK(environment.at("data_dir") == (place.folder / "data").string());
  for (const char* key : {"ladder", "commit", "libtorch", "cpu", "kernels"}) {
    CHECK_FALSE(environment.at(key).get<std::string>().empty());
  }

  const auto result = place.read("run", "result.json");
  CHECK(result.at("status") == "finished");
  CHECK(result.at("seed") == 7);
  CHECK(result.at("labels") == 20);
  CHECK(result.at("steps") == 3 * 7);  // 150 rows in batches of 20
  const auto error = result.at("test_error").get<double>();
  char text[64];
  std::snprintf(text, sizeof text, "test error %.2f %%", error);
  CHECK(lines[4].ends_with(text));
  CHECK(lines_of(file_bytes(place.file("run", "metrics.jsonl"))).size() == 3);
  CHECK(fs::exists(place.file("run", "checkpoint.pt")));
}

TEST_CASE("ladder-mnist: learns what is to be learned", "[cli]") {
  const Place place;
  const auto outcome = place.run("run", {"--epochs", "20", "--quiet"});
  REQUIRE(outcome.status == 0);
  CHECK(place.read("run", "result.json").at("test_error") == 0.0);
  CHECK(outcome.out == "test error 0.00 %\n");
}

TEST_CASE("ladder-mnist: sets the published error beside that of the same experiment", "[cli]") {
  const Place place;
  const auto published = place.run("a", {"--labels", "100", "--epochs", "1", "--quiet"});
  CHECK(std::regex_match(
      published.out,
      std::regex(R"(test error \S+ % \(published 1\.06 \+- 0\.37 % for mnist-100-full\)\n)")));
  const auto other = place.run("b", {"--epochs", "1", "--quiet"});
  CHECK(std::regex_match(other.out, std::regex(R"(test error \S+ %\n)")));
}

TEST_CASE("ladder-mnist: takes every kind of network and number", "[cli]") {
  const Place place;
  const std::vector<Arguments> kinds = {
      {"--lambda", "none", "--recipe", "mnist-100-baseline"},
      {"--lambda", "0,0,1", "--activation", "leaky-relu", "--calibration", "labeled"},
      {"--lambda", "9,0,0", "--combinator", "vanilla", "--activation", "tanh"},
      {"--precision", "float64", "--activation", "gelu", "--labels", "all"},
      {"--precision", "bfloat16", "--labels", "33", "--unbalanced", "--eval-every", "0"},
      {"--lr", "1e-3", "--decay-from", "0", "--noise", "0", "--input-noise", ".5"},
  };
  for (size_t i = 0; i < kinds.size(); ++i) {
    const auto outcome =
        place.run("run-" + std::to_string(i), kinds[i] + Arguments{"--epochs", "2", "--quiet"});
    INFO(kinds[i].front() << " " << kinds[i][1]);
    CHECK(outcome.err.empty());
    CHECK(outcome.status == 0);
    CHECK(std::regex_match(outcome.out, std::regex(R"(test error \d+\.\d\d %.*\n)")));
  }
}

TEST_CASE("ladder-mnist: a flag overrides the recipe's combinator, and the settings name it",
          "[cli]") {
  const Place place;
  const Arguments recipe = {"--epochs", "1", "--quiet", "--recipe", "mnist-100-linear"};
  REQUIRE(place.run("recipe", recipe).status == 0);
  CHECK(place.read("recipe", "config.json").at("combinator") == "linear");
  REQUIRE(place.run("flag", recipe + Arguments{"--combinator", "amlp-2-2-2"}).status == 0);
  CHECK(place.read("flag", "config.json").at("combinator") == "amlp-2-2-2");
  const auto rows = [&](const std::string& run) {
    return ladder::io::load_tensors(place.file(run, "checkpoint.pt"))
        .at("parameters.decoder.combinators.0.weight")
        .size(0);
  };
  CHECK(rows("recipe") == 3);
  CHECK(rows("flag") == 23);
}

TEST_CASE("ladder-denoising-functions: draws three units of each level of a run", "[cli]") {
  const Place place;
  REQUIRE(place.run("run", {"--epochs", "1", "--quiet", "--combinator", "vanilla"}).status == 0);
  const auto picture = (place.folder / "picture.svg").string();
  const Arguments program = {program_path("ladder-denoising-functions")};
  const auto drawn =
      run_to_end(program + Arguments{"--run", (place.folder / "run").string(), "--out", picture});
  INFO(drawn.err);
  REQUIRE(drawn.status == 0);
  const auto svg = file_bytes(picture);
  const auto count = [&](const std::string& word) {
    int found = 0;
    for (size_t at = svg.find(word); at != std::string::npos; at = svg.find(word, at + 1)) ++found;
    return found;
  };
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(count("<polyline ") == 3 * 3 * 5);
  CHECK(count(">level 0, unit ") == 3);
  CHECK(count(">level 2, unit ") == 3);
  CHECK(svg.find("nan") == std::string::npos);

  const auto nothing = run_to_end(program);
  CHECK(nothing.status == 2);
  CHECK(nothing.err ==
        "ladder-denoising-functions: expected --run DIR, the folder of a ladder-mnist run, but got "
        "none.\n");
  const auto nowhere = run_to_end(program + Arguments{"--run", (place.folder / "no").string()});
  CHECK(nowhere.status == 1);
  CHECK(lines_of(nowhere.err).size() == 1);
  REQUIRE(place.run("baseline", {"--epochs", "1", "--quiet", "--lambda=none"}).status == 0);
  const auto baseline =
      run_to_end(program + Arguments{"--run", (place.folder / "baseline").string()});
  CHECK(baseline.status == 1);
  CHECK(baseline.err ==
        "ladder-denoising-functions: expected a network with a decoder but got a baseline.\n");
}

TEST_CASE("ladder-mnist: the same seed gives the same run, another seed another", "[cli]") {
  const Place place;
  const Arguments short_run = {"--epochs", "2", "--quiet"};
  REQUIRE(place.run("a", short_run).status == 0);
  REQUIRE(place.run("b", short_run).status == 0);
  REQUIRE(place.run("c", short_run + Arguments{"--seed", "2"}).status == 0);
  require_same_run(place, "a", "b");
  const auto a = ladder::io::load_tensors(place.file("a", "checkpoint.pt"));
  const auto c = ladder::io::load_tensors(place.file("c", "checkpoint.pt"));
  for (const auto& [name, tensor] : a) {
    if (name.starts_with("parameters.") && tensor.numel() > 1000) {
      CHECK_FALSE(torch::equal(tensor, c.at(name)));
    }
  }
}

TEST_CASE("ladder-mnist: interrupted, it says how to go on, and ends as if it had not been",
          "[cli]") {
  const Place place;
  const Arguments length = {"--epochs", "60"};
  REQUIRE(place.run("straight", length).status == 0);
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::string out = "run-" + std::to_string(signal);
    Program program(place.command(out, length));
    REQUIRE(
        program.wait_until([&] { return program.out().find("epoch 3/") != std::string::npos; }));
    program.send(signal);
    REQUIRE(program.wait() == 130);
    CHECK(program.err().empty());
    const auto lines = lines_of(program.out());
    CHECK(std::regex_match(lines[lines.size() - 2],
                           std::regex(R"(interrupted at step \d+, saved in .*; to go on:)")));
    CHECK(lines.back().starts_with("  " + kProgram + " --data-dir="));
    CHECK(lines.back().ends_with(" --resume"));
    CHECK_FALSE(fs::exists(place.file(out, "result.json")));

    const auto again = place.run(out, length);
    CHECK(again.status == 2);
    CHECK(one_sentence(again.err) == "expected an empty folder but got a run in " +
                                         (place.folder / out).string() +
                                         " (--resume continues it, --out takes another folder).");

    const auto resumed = place.run(out, length + Arguments{"--resume"});
    REQUIRE(resumed.status == 0);
    CHECK(resumed.out.find("continuing at step ") != std::string::npos);
    CHECK(resumed.out.find("note:") == std::string::npos);
    require_same_run(place, "straight", out);
  }
}

TEST_CASE("ladder-mnist: killed twenty times at any moment, it ends as if it had not been",
          "[cli][slow]") {
  const Place place;
  const Arguments length = {"--epochs", "300", "--quiet"};
  REQUIRE(place.run("straight", length).status == 0);
  const auto often = length + Arguments{"--checkpoint-every", "0.02", "--resume"};
  std::mt19937 random(1);
  int killed = 0;
  int resumed = 0;
  for (int attempt = 0; attempt < 60 && killed < 20; ++attempt) {
    const auto metrics = place.file("run", "metrics.jsonl");
    const auto before = file_bytes(metrics).size();
    resumed += fs::exists(place.file("run", "checkpoint.pt"));
    Program program(place.command("run", often));
    // Either in the start or once the run goes on, so that it comes forward.
    if (attempt % 4 != 0) {
      program.wait_until([&] { return file_bytes(metrics).size() > before; });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 60));
    program.send(attempt % 5 == 4 ? SIGINT : SIGKILL);
    killed += program.wait() != 0;
  }
  CHECK(killed >= 20);
  CHECK(resumed >= 10);
  const auto last = place.run("run", often);
  INFO(last.err);
  REQUIRE(last.status == 0);
  require_same_run(place, "straight", "run");
}

TEST_CASE("ladder-mnist: a second interruption ends it at once", "[cli]") {
  const Place place;
  for (const int second : {SIGINT, SIGTERM}) {
    const std::string out = "run-" + std::to_string(second);
    // Steps long enough to be in the midst of one.
    Program program(place.command(out, {"--epochs", "1000", "--layers=3000,3000,10",
                                        "--lambda=10,1,.1,.1", "--batch-size=200"}));
    REQUIRE(program.wait_until([&] { return fs::exists(place.file(out, "config.json")); }));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    program.send(SIGINT);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    program.send(second);
    CHECK(program.wait() == -second);
    CHECK(program.out().find("interrupted") == std::string::npos);
  }
}

TEST_CASE("ladder-mnist: resuming with other settings names them", "[cli]") {
  const Place place;
  REQUIRE(place.run("run", {"--epochs", "1", "--quiet"}).status == 0);
  const auto before = file_bytes(place.file("run", "config.json"));
  const auto outcome = place.run("run", {"--epochs", "2", "--noise", ".4", "--resume"});
  CHECK(outcome.status == 2);
  CHECK(one_sentence(outcome.err) == "expected the settings that the run in " +
                                         (place.folder / "run").string() +
                                         " was started with but got others (give the flags of its "
                                         "start again): epochs (1 there, 2 "
                                         "here), noise (0.3 there, 0.4 here).");
  CHECK(file_bytes(place.file("run", "config.json")) == before);
}

TEST_CASE("ladder-mnist: continued with other threads, it says so", "[cli]") {
  const Place place;
  const Arguments length = {"--epochs", "60"};
  Program program(place.command("run", length));
  REQUIRE(program.wait_until([&] { return program.out().find("epoch 1/") != std::string::npos; }));
  program.send(SIGINT);
  REQUIRE(program.wait() == 130);
  const auto outcome = place.run("run", length + Arguments{"--threads", "2", "--resume"});
  CHECK(outcome.status == 0);
  CHECK(outcome.out.find("note: started with threads 1, continued with 2: ") != std::string::npos);
}

TEST_CASE("ladder-mnist: a cost that is not finite ends the run with its name, status 1", "[cli]") {
  const Place place;
  const auto outcome = place.run("run", {"--epochs", "20", "--lr", "1e30"});
  CHECK(outcome.status == 1);
  CHECK(
      std::regex_match(one_sentence(outcome.err),
                       std::regex(R"(Trainer: the .+ is not finite at step \d+ \(lower .+\)\.)")));
}

TEST_CASE("ladder-mnist: several seeds end in a table, and are not run twice", "[cli]") {
  const Place place;
  const Arguments seeds = {"--labels", "100", "--epochs", "2", "--seeds", "1,3..4"};
  const auto outcome = place.run("all", seeds);
  REQUIRE(outcome.err.empty());
  REQUIRE(outcome.status == 0);
  std::vector<double> errors;
  std::vector<fs::file_time_type> written;
  std::string table = "\n  seed  test error, %\n";
  char text[200];
  for (const int seed : {1, 3, 4}) {
    const auto folder = "all/seed-" + std::to_string(seed);
    const auto result = place.read(folder, "result.json");
    CHECK(result.at("seed") == seed);
    errors.push_back(result.at("test_error").get<double>());
    written.push_back(fs::last_write_time(place.file(folder, "result.json")));
    std::snprintf(text, sizeof text, "%6d  %.2f\n", seed, errors.back());
    table += text;
  }
  const double mean = (errors[0] + errors[1] + errors[2]) / 3;
  double squares = 0;
  for (const double error : errors) squares += (error - mean) * (error - mean);
  auto sorted = errors;
  std::sort(sorted.begin(), sorted.end());
  std::snprintf(text, sizeof text,
                "mean %.3f  std %.3f  median %.3f  over 3 seeds (published 1.06 +- 0.37 %% for "
                "mnist-100-full)\n",
                mean, std::sqrt(squares / 2), sorted[1]);
  CHECK(outcome.out.ends_with(table + text));

  const auto again = place.run("all", seeds + Arguments{"--resume", "--quiet"});
  REQUIRE(again.status == 0);
  CHECK(again.out == text);
  for (size_t i = 0; i < written.size(); ++i) {
    const auto seed = std::vector<int>{1, 3, 4}[i];
    CHECK(fs::last_write_time(place.file("all/seed-" + std::to_string(seed), "result.json")) ==
          written[i]);
  }
}

TEST_CASE("ladder-mnist: seeds at once end as seeds in turn", "[cli]") {
  const Place place;
  const Arguments seeds = {"--labels", "100", "--epochs", "2", "--seeds", "1,3"};
  const auto turn = place.run("turn", seeds);
  const auto once = place.run("once", seeds + Arguments{"--parallel-seeds"});
  INFO(once.err);
  REQUIRE(once.status == 0);
  const auto table = turn.out.find("\n  seed  test error");
  REQUIRE(table != std::string::npos);
  CHECK(once.out.ends_with(turn.out.substr(table)));
  CHECK(once.out.find("\nseed 3  epoch 1/2  ") != std::string::npos);
  require_same_run(place, "once/seed-1", "turn/seed-1");
  require_same_run(place, "once/seed-3", "turn/seed-3");
}

TEST_CASE("ladder-mnist: seeds at once are interrupted and resumed together", "[cli]") {
  const Place place;
  const Arguments seeds = {"--epochs", "40", "--seeds", "1..2", "--parallel-seeds"};
  Program program(place.command("run", seeds));
  REQUIRE(program.wait_until([&] { return program.out().find("epoch 2/") != std::string::npos; }));
  program.send(SIGINT);
  REQUIRE(program.wait() == 130);
  for (const char* seed : {"run/seed-1", "run/seed-2"}) {
    CHECK(fs::exists(place.file(seed, "checkpoint.pt")));
    CHECK_FALSE(fs::exists(place.file(seed, "result.json")));
  }
  REQUIRE(place.run("run", seeds + Arguments{"--resume"}).status == 0);
  REQUIRE(place.run("alone", {"--epochs", "40", "--seed", "2"}).status == 0);
  require_same_run(place, "run/seed-2", "alone");
}

TEST_CASE("ladder-mnist: a run goes on with another device in its settings", "[cli]") {
  const Place place;
  const Arguments length = {"--epochs", "400"};
  Program program(place.command("run", length));
  REQUIRE(program.wait_until([&] { return program.out().find("epoch 1/") != std::string::npos; }));
  program.send(SIGINT);
  REQUIRE(program.wait() == 130);
  auto config = place.read("run", "config.json");
  config["device"] = "cuda";
  write_file(place.file("run", "config.json"), config.dump(2));
  auto checkpoint = ladder::io::load_tensors(place.file("run", "checkpoint.pt"));
  checkpoint["state.config"] = ladder::io::text_tensor(config.dump(2));
  ladder::io::save_tensors(place.file("run", "checkpoint.pt"), checkpoint);
  const auto outcome = place.run("run", length + Arguments{"--resume"});
  CHECK(outcome.err.empty());
  CHECK(outcome.status == 0);
  CHECK(outcome.out.find("note: started with device \"cuda\", continued with \"cpu\": ") !=
        std::string::npos);
  CHECK(place.read("run", "config.json").at("device") == "cuda");
}

TEST_CASE("ladder-mnist: two processes do not share a folder", "[cli]") {
  const Place place;
  const Arguments forever = {"--epochs", "100000", "--resume"};
  Program first(place.command("run", forever));
  REQUIRE(first.wait_until([&] { return first.out().find("epoch 2/") != std::string::npos; }));
  const auto second = place.run("run", forever);
  CHECK(second.status == 1);
  CHECK(one_sentence(second.err).find("another process") != std::string::npos);
  first.send(SIGINT);
  CHECK(first.wait() == 130);
}

TEST_CASE("ladder-mnist: a folder that cannot be made and a full disk are failures, status 1",
          "[cli]") {
  const Place place;
  write_file(place.folder / "file", "x");
  const auto folder = place.run("file/run", {"--epochs", "1"});
  CHECK(folder.status == 1);
  CHECK(one_sentence(folder.err).find("expected to create the folder") != std::string::npos);

  auto command = place.command("run", {"--epochs", "1"});
  const auto full = run_to_end(
      Arguments{"/bin/sh", "-c", "trap '' XFSZ; ulimit -f 16; exec \"$@\"", "sh"} + command);
  CHECK(full.status == 1);
  CHECK(lines_of(full.err).size() == 1);
  CHECK(one_sentence(full.err).find("checkpoint.pt") != std::string::npos);
  CHECK_FALSE(fs::exists(place.file("run", "checkpoint.pt")));
}

TEST_CASE("ladder-mnist: on a terminal it rewrites one line", "[cli]") {
  const Place place;
  const auto command = place.command("run", {"--epochs", "600"});
  std::vector<char*> argv;
  for (const auto& argument : command) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  winsize size{};
  size.ws_row = 24;
  size.ws_col = 60;
  int terminal = -1;
  const pid_t pid = ::forkpty(&terminal, nullptr, nullptr, &size);
  REQUIRE(pid >= 0);
  if (pid == 0) {
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  std::string shown;
  char buffer[4096];
  for (ssize_t count = 0; (count = ::read(terminal, buffer, sizeof buffer)) > 0;) {
    shown.append(buffer, static_cast<size_t>(count));
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  ::close(terminal);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(shown.find("\r\033[Kepoch ") != std::string::npos);
  CHECK(shown.ends_with("\r\033[Ktest error 0.00 %\r\n"));
  CHECK(lines_of(shown).size() == 2);
  for (size_t at = shown.find("\033[K"); at != std::string::npos;) {
    const auto next = shown.find('\r', at);
    CHECK(next - at - 3 < 60);
    at = shown.find("\033[K", next);
  }
}
