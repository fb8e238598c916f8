#include "ladder/runs/run_config.h"

#include <ladder/data/split.h>
#include <ladder/runs/pieces.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/files_below.h"
#include "tests/support/paths.h"
#include "tests/support/ranks.h"
#include "tests/support/temporary_folder.h"

using namespace ladder;
using ladder::runs::Compare;
using ladder::runs::diff;
using ladder::runs::run_config_from_json;
using ladder::runs::RunConfig;
using ladder::runs::settle_statistics;
using ladder::testing::error_text;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;
using nlohmann::json;

namespace {

// Call visit(setting, value) for each setting of each piece.
template <class Visit>
void for_each_setting(models::RecipePieces& pieces, Visit&& visit) {
  for (const auto& piece : runs::pieces()) {
    for (const auto& setting : piece.settings) {
      std::visit([&](auto field) { visit(setting, pieces.*field); }, setting.field);
    }
  }
}

// A configuration in which no field has its default.
RunConfig unusual() {
  RunConfig config;
  config.program = "ladder-cifar10";
  config.recipe = "cifar-4000-conv-small-gamma";
  config.dataset = "cifar10";
  config.train_rows = 50000;
  config.test_rows = 10000;
  config.data = "0123456789abcdef";
  config.classes = 7;
  config.labels = data::kAllLabels;
  config.balanced = false;
  config.validation = 5000;
  config.contrast_norm = 55;
  config.zca_ridge = 0.1;
  config.network = {.input_shape = {3, 32, 32},
                    .layers = {models::Conv{32, 3, Border::kFull}, models::MaxPool{2},
                               models::GlobalMeanPool{}, models::Dense{7}},
                    .lambda = {0, 0, 0.1, 0, 1.0 / 3},
                    .input_noise = 0.25,
                    .noise_std = 0.45,
                    .activation = Activation::kLeakyRelu,
                    .leaky_slope = 0.2,
                    .top_gamma = false,
                    .detach_targets = true};
  config.combinator = "amlp-2-2-2";
  config.scaled_lambda = true;
  config.class_balance = "weights";
  config.epochs = 12;
  config.learning_rate = 1e-3;
  config.decay_from = 0.5;
  config.warm_up = 1.5;
  double more = 0;
  for_each_setting(config.pieces, [&](const runs::PieceSetting&, auto& value) {
    if constexpr (std::is_same_v<decltype(value), bool&>) {
      value = !value;
    } else {
      value += more += 0.125;
    }
  });
  config.unlabeled_batch = 64;
  config.labeled_batch = 32;
  config.epoch_batch = 48;
  config.block_rows = 4096;
  config.window_blocks = 32;
  config.seed = 18446744073709551615ULL;
  config.candidates = 3;
  config.teachers = 2;
  config.teacher_confidence = 0.9;
  config.taught = "0123456789abcdef";
  config.candidate_epochs = 2;
  config.candidate = 2;
  config.statistics = train::RankStatistics::kSynchronised;
  config.eval_every = 5;
  config.calibration = train::Calibration::kLabeledRows;
  config.patience = 3;
  config.device = c10::Device("cuda:1");
  config.precision = models::Precision::kBFloat16;
  config.product_route = ops::ProductRoute::kOneDnn;
  config.environment = runs::Environment{.ladder = "0.1.0",
                                         .commit = "abc",
                                         .libtorch = "2.11.0",
                                         .cpu = "CPU \"X\"",
                                         .gpu = "GPU Y",
                                         .threads = 3,
                                         .kernels = "avx2",
                                         .instruction_set = "AVX2",
                                         .product_route = "onednn",
                                         .data_dir = "/data/a b"};
  config.resumed = {{.step = 40, .environment = {.commit = "def", .threads = 4}}};
  return config;
}

std::string names_of(const std::vector<runs::Difference>& differences) {
  std::string names;
  for (const auto& one : differences) names += (names.empty() ? "" : " ") + one.name;
  return names;
}

}  // namespace

