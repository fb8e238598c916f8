#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "ladder/io/json_depth.h"

namespace ladder::apps {

/// Return the value of the text of a file, or a discarded one, which is no object and no array, if
/// it is not JSON or deeper than io::kMaxJsonDepth. `comments`: skip those of C++.
inline nlohmann::ordered_json parse_json(std::string_view text, bool comments = false) {
  using nlohmann::ordered_json;
  if (io::is_deep_json(text)) return ordered_json(ordered_json::value_t::discarded);
  return ordered_json::parse(text, nullptr, /*allow_exceptions=*/false, comments);
}

}  // namespace ladder::apps
