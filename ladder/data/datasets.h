#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace ladder::data {

/// Rows and their classes.
struct Dataset {
  torch::Tensor inputs;  ///< uint8, [N, ...]
  torch::Tensor labels;  ///< int64, [N], in [0, classes)
  int64_t classes = 0;
  std::string name;
};

/// A published data set with its published division into training and test rows.
struct TrainTest {
  Dataset train;
  Dataset test;
};

/// Reads MNIST, or a data set in its format such as Fashion-MNIST, from the folder `dir`: images
/// uint8 [N, 28, 28], labels int64 [N], 10 classes. Its four files may be gzip (`.gz`) or not:
///
///     train-images-idx3-ubyte  train-labels-idx1-ubyte
///     t10k-images-idx3-ubyte   t10k-labels-idx1-ubyte
///
/// `name` is the name given to both data sets.
///
/// Throws `c10::Error` when a file is missing or unreadable (see `read_idx`), when images are not
/// 28 x 28, when there are not as many labels as images, or when a label is not in 0..9.
///
///     auto [train, test] = load_mnist(find_mnist());
TrainTest load_mnist(const std::filesystem::path& dir, std::string name = "mnist");

/// Returns the folder that holds MNIST's four files. With `data_dir` that is `data_dir` or an error
/// listing the files it lacks. Without, the first that holds them of: `$LADDER_DATA`,
/// `$LADDER_DATA/mnist`, and the cache `${XDG_CACHE_HOME:-$HOME/.cache}/ladder/mnist`.
///
/// Throws `c10::Error` when none does, with the commands that fetch the files into the cache.
/// The `find_` functions are the only ones of the library that read environment variables.
std::filesystem::path find_mnist(std::optional<std::filesystem::path> data_dir = std::nullopt);

/// Where the Debian package dataset-fashion-mnist installs its files.
inline constexpr const char* kFashionMnistPackageDir = "/usr/share/datasets/fashion-mnist";

/// Returns the folder that holds Fashion-MNIST's four files, which are named like MNIST's. With
/// `data_dir` that is `data_dir` or an error listing the files it lacks. Without, the first that
/// holds them of `$LADDER_DATA/fashion-mnist` and `package_dir`.
///
/// Throws `c10::Error` when none does, with the command that installs the package.
std::filesystem::path find_fashion_mnist(
    std::optional<std::filesystem::path> data_dir = std::nullopt,
    const std::filesystem::path& package_dir = kFashionMnistPackageDir);

/// Returns uint8 images [N, ...] as rows [N, D] of floating numbers in [0, 1], x / 255.
///
/// Throws `c10::Error` when `images` is not uint8, has no row dimension, or `dtype` is not a
/// floating type.
///
///     torch::Tensor x = to_unit_float(train.inputs);  // uint8 [N, 28, 28] -> float [N, 784]
torch::Tensor to_unit_float(const torch::Tensor& images, torch::Dtype dtype = torch::kFloat32);

}  // namespace ladder::data