TEST_CASE("RunConfig reads what it wrote, every field", "[runs]") {
  const auto config = unusual();
  const auto text = to_json(config);
  const auto read = run_config_from_json(text);
  CHECK(to_json(read) == text);
  CHECK(diff(config, read).empty());
  CHECK((read.network.layers == config.network.layers));
  CHECK(read.network.lambda == config.network.lambda);
  CHECK(read.labels == data::kAllLabels);
  CHECK(read.seed == config.seed);
  CHECK(read.device == c10::Device("cuda:1"));
  CHECK(read.environment->data_dir == "/data/a b");
  CHECK(read.environment->gpu == "GPU Y");
  REQUIRE(read.resumed.size() == 1);
  CHECK(read.resumed[0].step == 40);
  CHECK(read.resumed[0].environment == config.resumed[0].environment);

  const auto object = json::parse(text);
  CHECK(object.at("labels") == "all");
  CHECK(object.at("layers") ==
        json({"conv full 32@3x3", "max pool 2", "global mean pool", "dense 7"}));
  CHECK(object.at("noise_std") == 0.45);
  CHECK(object.at("precision") == "bfloat16");
  CHECK(object.at("calibration") == "labeled");
  CHECK(object.at("environment").at("threads") == 3);
}

TEST_CASE("RunConfig: each field by itself makes a difference", "[runs]") {
  const auto all = json::parse(to_json(unusual()));
  auto usual = json::parse(to_json(RunConfig()));
  usual["scaled_lambda"] = false;  // as where it is absent
  usual["epoch_batch"] = usual.at("labeled_batch");
  // Other values of fields that are not known at first.
  const auto other_value = [](const std::string& key, const json& value) -> json {
    if (key == "statistics") return "local";
    return value.is_string() ? json("other") : json(1);
  };
  for (const auto& key : runs::config_fields()) {
    INFO(key);
    REQUIRE(all.contains(key));  // `unusual` gives each field a value that is not its default
    const bool known = usual.contains(key);
    auto one = usual;
    one[key] = all.at(key);
    const auto here = run_config_from_json(one.dump());
    CHECK(names_of(diff(RunConfig(), here)) == (known ? key : ""));
    auto other = all;
    other[key] = known ? usual.at(key) : other_value(key, all.at(key));
    CHECK(names_of(diff(unusual(), run_config_from_json(other.dump()))) == key);
  }
  CHECK(all.size() == runs::config_fields().size() + 2);  // and the environments
}

TEST_CASE("RunConfig: where a run goes on makes no other experiment", "[runs]") {
  auto there = unusual();
  auto here = there;
  here.device = c10::kCPU;
  here.eval_every = 1;
  here.product_route.reset();
  here.environment.reset();
  CHECK(names_of(diff(there, here)) == "device eval_every product_route");
  CHECK(diff(there, here, Compare::kExperiment).empty());
  here.epochs = 13;
  here.network.noise_std = 0.3;
  CHECK(to_string(diff(there, here, Compare::kExperiment)) ==
        "epochs (12 there, 13 here), noise_std (0.45 there, 0.3 here)");
}

TEST_CASE("RunConfig: a baseline without epoch_batch counts its epochs by the labeled batch",
          "[runs]") {
  RunConfig older;
  older.labeled_batch = 50;
  auto here = older;
  here.epoch_batch = 100;
  const std::string difference = "epoch_batch (50 there, 100 here)";
  CHECK(to_string(diff(older, here)) == difference);
  here.epoch_batch = 50;
  CHECK(diff(older, here).empty());
  CHECK(diff(here, older).empty());
  CHECK(diff(older, older).empty());
  CHECK(runs::is_baseline(older));
  older.network.lambda = {0, 0};
  CHECK(runs::is_baseline(older));
  older.network.lambda = {0, 1};
  CHECK_FALSE(runs::is_baseline(older));
  here.epoch_batch = 100;
  CHECK(names_of(diff(older, here)) == "lambda");
}

