#include <ladder/exports/weights.h>
#include <ladder/io/safetensors.h>
#include <ladder/models/mlp.h>
#include <ladder/nn/stages/noisy_batch_norm_linear.h>
#include <ladder/runs/model_file.h>
#include <ladder/train/checkpoint.h>
#include <ladder/train/fused_adam.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/python.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

#include <filesystem>
#include <functional>
#include <limits>
#include <string>

#include "tests/exports/models.h"

namespace {

using ladder::exports::model_tensors;
using ladder::exports::read_weights;
using ladder::exports::write_safetensors;
using ladder::exports::write_torch;
using ladder::testing::error_text;
using ladder::testing::TemporaryFolder;

// A network like that of table_model, with other weights.
ladder::Ladder other_net(const ladder::exports::PredictionModel& model, bool decoder = true) {
  ladder::models::NetworkOptions options{
      .input_shape = model.net->options.input_shape,
      .layers = {ladder::models::Dense{30}, ladder::models::Dense{3}}};
  if (decoder) options.lambda = ladder::models::full_lambda(2, 10, 1, 0.1);
  return ladder::models::network(options);
}

bool same_state(const ladder::Ladder& a, const ladder::Ladder& b, bool decoder = true) {
  int compared = 0;
  const auto states = b->named_parameters();
  for (const auto& item : a->named_parameters()) {
    if (!decoder && item.key().starts_with("decoder.")) continue;
    if (!torch::equal(item.value(), states[item.key()])) return false;
    ++compared;
  }
  const auto buffers = b->named_buffers();
  for (const auto& item : a->named_buffers()) {
    if (!decoder && item.key().starts_with("decoder.")) continue;
    if (!torch::equal(item.value(), buffers[item.key()])) return false;
    ++compared;
  }
  return compared > 6;
}

// Has buffers of its own, some by the names of those of the library.
struct MaskedStageImpl : torch::nn::Cloneable<MaskedStageImpl>, ladder::Stage {
  MaskedStageImpl() { reset(); }
  void reset() override {
    mask = register_buffer("mask", torch::zeros({3}));
    register_buffer("version", torch::zeros({3}));
    register_buffer("batches", torch::zeros({2}));
    register_buffer("running_var", torch::zeros({2}));
    normalization = register_module(
        "normalization",
        ladder::NoisyNormalization(ladder::NoisyNormalizationOptions{.channels = 3}));
  }
  ladder::StageOutput forward(const torch::Tensor& h, const ladder::Pass& pass) override {
    return normalization->forward(h + mask.exp(), pass);
  }
  torch::nn::AnyModule make_vertical(at::IntArrayRef, at::IntArrayRef) const override {
    return torch::nn::AnyModule(torch::nn::Identity());
  }
  torch::Tensor mask;
  ladder::NoisyNormalization normalization{nullptr};
};
TORCH_MODULE(MaskedStage);

ladder::Ladder masked_net() {
  const ladder::NoisyBatchNormLinear top(ladder::NoisyBatchNormLinearOptions{
      .in_features = 3, .out_features = 2, .softmax_top = true});
  return ladder::Ladder(ladder::LadderOptions{.input_shape = {3}},
                        ladder::Stages{MaskedStage(), top});
}

}  // namespace

