#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ladder::data {

/// Rows and their class labels, as read from files.
struct Dataset {
  torch::Tensor inputs;  ///< [N, ...], uint8 for images
  torch::Tensor labels;  ///< int64 [N], in [0, classes), or -1 for a row without a label
  int64_t classes = 0;
  std::string name;
  std::vector<std::string> class_names =
      {};  ///< by label; empty or "0", "1", ... where they have no others
};

/// A published data set, divided into training and test rows as published.
struct TrainTest {
  Dataset train;
  Dataset test;
};

/// Read MNIST, or a data set in its format such as Fashion-MNIST, from the folder `dir`: images
/// uint8 [N, 28, 28], labels int64 [N], 10 classes. `name` becomes the name of both parts.
///
///     train-images-idx3-ubyte  train-labels-idx1-ubyte
///     t10k-images-idx3-ubyte   t10k-labels-idx1-ubyte
///
/// The four files may be gzip. Copies whose names differ in case, in a dot for a dash
/// (train-images.idx3-ubyte) or in an ending (.gz, .idx, .bin) are found too, also in folders of
/// those names (train-images-idx3-ubyte/train-images-idx3-ubyte).
///
/// Throws `c10::Error` if a file is missing or unreadable (see `read_idx`), if images are not
/// 28 x 28, if the numbers of labels and images differ, or if a label is not in 0..9.
///
///     auto [train, test] = load_mnist(find_mnist());
TrainTest load_mnist(const std::filesystem::path& dir, const std::string& name = "mnist");

/// Return the folder that holds MNIST's four files: the first of `data_dir` and its `mnist` and
/// `MNIST/raw` (torchvision's layout). Without `data_dir`, search `$LADDER_DATA` in the same way,
/// then the cache `${XDG_CACHE_HOME:-$HOME/.cache}/ladder/mnist`.
///
/// Throws `c10::Error` if no folder holds them. The sentence names the files that `data_dir` lacks
/// and files with similar names, or the commands that download MNIST into the cache.
/// Only the `find_` functions of the library read environment variables.
std::filesystem::path find_mnist(std::optional<std::filesystem::path> data_dir = std::nullopt);

/// Folder of the files of the Debian package dataset-fashion-mnist.
inline constexpr const char* kFashionMnistPackageDir = "/usr/share/datasets/fashion-mnist";

/// Return the folder that holds Fashion-MNIST's four files, which are named like MNIST's: the first
/// of `data_dir` and its `fashion-mnist` and `FashionMNIST/raw`. Without `data_dir`, search these
/// two in `$LADDER_DATA`, then `package_dir`.
///
/// Throws `c10::Error` as `find_mnist` does, with the command that installs the package.
std::filesystem::path find_fashion_mnist(
    std::optional<std::filesystem::path> data_dir = std::nullopt,
    const std::filesystem::path& package_dir = kFashionMnistPackageDir);

/// Return uint8 images [N, ...] as rows [N, D] of floating numbers in [0, 1]: x / 255.
///
/// Throws `c10::Error` if `images` is not uint8 or has no row dimension, or if `dtype` is not a
/// floating type.
///
///     torch::Tensor x = to_unit_float(train.inputs);  // uint8 [N, 28, 28] -> float [N, 784]
torch::Tensor to_unit_float(const torch::Tensor& images, torch::Dtype dtype = torch::kFloat32);

}  // namespace ladder::data
