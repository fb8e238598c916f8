#include <ladder/data/class_labels.h>
#include <ladder/data/internal/image_codec.h>
#include <ladder/data/label_notes.h>
#include <ladder/data/read_samples.h>
#include <tests/data/cifar10_files.h>
#include <tests/data/idx_files.h>
#include <tests/data/npy_files.h>
#include <tests/data/png_files.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>
#include <zlib.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace fs = std::filesystem;
using ladder::data::cell_text;
using ladder::data::Column;
using ladder::data::ColumnKind;
using ladder::data::has_image_codecs;
using ladder::data::has_test_part;
using ladder::data::Part;
using ladder::data::read_samples;
using ladder::data::ReadOptions;
using ladder::data::Samples;
using ladder::testing::cifar10_bytes;
using ladder::testing::error_text;
using ladder::testing::gzip_bytes;
using ladder::testing::idx_bytes;
using ladder::testing::npy_file;
using ladder::testing::png_bytes;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_cifar10;
using ladder::testing::write_file;

namespace {

using Strings = std::vector<std::string>;

fs::path put(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  return write_file(path, bytes);
}

std::string small_png(int level) { return png_bytes({4, 3, 8, 0}, std::vector<int>(12, level)); }

torch::Tensor ramp(torch::IntArrayRef sizes) {
  int64_t count = 1;
  for (const int64_t size : sizes) count *= size;
  return torch::arange(count).remainder(256).to(torch::kUInt8).reshape(sizes);
}

Strings cell_texts(const Column& column, int64_t rows) {
  Strings all;
  for (int64_t row = 0; row < rows; ++row) all.push_back(cell_text(column, row));
  return all;
}

std::string error_of(const fs::path& path, const ReadOptions& options = {}) {
  return error_text([&] { read_samples(path, options); });
}

template <typename T>
std::string raw_bytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

std::string little_bytes(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 0xFF);
  return text;
}

// A zip archive of stored records, such as np.savez writes.
std::string npz_file(const std::vector<std::pair<std::string, std::string>>& records) {
  std::string bytes;
  std::string directory;
  for (const auto& [name, data] : records) {
    const auto crc =
        ::crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size()));
    const std::string common = little_bytes(20, 2) + little_bytes(0, 2) + little_bytes(0, 2) +
                               little_bytes(0, 4) + little_bytes(crc, 4) +
                               little_bytes(data.size(), 4) + little_bytes(data.size(), 4) +
                               little_bytes(name.size(), 2) + little_bytes(0, 2);
    directory += "PK\1\2" + little_bytes(20, 2) + common + little_bytes(0, 2) + little_bytes(0, 2) +
                 little_bytes(0, 2) + little_bytes(0, 4) + little_bytes(bytes.size(), 4) + name;
    bytes += "PK\3\4" + common + name + data;
  }
  return bytes + directory + "PK\5\6" + little_bytes(0, 4) + little_bytes(records.size(), 2) +
         little_bytes(records.size(), 2) + little_bytes(directory.size(), 4) +
         little_bytes(bytes.size(), 4) + little_bytes(0, 2);
}

// What every sentence about a source that is not taken begins with.
const std::string kTakenBegin =
    "read_samples: expected a table (CSV, TSV, NPZ, Parquet, Feather), a folder of images, or the "
    "files of MNIST's or CIFAR's format but got ";

}  // namespace

