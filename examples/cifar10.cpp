// Train a convolutional ladder on CIFAR-10 with 4,000 labels, without augmentation [Rasmus2015].
//
//   ladder-cifar10 --seed 1 --out runs/conv-small                  a small network of ours
//   ladder-cifar10 --recipe cifar-4000-conv-large-gamma --seed 1   the published one: takes a GPU
//   ladder-cifar10 --list                                          the recipes
//
// Data: CIFAR-10's six binary files, in $LADDER_DATA or its cifar10 or cifar-10-batches-bin (or
// --data-dir); if they are missing, the program prints the commands that fetch them. Images are
// whitened once, which takes one or two minutes, and kept beside the runs. Expected:
// docs/cifar10.md.

#include <fmt/format.h>
#include <ladder/data/cifar10.h>
#include <ladder/data/image_whitening.h>
#include <ladder/models/network.h>
#include <ladder/models/recipes.h>
#include <ladder/version.h>

#include "apps/support/cached_tensors.h"
#include "apps/support/command_line.h"
#include "apps/support/experiment.h"
#include "apps/support/network_flags.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/training_flags.h"

namespace {

using namespace ladder;
using namespace ladder::apps;

constexpr const char* kProgram = "ladder-cifar10";
constexpr const char* kUsage =
    "Train a convolutional ladder on CIFAR-10 by a recipe, published or smaller; flags change its "
    "settings.";
const DatasetFacts kCifar10{.dataset = "cifar10", .rows = 50000, .classes = 10, .test_rows = 10000};
const data::ContrastOptions kContrast = {};
const data::ZcaOptions kZca = {};

io::TensorMap whiten(const data::TrainTest& images) {
  const auto whitening = data::ImageWhitening::fit(images.train.inputs, kContrast, kZca);
  return {{"train", whitening.apply(images.train.inputs)},
          {"test", whitening.apply(images.test.inputs)},
          {"mean", whitening.mean},
          {"map", whitening.map}};
}

// Whitened images, float32, and how they are whitened: from `cache_dir` if they are there.
io::TensorMap whitened(const data::TrainTest& images, const std::filesystem::path& cache_dir,
                       bool quiet) {
  const CachedTensors cached{
      .folder = cache_dir,
      .stem = "cifar10-whitened",
      .about = fmt::format("ladder {}: train {}, test {}, contrast norm {}, ZCA ridge {}, with map",
                           version(), checksum(images.train.inputs), checksum(images.test.inputs),
                           kContrast.norm, kZca.ridge)};
  const auto say = [&](const std::string& sentence) { print(quiet ? "" : sentence + "\n"); };
  const auto make = [&] {
    say(fmt::format("whitening the images, to be kept in {}", cache_path(cached).string()));
    auto tensors = whiten(images);
    catch_interruption();  // from here on an interruption waits until the file is whole
    return tensors;
  };
  return load_or_make(cached, make, [&](const std::string& note) { say("note: " + note); });
}

int run(int argc, char** argv) {
  TrainingFlags flags("cifar-4000-conv-small-gamma");
  flags.config.contrast_norm = kContrast.norm;
  flags.config.zca_ridge = kZca.ridge;
  std::filesystem::path cache_dir;
  CommandLine line(kProgram, kUsage);
  add_recipe_flag(line, flags);
  line.heading("Preprocessing");
  line.flag("cache-dir", "DIR", "folder of the whitened images (beside the run's)",
            [&](const std::string& flag, const std::string& text) {
              cache_dir = parse_folder(flag, text);
            });
  line.heading("Network");
  add_network_flags(line, flags);
  add_training_flags(line, flags);
  if (!read_command_line(line, argc, argv, kProgram, kCifar10, flags)) {
    return 0;
  }
  if (cache_dir.empty()) {  // next to the folder of the run, or of all runs
    cache_dir = line.given("out") ? (flags.out / "..").lexically_normal() : "runs";
  }
  const auto folder = data::find_cifar10(flags.data_dir);
  if (flags.find_data) {
    print(folder.string() + "\n");
    return 0;
  }
  auto images = data::load_cifar10(folder);
  const auto fingerprint_of_images = fingerprint(images);
  const auto tensors = whitened(images, cache_dir, flags.quiet);
  images.train.inputs = tensors.at("train");
  images.test.inputs = tensors.at("test");
  const auto network = runs::network_of(flags.config);
  const Experiment experiment{.command = shell_command(argc, argv),
                              .build = [&] { return models::network(network); },
                              .data = images,
                              .whitening = data::ImageWhitening{.contrast_norm = kContrast.norm,
                                                                .mean = tensors.at("mean"),
                                                                .map = tensors.at("map")},
                              .fingerprint = fingerprint_of_images,
                              .data_dir = folder};
  catch_interruption();
  return run_experiment(experiment, flags);
}

}  // namespace

int main(int argc, char** argv) {
  keep_freed_memory();
  run_program(kProgram, [&] { return run(argc, argv); });
}
