/// CIFAR-10 and CIFAR-100 in their binary format, as samples.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <optional>

#include "ladder/data/samples.h"

namespace ladder::data {

/// The two kinds of labels of CIFAR-100: 100 fine classes, in 20 coarse ones.
enum class CifarLabels { kFine, kCoarse };

/// Rows of one file of CIFAR-100.
struct Cifar100Rows {
  torch::Tensor images = {};  ///< uint8 [N, 3, 32, 32]
  torch::Tensor fine = {};    ///< int64 [N], in 0..99
  torch::Tensor coarse = {};  ///< int64 [N], in 0..19
};

/// Read one file of CIFAR-100's binary format, train.bin or test.bin: N records of 3,074 bytes, a
/// coarse label, a fine label, then the red, the green and the blue plane of 32 x 32 pixels.
///
/// Throws `c10::Error`. Each sentence names the file and one fault, as in `read_cifar10`.
Cifar100Rows read_cifar100(const std::filesystem::path& path);

/// Return whether a folder, or its cifar-10-batches-bin or cifar-100-binary, holds files of
/// CIFAR-10 or CIFAR-100 by name, of a part if one is given.
bool holds_cifar(const std::filesystem::path& folder, std::optional<Part> part = std::nullopt);

/// Read one part of CIFAR-10 or CIFAR-100 from its folder: data_batch_1.bin to data_batch_5.bin and
/// test_batch.bin, or train.bin and test.bin. Only the files of the wanted part must be there.
/// Classes are named as in batches.meta.txt, fine_label_names.txt or coarse_label_names.txt if the
/// folder holds them, else by number.
///
/// Throws `c10::Error`: a missing or damaged file, a list of names of another length.
///
///     Samples test = read_cifar_folder("cifar-10-batches-bin", Part::kTest);
///     test.classes;  // airplane, automobile, ...
Samples read_cifar_folder(const std::filesystem::path& folder, Part part = Part::kTrain,
                          CifarLabels labels = CifarLabels::kFine);

/// Read one file of CIFAR-10 or CIFAR-100, which its name and size tell apart. Names of classes
/// are looked for in its folder.
Samples read_cifar_file(const std::filesystem::path& path, CifarLabels labels = CifarLabels::kFine);

/// Return whether a file is named like one of CIFAR's and consists of whole records.
bool is_cifar_file(const std::filesystem::path& path);

}  // namespace ladder::data