TEST_CASE("read_samples reads text tables, with the label and id columns as text", "[data]") {
  const TemporaryFolder folder;
  const std::string csv = "id,a,label\n007,1.5,1\n008,2.5,\n009,3.5,-1\n010,4.5,2.0\n";
  std::string tsv = csv;
  for (char& c : tsv) c = c == ',' ? '\t' : c;
  const std::vector<fs::path> paths = {
      write_file(folder / "table.csv", csv), write_file(folder / "table.tsv", tsv),
      write_file(folder / "packed.csv.gz", gzip_bytes(csv)), write_file(folder / "noname", csv)};
  for (const auto& path : paths) {
    INFO(path);
    const Samples samples = read_samples(path, {.label = "label", .id = "id"});
    CHECK(samples.source == path.string());
    REQUIRE(samples.table);
    CHECK(samples.rows() == 4);
    CHECK(samples.table->column("a").kind == ColumnKind::kNumber);
    CHECK(cell_texts(samples.table->column("label"), 4) == Strings{"1", "", "-1", "2.0"});
    CHECK(cell_texts(samples.table->column("id"), 4) == Strings{"007", "008", "009", "010"});
    CHECK_FALSE(samples.images.defined());
  }
  // A label column that is not there is no error: rows to predict have none.
  CHECK(read_samples(paths[0], {.label = "target"}).table->find("target") == -1);
}

TEST_CASE("read_samples reads folders of images and their parts", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP("built without libpng and TurboJPEG");
  const TemporaryFolder folder;
  put(folder / "train/cat/1.png", small_png(1));
  put(folder / "train/dog/2.png", small_png(2));
  put(folder / "test/cat/3.png", small_png(3));
  CHECK(has_test_part(folder.path()));
  const Samples train = read_samples(folder.path());
  CHECK(train.classes == Strings{"cat", "dog"});
  CHECK(train.rows() == 2);
  const Samples test = read_samples(folder.path(), {.part = Part::kTest, .size = {{6, 8}}});
  CHECK(test.classes == Strings{"cat"});
  CHECK(test.images.sizes() == torch::IntArrayRef({1, 1, 6, 8}));

  // A folder of one part, and a single image.
  CHECK_FALSE(has_test_part(folder / "train"));
  CHECK(read_samples(folder / "train", {.part = Part::kTest}).rows() == 2);
  const Samples one = read_samples(folder / "test/cat/3.png");
  CHECK(one.images.eq(3).all().item<bool>());
  CHECK(one.labels.item<int64_t>() == -1);
}

TEST_CASE("read_samples takes train and test beside other pictures for classes", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP("built without libpng and TurboJPEG");
  const TemporaryFolder folder;
  for (const char* name : {"bus", "test", "train"}) {
    put(folder / "vehicles" / name / "1.png", small_png(1));
    put(folder / "split" / name / "cat" / "1.png", small_png(1));
    put(folder / "notes" / name / "cat" / (name == std::string("bus") ? "1.md" : "1.png"),
        small_png(1));
  }
  CHECK_FALSE(has_test_part(folder / "vehicles"));
  CHECK(read_samples(folder / "vehicles").classes == Strings{"bus", "test", "train"});
  CHECK(read_samples(folder / "notes").source == (folder / "notes/train").string());
  const auto split = (folder / "split").string();
  CHECK(error_of(folder / "split") ==
        "read_samples: expected folders of classes or of parts but got the parts train and test "
        "beside pictures in bus at " +
            split + " (give the path of one part: " + split + "/train).");
}

TEST_CASE("read_samples says what kind of picture it does not read", "[data]") {
  const TemporaryFolder folder;
  const auto gif = write_file(folder / "a.gif", "GIF89a......");
  CHECK(
      error_of(gif).ends_with("but got a GIF image in " + gif.string() + " (convert it to PNG)."));
  const auto empty = write_file(folder / "a.png", "");
  CHECK(error_of(empty) ==
        "read_image_file: expected a PNG or JPEG image but got an empty file in " + empty.string() +
            " (fetch the file again).");
}

