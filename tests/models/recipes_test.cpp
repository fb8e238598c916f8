#include <ladder/core/nearest_name.h>
#include <ladder/models/combinators.h>
#include <ladder/models/recipes.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <torch/torch.h>

#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

using namespace ladder;
using ladder::models::Dense;
using ladder::models::find_recipe;
using ladder::models::Layer;
using ladder::testing::error_text;

namespace {

struct Row {
  std::string name;
  int64_t labels;
  std::vector<double> lambda;
  double noise;
  std::optional<double> mean;
  std::optional<double> std;
  std::string combinator = "gaussian";
};

const std::vector<double> kFull = {1000, 10, 0.1, 0.1, 0.1, 0.1, 0.1};
const std::vector<double> kFull1000 = {2000, 20, 0.1, 0.1, 0.1, 0.1, 0.1};
const std::vector<double> kFullAll = {1000, 1, 0.01, 0.01, 0.01, 0.01, 0.01};

// The published tables, written out.
const std::vector<Row> kTable = {
    {"mnist-50-full", 50, {2000, 20, 0.1, 0.1, 0.1, 0.1, 0.1}, 0.3, 1.62, 0.65},
    {"mnist-50-bottom", 50, {5000, 0, 0, 0, 0, 0, 0}, 0.3, {}, {}},
    {"mnist-50-gamma", 50, {0, 0, 0, 0, 0, 0, 0.5}, 0.3, {}, {}},
    {"mnist-50-baseline", 50, {}, 0.5, {}, {}},
    {"mnist-100-full", 100, {1000, 10, 0.1, 0.1, 0.1, 0.1, 0.1}, 0.3, 1.06, 0.37},
    {"mnist-100-bottom", 100, {5000, 0, 0, 0, 0, 0, 0}, 0.3, 1.09, 0.32},
    {"mnist-100-gamma", 100, {0, 0, 0, 0, 0, 0, 0.5}, 0.3, 3.06, 1.44},
    {"mnist-100-baseline", 100, {}, 0.5, 21.74, 1.77},
    {"mnist-1000-full", 1000, {2000, 20, 0.1, 0.1, 0.1, 0.1, 0.1}, 0.2, 0.84, 0.08},
    {"mnist-1000-bottom", 1000, {2000, 0, 0, 0, 0, 0, 0}, 0.3, 0.90, 0.05},
    {"mnist-1000-gamma", 1000, {0, 0, 0, 0, 0, 0, 10}, 0.3, 1.53, 0.10},
    {"mnist-1000-baseline", 1000, {}, 0.5, 5.70, 0.20},
    {"mnist-all-full", -1, {1000, 1, 0.01, 0.01, 0.01, 0.01, 0.01}, 0.3, 0.57, 0.02},
    {"mnist-all-bottom", -1, {2000, 0, 0, 0, 0, 0, 0}, 0.3, 0.59, 0.03},
    {"mnist-all-gamma", -1, {0, 0, 0, 0, 0, 0, 2}, 0.3, 0.78, 0.03},
    {"mnist-all-baseline", -1, {}, 0.5, 0.80, 0.03},
    {"mnist-100-amlp-2-2-2", 100, kFull, 0.3, 1.002, {}, "amlp-2-2-2"},
    {"mnist-1000-amlp-2-2-2", 1000, kFull1000, 0.2, 0.979, {}, "amlp-2-2-2"},
    {"mnist-all-amlp-2-2", -1, kFullAll, 0.3, 0.569, {}, "amlp-2-2"},
    {"mnist-100-gaussian-sigmoid", 100, kFull, 0.3, {}, {}, "gaussian-sigmoid"},
    {"mnist-100-vanilla", 100, kFull, 0.3, {}, {}, "vanilla"},
    {"mnist-100-vanilla-random", 100, kFull, 0.3, {}, {}, "vanilla-random"},
    {"mnist-100-vanilla-reversed", 100, kFull, 0.3, {}, {}, "vanilla-reversed"},
    {"mnist-100-vanilla-no-lateral", 100, kFull, 0.3, {}, {}, "vanilla-no-lateral"},
    {"mnist-100-no-sigmoid", 100, kFull, 0.3, {}, {}, "no-sigmoid"},
    {"mnist-100-no-cross", 100, kFull, 0.3, {}, {}, "no-cross"},
    {"mnist-100-linear", 100, kFull, 0.3, {}, {}, "linear"},
    {"mnist-100-mlp-4", 100, kFull, 0.3, {}, {}, "mlp-4"},
    {"mnist-100-input-noise", 100, kFull, 0, {}, {}, "vanilla"},
};

struct ConvRow {
  std::string name;
  std::string dataset;
  int64_t labels;
  std::vector<std::string> layers;
  std::vector<double> lambda;
  double noise;
  int64_t epochs;
  double decay_from;
  Activation activation;
  bool top_gamma;
  std::optional<double> mean;
  std::optional<double> std;
};

const std::vector<std::string> kConvFc = {
    "conv valid 1000@26x26", "conv valid 500@1x1", "conv valid 250@1x1", "conv valid 250@1x1",
    "conv valid 250@1x1",    "conv valid 10@1x1",  "global mean pool"};
const std::vector<std::string> kConvSmall = {
    "conv full 32@5x5",  "max pool 2",       "conv valid 64@3x3",
    "conv full 64@3x3",  "max pool 2",       "conv valid 128@3x3",
    "conv valid 10@1x1", "global mean pool", "dense 10"};
const std::vector<std::string> kConvLarge = {
    "conv valid 96@3x3",  "conv full 96@3x3",   "conv full 96@3x3",   "max pool 2",
    "conv valid 192@3x3", "conv full 192@3x3",  "conv valid 192@3x3", "max pool 2",
    "conv valid 192@3x3", "conv valid 192@1x1", "conv valid 10@1x1",  "global mean pool"};

const std::vector<std::string> kCifarConvSmall = {
    "conv valid 32@3x3", "max pool 2",        "conv valid 64@3x3", "max pool 2",
    "conv valid 96@3x3", "conv valid 10@1x1", "global mean pool"};

// clang-format off
const std::vector<ConvRow> kConvTable = {
    {"mnist-100-conv-fc", "mnist", 100, kConvFc, {1000, 10, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1},
     0.3, 150, 0.67, Activation::kRelu, true, 0.99, 0.15},
    {"mnist-100-conv-small-gamma", "mnist", 100, kConvSmall, {0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
     0.3, 150, 0.67, Activation::kRelu, true, 0.89, 0.50},
    {"mnist-100-conv-small-full", "mnist", 100, kConvSmall,
     {1000, 10, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1},
     0.3, 150, 0.67, Activation::kRelu, true, {}, {}},
    {"mnist-100-conv-small-baseline", "mnist", 100, kConvSmall, {},
     0.45, 20, 0.5, Activation::kRelu, true, 6.43, 0.84},
    {"cifar-4000-conv-large-gamma", "cifar10", 4000, kConvLarge,
     {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4},
     0.3, 70, 0.86, Activation::kLeakyRelu, false, 20.40, 0.47},
    {"cifar-4000-conv-large-baseline", "cifar10", 4000, kConvLarge, {},
     0.3, 20, 0.5, Activation::kLeakyRelu, false, 23.33, 0.61},
    {"cifar-4000-conv-small-gamma", "cifar10", 4000, kCifarConvSmall, {0, 0, 0, 0, 0, 0, 0, 4},
     0.3, 20, 0.5, Activation::kLeakyRelu, false, {}, {}},
    {"cifar-4000-conv-small-baseline", "cifar10", 4000, kCifarConvSmall, {},
     0.3, 20, 0.5, Activation::kLeakyRelu, false, {}, {}},
};
// clang-format on

// Check that two recipes train one network, with the same noise and costs, from as many labels.
void check_same_network(const models::Recipe& recipe, const models::Recipe& other) {
  CHECK(recipe.labels == other.labels);
  CHECK((recipe.network.layers == other.network.layers));
  CHECK(recipe.network.noise_std == other.network.noise_std);
  CHECK(recipe.network.lambda == other.network.lambda);
}

}  // namespace

TEST_CASE("Recipes: MNIST's are the published ones", "[models]") {
  for (const auto& row : kTable) {
    INFO(row.name);
    const auto& recipe = find_recipe(row.name);
    CHECK(recipe.name == row.name);
    CHECK(recipe.dataset == "mnist");
    CHECK(recipe.labels == row.labels);
    CHECK(recipe.network.input_shape == std::vector<int64_t>{784});
    CHECK((recipe.network.layers == std::vector<Layer>{Dense{1000}, Dense{500}, Dense{250},
                                                       Dense{250}, Dense{250}, Dense{10}}));
    CHECK(recipe.network.top_gamma);
    CHECK(recipe.network.lambda == row.lambda);
    CHECK(recipe.network.noise_std == row.noise);
    CHECK(recipe.network.input_noise == 0.3);
    CHECK(recipe.network.activation == Activation::kRelu);
    CHECK(recipe.schedule.epochs == 150);
    CHECK(recipe.schedule.learning_rate == 0.002);
    CHECK(recipe.schedule.decay_from == 0.67);
    CHECK(recipe.schedule.unlabeled_batch == 100);
    CHECK(recipe.schedule.labeled_batch == 100);
    REQUIRE(recipe.published.has_value() == row.mean.has_value());
    if (row.mean) {
      CHECK(recipe.published->mean == *row.mean);
      CHECK(recipe.published->std == row.std);
    }
    CHECK(recipe.combinator == row.combinator);
    const bool later = row.combinator != "gaussian";
    CHECK((recipe.source.find("[Pezeshki2016]") != std::string::npos) == later);
    const bool ours = recipe.source.find("ours") != std::string::npos;
    CHECK(ours == (!row.mean.has_value() && !later));
  }
}

TEST_CASE("Recipes: the fast one is the bottom one with another schedule", "[models]") {
  const auto& fast = find_recipe("mnist-100-fast");
  const auto& bottom = find_recipe("mnist-100-bottom");
  check_same_network(fast, bottom);
  CHECK(fast.precision == models::Precision::kBFloat16);
  CHECK(fast.schedule.learning_rate == 0.003);
  CHECK(fast.schedule.decay_from == 0.1);
  CHECK(fast.schedule.unlabeled_batch == 200);
  CHECK(fast.schedule.labeled_batch == 50);
  CHECK(fast.schedule.epochs * 3 < bottom.schedule.epochs);
  CHECK(fast.schedule.eval_every == 8);  // an evaluation takes a third of an epoch
  CHECK(fast.pieces.project_rows);
  CHECK(fast.pieces.mutual_information == 0.1);
  CHECK(fast.pieces.neighbours == 1);
  CHECK_FALSE(fast.published.has_value());
}

TEST_CASE("Recipes: the best one is the fast one, longer and mended by its features", "[models]") {
  const auto& fast = find_recipe("mnist-100-fast");
  const auto& best = find_recipe("mnist-100-best");
  CHECK((best.network.layers == fast.network.layers));
  CHECK(best.network.lambda == fast.network.lambda);
  CHECK(best.schedule.epochs == 100);
  CHECK(best.schedule.eval_every == 10);
  auto schedule = best.schedule;
  schedule.epochs = fast.schedule.epochs;
  schedule.eval_every = fast.schedule.eval_every;
  CHECK((schedule == fast.schedule));
  auto pieces = best.pieces;
  CHECK(std::exchange(pieces.repair, 0) == 1);
  CHECK(std::exchange(pieces.feature_repair, 0) == 1);
  CHECK(std::exchange(pieces.feature_labels, 0) == 1);
  CHECK((pieces == fast.pieces));
  CHECK(best.precision == fast.precision);
  CHECK_FALSE(best.published.has_value());
}

TEST_CASE("Recipes: few labels are spread over a graph first", "[models]") {
  const auto& fast = find_recipe("mnist-100-fast");
  for (const int64_t labels : {20, 50}) {
    const auto& best = find_recipe("mnist-" + std::to_string(labels) + "-best");
    CAPTURE(best.name);
    CHECK(best.labels == labels);
    CHECK((best.network.layers == fast.network.layers));
    CHECK(best.network.lambda == fast.network.lambda);
    CHECK((best.schedule == fast.schedule));
    auto pieces = best.pieces;
    CHECK(std::exchange(pieces.graph_labels, 0) == 1);
    CHECK(pieces.graph_label_epochs == 2);
    CHECK(std::exchange(pieces.spread, fast.pieces.spread) == 4);
    CHECK(std::exchange(pieces.repair, 0) == 1);
    CHECK((pieces == fast.pieces));
    CHECK(best.precision == fast.precision);
    CHECK_FALSE(best.published.has_value());
  }
}

TEST_CASE("Recipes: the fast Gamma-model finds classes by a graph first", "[models]") {
  const auto& fast = find_recipe("mnist-100-gamma-fast");
  const auto& gamma = find_recipe("mnist-100-gamma");
  check_same_network(fast, gamma);
  CHECK(fast.schedule.learning_rate == gamma.schedule.learning_rate);
  CHECK(fast.schedule.epochs == 16);
  CHECK((fast.pieces == models::RecipePieces{.pseudo_labels = 1,
                                             .mutual_information = 0.1,
                                             .spread = 4,
                                             .graph_labels = 1,
                                             .graph_label_epochs = 8}));
  // The labels of the graph go when the rate starts to fall.
  CHECK(fast.pieces.graph_label_epochs ==
        fast.schedule.decay_from * static_cast<double>(fast.schedule.epochs));
  CHECK_FALSE(fast.published.has_value());
}

TEST_CASE("Recipes: the taught ones are the convolutional baseline", "[models]") {
  const auto& baseline = find_recipe("mnist-100-conv-small-baseline");
  for (const std::string labels : {"20", "100"}) {
    CAPTURE(labels);
    const auto& taught = find_recipe("mnist-" + labels + "-taught");
    CHECK(taught.labels == std::stoi(labels));
    CHECK(taught.taught_by == "mnist-" + labels + "-best");
    CHECK(find_recipe(taught.taught_by).labels == taught.labels);
    CHECK((taught.network.layers == baseline.network.layers));
    CHECK(taught.network.lambda.empty());
    CHECK(taught.network.noise_std == baseline.network.noise_std);
    CHECK((taught.schedule == models::RecipeSchedule{.epochs = 8, .decay_from = 0.3}));
    CHECK_FALSE(taught.published.has_value());
  }
}

TEST_CASE("Recipes: the combinator's name is that of the network's", "[models]") {
  const auto text = [](const CombinatorFactory& make) {
    std::ostringstream stream;
    make(3).module()->pretty_print(stream);
    return stream.str();
  };
  for (const auto& recipe : models::recipes()) {
    INFO(recipe.name);
    REQUIRE(recipe.network.combinator);
    CHECK(text(recipe.network.combinator) == text(models::find_combinator(recipe.combinator).make));
  }
}

TEST_CASE("Recipes: one that another recipe teaches has its data and labels", "[models]") {
  for (const auto& recipe : models::recipes()) {
    if (recipe.taught_by.empty()) continue;
    INFO(recipe.name);
    const auto& teacher = find_recipe(recipe.taught_by);
    CHECK(teacher.dataset == recipe.dataset);
    CHECK(teacher.labels == recipe.labels);
  }
}

TEST_CASE("Recipes: published errors are written with what was published of them", "[models]") {
  CHECK(to_string(models::Published{1.06, 0.37}) == "1.06 +- 0.37");
  CHECK(to_string(models::Published{1.002}) == "1.002");
}

TEST_CASE("Recipes: the convolutional ones are the published ones", "[models]") {
  for (const auto& row : kConvTable) {
    INFO(row.name);
    const auto& recipe = find_recipe(row.name);
    CHECK(recipe.dataset == row.dataset);
    CHECK(recipe.labels == row.labels);
    CHECK(recipe.network.input_shape == (row.dataset == "mnist" ? std::vector<int64_t>{1, 28, 28}
                                                                : std::vector<int64_t>{3, 32, 32}));
    std::vector<std::string> layers;
    for (const auto& layer : recipe.network.layers) {
      layers.push_back(models::to_string(layer));
    }
    CHECK(layers == row.layers);
    CHECK(recipe.network.lambda == row.lambda);
    CHECK(recipe.network.noise_std == row.noise);
    CHECK(recipe.network.input_noise == 0.3);
    CHECK(recipe.network.activation == row.activation);
    CHECK(recipe.network.leaky_slope == 0.1);
    CHECK(recipe.network.top_gamma == row.top_gamma);
    CHECK(recipe.schedule.epochs == row.epochs);
    CHECK(recipe.schedule.decay_from == row.decay_from);
    CHECK(recipe.schedule.learning_rate == 0.002);
    CHECK(recipe.schedule.unlabeled_batch == 100);
    CHECK(recipe.schedule.labeled_batch == 100);
    REQUIRE(recipe.published.has_value() == row.mean.has_value());
    if (row.mean) {
      CHECK(recipe.published->mean == *row.mean);
      CHECK(recipe.published->std == row.std);
    }
    const bool ours = recipe.source.find("ours") != std::string::npos;
    CHECK(ours == !row.mean.has_value());
  }
}

TEST_CASE("Recipes: each that names a published source or error is compared with it", "[models]") {
  std::set<std::string> compared;
  for (const auto& row : kTable) compared.insert(row.name);
  for (const auto& row : kConvTable) compared.insert(row.name);
  for (const auto& recipe : models::recipes()) {
    INFO(recipe.name << ": " << recipe.source);
    const bool ours = recipe.source.starts_with("ours");
    CHECK((!ours || !recipe.published));
    CHECK((ours || compared.contains(recipe.name)));
  }
}

TEST_CASE("Recipes: names are unique and each is found and builds its network", "[models]") {
  std::set<std::string> names;
  for (const auto& recipe : models::recipes()) {
    INFO(recipe.name);
    CHECK(names.insert(recipe.name).second);
    CHECK(&find_recipe(recipe.name) == &recipe);
    CHECK_FALSE(recipe.source.empty());
    if (recipe.labels == 100 || recipe.labels == 4000) {
      const auto net = models::network(recipe.network);
      CHECK(net->classes() == 10);
      CHECK(net->has_decoder() == !recipe.network.lambda.empty());
    }
  }
}

TEST_CASE("Recipes: an unknown name is answered with the nearest", "[models]") {
  CHECK(error_text([] { find_recipe("mnist-100-ful"); }) ==
        "find_recipe: expected the name of a recipe but got 'mnist-100-ful' (did you mean "
        "mnist-100-full?).");
  CHECK(error_text([] { find_recipe("mnist-al-gama"); }) ==
        "find_recipe: expected the name of a recipe but got 'mnist-al-gama' (did you mean "
        "mnist-all-gamma?).");
}

TEST_CASE("Precision has a name, a type and a precision of products", "[models]") {
  using models::Precision;
  CHECK(models::to_string(Precision::kFloat32) == "float32");
  CHECK(models::to_string(Precision::kBFloat16) == "bfloat16");
  CHECK(models::to_string(Precision::kTensorFloat32) == "tf32");
  CHECK(models::to_string(Precision::kFloat64) == "float64");
  for (const auto precision : {Precision::kFloat32, Precision::kBFloat16, Precision::kTensorFloat32,
                               Precision::kFloat64}) {
    CHECK(models::precision_from_string(models::to_string(precision)) == precision);
    CHECK(models::dtype(precision) ==
          (precision == Precision::kFloat64 ? torch::kFloat64 : torch::kFloat32));
  }
  CHECK(models::product_precision(Precision::kFloat64) == ops::ProductPrecision::kFloat32);
  CHECK(models::product_precision(Precision::kBFloat16) == ops::ProductPrecision::kBFloat16);
  CHECK(error_text([] { models::precision_from_string("half"); }) ==
        "precision_from_string: expected float32, bfloat16, tf32 or float64 but got 'half'.");
}
