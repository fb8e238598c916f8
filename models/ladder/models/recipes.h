/// The rows of the published tables, each in one value that can be run.
#pragma once

#include <ladder/data/split.h>
#include <ladder/models/network.h>
#include <ladder/ops/product.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ladder::models {

/// A published test error in %, over the seeds of its authors.
struct Published {
  double mean = 0;
  std::optional<double> std = {};  ///< absent where something else was printed
};

/// "1.06 +- 0.37", or the mean alone.
std::string to_string(const Published& published);

/// Numbers of a run: type of the parameters and precision of the matrix products.
enum class Precision {
  kFloat32,
  kBFloat16,       ///< float32 parameters, bfloat16 products
  kTensorFloat32,  ///< float32 parameters, TF32 products (CUDA)
  kFloat64,
};

/// "float32", "bfloat16", "tf32" or "float64".
std::string to_string(Precision precision);
/// The precision of a name. Error: another name.
Precision precision_from_string(const std::string& name);
/// Type of the parameters.
torch::Dtype dtype(Precision precision);
/// Precision of the products; float32 for float64, whose products are always exact.
ops::ProductPrecision product_precision(Precision precision);

/// How long and in which steps a recipe trains: Adam, the rate constant until `decay_from` of the
/// epochs, then linear to 0.
struct RecipeSchedule {
  int64_t epochs = 150;
  double learning_rate = 0.002;
  double decay_from = 0.67;
  int64_t unlabeled_batch = 100;  ///< unlabeled rows a step; an epoch passes over all of them once
  int64_t labeled_batch = 100;    ///< labeled rows a step; all labeled rows if there are fewer
};

/// Data, network, lambda, noise and schedule of one experiment.
struct Recipe {
  std::string name;
  std::string dataset;          ///< "mnist" or "cifar10"
  int64_t labels = 100;         ///< labeled training rows, or data::kAllLabels
  NetworkOptions network = {};  ///< of any kind; MlpOptions convert
  /// Name of the network's combinator, see combinators.h; `network.combinator` makes it.
  std::string combinator = "gaussian";
  RecipeSchedule schedule = {};
  Precision precision = Precision::kFloat32;
  std::optional<Published> published = {};
  std::string source;  ///< where the settings come from
};

/// Every recipe, by number of labels. Adding one is adding an entry to the table in `recipes.cpp`.
///
///     for (const auto& recipe : models::recipes()) std::cout << recipe.name << "\n";
const std::vector<Recipe>& recipes();

/// The recipe `name`. Error: an unknown name; the sentence holds the nearest known one.
///
///     auto recipe = models::find_recipe("mnist-100-full");   // a copy, to edit
///     recipe.network.noise_std = 0.2;
///     auto net = models::network(recipe.network);
const Recipe& find_recipe(const std::string& name);

}  // namespace ladder::models
