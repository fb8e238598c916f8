/// Functions shared by the networks over a list of stages.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "ladder/nn/stage.h"

namespace ladder {

/// Register the stages as children `stages.0`, `stages.1`, ... of `owner`.
void register_stages(torch::nn::Module& owner, const Stages& stages);

/// The modules of the stages, in order.
std::vector<const torch::nn::Module*> modules_of(const Stages& stages);

/// True if `stages` are these modules.
bool are_stages(const Stages& stages, const std::vector<const torch::nn::Module*>& modules);

/// Shape of one row at levels 0..L, found by running two rows of zeros. Errors name the network
/// `owner` and the place of a stage: one that cannot take its input, that changes it in place, that
/// is there twice, or that mixes rows (check_rows_apart); sizes of `input_shape` below 1 or beyond
/// the memory.
std::vector<std::vector<int64_t>> probe_shapes(const char* owner,
                                               const std::vector<int64_t>& input_shape,
                                               const Stages& stages);

/// Activations of the top level.
torch::Tensor run_clean(const Stages& stages, const torch::Tensor& x, const Pass& pass);

/// Check the rows of a calibration as `accept_rows` does, on any device, before the first batch.
void check_calibration_rows(const char* owner, const torch::Tensor& inputs,
                            const std::vector<int64_t>& row, const Stages& stages);

/// Measure the stored statistics of all stages over `rows` rows, of which `rows_of(begin, end)`
/// makes a batch of `batch_size`; bytes are converted batch by batch. A last batch with less than
/// half the rows, or with one row, joins the one before.
///
/// Errors: those of `accept_rows`; no `rows_of`; fewer than 2 rows; a stage that measures nothing,
/// or by a module that is no child of it, or twice by one module. After the first batch they forget
/// the stored statistics.
void calibrate_stages(const char* owner, const Stages& stages, int64_t rows,
                      const std::function<torch::Tensor(int64_t begin, int64_t end)>& rows_of,
                      const std::vector<int64_t>& row, int64_t batch_size);

Stages clone_stages(const Stages& stages, const std::optional<torch::Device>& device);

/// What rows are needed for.
enum class RowUse {
  kPredict,  ///< stored statistics: any number of rows
  kMeasure,  ///< the rows' own statistics: 2 rows or more
};

/// Return a parameter or a floating buffer of the stages, whose type and device are theirs;
/// undefined if they have none. It takes a few microseconds, so find it once for all rows of a
/// step.
torch::Tensor any_tensor(const Stages& stages);

/// Move a new module to the type and the device of the stages, if its parameters are of another one
/// (a move converts integer buffers as well).
void move_to_stages(torch::nn::Module& module, const Stages& stages);

/// Return `x` as rows that stages with the tensor `like` (see any_tensor) compute with: in its
/// type, bytes as x / 255 like data::SemiSampler.
///
/// Errors, naming `owner` and `name`: an undefined tensor; rows of another shape than `row`, or one
/// row without a batch dimension; fewer rows than `use` needs; another device or type than those of
/// `like`; on the CPU, NaN and infinite numbers. On CUDA no number is read, so that nothing waits
/// for the device.
torch::Tensor accept_rows(const char* owner, const char* name, const torch::Tensor& x,
                          const std::vector<int64_t>& row, const torch::Tensor& like, RowUse use);

/// Check labels `y` of `rows` rows on `device`. Errors, naming `owner`: another shape, type or
/// device; on the CPU, a label outside 0..classes - 1 with its row.
void check_labels(const char* owner, const torch::Tensor& y, int64_t rows, int64_t classes,
                  torch::Device device);

}  // namespace ladder
