#include "ladder/data/read_samples.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <zlib.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <vector>

#include "ladder/data/arrow.h"
#include "ladder/data/cifar_folder.h"
#include "ladder/data/idx_folder.h"
#include "ladder/data/image_folder.h"
#include "ladder/data/internal/folders.h"
#include "ladder/data/internal/image_codec.h"
#include "ladder/data/internal/image_samples.h"
#include "ladder/data/internal/unnamed_column.h"
#include "ladder/data/npy.h"
#include "ladder/io/internal/file_kind.h"

namespace ladder::data {
namespace {

namespace fs = std::filesystem;
using std::string_view_literals::operator""sv;

constexpr const char* kTaken =
    "read_samples: expected a table (CSV, TSV, NPZ, Parquet, Feather), a folder of images, or the "
    "files of MNIST's or CIFAR's format but got ";

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

bool is_a_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// Returns the first bytes of a file, of what is packed if it is gzip.
std::string unpacked_head(const fs::path& path) {
  std::string head(io::kFileKindBytes, '\0');
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> in(::gzopen(path.c_str(), "rb"), &::gzclose);
  const int got =
      in == nullptr ? 0 : ::gzread(in.get(), head.data(), static_cast<unsigned>(head.size()));
  head.resize(static_cast<size_t>(std::max(got, 0)));
  return head;
}

// ---- Tables

// Makes the column `name` a text, if it is there.
void make_text(Table& table, const std::string& name) {
  const int64_t index = table.find(name);
  if (index < 0) return;
  Column& column = table.columns[static_cast<size_t>(index)];
  if (column.kind == ColumnKind::kText) return;
  Column text;
  text.name = column.name;
  text.kind = ColumnKind::kText;
  text.codes.reserve(column.numbers.size());
  std::unordered_map<std::string, int32_t> known;
  for (int64_t row = 0; row < table.rows; ++row) {
    std::string value = cell_text(column, row);
    if (value.empty()) {
      text.codes.push_back(-1);
      continue;
    }
    const auto [place, fresh] = known.try_emplace(value, static_cast<int32_t>(known.size()));
    if (fresh) text.levels.push_back(std::move(value));
    text.codes.push_back(place->second);
  }
  column = std::move(text);
}

void refuse_table_size(const fs::path& path, const ReadOptions& options) {
  if (!options.size) return;
  TORCH_CHECK(false, "read_samples: expected pictures, to scale to ", options.size->first, "x",
              options.size->second, ", but got a table in ", path.string(),
              " (neither --size nor a model of pictures takes a table).");
}

Samples table_samples(Table table, const fs::path& path, const ReadOptions& options) {
  refuse_table_size(path, options);
  make_text(table, options.label);
  make_text(table, options.id);
  Samples samples;
  samples.source = path.string();
  samples.table = std::move(table);
  return samples;
}

Samples typed_samples(Table table, const fs::path& path, const ReadOptions& options) {
  apply_options(table, options.csv);
  return table_samples(std::move(table), path, options);
}

Samples csv_samples(const fs::path& path, const ReadOptions& options) {
  refuse_table_size(path, options);  // first, so that nobody mends a file of the wrong kind
  CsvOptions csv = options.csv;
  for (const std::string& name : {options.label, options.id}) {
    if (!name.empty()) csv.kinds[name] = ColumnKind::kText;
  }
  return table_samples(read_csv(path, csv), path, options);
}

// ---- Arrays

Samples image_samples(const torch::Tensor& images, const fs::path& path) {
  Samples samples;
  samples.source = path.string();
  samples.images = as_images("read_samples", images, path.string());
  return samples;
}

// Returns labels as numbers, float64 [N].
torch::Tensor label_numbers(const torch::Tensor& y, int64_t rows, const fs::path& path) {
  const torch::Tensor flat = y.dim() == 2 && y.size(1) == 1 ? y.squeeze(1) : y;
  TORCH_CHECK(flat.dim() == 1 && flat.size(0) == rows, "read_samples: expected labels [", rows,
              "], one for each row, but got ", y.sizes(), " in ", path.string(), ".");
  return flat.to(at::kDouble).contiguous();
}

Samples array_samples(const torch::Tensor& x, const torch::Tensor& y, const fs::path& path,
                      const fs::path& labels_path, const ReadOptions& options) {
  if (x.scalar_type() == at::kByte && (x.dim() == 3 || x.dim() == 4)) {
    Samples samples = image_samples(x, path);
    torch::Tensor labels = at::full({x.size(0)}, -1, at::kLong);
    if (y.defined()) {
      torch::Tensor numbers = label_numbers(y, x.size(0), labels_path);
      numbers = at::where(numbers.isnan(), -1.0, numbers);
      const auto wrong = numbers.ne(numbers.round()).logical_or_(numbers.abs().gt(1e15)).nonzero();
      TORCH_CHECK(wrong.numel() == 0,
                  "read_samples: expected whole numbers as labels of images but ", "got ",
                  numbers[wrong[0].item<int64_t>()].item<double>(), " in ", labels_path.string(),
                  ".");
      labels = numbers.to(at::kLong);
    }
    set_number_labels(samples, labels);
    return samples;
  }
  const torch::Tensor matrix = x.dim() == 1 ? x.unsqueeze(1) : x;
  TORCH_CHECK(
      matrix.dim() == 2 && !matrix.is_complex(),
      "read_samples: expected a matrix of numbers [rows, columns] or uint8 images [N, H, W], "
      "[N, C, H, W] or [N, H, W, C] but got ",
      c10::toString(x.scalar_type()), " ", x.sizes(), " in ", path.string(), ".");
  constexpr int64_t kMostInputs = 100'000;
  TORCH_CHECK(matrix.size(1) <= kMostInputs, "read_samples: expected at most ", kMostInputs,
              " columns but got ", matrix.size(1), " in ", path.string(), ".");
  Table table;
  table.source = path.string();
  table.rows = matrix.size(0);
  for (int64_t i = 0; i < matrix.size(1); ++i) {
    const torch::Tensor values = matrix.select(1, i).to(at::kDouble).contiguous();
    const auto* data = values.const_data_ptr<double>();
    table.columns.push_back({.name = unnamed_column(static_cast<size_t>(i)),
                             .numbers = {data, data + values.numel()},
                             .single = matrix.scalar_type() == at::kFloat});
  }
  if (y.defined()) {
    const torch::Tensor values = label_numbers(y, table.rows, labels_path);
    const auto* data = values.const_data_ptr<double>();
    table.columns.push_back({.name = "y", .numbers = {data, data + values.numel()}});
    make_text(table, "y");
  }
  Samples samples = typed_samples(std::move(table), path, options);
  if (y.defined()) samples.label = "y";
  return samples;
}

using Names = std::vector<std::string>;

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

torch::Tensor find_array(const std::map<std::string, torch::Tensor>& arrays, const Names& names) {
  Names there;
  for (const auto& [name, array] : arrays) there.push_back(name);
  const auto place = find_name(there, names);
  return place < 0 ? torch::Tensor() : arrays.at(there[static_cast<size_t>(place)]);
}

// Names of arrays that are neither read nor those of another part.
std::string unread_arrays(const std::map<std::string, torch::Tensor>& arrays,
                          const std::vector<torch::Tensor>& read) {
  std::string names;
  for (const auto& [name, array] : arrays) {
    const bool is_read = std::any_of(read.begin(), read.end(), [&one = array](const auto& other) {
      return other.defined() && other.is_same(one);
    });
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

Samples npz_samples(const fs::path& path, const ReadOptions& options) {
  const auto arrays = read_npz(path);
  torch::Tensor x;
  torch::Tensor y;
  if (options.part == Part::kTest) {
    x = find_array(arrays, array_names(false, Part::kTest));
    y = find_array(arrays, array_names(true, Part::kTest));
  }
  if (!x.defined()) {
    x = find_array(arrays, array_names(false, Part::kTrain));
    y = find_array(arrays, array_names(true, Part::kTrain));
  }
  std::string names;
  for (const auto& [name, array] : arrays) names += (names.empty() ? "" : ", ") + name;
  TORCH_CHECK(x.defined(), "read_samples: expected arrays x and y but got ",
              names.empty() ? "none" : names, " in ", path.string(),
              " (x_train, images, data and the like are taken too).");
  TORCH_CHECK(x.dim() > 0, "read_samples: expected an array of rows but got a single number in ",
              path.string(), ".");
  auto samples = array_samples(x, y, path, path, options);
  if (const auto others = unread_arrays(arrays, {x, y}); !others.empty()) {
    samples.notes.push_back("arrays of " + path.string() + " that are not read: " + others);
  }
  return samples;
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

Samples npy_samples(const fs::path& path, const ReadOptions& options) {
  const torch::Tensor x = read_npy(path);
  TORCH_CHECK(x.dim() > 0, "read_samples: expected an array of rows but got a single number in ",
              path.string(), ".");
  const fs::path labels = label_file_beside(path);
  const torch::Tensor y = labels.empty() ? torch::Tensor() : read_npy(labels);
  return array_samples(x, y, path, labels, options);
}

// ---- Folders

// Returns the file of inputs of a part among the .npy files of a folder, or an empty path.
fs::path npy_inputs(const fs::path& folder, Part part) {
  for (const std::string& wanted : array_names(false, part)) {
    for (const std::string& name : names_in(folder)) {
      if (lower_text(name) == wanted + ".npy" && is_a_file(folder / name)) return folder / name;
    }
  }
  return {};
}

// Returns the folder with the first of these names, in any case of letters; the same case wins.
fs::path first_folder(const fs::path& folder, const Names& names) {
  const auto there = names_in(folder);
  for (const std::string& name : names) {
    if (is_folder(folder / name)) return folder / name;
    for (const std::string& other : there) {
      if (lower_text(other) == name && is_folder(folder / other)) return folder / other;
    }
  }
  return {};
}

bool has_own_pictures(const fs::path& folder) {
  const auto names = names_in(folder);
  return std::any_of(names.begin(), names.end(), [&](const auto& name) {
    return is_picture_name(name) && is_a_file(folder / name);
  });
}

// Whether a folder holds pictures, or folders of them, as a class and a part do. Looks at its first
// entries only: a folder of other things may be large.
bool has_pictures(const fs::path& folder) {
  constexpr int kMostEntries = 10'000;
  std::error_code error;
  fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error);
  for (int i = 0; i < kMostEntries && !error && at != fs::recursive_directory_iterator();
       ++i, at.increment(error)) {
    if (is_picture_name(at->path().filename().string())) return true;
    if (at.depth() > 0) at.disable_recursion_pending();
  }
  return false;
}

// Returns the subfolder of a part, if the folder has both and no other pictures: beside other
// folders of pictures, train and test are classes like these.
fs::path part_folder(const fs::path& folder, Part part) {
  const fs::path train = first_folder(folder, {"train", "training"});
  const fs::path test = first_folder(folder, {"test", "testing", "val", "valid", "validation"});
  if (train.empty() || test.empty()) return {};
  for (const std::string& name : names_in(folder)) {
    if (name.starts_with('.') || is_part_name(name) || !is_folder(folder / name) ||
        !has_pictures(folder / name)) {
      continue;
    }
    TORCH_CHECK(has_own_pictures(train) || has_own_pictures(test),
                "read_samples: expected folders of classes or of parts but got the parts ",
                train.filename().string(), " and ", test.filename().string(),
                " beside pictures in ", name, " at ", folder.string(),
                " (give the path of one part: ", train.string(), ").");
    return {};
  }
  return part == Part::kTrain ? train : test;
}

bool is_table_name(const std::string& name) {
  const std::string text = lower_text(name);
  for (const char* ending :
       {".csv", ".tsv", ".csv.gz", ".tsv.gz", ".npz", ".parquet", ".feather"}) {
    if (text.ends_with(ending)) return true;
  }
  return false;
}

// Says so where a folder holds tables and nothing else.
void refuse_tables(const fs::path& folder) {
  std::string tables;
  int count = 0;
  for (const std::string& name : names_in(folder)) {
    if (name.starts_with('.')) continue;
    if (!is_table_name(name)) return;
    constexpr int kMostShown = 3;
    if (++count <= kMostShown) tables += (tables.empty() ? "" : ", ") + name;
  }
  TORCH_CHECK(count == 0, "read_samples: expected a folder of images but got a folder of tables, ",
              tables, ", at ", folder.string(), " (give the path of a table).");
}

Samples folder_samples(const fs::path& folder, const ReadOptions& options) {
  if (holds_cifar(folder)) return read_cifar_folder(folder, options.part);
  if (holds_idx(folder)) return read_idx_folder(folder, options.part);
  for (const Part part : {options.part, Part::kTrain}) {
    if (const fs::path x = npy_inputs(folder, part); !x.empty()) return npy_samples(x, options);
  }
  if (const fs::path part = part_folder(folder, options.part); !part.empty()) {
    return read_image_folder(part, {.size = options.size});
  }
  refuse_tables(folder);
  return read_image_folder(folder, {.size = options.size});
}

// ---- Files

// Name of the first member of a zip archive.
std::string_view first_member(std::string_view head) {
  constexpr size_t kName = 30;
  if (head.size() < kName) return {};
  const size_t length =
      static_cast<uint8_t>(head[26]) | static_cast<size_t>(static_cast<uint8_t>(head[27])) << 8;
  return head.substr(kName, length);
}

Samples zip_samples(const fs::path& path, std::string_view head, const ReadOptions& options) {
  const std::string_view member = first_member(head);
  if (lower_text(path.extension().string()) == ".npz" || member.ends_with(".npy")) {
    return npz_samples(path, options);
  }
  TORCH_CHECK(!member.starts_with("[Content_Types].xml") && !member.starts_with("xl/") &&
                  !member.starts_with("mimetype") && !member.starts_with("_rels/"),
              kTaken, "a spreadsheet or document in ", path.string(), " (save it as CSV).");
  TORCH_CHECK(!member.ends_with("data.pkl"), kTaken, "a PyTorch file in ", path.string(),
              " (save it as NPZ).");
  TORCH_CHECK(false, kTaken, "a zip archive in ", path.string(), " (unpack it first).");
}

bool is_idx_head(std::string_view head) {
  return head.size() >= 4 && head[0] == 0 && head[1] == 0 && head[2] == 8 && head[3] >= 1 &&
         head[3] <= 4;
}

// Texts that are not tables.
void refuse_other_text(std::string_view head, const fs::path& path) {
  if (head.starts_with("\xFF\xFE"sv) || head.starts_with("\xFE\xFF"sv)) {
    TORCH_CHECK(false, kTaken, "UTF-16 text in ", path.string(), " (save it as UTF-8).");
  }
  const size_t begin = head.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return;
  const std::string_view text = head.substr(begin);
  const std::string start = lower_text(std::string(text.substr(0, 16)));
  const size_t next = text.find_first_not_of(" \t\r\n", 1);
  const char after = next == std::string_view::npos ? '\0' : text[next];
  const bool json = (text[0] == '{' && (after == '"' || after == '}')) ||
                    (text[0] == '[' && (after == '{' || after == '['));
  TORCH_CHECK(!json, kTaken, "JSON in ", path.string(), " (write it as CSV).");
  TORCH_CHECK(!start.starts_with("@relation"), kTaken, "an ARFF file in ", path.string(),
              " (write it as CSV).");
  if (const auto kind = io::file_kind(head); kind && !kind->noun.starts_with("text")) {
    TORCH_CHECK(false, kTaken, kind->noun, " in ", path.string(), " (", kind->hint, ").");
  }
}

bool is_text_name(const fs::path& path) {
  std::string name = lower_text(path.filename().string());
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  return name.ends_with(".csv") || name.ends_with(".tsv") || name.ends_with(".tab") ||
         name.ends_with(".txt") || name.ends_with(".data");
}

Samples file_samples(const fs::path& path, const ReadOptions& options) {
  if (!is_a_file(path)) return csv_samples(path, options);  // a pipe
  if (is_cifar_file(path)) return read_cifar_file(path);
  const std::string head = unpacked_head(path);
  const std::string extension = lower_text(path.extension().string());
  if (head.starts_with("\x93NUMPY")) return npy_samples(path, options);
  if (head.starts_with("PK\3\4") || extension == ".npz") return zip_samples(path, head, options);
  if (head.starts_with("PAR1") || head.starts_with("ARROW1") || head.starts_with("FEA1") ||
      extension == ".parquet" || extension == ".feather" || extension == ".arrow") {
    return typed_samples(read_arrow(path), path, options);
  }
  if (head.starts_with("\x89PNG") || head.starts_with("\xFF\xD8\xFF") ||
      is_picture_name(path.filename().string())) {
    return read_image_file(path, {.size = options.size});
  }
  if (is_idx_head(head)) return read_idx_samples(path);
  refuse_other_text(head, path);
  const bool binary = head.find('\0') != std::string::npos && !is_text_name(path);
  if (const char* noun = binary || extension == ".gif" ? foreign_picture(head) : nullptr) {
    TORCH_CHECK(false, kTaken, noun, " in ", path.string(), " (convert it to PNG).");
  }
  TORCH_CHECK(!binary, kTaken, "binary data of another kind in ", path.string(), ".");
  return csv_samples(path, options);
}

}  // namespace

void apply_options(Table& table, const CsvOptions& options) {
  if (!options.missing.empty()) mark_missing(table, options.missing);
  for (const auto& name : options.text_columns) {
    table.column(name);  // an unknown name is an error
    make_text(table, name);
  }
}

Samples read_samples(const std::filesystem::path& path, const ReadOptions& options) {
  std::error_code error;
  const auto status = fs::status(path, error);
  TORCH_CHECK(fs::exists(status), kTaken, "nothing at ", path.string(), " (check the path",
              path == "-" ? "; the standard input is /dev/stdin)." : ").");
  if (options.size) check_image_size("read_samples", *options.size);
  if (is_shards(path)) {
    return {.source = path.string(), .shards = std::make_shared<const Shards>(path)};
  }
  Samples samples =
      fs::is_directory(status) ? folder_samples(path, options) : file_samples(path, options);
  if (options.size && samples.images.defined()) {
    // Images of arrays; those of files have this size.
    const SizeGroup all{.size = {samples.images.size(2), samples.images.size(3)},
                        .count = samples.images.size(0)};
    if (auto note = scaling_note({all}, *options.size); !note.empty()) {
      samples.notes.push_back(std::move(note));
    }
    samples.images = scale_images(samples.images, *options.size);
  }
  return samples;
}

std::string source_name(const std::string& source) {
  const fs::path path = source;
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

bool has_test_part(const std::filesystem::path& path) {
  if (!is_folder(path)) {
    if (lower_text(path.extension().string()) != ".npz" || !is_a_file(path)) return false;
    return find_name(npz_names(path), array_names(false, Part::kTest)) >= 0;
  }
  if (holds_cifar(path)) return holds_cifar(path, Part::kTest) && holds_cifar(path, Part::kTrain);
  if (holds_idx(path)) return holds_idx(path, Part::kTest) && holds_idx(path, Part::kTrain);
  if (!npy_inputs(path, Part::kTrain).empty()) return !npy_inputs(path, Part::kTest).empty();
  return !part_folder(path, Part::kTest).empty();
}

}  // namespace ladder::data
