// Trains a convolutional ladder on CIFAR-10 with 4,000 labels, without augmentation [Rasmus2015].
//
//   ladder-cifar10 --seed 1 --out runs/conv-small                  a small network of ours
//   ladder-cifar10 --recipe cifar-4000-conv-large-gamma --seed 1   the published one: takes a GPU
//   ladder-cifar10 --list                                          the recipes
//
// Data: CIFAR-10's six binary files, in $LADDER_DATA or its cifar10 or cifar-10-batches-bin (or
// --data-dir); where they are missing the program prints the commands that fetch them. Images are
// whitened once, which takes a minute or two, and kept beside the runs. Expected: docs/cifar10.md.

#include <fmt/format.h>
#include <ladder/data/cifar10.h>
#include <ladder/data/contrast.h>
#include <ladder/data/zca.h>
#include <ladder/models/network.h>
#include <ladder/models/recipes.h>
#include <ladder/version.h>
#include <torch/torch.h>

#include <cstdio>

#include "apps/support/cached_tensors.h"
#include "apps/support/command_line.h"
#include "apps/support/experiment.h"
#include "apps/support/network_flags.h"
#include "apps/support/program.h"
#include "apps/support/training_flags.h"

namespace {

using namespace ladder;
using namespace ladder::apps;

constexpr const char* kProgram = "ladder-cifar10";
constexpr const char* kUsage =
    "Trains a convolutional ladder on CIFAR-10: a published recipe, a smaller one, or one that "
    "flags change.";
constexpr DatasetFacts kCifar10{.rows = 50000, .classes = 10, .test_rows = 10000};
const data::ContrastOptions kContrast = {};
const data::ZcaOptions kZca = {};

struct Flags {
  TrainingFlags training{.recipe = models::find_recipe("cifar-4000-conv-small-gamma")};
  std::filesystem::path cache_dir = {};
};

CommandLine command_line(Flags& flags) {
  CommandLine line(kProgram, kUsage);
  add_recipe_flag(line, flags.training);
  line.heading("Network");
  add_network_flags(line, flags.training.recipe);
  add_training_flags(line, flags.training);
  line.flag("cache-dir", "DIR", "folder of the whitened images (beside the run's)",
            [&](const std::string& text) { flags.cache_dir = parse_folder("--cache-dir", text); });
  return line;
}

// Next to the folder of the run, or of all runs where that was left to the program.
void settle_cache(Flags& flags, bool out_given) {
  if (flags.cache_dir.empty()) {
    flags.cache_dir = out_given ? (flags.training.out / "..").lexically_normal() : "runs";
  }
}

io::TensorMap whiten(const data::TrainTest& images) {
  const auto train = data::normalize_contrast(images.train.inputs, kContrast);
  const auto zca = data::ZcaWhitening::fit(train, kZca);
  return {{"train", zca.apply(train)},
          {"test", zca.apply(data::normalize_contrast(images.test.inputs, kContrast))}};
}

// CIFAR-10 with whitened images, float32.
data::TrainTest load_whitened(const Flags& flags, const std::filesystem::path& folder) {
  auto images = data::load_cifar10(folder);
  const CachedTensors cached{
      .folder = flags.cache_dir,
      .stem = "cifar10-whitened",
      .about = fmt::format("ladder {}: train {}, test {}, contrast norm {}, ZCA ridge {}",
                           version(), checksum(images.train.inputs), checksum(images.test.inputs),
                           kContrast.norm, kZca.ridge)};
  const auto say = [&](const std::string& sentence) {
    if (!flags.training.quiet) {
      fmt::print("{}\n", sentence);
      std::fflush(stdout);
    }
  };
  const auto make = [&] {
    say(fmt::format("whitening the images, to be kept in {}", cache_path(cached).string()));
    auto whitened = whiten(images);
    // From here on an interruption waits for a whole file and, in training, for a checkpoint.
    catch_interruption();
    return whitened;
  };
  const auto whitened =
      load_or_make(cached, make, [&](const std::string& note) { say("note: " + note); });
  images.train.inputs = whitened.at("train");
  images.test.inputs = whitened.at("test");
  return images;
}

nlohmann::ordered_json settings_of(const models::Recipe& recipe) {
  auto settings = network_settings(recipe.network, recipe.combinator);
  settings.update({{"contrast_norm", kContrast.norm}, {"zca_ridge", kZca.ridge}});
  return settings;
}

int train_cifar10(const Flags& flags, const std::string& command) {
  const auto& training = flags.training;
  const auto& network = training.recipe.network;
  const auto folder = data::find_cifar10(training.data_dir);
  const auto [train, test] = load_whitened(flags, folder);
  catch_interruption();
  const auto device = training.torch_device();
  return run_experiment({.program = kProgram,
                         .command = command,
                         .network = settings_of(training.recipe),
                         .build = [&] { return models::network(network); },
                         .train_inputs = train.inputs.to(device, training.dtype()),
                         .train_labels = train.labels,
                         .test_inputs = test.inputs.to(device, training.dtype()),
                         .test_labels = test.labels,
                         .classes = train.classes,
                         .data_dir = folder.string()},
                        training);
}

int run(int argc, char** argv) {
  Flags flags;
  auto line = command_line(flags);
  line.parse(argc, argv);
  if (answer(line, kProgram, "cifar10")) {
    return 0;
  }
  line.apply();
  check_dataset(flags.training, "cifar10");
  check_lambda(flags.training.recipe.network);
  settle(flags.training, kCifar10);
  if (print_settings(kProgram, settings_of(flags.training.recipe), flags.training, kCifar10)) {
    return 0;
  }
  settle_cache(flags, line.given("out"));
  return train_cifar10(flags, shell_command(argc, argv));
}

}  // namespace

int main(int argc, char** argv) {
  keep_freed_memory();
  return run_program(kProgram, [&] { return run(argc, argv); });
}
