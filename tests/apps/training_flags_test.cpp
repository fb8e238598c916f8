#include <ladder/models/combinators.h>
#include <ladder/models/recipes.h>
#include <ladder/runs/pieces.h>
#include <tests/support/catch.h>
#include <tests/support/wrong_commands.h>
#include <torch/torch.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>
#include <utility>

#include "tests/apps/mnist_place.h"

using namespace ladder::testing;

TEST_CASE("ladder-mnist: a wrong command line is answered in one sentence, status 2", "[cli]") {
  check_wrong_commands(
      "ladder-mnist",
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
           "expected a whole number of at least 1 for --epochs but got "
           "'99999999999999999999'."},
          {{"--batch-size", "1"},
           "expected a whole number of at least 2 for --batch-size but got '1'."},
          {{"--batch-size", "60001"},
           "expected --batch-size of at most 60000, the rows to train on, but got 60001."},
          {{"--lr", "0"}, "expected a number above 0 for --lr but got '0'."},
          {{"--lr", "-1"}, "expected a number above 0 for --lr but got '-1'."},
          {{"--lr", "fast"}, "expected a number above 0 for --lr but got 'fast'."},
          {{"--lr", "nan"}, "expected a number above 0 for --lr but got 'nan'."},
          {{"--lambda", "auto:x"}, "expected a number of at least 0 for --lambda but got 'x'."},
          {{"--noise", "inf"}, "expected a finite number of at least 0 for --noise but got 'inf'."},
          {{"--noise", "1e400"},
           "expected a finite number of at least 0 for --noise but got '1e400'."},
          {{"--lr", "1e400"}, "expected a finite number above 0 for --lr but got '1e400'."},
          {{"--lr", "1e-400"}, "expected a number above 0 for --lr but got '1e-400'."},
          {{"--lambda", "foo"},
           "expected numbers of at least 0 separated by commas, or auto, auto:W or none for "
           "--lambda but got 'foo'."},
          {{"--lambda", "1,inf"},
           "expected finite numbers of at least 0 separated by commas, or auto, auto:W or none for "
           "--lambda but got '1,inf'."},
          {{"--unlabeled-batch", "60001"},
           "expected --unlabeled-batch of at most 60000, the rows to train on, but got 60001."},
          {{"--validation", "59901"},
           "expected --validation to leave at least 100 rows to train on, one batch, but got "
           "59901, "
           "which leaves 99."},
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
           "expected numbers of at least 0 separated by commas, or auto, auto:W or none for "
           "--lambda but got '1,-1'."},
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
          {{"--epochs", "1000000001"},
           "expected --epochs of at most 1000000000 but got 1000000001."},
          {{"--", "--epochs=2"}, "expected a flag (--name) but got '--'."},
          {{"--epochs=2\r"},
           "expected an argument without line ends but got '--epochs=2\\r' (does a script have the "
           "line ends of Windows? sed -i 's/\\r$//' SCRIPT mends it)."},
          {{"--lambda", "1000, 10"},
           "expected 7 weights in --lambda, for the input and each of 6 layers, but got 2 "
           "(1000,10)."},
          {{"--layers", "99999999999,10"},
           "expected whole numbers of at most 10000000 for --layers but got '99999999999,10'."},
          {{"--patience", "3", "--validation", "100", "--eval-every", "0"},
           "expected --eval-every of at least 1 with --patience 3 but got 0 (the validation error "
           "decides when to stop)."},
          {{"--lambda", "none", "--combinator", "vanilla"},
           "expected a weight above 0 in --lambda for --combinator vanilla but got none (a "
           "baseline "
           "has no decoder)."},
          {{"--recipe", "mnist-100-baseline", "--combinator", "vanilla"},
           "expected a weight above 0 in --lambda for --combinator vanilla but got none (a "
           "baseline "
           "has no decoder)."},
      });
}

