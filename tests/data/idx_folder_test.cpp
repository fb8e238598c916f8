#include <ladder/data/idx_folder.h>
#include <tests/data/idx_files.h>
#include <tests/support/catch.h>
#include <tests/support/environment.h>
#include <tests/support/error_text.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

#include <filesystem>
#include <string>
#include <vector>

namespace fs = std::filesystem;
using ladder::data::holds_idx;
using ladder::data::Part;
using ladder::data::read_idx_folder;
using ladder::data::read_idx_samples;
using ladder::data::Samples;
using ladder::testing::error_text;
using ladder::testing::gzip_bytes;
using ladder::testing::idx_bytes;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;

namespace {

torch::Tensor pixels(torch::IntArrayRef sizes) {
  int64_t count = 1;
  for (const int64_t size : sizes) count *= size;
  return torch::arange(count).remainder(251).to(torch::kUInt8).reshape(sizes);
}

torch::Tensor bytes_of(const std::vector<int64_t>& values) {
  return torch::tensor(values).to(torch::kUInt8);
}

}  // namespace

TEST_CASE("read_idx_folder reads both parts, of any size and with any classes", "[data]") {
  const TemporaryFolder folder;
  write_file(folder / "emnist-ish.train-images.idx3-ubyte", idx_bytes(pixels({4, 5, 7})));
  write_file(folder / "emnist-ish.train-labels.idx1-ubyte", idx_bytes(bytes_of({1, 26, 1, 30})));
  write_file(folder / "Emnist-ish.Test-Images.idx3-ubyte.gz",
             gzip_bytes(idx_bytes(pixels({2, 5, 7}))));
  write_file(folder / "Emnist-ish.Test-Labels.idx1-ubyte.gz",
             gzip_bytes(idx_bytes(bytes_of({26, 1}))));
  CHECK(holds_idx(folder.path()));
  CHECK(holds_idx(folder.path(), Part::kTest));
  const Samples train = read_idx_folder(folder.path());
  CHECK(train.classes == std::vector<std::string>{"1", "26", "30"});
  CHECK(torch::equal(train.labels, torch::tensor({0, 1, 0, 2}, torch::kLong)));
  // Names that begin with emnist hold images on their side.
  CHECK(torch::equal(train.images, pixels({4, 5, 7}).transpose(1, 2).unsqueeze(1)));
  CHECK(train.images.is_contiguous());
  const Samples test = read_idx_folder(folder.path(), Part::kTest);
  CHECK(test.classes == std::vector<std::string>{"1", "26"});
  CHECK(test.images.sizes() == torch::IntArrayRef({2, 1, 7, 5}));
}

TEST_CASE("read_idx_folder takes a single pair as the training part", "[data]") {
  const TemporaryFolder folder;
  write_file(folder / "images-idx3-ubyte", idx_bytes(pixels({3, 4, 4})));
  write_file(folder / "labels-idx1-ubyte", idx_bytes(bytes_of({0, 1, 0})));
  const Samples samples = read_idx_folder(folder.path());
  CHECK(samples.images.sizes() == torch::IntArrayRef({3, 1, 4, 4}));
  CHECK(samples.classes.size() == 2);
  CHECK_FALSE(holds_idx(folder.path(), Part::kTest));
  CHECK(error_text([&] { read_idx_folder(folder.path(), Part::kTest); }) ==
        "read_idx_folder: expected a file of test images in " + folder.path().string() +
            " but found only images-idx3-ubyte (t10k or test in the name marks it).");
}

TEST_CASE("read_idx_folder looks into folders of the files' names", "[data]") {
  const TemporaryFolder folder;
  for (const std::string part : {"train", "t10k"}) {
    for (const std::string name : {"-images-idx3-ubyte", "-labels-idx1-ubyte"}) {
      fs::create_directories(folder / (part + name));
      const bool images = name.find("images") != std::string::npos;
      write_file(folder / (part + name + "/" + part + name),
                 idx_bytes(images ? pixels({3, 2, 2}) : bytes_of({7, 8, 9})));
    }
  }
  for (const Part part : {Part::kTrain, Part::kTest}) {
    const Samples samples = read_idx_folder(folder.path(), part);
    CHECK(samples.classes == std::vector<std::string>{"7", "8", "9"});
  }
}

