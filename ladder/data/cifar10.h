/// CIFAR-10 in its binary format.
#pragma once

#include <filesystem>
#include <optional>

#include "ladder/data/datasets.h"

namespace ladder::data {

/// Address of the binary version at CIFAR-10's authors.
inline constexpr const char* kCifar10Archive =
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";

/// Read one file of CIFAR-10's binary format: images uint8 [N, 3, 32, 32], labels int64 [N], 10
/// classes. The file holds N records of 3,073 bytes: a label, then the red, the green and the blue
/// plane of 32 x 32 pixels, row by row.
///
/// Throws `c10::Error`. Each sentence names the file and one fault: no such file, a folder, an
/// empty or unreadable file, another kind of file (gzip data, a web page, ...), a size that is not
/// a whole number of records, CIFAR-100's records (3,074 bytes: two labels), a label above 9.
Dataset read_cifar10(const std::filesystem::path& path);

/// Read CIFAR-10 from the folder `dir`: the training images of data_batch_1.bin to
/// data_batch_5.bin, in this order, and the test images of test_batch.bin. Classes are named as in
/// batches.meta.txt if the folder holds it, else by number.
///
/// Throws `c10::Error` as `read_cifar10` does, or if the file of names has another number of them.
///
///     auto [train, test] = load_cifar10(find_cifar10());
///     train.inputs;  // uint8 [50000, 3, 32, 32]
TrainTest load_cifar10(const std::filesystem::path& dir);

/// Return the folder that holds CIFAR-10's six binary files: the first of `data_dir` and its
/// `cifar-10-batches-bin`, `cifar10` and `cifar10/cifar-10-batches-bin`. Without `data_dir`, search
/// `$LADDER_DATA` in the same way, then the cache `${XDG_CACHE_HOME:-$HOME/.cache}/ladder/cifar10`.
///
/// Throws `c10::Error` if no folder holds them, with the two commands that download the files. If
/// some of the six are found, or CIFAR-100, the version for Python, or the packed archive, the
/// sentence says that instead.
std::filesystem::path find_cifar10(std::optional<std::filesystem::path> data_dir = std::nullopt);

}  // namespace ladder::data