TEST_CASE("model_tensors names weights and texts", "[exports]") {
  const auto model = ladder::testing::table_model(true);
  const auto tensors = model_tensors(model);
  CHECK(torch::equal(tensors.at("stages.0.weight"),
                     model.net->named_parameters()["stages.0.weight"]));
  CHECK(tensors.contains("stages.1.normalization.running_var"));
  CHECK(tensors.contains("stages.1.normalization.gamma"));
  CHECK(ladder::io::tensor_text(tensors.at("classes")) == R"(["yes","no \"maybe\"","é"])");
  CHECK(ladder::io::tensor_text(tensors.at("features")) == ladder::data::to_json(*model.features));
  CHECK(ladder::io::tensor_text(tensors.at("facts")) ==
        R"({"labeled rows":"200","validation error":"3.1 % | of 40"})");
  CHECK_FALSE(tensors.contains("images"));
  CHECK(error_text([] { model_tensors({}); }) ==
        "model_tensors: expected a network but got an empty one.");

  const auto images = ladder::testing::image_model(
      {.input_shape = {2, 4, 5}, .layers = {ladder::models::Conv{3, 2}, ladder::models::Dense{2}}});
  const auto described = model_tensors(images);
  CHECK(ladder::io::tensor_text(described.at("classes")) == R"(["0","1"])");
  CHECK(ladder::io::tensor_text(described.at("images")) ==
        R"({"channels":2,"height":4,"width":5,"mean":[0.4,0.45],"scale":[0.3,0.25],"flat":false})");

  const auto whitening = ladder::testing::whitening_model(
      {.input_shape = {2, 4, 5}, .layers = {ladder::models::Dense{30}, ladder::models::Dense{3}}});
  const auto whole = model_tensors(whitening);
  CHECK(ladder::io::tensor_text(whole.at("images")) ==
        R"({"channels":2,"height":4,"width":5,"contrast_norm":55.0,"flat":false})");
  CHECK(torch::equal(whole.at("images.mean"), whitening.images->whitening->mean));
  CHECK(torch::equal(whole.at("images.map"), whitening.images->whitening->map));
  // They are no weights of the network.
  const TemporaryFolder folder;
  write_safetensors(folder / "model.safetensors", whitening);
  auto net = other_net(whitening, /*decoder=*/false);
  read_weights(folder / "model.safetensors", net);
  CHECK(same_state(net, whitening.net, /*decoder=*/false));
}

TEST_CASE("read_weights reads what write_torch and write_safetensors wrote", "[exports]") {
  const TemporaryFolder folder;
  const auto model = ladder::testing::table_model(true);
  write_torch(folder / "model.pt", model);
  write_safetensors(folder / "model.safetensors", model);
  for (const char* name : {"model.pt", "model.safetensors"}) {
    CAPTURE(name);
    auto net = other_net(model);
    REQUIRE_FALSE(same_state(net, model.net));
    read_weights(folder / name, net);
    CHECK(same_state(net, model.net));
    // A network for predictions alone, of another type.
    auto small = other_net(model, /*decoder=*/false);
    small->to(torch::kFloat64);
    read_weights(folder / name, small);
    small->to(torch::kFloat32);
    CHECK(same_state(small, model.net));
  }
  const auto texts = ladder::io::load_safetensors(folder / "model.safetensors").metadata;
  CHECK(texts.at("classes") == R"(["yes","no \"maybe\"","é"])");
  CHECK(texts.at("format") == "pt");

  // The model file of a Classifier.
  ladder::io::TensorMap prefixed = {{"model.json", ladder::io::text_tensor("{}")}};
  for (const auto& [name, tensor] : model_tensors(model)) prefixed["network." + name] = tensor;
  ladder::io::save_tensors(folder / "model.ladder", prefixed);
  auto named = other_net(model);
  read_weights(folder / "model.ladder", named);
  CHECK(same_state(named, model.net));

  // Weights without a decoder leave it as it is.
  auto tensors = model_tensors(model);
  std::erase_if(tensors, [](const auto& item) { return item.first.starts_with("decoder."); });
  ladder::io::save_tensors(folder / "encoder.pt", tensors);
  auto net = other_net(model);
  const auto before = net->named_parameters();
  const auto gaussian = before.keys().back();
  REQUIRE(gaussian.starts_with("decoder."));
  const auto value = before[gaussian].clone();
  read_weights(folder / "encoder.pt", net);
  CHECK(same_state(model.net, net, /*decoder=*/false));
  CHECK(torch::equal(net->named_parameters()[gaussian], value));
}