TEST_CASE("add_resumed adds where a run went on to config.json", "[runs]") {
  const TemporaryFolder folder;
  auto config = unusual();
  config.resumed.clear();
  write_file(folder / "config.json", to_json(config));
  auto here = *config.environment;
  here.data_dir = "/moved";
  CHECK_FALSE(is_elsewhere(config, here));
  here.threads = 8;
  CHECK(is_elsewhere(config, here));
  runs::add_resumed(folder.path(), {.step = 120, .environment = here});
  auto read = runs::read_config(folder.path()).value();
  CHECK(read.environment == config.environment);
  REQUIRE(read.resumed.size() == 1);
  CHECK(read.resumed[0].step == 120);
  CHECK(read.resumed[0].environment == here);
  CHECK_FALSE(is_elsewhere(read, here));
  CHECK(is_elsewhere(read, *config.environment));
  CHECK(diff(config, read).empty());
  runs::add_resumed(folder.path(), {.step = 200, .environment = *config.environment});
  CHECK(runs::read_config(folder.path())->resumed.size() == 2);
  CHECK(is_elsewhere(RunConfig(), here));  // of an early version, which kept none
}

TEST_CASE("RunConfig reads the names of earlier versions", "[runs]") {
  const auto config = run_config_from_json(R"({"in_features": 784, "layers": [1000, 10],
      "batch_size": 50, "noise": 0.4, "labels": 100, "precision": "float32"})");
  CHECK(config.network.input_shape == std::vector<int64_t>{784});
  CHECK((config.network.layers ==
         std::vector<models::Layer>{models::Dense{1000}, models::Dense{10}}));
  CHECK(config.unlabeled_batch == 50);
  CHECK(config.network.noise_std == 0.4);
  CHECK(config.network.top_gamma);
}

TEST_CASE("RunConfig reads every run in results/ and finds its recipe in it", "[runs]") {
  int read = 0;
  for (const auto& path : testing::files_below(testing::source_folder() / std::string("results"))) {
    if (path.filename() != "config.json") continue;
    INFO(path);
    const auto config = runs::read_config(path.parent_path());
    REQUIRE(config);
    const auto text = json::parse(testing::file_bytes(path));
    CHECK(config->epochs == text.at("epochs"));
    CHECK(config->seed == text.at("seed").get<uint64_t>());
    CHECK(config->network.lambda == text.at("lambda").get<std::vector<double>>());
    CHECK(config->network.layers.size() == text.at("layers").size());
    CHECK(config->environment->threads == text.at("environment").at("threads"));
    // Written anew it is the same, and the network can be built.
    CHECK(diff(*config, run_config_from_json(to_json(*config))).empty());
    CHECK(models::layer_shapes(runs::network_of(*config)).back() == std::vector<int64_t>{10});
    const auto& recipe = models::find_recipe(config->recipe).network;
    CHECK((config->network.layers == recipe.layers));
    CHECK(config->network.input_shape == recipe.input_shape);
    ++read;
  }
  CHECK(read >= 20);
}

