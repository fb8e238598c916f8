#include "ladder/data/internal/csv_fault.h"

#include "ladder/io/utf8.h"

namespace ladder::data {

void refuse_csv(const std::string& expected, const std::string& got, const std::string& hint) {
  throw CsvFault("read_csv: expected " + expected + " but got " + got +
                 (hint.empty() ? "" : " (" + hint + ")") + ".");
}

std::string quoted_text(std::string_view text) {
  std::string out(io::cut_text(text, kMaxShownBytes));
  if (out.size() < text.size()) out += "...";
  const size_t whole = io::utf8_prefix(out);
  for (size_t at = 0; at < out.size(); ++at) {
    const auto byte = static_cast<unsigned char>(out[at]);
    if (byte < 0x20 || byte == 0x7F || (at >= whole && byte >= 0x80)) out[at] = '?';
  }
  return "'" + out + "'";
}

std::string delimiter_name(char delimiter) {
  return delimiter == '\t' ? "tab" : std::string("'") + delimiter + "'";
}

std::string CsvNames::column(size_t index) const {
  return "column " + std::to_string(index + 1) +
         (index < columns.size() ? " (" + quoted_text(columns[index]) + ")" : "") + " of " + file;
}

std::string CsvNames::place(int64_t line, size_t index) const {
  return "line " + std::to_string(line) + ", " + column(index);
}

}  // namespace ladder::data
