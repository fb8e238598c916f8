#include <ladder/exports/onnx.h>
#include <ladder/io/safetensors.h>
#include <ladder/models/recipes.h>
#include <ladder/nn/from_sequential.h>
#include <ladder/nn/stages/noisy_batch_norm_linear.h>
#include <ladder/nn/stages/noisy_stage.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/python.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/exports/models.h"

namespace {

using ladder::exports::PredictionModel;
using ladder::exports::write_onnx;
using ladder::testing::error_text;
using ladder::testing::TemporaryFolder;

// Every graph of a folder is checked and run over the rows beside it: all at once, and one alone.
constexpr const char* kRunGraphs = R"PY(
import glob, json, os, sys
import numpy as np, onnx, onnxruntime
from safetensors.numpy import load_file
os.chdir(sys.argv[1])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2
for path in sorted(glob.glob("*.onnx")):
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = load_file(path[:-5] + ".safetensors")
    wanted = feed.pop("expected")
    if os.path.exists(path[:-5] + ".json"):
        feed["texts"] = np.array(json.load(open(path[:-5] + ".json")), dtype=object)
    assert {i.name for i in session.get_inputs()} == set(feed), feed.keys()
    place, p = session.run(["class", "probabilities"], feed)
    assert place.dtype == np.int64 and p.dtype == np.float32
    assert p.shape == wanted.shape and (place == p.argmax(1)).all()
    alone = session.run(["probabilities"], {name: rows[:1] for name, rows in feed.items()})[0]
    worst = max(np.abs(p - wanted).max(), np.abs(alone - wanted[:1]).max())
    assert np.isfinite(p).all() and p.std(0).max() > 0.02  # rows differ
    print(path[:-5], worst)
)PY";

// Graphs in a folder and the rows beside them, with the bound of each.
struct Cases {
  TemporaryFolder folder = {};
  std::map<std::string, double> bounds = {};

  void write(const std::string& name, const PredictionModel& model, ladder::io::TensorMap feed,
             const torch::Tensor& inputs) {
    write_files(name, model, std::move(feed), inputs);
    bounds[name] = ladder::testing::rounding_of_probabilities(
        model, [&] { return inputs.to(torch::kFloat64); });
  }

  void write_images(const std::string& name, const PredictionModel& model,
                    const torch::Tensor& rows) {
    write_files(name, model, {{"images", rows}},
                ladder::testing::image_inputs(*model.images, rows));
    bounds[name] = ladder::testing::rounding_of_images(model, rows);
  }

 private:
  void write_files(const std::string& name, const PredictionModel& model,
                   ladder::io::TensorMap feed, const torch::Tensor& inputs) {
    write_onnx(folder / (name + ".onnx"), model);
    feed["expected"] = ladder::testing::probabilities(model, inputs);
    ladder::io::save_safetensors(folder / (name + ".safetensors"), feed);
  }
};

PredictionModel plain_model(const torch::nn::Sequential& layers, std::vector<int64_t> shape) {
  PredictionModel model{.net = ladder::from_sequential(layers, {.input_shape = shape})};
  shape.insert(shape.begin(), 64);
  ladder::testing::shake(model.net);
  model.net->calibrate(torch::randn(shape));
  return model;
}

void write_plain(Cases& cases, const std::string& name, const torch::nn::Sequential& layers,
                 std::vector<int64_t> shape) {
  const auto model = plain_model(layers, shape);
  shape.insert(shape.begin(), 9);
  const auto rows = torch::randn(shape);
  cases.write(name, model, {{"inputs", rows}}, rows);
}

torch::Tensor number_rows(const ladder::data::Table& table, const std::vector<std::string>& names) {
  std::vector<torch::Tensor> columns;
  for (const auto& name : names) {
    columns.push_back(torch::tensor(table.column(name).numbers, torch::kFloat64));
  }
  return torch::stack(columns, 1).to(torch::kFloat32);
}

struct OwnStageImpl : torch::nn::Cloneable<OwnStageImpl>, ladder::Stage {
  OwnStageImpl() { reset(); }
  void reset() override {
    normalization = register_module(
        "normalization", ladder::NoisyNormalization(ladder::NoisyNormalizationOptions{
                             .channels = 3, .activation = ladder::Activation::kIdentity}));
  }
  ladder::StageOutput forward(const torch::Tensor& h, const ladder::Pass& pass) override {
    return normalization->forward(h, pass);
  }
  torch::nn::AnyModule make_vertical(at::IntArrayRef, at::IntArrayRef) const override {
    return torch::nn::AnyModule(torch::nn::Identity());
  }
  ladder::NoisyNormalization normalization{nullptr};
};
TORCH_MODULE(OwnStage);

