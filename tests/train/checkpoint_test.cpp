#include "ladder/train/checkpoint.h"

#include <torch/torch.h>

#include <map>
#include <stdexcept>
#include <string>

#include "ladder/io/tensor_file.h"
#include "ladder/nn/stages/noisy_global_mean_pool.h"
#include "ladder/train/fused_adam.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::train;
using ladder::testing::blobs;
using ladder::testing::dense_stage;
using ladder::testing::error_text;
using ladder::testing::require_same_network;
using ladder::testing::same_parameters;
using ladder::testing::small_ladder;
using ladder::testing::TemporaryFolder;

namespace {

void train_some(Ladder& net, FusedAdam& adam) {
  const auto data = blobs();
  data::SemiSampler sampler(data.training, {.unlabeled_batch = 50});
  NoiseSource noise(3);
  for (int64_t step = 0; step < 3; ++step) {
    net->loss(sampler.batch(step), noise).total.backward();
    adam.step();
    adam.zero_grad();
  }
  net->calibrate(data.training.inputs);
}

TrainState some_state() {
  TrainState state{.step = 1234, .steps_per_epoch = 600};
  state.noise_seed = UINT64_MAX - 5;
  state.noise_offset = uint64_t{1} << 63;
  state.cost_sums = {1.5, -0.25, 1e300};
  state.best_validation_error = 1.25;
  state.best_epoch = 3;
  state.evaluated_epoch = 5;
  state.seconds = 12.5;
  state.training_seconds = 10.25;
  state.config = R"({"seed": 1, "name": "caf\u00e9"})";
  state.products = {ops::ProductPrecision::kBFloat16, ops::ProductRoute::kOneDnn};
  state.settings = {{"epochs", "150"},
                    {"costs", "supervised cost, margin cost"},
                    {"two\nlines\tof a name", "a\tb\\n\n\\c\\"}};
  state.data = {{"inputs", "Float [60000, 784] 1f2e3d4c"}, {"validation", "none"}};
  state.pieces = {{"norms.updates", torch::full({}, 7, torch::kInt64)}};
  return state;
}

}  // namespace

TEST_CASE("Checkpoint gives back network, optimiser and state", "[train]") {
  const TemporaryFolder folder;
  auto net = small_ladder(1);
  FusedAdam adam(*net);
  train_some(net, adam);
  const auto state = some_state();
  save_checkpoint(folder / "a.pt", *net, adam, state);

  auto other = small_ladder(2);
  FusedAdam other_adam(*other);
  const auto loaded = load_checkpoint(folder / "a.pt", *other, other_adam);
  require_same_network(*net, *other);
  const auto expected = adam.named_state();
  const auto actual = other_adam.named_state();
  REQUIRE(actual.size() == expected.size());
  for (const auto& [name, tensor] : expected) {
    REQUIRE(actual.at(name).equal(tensor));
  }
  REQUIRE(loaded.step == state.step);
  REQUIRE(loaded.steps_per_epoch == state.steps_per_epoch);
  REQUIRE(loaded.noise_seed == state.noise_seed);
  REQUIRE(loaded.noise_offset == state.noise_offset);
  REQUIRE(loaded.cost_sums == state.cost_sums);
  REQUIRE(loaded.best_validation_error.value() == 1.25);
  REQUIRE(loaded.best_epoch == state.best_epoch);
  REQUIRE(loaded.evaluated_epoch == state.evaluated_epoch);
  REQUIRE(loaded.seconds == state.seconds);
  REQUIRE(loaded.training_seconds == state.training_seconds);
  REQUIRE(loaded.config == state.config);
  REQUIRE(loaded.products == state.products);
  REQUIRE(loaded.settings == state.settings);
  REQUIRE(loaded.data == state.data);
  REQUIRE(loaded.pieces.size() == 1);
  REQUIRE(loaded.pieces.at("norms.updates").item<int64_t>() == 7);
  REQUIRE(read_config(folder / "a.pt") == state.config);
}

TEST_CASE("Checkpoint holds no best validation error before there is one", "[train]") {
  const TemporaryFolder folder;
  auto net = small_ladder();
  FusedAdam adam(*net);
  save_checkpoint(folder / "a.pt", *net, adam, TrainState{});
  const auto loaded = load_checkpoint(folder / "a.pt", *net, adam);
  REQUIRE_FALSE(loaded.best_validation_error.has_value());
  REQUIRE(loaded.products.route == ops::ProductRoute::kAten);
  REQUIRE(adam.named_state().empty());
}

