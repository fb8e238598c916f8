#include "ladder/data/datasets.h"

#include <c10/util/Exception.h>
#include <torch/types.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "ladder/core/floating_rows.h"
#include "ladder/data/idx.h"
#include "ladder/data/internal/folders.h"

namespace ladder::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTrainImages = "train-images-idx3-ubyte";
constexpr const char* kTrainLabels = "train-labels-idx1-ubyte";
constexpr const char* kTestImages = "t10k-images-idx3-ubyte";
constexpr const char* kTestLabels = "t10k-labels-idx1-ubyte";
constexpr std::array kFiles = {kTrainImages, kTrainLabels, kTestImages, kTestLabels};
constexpr int64_t kMnistSide = 28;
constexpr int64_t kMnistClasses = 10;

std::string missing_files(const fs::path& dir) {
  std::string missing;
  for (const char* stem : kFiles) {
    if (find_named_file(dir, stem).empty())
      missing += (missing.empty() ? "" : ", ") + std::string(stem);
  }
  return missing;
}

// Returns a hint that names files with similar names, or nothing.
std::string near_misses(const fs::path& dir) {
  constexpr size_t kShown = 4;
  std::vector<std::string> found;
  bool emnist = false;
  for (const std::string& name : names_in(dir)) {
    const std::string plain = plain_name(name);
    const bool wanted = std::find(kFiles.begin(), kFiles.end(), plain) != kFiles.end();
    if (wanted ||
        (plain.find("idx1") == std::string::npos && plain.find("idx3") == std::string::npos &&
         plain.find("ubyte") == std::string::npos)) {
      continue;
    }
    emnist = emnist || plain.starts_with("emnist");
    found.push_back(name);
  }
  if (found.empty()) return "";
  std::string list;
  for (size_t i = 0; i < std::min(found.size(), kShown); ++i)
    list += (i > 0 ? ", " : "") + found[i];
  if (found.size() > kShown) list += c10::str(" and ", found.size() - kShown, " more");
  return c10::str(dir.string(), " holds ", list,
                  emnist ? ": EMNIST's images lie on their side, read its files with read_idx"
                         : ": rename them if they are the same files");
}

// Returns the first folder that holds all four files.
std::optional<fs::path> first_whole(const std::vector<fs::path>& dirs) {
  for (const fs::path& dir : dirs) {
    if (missing_files(dir).empty()) return dir;
  }
  return std::nullopt;
}

// Returns the first of `dir` and its folders `inner` that holds all four files.
fs::path given_dir(const char* component, const fs::path& dir, const std::vector<fs::path>& inner) {
  std::vector<fs::path> dirs = {dir};
  for (const fs::path& folder : inner) dirs.push_back(dir / folder);
  if (const auto whole = first_whole(dirs)) return *whole;
  const std::string near = near_misses(dir);
  TORCH_CHECK(false, component, ": expected four IDX files in ", dir.string(), " but got no ",
              missing_files(dir), " (", near.empty() ? "a name may end in .gz" : near, ").");
}

Dataset load_part(const fs::path& dir, const char* images, const char* labels, std::string name) {
  const auto require = [&](const char* stem) {
    const fs::path file = find_named_file(dir, stem);
    TORCH_CHECK(!file.empty(), "load_mnist: expected the file ", stem, " or ", stem, ".gz in ",
                dir.string(),
                " but got neither (find_mnist names the folders that are looked in).");
    return file;
  };
  const fs::path images_path = require(images);
  const fs::path labels_path = require(labels);
  Dataset set{read_idx(images_path), read_idx(labels_path), kMnistClasses, std::move(name)};
  TORCH_CHECK(
      set.inputs.dim() == 3 && set.inputs.size(1) == kMnistSide && set.inputs.size(2) == kMnistSide,
      "load_mnist: expected images [N, 28, 28] but got ", set.inputs.sizes(), " in ",
      images_path.string(), ".");
  TORCH_CHECK(set.labels.dim() == 1, "load_mnist: expected labels [N] but got ", set.labels.sizes(),
              " in ", labels_path.string(), ".");
  TORCH_CHECK(set.inputs.size(0) > 0, "load_mnist: expected at least 1 image but got none in ",
              images_path.string(), ".");
  TORCH_CHECK(set.labels.size(0) == set.inputs.size(0), "load_mnist: expected ", set.inputs.size(0),
              " labels, one for each image, but got ", set.labels.size(0), " in ",
              labels_path.string(), ".");
  const auto highest = set.labels.max().item<int64_t>();
  TORCH_CHECK(highest < kMnistClasses, "load_mnist: expected labels in 0..9 but got ", highest,
              " in ", labels_path.string(), ".");
  set.labels = set.labels.to(torch::kInt64);
  return set;
}

}  // namespace

