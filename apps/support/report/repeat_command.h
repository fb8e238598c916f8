/// The command that repeats a run of a recipe.
#pragma once

#include <optional>
#include <string>

// Its header needs LibTorch's, whose templates take a file ten seconds to compile.
namespace ladder::runs {
struct RunConfig;
}

namespace ladder::apps {

/// Return the command line that trains a run like that of `config`: its recipe and seed, and a flag
/// for each setting that differs from the recipe. The folder is that of the recipe, or
/// runs/RECIPE-changed/seed-N where a setting differs. A run of several ranks starts by
/// `ladder launch`. RUNS stands for the folders of teachers, which config.json does not name.
///
/// A setting that no flag changes is named in a line that a shell takes as a comment: what is
/// pasted trains this experiment or none. Returns none where recipe or seed are not known.
///
///     ladder-mnist --recipe mnist-100-full --epochs 20 --seed 1 --out
///     runs/mnist-100-full-changed/seed-1
std::optional<std::string> repeat_command(const runs::RunConfig& config);

}  // namespace ladder::apps