TEST_CASE("read_idx_samples reads images of color in either order", "[data]") {
  const TemporaryFolder folder;
  write_file(folder / "images-idx4-ubyte", idx_bytes(pixels({2, 4, 5, 3})));
  const Samples last = read_idx_samples(folder / "images-idx4-ubyte");
  CHECK(torch::equal(last.images, pixels({2, 4, 5, 3}).permute({0, 3, 1, 2})));
  CHECK(torch::equal(last.labels, torch::tensor({-1, -1}, torch::kLong)));
  CHECK(last.classes.empty());
  write_file(folder / "images-idx4-ubyte", idx_bytes(pixels({2, 3, 4, 5})));
  write_file(folder / "labels-idx1-ubyte", idx_bytes(bytes_of({5, 5})));
  const Samples first = read_idx_samples(folder / "images-idx4-ubyte");
  CHECK(torch::equal(first.images, pixels({2, 3, 4, 5})));
  CHECK(first.classes == std::vector<std::string>{"5"});
}

TEST_CASE("read_idx_samples says what is wrong", "[data]") {
  const TemporaryFolder folder;
  const auto path = folder / "train-images-idx3-ubyte";
  const auto labels = folder / "train-labels-idx1-ubyte";
  const auto error = [&] { return error_text([&] { read_idx_samples(path); }); };
  write_file(path, idx_bytes(pixels({3, 2, 2})));
  write_file(labels, idx_bytes(bytes_of({1, 2})));
  CHECK(error() == "read_idx_samples: expected 3 labels, one for each image, but got 2 in " +
                       labels.string() + ".");
  write_file(labels, idx_bytes(pixels({3, 1})));
  CHECK(error() ==
        "read_idx_samples: expected labels [N] but got uint8 [3, 1] in " + labels.string() + ".");
  write_file(path, idx_bytes(bytes_of({1, 2})));
  CHECK(error() == "read_idx_samples: expected images but got labels, uint8 [2], in " +
                       path.string() + " (give the file of images).");
  write_file(path, idx_bytes(pixels({2, 2, 4, 4})));
  CHECK(error() ==
        "read_idx_samples: expected uint8 images [N, H, W], [N, C, H, W] or [N, H, W, C] with 1 or "
        "3 channels but got Byte [2, 2, 4, 4] in " +
            path.string() + ".");
  write_file(path, idx_bytes(torch::empty({0, 4, 4}, torch::kUInt8)));
  CHECK(error() ==
        "read_idx_samples: expected images but got uint8 [0, 4, 4] in " + path.string() + ".");
}

TEST_CASE("read_idx_folder refuses several files of one part", "[data]") {
  const TemporaryFolder folder;
  for (const char* name :
       {"emnist-letters-train-images-idx3-ubyte.gz", "emnist-digits-train-images-idx3-ubyte.gz"}) {
    write_file(folder / name, idx_bytes(pixels({2, 2, 2})));
  }
  CHECK(error_text([&] { read_idx_folder(folder.path()); }) ==
        "read_idx_folder: expected one file of training images in " + folder.path().string() +
            " but found emnist-digits-train-images-idx3-ubyte.gz, "
            "emnist-letters-train-images-idx3-ubyte.gz (give the path of one).");
  const TemporaryFolder empty;
  CHECK(error_text([&] { read_idx_folder(empty.path()); }) ==
        "read_idx_folder: expected IDX files of images, such as train-images-idx3-ubyte, but found "
        "none in " +
            empty.path().string() + ".");
}

TEST_CASE("read_idx_folder reads Fashion-MNIST", "[data]") {
  const fs::path folder = "/usr/share/datasets/fashion-mnist";
  if (!holds_idx(folder)) LADDER_SKIP("install dataset-fashion-mnist to run it");
  const Samples test = read_idx_folder(folder, Part::kTest);
  CHECK(test.images.sizes() == torch::IntArrayRef({10000, 1, 28, 28}));
  CHECK(test.classes.size() == 10);
  CHECK(torch::equal(torch::bincount(test.labels), torch::full({10}, 1000, torch::kLong)));
}