TEST_CASE("read_samples names arrays of an archive that it does not read", "[data]") {
  const TemporaryFolder folder;
  const std::string x = npy_file("<f8", "(2, 1)", raw_bytes<double>({1, 2}));
  const std::string y = npy_file("<f8", "(2,)", raw_bytes<double>({0, 1}));
  const auto path =
      write_file(folder / "three.npz",
                 npz_file({{"x.npy", x}, {"y.npy", y}, {"z.npy", x}, {"x_test.npy", x}}));
  CHECK(read_samples(path).notes ==
        Strings{"arrays of " + path.string() + " that are not read: z"});
  // Nor does it read what could not be read.
  const std::string texts = npy_file("<U1", "(2,)", raw_bytes<uint32_t>({'a', 'b'}));
  const auto named = write_file(folder / "named.npz",
                                npz_file({{"names.npy", texts}, {"x.npy", x}, {"y.npy", y}}));
  const auto samples = read_samples(named);
  CHECK(samples.table->column("x0").numbers == std::vector<double>{1, 2});
  CHECK(samples.notes == Strings{"arrays of " + named.string() + " that are not read: names"});
  const auto labels = write_file(folder / "labels.npz", npz_file({{"x.npy", x}, {"y.npy", texts}}));
  CHECK(error_of(labels).find("expected real numbers but got texts (<U1) in array 'y' of ") !=
        std::string::npos);

  // A label that is a missing value leaves no class.
  const auto marked = read_samples(path, {.csv = {.missing = {"0"}}});
  const auto& column = marked.table->column("y");
  CHECK(ladder::data::label_notes(column, {"1"}) ==
        Strings{"missing values mean no label: 1 row '0'"});
  CHECK(error_text([&] { ladder::data::class_labels(column); }) ==
        "class_labels: expected at least 2 classes in column 'y' but got only '1'.");
}

TEST_CASE("read_samples knows parts and unlabeled images in any case of letters", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP("built without libpng and TurboJPEG");
  const TemporaryFolder folder;
  put(folder / "Train/cat/1.png", small_png(1));
  put(folder / "Train/dog/2.png", small_png(2));
  put(folder / "Train/Unlabeled/3.png", small_png(3));
  put(folder / "TEST/cat/4.png", small_png(4));
  CHECK(has_test_part(folder.path()));
  const Samples train = read_samples(folder.path());
  CHECK(train.classes == Strings{"cat", "dog"});
  CHECK(torch::equal(train.labels, torch::tensor({0, 1, -1}, torch::kLong)));
  CHECK(read_samples(folder.path(), {.part = Part::kTest}).names == Strings{"cat/4.png"});
}

TEST_CASE("has_test_part reads the names of arrays only", "[data]") {
  const TemporaryFolder folder;
  const std::string x = npy_file("<f8", "(2, 1)", raw_bytes<double>({1, 2}));
  std::string bytes = npz_file({{"x_train.npy", x}, {"x_test.npy", x}});
  bytes[50] = static_cast<char>(bytes[50] ^ 1);  // in the first array
  const auto path = write_file(folder / "damaged.npz", bytes);
  CHECK(has_test_part(path));
  CHECK(error_of(path).starts_with("read_npz: expected NumPy arrays in "));
  CHECK_FALSE(has_test_part(write_file(folder / "one.npz", npz_file({{"x.npy", x}}))));
  CHECK(error_text([&] {
          has_test_part(write_file(folder / "none.npz", "no archive"));
        }).starts_with("read_npz: expected NumPy arrays in "));
}

TEST_CASE("read_samples reads IDX files by folder and by name", "[data]") {
  const TemporaryFolder folder;
  put(folder / "train-images-idx3-ubyte", idx_bytes(ramp({5, 6, 7})));
  put(folder / "train-labels-idx1-ubyte",
      idx_bytes(torch::tensor({3, 1, 3, 2, 1}).to(torch::kUInt8)));
  put(folder / "t10k-images-idx3-ubyte.gz", gzip_bytes(idx_bytes(ramp({2, 6, 7}))));
  CHECK(has_test_part(folder.path()));
  const Samples train = read_samples(folder.path());
  CHECK(train.classes == Strings{"1", "2", "3"});
  CHECK(torch::equal(train.images, ramp({5, 6, 7}).unsqueeze(1)));
  CHECK(read_samples(folder / "train-images-idx3-ubyte").rows() == 5);
  const Samples test = read_samples(folder.path(), {.part = Part::kTest});
  CHECK(torch::equal(test.labels, torch::tensor({-1, -1}, torch::kLong)));
  CHECK(read_samples(folder / "t10k-images-idx3-ubyte.gz", {.size = {{3, 3}}}).images.sizes() ==
        torch::IntArrayRef({2, 1, 3, 3}));
}

