/// What readers of images share.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ladder/data/samples.h"

namespace ladder::data {

/// Return images [N, C, H, W] of `images`: uint8 [N, H, W], [N, C, H, W] or [N, H, W, C] where C is
/// 1 or 3, which tells the last two apart. Error, in the name of `component`: another shape.
torch::Tensor as_images(const std::string& component, const torch::Tensor& images,
                        const std::string& source);

/// Set `samples.labels` and `samples.classes` from one number a row, int64 [N]: -1 is no label, and
/// every other number that occurs is a class, named by its digits.
void set_number_labels(Samples& samples, const torch::Tensor& numbers);

/// Scale images uint8 [N, C, H, W] to the height and width `size`, by bilinear interpolation with
/// antialiasing.
torch::Tensor scale_images(const torch::Tensor& images, std::pair<int64_t, int64_t> size);

/// Pictures of one height and width.
struct SizeGroup {
  std::pair<int64_t, int64_t> size = {};
  int64_t count = 0;
  std::string first = {};  ///< name of the first one; empty if pictures have no names
};

/// Return the sizes as a list for a message, the most frequent first: "2x4 (2 files, such as
/// a/2.png) and 2x3 (1 file, such as a/1.png)". Of more than three the others are counted.
std::string sizes_text(std::vector<SizeGroup> groups);

/// Return a note on pictures whose proportions change by more than a tenth where all `groups` are
/// scaled to `size`, or nothing if there are none.
std::string scaling_note(const std::vector<SizeGroup>& groups, std::pair<int64_t, int64_t> size);

/// Check a height and a width that images are scaled to. Error, in the name of `component`: a side
/// below 1 or above 16384.
void check_image_size(const std::string& component, std::pair<int64_t, int64_t> size);

}  // namespace ladder::data