TEST_CASE("ladder-mnist: a GPU that is not there is refused", "[cli]") {
  if (torch::cuda::is_available()) LADDER_SKIP("this machine has one");
  const auto outcome = run_to_end({kMnistProgram, "--device", "cuda:1"});
  CHECK(outcome.status == 2);
  CHECK(mnist_sentence(outcome.err)
            .starts_with("expected a CUDA device for --device cuda:1 but got none ("));
}

TEST_CASE("ladder-mnist: lists its recipes, its flags and its version", "[cli]") {
  const auto list = run_to_end({kMnistProgram, "--list"});
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

  const auto help = run_to_end(by_shell({kMnistProgram, "--epochs", "1", "--help"}));
  CHECK(help.status == 0);
  CHECK(run_to_end({kMnistProgram, "-h"}).out == help.out);
  for (const char* flag : {"--recipe",      "--list",       "--labels",        "--layers",
                           "--lambda",      "--noise",      "--input-noise",   "--combinator",
                           "--activation",  "--epochs",     "--batch-size",    "--lr",
                           "--decay-from",  "--seed",       "--seeds",         "--device",
                           "--threads",     "--precision",  "--product-route", "--data-dir",
                           "--dataset",     "--validation", "--unbalanced",    "--eval-every",
                           "--calibration", "--patience",   "--out",           "--resume",
                           "--quiet",       "--settings",   "--no-graph",      "--parallel-seeds",
                           "--help",        "--version",    "--labeled-batch", "--find-data"}) {
    INFO(flag);
    CHECK(help.out.find(std::string("  ") + flag + " ") != std::string::npos);
  }

  // Help is wrapped: words apart from line ends.
  const auto words = std::regex_replace(help.out, std::regex(R"(\s+)"), " ");
  for (const char* says :
       {"CPU threads (all cores)", "the result of the last epoch, not of the best",
        "settings without one are the recipe's", "a baseline reads none, but takes as many steps",
        "runs/RECIPE-changed/seed-N"}) {
    INFO(says);
    CHECK(words.find(says) != std::string::npos);
  }

  // Labeled and unlabeled rows in a step.
  const auto batches = [](const Arguments& flags) {
    const auto told = run_to_end(Arguments{kMnistProgram, "--settings"} + flags);
    const auto settings = nlohmann::json::parse(told.out);
    return std::pair(settings.at("labeled_batch").get<int>(),
                     settings.at("unlabeled_batch").get<int>());
  };
  CHECK(batches({"--batch-size=40"}) == std::pair(40, 40));
  CHECK(batches({"--unlabeled-batch=30"}) == std::pair(100, 30));
  CHECK(batches({"--unlabeled-batch=30", "--batch-size=40"}) == std::pair(40, 30));
  CHECK(batches({"--labeled-batch=30", "--batch-size=40"}) == std::pair(30, 40));
  CHECK(batches({"--labeled-batch=300"}) == std::pair(100, 100));  // all there are

  const auto version = run_to_end(by_shell({kMnistProgram, "--version"}));
  CHECK(version.status == 0);
  CHECK(std::regex_match(
      version.out,
      std::regex(R"(ladder-mnist \d+\.\d+\.\d+ \(.+\), LibTorch .+, kernels \S+ \(.+\), )"
                 R"(float32 products by (aten|onednn|ladder)\n)")));
}

TEST_CASE("ladder-mnist: spaces in lists are taken", "[cli]") {
  const auto settings = run_to_end(
      {kMnistProgram, "--settings", "--layers", "500, 250, 10", "--lambda", " 1000, 10 , .1, 1"});
  INFO(settings.err);
  REQUIRE(settings.status == 0);
  const auto config = nlohmann::json::parse(settings.out);
  CHECK(config.at("layers") == nlohmann::json({"dense 500", "dense 250", "dense 10"}));
  CHECK(config.at("lambda") == nlohmann::json({1000.0, 10.0, 0.1, 1.0}));
}

