#include <ladder/exports/python.h>
#include <ladder/exports/weights.h>
#include <ladder/io/safetensors.h>
#include <ladder/models/recipes.h>
#include <ladder/nn/from_sequential.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/python.h>
#include <tests/support/require_close.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/exports/models.h"

namespace {

using ladder::exports::PredictionModel;
using ladder::exports::python_files;
using ladder::exports::write_python;
using ladder::testing::error_text;
using ladder::testing::file_bytes;
using ladder::testing::rounding_of_images;
using ladder::testing::rounding_of_probabilities;
using ladder::testing::TemporaryFolder;

// Every module of a folder predicts the rows beside it, with no other module at hand than PyTorch.
constexpr const char* kRunModules = R"PY(
import glob, importlib.util, json, os, sys, warnings
import torch
from safetensors.torch import load_file
os.chdir(sys.argv[1])
for path in sorted(glob.glob("*.py")):
    spec = importlib.util.spec_from_file_location(path[:-3], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rows = load_file(path[:-3] + ".rows")
    wanted = rows.pop("expected")
    if os.path.exists(path[:-3] + ".json"):
        rows = json.load(open(path[:-3] + ".json"))
    else:
        rows = rows["rows"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        p = module.predict_proba(rows)
    if path == "table.py":  # its rows have sizes that training had not
        told = [str(one.message) for one in caught if "column 'size': " in str(one.message)]
        assert len(told) == 1 and told[0].endswith("texts were not in training"), told
        assert module.number_of("\u22125.5", "x", 0, False) == -5.5
    if path == "spelled.py":
        assert module.spells_missing_number("\u2212999.0")
        assert not module.spells_missing_number("\u22120999")
    assert p.dtype == wanted.dtype and p.shape == wanted.shape, (p.dtype, p.shape)
    if rows is not None and not isinstance(rows, dict) and rows.dtype == torch.uint8:
        try:  # pixels from 0 to 1 would be nearly black ones
            module.predict(rows / 255)
            raise AssertionError("took floats")
        except ValueError as error:
            told = "expected pixels from 0 to 255 as uint8 but got torch.float32"
            assert str(error) == told, error
    assert module.predict(rows) == [module.CLASSES[i] for i in p.argmax(1).tolist()]
    assert p.std(0).max() > 0.02
    network = module.load()
    torch.save(network.state_dict(), path[:-3] + ".state")
    print(path[:-3], (p - wanted).abs().max().item())
)PY";

void write_rows(const TemporaryFolder& folder, const std::string& name,
                const PredictionModel& model, const torch::Tensor& rows,
                const torch::Tensor& inputs) {
  write_python(folder / (name + ".py"), model);
  ladder::io::TensorMap feed = {{"expected", ladder::testing::probabilities(model, inputs)}};
  if (rows.defined()) feed["rows"] = rows;
  ladder::io::save_safetensors(folder / (name + ".rows"), feed);
}

// Columns as a dictionary of lists.
void write_columns(const std::filesystem::path& path, const ladder::data::Table& table) {
  nlohmann::json columns;
  for (const auto& column : table.columns) {
    auto& values = columns[column.name] = nlohmann::json::array();
    for (int64_t row = 0; row < table.rows; ++row) {
      if (column.kind == ladder::data::ColumnKind::kText) {
        values.push_back(ladder::data::cell_text(column, row));
      } else {
        values.push_back(column.numbers[static_cast<size_t>(row)]);  // NaN becomes null
      }
    }
  }
  ladder::testing::write_file(path, columns.dump());
}

}  // namespace

TEST_CASE("write_python rebuilds every kind of network in PyTorch", "[exports][slow]") {
  if (!ladder::testing::python("torch") || !ladder::testing::python("safetensors")) {
    LADDER_SKIP(ladder::testing::kNoPython);
  }
  const TemporaryFolder folder;
  std::map<std::string, double> bounds;
  torch::manual_seed(6);
  namespace models = ladder::models;
  namespace tnn = torch::nn;

  // Layers of the recipes; weights, not sizes, are what a module can get wrong, so few channels do.
  const std::vector<std::pair<std::string, models::NetworkOptions>> networks = {
      {"mlp", {.input_shape = {784}, .layers = {models::Dense{50}, models::Dense{10}}}},
      {"conv_small", models::conv_small()},
      {"pools",
       {.input_shape = {3, 13, 11},
        .layers = {models::Conv{5, 3, ladder::Border::kFull},
                   models::Conv{6, 3, ladder::Border::kSame, 2}, models::MaxPool{3},
                   models::Conv{7, 2, ladder::Border::kValid}, models::MeanPool{2},
                   models::Dense{9}, models::Dense{4}},
        .activation = ladder::Activation::kGelu}},
      {"global",
       {.input_shape = {2, 9, 8},
        .layers = {models::Conv{4, 3}, models::GlobalMeanPool{}},
        .activation = ladder::Activation::kLeakyRelu,
        .top_gamma = false}},
  };
  for (const auto& [name, options] : networks) {
    const auto model = ladder::testing::image_model(options);
    const auto rows = ladder::testing::random_images(*model.images, 7);
    write_rows(folder, name, model, rows, ladder::testing::image_inputs(*model.images, rows));
    bounds[name] = rounding_of_images(model, rows);
  }
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{3, 7, 6}, {28 * 3}}) {
    const auto model = ladder::testing::whitening_model(
        {.input_shape = shape, .layers = {models::Dense{9}, models::Dense{4}}});
    const auto rows = ladder::testing::images_to_whiten(*model.images, 8);
    const auto inputs = ladder::testing::image_inputs(*model.images, rows);
    const auto name = "whitened_" + std::to_string(shape.size());
    write_rows(folder, name, model, rows, inputs);
    write_rows(folder, name, model, rows, inputs);  // over the weights of the first time
    bounds[name] = rounding_of_images(model, rows);
  }
  tnn::Sequential layers(
      tnn::Conv1d(tnn::Conv1dOptions(2, 6, 4).padding(torch::kSame).groups(2)), tnn::BatchNorm1d(6),
      tnn::Tanh(), tnn::MaxPool1d(tnn::MaxPool1dOptions(3).stride(2).padding(1).ceil_mode(true)),
      tnn::AvgPool1d(tnn::AvgPool1dOptions(2)), tnn::AdaptiveAvgPool1d(1), tnn::Flatten(),
      tnn::Linear(6, 3));
  PredictionModel plain{.net = ladder::from_sequential(layers, {.input_shape = {2, 30}})};
  plain.net->to(torch::kFloat64);
  ladder::testing::shake(plain.net);
  plain.net->calibrate(torch::randn({50, 2, 30}, torch::kFloat64));
  const auto signals = torch::randn({9, 2, 30}, torch::kFloat64);
  write_rows(folder, "signals", plain, signals, signals);
  bounds["signals"] = rounding_of_probabilities(plain, [&] { return signals; });

  const auto table_model = ladder::testing::table_model(true);
  const auto table = ladder::testing::sample_table(60, 2, true, /*is_new=*/true);
  const auto table_inputs = table_model.features->apply(table);
  write_rows(folder, "table", table_model, {}, table_inputs);
  bounds["table"] =
      rounding_of_probabilities(table_model, [&] { return table_inputs.to(torch::kFloat64); });
  write_columns(folder / "table.json", table);
  const auto spelled_model = ladder::testing::spelled_model();
  auto spelled = ladder::testing::spelled_rows();
  for (auto& column : spelled.columns) {  // no-break spaces do not count
    for (auto& level : column.levels) level += "\xC2\xA0";
  }
  const auto spelled_inputs = spelled_model.features->apply(spelled);
  write_rows(folder, "spelled", spelled_model, {}, spelled_inputs);
  bounds["spelled"] =
      rounding_of_probabilities(spelled_model, [&] { return spelled_inputs.to(torch::kFloat64); });
  write_columns(folder / "spelled.json", spelled);

  CHECK(bounds.size() == 9);
  ladder::testing::require_differences(kRunModules, folder.path(), bounds);

  // The state of the Python form is read back into a network of other weights.
  auto copy = std::dynamic_pointer_cast<ladder::LadderImpl>(table_model.net->clone());
  const torch::NoGradGuard no_grad;
  for (auto& parameter : copy->parameters()) parameter.add_(1);
  const auto path = folder / "table.state.pt";
  std::filesystem::rename(folder / "table.state", path);
  ladder::exports::read_weights(path, ladder::Ladder(copy));
  const auto inputs = table_model.features->apply(table);
  copy->eval();
  CHECK(torch::equal(copy->forward(inputs).softmax(1),
                     ladder::testing::probabilities(table_model, inputs)));
}