// Compute something else than what they derive from.
struct SineDenseImpl : ladder::NoisyBatchNormLinearImpl {
  using NoisyBatchNormLinearImpl::NoisyBatchNormLinearImpl;
  ladder::StageOutput forward(const torch::Tensor& h, const ladder::Pass& pass) override {
    return NoisyBatchNormLinearImpl::forward(torch::sin(3 * h), pass);
  }
};
struct SineLinearImpl : torch::nn::LinearImpl {
  using LinearImpl::LinearImpl;
  torch::Tensor forward(const torch::Tensor& x) { return LinearImpl::forward(torch::sin(x)); }
};
TORCH_MODULE(SineLinear);

}  // namespace

TEST_CASE("write_onnx gives onnxruntime the probabilities of every network of the recipes",
          "[exports][slow]") {
  if (!ladder::testing::python("onnxruntime")) LADDER_SKIP(ladder::testing::kNoPython);
  Cases cases;
  torch::manual_seed(3);
  std::set<std::string> written;
  for (const auto& recipe : ladder::models::recipes()) {
    // Recipes that differ in labels or costs have the same layers.
    const auto& network = recipe.network;
    std::ostringstream key;
    for (const int64_t size : network.input_shape) key << size << ",";
    for (const auto& layer : network.layers) key << to_string(layer) << ",";
    key << to_string(network.activation) << network.leaky_slope << network.top_gamma;
    if (!written.insert(key.str()).second) continue;
    const auto model = ladder::testing::image_model(network);
    cases.write_images(recipe.name, model, ladder::testing::random_images(*model.images, 7));
  }
  CHECK(written.size() >= 4);
  ladder::testing::require_differences(kRunGraphs, cases.folder.path(), cases.bounds);
}

TEST_CASE("write_onnx gives onnxruntime the probabilities of every stage and activation",
          "[exports][slow]") {
  if (!ladder::testing::python("onnxruntime")) LADDER_SKIP(ladder::testing::kNoPython);
  Cases cases;
  torch::manual_seed(4);
  namespace models = ladder::models;
  for (const auto activation :
       {ladder::Activation::kIdentity, ladder::Activation::kRelu, ladder::Activation::kLeakyRelu,
        ladder::Activation::kTanh, ladder::Activation::kGelu}) {
    const models::NetworkOptions options{
        .input_shape = {3, 13, 11},
        .layers = {models::Conv{5, 3, ladder::Border::kFull},
                   models::Conv{6, 3, ladder::Border::kSame, 2}, models::MaxPool{3},
                   models::Conv{7, 2, ladder::Border::kValid}, models::MeanPool{2},
                   models::Dense{9}, models::Dense{4}},
        .activation = activation,
        .leaky_slope = 0.2};
    const auto model = ladder::testing::image_model(options);
    cases.write_images("models-" + to_string(activation), model,
                       ladder::testing::random_images(*model.images, 8));
  }
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{3, 7, 6}, {28 * 3}}) {
    const auto model = ladder::testing::whitening_model(
        {.input_shape = shape, .layers = {models::Dense{9}, models::Dense{4}}});
    cases.write_images("whitened-" + std::to_string(shape.size()), model,
                       ladder::testing::images_to_whiten(*model.images, 8));
  }

  using torch::nn::Sequential;
  namespace tnn = torch::nn;
  write_plain(
      cases, "conv1d",
      Sequential(tnn::Conv1d(tnn::Conv1dOptions(2, 6, 4).stride(2).padding(1).dilation(2)),
                 tnn::BatchNorm1d(6), tnn::GELU(),
                 tnn::MaxPool1d(tnn::MaxPool1dOptions(3).stride(2).padding(1).ceil_mode(true)),
                 tnn::AvgPool1d(tnn::AvgPool1dOptions(2).ceil_mode(true)), tnn::Flatten(),
                 tnn::Linear(24, 8), tnn::Tanh(), tnn::Linear(8, 3)),
      {2, 30});
  write_plain(
      cases, "conv2d",
      Sequential(
          tnn::Conv2d(tnn::Conv2dOptions(4, 8, {3, 5}).groups(2).stride({1, 2}).padding({1, 3})),
          tnn::LeakyReLU(tnn::LeakyReLUOptions().negative_slope(0.3)),
          tnn::MaxPool2d(tnn::MaxPool2dOptions(2).stride(1).dilation(2)),
          tnn::Conv2d(tnn::Conv2dOptions(8, 6, 2).dilation(2).padding(torch::kSame)),
          tnn::BatchNorm2d(6), tnn::ReLU(), tnn::AdaptiveAvgPool2d(1), tnn::Flatten(),
          tnn::Linear(6, 3)),
      {4, 12, 14});
  // A window that is cut at the end beside zeros that count, and beside zeros that do not.
  for (const bool count : {true, false}) {
    write_plain(cases, count ? "mean-counts-padding" : "mean-without-padding",
                Sequential(tnn::AvgPool2d(tnn::AvgPool2dOptions({3, 4})
                                              .stride({2, 3})
                                              .padding(1)
                                              .ceil_mode(true)
                                              .count_include_pad(count)),
                           tnn::Flatten(), tnn::Linear(2 * 5 * 4, 3)),
                {2, 8, 10});
  }
  write_plain(cases, "global-mean-top",
              Sequential(tnn::Conv2d(3, 5, 3), tnn::AdaptiveAvgPool2d(1), tnn::Flatten()),
              {3, 6, 7});
  CHECK(cases.bounds.size() == 12);
  ladder::testing::require_differences(kRunGraphs, cases.folder.path(), cases.bounds);
}

