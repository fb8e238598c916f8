/// CIFAR-10 in its binary format.
#pragma once

#include <filesystem>
#include <optional>

#include "ladder/data/datasets.h"

namespace ladder::data {

/// Where CIFAR-10's authors offer its binary format.
inline constexpr const char* kCifar10Archive =
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";

/// Reads one file of CIFAR-10's binary format: images uint8 [N, 3, 32, 32], labels int64 [N], 10
/// classes. The file is N records of 3,073 bytes: a label, then the red, the green and the blue
/// plane of 32 x 32 pixels, row by row.
///
/// Throws `c10::Error`, one sentence for each fault, always naming the file: no such file, a
/// folder, an empty or unreadable file, one that is still packed, a size that is no whole number of
/// records, CIFAR-100's records (3,074 bytes: two labels), a label above 9.
Dataset read_cifar10(const std::filesystem::path& path);

/// Reads CIFAR-10 from the folder `dir`: the training images of data_batch_1.bin to
/// data_batch_5.bin, in this order, and the test images of test_batch.bin.
///
/// Throws `c10::Error` as `read_cifar10` does.
///
///     auto [train, test] = load_cifar10(find_cifar10());
///     train.inputs;  // uint8 [50000, 3, 32, 32]
TrainTest load_cifar10(const std::filesystem::path& dir);

/// Returns the folder that holds CIFAR-10's six binary files: the first that does of a root folder
/// and its `cifar-10-batches-bin`, `cifar10` and `cifar10/cifar-10-batches-bin`. With `data_dir`
/// that is the root; without, `$LADDER_DATA` and then the cache
/// `${XDG_CACHE_HOME:-$HOME/.cache}/ladder/cifar10`.
///
/// Throws `c10::Error` when none does, with the two commands that fetch the files; where some of
/// the six are there, or the files of CIFAR-100, of the version for Python, or the packed archive,
/// the sentence says that instead.
std::filesystem::path find_cifar10(std::optional<std::filesystem::path> data_dir = std::nullopt);

}  // namespace ladder::data