TEST_CASE("Python reads what write_torch and write_safetensors wrote", "[exports][slow]") {
  if (!ladder::testing::python("torch") || !ladder::testing::python("safetensors")) {
    LADDER_SKIP(ladder::testing::kNoPython);
  }
  const TemporaryFolder folder;
  const auto model = ladder::testing::table_model(true);
  write_torch(folder / "model.pt", model);
  write_safetensors(folder / "model.safetensors", model);
  const auto outcome = ladder::testing::run_python(R"PY(
import json, os, sys, torch
from safetensors import safe_open
os.chdir(sys.argv[1])
d = torch.load("model.pt", weights_only=True)
assert type(d) is dict
text = lambda name: bytes(d[name].tolist()).decode()
assert json.loads(text("classes")) == ["yes", 'no "maybe"', "\u00e9"]
columns = {c["name"]: c for c in json.loads(text("features"))}
assert columns["constant"]["dropped"] == "constant" and columns["colour"]["indicator"]
with safe_open("model.safetensors", "pt") as f:
    assert f.metadata()["classes"] == text("classes")
    assert f.metadata()["features"] == text("features")
    names = set(f.keys())
    assert names == {n for n in d if n.startswith(("stages.", "decoder."))}, names
    assert any(n.startswith("decoder.") for n in names)
    assert all(torch.equal(f.get_tensor(n), d[n]) for n in names)
)PY",
                                                   {folder.path().string()});
  INFO(outcome.err);
  CHECK(outcome.status == 0);
}

TEST_CASE("read_weights refuses weights of another network and leaves the network as it was",
          "[exports]") {
  const TemporaryFolder folder;
  const auto model = ladder::testing::table_model(false);
  const auto path = folder / "x.pt";
  const auto refusal = [&](const std::function<void(ladder::io::TensorMap&)>& change) {
    auto tensors = model_tensors(model);
    for (auto& [name, tensor] : tensors) tensor = tensor.clone();
    change(tensors);
    ladder::io::save_tensors(path, tensors);
    auto net = other_net(model);
    std::vector<torch::Tensor> before;
    for (const auto& parameter : net->parameters()) before.push_back(parameter.clone());
    const auto text = error_text([&] { read_weights(path, net); });
    for (size_t p = 0; p < before.size(); ++p)
      REQUIRE(torch::equal(net->parameters()[p], before[p]));
    return text;
  };
  const std::string in = " in " + path.string();
  CHECK(refusal([](auto& t) { t.erase("stages.1.normalization.beta"); }) ==
        "read_weights: expected a tensor named stages.1.normalization.beta but got none" + in +
            " (is it of another network?).");
  CHECK(refusal([](auto& t) {
          t["stages.0.weight"] = torch::zeros({4, 30});
        }) == "read_weights: expected stages.0.weight to be [30, 4] but got [4, 30]" + in +
                  " (is it of another network?).");
  CHECK(refusal([](auto& t) {
          t["stages.0.weight"] = torch::zeros({30, 4}, torch::kInt64);
        }) == "read_weights: expected stages.0.weight in Float but got Long" + in + ".");
  CHECK(
      refusal([](auto& t) { t["stages.0.weight"][3][1] = NAN; }) ==
      "read_weights: expected finite numbers in stages.0.weight but got a NaN or an infinite one" +
          in + ".");
  CHECK(refusal([](auto& t) {
          t["stages.0.weight"] = t["stages.0.weight"].to(torch::kFloat64);
          t["stages.0.weight"][3][1] = 1e300;
        }) ==
        "read_weights: expected finite numbers in stages.0.weight but got one that Float does "
        "not hold" +
            in + ".");
  CHECK(refusal([](auto& t) { t["stages.0.normalization.running_var"][3] = -1; }) ==
        "read_weights: expected variances of at least 0 in stages.0.normalization.running_var but "
        "got a negative one" +
            in + ".");
  CHECK(refusal([](auto& t) {
          t["stages.2.weight"] = torch::zeros({3, 3});
        }) == "read_weights: expected tensors of the network but got stages.2.weight" + in +
                  " (did you mean stages.0.weight?).");
  CHECK(refusal([](auto& t) {
          std::string last;
          for (const auto& [name, tensor] : t) {
            if (name.starts_with("decoder.")) last = name;
          }
          t.erase(last);
        }).starts_with("read_weights: expected a tensor named decoder."));
  CHECK(error_text([&] { read_weights(path, ladder::Ladder(nullptr)); }) ==
        "read_weights: expected a network but got an empty one.");
  CHECK(error_text([&] {
          read_weights(folder / "absent.pt", model.net);
        }).starts_with("load_tensors: expected a .pt file but got no file at "));
  ladder::testing::write_file(folder / "text", "weights");
  CHECK(error_text([&] {
          read_weights(folder / "text", model.net);
        }).starts_with("load_safetensors: expected a whole .safetensors file"));
}

