#include "ladder/train/evaluate.h"

#include <ladder/models/mlp.h>

#include <limits>
#include <memory>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::train;
using ladder::testing::blobs;
using ladder::testing::BlobSource;
using ladder::testing::error_text;
using ladder::testing::require_close;
using ladder::testing::small_ladder;

TEST_CASE("error_rate counts wrong classes in percent", "[train]") {
  const auto data = blobs();
  auto net = small_ladder();
  net->calibrate(data.training.inputs);
  net->eval();
  const auto classes = net->forward(data.test_inputs).argmax(1);
  const auto wrong = classes.ne(data.test_labels).sum().item<int64_t>();
  net->train();
  for (const int64_t batch : {1, 7, 300, 1000}) {
    REQUIRE(predict(net, data.test_inputs, batch).equal(classes));
    REQUIRE(error_rate(net, data.test_inputs, data.test_labels, batch) ==
            Approx(static_cast<double>(wrong) / 3));
  }
  REQUIRE(net->is_training());
  REQUIRE(error_rate(net, data.test_inputs, classes) == 0);
  REQUIRE(error_rate(net, data.test_inputs, (classes + 1).remainder(3)) == 100);
}

TEST_CASE("error_rate scales uint8 inputs as training does", "[train]") {
  const auto pixels = (blobs().test_inputs.abs() * 50).clamp(0, 255).to(torch::kUInt8);
  REQUIRE(network_inputs(pixels).equal(pixels.to(torch::kFloat32) / 255));
  REQUIRE(network_inputs(pixels.to(torch::kFloat64)).equal(pixels.to(torch::kFloat64)));
  auto net = small_ladder();
  net->calibrate(network_inputs(pixels));
  REQUIRE(predict(net, pixels).equal(predict(net, pixels.to(torch::kFloat32) / 255)));
}

TEST_CASE("predict scales uint8 inputs to the type of the network", "[train]") {
  const auto pixels = (blobs().test_inputs.abs() * 50).clamp(0, 255).to(torch::kUInt8);
  auto net = small_ladder();
  net->to(torch::kFloat64);
  const auto doubles = pixels.to(torch::kFloat64) / 255;
  net->calibrate(doubles);
  REQUIRE(predict(net, pixels).equal(predict(net, doubles)));
  REQUIRE(error_rate(net, pixels, predict(net, doubles)) == 0);
}

TEST_CASE("Calibration and predictions of bytes start no thread of OpenMP's", "[train][threads]") {
  const auto pixels =
      torch::arange(2000 * 800).mul(7).remainder(256).to(torch::kUInt8).view({2000, 800});
  auto net = models::full_ladder({.in_features = 800, .layers = {100, 10}, .lambda = {1, 1, 1}});
  reset_parameters(*net, 1);
  const auto labels = torch::arange(2000).remainder(10);
  const ops::ProductScope scope({ops::ProductPrecision::kFloat32, ops::ProductRoute::kLadder});
  const auto evaluate = [&] {
    net->calibrate(pixels, 1500);
    error_rate(net, pixels, labels, 1500);
  };
  CHECK(testing::threads_started_by(evaluate) == 0);
}

TEST_CASE("Threads of OpenMP's are counted", "[train]") {
  // As by an operator of LibTorch's with rows enough for two threads.
  const auto x = torch::ones({1 << 20});
  CHECK(testing::threads_started_by([&] { torch::tanh(x); }) > 0);
}

TEST_CASE("error_rate says what is wrong with rows and labels", "[train]") {
  const auto data = blobs();
  auto net = small_ladder();
  REQUIRE(error_text([&] { error_rate(net, {}, data.test_labels); }) ==
          "error_rate: expected inputs of at least one row but got none.");
  REQUIRE(error_text([&] {
            error_rate(net, data.test_inputs, data.test_labels.narrow(0, 0, 5));
          }) == "error_rate: expected int64 labels [300], one for each row, but got Long [5].");
  REQUIRE(error_text([&] { error_rate(net, data.test_inputs, data.test_labels + 1); }) ==
          "error_rate: expected labels of the evaluated rows in 0..2, or -1 for none, but got 3 "
          "(row 2).");
  REQUIRE(error_text([&] { error_rate(net, data.test_inputs, data.test_labels - 2); }) ==
          "error_rate: expected labels of the evaluated rows in 0..2, or -1 for none, but got -2 "
          "(row 0).");
  REQUIRE(error_text(
              [&] { error_rate(net, data.test_inputs, torch::full_like(data.test_labels, -1)); }) ==
          "error_rate: expected labels of the evaluated rows but got -1, which stands for none, "
          "for every row.");
  REQUIRE(error_text([&] { error_rate(net, data.test_inputs, data.test_labels, 0); }) ==
          "error_rate: expected a batch size of at least 1 but got 0.");
  REQUIRE(error_text([&] { predict(net, data.test_inputs, 0); }) ==
          "predict: expected a batch size of at least 1 but got 0.");
}

