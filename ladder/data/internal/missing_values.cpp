#include "ladder/data/internal/missing_values.h"

#include <cmath>
#include <utility>

#include "ladder/data/internal/csv_parser.h"

namespace ladder::data {

const std::vector<std::string>& usual_missing() {
  static const std::vector<std::string> all = {"", "?", "NA", "N/A", "NaN", "nan", "NULL", "null"};
  return all;
}

bool is_usual_missing(std::string_view text) {
  switch (text.size()) {  // every text of a file is asked
    case 0:
      return true;
    case 1:
      return text == "?";
    case 2:
      return text == "NA";
    case 3:
      return text == "N/A" || text == "NaN" || text == "nan";
    case 4:
      return text == "NULL" || text == "null";
    default:
      return false;
  }
}

MissingValues::MissingValues(std::vector<std::string> texts, char decimal)
    : texts_(std::move(texts)) {
  for (const auto& text : texts_) {
    double value = 0;
    if (parse_number(text, decimal, value) != NumberKind::kFinite) continue;
    numbers_.push_back(value);
    // Columns in single precision hold the nearest value of that.
    const double rounded = static_cast<float>(value);
    if (rounded != value && std::isfinite(rounded)) numbers_.push_back(rounded);
  }
}

}  // namespace ladder::data
