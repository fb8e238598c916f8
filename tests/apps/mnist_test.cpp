#include <tests/support/catch.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/apps/mnist_place.h"

using namespace ladder::testing;
namespace fs = std::filesystem;
using nlohmann::json;

TEST_CASE("ladder-mnist: trains a convolutional recipe and describes it whole", "[cli]") {
  const MnistPlace place;
  const auto outcome =
      run_to_end({kMnistProgram, "--data-dir=" + (place.folder / "data").string(),
                  "--recipe=mnist-100-conv-small-gamma", "--epochs=1", "--device=cpu",
                  "--product-route=aten", "--out=" + (place.folder / "conv").string()});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const auto config = place.read("conv", "config.json");
  CHECK(config.at("input_shape") == json({1, 28, 28}));
  CHECK(config.at("layers") == json({"conv full 32@5x5", "max pool 2", "conv valid 64@3x3",
                                     "conv full 64@3x3", "max pool 2", "conv valid 128@3x3",
                                     "conv valid 10@1x1", "global mean pool", "dense 10"}));
  CHECK(config.at("lambda") == json({0., 0., 0., 0., 0., 0., 0., 0., 0., 1.}));
  CHECK(config.at("top_gamma") == true);
  CHECK(config.at("activation") == "relu");
  CHECK_FALSE(config.contains("in_features"));
  CHECK(place.read("conv", "result.json").at("steps") == 2);
}

TEST_CASE("ladder-mnist: missing and damaged data are failures of the run, status 1", "[cli]") {
  const MnistPlace place;
  const auto missing = run_to_end({kMnistProgram, "--data-dir", (place.folder / "nowhere").string(),
                                   "--out", (place.folder / "run").string()});
  CHECK(missing.status == 1);
  CHECK(mnist_sentence(missing.err) ==
        "expected four IDX files in " + (place.folder / "nowhere").string() +
            " but got no train-images-idx3-ubyte, train-labels-idx1-ubyte, "
            "t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (a name may end in .gz).");

  write_file(place.folder / "data/train-labels-idx1-ubyte", "not IDX at all");
  const auto damaged = place.run("run");
  CHECK(damaged.status == 1);
  CHECK(mnist_sentence(damaged.err).starts_with("expected "));
  CHECK(lines_of(damaged.err).size() == 1);
  CHECK_FALSE(fs::exists(place.folder / "run"));
}

TEST_CASE("ladder-mnist: --find-data prints the folder of the data or how to get them", "[cli]") {
  const MnistPlace place;
  const auto folder = place.folder.path().string();
  const auto found = run_to_end({kMnistProgram, "--find-data", "--data-dir", folder});
  CHECK(found.status == 1);
  fs::rename(place.folder / "data", place.folder / "mnist");
  const auto inner = run_to_end({kMnistProgram, "--find-data", "--data-dir", folder});
  CHECK(inner.status == 0);
  CHECK(inner.err.empty());
  CHECK(inner.out == (place.folder / "mnist").string() + "\n");
  CHECK(mnist_sentence(found.err).starts_with("expected four IDX files in "));
  CHECK(found.out.empty());
}

TEST_CASE("ladder-mnist: learns what is to be learned", "[cli]") {
  const MnistPlace place;
  const auto outcome = place.run("run", {"--epochs", "20", "--quiet"});
  REQUIRE(outcome.status == 0);
  CHECK(place.read("run", "result.json").at("test_error") == 0.0);
  CHECK(outcome.out == "test error 0.00 %\n");
}

TEST_CASE("ladder-mnist: --predictions writes what the test error counts", "[cli]") {
  const MnistPlace place;
  for (const std::string precision : {"float32", "bfloat16"}) {
    // So few steps that some answers are wrong.
    const Arguments length = {"--epochs", "1", "--precision", precision, "--quiet"};
    REQUIRE(place.run(precision, length).status == 0);
    CHECK_FALSE(fs::exists(place.file(precision, "predictions.csv")));
    REQUIRE(place.run(precision, length + Arguments{"--predictions", "--resume"}).status == 0);
    const auto lines = lines_of(file_bytes(place.file(precision, "predictions.csv")));
    REQUIRE(lines.size() == kMnistTestRows + 1);
    CHECK(lines[0] == "label,class,p:0,p:1,p:2,p:3,p:4,p:5,p:6,p:7,p:8,p:9");
    int wrong = 0;
    for (size_t i = 1; i < lines.size(); ++i) {
      std::vector<double> cells;
      std::stringstream line(lines[i]);
      for (std::string cell; std::getline(line, cell, ',');) cells.push_back(std::stod(cell));
      REQUIRE(cells.size() == 12);
      const auto best = std::max_element(cells.begin() + 2, cells.end());
      CHECK(cells[1] == std::distance(cells.begin() + 2, best));
      wrong += cells[0] != cells[1];
    }
    const auto error = place.read(precision, "result.json").at("test_error").get<double>();
    CHECK(error == 100.0 * wrong / kMnistTestRows);
  }
}

TEST_CASE("ladder-mnist: takes every kind of network and number", "[cli]") {
  const MnistPlace place;
  const std::vector<Arguments> kinds = {
      {"--lambda", "none", "--recipe", "mnist-100-baseline"},
      {"--lambda", "0,0,1", "--activation", "leaky-relu", "--calibration", "labeled"},
      {"--lambda", "9,0,0", "--combinator", "vanilla", "--activation", "tanh"},
      {"--precision", "float64", "--activation", "gelu", "--labels", "all"},
      {"--precision", "bfloat16", "--labels", "33", "--unbalanced", "--eval-every", "0"},
      {"--lr", "1e-3", "--decay-from", "0", "--noise", "0", "--input-noise", ".5"},
  };
  for (size_t i = 0; i < kinds.size(); ++i) {
    const auto outcome =
        place.run("run-" + std::to_string(i), kinds[i] + Arguments{"--epochs", "2", "--quiet"});
    INFO(kinds[i].front() << " " << kinds[i][1]);
    CHECK(outcome.err.empty());
    CHECK(outcome.status == 0);
    CHECK(std::regex_match(outcome.out, std::regex(R"(test error \d+\.\d\d %.*\n)")));
  }
}