TEST_CASE("read_samples reads CIFAR's files by folder and by name", "[data]") {
  const TemporaryFolder folder;
  write_cifar10(folder.path(), ramp({5, 3, 32, 32}), torch::arange(5), ramp({2, 3, 32, 32}),
                torch::arange(2));
  CHECK(has_test_part(folder.path()));
  CHECK(read_samples(folder.path()).rows() == 5);
  CHECK(read_samples(folder.path(), {.part = Part::kTest}).rows() == 2);
  const Samples one = read_samples(folder / "data_batch_3.bin");
  CHECK(one.rows() == 1);
  CHECK(one.labels.item<int64_t>() == 2);
  CHECK(one.classes.size() == 10);
}

TEST_CASE("read_samples reads arrays as a table with columns x0, x1, ... and y", "[data]") {
  const TemporaryFolder folder;
  const std::string x = npy_file("<f8", "(3, 2)", raw_bytes<double>({1, 2.5, -3, 4, NAN, 6}));
  const std::string y = npy_file("<f8", "(3, 1)", raw_bytes<double>({2, -1, NAN}));
  std::vector<fs::path> paths = {
      write_file(folder / "data.npz", npz_file({{"y.npy", y}, {"X.npy", x}})),
      write_file(folder / "parts.npz", npz_file({{"x_train.npy", x}, {"y_train.npy", y}}))};
  put(folder / "pair/train_x.npy", x);
  put(folder / "pair/train_y.npy", y);
  paths.push_back(folder / "pair/train_x.npy");
  paths.push_back(folder / "pair");
  for (const auto& path : paths) {
    INFO(path);
    const Samples samples = read_samples(path, {.label = "y"});
    REQUIRE(samples.table);
    REQUIRE(samples.table->columns.size() == 3);
    CHECK(samples.rows() == 3);
    CHECK(samples.label == "y");
    CHECK(cell_texts(samples.table->column("x0"), 3) == Strings{"1", "-3", ""});
    CHECK(cell_texts(samples.table->column("x1"), 3) == Strings{"2.5", "4", "6"});
    CHECK(samples.table->column("y").kind == ColumnKind::kText);
    CHECK(cell_texts(samples.table->column("y"), 3) == Strings{"2", "-1", ""});
  }
  put(folder / "alone/x.npy", x);
  CHECK(read_samples(folder / "alone/x.npy").table->columns.size() == 2);
  CHECK(read_samples(folder / "alone/x.npy").label.empty());
  put(folder / "alone/y.npy", npy_file("<f8", "(2,)", raw_bytes<double>({2, -1})));
  CHECK(error_of(folder / "alone/x.npy") ==
        "read_samples: expected labels [3], one for each row, but got [2] in " +
            (folder / "alone/y.npy").string() + ".");
}

