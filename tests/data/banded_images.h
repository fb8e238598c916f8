/// Small images that a network learns in a few steps, in MNIST's format.
#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <string>

#include "tests/data/idx_files.h"
#include "tests/support/temporary_folder.h"

namespace ladder::testing {

/// Writes `rows` images of 10 classes in turn, each a bright band of its own in noise, and their
/// labels, as the files of `part` ("train" or "t10k").
inline void write_banded_images(const std::filesystem::path& dir, const std::string& part,
                                int64_t rows) {
  const auto labels = torch::arange(rows) % 10;
  auto images = torch::randint(0, 120, {rows, 28, 28});
  for (int64_t row = 0; row < rows; ++row) {
    const auto top = 2 * labels[row].item<int64_t>() + 3;
    images[row].slice(0, top, top + 3) += 100;
  }
  write_file(dir / (part + "-images-idx3-ubyte"), idx_bytes(images.to(torch::kUInt8)));
  write_file(dir / (part + "-labels-idx1-ubyte"), idx_bytes(labels.to(torch::kUInt8)));
}

}  // namespace ladder::testing
