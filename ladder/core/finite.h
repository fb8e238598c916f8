/// Where a NaN or an infinite number stands in a batch of rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace ladder {

/// Place and value of a number that is NaN or infinite.
struct NotFinite {
  int64_t row = 0;
  std::vector<int64_t> column = {};  ///< index within the row, one value per dimension of a row
  double value = 0;
};

/// First number of `rows` [R, ...] that is NaN or infinite, in row-major order. A scalar is one
/// row.
///
/// Check floating tensors on any device; other types cannot hold such numbers. Contiguous float32
/// and float64 rows on the CPU take one pass at memory speed. For a CUDA tensor the host waits.
std::optional<NotFinite> find_not_finite(const at::Tensor& rows);

/// Throw for rows that hold a NaN or an infinite number:
///
///     Ladder: expected x to hold finite numbers but got nan in row 7, column 2.
///
/// Rows with several dimensions give the column as [channel, row, column].
void check_finite(const char* owner, const char* name, const at::Tensor& rows);

}  // namespace ladder
