/// What readers of images share.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <utility>

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

/// Check a height and a width that images are scaled to. Error, in the name of `component`: a side
/// below 1 or above 16384.
void check_image_size(const std::string& component, std::pair<int64_t, int64_t> size);

}  // namespace ladder::data
