/// Published experiments as values that can be run.
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

/// Published test error in percent, over the seeds of its authors.
struct Published {
  double mean = 0;
  std::optional<double> std = {};  ///< standard deviation; none where it was not published
};

/// "1.06 +- 0.37", or only the mean.
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

/// Length and steps of training: Adam, with a learning rate that is constant until `decay_from` of
/// the epochs and then falls linearly to 0.
struct RecipeSchedule {
  int64_t epochs = 150;
  double learning_rate = 0.002;
  double decay_from = 0.67;
  int64_t unlabeled_batch = 100;  ///< unlabeled rows a step; an epoch passes over all of them once
  int64_t labeled_batch = 100;    ///< labeled rows a step; all labeled rows if there are fewer
  double warm_up = 0;             ///< epochs over which the learning rate rises from 0
  int64_t eval_every = 1;         ///< epochs between evaluations

  bool operator==(const RecipeSchedule&) const = default;
};

/// What training adds to the ladder's cost; each is off by default. See ladder/train/pieces.
struct RecipePieces {
  bool project_rows = false;      ///< train::row_projection
  double pseudo_labels = 0;       ///< weight of train::pseudo_labels
  double mutual_information = 0;  ///< weight of train::mutual_information
  double spread = 1;              ///< weight of equally frequent classes within mutual_information
  double neighbours = 0;          ///< weight of train::neighbour_agreement
  double repair = 0;              ///< weight of train::cluster_repair
  double border_repair = 0;       ///< weight of train::border_repair
  double feature_repair = 0;      ///< weight of train::feature_repair
  double feature_labels = 0;      ///< weight of train::feature_labels
  double imsat = 0;               ///< weight of train::imsat
  double imsat_epochs = 10;       ///< epochs after which imsat is off
  double imsat_radius = 0.25;     ///< radius, in distances to the tenth neighbour
  double graph_labels = 0;        ///< weight of train::early_labels, from data::spread_labels
  double graph_label_epochs = 2;  ///< epochs after which graph_labels is off
  double lambda_ramp = 0;         ///< epochs of train::lambda_ramp
  double average_weights = 0;     ///< decay of train::weight_average

  bool operator==(const RecipePieces&) const = default;
};

/// Data, network, lambda, noise and schedule of one experiment.
struct Recipe {
  std::string name;
  std::string dataset;          ///< "mnist" or "cifar10"
  int64_t labels = 100;         ///< labeled training rows, or data::kAllLabels
  NetworkOptions network = {};  ///< any network; MlpOptions converts to it
  /// Name of the combinator that `network.combinator` makes, see combinators.h.
  std::string combinator = "gaussian";
  RecipeSchedule schedule = {};
  RecipePieces pieces = {};
  Precision precision = Precision::kFloat32;
  /// Recipe of the teacher: its run, from the same labels, provides the labels for this one. Empty:
  /// no teacher.
  std::string taught_by = {};
  std::optional<Published> published = {};
  std::string source;  ///< source of the settings
};

/// Return every recipe, by number of labels. To add one, add an entry to the table in
/// `recipes.cpp`.
///
///     for (const auto& recipe : models::recipes()) std::cout << recipe.name << "\n";
const std::vector<Recipe>& recipes();

/// The names of recipes().
std::vector<std::string> recipe_names();

/// The recipe `name`; nullptr if there is none of that name.
const Recipe* known_recipe(const std::string& name);

/// Find the recipe `name`. Error: an unknown name; the sentence gives the nearest known one.
///
///     auto recipe = models::find_recipe("mnist-100-full");   // a copy, to edit
///     recipe.network.noise_std = 0.2;
///     auto net = models::network(recipe.network);
const Recipe& find_recipe(const std::string& name);

}  // namespace ladder::models