TEST_CASE("write_python writes a folder or a file", "[exports]") {
  const TemporaryFolder folder;
  const auto model = ladder::testing::table_model(false);
  write_python(folder / "a/b", model);
  CHECK(std::filesystem::exists(folder / "a/b/model.py"));
  CHECK(std::filesystem::exists(folder / "a/b/model.pt"));
  write_python(folder / "c.py", model);
  CHECK(file_bytes(folder / "c.py") == file_bytes(folder / "a/b/model.py"));
  CHECK(file_bytes(folder / "c.pt") == file_bytes(folder / "a/b/model.pt"));
  CHECK(python_files(folder / "a/b").weights == folder / "a/b/model.pt");
  CHECK(python_files(folder / "c.py").module == folder / "c.py");

  ladder::testing::write_file(folder / "file", "x");
  CHECK(error_text([&] { write_python(folder / "file", model); }) ==
        "write_python: expected a folder or a path that ends in .py but got " +
            (folder / "file").string() + ".");
  CHECK(error_text([&] { write_python(folder / "d", {}); }) ==
        "write_python: expected a network but got an empty one.");
  CHECK_FALSE(std::filesystem::exists(folder / "d"));
}

TEST_CASE("write_python refuses in Python what the library refuses", "[exports][slow]") {
  if (!ladder::testing::python("torch")) LADDER_SKIP(ladder::testing::kNoPython);
  const TemporaryFolder folder;
  auto spelled = ladder::testing::spelled_model();
  spelled.features->missing.emplace_back("-999.9");
  write_python(folder / "model.py", spelled);
  // Numbers in a column of texts, and what they are as texts.
  ladder::data::Column numbers{
      .kind = ladder::data::ColumnKind::kNumber,
      .numbers = {3, -0.5, 0.1, 1e-5, 1e15, 9999999999999998, 1e16, -1e16, 1.25e20}};
  auto texts = nlohmann::json::array();
  for (size_t i = 0; i < numbers.numbers.size(); ++i) {
    texts.push_back({numbers.numbers[i], cell_text(numbers, static_cast<int64_t>(i))});
  }
  const auto outcome = ladder::testing::run_python(R"PY(
import json, sys
sys.path.insert(0, sys.argv[1])
import model

for value, text in json.loads(sys.argv[2]):
    assert model.text_of(value) == text, (value, text)

class NAType:  # as pandas has it
    def __bool__(self):
        raise TypeError("boolean value of NA is ambiguous")
    def __ne__(self, other):
        return self

rows = {"tail": [1.5, "2"], "age": [40, NAType()], "time": [1.7e9, 1.7e9],
        "flag": [True, NAType()], "kind": ["a", None], "grade": [2, 3.0]}
known = {**rows, "tail": [1.5, 2.0], "age": [40, "?"], "flag": ["true", ""], "kind": ["a", "unknown"],
         "grade": ["2.0", "3"]}
assert model.inputs(rows).equal(model.inputs(known))
spaced = {**rows, "tail": [1.5, " 2\t"], "age": [40, " ? "], "flag": [" true", " "],
          "kind": ["\ta ", " -999.0"]}
assert model.inputs(rows).equal(model.inputs(spaced))

# Single precision rounds what is missing; elsewhere the rounded number is another one.
import torch
single = torch.tensor([1.5, -999.9])
missing = model.inputs({**rows, "tail": [1.5, None]})
assert model.inputs({**rows, "tail": single}).equal(missing)
assert model.inputs({**rows, "tail": [1.5, -999.9]}).equal(missing)
assert not model.inputs({**rows, "tail": single.tolist()}).equal(missing)

def refused(column, value):
    try:
        model.predict({**rows, column: [value, value]})
    except ValueError as error:
        return str(error)

assert refused("age", float("inf")) == "expected finite numbers but got inf in row 1 of column 'age'."
assert refused("age", "old") == "expected a number but got 'old' in row 1 of column 'age'."

def refused_table(table):
    try:
        model.predict(table)
    except ValueError as error:
        return str(error)

assert refused_table({name: rows[name] for name in rows if name != "age"}) == (
    "expected a column 'age' but got none of this name.")
assert refused_table({**rows, "kind": ["a", "b", "c"]}) == (
    "expected 2 values, as in the columns before, but got 3 in column 'kind'.")
)PY",
                                                   {folder.path().string(), texts.dump()});
  INFO(outcome.err);
  CHECK(outcome.status == 0);
}

TEST_CASE("write_python leaves a file that is no weights of a module as it is", "[exports]") {
  const TemporaryFolder folder;
  const auto model = ladder::testing::table_model(false);
  ladder::exports::write_torch(folder / "m.pt", model);
  const auto bytes = file_bytes(folder / "m.pt");
  CHECK(error_text([&] { write_python(folder / "m.py", model); }) ==
        "write_python: expected to write weights to " + (folder / "m.pt").string() +
            " but got a file there that holds more than weights of such a module (give the module "
            "another name or folder).");
  CHECK(file_bytes(folder / "m.pt") == bytes);
  CHECK_FALSE(std::filesystem::exists(folder / "m.py"));
}