TEST_CASE("write_onnx does the arithmetic of the features", "[exports][slow]") {
  if (!ladder::testing::python("onnxruntime")) LADDER_SKIP(ladder::testing::kNoPython);
  Cases cases;
  const auto& folder = cases.folder;
  torch::manual_seed(5);
  for (const bool texts : {false, true}) {
    const auto model = ladder::testing::table_model(texts);
    CHECK(model.features->all_numbers() == !texts);
    const auto rows = ladder::testing::sample_table(60, 2, texts, /*is_new=*/true);
    const std::string name = texts ? "texts" : "numbers";
    cases.write(name, model, {{"numbers", number_rows(rows, {"tail", "age", "time"})}},
                model.features->apply(rows));
    if (!texts) continue;
    nlohmann::json cells = nlohmann::json::array();
    for (int64_t row = 0; row < rows.rows; ++row) {
      cells.push_back({ladder::data::cell_text(rows.column("colour"), row),
                       ladder::data::cell_text(rows.column("size"), row)});
    }
    ladder::testing::write_file(folder / "texts.json", cells.dump());
  }
  // Only texts.
  auto model = ladder::testing::table_model(true);
  auto table = ladder::testing::sample_table(60, 6, true);
  std::erase_if(table.columns, [](const auto& column) { return column.name != "colour"; });
  model.features = ladder::data::fit_features(table, {});
  model.net = ladder::models::network(
      {.input_shape = {model.features->width()}, .layers = {ladder::models::Dense{3}}});
  model.net->calibrate(model.features->apply(table));
  cases.write("only-texts", model, {}, model.features->apply(table));
  nlohmann::json cells = nlohmann::json::array();
  for (int64_t row = 0; row < table.rows; ++row) {
    cells.push_back({ladder::data::cell_text(table.column("colour"), row)});
  }
  ladder::testing::write_file(folder / "only-texts.json", cells.dump());

  // Missing values, truth values and numbers in spellings that were not trained on.
  const auto spelled_model = ladder::testing::spelled_model();
  const auto spelled = ladder::testing::spelled_rows();
  cases.write("spelled", spelled_model,
              {{"numbers", number_rows(spelled, {"tail", "age", "time"})}},
              spelled_model.features->apply(spelled));
  cells = nlohmann::json::array();
  for (int64_t row = 0; row < spelled.rows; ++row) {
    cells.push_back({ladder::data::cell_text(spelled.column("flag"), row),
                     ladder::data::cell_text(spelled.column("kind"), row),
                     ladder::data::cell_text(spelled.column("grade"), row)});
  }
  ladder::testing::write_file(folder / "spelled.json", cells.dump());

  CHECK(cases.bounds.size() == 4);
  ladder::testing::require_differences(kRunGraphs, folder.path(), cases.bounds);

  const auto outcome = ladder::testing::run_python(R"PY(
import json, os, sys, onnx
os.chdir(sys.argv[1])
facts = {p.key: p.value for p in onnx.load("texts.onnx").metadata_props}
assert json.loads(facts["classes"]) == ["yes", 'no "maybe"', "\u00e9"], facts
assert json.loads(facts["number_columns"]) == ["tail", "age", "time"], facts
assert json.loads(facts["text_columns"]) == ["colour", "size"], facts
assert facts["labeled rows"] == "200" and facts["validation error"] == "3.1 % | of 40"
facts = {p.key: p.value for p in onnx.load("spelled.onnx").metadata_props}
assert json.loads(facts["missing"]) == ["-999", "unknown"], facts
import numpy, onnxruntime
session = onnxruntime.InferenceSession("numbers.onnx")
p = session.run(["probabilities"], {"numbers": numpy.full((1, 3), numpy.inf, numpy.float32)})[0]
assert numpy.isfinite(p).all() and abs(p.sum() - 1) <= 8 * 2.0**-24, p  # of three shares
)PY",
                                                   {folder.path().string()});
  INFO(outcome.err);
  CHECK(outcome.status == 0);
}