TEST_CASE("read_samples reads arrays of bytes as images", "[data]") {
  const TemporaryFolder folder;
  const auto pixels = [](size_t count) {
    std::string bytes;
    for (size_t i = 0; i < count; ++i) bytes += static_cast<char>(i);
    return bytes;
  };
  const std::string y = npy_file("<i8", "(2,)", raw_bytes<int64_t>({7, -1}));
  const std::string last = npy_file("|u1", "(2, 4, 5, 3)", pixels(120));
  const auto path = write_file(folder / "images.npz",
                               npz_file({{"x_train.npy", npy_file("|u1", "(2, 4, 5)", pixels(40))},
                                         {"y_train.npy", y},
                                         {"x_test.npy", last}}));
  CHECK(has_test_part(path));
  const Samples train = read_samples(path);
  CHECK(torch::equal(train.images, ramp({2, 4, 5}).unsqueeze(1)));
  CHECK(train.classes == Strings{"7"});
  CHECK(torch::equal(train.labels, torch::tensor({0, -1}, torch::kLong)));
  const Samples test = read_samples(path, {.part = Part::kTest, .size = {{2, 2}}});
  CHECK(test.images.sizes() == torch::IntArrayRef({2, 3, 2, 2}));
  CHECK(test.notes == Strings{"scaling to 2x2 (height x width) changed the proportions of 2 of 2 "
                              "pictures: 4x5"});
  CHECK(torch::equal(test.labels, torch::tensor({-1, -1}, torch::kLong)));

  put(folder / "pair/images.npy", last);
  put(folder / "pair/labels.npy", y);
  const Samples pair = read_samples(folder / "pair");
  CHECK(torch::equal(pair.images, ramp({2, 4, 5, 3}).permute({0, 3, 1, 2})));
  CHECK(pair.classes == Strings{"7"});

  const auto labels =
      put(folder / "pair/labels.npy", npy_file("<f8", "(2,)", raw_bytes<double>({1.5, 1})));
  CHECK(error_of(folder / "pair") ==
        "read_samples: expected whole numbers as labels of images but got 1.5 in " +
            labels.string() + ".");
  put(folder / "pair/labels.npy", npy_file("<f8", "(2,)", raw_bytes<double>({2e15, 1})));
  CHECK(error_of(folder / "pair") ==
        "read_samples: expected whole numbers of at most 1e+15 as labels of images but got 2e+15 "
        "in " +
            labels.string() + ".");
  // Whole numbers that float64 does not tell apart are different classes, of images and of tables.
  constexpr int64_t kLarge = int64_t{1} << 60;
  put(folder / "pair/labels.npy",
      npy_file("<i8", "(2,)", raw_bytes<int64_t>({kLarge, kLarge + 1})));
  CHECK(read_samples(folder / "pair").classes ==
        Strings{"1152921504606846976", "1152921504606846977"});
  put(folder / "table/x.npy", npy_file("<f8", "(2, 1)", raw_bytes<double>({1.5, 2.5})));
  put(folder / "table/y.npy", npy_file("<i8", "(2,)", raw_bytes<int64_t>({kLarge, kLarge + 1})));
  CHECK(read_samples(folder / "table/x.npy").table->column("y").levels ==
        Strings{"1152921504606846976", "1152921504606846977"});
  const auto cube = write_file(folder / "x.npy", npy_file("<f4", "(1, 1, 1)", pixels(4)));
  CHECK(error_of(cube) ==
        "read_samples: expected a matrix of numbers [rows, columns] or uint8 images [N, H, W], "
        "[N, C, H, W] or [N, H, W, C] but got Float [1, 1, 1] in " +
            cube.string() + ".");
  const auto other = write_file(folder / "other.npz", npz_file({{"a.npy", y}, {"b.npy", y}}));
  CHECK(error_of(other) == "read_samples: expected arrays x and y but got a, b in " +
                               other.string() +
                               " (x_train, images, data and the like are taken too).");
}

