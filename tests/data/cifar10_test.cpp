#include <ladder/data/cifar10.h>
#include <tests/data/cifar10_files.h>
#include <tests/support/catch.h>
#include <tests/support/environment.h>
#include <tests/support/error_text.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

#include <filesystem>

namespace fs = std::filesystem;
using ladder::data::find_cifar10;
using ladder::data::load_cifar10;
using ladder::data::read_cifar10;
using ladder::testing::cifar10_bytes;
using ladder::testing::Environment;
using ladder::testing::error_text;
using ladder::testing::file_bytes;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_cifar10;
using ladder::testing::write_file;

namespace {

const std::string kFetch =
    "\n  curl -fL https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz | tar -xz -C \"";

torch::Tensor images(int64_t rows, int64_t salt = 0) {
  return (torch::arange(rows * 3072) * 7 + salt)
      .remainder(251)
      .to(torch::kUInt8)
      .reshape({rows, 3, 32, 32});
}

void write_cifar10_set(const fs::path& dir) {
  write_cifar10(dir, images(10), torch::arange(10), images(3, 5), torch::tensor({9, 0, 4}));
}

std::string cifar10_error(const fs::path& path) {
  return error_text([&] { read_cifar10(path); });
}

std::string find_error(const fs::path& dir) {
  return error_text([&] { find_cifar10(dir); });
}

std::string places_of(const std::string& root) {
  return root + ", " + root + "/cifar-10-batches-bin, " + root + "/cifar10, " + root +
         "/cifar10/cifar-10-batches-bin";
}

}  // namespace

TEST_CASE("load_cifar10 reads five batches in order, and the test images", "[data]") {
  const TemporaryFolder folder;
  write_cifar10_set(folder.path());
  const auto [train, test] = load_cifar10(folder.path());
  CHECK(torch::equal(train.inputs, images(10)));
  CHECK(torch::equal(train.labels, torch::arange(10)));
  CHECK(torch::equal(test.inputs, images(3, 5)));
  CHECK(torch::equal(test.labels, torch::tensor({9, 0, 4})));
  CHECK(train.inputs.is_contiguous());
  CHECK(train.classes == 10);
  CHECK(train.class_names[9] == "9");
  CHECK(test.name == "cifar10");
  write_file(folder / "batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\ntruck\n\n");
  const auto named = load_cifar10(folder.path());
  CHECK(named.train.class_names[9] == "truck");
  CHECK(named.test.class_names == named.train.class_names);
  const auto names = write_file(folder / "batches.meta.txt", "a\nb\n");
  CHECK(error_text([&] { load_cifar10(folder.path()); }) ==
        "load_cifar10: expected 10 names of classes, one a line, but got 2 in " + names.string() +
            ".");
}

TEST_CASE("read_cifar10 takes planes of red, green and blue, row by row", "[data]") {
  const TemporaryFolder folder;
  std::string record(3073, '\0');
  record[0] = 3;
  record[1] = 100;                        // red, first row, first column
  record[1 + 1024 + 33] = 101;            // green, second row, second column
  record[1 + 2048 + 31 * 32 + 30] = 102;  // blue, last row, last but one column
  const auto set = read_cifar10(write_file(folder / "one.bin", record));
  CHECK(set.inputs.sizes() == torch::IntArrayRef({1, 3, 32, 32}));
  CHECK(set.labels.scalar_type() == torch::kInt64);
  CHECK(set.labels.item<int64_t>() == 3);
  CHECK(set.inputs[0][0][0][0].item<int>() == 100);
  CHECK(set.inputs[0][1][1][1].item<int>() == 101);
  CHECK(set.inputs[0][2][31][30].item<int>() == 102);
  CHECK(set.inputs.ne(0).sum().item<int64_t>() == 3);
}

