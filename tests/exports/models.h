/// Models with every part that an export writes, and rows to predict.
#pragma once

#include <ladder/data/features.h>
#include <ladder/exports/prediction_model.h>
#include <ladder/models/network.h>
#include <tests/support/bounds.h>
#include <tests/support/catch.h>
#include <tests/support/python.h>
#include <torch/torch.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace ladder::testing {

/// Of probabilities that have a standard deviation of at least 0.02: a larger bound would let
/// mistakes pass.
inline constexpr double kMaxBound = 0.004;

/// Give every shift and scale a value of its own: they start at 0 and 1.
inline void shake(const Ladder& net) {
  const torch::NoGradGuard no_grad;
  for (auto& item : net->named_parameters()) {
    if (item.key().ends_with(".beta")) item.value().normal_(0.0, 0.3);
    if (item.key().ends_with(".gamma")) item.value().uniform_(0.5, 1.5);
  }
}

/// Probabilities of inputs that are rows of the network already.
inline torch::Tensor probabilities(const exports::PredictionModel& model,
                                   const torch::Tensor& inputs) {
  const torch::NoGradGuard no_grad;
  auto net = model.net;
  net->eval();
  return net->forward(inputs).softmax(1);
}

/// How far rounding can move the probabilities of two programs that compute them in orders of their
/// own, in the type of the network. `inputs()` gives the rows of the network in float64.
template <class F>
double rounding_of_probabilities(const exports::PredictionModel& model, const F& inputs) {
  const auto dtype = model.net->parameters().front().scalar_type();
  exports::PredictionModel exact{.net = std::dynamic_pointer_cast<LadderImpl>(model.net->clone())};
  exact.net->to(torch::kFloat64);
  const Bound bound =
      rounding_of([&] { return std::vector{probabilities(exact, inputs())}; }, dtype).front();
  return 2 * (bound.most.item<double>() + bound.share);  // p is at most 1
}

/// y = (x / 255 - mean) / scale, or whitened images.
inline torch::Tensor image_inputs(const exports::ImageInputs& images, const torch::Tensor& x,
                                  torch::Dtype dtype = torch::kFloat32) {
  const auto shaped = [&](const torch::Tensor& y) { return images.flat ? y.flatten(1) : y; };
  if (!images.whitening) {
    const auto mean = torch::tensor(images.mean, dtype).view({1, -1, 1, 1});
    const auto scale = torch::tensor(images.scale, dtype).view({1, -1, 1, 1});
    return shaped((x.to(dtype) / 255 - mean) / scale);
  }
  const auto& whitening = *images.whitening;
  if (dtype == torch::kFloat32) return shaped(whitening.apply(x));
  auto rows = x.to(dtype).flatten(1);
  rows = rows - rows.mean(1, true);
  // An image of one value alone has no contrast, as the library has it.
  const auto norm = rows.norm(2, 1, true);
  rows = torch::where(norm.lt(0.5), 0.0, whitening.contrast_norm * rows / norm);
  rows = torch::mm(rows - whitening.mean.to(dtype), whitening.map.to(dtype));
  return shaped(rows.view(x.sizes()));
}

/// `rounding_of_probabilities` for images [N, C, H, W].
inline double rounding_of_images(const exports::PredictionModel& model, const torch::Tensor& x) {
  return rounding_of_probabilities(model,
                                   [&] { return image_inputs(*model.images, x, torch::kFloat64); });
}

/// Pixels with patches of their own brightness in every image. The channel means of plain noise
/// hardly differ between images, and a normalisation by their standard deviation would bring out
/// nothing but rounding.
inline torch::Tensor random_images(const exports::ImageInputs& images, int64_t rows) {
  namespace functional = torch::nn::functional;
  const auto patches = functional::interpolate(
      torch::rand({rows, images.channels, 4, 4}),
      functional::InterpolateFuncOptions().size(std::vector<int64_t>{images.height, images.width}));
  return (255 * (0.8 * patches + 0.2 * torch::rand_like(patches))).to(torch::kUInt8);
}

