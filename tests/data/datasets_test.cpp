#include <ladder/data/datasets.h>
#include <tests/data/idx_files.h>
#include <tests/support/bounds.h>
#include <tests/support/catch.h>
#include <tests/support/environment.h>
#include <tests/support/error_text.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

#include <cctype>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

namespace fs = std::filesystem;
using ladder::data::Dataset;
using ladder::data::find_fashion_mnist;
using ladder::data::find_mnist;
using ladder::data::load_mnist;
using ladder::data::to_unit_float;
using ladder::testing::Environment;
using ladder::testing::error_text;
using ladder::testing::gzip_bytes;
using ladder::testing::idx_bytes;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;

namespace {

torch::Tensor bytes(torch::IntArrayRef sizes) { return torch::full(sizes, 7, torch::kUInt8); }

void write_set(const fs::path& dir, int64_t train = 6, int64_t test = 3) {
  fs::create_directories(dir);
  write_file(dir / "train-images-idx3-ubyte", idx_bytes(bytes({train, 28, 28})));
  write_file(dir / "train-labels-idx1-ubyte", idx_bytes(bytes({train})));
  write_file(dir / "t10k-images-idx3-ubyte.gz", gzip_bytes(idx_bytes(bytes({test, 28, 28}))));
  write_file(dir / "t10k-labels-idx1-ubyte.gz", gzip_bytes(idx_bytes(bytes({test}))));
}

std::string load_error(const fs::path& dir) {
  return error_text([&] { load_mnist(dir); });
}

void check_set(const Dataset& set, int64_t rows, const std::vector<int64_t>& counts) {
  CHECK(set.inputs.scalar_type() == torch::kUInt8);
  CHECK(set.inputs.sizes() == torch::IntArrayRef({rows, 28, 28}));
  CHECK(set.labels.scalar_type() == torch::kInt64);
  CHECK(set.labels.sizes() == torch::IntArrayRef({rows}));
  CHECK(set.classes == 10);
  CHECK(torch::equal(torch::bincount(set.labels), torch::tensor(counts)));
}

}  // namespace

TEST_CASE("load_mnist reads four files, gzip or not", "[data]") {
  const TemporaryFolder folder;
  write_set(folder.path());
  const auto [train, test] = load_mnist(folder.path(), "tiny");
  CHECK(train.inputs.sizes() == torch::IntArrayRef({6, 28, 28}));
  CHECK(train.inputs.eq(7).all().item<bool>());
  CHECK(test.inputs.size(0) == 3);
  CHECK(train.labels.scalar_type() == torch::kInt64);
  CHECK(torch::equal(test.labels, torch::full({3}, 7, torch::kInt64)));
  CHECK(train.classes == 10);
  CHECK(train.name == "tiny");
  CHECK(load_mnist(folder.path()).test.name == "mnist");
}

TEST_CASE("load_mnist checks the files against each other", "[data]") {
  const TemporaryFolder folder;
  const auto images = folder / "train-images-idx3-ubyte";
  const auto labels = folder / "train-labels-idx1-ubyte";
  write_set(folder.path());

  write_file(images, idx_bytes(bytes({6, 32, 32})));
  CHECK(load_error(folder.path()) ==
        "load_mnist: expected images [N, 28, 28] but got [6, 32, 32] in " + images.string() + ".");
  write_file(images, idx_bytes(bytes({6})));
  CHECK(load_error(folder.path()) ==
        "load_mnist: expected images [N, 28, 28] but got [6] in " + images.string() + ".");
  write_file(images, idx_bytes(bytes({0, 28, 28})));
  CHECK(load_error(folder.path()) ==
        "load_mnist: expected at least 1 image but got none in " + images.string() + ".");
  write_file(images, idx_bytes(bytes({6, 28, 28})));
  write_file(labels, idx_bytes(bytes({5})));
  CHECK(load_error(folder.path()) ==
        "load_mnist: expected 6 labels, one for each image, but got 5 in " + labels.string() + ".");
  write_file(labels, idx_bytes(bytes({6, 1})));
  CHECK(load_error(folder.path()) ==
        "load_mnist: expected labels [N] but got [6, 1] in " + labels.string() + ".");
  write_file(labels, idx_bytes(bytes({6}).fill_(10)));
  CHECK(load_error(folder.path()) ==
        "load_mnist: expected labels in 0..9 but got 10 in " + labels.string() + ".");
  fs::remove(labels);
  CHECK(load_error(folder.path()) ==
        "load_mnist: expected the file train-labels-idx1-ubyte or train-labels-idx1-ubyte.gz in " +
            folder.path().string() +
            " but got neither (find_mnist names the folders that are looked in).");
}