TEST_CASE("predict and error_rate name a row that is not finite by its place in the inputs",
          "[train]") {
  const auto data = blobs();
  auto net = small_ladder();
  net->calibrate(data.training.inputs);
  auto inputs = data.test_inputs.clone();
  inputs[207][1] = std::numeric_limits<float>::quiet_NaN();
  const std::string text =
      ": expected inputs to hold finite numbers but got nan in row 207, column 1.";
  REQUIRE(error_text([&] { predict(net, inputs, 100); }) == "predict" + text);
  REQUIRE(error_text([&] { error_rate(net, inputs, data.test_labels, 100); }) ==
          "error_rate" + text);
}

TEST_CASE("error_rate leaves rows with label -1 out", "[train]") {
  const auto data = blobs();
  auto net = small_ladder();
  net->calibrate(data.training.inputs);
  const auto expected =
      error_rate(net, data.test_inputs.narrow(0, 100, 50), data.test_labels.narrow(0, 100, 50));
  REQUIRE(expected > 0);
  auto labels = torch::full_like(data.test_labels, -1);
  labels.narrow(0, 100, 50).copy_(data.test_labels.narrow(0, 100, 50));
  REQUIRE(error_rate(net, data.test_inputs, labels, 70) == expected);
}

TEST_CASE("confused_pairs are the pairs of wrong rows, the most frequent first", "[train]") {
  constexpr int64_t kClasses = 3'000'000'000;  // of a matrix of which no machine has the memory
  const auto labels = torch::tensor(std::vector<int64_t>{4, 1, 1, 4, 1, -1, 2, kClasses - 1});
  const auto predictions = torch::tensor(std::vector<int64_t>{1, 4, 2, 1, 1, 0, 0, 0});
  const auto pairs = confused_pairs(labels, predictions, kClasses);
  const std::vector<ConfusedPair> expected = {{.label = 4, .prediction = 1, .rows = 2},
                                              {.label = 1, .prediction = 2, .rows = 1},
                                              {.label = 1, .prediction = 4, .rows = 1},
                                              {.label = 2, .prediction = 0, .rows = 1},
                                              {.label = kClasses - 1, .prediction = 0, .rows = 1}};
  REQUIRE((pairs == expected));
  CHECK((most_confused(labels, predictions, kClasses) == expected.front()));
  CHECK(confused_pairs(labels, labels, kClasses).empty());
  CHECK_FALSE(most_confused(labels, labels, kClasses));
}

TEST_CASE("calibration_rows are training rows or labeled rows, evenly thinned", "[train]") {
  data::SemiData data;
  data.unlabeled = torch::tensor({9, 0, 1, 2, 3, 4, 5, 6, 7, 8}, torch::kInt64);
  data.labeled = torch::tensor({4, 2}, torch::kInt64);
  REQUIRE(calibration_rows(data, Calibration::kTrainingRows).equal(torch::arange(10)));
  REQUIRE(calibration_rows(data, Calibration::kLabeledRows)
              .equal(torch::tensor({2, 4}, torch::kInt64)));
  REQUIRE(calibration_rows(data, Calibration::kTrainingRows, 4)
              .equal(torch::tensor({0, 2, 5, 7}, torch::kInt64)));
  REQUIRE(calibration_rows(data, Calibration::kTrainingRows, 100).equal(torch::arange(10)));
  data.unlabeled = torch::Tensor();
  REQUIRE(calibration_rows(data, Calibration::kTrainingRows)
              .equal(torch::tensor({2, 4}, torch::kInt64)));
  data.labeled = torch::Tensor();
  REQUIRE(error_text([&] { calibration_rows(data, Calibration::kLabeledRows); }) ==
          "calibration_rows: expected labeled rows but got none.");
  REQUIRE(error_text([&] { calibration_rows(data, Calibration::kTrainingRows, 1); }) ==
          "calibration_rows: expected at least 2 rows, or 0 for all, but got 1.");
  data.source = std::make_shared<BlobSource>();
  data.held_out = torch::arange(data.source->rows());
  REQUIRE(error_text([&] { calibration_rows(data, Calibration::kTrainingRows); }) ==
          "calibration_rows: expected training rows but got none.");
}
