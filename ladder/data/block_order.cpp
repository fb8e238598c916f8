#include "ladder/data/block_order.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>

#include "ladder/core/random.h"

namespace ladder::data {
namespace {

constexpr int64_t kMinSamplePlaces = 1000;
constexpr int64_t kMaxSampleRun = 32;

int64_t checked_size(const char* what, int64_t size) {
  TORCH_CHECK(size >= 1, "BlockOrder: expected at least 1 ", what, " but got ", size, ".");
  return size;
}

int64_t draw_below(int64_t n, uint64_t seed) {
  return static_cast<int64_t>(KeyedOrder(static_cast<uint64_t>(n), seed)(0));
}

}  // namespace

BlockOrder::BlockOrder(int64_t n, uint64_t seed, const BlockSizes& sizes)
    : n_(checked_size("row", n)),
      sizes_{.rows = std::min(checked_size("row in a block", sizes.rows), n),
             .blocks = checked_size("block in a window", sizes.blocks)},
      blocks_((n + sizes_.rows - 1) / sizes_.rows),
      windows_((blocks_ + sizes_.blocks - 1) / sizes_.blocks),
      window_seed_(stream_seed(seed, "windows")),
      turn_(draw_below(n, stream_seed(seed, "turn"))),
      order_(static_cast<uint64_t>(n / sizes_.rows), stream_seed(seed, "blocks")) {}

// Number of the first element of a block before the turn.
int64_t BlockOrder::first_number(int64_t block) const {
  const bool full = block < static_cast<int64_t>(order_.size());
  return sizes_.rows * (full ? static_cast<int64_t>(order_(static_cast<uint64_t>(block))) : block);
}

at::Tensor BlockOrder::elements(int64_t begin, int64_t count) const {
  TORCH_CHECK(begin >= 0 && count >= 0 && count <= n_ - begin, "BlockOrder: expected elements of ",
              n_, " but got ", count, " from ", begin, " on.");
  auto all = at::empty({count}, at::kLong);
  auto* out = all.mutable_data_ptr<int64_t>();
  for (int64_t at = begin; at < begin + count;) {
    const auto window = window_of(at / sizes_.rows);
    const auto first_of_window = begin_of_window(window);
    const auto from = first_of_window * sizes_.rows;
    const auto to = std::min(n_, begin_of_window(window + 1) * sizes_.rows);
    const KeyedOrder mixed(static_cast<uint64_t>(to - from),
                           stream_seed(window_seed_, static_cast<uint64_t>(window)));
    for (const auto end = std::min(to, begin + count); at < end; ++at) {
      const auto place = static_cast<int64_t>(mixed(static_cast<uint64_t>(at - from)));
      const auto number = first_number(first_of_window + place / sizes_.rows) + place % sizes_.rows;
      *out++ = (number + turn_) % n_;
    }
  }
  return all;
}

at::Tensor BlockOrder::block(int64_t block) const {
  TORCH_CHECK(block >= 0 && block < blocks_, "BlockOrder: expected a block below ", blocks_,
              " but got ", block, ".");
  const auto first = first_number(block);
  return at::arange(first, std::min(n_, first + sizes_.rows), at::kLong).add_(turn_).remainder_(n_);
}

at::Tensor sample_rows(int64_t n, int64_t count, uint64_t seed) {
  if (count >= n) return at::arange(n, at::kLong);
  auto run = std::clamp<int64_t>(count / kMinSamplePlaces, 1, kMaxSampleRun);
  if ((count + run - 1) / run > n / run) run = 1;  // nearly all
  const auto turn = draw_below(n, stream_seed(seed, "turn"));
  const KeyedOrder order(static_cast<uint64_t>(n / run), seed);
  auto all = at::empty({count}, at::kLong);
  auto* out = all.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    const auto place = static_cast<int64_t>(order(static_cast<uint64_t>(i / run)));
    out[i] = (place * run + i % run + turn) % n;
  }
  return std::get<0>(all.sort());
}

}  // namespace ladder::data