TEST_CASE("find_mnist takes the given folder or names the files it lacks", "[data]") {
  const TemporaryFolder folder;
  write_set(folder / "whole");
  CHECK(find_mnist(folder / "whole") == folder / "whole");

  write_set(folder / "part");
  fs::remove(folder / "part/train-labels-idx1-ubyte");
  fs::remove(folder / "part/t10k-images-idx3-ubyte.gz");
  const Environment data("LADDER_DATA", (folder / "whole").string());
  CHECK(error_text([&] { find_mnist(folder / "part"); }) ==
        "find_mnist: expected four IDX files in " + (folder / "part").string() +
            " but got no train-labels-idx1-ubyte, t10k-images-idx3-ubyte (a name may end in .gz).");
  CHECK(error_text([&] { find_fashion_mnist(folder / "part"); }) ==
        "find_fashion_mnist: expected four IDX files in " + (folder / "part").string() +
            " but got no train-labels-idx1-ubyte, t10k-images-idx3-ubyte (a name may end in .gz).");
}

TEST_CASE("load_mnist finds files under the names of other copies", "[data]") {
  const TemporaryFolder folder;
  write_set(folder / "plain");
  const auto wanted = load_mnist(folder / "plain");
  const auto copy_as = [&](const std::string& set, const auto& rename) {
    for (const std::string stem : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                   "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}) {
      const std::string ending = stem.starts_with("train") ? "" : ".gz";
      const fs::path target = folder / set / rename(stem, ending);
      fs::create_directories(target.parent_path());
      fs::copy_file(folder / "plain" / (stem + ending), target);
    }
    return folder / set;
  };
  const std::vector<fs::path> copies = {
      copy_as("dots",
              [](std::string stem, const std::string& ending) {
                return stem.replace(stem.find("-idx"), 1, ".") + ending;
              }),
      copy_as("folders", [](const std::string& stem,
                            const std::string& ending) { return stem + "/" + stem + ending; }),
      copy_as("dotted-folders",
              [](const std::string& stem, const std::string& ending) {
                return stem + "/" + std::string(stem).replace(stem.find("-idx"), 1, ".") + ending;
              }),
      copy_as("idx", [](const std::string& stem,
                        const std::string& ending) { return stem + ".idx" + ending; }),
      copy_as("upper", [](std::string stem, const std::string& ending) {
        for (char& c : stem) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        return stem + ending;
      })};
  for (const fs::path& dir : copies) {
    INFO(dir);
    REQUIRE(find_mnist(dir) == dir);
    const auto [train, test] = load_mnist(dir);
    CHECK(torch::equal(train.inputs, wanted.train.inputs));
    CHECK(torch::equal(test.labels, wanted.test.labels));
  }
}

TEST_CASE("load_mnist prefers a whole file to one that an interrupted gunzip left", "[data]") {
  const TemporaryFolder folder;
  write_set(folder.path());
  write_file(folder / "t10k-images-idx3-ubyte", "");
  CHECK(load_mnist(folder.path()).test.inputs.size(0) == 3);
  fs::remove(folder / "t10k-images-idx3-ubyte.gz");
  CHECK(load_error(folder.path()) == "read_idx: expected an IDX file but got an empty file at " +
                                         (folder / "t10k-images-idx3-ubyte").string() + ".");
}

