#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "ladder/data/internal/missing_values.h"
#include "ladder/data/internal/spellings.h"

namespace ladder::data {

/// Return a word as lists of a command line take it: with a backslash before each comma.
inline std::string listed_word(std::string_view text) {
  std::string word;
  for (const char c : text) word += c == ',' ? "\\," : std::string(1, c);
  return word;
}

/// Return a hint for an error that names a column that is not there: how a command line writes a
/// name with a comma if `name` is a part of one, else `spelling_hint`.
inline std::string column_hint(std::string_view name, const std::vector<std::string>& names) {
  for (const auto& known : names) {
    if (known.find(',') == known.npos) continue;
    bool is_part = false;
    for (size_t begin = 0; begin <= known.size();) {
      const size_t end = std::min(known.find(',', begin), known.size());
      is_part = is_part || without_blanks(known.substr(begin, end - begin)) == name;
      begin = end + 1;
    }
    if (is_part)
      return " (in a list, a comma of a name has a backslash: '" + listed_word(known) + "')";
  }
  return spelling_hint(name, names);
}

}  // namespace ladder::data
