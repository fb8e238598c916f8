#include "ladder/core/finite.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace ladder {
namespace {

// Rows whose values are compared at once: bounds the memory of the comparison.
constexpr int64_t kRowsAtOnce = 4096;

// All exponent bits set means NaN or infinite. An OR of such cases is vectorised by
// every compiler.
template <class T, class Bits>
bool all_finite(const T* values, int64_t count, Bits exponent) {
  Bits found = 0;
  for (int64_t i = 0; i < count; ++i) {
    Bits bits;
    static_assert(sizeof bits == sizeof(T));
    __builtin_memcpy(&bits, values + i, sizeof bits);
    found |= static_cast<Bits>((bits & exponent) == exponent);
  }
  return found == 0;
}

bool all_finite(const at::Tensor& rows) {
  if (rows.is_cpu() && rows.is_non_overlapping_and_dense()) {
    if (rows.scalar_type() == at::kFloat) {
      return all_finite(rows.const_data_ptr<float>(), rows.numel(), uint32_t{0x7f800000});
    }
    if (rows.scalar_type() == at::kDouble) {
      return all_finite(rows.const_data_ptr<double>(), rows.numel(), uint64_t{0x7ff0000000000000});
    }
  }
  for (int64_t begin = 0; begin < rows.size(0); begin += kRowsAtOnce) {
    const auto part = rows.narrow(0, begin, std::min(kRowsAtOnce, rows.size(0) - begin));
    if (!at::isfinite(part).all().item<bool>()) {
      return false;
    }
  }
  return true;
}

std::string text_of(double value) { return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf"; }

}  // namespace

std::optional<NotFinite> find_not_finite(const at::Tensor& rows) {
  if (rows.dim() == 0) return find_not_finite(rows.reshape({1}));
  if (!rows.is_floating_point() || rows.numel() == 0 || all_finite(rows)) {
    return std::nullopt;
  }
  for (int64_t begin = 0; begin < rows.size(0); begin += kRowsAtOnce) {
    const auto part = rows.narrow(0, begin, std::min(kRowsAtOnce, rows.size(0) - begin));
    const auto places = at::isfinite(part).logical_not().nonzero();
    if (places.size(0) > 0) {
      const auto place = places[0].to(at::kCPU).contiguous();
      const at::IntArrayRef index(place.const_data_ptr<int64_t>(), place.numel());
      auto value = part;
      for (const auto i : index) {
        value = value[i];
      }
      return NotFinite{
          .row = begin + index[0], .column = index.slice(1).vec(), .value = value.item<double>()};
    }
  }
  return std::nullopt;
}

void check_finite(const char* owner, const char* name, const at::Tensor& rows) {
  const auto found = find_not_finite(rows);
  if (!found) {
    return;
  }
  const auto& column = found->column;
  TORCH_CHECK(false, owner, ": expected ", name, " to hold finite numbers but got ",
              text_of(found->value), " in row ", found->row,
              column.empty()       ? std::string()
              : column.size() == 1 ? c10::str(", column ", column[0])
                                   : c10::str(", column ", at::IntArrayRef(column)),
              ".");
}

}  // namespace ladder
