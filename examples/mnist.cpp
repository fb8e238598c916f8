// Train a ladder network on MNIST with a few labels [Rasmus2015]: dense layers, which know nothing
// of the order of pixels, or convolutions.
//
//   ladder-mnist --recipe mnist-100-full --seed 1 --out runs/mnist-100-full
//   ladder-mnist --recipe mnist-100-full --seeds 1..10        ten seeds and a table
//   ladder-mnist --combinator amlp-2-2-2                      another denoising function
//   ladder-mnist --recipe mnist-100-conv-small-gamma          a convolutional network
//   ladder-mnist --list                                       every recipe and combinator
//
// Data: MNIST's four IDX files, in $LADDER_DATA or $LADDER_DATA/mnist (or --data-dir); if they are
// missing, the program prints the commands that fetch them. Expected: about 1 % test error from
// 100 labels (published 1.06 +- 0.37 %), in 25 to 60 minutes on two CPU cores.

#include <ladder/data/datasets.h>
#include <ladder/models/network.h>
#include <ladder/models/recipes.h>

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

constexpr const char* kProgram = "ladder-mnist";
constexpr const char* kUsage =
    "Train a ladder network on MNIST or Fashion-MNIST by a recipe; flags change its settings.";
const DatasetFacts kMnist{.dataset = "mnist", .rows = 60000, .classes = 10, .test_rows = 10000};

CommandLine command_line(TrainingFlags& flags) {
  CommandLine line(kProgram, kUsage);
  add_recipe_flag(line, flags);
  line.choice("dataset", "data set to train on", flags.config.dataset, {"mnist", "fashion-mnist"});
  line.heading("Network");
  add_layers_flag(line, flags);
  add_network_flags(line, flags);
  add_training_flags(line, flags);
  return line;
}

int run(int argc, char** argv) {
  TrainingFlags flags("mnist-100-full");
  auto line = command_line(flags);
  if (!read_command_line(line, argc, argv, kProgram, kMnist, flags)) {
    return 0;
  }
  catch_interruption();
  const auto folder = flags.config.dataset == "fashion-mnist"
                          ? data::find_fashion_mnist(flags.data_dir)
                          : data::find_mnist(flags.data_dir);
  if (flags.find_data) {
    print(folder.string() + "\n");
    return 0;
  }
  const auto images = data::load_mnist(folder, flags.config.dataset);
  const auto network = runs::network_of(flags.config);
  return run_experiment({.command = shell_command(argc, argv),
                         .build = [&] { return models::network(network); },
                         .data = images,
                         .fingerprint = fingerprint(images),
                         .data_dir = folder,
                         .near_rows_share_class = flags.config.dataset == "mnist"},
                        flags);
}

}  // namespace

int main(int argc, char** argv) {
  keep_freed_memory();
  run_program(kProgram, [&] { return run(argc, argv); });
}