TEST_CASE("find_mnist finds the folders that torchvision makes", "[data]") {
  const TemporaryFolder folder;
  write_set(folder / "MNIST/raw");
  write_set(folder / "FashionMNIST/raw");
  CHECK(find_mnist(folder.path()) == folder / "MNIST/raw");
  CHECK(find_fashion_mnist(folder.path()) == folder / "FashionMNIST/raw");
  const Environment data("LADDER_DATA", folder.path().string());
  CHECK(find_mnist() == folder / "MNIST/raw");
  CHECK(find_fashion_mnist(std::nullopt, folder / "none") == folder / "FashionMNIST/raw");
}

TEST_CASE("find_mnist names files that come near", "[data]") {
  const TemporaryFolder folder;
  const std::string dir = folder.path().string();
  const std::string missing =
      "find_mnist: expected four IDX files in " + dir +
      " but got no train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
      "t10k-labels-idx1-ubyte (";
  write_file(folder / "training-images-idx3-ubyte", "");
  write_file(folder / "notes.txt", "");
  CHECK(error_text([&] { find_mnist(folder.path()); }) ==
        missing + dir +
            " holds training-images-idx3-ubyte: rename them if they are the same files).");
  fs::remove(folder / "training-images-idx3-ubyte");
  for (const char* name :
       {"train-images", "train-labels", "test-images", "test-labels", "mapping"}) {
    write_file(folder / ("emnist-letters-" + std::string(name) + "-idx1-ubyte"), "");
  }
  const std::string near = dir +
                           " holds emnist-letters-mapping-idx1-ubyte, "
                           "emnist-letters-test-images-idx1-ubyte, "
                           "emnist-letters-test-labels-idx1-ubyte, "
                           "emnist-letters-train-images-idx1-ubyte and 1 more: EMNIST's images lie "
                           "on their side, read its files with read_idx";
  CHECK(error_text([&] { find_mnist(folder.path()); }) == missing + near + ").");
  const Environment data("LADDER_DATA", dir);
  const Environment cache("XDG_CACHE_HOME", (folder / "cache").string());
  CHECK(error_text([] { find_mnist(); }).find(" (" + near + "; or set LADDER_DATA to a folder") !=
        std::string::npos);
}

TEST_CASE("find_mnist looks in LADDER_DATA and then in the cache", "[data]") {
  const TemporaryFolder folder;
  const auto root = folder / "data";
  const auto cache = folder / "cache/ladder/mnist";
  const auto home = folder / "home/.cache/ladder/mnist";
  fs::create_directories(root);
  const Environment data("LADDER_DATA", root.string());
  const Environment home_variable("HOME", (folder / "home").string());

  {
    const Environment no_cache("XDG_CACHE_HOME", std::nullopt);
    write_set(home);
    CHECK(find_mnist() == home);
  }
  const Environment cache_variable("XDG_CACHE_HOME", (folder / "cache").string());
  write_set(cache);
  CHECK(find_mnist() == cache);
  write_set(root / "mnist");
  CHECK(find_mnist() == root / "mnist");
  write_set(root);
  CHECK(find_mnist() == root);
  const Environment unset("LADDER_DATA", std::nullopt);
  CHECK(find_mnist() == cache);
}

TEST_CASE("find_mnist says how to get the files when it finds none", "[data]") {
  const TemporaryFolder folder;
  const std::string root = (folder / "data").string();
  const std::string cache = (folder / "cache/ladder/mnist").string();
  const Environment data("LADDER_DATA", root);
  const Environment cache_variable("XDG_CACHE_HOME", (folder / "cache").string());
  CHECK(error_text([] { find_mnist(); }) ==
        "find_mnist: expected MNIST's four IDX files but got them in none of: " + root + ", " +
            root + "/mnist, " + root + "/MNIST/raw, " + cache +
            " (set LADDER_DATA to a folder that holds them, or run the two commands)\n"
            "  mkdir -p \"" +
            cache +
            "\"\n"
            "  for f in train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte "
            "t10k-labels-idx1-ubyte; do curl -fL -o \"" +
            cache + "/$f.gz\" https://ossci-datasets.s3.amazonaws.com/mnist/$f.gz; done");
}