TEST_CASE("read_cifar10 has a sentence for every fault", "[data]") {
  const TemporaryFolder folder;
  const auto path = folder / "data_batch_1.bin";
  const auto name = path.string();
  CHECK(cifar10_error(path) == "read_cifar10: expected a file of CIFAR-10 but got no file at " +
                                   name + " (find_cifar10 names the folders that are looked in).");
  CHECK(cifar10_error(folder.path()) == "read_cifar10: expected a file but got a folder at " +
                                            folder.path().string() +
                                            " (load_cifar10 takes the folder).");
  write_file(path, "");
  CHECK(cifar10_error(path) ==
        "read_cifar10: expected a file of CIFAR-10 but got an empty file at " + name + ".");
  write_file(path, "\x1F\x8B packed");
  CHECK(cifar10_error(path) == "read_cifar10: expected a file of CIFAR-10 but got gzip data in " +
                                   name + " (unpack it first).");
  write_file(path, "<html><body>503</body></html>");
  CHECK(cifar10_error(path) == "read_cifar10: expected a file of CIFAR-10 but got a web page in " +
                                   name +
                                   " (the address gave a page and not the file: fetch it again).");

  const auto whole = cifar10_bytes(images(4), torch::tensor({1, 2, 9, 0}));
  write_file(path, whole + "xy");
  CHECK(cifar10_error(path) ==
        "read_cifar10: expected records of 3073 bytes but got 12294 bytes in " + name +
            ", 2 more than 4 records (fetch the file again).");
  write_file(path, whole.substr(0, 100));
  CHECK(cifar10_error(path) ==
        "read_cifar10: expected records of 3073 bytes but got 100 bytes in " + name +
            ", 100 more than 0 records (fetch the file again).");
  write_file(path, cifar10_bytes(images(4), torch::tensor({1, 2, 10, 255})));
  CHECK(cifar10_error(path) == "read_cifar10: expected labels in 0..9 but got 10 in record 3 of " +
                                   name + " (the file is damaged or another data set).");
  write_file(path, whole + "abcd");  // four records of two labels
  CHECK(cifar10_error(path) ==
        "read_cifar10: expected CIFAR-10's records of 3073 bytes but got 12296 bytes in " + name +
            ", which fit CIFAR-100's records of 3074 (read_cifar100 reads it).");
  write_file(path, whole);
  CHECK(read_cifar10(path).labels.size(0) == 4);
}

TEST_CASE("load_cifar10 names the file at fault", "[data]") {
  const TemporaryFolder folder;
  write_cifar10_set(folder.path());
  fs::remove(folder / "data_batch_4.bin");
  CHECK(error_text([&] { load_cifar10(folder.path()); })
            .starts_with("read_cifar10: expected a file of CIFAR-10 but got no file at " +
                         (folder / "data_batch_4.bin").string()));
}

TEST_CASE("find_cifar10 takes a folder or one of its usual subfolders", "[data]") {
  const Environment data("LADDER_DATA", std::nullopt);
  const Environment cache("XDG_CACHE_HOME", std::nullopt);
  const Environment home("HOME", std::nullopt);
  for (const char* place :
       {"", "cifar-10-batches-bin", "cifar10", "cifar10/cifar-10-batches-bin"}) {
    const TemporaryFolder folder;
    const auto dir = *place == '\0' ? folder.path() : folder / place;
    write_cifar10_set(dir);
    CHECK(find_cifar10(folder.path()) == dir);
    const Environment set("LADDER_DATA", folder.path().string());
    CHECK(find_cifar10() == dir);
  }
}

TEST_CASE("find_cifar10 looks in LADDER_DATA and then in the cache", "[data]") {
  const TemporaryFolder folder;
  const auto cache = folder / "cache/ladder/cifar10";
  const Environment data("LADDER_DATA", (folder / "data").string());
  const Environment cache_variable("XDG_CACHE_HOME", (folder / "cache").string());
  write_cifar10_set(cache / "cifar-10-batches-bin");
  CHECK(find_cifar10() == cache / "cifar-10-batches-bin");
  write_cifar10_set(folder / "data/cifar10");
  CHECK(find_cifar10() == folder / "data/cifar10");
  CHECK(find_cifar10(cache) == cache / "cifar-10-batches-bin");
}

