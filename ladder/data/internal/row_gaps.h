/// Rows that are left where others are held out.
#pragma once

#include <ATen/ATen.h>

namespace ladder::data {

/// Return for each row of `held_out` (int64, ascending) its number minus that of the rows held out
/// before it: the place, among the rows that are left, of the first one behind it.
inline at::Tensor row_gaps(const at::Tensor& held_out) {
  return held_out - at::arange(held_out.numel());
}

/// Return the rows at `places` among those that are left: `rows_besides` for many calls.
inline at::Tensor rows_behind_gaps(const at::Tensor& gaps, const at::Tensor& places) {
  if (gaps.numel() == 0) return places;
  return places + at::searchsorted(gaps, places, /*out_int32=*/false, /*right=*/true);
}

}  // namespace ladder::data