TEST_CASE("read_samples says what a source is that it does not take", "[data]") {
  const TemporaryFolder folder;
  const auto text = [&](const char* name) { return (folder / name).string(); };
  const auto file_error = [&](const char* name, const std::string& bytes) {
    return error_of(write_file(folder / name, bytes));
  };
  using std::string_literals::operator""s;
  CHECK(error_of(folder / "none.csv") ==
        kTakenBegin + "nothing at " + text("none.csv") + " (check the path).");
  const std::string sheet =
      "PK\3\4"s + std::string(22, '\0') + "\x13\0\0\0"s + "[Content_Types].xml and what follows";
  CHECK(file_error("book.xlsx", sheet) ==
        kTakenBegin + "a spreadsheet or document in " + text("book.xlsx") + " (save it as CSV).");
  const std::string zip = "PK\3\4"s + std::string(22, '\0') + "\5\0\0\0a.csvrest"s;
  CHECK(file_error("a.zip", zip) ==
        kTakenBegin + "a zip archive in " + text("a.zip") + " (unpack it first).");
  CHECK(file_error("a.json", "[{\"a\": 1}]") ==
        kTakenBegin + "JSON in " + text("a.json") + " (write it as CSV).");
  CHECK(file_error("a.arff", "@RELATION iris\n") ==
        kTakenBegin + "an ARFF file in " + text("a.arff") + " (write it as CSV).");
  CHECK(file_error("a.csv",
                   "\xFF\xFE"
                   "a\0,\0b\0"s) ==
        kTakenBegin + "UTF-16 text in " + text("a.csv") + " (save it as UTF-8).");
  CHECK(file_error("b.csv", "<!DOCTYPE html><html>") ==
        kTakenBegin + "a web page in " + text("b.csv") +
            " (the address gave a page and not the file: fetch it again).");
  CHECK(file_error("c.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n") ==
        kTakenBegin + "a Git LFS pointer in " + text("c.csv") + " (run git lfs pull).");
  CHECK(file_error("a.h5", "\x89HDF\r\n\x1A\n\0\0"s) ==
        kTakenBegin + "an HDF5 file in " + text("a.h5") + " (convert it first).");
  CHECK(file_error("a.dat", "\1\2\0\3"s) ==
        kTakenBegin + "binary data of another kind in " + text("a.dat") + ".");

  put(folder / "tables/b.csv", "a,b\n1,2\n");
  put(folder / "tables/a.parquet", "PAR1");
  CHECK(error_of(folder / "tables") ==
        "read_samples: expected a folder of images but got a folder of tables, a.parquet, b.csv, "
        "at " +
            text("tables") + " (give the path of a table).");
  CHECK(error_of(folder / "tables/b.csv", {.size = {{8, 9}}}) ==
        "read_samples: expected pictures, to scale to 8x9, but got a table in " +
            text("tables/b.csv") + " (neither --size nor a model of pictures takes a table).");
  // What the file is comes before what is wrong in it.
  write_file(folder / "ragged.csv", "a,b\n1\n1,2,3\n");
  CHECK(error_of(folder / "ragged.csv", {.size = {{8, 9}}})
            .starts_with("read_samples: expected pictures, to scale to 8x9, but got a table in "));
  CHECK(error_of(folder / "tables/b.csv", {.size = {{8, 0}}}) ==
        "read_samples: expected a size of 1x1 to 16384x16384 but got 8x0.");
}