/// A calibrated network of these layers with random weights that predicts from images.
inline exports::PredictionModel image_model(models::NetworkOptions options, int64_t rows = 32) {
  options.lambda = {};
  exports::PredictionModel model{.net = models::network(options)};
  const auto& shape = options.input_shape;
  exports::ImageInputs images;
  images.flat = shape.size() == 1;
  images.channels = images.flat ? 1 : shape[0];
  images.height = images.flat ? 28 : shape[1];
  images.width = images.flat ? shape[0] / 28 : shape[2];
  for (int64_t c = 0; c < images.channels; ++c) {
    images.mean.push_back(0.4 + 0.05 * static_cast<double>(c));
    images.scale.push_back(0.3 - 0.05 * static_cast<double>(c));
  }
  shake(model.net);
  model.net->calibrate(image_inputs(images, random_images(images, rows)));
  model.images = images;
  return model;
}

/// An `image_model` that whitens its images.
inline exports::PredictionModel whitening_model(const models::NetworkOptions& options,
                                                int64_t rows = 200) {
  auto model = image_model(options);
  auto& images = *model.images;
  images.mean.clear();
  images.scale.clear();
  const auto pixels = random_images(images, rows);
  images.whitening = data::ImageWhitening::fit(pixels);
  model.net->calibrate(image_inputs(images, pixels));
  return model;
}

/// `random_images`, the last of them of one value alone, which has no contrast.
inline torch::Tensor images_to_whiten(const exports::ImageInputs& images, int64_t rows) {
  auto pixels = random_images(images, rows);
  pixels[rows - 1].fill_(77);
  return pixels;
}

inline data::Column number_column(const std::string& name, std::vector<double> numbers) {
  return {.name = name, .kind = data::ColumnKind::kNumber, .numbers = std::move(numbers)};
}

/// "" is a missing text.
inline data::Column text_column(const std::string& name, const std::vector<std::string>& texts) {
  data::Column column{.name = name, .kind = data::ColumnKind::kText};
  for (const auto& text : texts) {
    int32_t code = -1;
    for (size_t l = 0; l < column.levels.size(); ++l) {
      if (column.levels[l] == text) code = static_cast<int32_t>(l);
    }
    if (code < 0 && !text.empty()) {
      code = static_cast<int32_t>(column.levels.size());
      column.levels.push_back(text);
    }
    column.codes.push_back(code);
  }
  return column;
}

/// Rows with missing values, heavy tails, values far from 0, a constant and, if wanted, texts.
/// `is_new` adds levels that other rows do not have. All numbers are float32 values.
inline data::Table sample_table(int64_t rows, unsigned seed, bool texts, bool is_new = false) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  const std::vector<std::string> colours = {"red", "green", "blue \"sky\"", "gr\xC3\xBCn"};
  std::vector<double> age, time, tail, constant;
  std::vector<std::string> colour, size, id;
  for (int64_t row = 0; row < rows; ++row) {
    const auto as_float = [](double value) { return double{static_cast<float>(value)}; };
    const bool missing = row % 7 == 3;
    age.push_back(missing ? std::numeric_limits<double>::quiet_NaN()
                          : as_float(40 + 10 * normal(random)));
    time.push_back(as_float(1.7e9 + 1e5 * normal(random)));
    tail.push_back(as_float(std::exp(3 * normal(random))));
    constant.push_back(5);
    const auto draw = random() % 100;
    colour.push_back(row % 11 == 5         ? ""
                     : is_new && draw < 20 ? "violet"
                     : draw == 99          ? "rare"
                                           : colours[draw % 4]);
    size.push_back(is_new && draw < 30   ? ""
                   : is_new && draw < 50 ? "xl"
                   : draw % 2 == 0       ? "s"
                                         : "m");
    id.push_back("row " + std::to_string(row));
  }
  data::Table table{.source = "sample", .rows = rows};
  table.columns = {number_column("tail", tail), number_column("age", age),
                   number_column("constant", constant)};
  if (texts) {
    table.columns.push_back(text_column("colour", colour));
    table.columns.push_back(text_column("id", id));
  }
  table.columns.push_back(number_column("time", time));
  if (texts) table.columns.push_back(text_column("size", size));
  return table;
}