TEST_CASE("Checkpoint keeps the layout of earlier files: the total cost in the second place",
          "[train]") {
  const TemporaryFolder folder;
  auto net = small_ladder();
  FusedAdam adam(*net);
  for (const auto& [sums, there] : std::vector<std::pair<std::vector<double>, std::vector<double>>>{
           {{1, 2, 3, 10}, {1, 10, 2, 3}}, {{1, 10}, {1, 10}}, {{5}, {5}}, {{}, {}}}) {
    TrainState state;
    state.cost_sums = sums;
    save_checkpoint(folder / "a.pt", *net, adam, state);
    const auto written = io::load_tensors(folder / "a.pt").at("state.cost_sums");
    REQUIRE(written.equal(torch::tensor(there, torch::kFloat64)));
    REQUIRE(load_checkpoint(folder / "a.pt", *net, adam).cost_sums == sums);
  }
}

TEST_CASE("Checkpoint reads the backslashes of earlier files, which escaped nothing", "[train]") {
  const TemporaryFolder folder;
  auto net = small_ladder();
  FusedAdam adam(*net);
  save_checkpoint(folder / "a.pt", *net, adam, some_state());
  auto tensors = io::load_tensors(folder / "a.pt");
  tensors["state.settings"] = io::text_tensor("pattern\t\\d+\\.\nlast\tone\\\n");
  io::save_tensors(folder / "a.pt", tensors);
  const auto loaded = load_checkpoint(folder / "a.pt", *net, adam);
  REQUIRE(loaded.settings ==
          std::map<std::string, std::string>{{"pattern", "\\d+\\."}, {"last", "one\\"}});
}

TEST_CASE("Checkpoint is checked before anything is changed", "[train]") {
  const TemporaryFolder folder;
  auto net = small_ladder();
  FusedAdam adam(*net);
  train_some(net, adam);
  save_checkpoint(folder / "a.pt", *net, adam, some_state());
  auto other = small_ladder(2);
  auto untouched = small_ladder(2);
  FusedAdam other_adam(*other);
  REQUIRE_THROWS_AS(load_checkpoint(folder / "a.pt", *other, other_adam,
                                    [](const TrainState& state) {
                                      REQUIRE(state.step == 1234);
                                      throw std::runtime_error("no");
                                    }),
                    std::runtime_error);
  require_same_network(*other, *untouched);
  REQUIRE(other_adam.named_state().empty());
}

TEST_CASE("Checkpoint gives its network to predict with", "[train]") {
  const TemporaryFolder folder;
  auto net = small_ladder();
  FusedAdam adam(*net);
  train_some(net, adam);
  save_checkpoint(folder / "a.pt", *net, adam, some_state());
  auto other = small_ladder(2);
  REQUIRE_FALSE(same_parameters(*net, *other));
  load_network(folder / "a.pt", *other);
  require_same_network(*net, *other);
}

TEST_CASE("Checkpoint of another network names what differs and changes nothing", "[train]") {
  const TemporaryFolder folder;
  auto net = small_ladder();
  FusedAdam adam(*net);
  train_some(net, adam);
  const auto path = folder / "a.pt";
  save_checkpoint(path, *net, adam, some_state());

  Ladder wider(LadderOptions{.input_shape = {12}, .lambda = {0, 0, 0}},
               Stages{dense_stage({.in_features = 12, .out_features = 17}),
                      dense_stage({.in_features = 17, .out_features = 3, .softmax_top = true})});
  const auto before = wider->parameters()[0].clone();
  FusedAdam wider_adam(*wider);
  const auto text = error_text([&] { load_checkpoint(path, *wider, wider_adam); });
  REQUIRE(text.starts_with("load_checkpoint: expected " + path.string() +
                           " to be of this network but got one of another: "));
  REQUIRE(text.find("normalization.running_mean is Float [16] there and Float [17] here") !=
          std::string::npos);
  REQUIRE(text.find(" more).") != std::string::npos);
  REQUIRE(text.find('\n') == std::string::npos);
  REQUIRE(wider->parameters()[0].equal(before));
  REQUIRE(error_text([&] { load_network(path, *wider); }) == text);

  auto gamma = small_ladder(1, {0, 0, 0, 1});
  FusedAdam gamma_adam(*gamma);
  REQUIRE(error_text([&] { load_checkpoint(path, *gamma, gamma_adam); }).find("is absent here") !=
          std::string::npos);

  auto doubles = small_ladder();
  doubles->to(torch::kFloat64);
  FusedAdam doubles_adam(*doubles);
  REQUIRE(error_text([&] {
            load_checkpoint(path, *doubles, doubles_adam);
          }).find("Float [16] there and Double [16] here") != std::string::npos);
}

