#include "apps/support/moves_text.h"

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <utility>

namespace ladder::apps {

std::string moves_text(const torch::Tensor& classes, const torch::Tensor& lost) {
  const auto rows = lost.ge(0).nonzero().flatten();
  const auto from = classes.index_select(0, rows).cpu();
  const auto to = lost.index_select(0, rows).cpu();
  std::map<std::pair<int64_t, int64_t>, int64_t> moves;
  for (int64_t i = 0; i < rows.numel(); ++i) {
    ++moves[{from[i].item<int64_t>(), to[i].item<int64_t>()}];
  }
  std::string text;
  for (const auto& [pair, count] : moves) {
    text += fmt::format("{}{} rows from {} to {}", text.empty() ? "" : ", ", count, pair.first,
                        pair.second);
  }
  return text;
}

}  // namespace ladder::apps