TEST_CASE("read_weights takes any numbers in buffers that are not of the library", "[exports]") {
  const TemporaryFolder folder;
  ladder::exports::PredictionModel model{.net = masked_net()};
  const auto buffers = model.net->named_buffers();
  {
    const torch::NoGradGuard no_grad;
    buffers["stages.0.mask"][1] = -std::numeric_limits<float>::infinity();
    buffers["stages.0.version"].fill_(4);
    buffers["stages.0.batches"].fill_(5);
    buffers["stages.0.running_var"].fill_(-6);
  }
  model.net->calibrate(torch::rand({20, 3}));
  write_torch(folder / "model.pt", model);
  write_safetensors(folder / "model.safetensors", model);
  for (const char* name : {"model.pt", "model.safetensors"}) {
    CAPTURE(name);
    auto net = masked_net();
    read_weights(folder / name, net);
    CHECK(same_state(net, model.net));
  }
  const auto path = folder / "changed.pt";
  const auto refusal = [&](const std::string& name, const torch::Tensor& value) {
    auto tensors = model_tensors(model);
    if (value.defined()) {
      tensors[name] = value;
    } else {
      tensors.erase(name);
    }
    ladder::io::save_tensors(path, tensors);
    return error_text([&] { read_weights(path, masked_net()); });
  };
  CHECK(refusal("stages.0.mask", torch::full({3}, 1e300, torch::kFloat64)) ==
        "read_weights: expected finite numbers in stages.0.mask but got one that Float does not "
        "hold in " +
            path.string() + ".");
  CHECK(refusal("stages.0.batches", {}) ==
        "read_weights: expected a tensor named stages.0.batches but got none in " + path.string() +
            " (is it of another network?).");
  CHECK(refusal("stages.0.normalization.running_mean",
                torch::full({3}, std::numeric_limits<float>::infinity())) ==
        "read_weights: expected finite numbers in stages.0.normalization.running_mean but got a "
        "NaN or an infinite one in " +
            path.string() + ".");
}

TEST_CASE("Weights and model files hold calibrated networks alone", "[exports]") {
  const TemporaryFolder folder;
  auto model = ladder::testing::table_model(false);
  model.net = other_net(model);
  const auto text = [](const std::string& component) {
    return component +
           ": expected a calibrated network but stage 1 (NoisyBatchNormLinear) has no stored "
           "statistics (call calibrate first).";
  };
  const auto path = folder / "x";
  CHECK(error_text([&] { write_torch(path, model); }) == text("write_torch"));
  CHECK(error_text([&] { write_safetensors(path, model); }) == text("write_safetensors"));
  CHECK(error_text([&] { ladder::runs::save_model(path, {.model = model}); }) ==
        text("save_model"));
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(error_text([&] { ladder::runs::save_model(path, {}); }) ==
        "save_model: expected a network but got an empty one.");
}

TEST_CASE("A model file keeps how images are whitened", "[exports]") {
  const TemporaryFolder folder;
  const auto path = folder / "x";
  const ladder::models::NetworkOptions options{
      .input_shape = {2, 4, 5}, .layers = {ladder::models::Dense{30}, ladder::models::Dense{3}}};
  ladder::runs::StoredModel stored{.model = ladder::testing::whitening_model(options)};
  stored.model.classes = {"a", "b", "c"};
  stored.config.network = options;
  ladder::runs::save_model(path, stored);
  const auto& kept = *stored.model.images->whitening;
  const auto loaded = ladder::runs::load_model(path);
  REQUIRE(loaded.model.images);
  REQUIRE(loaded.model.images->whitening);
  CHECK(loaded.model.images->whitening->contrast_norm == kept.contrast_norm);
  CHECK(torch::equal(loaded.model.images->whitening->mean, kept.mean));
  CHECK(torch::equal(loaded.model.images->whitening->map, kept.map));
  CHECK(same_state(loaded.model.net, stored.model.net, /*decoder=*/false));

  // Write format 2 for whitened images: earlier versions name the number when they refuse the file.
  const auto tensors = ladder::io::load_tensors(path);
  CHECK(ladder::io::tensor_text(tensors.at("model.json")).find("\"format\": 2") !=
        std::string::npos);
  const auto refusal = [&](const std::string& name, const torch::Tensor& value) {
    auto changed = tensors;
    if (value.defined()) {
      changed[name] = value;
    } else {
      changed.erase(name);
    }
    ladder::io::save_tensors(path, changed);
    const auto text = error_text([&] { ladder::runs::load_model(path); });
    const std::string begin = "load_model: " + path.string() + " is no model: ";
    CHECK(text.starts_with(begin));
    return text.substr(begin.size());
  };
  CHECK(refusal("images.map", {}) == "expected a tensor images.map but found none.");
  CHECK(refusal("images.map", torch::zeros({40, 39})) ==
        "images: expected the map of a whitening as Float [40, 40] but got Float [40, 39].");
  CHECK(refusal("images.mean", torch::full({40}, std::numeric_limits<float>::infinity())) ==
        "images: expected finite numbers in the mean of a whitening but got others.");

  stored.model.images->whitening->map = torch::zeros({4, 4});
  CHECK(error_text([&] { ladder::runs::save_model(path, stored); }) ==
        "save_model: expected the map of a whitening as Float [40, 40] but got Float [4, 4].");
}