/// A calibrated network with random weights that predicts three classes from `sample_table`.
inline exports::PredictionModel table_model(bool texts) {
  const auto table = sample_table(400, 1, texts);
  exports::PredictionModel model;
  model.features = data::fit_features(table, {}, {.max_levels = 4});
  models::NetworkOptions options{.input_shape = {model.features->width()},
                                 .layers = {models::Dense{30}, models::Dense{3}}};
  options.lambda = models::full_lambda(2, 10, 1, 0.1);
  model.net = models::network(options);
  shake(model.net);
  model.net->calibrate(model.features->apply(table));
  model.classes = {"yes", "no \"maybe\"", "\xC3\xA9"};
  model.facts = {{"labeled rows", "200"}, {"validation error", "3.1 % | of 40"}};
  return model;
}

/// A model of columns whose missing values and truth values have many spellings.
inline exports::PredictionModel spelled_model() {
  auto table = sample_table(400, 1, false);
  std::vector<std::string> flags, kinds, grades;
  for (int64_t row = 0; row < table.rows; ++row) {
    flags.push_back(row % 3 == 0 ? "true" : "false");
    kinds.push_back(row % 5 == 0 ? "" : row % 2 == 0 ? "a" : "b");
    grades.push_back(row % 4 == 0 ? "2.0" : row % 4 == 1 ? "3" : "2020-01-31");
  }
  table.columns.push_back(text_column("flag", flags));
  table.columns.push_back(text_column("kind", kinds));
  table.columns.push_back(text_column("grade", grades));
  table.missing = {"-999", "unknown"};
  exports::PredictionModel model;
  model.features = data::fit_features(table, {});
  models::NetworkOptions options{.input_shape = {model.features->width()},
                                 .layers = {models::Dense{20}, models::Dense{3}}};
  options.lambda = models::full_lambda(2, 10, 1, 0.1);
  model.net = models::network(options);
  shake(model.net);
  model.net->calibrate(model.features->apply(table));
  model.classes = {"x", "y", "z"};
  return model;
}

/// Rows of `spelled_model` as no reader of the library has seen them.
inline data::Table spelled_rows() {
  auto table = sample_table(12, 3, false);
  const std::vector<std::string> flags = {"true", "False", "TRUE", "0", "1", "NA"};
  const std::vector<std::string> kinds = {"a", "?", "unknown", "NULL", "b", "c"};
  const std::vector<std::string> grades = {"2", "3.0", "2.0", "2020-01-31 00:00:00", "03", "3"};
  std::vector<std::string> flag, kind, grade;
  for (size_t row = 0; row < 12; ++row) {
    flag.push_back(flags[row % 6]);
    kind.push_back(kinds[(row + row / 6) % 6]);
    grade.push_back(grades[row % 6]);
    if (row % 4 == 1) table.columns[0].numbers[row] = -999;
  }
  table.columns.push_back(text_column("flag", flag));
  table.columns.push_back(text_column("kind", kind));
  table.columns.push_back(text_column("grade", grade));
  return table;
}

/// Run a Python script in `folder` that prints a name and its largest difference on each line, and
/// require differences within the bounds of these names.
inline void require_differences(const std::string& script, const std::filesystem::path& folder,
                                std::map<std::string, double> bounds) {
  const auto outcome = run_python(script, {folder.string()});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  std::istringstream lines(outcome.out);
  std::string name;
  for (double worst = 0; lines >> name >> worst;) {
    CAPTURE(name);
    REQUIRE(bounds.contains(name));
    CHECK(bounds[name] < kMaxBound);
    CHECK(worst <= bounds[name]);
    bounds.erase(name);
  }
  CHECK(bounds.empty());
}

}  // namespace ladder::testing
