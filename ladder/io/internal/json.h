/// JSON from files.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "ladder/io/json_depth.h"

namespace ladder::io {

/// Return the value of `text`, or a discarded one, which is no object and no array, if it is not
/// JSON or deeper than kMaxJsonDepth.
template <typename Json = nlohmann::json>
Json parse_json(std::string_view text) {
  if (is_deep_json(text)) return Json(Json::value_t::discarded);
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

}  // namespace ladder::io