TEST_CASE("ladder-mnist: --lambda auto weighs the levels that have a cost", "[cli]") {
  const auto lambda = [](const Arguments& flags) {
    const auto settings = run_to_end(Arguments{kMnistProgram, "--settings"} + flags);
    INFO(settings.err);
    REQUIRE(settings.status == 0);
    const auto config = nlohmann::json::parse(settings.out);
    CHECK(config.at("scaled_lambda") == true);
    return config.at("lambda");
  };
  CHECK(lambda({"--layers", "20,10", "--lambda", "auto"}) == nlohmann::json({30.0, 1.0, 0.03}));
  CHECK(lambda({"--layers", "20,10", "--lambda", " auto:10 "}) ==
        nlohmann::json({10.0, 1.0, 0.03}));
  CHECK(lambda({"--recipe", "mnist-100-bottom", "--lambda", "auto"}) ==
        nlohmann::json({30.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0}));
  CHECK(lambda({"--recipe", "mnist-100-gamma", "--lambda", "auto"}) ==
        nlohmann::json({0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.03}));
  CHECK(lambda({"--recipe", "mnist-100-baseline", "--lambda", "auto"}) ==
        nlohmann::json({30.0, 1.0, 0.03, 0.03, 0.03, 0.03, 0.03}));
}

TEST_CASE("Programs: the help text fits 80 columns and says how a program ends", "[cli]") {
  for (const char* name : {"ladder-mnist", "ladder-cifar10", "ladder-reproduce",
                           "ladder-denoising-functions", "ladder-diagnose"}) {
    const auto help = run_to_end({program_path(name), "--help"});
    CHECK(help.status == 0);
    for (const auto& line : lines_of(help.out)) {
      INFO(name << ": " << line);
      CHECK(line.size() <= 80);
      CHECK_FALSE(line.ends_with(" "));
    }
  }
}

TEST_CASE("ladder-mnist: says which flags do not go with warm-up and pieces", "[cli]") {
  const auto sentence = [](const Arguments& flags) {
    const auto outcome = run_to_end(Arguments{kMnistProgram, "--settings"} + flags);
    CHECK(outcome.status == 2);
    return mnist_sentence(outcome.err);
  };
  CHECK(sentence({"--epochs", "3", "--warm-up", "4"}) ==
        "expected --warm-up of at most the 3 epochs but got 4.");
  CHECK(sentence({"--recipe", "mnist-100-bottom", "--pseudo-labels", "1"}) ==
        "expected a weight above 0 in --lambda after a layer for --pseudo-labels but got none (it "
        "needs predictions of clean rows, which run only for such a weight).");
  CHECK(sentence({"--lambda", "none", "--mutual-information", "1"}) ==
        "expected a weight above 0 in --lambda for --mutual-information but got none (a baseline "
        "reads no unlabeled rows).");
  CHECK(sentence({"--spread", "4"}) ==
        "expected --mutual-information above 0 with --spread 4 but got none.");
  CHECK(sentence({"--imsat-epochs", "5"}) ==
        "expected --imsat above 0 with --imsat-epochs 5 but got none.");
  CHECK(sentence({"--imsat-radius", "2"}) ==
        "expected --imsat above 0 with --imsat-radius 2 but got none.");
  CHECK(sentence({"--graph-label-epochs", "5"}) ==
        "expected --graph-labels above 0 with --graph-label-epochs 5 but got none.");
  CHECK(sentence({"--lambda", "none", "--lambda-ramp", "8"}) ==
        "expected a weight above 0 in --lambda for --lambda-ramp but got none (there is no "
        "denoising cost that could rise).");
  CHECK(sentence({"--recipe", "mnist-100-bottom", "--lambda-ramp", "8"}) ==
        "expected a weight above 0 in --lambda at level 2 or above for --lambda-ramp but got none "
        "(the ramp holds back only these levels).");
  CHECK(sentence({"--recipe", "mnist-100-bottom", "--detach-targets"}) ==
        "expected a weight above 0 in --lambda after a layer for --detach-targets but got none (no "
        "cost has clean targets).");
  CHECK(sentence({"--average-weights", "1"}) ==
        "expected --average-weights below 1 but got 1 (0.999 averages the last 1000 steps).");
  CHECK(sentence({"--candidates", "2"}) ==
        "expected --candidates 1, or at least 3, but got 2 (if two disagree, nothing tells which "
        "is right).");
  CHECK(sentence({"--candidates", "3", "--validation", "100", "--patience", "1"}) ==
        "expected --candidates or --patience but got both (a start that ends early cannot be "
        "compared with the others).");
  CHECK(sentence({"--candidate-epochs", "2"}) ==
        "expected --candidates for --candidate-epochs 2 but got none.");
  CHECK(sentence({"--teacher-confidence", "0.8"}) ==
        "expected --teachers or --taught-by for --teacher-confidence 0.8 but got none.");
  CHECK(sentence({"--teachers", "2", "--teacher-confidence", "1"}) ==
        "expected --teacher-confidence below 1 but got 1 (a probability above it is asked for).");
  CHECK(sentence({"--candidates", "3", "--epochs", "4"}) ==
        "expected --candidate-epochs below the 4 epochs but got 4.");
  CHECK(sentence({"--candidates", "3", "--lambda", "none"}) ==
        "expected a weight above 0 in --lambda for --candidates but got none (their predictions of "
        "unlabeled rows are compared).");
}

