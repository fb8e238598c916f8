#include "apps/support/moves_text.h"

#include <fmt/format.h>

namespace ladder::apps {

std::string moves_text(const std::vector<train::ClusterMove>& moves) {
  std::string text;
  for (const auto& move : moves) {
    text += fmt::format("{}{} rows from {} to {}", text.empty() ? "" : ", ", move.rows, move.from,
                        move.to);
  }
  return text;
}

}  // namespace ladder::apps