TEST_CASE("RunConfig says what is wrong with a configuration", "[runs]") {
  const auto error = [](const std::string& text) {
    return error_text([&] { run_config_from_json(text); });
  };
  CHECK(error("") == "RunConfig: expected a JSON object but got \"\".");
  CHECK(error("[1]") == "RunConfig: expected a JSON object but got \"[1]\".");
  CHECK(error("{\"epochs\": 1") == "RunConfig: expected a JSON object but got \"{\"epochs\": 1\".");
  // A damaged file: one line, whatever is in it.
  CHECK(error("{\n  \"epochs\": 1") == "RunConfig: expected a JSON object but got \"{...\".");
  CHECK(error(std::string(40, '\0')) == "RunConfig: expected a JSON object but got \"...\".");
  CHECK(error(std::string(61, 'x')) ==
        "RunConfig: expected a JSON object but got \"" + std::string(60, 'x') + "...\".");
  // Arrays inside of each other would use up the stack where they are shown.
  CHECK(error(R"({"epochs": )" + std::string(300'000, '[') + std::string(300'000, ']') + "}") ==
        "RunConfig: expected a JSON object but got \"{\"epochs\": " + std::string(49, '[') +
            "...\".");
  CHECK(error(R"({"epochs": "many"})") ==
        "RunConfig: expected epochs to be a whole number but got \"many\".");
  CHECK(error(R"({"epochs": 1.5})") ==
        "RunConfig: expected epochs to be a whole number but got 1.5.");
  CHECK(error(R"({"epochs": 18446744073709551615})") ==
        "RunConfig: expected epochs to be a whole number but got 18446744073709551615.");
  CHECK(error(R"({"epochs": 9223372036854775808})") ==
        "RunConfig: expected epochs to be a whole number but got 9223372036854775808.");
  CHECK(run_config_from_json(R"({"epochs": 9223372036854775807})").epochs == INT64_MAX);
  CHECK(run_config_from_json(R"({"seed": 18446744073709551615})").seed == UINT64_MAX);
  CHECK(error(R"({"epochs": null})") ==
        "RunConfig: expected epochs to be a whole number but got null.");
  CHECK(error(R"({"seed": -1})") ==
        "RunConfig: expected seed to be a whole number of at least 0 but got -1.");
  CHECK(error(R"({"noise_std": "loud"})") ==
        "RunConfig: expected noise_std to be a number but got \"loud\".");
  CHECK(error(R"({"balanced": 1})") ==
        "RunConfig: expected balanced to be true or false but got 1.");
  CHECK(error(R"({"recipe": 1})") == "RunConfig: expected recipe to be a text but got 1.");
  CHECK(error(R"({"lambda": 1})") == "RunConfig: expected lambda to be a list but got 1.");
  CHECK(error(R"({"lambda": [1, "x"]})") ==
        "RunConfig: expected lambda to be a number but got \"x\".");
  CHECK(error(R"({"epoch": 1})") ==
        "RunConfig: expected the settings of a run but got \"epoch\" (did you mean epochs?).");
  CHECK(error(R"({"precision": "half"})") ==
        "RunConfig: precision: precision_from_string: expected float32, bfloat16, tf32 or float64 "
        "but got 'half'.");
  CHECK(error(R"({"calibration": "all"})") ==
        "RunConfig: calibration: calibration_from_string: expected training or labeled but got "
        "'all'.");
  CHECK(error(R"({"layers": ["dense"]})").starts_with("RunConfig: layers: layer_from_string: "));
  CHECK(error(R"({"device": "gpu"})") ==
        "RunConfig: device: expected cpu, cuda or cuda:N but got 'gpu'.");
  CHECK(error(R"({"device": "cuda:99999999999999999999"})")
            .starts_with("RunConfig: device: expected cpu, cuda or cuda:N"));
  CHECK(error(R"({"environment": 1})") ==
        "RunConfig: expected environment to be an object but got 1.");
  CHECK(error(R"({"environment": {"threads": "two"}})") ==
        "RunConfig: expected environment.threads to be a whole number but got \"two\".");
  CHECK(error(R"({"resumed": 1})") == "RunConfig: expected resumed to be a list but got 1.");
  CHECK(error(R"({"resumed": [{"step": 1}]})") ==
        "RunConfig: expected resumed to be a list of steps and environments but got "
        "[{\"step\":1}].");
  CHECK(error(R"({"resumed": [{"step": "x", "environment": {}}]})") ==
        "RunConfig: expected resumed.step to be a whole number but got \"x\".");
  CHECK(error(R"({"resumed": [{"step": 1, "environment": {"commit": 2}}]})") ==
        "RunConfig: expected resumed.environment.commit to be a text but got 2.");
}

TEST_CASE("RunConfig reads a configuration changed at any byte or value, or says what is wrong",
          "[runs]") {
  const std::string whole = to_json(unusual());
  const auto reads = [](const std::string& text) {
    try {
      const std::string again = to_json(run_config_from_json(text));
      CHECK(to_json(run_config_from_json(again)) == again);
      return true;
    } catch (const c10::Error& error) {
      CHECK_THAT(error.what_without_backtrace(), Catch::StartsWith("RunConfig: "));
      return false;
    }
  };
  int refused = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    INFO("byte " << i);
    refused += reads(whole.substr(0, i)) ? 0 : 1;
    for (const int flip : {0x01, 0x10, 0x80}) {
      std::string text = whole;
      text[i] = static_cast<char>(text[i] ^ flip);
      refused += reads(text) ? 0 : 1;
    }
  }
  CHECK(refused > static_cast<int>(whole.size()));
  // Every value by one of every other type and size.
  const json fields = json::parse(whole);
  const std::vector<json> values = {nullptr,
                                    true,
                                    -1,
                                    0,
                                    1e300,
                                    -0.5,
                                    18446744073709551615ULL,
                                    "",
                                    "x",
                                    json::array(),
                                    json::array({1, "a"}),
                                    json::object(),
                                    "-9223372036854775809",
                                    std::string(5000, '9')};
  for (const auto& [name, unused] : fields.items()) {
    for (const auto& value : values) {
      INFO(name << ": " << value.dump().substr(0, 60));
      json changed = fields;
      changed[name] = value;
      reads(changed.dump());
    }
  }
}