TEST_CASE("save_model writes no network that load_model would make otherwise", "[exports]") {
  const TemporaryFolder folder;
  const auto path = folder / "x";
  const auto model = ladder::testing::table_model(true);
  const auto text_of = [&](const ladder::runs::StoredModel& stored) {
    return error_text([&] { ladder::runs::save_model(path, stored); });
  };
  ladder::runs::StoredModel bare{.model = model};
  bare.model.features.reset();
  CHECK(text_of(bare).starts_with(
      "save_model: expected either features or images but got neither ("));
  // The settings are those of another network.
  CHECK(text_of({.model = model})
            .starts_with("save_model: expected the network that config.network describes but got "
                         "one with "));
  CHECK_FALSE(std::filesystem::exists(path));

  // Layers that differ in what no tensor shows.
  namespace models = ladder::models;
  const auto conv_text = [&](models::NetworkOptions options, const models::NetworkOptions& told) {
    ladder::runs::StoredModel stored{.model = ladder::testing::image_model(options)};
    stored.config.network = told;
    return text_of(stored);
  };
  const models::NetworkOptions conv{.input_shape = {2, 9, 8},
                                    .layers = {models::Conv{4, 3, ladder::Border::kSame},
                                               models::MaxPool{2}, models::GlobalMeanPool{}},
                                    .activation = ladder::Activation::kLeakyRelu};
  CHECK(conv_text(conv, conv) == "(no error)");
  auto other = conv;
  other.leaky_slope = 0.3;
  CHECK(conv_text(other, conv) ==
        "save_model: expected the network that config.network describes but got one with other "
        "activations (exports::write_safetensors writes any network).");
  other = conv;
  other.layers[0] = models::Conv{4, 3, ladder::Border::kValid};
  CHECK(conv_text(other, conv)
            .find("one with stage 1 ladder::NoisyConv(2, 4, 3x3, valid) of [4, 7, 6], not "
                  "ladder::NoisyConv(2, 4, 3x3, same) of [4, 9, 8] (") != std::string::npos);
  other = conv;
  other.layers[1] = models::MeanPool{2};
  CHECK(conv_text(other, conv).find("one with stage 2 ladder::NoisyMeanPool(4, 2x2)") !=
        std::string::npos);
}

TEST_CASE("read_weights says who reads a checkpoint and a file of torch::save", "[exports]") {
  const TemporaryFolder folder;
  const auto model = ladder::testing::table_model(false);
  auto net = other_net(model);
  ladder::train::FusedAdam adam(*net);
  const auto path = folder / "checkpoint.pt";
  ladder::train::save_checkpoint(path, *net, adam, {});
  CHECK(error_text([&] { read_weights(path, net); }) ==
        "read_weights: expected weights of write_torch or write_safetensors, or a model file, but "
        "got the checkpoint of a run in " +
            path.string() + " (train::load_network reads it).");
  const auto saved = folder / "saved.pt";
  torch::save(net, saved.string());
  CHECK(error_text([&] { read_weights(saved, net); }).ends_with(" (torch::load reads it)."));
}
