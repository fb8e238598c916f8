#include "ladder/models/recipes.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdio>

#include "ladder/core/nearest_name.h"
#include "ladder/models/combinators.h"
#include "ladder/models/mlp.h"

namespace ladder::models {
namespace {

using data::kAllLabels;

constexpr size_t kLevels = 6;
constexpr const char* kRasmus = "[Rasmus2015], table 1 and published command lines";
constexpr const char* kRasmusConv = "[Rasmus2015], table 2 and published command lines";
constexpr const char* kRasmusCifar = "[Rasmus2015], table 3 and published command lines";
constexpr const char* kOurs = "ours, with the settings of 100 labels";
constexpr const char* kPezeshki =
    "[Pezeshki2016], with lambda, noise and schedule of the full recipe of [Rasmus2015]";
constexpr const char* kOursFast =
    "ours, with row projection, mutual information and neighbours, see docs/trials.md";
constexpr const char* kOursBest =
    "ours, mnist-100-fast for longer and mended by its features, see docs/lost-clusters.md";
constexpr const char* kOursFew =
    "ours, mnist-100-fast with repaired clusters and labels of a graph, see docs/few-labels.md";
constexpr const char* kOursGamma =
    "ours, mnist-100-gamma for 16 epochs and with labels of a graph, see docs/trials.md";
constexpr const char* kOursTaught =
    "ours, learns what a run of a dense ladder found, see docs/few-labels.md";
constexpr const char* kOursCifar = "ours, small enough for a CPU";
constexpr const char* kOursConv = "ours, conv-small with the lambda of conv-fc";

MlpOptions full(double lambda0, double lambda1, double rest, double noise = 0.3) {
  return {.lambda = full_lambda(kLevels, lambda0, lambda1, rest), .noise_std = noise};
}

MlpOptions bottom(double lambda0) { return {.lambda = bottom_lambda(kLevels, lambda0)}; }

MlpOptions gamma(double top) { return {.lambda = gamma_lambda(kLevels, top)}; }

MlpOptions supervised() { return {.lambda = {}, .noise_std = 0.5}; }

NetworkOptions conv_small_full() {
  auto network = conv_small();
  network.lambda = full_lambda(network.layers.size(), 1000, 10, 0.1);
  return network;
}

NetworkOptions supervised(NetworkOptions network, double noise) {
  network.lambda.clear();
  network.noise_std = noise;
  return network;
}

NetworkOptions cifar_conv_small() {
  auto network = conv_large();
  network.layers = {Conv{32, 3}, MaxPool{2},  Conv{64, 3},     MaxPool{2},
                    Conv{96, 3}, Conv{10, 1}, GlobalMeanPool{}};
  network.lambda = gamma_lambda(network.layers.size(), 4);
  return network;
}

// clang-format off
std::vector<Recipe> recipe_table() {
  const RecipeSchedule fast = {.epochs = 40, .learning_rate = 0.003, .decay_from = 0.1,
                               .unlabeled_batch = 200, .labeled_batch = 50, .eval_every = 8};
  auto longer = fast;
  longer.epochs = 100;
  longer.eval_every = 10;
  const RecipePieces pieces = {.project_rows = true, .mutual_information = 0.1, .neighbours = 1};
  auto repaired = pieces;
  repaired.repair = 1;
  auto few_labels = repaired;
  few_labels.spread = 4;
  few_labels.graph_labels = 1;
  auto by_features = repaired;
  by_features.feature_repair = 1;
  by_features.feature_labels = 1;
  const RecipeSchedule taught = {.epochs = 8, .decay_from = 0.3};
  const RecipePieces clustered = {.pseudo_labels = 1, .mutual_information = 0.1, .spread = 4,
                                  .graph_labels = 1, .graph_label_epochs = 8};
  return {
      {.name = "mnist-20-best", .dataset = "mnist", .labels = 20,
       .network = bottom(5000), .schedule = fast, .pieces = few_labels,
       .precision = Precision::kBFloat16, .source = kOursFew},
      {.name = "mnist-20-taught", .dataset = "mnist", .labels = 20,
       .network = supervised(conv_small(), 0.45), .schedule = taught,
       .taught_by = "mnist-20-best", .source = kOursTaught},

      {.name = "mnist-50-full", .dataset = "mnist", .labels = 50,
       .network = full(2000, 20, 0.1), .published = Published{1.62, 0.65}, .source = kRasmus},
      {.name = "mnist-50-bottom", .dataset = "mnist", .labels = 50,
       .network = bottom(5000), .source = kOurs},
      {.name = "mnist-50-gamma", .dataset = "mnist", .labels = 50,
       .network = gamma(0.5), .source = kOurs},
      {.name = "mnist-50-baseline", .dataset = "mnist", .labels = 50,
       .network = supervised(), .source = kOurs},
      {.name = "mnist-50-best", .dataset = "mnist", .labels = 50,
       .network = bottom(5000), .schedule = fast, .pieces = few_labels,
       .precision = Precision::kBFloat16, .source = kOursFew},

      {.name = "mnist-100-full", .dataset = "mnist", .labels = 100,
       .network = full(1000, 10, 0.1), .published = Published{1.06, 0.37}, .source = kRasmus},
      {.name = "mnist-100-bottom", .dataset = "mnist", .labels = 100,
       .network = bottom(5000), .published = Published{1.09, 0.32}, .source = kRasmus},
      {.name = "mnist-100-gamma", .dataset = "mnist", .labels = 100,
       .network = gamma(0.5), .published = Published{3.06, 1.44}, .source = kRasmus},
      {.name = "mnist-100-baseline", .dataset = "mnist", .labels = 100,
       .network = supervised(), .published = Published{21.74, 1.77}, .source = kRasmus},

      {.name = "mnist-100-fast", .dataset = "mnist", .labels = 100,
       .network = bottom(5000), .schedule = fast, .pieces = pieces,
       .precision = Precision::kBFloat16, .source = kOursFast},
      {.name = "mnist-100-gamma-fast", .dataset = "mnist", .labels = 100,
       .network = gamma(0.5),
       .schedule = {.epochs = 16, .decay_from = 0.5, .unlabeled_batch = 200, .labeled_batch = 50,
                    .eval_every = 4},
       .pieces = clustered, .precision = Precision::kBFloat16, .source = kOursGamma},
      {.name = "mnist-100-best", .dataset = "mnist", .labels = 100,
       .network = bottom(5000), .schedule = longer, .pieces = by_features,
       .precision = Precision::kBFloat16, .source = kOursBest},
      {.name = "mnist-100-taught", .dataset = "mnist", .labels = 100,
       .network = supervised(conv_small(), 0.45), .schedule = taught,
       .taught_by = "mnist-100-best", .source = kOursTaught},

      {.name = "mnist-1000-full", .dataset = "mnist", .labels = 1000,
       .network = full(2000, 20, 0.1, 0.2), .published = Published{0.84, 0.08}, .source = kRasmus},
      {.name = "mnist-1000-bottom", .dataset = "mnist", .labels = 1000,
       .network = bottom(2000), .published = Published{0.90, 0.05}, .source = kRasmus},
      {.name = "mnist-1000-gamma", .dataset = "mnist", .labels = 1000,
       .network = gamma(10), .published = Published{1.53, 0.10}, .source = kRasmus},
      {.name = "mnist-1000-baseline", .dataset = "mnist", .labels = 1000,
       .network = supervised(), .published = Published{5.70, 0.20}, .source = kRasmus},

      {.name = "mnist-all-full", .dataset = "mnist", .labels = kAllLabels,
       .network = full(1000, 1, 0.01), .published = Published{0.57, 0.02}, .source = kRasmus},
      {.name = "mnist-all-bottom", .dataset = "mnist", .labels = kAllLabels,
       .network = bottom(2000), .published = Published{0.59, 0.03}, .source = kRasmus},
      {.name = "mnist-all-gamma", .dataset = "mnist", .labels = kAllLabels,
       .network = gamma(2), .published = Published{0.78, 0.03}, .source = kRasmus},
      {.name = "mnist-all-baseline", .dataset = "mnist", .labels = kAllLabels,
       .network = supervised(), .published = Published{0.80, 0.03}, .source = kRasmus},

      {.name = "mnist-100-amlp-2-2-2", .dataset = "mnist", .labels = 100,
       .network = full(1000, 10, 0.1), .combinator = "amlp-2-2-2",
       .published = Published{1.002}, .source = kPezeshki},
      {.name = "mnist-1000-amlp-2-2-2", .dataset = "mnist", .labels = 1000,
       .network = full(2000, 20, 0.1, 0.2), .combinator = "amlp-2-2-2",
       .published = Published{0.979}, .source = kPezeshki},
      {.name = "mnist-all-amlp-2-2", .dataset = "mnist", .labels = kAllLabels,
       .network = full(1000, 1, 0.01), .combinator = "amlp-2-2",
       .published = Published{0.569}, .source = kPezeshki},

      {.name = "mnist-100-conv-fc", .dataset = "mnist", .labels = 100,
       .network = conv_fc(), .published = Published{0.99, 0.15}, .source = kRasmusConv},
      {.name = "mnist-100-conv-small-gamma", .dataset = "mnist", .labels = 100,
       .network = conv_small(), .published = Published{0.89, 0.50}, .source = kRasmusConv},
      {.name = "mnist-100-conv-small-full", .dataset = "mnist", .labels = 100,
       .network = conv_small_full(), .source = kOursConv},
      {.name = "mnist-100-conv-small-baseline", .dataset = "mnist", .labels = 100,
       .network = supervised(conv_small(), 0.45), .schedule = {.epochs = 20, .decay_from = 0.5},
       .published = Published{6.43, 0.84}, .source = kRasmusConv},

      {.name = "cifar-4000-conv-large-gamma", .dataset = "cifar10", .labels = 4000,
       .network = conv_large(), .schedule = {.epochs = 70, .decay_from = 0.86},
       .published = Published{20.40, 0.47}, .source = kRasmusCifar},
      {.name = "cifar-4000-conv-large-baseline", .dataset = "cifar10", .labels = 4000,
       .network = supervised(conv_large(), 0.3), .schedule = {.epochs = 20, .decay_from = 0.5},
       .published = Published{23.33, 0.61}, .source = kRasmusCifar},
      {.name = "cifar-4000-conv-small-gamma", .dataset = "cifar10", .labels = 4000,
       .network = cifar_conv_small(), .schedule = {.epochs = 20, .decay_from = 0.5},
       .source = kOursCifar},
      {.name = "cifar-4000-conv-small-baseline", .dataset = "cifar10", .labels = 4000,
       .network = supervised(cifar_conv_small(), 0.3),
       .schedule = {.epochs = 20, .decay_from = 0.5}, .source = kOursCifar},
  };
}
// clang-format on

// mnist-100-full with another combinator, or with noise on the input alone.
void add_ablations(std::vector<Recipe>& recipes) {
  Recipe recipe{.name = "",
                .dataset = "mnist",
                .labels = 100,
                .network = full(1000, 10, 0.1),
                .source = kPezeshki};
  for (const char* combinator :
       {"gaussian-sigmoid", "vanilla", "vanilla-random", "vanilla-reversed", "vanilla-no-lateral",
        "no-sigmoid", "no-cross", "linear", "mlp-4"}) {
    recipe.name = std::string("mnist-100-") + combinator;
    recipe.combinator = combinator;
    recipes.push_back(recipe);
  }
  recipe.name = "mnist-100-input-noise";
  recipe.combinator = "vanilla";
  recipe.network.noise_std = 0;
  recipes.push_back(recipe);
}

std::vector<Recipe> all_recipes() {
  auto all = recipe_table();
  add_ablations(all);
  for (auto& recipe : all) {
    recipe.network.combinator = find_combinator(recipe.combinator).make;
  }
  return all;
}

}  // namespace

std::string to_string(const Published& published) {
  char text[64];
  if (published.std) {
    std::snprintf(text, sizeof text, "%.2f +- %.2f", published.mean, *published.std);
  } else {
    std::snprintf(text, sizeof text, "%.3f", published.mean);
  }
  return text;
}

std::string to_string(Precision precision) {
  return precision == Precision::kFloat64 ? "float64"
                                          : ops::to_string(product_precision(precision));
}

Precision precision_from_string(const std::string& name) {
  for (const auto precision : {Precision::kFloat32, Precision::kBFloat16, Precision::kTensorFloat32,
                               Precision::kFloat64}) {
    if (to_string(precision) == name) {
      return precision;
    }
  }
  TORCH_CHECK(false, "precision_from_string: expected float32, bfloat16, tf32 or float64 but got '",
              name, "'.");
}

torch::Dtype dtype(Precision precision) {
  return precision == Precision::kFloat64 ? torch::kFloat64 : torch::kFloat32;
}

ops::ProductPrecision product_precision(Precision precision) {
  switch (precision) {
    case Precision::kBFloat16:
      return ops::ProductPrecision::kBFloat16;
    case Precision::kTensorFloat32:
      return ops::ProductPrecision::kTensorFloat32;
    case Precision::kFloat32:
    case Precision::kFloat64:
      break;
  }
  return ops::ProductPrecision::kFloat32;
}

const std::vector<Recipe>& recipes() {
  static const std::vector<Recipe> all = all_recipes();
  return all;
}

std::vector<std::string> recipe_names() {
  std::vector<std::string> names;
  for (const auto& recipe : recipes()) {
    names.push_back(recipe.name);
  }
  return names;
}

const Recipe* known_recipe(const std::string& name) {
  const auto& all = recipes();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const Recipe& recipe) { return recipe.name == name; });
  return found == all.end() ? nullptr : &*found;
}

const Recipe& find_recipe(const std::string& name) {
  const auto* recipe = known_recipe(name);
  TORCH_CHECK(recipe != nullptr, "find_recipe: expected the name of a recipe but got '", name, "'",
              name_hint(name, recipe_names(), ""), ".");
  return *recipe;
}

}  // namespace ladder::models
