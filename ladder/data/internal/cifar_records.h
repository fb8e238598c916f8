/// Records of CIFAR's binary format.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ladder::data {

/// In the folder of CIFAR-10: the names of its classes.
inline constexpr const char* kCifar10Names = "batches.meta.txt";

inline constexpr int64_t kCifarSide = 32;
inline constexpr int64_t kCifarPixels = 3 * kCifarSide * kCifarSide;

/// Format of a file: labels before the pixels, and how many classes the first label has.
struct CifarFormat {
  const char* component;     ///< "read_cifar10"
  const char* name;          ///< "CIFAR-10"
  const char* if_missing;    ///< hint where there is no file
  const char* takes_folder;  ///< function for a folder
  int64_t labels;            ///< bytes of labels in a record
  int64_t first_classes;     ///< number of values of the first label
};

inline constexpr CifarFormat kCifar10Format = {
    "read_cifar10", "CIFAR-10", "find_cifar10 names the folders that are looked in",
    "load_cifar10", 1,          10};
inline constexpr CifarFormat kCifar100Format = {"read_cifar100",     "CIFAR-100", "check the path",
                                                "read_cifar_folder", 2,           20};

/// Read the records uint8 [N, labels + 3072] of a file. Throws `c10::Error` in the name of the
/// component: see `read_cifar10`. `other` is the format that a file may have instead.
torch::Tensor read_cifar_records(const std::filesystem::path& path, const CifarFormat& format,
                                 const CifarFormat& other);

/// Return label number `index` of each record, int64 [N]. Error: a label that is not below
/// `classes`.
torch::Tensor cifar_labels(const torch::Tensor& records, int64_t index, int64_t classes,
                           const std::filesystem::path& path, const CifarFormat& format);

/// Return the `count` names of classes in `file`, one a line, or "0", "1", ... without such a file.
/// Error, led by `component`: another number of names, or one twice.
std::vector<std::string> cifar_class_names(const char* component, const std::filesystem::path& file,
                                           int64_t count);

/// Return the images of records, uint8 [N, 3, 32, 32].
torch::Tensor cifar_images(const torch::Tensor& records, const CifarFormat& format);

}  // namespace ladder::data