TEST_CASE("read_config names the file that is wrong", "[runs]") {
  const TemporaryFolder folder;
  CHECK_FALSE(runs::read_config(folder.path()));
  write_file(folder / "config.json", to_json(unusual()));
  CHECK(diff(*runs::read_config(folder.path()), unusual()).empty());
  write_file(folder / "config.json", "{");
  CHECK(error_text([&] { runs::read_config(folder.path()); }) ==
        "RunConfig: expected a JSON object but got \"{\". That is in " +
            (folder / "config.json").string() + ".");
}

TEST_CASE("config_of holds what a recipe says, network_of builds its combinator", "[runs]") {
  const auto& recipe = models::find_recipe("mnist-100-amlp-2-2-2");
  const auto config = runs::config_of(recipe);
  CHECK(config.recipe == recipe.name);
  CHECK(config.combinator == "amlp-2-2-2");
  CHECK((config.network.layers == recipe.network.layers));
  CHECK(config.learning_rate == recipe.schedule.learning_rate);
  CHECK(runs::network_of(config).combinator != nullptr);
  auto unknown = config;
  unknown.combinator = "amlp";
  CHECK(error_text([&] { runs::network_of(unknown); }).starts_with("find_combinator: expected"));
  const auto fast = runs::config_of(models::find_recipe("mnist-100-fast"));
  CHECK(fast.precision == models::Precision::kBFloat16);
  CHECK(fast.eval_every == 8);
}

TEST_CASE("RunConfig: scaled weights of the costs are another experiment than fixed ones",
          "[runs]") {
  // 5,000 is the weight of the recipe as well.
  const auto& bottom = models::find_recipe("mnist-100-bottom");
  auto config = runs::config_of(bottom);
  config.train_rows = 60000;
  config.test_rows = 10000;
  REQUIRE(runs::published_error(config));
  config.scaled_lambda = true;
  CHECK_FALSE(runs::published_error(config));
  CHECK(to_string(diff(runs::config_of(bottom), config)) ==
        "scaled_lambda (false there, true here)");
  CHECK_FALSE(runs::unchanged(bottom, config).scaled_lambda.has_value());
  config.scaled_lambda = false;  // as where it is absent
  CHECK(runs::published_error(config));
}

