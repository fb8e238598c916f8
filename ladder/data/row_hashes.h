/// Hashes that find equal rows.
#pragma once

#include <torch/types.h>

namespace ladder::data {

/// Return a hash of the bytes of each row, int64 [N]: equal rows have equal hashes, and other ones
/// have equal hashes with a chance of about 2^-64 a pair. `rows` is [N, ...] of any type; hashes of
/// another type, or of rows of another shape, are no use for a comparison. Error: a scalar.
///
///     const auto known = at::isin(row_hashes(test), row_hashes(training));  // bool [test rows]
torch::Tensor row_hashes(const torch::Tensor& rows);

/// Return whether a hash is that of another row, too, bool [N].
torch::Tensor repeated_hashes(const torch::Tensor& hashes);

}  // namespace ladder::data
