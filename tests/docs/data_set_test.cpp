// The code of docs/add-a-data-set.md.
#include <c10/util/Exception.h>
#include <ladder/data/datasets.h>
#include <ladder/data/sampler.h>
#include <ladder/data/split.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

using ladder::data::Dataset;
using ladder::data::make_split;
using ladder::data::SemiSampler;
using ladder::data::Split;

// "5.1,3.5,0" is a row of two numbers in class 0; "4.9,3.0," has no label.
Dataset read_table(const std::filesystem::path& path, int64_t classes) {
  std::ifstream in(path);
  TORCH_CHECK(in.is_open(), "read_table: expected a readable file but could not open ",
              path.string(), ".");
  std::vector<float> values;
  std::vector<int64_t> labels;
  for (std::string line; std::getline(in, line);) {
    std::istringstream cells(line.substr(0, line.rfind(',')));
    for (std::string cell; std::getline(cells, cell, ',');) values.push_back(std::stof(cell));
    const std::string label = line.substr(line.rfind(',') + 1);
    labels.push_back(label.empty() ? -1 : std::stoll(label));
  }
  const auto rows = static_cast<int64_t>(labels.size());
  return {torch::tensor(values).reshape({rows, -1}), torch::tensor(labels, torch::kInt64), classes,
          path.stem().string()};
}

}  // namespace

TEST_CASE("Documentation's table reader makes rows that train", "[docs]") {
  const ladder::testing::TemporaryFolder folder;
  const std::filesystem::path file = folder / "flowers.csv";
  std::ofstream out(file);
  for (int row = 0; row < 300; ++row) {
    out << row << "," << 0.5 * row << "," << (row % 5 == 0 ? "" : std::to_string(row % 3)) << "\n";
  }
  out.close();

  const Dataset table = read_table(file, /*classes=*/3);
  const Split split = make_split(table.labels, table.classes, {.labels = 30, .validation = 60});
  SemiSampler rows({table.inputs, table.labels, split.labeled, split.unlabeled},
                   {.unlabeled_batch = 50});

  CHECK(table.inputs.sizes() == torch::IntArrayRef({300, 2}));
  CHECK(table.inputs[7][1].item<float>() == 3.5F);
  CHECK(table.labels.lt(0).sum().item<int64_t>() == 60);
  CHECK(table.name == "flowers");
  CHECK(rows.steps_per_epoch() == 4);
  const auto batch = rows.batch(0);
  CHECK(batch.x_labeled.sizes() == torch::IntArrayRef({30, 2}));
  CHECK(batch.x_unlabeled.sizes() == torch::IntArrayRef({50, 2}));
  CHECK(ladder::testing::error_text([&] { read_table(folder / "none", 3); }).find("read_table: ") ==
        0);
}