TEST_CASE("published_error stands only beside a run of the published experiment", "[runs]") {
  auto config = runs::config_of(models::find_recipe("mnist-100-full"));
  CHECK_FALSE(runs::published_error(config));  // of no data yet
  config.train_rows = 60000;
  config.test_rows = 10000;
  REQUIRE(runs::published_error(config));
  CHECK(runs::published_error(config)->mean == 1.06);
  config.data = "a9aebdc02239423d";
  config.seed = 7;
  config.eval_every = 5;
  config.device = c10::kCUDA;
  CHECK(runs::published_error(config));

  const auto without = [&](auto&& change) {
    auto other = config;
    change(other);
    return !runs::published_error(other);
  };
  CHECK(without([](RunConfig& c) { c.network.layers[0] = models::Dense{999}; }));
  CHECK(without([](RunConfig& c) { c.network.lambda[0] = 999; }));
  CHECK(without([](RunConfig& c) { c.scaled_lambda = true; }));
  CHECK(without([](RunConfig& c) { c.network.noise_std = 0.2; }));
  CHECK(without([](RunConfig& c) { c.network.input_noise = 0.2; }));
  CHECK(without([](RunConfig& c) { c.network.activation = Activation::kTanh; }));
  CHECK(without([](RunConfig& c) { c.combinator = "vanilla"; }));
  CHECK(without([](RunConfig& c) { c.epochs = 149; }));
  CHECK(without([](RunConfig& c) { c.learning_rate = 0.001; }));
  CHECK(without([](RunConfig& c) { c.decay_from = 1; }));
  CHECK(without([](RunConfig& c) { c.warm_up = 1; }));
  CHECK(without([](RunConfig& c) { c.teachers = 3; }));
  CHECK(without([](RunConfig& c) { c.taught = "0123456789abcdef"; }));
  CHECK(without([](RunConfig& c) { c.candidates = 3; }));
  CHECK(without([](RunConfig& c) {
    c.environment.emplace();
    c.environment->ranks = 4;
  }));
  CHECK(without([](RunConfig& c) { c.network.detach_targets = true; }));
  CHECK(without([](RunConfig& c) { c.labels = 200; }));
  CHECK(without([](RunConfig& c) { c.unlabeled_batch = 50; }));
  CHECK(without([](RunConfig& c) { c.labeled_batch = 50; }));
  CHECK(without([](RunConfig& c) { c.balanced = false; }));
  CHECK(without([](RunConfig& c) { c.validation = 100; }));
  CHECK(without([](RunConfig& c) { c.patience = 1; }));
  CHECK(without([](RunConfig& c) { c.calibration = train::Calibration::kLabeledRows; }));
  CHECK(without([](RunConfig& c) { c.precision = models::Precision::kBFloat16; }));
  CHECK(without([](RunConfig& c) { c.dataset = "fashion-mnist"; }));
  CHECK(without([](RunConfig& c) { c.train_rows = 600; }));
  CHECK(without([](RunConfig& c) { c.test_rows = 100; }));
  CHECK(without([](RunConfig& c) { c.data = "0123456789abcdef"; }));
  CHECK(without([](RunConfig& c) { c.recipe = "mnist-100-fast"; }));
  CHECK(without([](RunConfig& c) { c.recipe = "unknown"; }));

  auto other = config;
  for_each_setting(other.pieces, [&](const runs::PieceSetting& setting, auto& value) {
    INFO(setting.name);
    const auto kept = value;
    value = static_cast<std::remove_reference_t<decltype(value)>>(value == 1 ? 0 : 1);
    CHECK_FALSE(runs::published_error(other));
    value = kept;
    CHECK(runs::published_error(other));
  });
}

TEST_CASE("unchanged: data, seed and machine stay, all else is the recipe's or the default",
          "[runs]") {
  const auto& recipe = models::find_recipe("mnist-100-full");
  const auto given = unusual();
  const auto there = json::parse(to_json(runs::unchanged(recipe, given)));
  const auto mine = json::parse(to_json(given));
  const auto of_recipe = json::parse(to_json(runs::config_of(recipe)));
  const std::set<std::string> stays = {
      "program",       "train_rows",    "test_rows",     "data",       "classes",   "contrast_norm",
      "zca_ridge",     "class_balance", "block_rows",    "seed",       "candidate", "statistics",
      "window_blocks", "device",        "product_route", "epoch_batch"};
  for (const auto& key : runs::config_fields()) {
    INFO(key);
    const auto& expected = stays.contains(key) ? mine : of_recipe;
    CHECK(there.contains(key) == expected.contains(key));
    if (there.contains(key) && expected.contains(key)) CHECK(there.at(key) == expected.at(key));
  }
  // Labels of other runs belong to a recipe that is taught by one.
  CHECK(runs::unchanged(models::find_recipe("mnist-100-taught"), given).taught == given.taught);
}