TEST_CASE("write_onnx refuses what ONNX cannot compute, by place and kind", "[exports]") {
  const TemporaryFolder folder;
  const auto path = folder / "x.onnx";
  const auto refusal = [&](const PredictionModel& model) {
    return error_text([&] { write_onnx(path, model); });
  };
  const auto net_of = [](ladder::AnyStage stage, std::vector<int64_t> shape) {
    ladder::Stages stages = {std::move(stage)};
    PredictionModel model{.net =
                              ladder::Ladder(ladder::LadderOptions{.input_shape = shape}, stages)};
    shape.insert(shape.begin(), 8);
    model.net->calibrate(torch::randn(shape));
    return model;
  };
  const auto around = [](const auto& map, int64_t channels) {
    return ladder::NoisyStage(
        torch::nn::AnyModule(map),
        ladder::NoisyStageOptions{
            .normalization = {.channels = channels, .activation = ladder::Activation::kIdentity}});
  };
  namespace tnn = torch::nn;
  const std::string hint = " (such a network can be saved as .safetensors or .pt).";
  CHECK(refusal(net_of(OwnStage(), {3})) ==
        "write_onnx: expected stages of the library but got stage 1 (OwnStage)" + hint);
  CHECK(refusal(net_of(around(tnn::Identity(), 3), {3})) ==
        "write_onnx: expected stage 1 (NoisyStage) to hold a Linear, a convolution or a pooling of "
        "at most two dimensions but got: Identity" +
            hint);
  const auto derived = std::make_shared<SineDenseImpl>(ladder::NoisyBatchNormLinearOptions{
      .in_features = 4, .out_features = 3, .softmax_top = true});
  CHECK(refusal(net_of(derived, {4})) ==
        "write_onnx: expected stages of the library but got stage 1 (SineDense)" + hint);
  CHECK(refusal(net_of(around(SineLinear(4, 3), 3), {4})) ==
        "write_onnx: expected stage 1 (NoisyStage) to hold a Linear, a convolution or a pooling of "
        "at most two dimensions but got: SineLinear" +
            hint);

  auto model = ladder::testing::table_model(false);
  model.classes.pop_back();
  CHECK(refusal(model) == "write_onnx: expected names of 3 classes but got 2.");
  model.classes = {"a", "b", "\xFF"};
  CHECK(refusal(model) == "write_onnx: expected class names in UTF-8 but got other bytes.");
  model.classes.clear();
  model.features->columns[0].dropped = "constant";
  CHECK(refusal(model) ==
        "write_onnx: expected a network of rows [3] for the features but got one of [4].");
  model.images = ladder::exports::ImageInputs{};
  CHECK(refusal(model) == "write_onnx: expected features or images but got both.");
  model.features.reset();
  model.images = {.channels = 1, .height = 2, .width = 3, .mean = {0}, .scale = {1}, .flat = true};
  CHECK(refusal(model) ==
        "write_onnx: expected a network of rows [6] for the images but got one of [4].");
  model.images = {.channels = 1, .height = 2, .width = 2, .mean = {0}, .scale = {}, .flat = true};
  CHECK(refusal(model) ==
        "write_onnx: expected a mean and a scale for each of 1 channels but got 1 and 0.");
  model.images->scale = {0};
  CHECK(refusal(model) == "write_onnx: expected scales of images above 0 but got 0.");
  model.images->whitening = ladder::data::ImageWhitening{};
  CHECK(refusal(model) ==
        "write_onnx: expected neither a mean nor a scale of channels beside a whitening but got 1 "
        "and 1.");
  model.images->mean.clear();
  model.images->scale.clear();
  CHECK(refusal(model) ==
        "write_onnx: expected the mean of a whitening as Float [4] but got an undefined tensor.");
  model.images.reset();
  model.net = ladder::models::network({.input_shape = {4}, .layers = {ladder::models::Dense{3}}});
  CHECK(
      refusal(model) ==
      "write_onnx: expected a calibrated network but stage 1 (NoisyBatchNormLinear) has no stored "
      "statistics (call calibrate first).");
  CHECK(refusal({}) == "write_onnx: expected a network but got an empty one.");

  torch::nn::Sequential reflecting(
      tnn::Conv2d(tnn::Conv2dOptions(1, 2, 3).padding(1).padding_mode(torch::kReflect)),
      tnn::Flatten(), tnn::Linear(32, 2));
  CHECK(refusal(plain_model(reflecting, {1, 4, 4})) ==
        "write_onnx: expected stage 1 (Conv2d) to pad with zeros but got another padding_mode.");
  torch::nn::Sequential dividing(tnn::AvgPool2d(tnn::AvgPool2dOptions(2).divisor_override(3)),
                                 tnn::Flatten(), tnn::Linear(4, 2));
  CHECK(refusal(plain_model(dividing, {1, 4, 4})) ==
        "write_onnx: expected stage 1 (AvgPool2d) without divisor_override but got 3.");
  CHECK_FALSE(std::filesystem::exists(path));
}
