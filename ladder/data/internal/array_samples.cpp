#include "ladder/data/internal/array_samples.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "ladder/data/internal/folders.h"
#include "ladder/data/internal/image_samples.h"
#include "ladder/data/internal/missing_values.h"
#include "ladder/data/internal/table_samples.h"
#include "ladder/data/internal/unnamed_column.h"
#include "ladder/data/npy.h"

namespace ladder::data {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

constexpr double kMissingValue = std::numeric_limits<double>::quiet_NaN();

Samples image_samples(const torch::Tensor& images, const fs::path& path) {
  Samples samples;
  samples.source = path.string();
  samples.images = as_images("read_samples", images, path.string());
  return samples;
}

// Returns labels [N].
torch::Tensor flat_labels(const torch::Tensor& y, int64_t rows, const fs::path& path) {
  const torch::Tensor flat = y.dim() == 2 && y.size(1) == 1 ? y.squeeze(1) : y;
  TORCH_CHECK(flat.dim() == 1 && flat.size(0) == rows, "read_samples: expected labels [", rows,
              "], one for each row, but got ", y.sizes(), " in ", path.string(), ".");
  return flat;
}

// Labels of images, int64 [N], -1 for a missing one.
torch::Tensor image_labels(const torch::Tensor& y, const fs::path& path) {
  if (!y.is_floating_point()) return y.to(at::kLong);
  constexpr double kMaxWhole = 1e15;
  const auto numbers = at::where(y.isnan(), -1.0, y.to(at::kDouble));
  const auto refuse = [&](const torch::Tensor& wrong, const char* expected) {
    const auto rows = wrong.nonzero();
    TORCH_CHECK(rows.numel() == 0, "read_samples: expected whole numbers", expected,
                " as labels of images but got ", numbers[rows[0].item<int64_t>()].item<double>(),
                " in ", path.string(), ".");
  };
  refuse(numbers.ne(numbers.round()), "");
  refuse(numbers.abs().gt(kMaxWhole), " of at most 1e+15");
  return numbers.to(at::kLong);
}

// Labels of a table as a column of numbers; as texts where float64 does not hold each of them.
Column label_values(const torch::Tensor& y) {
  Column column{.name = "y"};
  constexpr int64_t kMaxWhole = (int64_t{1} << 53) - 1;  // as check_exact_numbers has it
  if (y.scalar_type() != at::kLong || y.numel() == 0 ||
      (y.max().item<int64_t>() <= kMaxWhole && y.min().item<int64_t>() >= -kMaxWhole)) {
    const auto values = y.to(at::kDouble).contiguous();
    const auto* data = values.const_data_ptr<double>();
    column.numbers = {data, data + values.numel()};
    return column;
  }
  const auto values = y.contiguous();
  const auto* data = values.const_data_ptr<int64_t>();
  return text_column(column.name, values.numel(),
                     [data](int64_t row) { return std::to_string(data[row]); });
}

Samples array_samples(const torch::Tensor& x, const torch::Tensor& y, const fs::path& path,
                      const fs::path& labels_path, const ReadOptions& options) {
  if (x.scalar_type() == at::kByte && (x.dim() == 3 || x.dim() == 4)) {
    Samples samples = image_samples(x, path);
    torch::Tensor labels = at::full({x.size(0)}, -1, at::kLong);
    if (y.defined()) labels = image_labels(flat_labels(y, x.size(0), labels_path), labels_path);
    set_number_labels(samples, labels);
    return samples;
  }
  const torch::Tensor matrix = x.dim() == 1 ? x.unsqueeze(1) : x;
  TORCH_CHECK(
      matrix.dim() == 2 && !matrix.is_complex(),
      "read_samples: expected a matrix of numbers [rows, columns] or uint8 images [N, H, W], "
      "[N, C, H, W] or [N, H, W, C] but got ",
      c10::toString(x.scalar_type()), " ", x.sizes(), " in ", path.string(), ".");
  constexpr int64_t kMaxInputs = 100'000;
  TORCH_CHECK(matrix.size(1) <= kMaxInputs, "read_samples: expected at most ", kMaxInputs,
              " columns but got ", matrix.size(1), " in ", path.string(), ".");
  Table table;
  table.source = path.string();
  table.rows = matrix.size(0);
  table.array_columns = matrix.size(1);
  std::vector<double> rounded;  // missing values as half precision holds them: -999.9 is -1000
  if (matrix.scalar_type() == at::kHalf) {
    const MissingValues missing(options.csv.missing);
    for (const double number : missing.numbers()) {
      const double half = static_cast<float>(c10::Half(static_cast<float>(number)));
      if (std::isfinite(half)) rounded.push_back(half);
    }
  }
  for (int64_t i = 0; i < matrix.size(1); ++i) {
    torch::Tensor values = matrix.select(1, i).to(at::kDouble).contiguous();
    for (const double number : rounded)
      values = values.masked_fill(values.eq(number), kMissingValue);
    const auto* data = values.const_data_ptr<double>();
    table.columns.push_back({.name = unnamed_column(static_cast<size_t>(i)),
                             .numbers = {data, data + values.numel()},
                             .single = matrix.scalar_type() == at::kFloat});
  }
  if (y.defined()) {
    table.columns.push_back(label_values(flat_labels(y, table.rows, labels_path)));
    make_text(table, "y");
  }
  Samples samples = typed_samples(std::move(table), path, options);
  if (y.defined()) samples.label = "y";
  return samples;
}

// Names of arrays that hold the inputs or labels of a part; the first one found is taken.
Names array_names(bool labels, Part part) {
  if (part == Part::kTest) {
    return labels ? Names{"y_test", "test_y", "test_labels"}
                  : Names{"x_test", "test_x", "test_images"};
  }
  return labels ? Names{"y",     "y_train", "train_y", "labels", "train_labels",
                        "label", "target",  "targets", "arr_1"}
                : Names{"x",    "x_train",  "train_x", "images", "train_images",
                        "data", "features", "arr_0"};
}

// Returns the place of the array of the first of these names among those in a file, or -1.
int64_t find_name(const Names& there, const Names& names) {
  for (const std::string& wanted : names) {
    for (size_t i = 0; i < there.size(); ++i) {
      if (lower_text(there[i]) == wanted) return static_cast<int64_t>(i);
    }
  }
  return -1;
}

// Returns the first of these names among those in a file, as it is there, or "".
std::string found_name(const Names& there, const Names& names) {
  const auto place = find_name(there, names);
  return place < 0 ? std::string() : there[static_cast<size_t>(place)];
}

// Names of arrays that are neither read nor those of another part.
std::string unread_arrays(const Names& there, const Names& read) {
  std::string names;
  for (const auto& name : there) {
    const bool is_read = std::find(read.begin(), read.end(), name) != read.end();
    bool is_of_part = false;
    for (const bool labels : {false, true}) {
      is_of_part = is_of_part || find_name({name}, array_names(labels, Part::kTest)) >= 0;
    }
    const auto lower = lower_text(name);
    is_of_part = is_of_part || lower.find("train") != lower.npos;
    if (!is_read && !is_of_part) names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

// Returns the file of labels beside a file of inputs, x.npy or images_train.npy say.
fs::path label_file_beside(const fs::path& path) {
  const std::string stem = path.stem().string();
  const std::vector<std::pair<std::string, Names>> words = {{"x", {"y"}},
                                                            {"X", {"y", "Y"}},
                                                            {"images", {"labels"}},
                                                            {"data", {"labels", "target"}},
                                                            {"features", {"labels", "target"}}};
  for (const auto& [word, partners] : words) {
    for (size_t at = stem.find(word); at != std::string::npos; at = stem.find(word, at + 1)) {
      const size_t end = at + word.size();
      const auto is_letter = [&](size_t i) {
        return std::isalnum(static_cast<unsigned char>(stem[i])) != 0;
      };
      if ((at > 0 && is_letter(at - 1)) || (end < stem.size() && is_letter(end))) continue;
      for (const std::string& partner : partners) {
        fs::path labels =
            path.parent_path() / (stem.substr(0, at) + partner + stem.substr(end) + ".npy");
        if (is_a_file(labels)) return labels;
      }
    }
  }
  return {};
}

}  // namespace

Samples npz_samples(const fs::path& path, const ReadOptions& options) {
  const auto there = npz_names(path);
  std::string inputs, labels;
  for (const Part part : {options.part, Part::kTrain}) {
    inputs = found_name(there, array_names(false, part));
    labels = found_name(there, array_names(true, part));
    if (!inputs.empty()) break;
  }
  std::string names;
  for (const auto& name : there) names += (names.empty() ? "" : ", ") + name;
  TORCH_CHECK(!inputs.empty(), "read_samples: expected arrays x and y but got ",
              names.empty() ? "none" : names, " in ", path.string(),
              " (x_train, images, data and the like are taken too).");
  const Names read = labels.empty() ? Names{inputs} : Names{inputs, labels};
  const auto arrays = read_npz(path, read);
  const auto& x = arrays.at(inputs);
  const auto y = labels.empty() ? torch::Tensor() : arrays.at(labels);
  TORCH_CHECK(x.dim() > 0, "read_samples: expected an array of rows but got a single number in ",
              path.string(), ".");
  auto samples = array_samples(x, y, path, path, options);
  if (const auto others = unread_arrays(there, read); !others.empty()) {
    samples.notes.push_back("arrays of " + path.string() + " that are not read: " + others);
  }
  return samples;
}

Samples npy_samples(const fs::path& path, const ReadOptions& options) {
  const torch::Tensor x = read_npy(path);
  TORCH_CHECK(x.dim() > 0, "read_samples: expected an array of rows but got a single number in ",
              path.string(), ".");
  const fs::path labels = label_file_beside(path);
  const torch::Tensor y = labels.empty() ? torch::Tensor() : read_npy(labels);
  return array_samples(x, y, path, labels, options);
}

bool npz_has_inputs(const fs::path& path, Part part) {
  return find_name(npz_names(path), array_names(false, part)) >= 0;
}

fs::path npy_inputs(const fs::path& folder, Part part) {
  for (const std::string& wanted : array_names(false, part)) {
    for (const std::string& name : names_in(folder)) {
      if (lower_text(name) == wanted + ".npy" && is_a_file(folder / name)) return folder / name;
    }
  }
  return {};
}

}  // namespace ladder::data