TEST_CASE("find_cifar10 says how to get the files when it finds none", "[data]") {
  const TemporaryFolder folder;
  const std::string root = (folder / "data").string();
  const std::string cache = (folder / "cache/ladder/cifar10").string();
  const Environment data("LADDER_DATA", root);
  const Environment cache_variable("XDG_CACHE_HOME", (folder / "cache").string());
  CHECK(error_text([] { find_cifar10(); }) ==
        "find_cifar10: expected CIFAR-10's six binary files but got them in none of: " +
            places_of(root) + ", " + places_of(cache) +
            " (set LADDER_DATA to a folder that holds them, or run the two commands)\n"
            "  mkdir -p \"" +
            cache + "\"" + kFetch + cache + "\"");
  CHECK(find_error(root) ==
        "find_cifar10: expected CIFAR-10's six binary files but got them in none of: " +
            places_of(root) + " (run the two commands)\n  mkdir -p \"" + root + "\"" + kFetch +
            root + "\"");
}

TEST_CASE("find_cifar10 recognises what is there instead", "[data]") {
  const TemporaryFolder folder;
  const std::string begin = "find_cifar10: expected CIFAR-10's six binary files but got ";

  const auto part = folder / "part";
  write_cifar10_set(part / "cifar10");
  fs::remove(part / "cifar10/data_batch_2.bin");
  fs::remove(part / "cifar10/test_batch.bin");
  CHECK(find_error(part) == begin + "no data_batch_2.bin, test_batch.bin in " +
                                (part / "cifar10").string() + " (fetch them again).");

  const auto hundred = folder / "hundred";
  fs::create_directories(hundred / "cifar-100-binary");
  write_file(hundred / "cifar-100-binary/train.bin", "x");
  write_file(hundred / "cifar-100-binary/test.bin", "x");
  CHECK(find_error(hundred) == begin + "CIFAR-100's in " + (hundred / "cifar-100-binary").string() +
                                   " (the set of 100 classes is not supported).");
  CHECK(find_error(hundred / "cifar-100-binary") ==
        begin + "CIFAR-100's in " + (hundred / "cifar-100-binary").string() +
            " (the set of 100 classes is not supported).");

  const auto python = folder / "python";
  fs::create_directories(python / "cifar-10-batches-py");
  write_file(python / "cifar-10-batches-py/data_batch_1", "x");
  CHECK(find_error(python) == begin + "those of the version for Python in " +
                                  (python / "cifar-10-batches-py").string() +
                                  " (the binary version is at "
                                  "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz).");

  const auto packed = folder / "packed";
  fs::create_directories(packed);
  const auto archive = write_file(packed / "cifar-10-binary.tar.gz", "x").string();
  CHECK(find_error(packed) == begin + "the packed archive (unpack it: tar -xzf \"" + archive +
                                  "\" -C \"" + packed.string() + "\").");

  // What lies beside the six files does not matter.
  write_cifar10_set(packed);
  CHECK(find_cifar10(packed) == packed);
}

TEST_CASE("load_cifar10 reads CIFAR-10 itself", "[data]") {
  fs::path dir;
  try {
    dir = find_cifar10();
  } catch (const c10::Error&) {
    LADDER_SKIP("CIFAR-10 was not found: set LADDER_DATA to the folder that holds it");
  }
  const auto [train, test] = load_cifar10(dir);
  CHECK(train.inputs.sizes() == torch::IntArrayRef({50000, 3, 32, 32}));
  CHECK(test.inputs.sizes() == torch::IntArrayRef({10000, 3, 32, 32}));
  CHECK(torch::equal(torch::bincount(train.labels), torch::full({10}, 5000, torch::kInt64)));
  CHECK(torch::equal(torch::bincount(test.labels), torch::full({10}, 1000, torch::kInt64)));
}
