#include "ladder/train/train_data.h"

#include <ladder/train/internal/training_checks.h>
#include <torch/torch.h>

#include <vector>

#include "tests/support/catch.h"
#include "tests/support/grouping_locale.h"
#include "tests/train/blobs.h"

using namespace ladder::testing;
using ladder::train::data_fingerprint;

TEST_CASE("data_fingerprint tells data apart and depends on nothing else", "[train]") {
  const auto data = blobs();
  const auto expected = data_fingerprint(data);
  REQUIRE(expected.at("inputs").starts_with("Float [300, 12] "));
  REQUIRE(expected.at("validation") == "none");
  REQUIRE(expected.size() == 9);

  auto same = blobs();
  same.training.inputs = same.training.inputs.t().contiguous().t();  // another layout
  REQUIRE(data_fingerprint(same) == expected);

  auto other = blobs();
  other.training.inputs[299][11] += 1;
  auto found = data_fingerprint(other);
  REQUIRE(found.at("inputs") != expected.at("inputs"));
  found["inputs"] = expected.at("inputs");
  REQUIRE(found == expected);

  other = blobs();
  other.training.inputs = other.training.inputs.flip(0);  // other rows of the same values
  REQUIRE(data_fingerprint(other).at("inputs") != expected.at("inputs"));

  other = blobs();
  other.test_labels = (other.test_labels + 1).remainder(3);
  other.validation = torch::arange(5);
  found = data_fingerprint(other);
  REQUIRE(found.at("test_labels") != expected.at("test_labels"));
  REQUIRE(found.at("validation").starts_with("Long [5] "));
  REQUIRE(found.at("test_inputs") == expected.at("test_inputs"));
}

TEST_CASE("data_fingerprint takes bytes for the numbers that training takes them for", "[train]") {
  auto bytes = blobs();
  bytes.training.inputs =
      torch::arange(300 * 12).remainder(256).reshape({300, 12}).to(torch::kUInt8);
  auto floats = bytes;
  floats.training.inputs = bytes.training.inputs.to(torch::kFloat32) / 255;
  REQUIRE(data_fingerprint(bytes) == data_fingerprint(floats));
}

TEST_CASE("data_fingerprint holds the CRC-32 of the bytes", "[train]") {
  ladder::train::TrainData data;
  data.training.labels = torch::tensor(std::vector<int64_t>{0x3736353433323130, 0x38},
                                       torch::kInt64);  // "01234567", "8"
  // zlib.crc32(b"01234567" + b"8" + 7 * b"\0") in Python
  REQUIRE(data_fingerprint(data).at("labels") == "Long [2] af7388fe");
}

TEST_CASE("data_fingerprint is the same in every locale", "[train]") {
  ladder::train::TrainData data;
  data.training.inputs = torch::zeros({1200, 2});
  data.training.neighbours = torch::zeros({1200, 3}, torch::kInt64);
  data.training.paired_until = 1500;
  const auto expected = data_fingerprint(data);
  REQUIRE(expected.at("inputs").starts_with("Float [1200, 2] "));
  REQUIRE(expected.at(ladder::train::kNeighboursPrint) == "[1200, 3] in epochs 0 to 1500");
  const GroupingLocale commas;
  REQUIRE(data_fingerprint(data) == expected);
}