TEST_CASE("Checkpoint of a stage's earlier version is refused by name", "[train]") {
  const TemporaryFolder folder;
  Ladder net(
      LadderOptions{.input_shape = {2, 3, 3}, .lambda = {0, 1}},
      Stages{NoisyGlobalMeanPool(NoisyGlobalMeanPoolOptions{.channels = 2, .softmax_top = true})});
  FusedAdam adam(*net);
  const auto path = folder / "a.pt";
  save_checkpoint(path, *net, adam, some_state());
  REQUIRE_NOTHROW(load_network(path, *net));
  auto tensors = io::load_tensors(path);
  REQUIRE(tensors.erase("buffers.stages.0.version") == 1);
  io::save_tensors(path, tensors);
  const auto text = "load_checkpoint: expected " + path.string() +
                    " to hold version 2 of stages.0 but got version 1 (it computes other values "
                    "since then: train the network again).";
  REQUIRE(error_text([&] { load_checkpoint(path, *net, adam); }) == text);
  REQUIRE(error_text([&] { load_network(path, *net); }) == text);
  tensors["buffers.stages.0.version"] = torch::full({}, 3.0F);
  io::save_tensors(path, tensors);
  REQUIRE(error_text([&] { load_network(path, *net); }).find("but got version 3 (") !=
          std::string::npos);
}

namespace {

struct VersionedImpl : torch::nn::Module {
  explicit VersionedImpl(int64_t numbers) {
    weight = register_parameter("weight", torch::ones({2}));
    version = register_buffer("version", torch::arange(numbers));
  }
  torch::Tensor weight, version;
};

}  // namespace

TEST_CASE("Checkpoint takes a buffer that is called version and is no number for a buffer",
          "[train]") {
  const TemporaryFolder folder;
  VersionedImpl net(3), other(4);
  FusedAdam adam(net.parameters());
  const auto path = folder / "a.pt";
  save_checkpoint(path, net, adam, some_state());
  net.version.zero_();
  load_network(path, net);
  REQUIRE(net.version.equal(torch::arange(3)));
  REQUIRE(error_text([&] {
            load_network(path, other);
          }).ends_with("one of another: version is Long [3] there and Long [4] here."));
}

TEST_CASE("Checkpoint that is none gives one sentence", "[train]") {
  const TemporaryFolder folder;
  auto net = small_ladder();
  FusedAdam adam(*net);
  const auto path = folder / "a.pt";
  io::save_tensors(path, {{"w", torch::ones({2})}});
  REQUIRE(error_text([&] { load_checkpoint(path, *net, adam); }) ==
          "load_checkpoint: expected " + path.string() +
              " to be a \"ladder checkpoint 1\" but got other tensors (train again in another "
              "folder: the result and the evaluations that are beside it are kept).");
  io::save_tensors(path, {{"format", io::text_tensor("ladder checkpoint 2")}});
  REQUIRE(error_text([&] { load_network(path, *net); }) ==
          "load_checkpoint: expected " + path.string() +
              " to be a \"ladder checkpoint 1\" but got \"ladder checkpoint 2\".");
  ladder::testing::write_file(path, "no checkpoint");
  const auto damaged = error_text([&] { load_checkpoint(path, *net, adam); });
  REQUIRE(damaged.starts_with("load_tensors: expected a whole .pt file but got "));
  REQUIRE(
      damaged.ends_with("; train again in another folder: the result and the evaluations that "
                        "are beside it are kept)."));
  save_checkpoint(path, *net, adam, some_state());
  auto tensors = io::load_tensors(path);
  tensors.erase("state.noise");
  io::save_tensors(path, tensors);
  REQUIRE(error_text([&] { load_checkpoint(path, *net, adam); }) ==
          "load_checkpoint: expected " + path.string() +
              " to hold state.noise as Long [n] but got none.");
  REQUIRE(error_text([&] { read_config(folder / "missing.pt"); }).find("missing.pt") !=
          std::string::npos);
}
