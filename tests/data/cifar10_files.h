#pragma once

#include <torch/types.h>

#include <filesystem>
#include <string>

#include "tests/support/temporary_folder.h"

namespace ladder::testing {

/// The bytes of a file of CIFAR-10: images uint8 [N, 3, 32, 32], labels [N] of any integers.
inline std::string cifar10_bytes(const torch::Tensor& images, const torch::Tensor& labels) {
  const torch::Tensor records =
      torch::cat({labels.to(torch::kUInt8).unsqueeze(1), images.flatten(1)}, 1).contiguous();
  return std::string(reinterpret_cast<const char*>(records.data_ptr<uint8_t>()),
                     static_cast<size_t>(records.numel()));
}

/// Writes CIFAR-10's six files to `dir`: five of train / 5 rows, and the test rows.
inline void write_cifar10(const std::filesystem::path& dir, const torch::Tensor& train_images,
                          const torch::Tensor& train_labels, const torch::Tensor& test_images,
                          const torch::Tensor& test_labels) {
  std::filesystem::create_directories(dir);
  const auto images = train_images.chunk(5);
  const auto labels = train_labels.chunk(5);
  for (size_t i = 0; i < 5; ++i) {
    write_file(dir / ("data_batch_" + std::to_string(i + 1) + ".bin"),
               cifar10_bytes(images[i], labels[i]));
  }
  write_file(dir / "test_batch.bin", cifar10_bytes(test_images, test_labels));
}

}  // namespace ladder::testing
