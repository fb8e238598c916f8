#include <ladder/data/cifar_folder.h>
#include <tests/data/cifar10_files.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace fs = std::filesystem;
using ladder::data::CifarLabels;
using ladder::data::holds_cifar;
using ladder::data::is_cifar_file;
using ladder::data::Part;
using ladder::data::read_cifar100;
using ladder::data::read_cifar_file;
using ladder::data::read_cifar_folder;
using ladder::data::Samples;
using ladder::testing::cifar10_bytes;
using ladder::testing::error_text;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_cifar10;
using ladder::testing::write_file;

namespace {

torch::Tensor cifar_pixels(int64_t rows, int64_t from = 0) {
  return (torch::arange(rows * 3072) + from)
      .remainder(253)
      .to(torch::kUInt8)
      .reshape({rows, 3, 32, 32});
}

// The bytes of a file of CIFAR-100.
std::string cifar100_bytes(const torch::Tensor& images, const torch::Tensor& coarse,
                           const torch::Tensor& fine) {
  const auto labels = torch::stack({coarse, fine}, 1).to(torch::kUInt8);
  const auto records = torch::cat({labels, images.flatten(1)}, 1).contiguous();
  return std::string(reinterpret_cast<const char*>(records.data_ptr<uint8_t>()),
                     static_cast<size_t>(records.numel()));
}

std::string lines(int count, const std::string& prefix) {
  std::string text;
  for (int i = 0; i < count; ++i) text += prefix + std::to_string(i) + "\n";
  return text;
}

}  // namespace

