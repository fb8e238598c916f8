#include <fmt/format.h>
#include <ladder/classifier.h>
#include <ladder/data/datasets.h>
#include <ladder/data/read_samples.h>
#include <ladder/io/tensor_file.h>
#include <tests/support/bounds.h>
#include <tests/support/catch.h>
#include <torch/torch.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "tests/apps/mnist_place.h"

using namespace ladder::testing;
namespace fs = std::filesystem;

namespace {

// The probabilities in predictions.csv, float32 [rows, 10].
torch::Tensor written_probabilities(const fs::path& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  std::vector<torch::Tensor> rows;
  while (std::getline(in, line)) {
    std::vector<float> values;
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, ',');) values.push_back(std::stof(cell));
    rows.push_back(torch::tensor(std::vector<float>(values.begin() + 2, values.end())));
  }
  return torch::stack(rows);
}

ladder::data::Samples test_images(const MnistPlace& place) {
  return ladder::data::read_samples(place.folder / "data", {.part = ladder::data::Part::kTest});
}

std::string fact(const ladder::Classifier& model, const std::string& wanted) {
  for (const auto& [name, text] : model.model().facts) {
    if (name == wanted) return text;
  }
  return "(none)";
}

}  // namespace

TEST_CASE("ladder-mnist: a run leaves a model that predicts what it predicts", "[cli]") {
  const MnistPlace place;
  REQUIRE(place.run("run", {"--epochs=3", "--quiet", "--predictions"}).status == 0);
  const auto model = ladder::Classifier::load(place.folder / "run");
  CHECK(model.classes() ==
        std::vector<std::string>{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"});
  CHECK(model.config().recipe == "mnist-100-full");
  const auto error = place.read("run", "result.json").at("test_error").get<double>();
  CHECK(fact(model, "test error") == fmt::format("{:.2f} % of 50 images", error));
  CHECK(fact(model, "rows") == "200");
  CHECK(fact(model, "labeled rows") == "20");
  CHECK(fact(model, "recipe").starts_with("mnist-100-full with epochs 3, "));

  const auto images = test_images(place);
  const auto expected = written_probabilities(place.file("run", "predictions.csv"));
  // Sums of at most 784 products whose order depends on the number of rows, in two layers whose
  // values are below 30; a softmax halves a change of its inputs at least.
  constexpr double kBound = 784 * 0x1p-24 * 30 * 2 / 2;
  CHECK((model.predict_proba(images) - expected).abs().max().item<double>() < kBound);

  // A pixel becomes what it is in training, to the last bit.
  CHECK(torch::equal(model.inputs(images), ladder::data::to_unit_float(images.images)));
}

TEST_CASE("ladder-mnist: the model of a run that has ended is written anew", "[cli]") {
  const MnistPlace place;
  REQUIRE(place.run("run", {"--epochs=2", "--quiet"}).status == 0);
  const auto path = place.file("run", ladder::kModelFile);
  const auto bytes = file_bytes(path);
  fs::remove(path);
  REQUIRE(place.run("run", {"--epochs=2", "--quiet", "--resume"}).status == 0);
  CHECK(file_bytes(path) == bytes);
}

TEST_CASE("ladder-mnist: models are for every network and precision of a recipe", "[cli]") {
  const MnistPlace place;
  const auto images = test_images(place);
  // The model of a run, which has the weights of its checkpoint.
  const auto model_of = [&](const std::string& run) {
    INFO(run);
    auto model = ladder::Classifier::load(place.folder / run);
    const auto checkpoint = ladder::io::load_tensors(place.file(run, "checkpoint.pt"));
    for (const auto& item : model.model().net->named_parameters()) {
      INFO(item.key());
      CHECK(torch::equal(item.value(), checkpoint.at("parameters." + item.key())));
    }
    // Ten probabilities are rounded twice each, and added.
    CHECK(model.predict_proba(images).sum(1).sub(1).abs().max().item<double>() <
          gamma(3 * 10, torch::kFloat));
    return model;
  };
  for (const char* flag : {"--precision=float64", "--precision=bfloat16", "--lambda=none",
                           "--combinator=amlp-2-2-2"}) {
    REQUIRE(place.run(flag, {"--epochs=1", "--quiet", flag}).status == 0);
    CHECK(model_of(flag).model().images->flat);
  }
  const auto outcome = run_to_end(Arguments{
      kMnistProgram, "--data-dir=" + (place.folder / "data").string(),
      "--recipe=mnist-100-conv-small-gamma", "--labels=20", "--batch-size=20", "--epochs=1",
      "--threads=1", "--quiet", "--out=" + (place.folder / "conv").string()});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  CHECK_FALSE(model_of("conv").model().images->flat);
}

TEST_CASE("ladder: takes the models of ladder-mnist", "[cli]") {
  const MnistPlace place;
  REQUIRE(place.run("runs", {"--epochs=2", "--quiet", "--seeds=1..2"}).status == 0);
  const auto at = [&](const std::string& name) { return (place.folder / name).string(); };
  const auto run = [](const Arguments& arguments) {
    return run_to_end(Arguments{program_path("ladder")} + arguments);
  };
  const auto evaluated = run({"evaluate", at("runs/seed-2"), at("data"), "--json"});
  INFO(evaluated.err);
  REQUIRE(evaluated.status == 0);
  const auto images = test_images(place);
  const auto right =
      ladder::Classifier::load(place.folder / "runs/seed-2").score(images.images, images.labels);
  CHECK(nlohmann::json::parse(evaluated.out).at("error") == Approx(100 * (1 - right)));
  CHECK(evaluated.err.empty());
  const auto on_training_rows = run({"evaluate", at("runs/seed-2"), at("data"), "--part=train"});
  CHECK(on_training_rows.err ==
        "note: the model was trained on these rows: the error on them is too low\n");
  CHECK(run({"inspect", at("runs/seed-1")}).out.starts_with("test error     "));
  const auto exported = run({"export", at("runs/seed-1"), "-o", at("mnist.onnx")});
  INFO(exported.err);
  CHECK(exported.status == 0);
  CHECK(fs::exists(place.folder / "mnist.onnx"));
  CHECK(run({"report", at("runs/seed-1"), "-o", at("runs/seed-1/report.html")}).status == 0);

  const auto several = run({"export", at("runs"), "-o", at("all.onnx")});
  CHECK(several.status == 1);
  CHECK(several.err == "ladder: expected a model in " + at("runs") +
                           " but found no model.ladder (name the run of one seed, such as " +
                           at("runs/seed-1") + ").\n");
}
