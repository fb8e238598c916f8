#include <ladder/exports/model_card.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/grouping_locale.h>
#include <torch/torch.h>

#include <string>

#include "tests/exports/models.h"

using Catch::Contains;
using ladder::exports::model_card;

TEST_CASE("model_card tells data, settings, numbers, limits and how to load", "[exports]") {
  const auto card = model_card(ladder::testing::table_model(true));
  CHECK_THAT(card,
             Contains("This model predicts one of 3 classes (yes, no \"maybe\", \xC3\xA9) from "
                      "rows of a table with 3 numeric and 2 text columns.\n"));
  CHECK_THAT(card, Contains("| labeled rows | 200 |\n"));
  CHECK_THAT(card, Contains("| validation error | 3.1 % \\| of 40 |\n"));  // one cell
  CHECK_THAT(card, Contains("| constant | number | not used: constant |\n"));
  CHECK_THAT(card, Contains("| id | text | not used: different in nearly every row |\n"));
  CHECK_THAT(card, Contains("| colour | text | one input for each of 4 texts, one for all others, "
                            "one that marks missing values |\n"));
  CHECK_THAT(card, Contains("| 2 | ladder::NoisyBatchNormLinear(30, 3) | 3 | 96 |\n"));
  CHECK_THAT(card,
             Contains("Weights of the denoising costs by level, from the input up: 10, 1, 0.1."));
  CHECK_THAT(card, Contains("## Limits\n"));
  CHECK_THAT(card, Contains("{\"numbers\": numbers, \"texts\": texts}"));
}

TEST_CASE("model_card describes images and many classes", "[exports]") {
  auto model = ladder::testing::image_model(
      {.input_shape = {3, 6, 5},
       .layers = {ladder::models::Conv{4, 2}, ladder::models::Dense{25}}});
  model.classes.clear();
  const auto card = model_card(model);
  CHECK_THAT(card, Contains(", 19 and 5 more) from images of 6 x 5 pixels with 3 channels.\n"));
  CHECK_THAT(card, Contains("This model predicts one of 25 classes (0, 1, "));
  CHECK_THAT(card, Contains("| 1 | 0.45 | 0.25 |\n"));
  CHECK_THAT(card, Contains("| 1 | ladder::NoisyConv(3, 4, 2x2, valid) | 4 x 5 x 4 | 52 |\n"));
  CHECK_THAT(card, Contains("Exported files take images of 6 x 5 pixels; `ladder predict` resizes "
                            "others."));
  CHECK_THAT(card, !Contains("denoising costs"));
  model.classes = {"two", "names"};
  CHECK(ladder::testing::error_text([&] { model_card(model); }) ==
        "model_card: expected names of 25 classes but got 2.");
}

TEST_CASE("model_card says how images are whitened", "[exports]") {
  const auto card = model_card(ladder::testing::whitening_model(
      {.input_shape = {3, 6, 5}, .layers = {ladder::models::Dense{4}}}));
  CHECK_THAT(card, Contains("from images of 6 x 5 pixels with 3 channels.\n"));
  CHECK_THAT(card, Contains("becomes (c - mean) map with c = 55 (x - m) / |x - m|, where"));
  CHECK_THAT(card, Contains("are the tensors `images.mean` and `images.map` beside the weights."));
  CHECK_THAT(card, !Contains("| channel | mean"));
}

TEST_CASE("model_card names the files that it stands beside", "[exports]") {
  const auto model = ladder::testing::table_model(true);
  CHECK_THAT(model_card(model), Contains("InferenceSession(\"model.onnx\")"));
  const auto card = model_card(model, "pumps");
  CHECK_THAT(card, Contains("InferenceSession(\"pumps.onnx\")"));
  CHECK_THAT(card, Contains("Python module (`pumps.py`, `pumps.pt`)"));
  CHECK_THAT(card, Contains("import pumps\n"));
  CHECK_THAT(card, !Contains("model.onnx"));
  CHECK_THAT(model_card(model, "a-b"), Contains("import model\n"));  // no name of a module
}

TEST_CASE("model_card shows code in which comments hide nothing", "[exports]") {
  const auto images = ladder::testing::image_model(
      {.input_shape = {3, 6, 5}, .layers = {ladder::models::Dense{4}}});
  auto flat = images;
  flat.images.reset();
  for (const auto& model : {ladder::testing::table_model(true), images, flat}) {
    const auto card = model_card(model);
    const std::string begins = "```python\n";
    int blocks = 0;
    for (auto at = card.find(begins); at != std::string::npos; at = card.find(begins, at + 1)) {
      const auto from = at + begins.size();
      int open = 0;
      bool comment = false;
      for (const char c : card.substr(from, card.find("```", from) - from)) {
        comment = c == '#' || (comment && c != '\n');
        if (!comment)
          open += (c == '(' || c == '[' || c == '{') - (c == ')' || c == ']' || c == '}');
      }
      INFO(card.substr(from, 300));
      CHECK(open == 0);
      ++blocks;
    }
    CHECK(blocks == 3);
    CHECK_THAT(card, Contains("import safetensors.torch\nimport torch\n"));
    CHECK_THAT(card, Contains("`ladder predict FOLDER DATA`"));
  }
}

TEST_CASE("model_card writes the same numbers in every locale", "[exports]") {
  const auto table = ladder::testing::table_model(true);
  const auto images = ladder::testing::image_model(
      {.input_shape = {784}, .layers = {ladder::models::Dense{1200}, ladder::models::Dense{3}}});
  const auto cards = [&] { return model_card(table) + model_card(images); };
  const auto expected = cards();
  CHECK_THAT(expected, Contains("from the input up: 10, 1, 0.1."));
  CHECK_THAT(expected, Contains("| 1 | ladder::NoisyBatchNormLinear(784, 1200) | 1200 |"));
  const ladder::testing::GroupingLocale commas;
  CHECK(cards() == expected);
}