TEST_CASE("read_cifar_folder reads the parts of CIFAR-10 with their names", "[data]") {
  const TemporaryFolder folder;
  const auto dir = folder / "cifar-10-batches-bin";
  const auto train_labels = torch::tensor({0, 1, 2, 3, 9, 9, 8, 7, 6, 5});
  write_cifar10(dir, cifar_pixels(10), train_labels, cifar_pixels(2, 5), torch::tensor({4, 3}));
  CHECK(holds_cifar(folder.path()));
  for (const fs::path& place : {dir, folder.path()}) {
    const Samples train = read_cifar_folder(place);
    CHECK(torch::equal(train.images, cifar_pixels(10)));
    CHECK(torch::equal(train.labels, train_labels.to(torch::kLong)));
    CHECK(train.classes ==
          std::vector<std::string>{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"});
    CHECK(train.source == place.string());
  }
  write_file(dir / "batches.meta.txt",
             "airplane\r\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
  const Samples test = read_cifar_folder(folder.path(), Part::kTest);
  CHECK(torch::equal(test.images, cifar_pixels(2, 5)));
  CHECK(test.classes.at(9) == "truck");
  CHECK(test.classes.at(0) == "airplane");

  const Samples one = read_cifar_file(dir / "data_batch_2.bin");
  CHECK(torch::equal(one.images, cifar_pixels(10).slice(0, 2, 4)));
  CHECK(one.classes.at(1) == "automobile");
}

TEST_CASE("read_cifar_folder reads one part without the other", "[data]") {
  const TemporaryFolder folder;
  write_file(folder / "test_batch.bin", cifar10_bytes(cifar_pixels(3), torch::tensor({1, 2, 3})));
  CHECK(holds_cifar(folder.path(), Part::kTest));
  CHECK_FALSE(holds_cifar(folder.path(), Part::kTrain));
  CHECK(read_cifar_folder(folder.path(), Part::kTest).rows() == 3);
  CHECK(error_text([&] { read_cifar_folder(folder.path()); }) ==
        "read_cifar10: expected a file of CIFAR-10 but got no file at " +
            (folder / "data_batch_1.bin").string() +
            " (find_cifar10 names the folders that are looked in).");
}

TEST_CASE("read_cifar_folder reads CIFAR-100 with fine or coarse labels", "[data]") {
  const TemporaryFolder folder;
  write_file(folder / "train.bin", cifar100_bytes(cifar_pixels(3), torch::tensor({19, 0, 7}),
                                                  torch::tensor({99, 4, 50})));
  write_file(folder / "test.bin",
             cifar100_bytes(cifar_pixels(1, 9), torch::tensor({2}), torch::tensor({61})));
  const Samples fine = read_cifar_folder(folder.path());
  CHECK(torch::equal(fine.images, cifar_pixels(3)));
  CHECK(torch::equal(fine.labels, torch::tensor({99, 4, 50}, torch::kLong)));
  CHECK(fine.classes.size() == 100);
  write_file(folder / "fine_label_names.txt", lines(100, "fine"));
  write_file(folder / "coarse_label_names.txt", lines(20, "coarse"));
  CHECK(read_cifar_folder(folder.path(), Part::kTest).classes.at(61) == "fine61");
  const Samples coarse = read_cifar_folder(folder.path(), Part::kTrain, CifarLabels::kCoarse);
  CHECK(torch::equal(coarse.labels, torch::tensor({19, 0, 7}, torch::kLong)));
  CHECK(coarse.classes.at(19) == "coarse19");
  CHECK(coarse.classes.size() == 20);

  write_file(folder / "fine_label_names.txt", lines(99, "fine"));
  CHECK(error_text([&] { read_cifar_folder(folder.path()); }) ==
        "read_cifar_folder: expected 100 names of classes, one a line, but got 99 in " +
            (folder / "fine_label_names.txt").string() + ".");
  write_file(folder / "fine_label_names.txt", lines(99, "fine") + "fine7\n");
  CHECK(error_text([&] { read_cifar_folder(folder.path()); }) ==
        "read_cifar_folder: expected different names of classes but got 'fine7' twice in " +
            (folder / "fine_label_names.txt").string() + ".");
  write_file(folder / "fine_label_names.txt", lines(5000, "fine"));
  CHECK(error_text([&] { read_cifar_folder(folder.path()); }) ==
        "read_cifar_folder: expected 100 names of classes, one a line, but got more in " +
            (folder / "fine_label_names.txt").string() + ".");
}

TEST_CASE("read_cifar100 says what is wrong with a file", "[data]") {
  const TemporaryFolder folder;
  const auto path = folder / "train.bin";
  const auto error = [&] { return error_text([&] { read_cifar100(path); }); };
  const std::string at = path.string();
  CHECK(error() == "read_cifar100: expected a file of CIFAR-100 but got no file at " + at +
                       " (check the path).");
  write_file(path, "");
  CHECK(error() ==
        "read_cifar100: expected a file of CIFAR-100 but got an empty file at " + at + ".");
  write_file(path, std::string(3074 + 5, '\1'));
  CHECK(error() == "read_cifar100: expected records of 3074 bytes but got 3079 bytes in " + at +
                       ", 5 more than 1 records (fetch the file again).");
  write_file(path, std::string(3073 * 2, '\1'));
  CHECK(error() ==
        "read_cifar100: expected CIFAR-100's records of 3074 bytes but got 6146 bytes "
        "in " +
            at + ", which fit CIFAR-10's records of 3073 (read_cifar10 reads it).");
  const auto zeros = torch::zeros({1}, torch::kLong);
  write_file(path, cifar100_bytes(cifar_pixels(1), zeros + 20, zeros));
  CHECK(error() == "read_cifar100: expected labels in 0..19 but got 20 in record 1 of " + at +
                       " (the file is damaged or another data set).");
  write_file(path, cifar100_bytes(cifar_pixels(1), zeros, zeros + 100));
  CHECK(error() == "read_cifar100: expected labels in 0..99 but got 100 in record 1 of " + at +
                       " (the file is damaged or another data set).");
}

TEST_CASE("is_cifar_file looks at name and size", "[data]") {
  const TemporaryFolder folder;
  CHECK(is_cifar_file(write_file(folder / "train.bin", std::string(3074 * 2, '\1'))));
  CHECK_FALSE(is_cifar_file(write_file(folder / "train.bin", std::string(3073, '\1'))));
  CHECK_FALSE(is_cifar_file(write_file(folder / "other.bin", std::string(3074, '\1'))));
  CHECK(is_cifar_file(write_file(folder / "test_batch.bin", std::string(3073, '\1'))));
  CHECK_FALSE(is_cifar_file(write_file(folder / "test_batch.bin", "")));
  CHECK_FALSE(is_cifar_file(folder.path()));
}

TEST_CASE("read_cifar_folder reads the published CIFAR-10", "[data]") {
  const char* data = std::getenv("LADDER_DATA");
  const fs::path root = data == nullptr ? "" : data;
  fs::path place;
  for (const fs::path& folder : {root, root / "cifar10"}) {
    if (!root.empty() && holds_cifar(folder, Part::kTest)) place = folder;
  }
  if (place.empty()) LADDER_SKIP("set LADDER_DATA to a folder with cifar10/ to run it");
  const Samples test = read_cifar_folder(place, Part::kTest);
  CHECK(test.rows() == 10000);
  CHECK(torch::equal(torch::bincount(test.labels), torch::full({10}, 1000, torch::kLong)));
}
