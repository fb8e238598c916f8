#include "ladder/core/floating_rows.h"

#include <ATen/ceil_div.h>
#include <torch/types.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "ladder/core/internal/threads.h"

namespace ladder {
namespace {

constexpr int64_t kRowsOfTask = 16;

// For rows in range.
template <class T>
void gather(const T* from, const int64_t* rows, int64_t count, int64_t values, float* to) {
  const auto gather_some = [&](int64_t task) {
    for (int64_t i = task * kRowsOfTask; i < std::min((task + 1) * kRowsOfTask, count); ++i) {
      const T* const row = from + rows[i] * values;
      float* const out = to + i * values;
      for (int64_t v = 0; v < values; ++v) {
        if constexpr (std::is_same_v<T, uint8_t>) {
          out[v] = static_cast<float>(row[v]) / 255.0F;
        } else {
          out[v] = row[v];
        }
      }
    }
  };
  threads::for_tasks(at::ceil_div(count, kRowsOfTask), gather_some, count * values);
}

}  // namespace

torch::Tensor floating_rows(const torch::Tensor& x, torch::Dtype dtype) {
  return x.scalar_type() == torch::kUInt8 ? x.to(dtype).div_(255) : x;
}

torch::Tensor gather_floating_rows(const torch::Tensor& x, const torch::Tensor& rows) {
  const auto type = x.scalar_type();
  const bool direct = x.is_cpu() && x.is_contiguous() && x.dim() >= 1 && x.numel() > 0 &&
                      (type == torch::kFloat || type == torch::kUInt8) && !x.requires_grad() &&
                      rows.is_cpu() && rows.is_contiguous() && rows.dim() == 1 &&
                      rows.scalar_type() == torch::kLong;
  const auto* wanted = direct ? rows.const_data_ptr<int64_t>() : nullptr;
  const auto count = rows.numel();
  const auto values = x.dim() == 0 ? 1 : x.numel() / std::max<int64_t>(x.size(0), 1);
  if (!direct || std::any_of(wanted, wanted + count,
                             [&](int64_t row) { return row < 0 || row >= x.size(0); })) {
    const threads::OneThread serial(count * values < threads::kSerialValues);
    return floating_rows(x.index_select(0, rows));
  }
  auto shape = x.sizes().vec();
  shape[0] = count;
  auto out = torch::empty(shape, x.options().dtype(torch::kFloat));
  auto* to = out.mutable_data_ptr<float>();
  if (type == torch::kUInt8) {
    gather(x.const_data_ptr<uint8_t>(), wanted, count, values, to);
  } else {
    gather(x.const_data_ptr<float>(), wanted, count, values, to);
  }
  return out;
}

}  // namespace ladder