TEST_CASE("ladder-mnist: each setting of a piece has a flag, which says what it needs", "[cli]") {
  const auto run = [](const Arguments& flags) {
    return run_to_end(Arguments{kMnistProgram, "--settings"} + flags);
  };
  const auto help = run_to_end({kMnistProgram, "--help"}).out;
  // Pieces that act on the weights; all others take predictions or costs of unlabeled rows.
  const std::set<std::string> serve_baselines = {"project_rows", "average_weights"};
  for (const auto& piece : ladder::runs::pieces()) {
    const auto& first = piece.settings.front();
    INFO(first.name);
    const auto flags_of = [](const ladder::runs::PieceSetting& setting, const char* value) {
      const auto flag = ladder::runs::flag_of(setting);
      return setting.value.empty() ? Arguments{flag} : Arguments{flag, value};
    };
    const auto on_baseline = run(Arguments{"--lambda", "none"} + flags_of(first, "0.5"));
    if (serve_baselines.contains(first.name)) {
      CHECK(on_baseline.status == 0);
    } else {
      CHECK(on_baseline.status == 2);
      const auto told = mnist_sentence(on_baseline.err);
      CHECK(told.starts_with("expected a weight above 0 in --lambda"));
      CHECK(told.find(" for " + ladder::runs::flag_of(first) + " but got none (") !=
            std::string::npos);
    }
    for (const auto& setting : piece.settings) {
      INFO(setting.name);
      const auto flag = ladder::runs::flag_of(setting);
      CHECK(help.find("\n  " + flag + (setting.value.empty() ? "" : " " + setting.value)) !=
            std::string::npos);
      const auto given = flags_of(setting, "0.125");
      const bool shapes = &setting != &first;
      const auto with_it = run(shapes ? flags_of(first, "0.5") + given : given);
      REQUIRE(with_it.status == 0);
      const auto value = nlohmann::json::parse(with_it.out).at(setting.name);
      CHECK(value == (setting.value.empty() ? nlohmann::json(true) : nlohmann::json(0.125)));
      if (!shapes) continue;
      const auto alone = run(given);
      CHECK(alone.status == 2);
      CHECK(mnist_sentence(alone.err) == "expected " + ladder::runs::flag_of(first) +
                                             " above 0 with " + flag + " 0.125 but got none.");
    }
  }
}
