// Trains a ladder network on MNIST with a few labels [Rasmus2015]: dense ones, which know nothing
// of the order of pixels, and convolutional ones.
//
//   ladder-mnist --recipe mnist-100-full --seed 1 --out runs/mnist-100-full
//   ladder-mnist --recipe mnist-100-full --seeds 1..10        ten seeds and a table
//   ladder-mnist --combinator amlp-2-2-2                      another denoising function
//   ladder-mnist --recipe mnist-100-conv-small-gamma          a convolutional network
//   ladder-mnist --list                                       every recipe and combinator
//
// Data: MNIST's four IDX files, in $LADDER_DATA or $LADDER_DATA/mnist (or --data-dir); where they
// are missing the program prints the commands that fetch them. Expected: about 1 % test error from
// 100 labels (published 1.06 +- 0.37 %), in some 25 minutes on two CPU cores.

#include <fmt/format.h>
#include <ladder/data/datasets.h>
#include <ladder/models/network.h>
#include <ladder/models/recipes.h>
#include <torch/torch.h>

#include "apps/support/command_line.h"
#include "apps/support/experiment.h"
#include "apps/support/network_flags.h"
#include "apps/support/program.h"
#include "apps/support/training_flags.h"

namespace {

using namespace ladder;
using namespace ladder::apps;

constexpr const char* kProgram = "ladder-mnist";
constexpr const char* kUsage =
    "Trains a ladder network on MNIST or Fashion-MNIST: a published recipe, or one that flags "
    "change.";
constexpr DatasetFacts kMnist{.rows = 60000, .classes = 10, .test_rows = 10000};

void set_layers(models::Recipe& recipe, const std::string& text) {
  if (!dense_units(recipe.network)) {
    throw UsageError(
        fmt::format("expected a recipe of dense layers for --layers but got {} (in C++, edit its "
                    "models::NetworkOptions).",
                    recipe.name));
  }
  recipe.network.layers.clear();
  for (const auto units : parse_integers("--layers", text, 1)) {
    recipe.network.layers.push_back(models::Dense{units});
  }
}

CommandLine command_line(TrainingFlags& flags) {
  CommandLine line(kProgram, kUsage);
  add_recipe_flag(line, flags);
  line.choice("dataset", "what to train on", flags.recipe.dataset, {"mnist", "fashion-mnist"});
  line.heading("Network");
  line.flag("layers", "N,N,...", "units of levels 1 up; the last are the classes",
            [&](const std::string& text) { set_layers(flags.recipe, text); });
  add_network_flags(line, flags.recipe);
  add_training_flags(line, flags);
  return line;
}

void check_network(const models::NetworkOptions& network) {
  const auto units = dense_units(network);
  if (units && units->back() != kMnist.classes) {
    throw UsageError(
        fmt::format("expected {} units in the last of --layers, one for each class, "
                    "but got {} ({}).",
                    kMnist.classes, units->back(), join(*units)));
  }
  check_lambda(network);
}

int train_mnist(const TrainingFlags& flags, const std::string& command) {
  const auto& recipe = flags.recipe;
  const auto& network = recipe.network;
  const bool fashion = recipe.dataset == "fashion-mnist";
  const auto folder =
      fashion ? data::find_fashion_mnist(flags.data_dir) : data::find_mnist(flags.data_dir);
  const auto [train, test] = data::load_mnist(folder, recipe.dataset);
  const auto device = flags.torch_device();
  const auto on_device = [&](const torch::Tensor& images) {
    std::vector<int64_t> shape = {images.size(0)};
    shape.insert(shape.end(), network.input_shape.begin(), network.input_shape.end());
    // A GPU keeps the bytes and scales the rows of each step.
    const bool bytes = device.is_cuda() && flags.dtype() == torch::kFloat32;
    return (bytes ? images : data::to_unit_float(images, flags.dtype())).reshape(shape).to(device);
  };
  return run_experiment({.program = kProgram,
                         .command = command,
                         .network = network_settings(network, recipe.combinator),
                         .build = [&] { return models::network(network); },
                         .train_inputs = on_device(train.inputs),
                         .train_labels = train.labels,
                         .test_inputs = on_device(test.inputs),
                         .test_labels = test.labels,
                         .classes = train.classes,
                         .data_dir = folder.string()},
                        flags);
}

int run(int argc, char** argv) {
  TrainingFlags flags{.recipe = models::find_recipe("mnist-100-full")};
  auto line = command_line(flags);
  line.parse(argc, argv);
  if (answer(line, kProgram, "mnist")) {
    return 0;
  }
  line.apply();
  check_dataset(flags, "mnist");
  check_network(flags.recipe.network);
  settle(flags, kMnist);
  if (print_settings(kProgram, network_settings(flags.recipe.network, flags.recipe.combinator),
                     flags, kMnist)) {
    return 0;
  }
  catch_interruption();
  return train_mnist(flags, shell_command(argc, argv));
}

}  // namespace

int main(int argc, char** argv) {
  keep_freed_memory();
  return run_program(kProgram, [&] { return run(argc, argv); });
}
