/// Images and labels in IDX files: MNIST and what is published in its format.
#pragma once

#include <filesystem>
#include <optional>

#include "ladder/data/samples.h"

namespace ladder::data {

/// Read the IDX file of images `images` and the file of labels that belongs to it: the one in the
/// same folder whose name has `labels` for `images` and `idx1` for `idx3`. Without such a file no
/// row has a label.
///
/// Images are uint8 [N, H, W], [N, C, H, W] or [N, H, W, C], of any size. Every number among the
/// labels is a class, named by its digits; they may start at 1. Images of EMNIST, which lie on
/// their side, are turned upright: those in files whose name begins with `emnist`.
///
/// Names may differ in case, dots for dashes and endings, as in `load_mnist`.
///
/// Throws `c10::Error` as `read_idx` does, or if images have another shape, or if the numbers of
/// images and labels differ.
///
///     Samples letters = read_idx_samples("emnist-letters-train-images-idx3-ubyte.gz");
///     letters.classes;  // 1, 2, ..., 26
Samples read_idx_samples(const std::filesystem::path& images);

/// Return whether a folder holds IDX files of images, of a part if one is given. Names decide:
/// `images` and `idx3` or `idx4`, such as train-images-idx3-ubyte.gz.
bool holds_idx(const std::filesystem::path& folder, std::optional<Part> part = std::nullopt);

/// Read one part of the IDX files in `folder`: `train` in the name marks the training part, `t10k`
/// or `test` the test part. A single file of images without such a mark is the training part.
///
/// Throws `c10::Error` as `read_idx_samples` does, or if the folder has no such part, or several
/// files of it.
///
///     Samples test = read_idx_folder("/usr/share/datasets/fashion-mnist", Part::kTest);
Samples read_idx_folder(const std::filesystem::path& folder, Part part = Part::kTrain);

}  // namespace ladder::data