TrainTest load_mnist(const std::filesystem::path& dir, const std::string& name) {
  return {load_part(dir, kTrainImages, kTrainLabels, name),
          load_part(dir, kTestImages, kTestLabels, name)};
}

std::filesystem::path find_mnist(std::optional<std::filesystem::path> data_dir) {
  const std::vector<fs::path> inner = {"mnist", fs::path("MNIST") / "raw"};
  if (data_dir) return given_dir("find_mnist", *data_dir, inner);

  std::vector<fs::path> dirs;
  if (const fs::path root = environment_path("LADDER_DATA"); !root.empty()) {
    dirs = {root};
    for (const fs::path& folder : inner) dirs.push_back(root / folder);
  }
  const fs::path cache = cache_folder("mnist");
  if (!cache.empty()) dirs.push_back(cache);
  if (const auto whole = first_whole(dirs)) return *whole;
  const std::string target = cache.empty() ? "mnist" : cache.string();
  std::string near;
  for (const fs::path& dir : dirs) {
    if (near.empty()) near = near_misses(dir);
  }
  if (!near.empty()) near += "; or ";
  std::string files;
  for (const char* stem : kFiles) files += std::string(" ") + stem;
  TORCH_CHECK(false, "find_mnist: expected MNIST's four IDX files but got them in none of: ",
              list_folders(dirs), " (", near,
              "set LADDER_DATA to a folder that holds them, or run the two commands)",
              "\n  mkdir -p \"", target, "\"\n  for f in", files, "; do curl -fL -o \"", target,
              "/$f.gz\" https://ossci-datasets.s3.amazonaws.com/mnist/$f.gz; done");
}

std::filesystem::path find_fashion_mnist(std::optional<std::filesystem::path> data_dir,
                                         const std::filesystem::path& package_dir) {
  const std::vector<fs::path> inner = {"fashion-mnist", fs::path("FashionMNIST") / "raw"};
  if (data_dir) return given_dir("find_fashion_mnist", *data_dir, inner);

  std::vector<fs::path> dirs;
  if (const fs::path root = environment_path("LADDER_DATA"); !root.empty()) {
    for (const fs::path& folder : inner) dirs.push_back(root / folder);
  }
  dirs.push_back(package_dir);
  if (const auto whole = first_whole(dirs)) return *whole;
  TORCH_CHECK(false, "find_fashion_mnist: expected Fashion-MNIST's four IDX files but got them in ",
              "none of: ", list_folders(dirs),
              " (on Debian or Ubuntu run: sudo apt-get install dataset-fashion-mnist).");
}

torch::Tensor to_unit_float(const torch::Tensor& images, torch::Dtype dtype) {
  TORCH_CHECK(images.defined() && images.scalar_type() == torch::kUInt8,
              "to_unit_float: expected uint8 images but got ",
              images.defined() ? c10::toString(images.scalar_type()) : "an undefined tensor", ".");
  TORCH_CHECK(images.dim() >= 1, "to_unit_float: expected images [N, ...] but got a scalar.");
  TORCH_CHECK(c10::isFloatingType(dtype), "to_unit_float: expected a floating dtype but got ",
              c10::toString(dtype), ".");
  const int64_t rows = images.size(0);
  const int64_t width =
      rows == 0 ? c10::multiply_integers(images.sizes().slice(1)) : images.numel() / rows;
  return floating_rows(images.reshape({rows, width}), dtype);
}

}  // namespace ladder::data
