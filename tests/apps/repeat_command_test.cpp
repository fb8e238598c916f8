#include "apps/support/report/repeat_command.h"

#include <ladder/runs/pieces.h>
#include <ladder/runs/run_config.h>
#include <tests/support/catch.h>

#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "apps/support/command_line.h"
#include "apps/support/network_flags.h"
#include "apps/support/training_flags.h"
#include "tests/apps/no_ranks.h"

using namespace ladder;

namespace {

using Words = std::vector<std::string>;

Words words_in(const std::string& text) {
  std::istringstream in(text);
  Words words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// What ladder-mnist trains by this command line.
runs::RunConfig trained_by(const Words& words) {
  apps::TrainingFlags flags("mnist-100-full");
  apps::CommandLine line("ladder-mnist", "Train.");
  apps::add_recipe_flag(line, flags);
  line.choice("dataset", "data", flags.config.dataset, {"mnist", "fashion-mnist"});
  apps::add_layers_flag(line, flags);
  apps::add_network_flags(line, flags);
  apps::add_training_flags(line, flags);
  std::vector<const char*> argv;
  for (const auto& word : words) argv.push_back(word.c_str());
  argv.push_back("--device=cpu");  // as on a machine without a GPU
  REQUIRE(apps::read_command_line(
      line, static_cast<int>(argv.size()), argv.data(), "ladder-mnist",
      {.dataset = "mnist", .rows = 60000, .classes = 10, .test_rows = 10000}, flags));
  flags.config.seed = flags.seed;
  return flags.config;
}

std::vector<Words> changes() {
  std::vector<Words> all = {
      {"--labels=500", "--layers=500,250,10", "--lambda=1000,10,.1,.1"},
      {"--labels=50"},
      {"--labels=50", "--labeled-batch=20"},
      {"--labels=all", "--batch-size=64"},
      {"--labels=55", "--unbalanced", "--dataset=fashion-mnist", "--validation=1000"},
      {"--lambda=auto"},
      {"--lambda=auto:2.5"},
      {"--lambda=none", "--noise=.5"},
      {"--recipe=mnist-100-gamma", "--lambda=auto"},
      {"--detach-targets", "--noise=.4", "--input-noise=0", "--activation=leaky-relu"},
      {"--combinator=amlp-2-2-2", "--precision=bfloat16", "--calibration=labeled"},
      {"--epochs=20", "--lr=1e-5", "--decay-from=.5", "--warm-up=2"},
      {"--validation=1000", "--patience=3", "--unlabeled-batch=50"},
      {"--candidates=3", "--candidate-epochs=2"},
      {"--teachers=2", "--teacher-confidence=.9"},
      {"--recipe=mnist-100-fast", "--mutual-information=0", "--neighbours=.3"},
  };
  for (const auto& piece : runs::pieces()) {
    Words flags;
    for (const auto& setting : piece.settings) {
      const bool is_switch = std::holds_alternative<bool models::RecipePieces::*>(setting.field);
      flags.push_back(runs::flag_of(setting) + (is_switch ? "" : "=.5"));
    }
    all.push_back(flags);
  }
  return all;
}

}  // namespace

TEST_CASE("repeat_command: is a command that trains the same experiment", "[apps]") {
  const testing::NoRanks none;
  for (const auto& flags : changes()) {
    Words words = {"ladder-mnist", "--seed=3"};
    words.insert(words.end(), flags.begin(), flags.end());
    const auto config = trained_by(words);
    const auto command = apps::repeat_command(config);
    REQUIRE(command);
    INFO(*command);
    const auto again = trained_by(words_in(*command));
    CHECK(runs::to_string(runs::diff(again, config, runs::Compare::kExperiment)).empty());
    CHECK(again.scaled_lambda == config.scaled_lambda);
    CHECK(command->ends_with("--seed 3 --out runs/" + config.recipe + "-changed/seed-3"));
  }
}

TEST_CASE("repeat_command: a run of a recipe needs no flags", "[apps]") {
  const testing::NoRanks none;
  for (const auto* recipe : {"mnist-100-full", "mnist-100-baseline", "mnist-50-full",
                             "mnist-all-full", "mnist-20-taught", "mnist-100-best"}) {
    auto config = trained_by({"ladder-mnist", "--seed=2", std::string("--recipe=") + recipe});
    config.eval_every = 7;  // when one looks is no part of the experiment
    CHECK(apps::repeat_command(config) == "ladder-mnist --recipe " + std::string(recipe) +
                                              " --seed 2 --out runs/" + recipe + "/seed-2");
  }
}

TEST_CASE("repeat_command: what no flag gives makes it a comment", "[apps]") {
  const testing::NoRanks none;
  auto config = trained_by({"ladder-mnist", "--seed=1", "--epochs=20"});
  config.network.leaky_slope = 0.25;
  CHECK(apps::repeat_command(config) ==
        "# no flag gives leaky_slope 0.25; else: ladder-mnist --recipe mnist-100-full --epochs 20 "
        "--seed 1 --out runs/mnist-100-full-changed/seed-1");
  auto scaled = trained_by({"ladder-mnist", "--seed=1", "--lambda=auto"});
  scaled.network.lambda.back() = 7;
  CHECK(apps::repeat_command(scaled).value().starts_with("# no flag gives lambda [30.0,1.0,"));
  config.seed.reset();
  CHECK_FALSE(apps::repeat_command(config));
  config.seed = 1;
  config.recipe = "of-my-own";
  CHECK_FALSE(apps::repeat_command(config));
}

TEST_CASE("repeat_command: names teachers and a GPU, and starts as many ranks", "[apps]") {
  const testing::NoRanks none;
  auto config = trained_by({"ladder-mnist", "--seed=1"});
  config.environment = runs::Environment{.ranks = 2};
  config.statistics = train::RankStatistics::kSynchronised;
  CHECK(apps::repeat_command(config) ==
        "ladder launch -n 2 -- ladder-mnist --recipe mnist-100-full --statistics synchronised "
        "--seed 1 --out runs/mnist-100-full-changed/seed-1");
  auto on_gpu = trained_by({"ladder-mnist", "--seed=1"});
  on_gpu.device = torch::Device("cuda:1");
  CHECK(apps::repeat_command(on_gpu) ==
        "ladder-mnist --recipe mnist-100-full --device cuda:1 --seed 1 --out "
        "runs/mnist-100-full/seed-1");
  on_gpu.environment = runs::Environment{.ranks = 2};  // each has a GPU of its own
  CHECK(apps::repeat_command(on_gpu) ==
        "ladder launch -n 2 -- ladder-mnist --recipe mnist-100-full --device cuda --seed 1 --out "
        "runs/mnist-100-full-changed/seed-1");
  auto taught = trained_by({"ladder-mnist", "--seed=1"});
  taught.taught = "0123456789abcdef";
  CHECK(apps::repeat_command(taught) ==
        "ladder-mnist --recipe mnist-100-full --taught-by RUNS --seed 1 --out "
        "runs/mnist-100-full-changed/seed-1");
}
