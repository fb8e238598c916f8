#include "ladder/data/read_samples.h"

#include <c10/util/Exception.h>
#include <zlib.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "ladder/data/arrow.h"
#include "ladder/data/cifar_folder.h"
#include "ladder/data/idx_folder.h"
#include "ladder/data/image_folder.h"
#include "ladder/data/internal/array_samples.h"
#include "ladder/data/internal/folders.h"
#include "ladder/data/internal/image_codec.h"
#include "ladder/data/internal/image_samples.h"
#include "ladder/data/internal/table_samples.h"
#include "ladder/io/internal/file_kind.h"

namespace ladder::data {
namespace {

namespace fs = std::filesystem;
using std::string_view_literals::operator""sv;

constexpr const char* kTaken =
    "read_samples: expected a table (CSV, TSV, NPZ, Parquet, Feather), a folder of images, or the "
    "files of MNIST's or CIFAR's format but got ";

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

Samples csv_samples(const fs::path& path, const ReadOptions& options) {
  refuse_table_size(path, options);  // first, so that nobody mends a file of the wrong kind
  CsvOptions csv = options.csv;
  for (const std::string& name : {options.label, options.id}) {
    if (!name.empty()) csv.kinds[name] = ColumnKind::kText;
  }
  return table_samples(read_csv(path, csv), path, options);
}

// ---- Folders

// Returns the folder with the first of these names, in any case of letters; the same case wins.
fs::path first_folder(const fs::path& folder, const std::vector<std::string>& names) {
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
  constexpr int kMaxEntries = 10'000;
  std::error_code error;
  fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error);
  for (int i = 0; i < kMaxEntries && !error && at != fs::recursive_directory_iterator();
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
    constexpr int kMaxShown = 3;
    if (++count <= kMaxShown) tables += (tables.empty() ? "" : ", ") + name;
  }
  TORCH_CHECK(count == 0, "read_samples: expected a folder of images but got a folder of tables, ",
              tables, ", at ", folder.string(), " (give the path of a table).");
}

Samples folder_samples(const fs::path& folder, const ReadOptions& options) {
  const ImageFolderOptions of_folder{.size = options.size,
                                     .folders_are_classes = options.folders_are_classes};
  if (holds_cifar(folder)) return read_cifar_folder(folder, options.part);
  if (holds_idx(folder)) return read_idx_folder(folder, options.part);
  for (const Part part : {options.part, Part::kTrain}) {
    if (const fs::path x = npy_inputs(folder, part); !x.empty()) return npy_samples(x, options);
  }
  if (const fs::path part = part_folder(folder, options.part); !part.empty()) {
    return read_image_folder(part, of_folder);
  }
  refuse_tables(folder);
  return read_image_folder(folder, of_folder);
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
    return npz_has_inputs(path, Part::kTest);
  }
  if (holds_cifar(path)) return holds_cifar(path, Part::kTest) && holds_cifar(path, Part::kTrain);
  if (holds_idx(path)) return holds_idx(path, Part::kTest) && holds_idx(path, Part::kTrain);
  if (!npy_inputs(path, Part::kTrain).empty()) return !npy_inputs(path, Part::kTest).empty();
  return !part_folder(path, Part::kTest).empty();
}

}  // namespace ladder::data