TEST_CASE("find_fashion_mnist looks in LADDER_DATA and then in the package's folder", "[data]") {
  const TemporaryFolder folder;
  const auto root = folder / "data";
  const auto package = folder / "package";
  const Environment data("LADDER_DATA", root.string());
  CHECK(error_text([&] { find_fashion_mnist(std::nullopt, package); }) ==
        "find_fashion_mnist: expected Fashion-MNIST's four IDX files but got them in none of: " +
            (root / "fashion-mnist").string() + ", " + (root / "FashionMNIST/raw").string() + ", " +
            package.string() +
            " (on Debian or Ubuntu run: sudo apt-get install dataset-fashion-mnist).");
  write_set(package);
  CHECK(find_fashion_mnist(std::nullopt, package) == package);
  write_set(root / "fashion-mnist");
  CHECK(find_fashion_mnist(std::nullopt, package) == root / "fashion-mnist");
  CHECK(find_fashion_mnist(package, folder.path()) == package);
}

TEST_CASE("to_unit_float scales bytes to rows in [0, 1]", "[data]") {
  const torch::Tensor images = torch::arange(2 * 128).to(torch::kUInt8).reshape({2, 8, 16});
  const torch::Tensor rows = to_unit_float(images);
  CHECK(rows.sizes() == torch::IntArrayRef({2, 128}));
  CHECK(rows.scalar_type() == torch::kFloat32);
  CHECK(rows[0][0].item<float>() == 0.0f);
  CHECK(rows[1][127].item<float>() == 1.0f);
  CHECK(rows[0][51].item<float>() == 51.0f / 255.0f);
  CHECK(images[1][7][15].item<int>() == 255);
  CHECK(to_unit_float(images, torch::kFloat64)[0][51].item<double>() == 0.2);
  CHECK(to_unit_float(images.slice(0, 0, 0)).sizes() == torch::IntArrayRef({0, 128}));
  CHECK(to_unit_float(images.transpose(1, 2))[0][1].item<float>() == 16.0f / 255.0f);

  CHECK(error_text([] {
          to_unit_float(torch::zeros({2, 2}));
        }) == "to_unit_float: expected uint8 images but got Float.");
  CHECK(error_text([] { to_unit_float(torch::Tensor()); }) ==
        "to_unit_float: expected uint8 images but got an undefined tensor.");
  CHECK(error_text([] { to_unit_float(torch::zeros({}, torch::kUInt8)); }) ==
        "to_unit_float: expected images [N, ...] but got a scalar.");
  CHECK(error_text([] { to_unit_float(torch::zeros({2}, torch::kUInt8), torch::kInt64); }) ==
        "to_unit_float: expected a floating dtype but got Long.");
}

TEST_CASE("load_mnist reads MNIST itself", "[data]") {
  fs::path dir;
  try {
    dir = find_mnist();
  } catch (const c10::Error&) {
    LADDER_SKIP("MNIST was not found: set LADDER_DATA to the folder that holds it");
  }
  const auto [train, test] = load_mnist(dir);
  check_set(train, 60000, {5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949});
  check_set(test, 10000, {980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009});
  const double mean = to_unit_float(train.inputs, torch::kFloat64).mean().item<double>();
  // A sum of 47 million values above 0.
  const double rounding =
      ladder::testing::gamma(static_cast<double>(train.inputs.numel()), torch::kDouble);
  CHECK(std::abs(mean - 0.1306604762738429) < rounding * mean);
  CHECK(train.labels[0].item<int64_t>() == 5);
  CHECK(test.labels[0].item<int64_t>() == 7);
}

TEST_CASE("load_mnist reads Fashion-MNIST", "[data]") {
  fs::path dir;
  try {
    dir = find_fashion_mnist();
  } catch (const c10::Error&) {
    LADDER_SKIP("Fashion-MNIST was not found: install the package dataset-fashion-mnist");
  }
  const auto [train, test] = load_mnist(dir, "fashion-mnist");
  check_set(train, 60000, std::vector<int64_t>(10, 6000));
  check_set(test, 10000, std::vector<int64_t>(10, 1000));
  CHECK(train.name == "fashion-mnist");
  CHECK(train.labels[0].item<int64_t>() == 9);
}