TEST_CASE("objective_of has the costs and pieces of the settings", "[runs]") {
  auto config = runs::config_of(models::find_recipe("mnist-100-full"));
  config.network.input_shape = {6};
  config.network.layers = {models::Dense{5}, models::Dense{10}};
  config.network.lambda = {10, 1, 0.1};
  const auto objective = [&] {
    auto net = models::network(runs::network_of(config));
    reset_parameters(*net, 1);
    const auto inputs = torch::arange(20).remainder(2).view({20, 1}).expand({20, 6});
    return runs::objective_of(
               config, net,
               {.inputs = inputs.to(torch::kFloat), .labels = torch::zeros({20}, torch::kLong)},
               {.guess = [] { return torch::zeros({20}, torch::kLong); }})
        ->settings();
  };
  auto plain = objective();
  CHECK(plain.at("lambda") == "10, 1, 0.1");
  CHECK_FALSE(plain.contains("pieces"));
  config.scaled_lambda = true;
  config.pieces = {.project_rows = true,
                   .pseudo_labels = 0.5,
                   .mutual_information = 0.25,
                   .spread = 2,
                   .neighbours = 0.75,
                   .repair = 1.5,
                   .border_repair = 1.25,
                   .feature_repair = 2.5,
                   .feature_labels = 0.25,
                   .imsat = 3.5,
                   .imsat_epochs = 4,
                   .imsat_radius = 2,
                   .graph_labels = 0.5,
                   .graph_label_epochs = 3};
  auto all = objective();
  CHECK(all.at("lambda") == "scaled 10, 1, 0.1");
  CHECK(all.at("input_variance") == "0.25");
  CHECK(all.at("pieces") ==
        "row projection, pseudo-label, mutual information, neighbour, cluster repair, "
        "border repair, feature repair, feature label, imsat, early label");
  CHECK(all.at("early label.weight") == "0.5");
  CHECK(all.at("early label.until") == "3");
  CHECK(all.at("neighbour.weight") == "0.75");
  CHECK(all.at("cluster repair.weight") == "1.5");
  CHECK(all.at("border repair.weight") == "1.25");
  CHECK(all.at("border repair.at") == "0.1,0.2");
  CHECK(all.at("feature repair.weight") == "2.5");
  CHECK(all.at("feature label.weight") == "0.25");
  CHECK(all.at("imsat.weight") == "3.5");
  CHECK(all.at("imsat.until") == "4");
  CHECK(all.at("imsat.radius") == "2");
  CHECK(all.at("pseudo-label.weight") == "0.5");
  CHECK(all.at("mutual information.weight") == "0.25");
  CHECK(all.at("mutual information.spread") == "2");
}

TEST_CASE("settle_statistics takes what was asked for, else what the run had, else none",
          "[runs]") {
  using train::RankStatistics;
  RunConfig continued;
  continued.statistics = RankStatistics::kSynchronised;
  const auto settled = [&](std::optional<RankStatistics> asked, bool continues) {
    RunConfig config;
    config.statistics = asked;
    settle_statistics(config, continues ? std::optional(continued) : std::nullopt, {});
    return config.statistics;
  };
  CHECK(settled(RankStatistics::kLocal, true) == RankStatistics::kLocal);
  CHECK(settled(std::nullopt, true) == RankStatistics::kSynchronised);
  CHECK_FALSE(settled(std::nullopt, false));
  if (!train::has_communicator()) LADDER_SKIP(testing::kNoCommunicator);
  // Of ranks, only the first knows the run; the others do as it does, whatever they were asked for.
  testing::on_ranks(2, [&](const std::shared_ptr<train::Communicator>& ranks) {
    for (const bool continues : {true, false}) {
      RunConfig config;
      if (ranks->rank() == 1) config.statistics = RankStatistics::kLocal;
      const bool knows = continues && ranks->rank() == 0;
      settle_statistics(config, knows ? std::optional(continued) : std::nullopt, ranks);
      testing::expect(
          config.statistics == (continues ? RankStatistics::kSynchronised : RankStatistics::kLocal),
          "the statistics of rank 0");
    }
  });
}
