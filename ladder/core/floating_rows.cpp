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
constexpr int64_t kValuesOfTask = 1 << 14;

// Values as they are, bytes divided by 255.
template <class T>
void convert(const T* from, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) {
    if constexpr (std::is_same_v<T, uint8_t>) {
      to[i] = static_cast<float>(from[i]) / 255.0F;
    } else {
      to[i] = from[i];
    }
  }
}

// For rows in range.
template <class T>
void gather(const T* from, const int64_t* rows, int64_t count, int64_t values, float* to) {
  const auto gather_some = [&](int64_t task) {
    for (int64_t i = task * kRowsOfTask; i < std::min((task + 1) * kRowsOfTask, count); ++i) {
      convert(from + rows[i] * values, values, to + i * values);
    }
  };
  threads::for_tasks(at::ceil_div(count, kRowsOfTask), gather_some, count * values);
}

}  // namespace

torch::Tensor floating_rows(const torch::Tensor& x, torch::Dtype dtype) {
  if (x.scalar_type() != torch::kUInt8) return x;
  if (!x.is_cpu() || !x.is_contiguous() || dtype != torch::kFloat) return x.to(dtype).div_(255);
  auto out = torch::empty(x.sizes(), x.options().dtype(torch::kFloat));
  const auto values = x.numel();
  const auto* from = x.const_data_ptr<uint8_t>();
  auto* to = out.mutable_data_ptr<float>();
  // LibTorch's loops would leave OpenMP's threads on the cores that the helpers of the next product
  // need.
  threads::for_tasks(
      at::ceil_div(values, kValuesOfTask),
      [&](int64_t task) {
        const auto begin = task * kValuesOfTask;
        convert(from + begin, std::min(kValuesOfTask, values - begin), to + begin);
      },
      values);
  return out;
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
