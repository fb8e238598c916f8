/// From images and tensors to the rows that a network takes.
#pragma once

#include <torch/types.h>

#include "ladder/data/features.h"
#include "ladder/data/table.h"
#include "ladder/exports/prediction_model.h"

namespace ladder::fitting {

/// Refuse what is not a tensor of images, uint8 [N, C, H, W].
void check_bytes(const torch::Tensor& images);

/// Return images [N, H, W] or [N, C, H, W] as [N, C, H, W].
torch::Tensor with_channels(const torch::Tensor& images);

/// Measure the mean and the standard deviation of each channel. `flat`: the network takes rows of
/// pixels. Error: pixels that are all the same.
exports::ImageInputs measured_images(const torch::Tensor& images, bool flat);

/// Return standardised or whitened images, float32 [N, C, H, W] or [N, C H W]. Gray ones are taken
/// where the network has three channels. Error: images of another size.
torch::Tensor image_rows(const exports::ImageInputs& inputs, const torch::Tensor& images);

/// Refuse a tensor that is undefined or sparse.
void check_dense(const torch::Tensor& x);

/// Return a table of the numbers x [N, D], with columns x0, x1, ...
data::Table table_of(const torch::Tensor& x);

/// Refuse x for features of a table with names, or of another number of columns. Rows may lack the
/// label where it was the last column of an array.
void check_columns(const data::Features& features, const torch::Tensor& x);

}  // namespace ladder::fitting