TEST_CASE("read_samples marks missing values and texts of arrays as of CSV files", "[data]") {
  const TemporaryFolder folder;
  const std::vector<float> values = {1, -999, 2, 5, -999, 6};
  put(folder / "x.npy",
      npy_file("<f4", "(3, 2)",
               {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)}));
  ReadOptions options;
  options.csv.missing = {"-999", "unknown"};
  options.csv.text_columns = {"x1"};
  const auto rows = read_samples(folder / "x.npy", options);
  REQUIRE(rows.table);
  CHECK(rows.table->missing == options.csv.missing);
  CHECK(std::isnan(rows.table->column("x0").numbers[2]));
  CHECK(rows.table->column("x1").codes == std::vector<int32_t>{-1, 0, 1});
  options.csv.text_columns = {"x7"};
  CHECK_THROWS_WITH(read_samples(folder / "x.npy", options),
                    Catch::Contains("expected a column 'x7'"));

  // The same for the blocks of another reader.
  ladder::data::Table block{
      .rows = 3,
      .columns = {{.name = "a", .numbers = {1, -999, 2.5}}, {.name = "b", .numbers = {1, 2, 3}}}};
  options.csv.text_columns = {"a"};
  ladder::data::apply_options(block, options.csv);
  CHECK(cell_texts(block.column("a"), 3) == Strings{"1", "", "2.5"});
  CHECK(block.column("a").kind == ColumnKind::kText);
  CHECK(block.column("b").kind == ColumnKind::kNumber);
  block.source = "ids.parquet";
  block.columns[1].numbers[2] = 9007199254740993;  // 2^53 + 1
  options.csv.text_columns = {"b"};
  CHECK_THROWS_WITH(ladder::data::apply_options(block, options.csv),
                    Catch::Contains("expected numbers below 9007199254740992 as names in column "
                                    "'b' of ids.parquet but got 9007199254740992"));

  // The nearest number counts in single precision only.
  ReadOptions exact;
  exact.csv.missing = {"-999.9", "99999999"};
  put(folder / "single/x.npy", npy_file("<f4", "(3, 1)", raw_bytes<float>({1, -999.9F, 2})));
  put(folder / "double/x.npy",
      npy_file("<f8", "(3, 1)", raw_bytes<double>({1, 100000000, -999.9})));
  const auto single = read_samples(folder / "single/x.npy", exact);
  CHECK(cell_texts(single.table->column("x0"), 3) == Strings{"1", "", "2"});
  // Half precision: 1, -1000 and 2.
  put(folder / "half/x.npy",
      npy_file("<f2", "(3, 1)", raw_bytes<uint16_t>({0x3C00, 0xE3D0, 0x4000})));
  const auto half = read_samples(folder / "half/x.npy", exact);
  CHECK(cell_texts(half.table->column("x0"), 3) == Strings{"1", "", "2"});
  // 99999 is infinite there, and no infinite number is missing.
  put(folder / "infinite/x.npy",
      npy_file("<f2", "(3, 1)", raw_bytes<uint16_t>({0x3C00, 0x7C00, 0x4000})));
  CHECK(std::isinf(read_samples(folder / "infinite/x.npy", {.csv = {.missing = {"99999"}}})
                       .table->column("x0")
                       .numbers[1]));
  const auto twice = read_samples(folder / "double/x.npy", exact);
  CHECK(cell_texts(twice.table->column("x0"), 3) == Strings{"1", "100000000", ""});
}

TEST_CASE("read_samples: labels with a decimal comma are numbers", "[data]") {
  const TemporaryFolder folder;
  const auto labels_in = [&](const std::string& rows) {
    write_file(folder / "rows.csv", "a;y\n" + rows);
    const auto samples = read_samples(folder / "rows.csv", {.label = "y"});
    return ladder::data::class_labels(samples.table->column("y"));
  };
  const auto found = labels_in("1,5;-1,0\n2,5;0,0\n3,5;1,0\n4,5;1\n");
  CHECK(found.classes == Strings{"0,0", "1"});
  CHECK(torch::equal(found.labels, torch::tensor({-1, 0, 1, 1}, torch::kLong)));
  CHECK(labels_in("1,5;0,0\n2,5;0\n3,5;1,0\n").classes == Strings{"0", "1,0"});
  CHECK(labels_in("1,5;1,5\n2,5;1\n3,5;2\n").classes == Strings{"1", "1,5", "2"});
  // Lists and texts stay what they are.
  CHECK(error_text([&] {
          labels_in("1,5;1,2\n2,5;1\n3,5;2\n");
        }).find("expected one class in each row but got '1,2'") != std::string::npos);
  CHECK(labels_in("1,5;Paris, 5\n2,5;Rome\n").classes == Strings{"Paris, 5", "Rome"});
}

TEST_CASE("source_name is the last part of a path", "[data]") {
  CHECK(ladder::data::source_name("data/rows.csv") == "rows.csv");
  CHECK(ladder::data::source_name("data/rows/") == "rows");
  CHECK(ladder::data::source_name("rows") == "rows");
  CHECK(ladder::data::source_name("").empty());
}
