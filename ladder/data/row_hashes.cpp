#include "ladder/data/row_hashes.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <functional>
#include <string_view>
#include <unordered_map>

namespace ladder::data {

torch::Tensor row_hashes(const torch::Tensor& rows) {
  TORCH_CHECK(rows.defined() && rows.dim() >= 1, "row_hashes: expected rows [N, ...] but got ",
              rows.defined() ? "a single number." : "an undefined tensor.");
  const auto bytes = rows.cpu().contiguous();
  const auto count = bytes.size(0);
  auto hashes = at::empty({count}, at::kLong);
  if (count == 0) return hashes;
  const auto size = bytes.nbytes() / static_cast<size_t>(count);
  const auto* row = static_cast<const char*>(bytes.const_data_ptr());
  auto* out = hashes.data_ptr<int64_t>();
  const std::hash<std::string_view> hash;
  for (int64_t i = 0; i < count; ++i, row += size) {
    out[i] = static_cast<int64_t>(hash(std::string_view(row, size)));
  }
  return hashes;
}

torch::Tensor repeated_hashes(const torch::Tensor& hashes) {
  const auto all = hashes.contiguous();
  const auto* hash = all.const_data_ptr<int64_t>();
  std::unordered_map<int64_t, int64_t> rows;
  for (int64_t i = 0; i < all.numel(); ++i) ++rows[hash[i]];
  auto repeated = at::empty({all.numel()}, at::kBool);
  auto* out = repeated.data_ptr<bool>();
  for (int64_t i = 0; i < all.numel(); ++i) out[i] = rows[hash[i]] > 1;
  return repeated;
}

}  // namespace ladder::data
