#include "ladder/train/evaluator.h"

#include <torch/torch.h>

#include "ladder/train/metrics.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;

namespace {

TrainData with_validation() {
  auto data = blobs();
  data.validation = torch::arange(200, 300);
  return data;
}

TrainData in_bytes(TrainData data) {
  for (auto* inputs : {&data.training.inputs, &data.test_inputs}) {
    *inputs = (*inputs * 20 + 128).clamp(0, 255).to(torch::kUInt8);
  }
  return data;
}

}  // namespace

TEST_CASE("Evaluator calibrates and measures as error_rate does", "[train]") {
  const auto data = with_validation();
  auto net = small_ladder(1);
  auto expected = small_ladder(1);
  Evaluator evaluator(data, net, {.batch = 70});
  Evaluation evaluation;
  evaluator.measure(evaluation);
  expected->calibrate(data.training.inputs, 70);
  require_same_network(*net, *expected);
  REQUIRE(evaluation.test_error.value() ==
          error_rate(expected, data.test_inputs, data.test_labels));
  REQUIRE(evaluation.validation_error.value() ==
          error_rate(expected, data.training.inputs.narrow(0, 200, 100),
                     data.training.labels.narrow(0, 200, 100)));
}

TEST_CASE("Evaluator names the two classes that most rows confuse", "[train]") {
  auto data = with_validation();
  const auto confused = [&](int64_t batch = 70) {
    auto net = small_ladder(1);
    Evaluation evaluation;
    Evaluator(data, net, {.batch = batch}).measure(evaluation);
    return evaluation.confused;
  };
  const auto by_matrix = [&](const torch::Tensor& inputs, const torch::Tensor& labels) {
    auto net = small_ladder(1);
    net->calibrate(data.training.inputs, 70);
    auto counts = confusion_matrix(labels, predict(net, inputs), net->classes());
    counts.fill_diagonal_(0);
    const auto most = counts.argmax().item<int64_t>();
    return ConfusedPair{.label = most / net->classes(),
                        .prediction = most % net->classes(),
                        .rows = counts.max().item<int64_t>()};
  };
  const auto rows = [&](const torch::Tensor& all) { return all.narrow(0, 200, 100); };
  const auto& training = data.training;
  REQUIRE(confused().value() == by_matrix(rows(training.inputs), rows(training.labels)));
  data.validation = torch::Tensor();
  REQUIRE(confused().value() == by_matrix(data.test_inputs, data.test_labels));
  auto net = small_ladder(1);
  net->calibrate(data.training.inputs, 70);
  data.test_labels = predict(net, data.test_inputs);
  REQUIRE_FALSE(confused().has_value());
  data.test_labels[3] = -1;  // a row without a label is no error
  REQUIRE_FALSE(confused().has_value());
}

TEST_CASE("Evaluator scales bytes a batch at a time, to the same numbers", "[train]") {
  const auto data = in_bytes(with_validation());
  auto floats = data;
  floats.training.inputs = network_inputs(data.training.inputs);
  floats.test_inputs = network_inputs(data.test_inputs);
  auto net = small_ladder(1);
  auto expected = small_ladder(1);
  Evaluation of_bytes, of_floats;
  Evaluator(data, net, {.batch = 64}).measure(of_bytes);
  Evaluator(floats, expected, {.batch = 64}).measure(of_floats);
  require_same_network(*net, *expected);
  REQUIRE(of_bytes.test_error.value() == of_floats.test_error.value());
  REQUIRE(of_bytes.validation_error.value() == of_floats.validation_error.value());
  auto all_at_once = small_ladder(1);
  all_at_once->calibrate(floats.training.inputs, 64);
  require_same_network(*net, *all_at_once);
}

TEST_CASE("Evaluator calibrates on the rows that it is asked for", "[train]") {
  const auto data = blobs();
  auto net = small_ladder(1);
  auto expected = small_ladder(1);
  Evaluator(data, net, {.calibration = Calibration::kLabeledRows}).calibrate();
  expected->calibrate(data.training.inputs.narrow(0, 0, 9));
  require_same_network(*net, *expected);
  Evaluator(data, net, {.calibration_rows = 100}).calibrate();
  expected->calibrate(data.training.inputs.index_select(0, 3 * torch::arange(100)));
  require_same_network(*net, *expected);
}

TEST_CASE("Evaluator leaves rows without a label out and checks the others", "[train]") {
  auto data = with_validation();
  auto net = small_ladder(1);
  Evaluation all, some;
  Evaluator(data, net).measure(all);
  data.training.labels.narrow(0, 250, 50).fill_(-1);
  data.test_labels.narrow(0, 0, 200).fill_(-1);
  Evaluator(data, net).measure(some);
  REQUIRE(some.validation_error.value() == error_rate(net, data.training.inputs.narrow(0, 200, 50),
                                                      data.training.labels.narrow(0, 200, 50)));
  REQUIRE(some.test_error.value() == error_rate(net, data.test_inputs.narrow(0, 200, 100),
                                                data.test_labels.narrow(0, 200, 100)));

  const auto text = [&](const TrainData& changed) {
    return error_text([&] { Evaluator(changed, net); });
  };
  auto wrong = with_validation();
  wrong.training.labels[220] = 3;
  REQUIRE(text(wrong) ==
          "Trainer: expected labels of the validation rows in 0..2, or -1 for none, but got 3 (row "
          "220).");
  wrong = with_validation();
  wrong.training.labels.narrow(0, 200, 100).fill_(-1);
  REQUIRE(text(wrong) ==
          "Trainer: expected labels of the validation rows but got -1, which stands for none, for "
          "every row.");
  wrong = with_validation();
  wrong.test_labels = wrong.test_labels + 1;
  REQUIRE(text(wrong) ==
          "Trainer: expected labels of the test rows in 0..2, or -1 for none, but got 3 (row 2).");
  wrong = with_validation();
  wrong.test_labels = torch::full_like(wrong.test_labels, -1);
  REQUIRE(text(wrong) ==
          "Trainer: expected labels of the test rows but got -1, which stands for none, for every "
          "row.");
  wrong = with_validation();
  wrong.test_labels = wrong.test_labels.narrow(0, 0, 5);
  REQUIRE(text(wrong) ==
          "Trainer: expected int64 labels [300], one for each row, but got Long [5].");
}

TEST_CASE("Evaluator without a network, or without rows, measures nothing", "[train]") {
  auto data = blobs();
  data.test_inputs = data.test_labels = torch::Tensor();
  Evaluation evaluation;
  Evaluator(data, nullptr).measure(evaluation, true);
  auto net = small_ladder(1);
  const auto before = net->named_buffers()["stages.0.normalization.running_mean"].clone();
  Evaluator evaluator(data, net);
  evaluator.measure(evaluation);
  REQUIRE(net->named_buffers()["stages.0.normalization.running_mean"].equal(before));
  evaluator.measure(evaluation, true);
  REQUIRE_FALSE(net->named_buffers()["stages.0.normalization.running_mean"].equal(before));
  REQUIRE_FALSE(evaluation.test_error.has_value());
  REQUIRE_FALSE(evaluation.validation_error.has_value());
}
