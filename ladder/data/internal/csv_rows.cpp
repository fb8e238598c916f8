#include "ladder/data/internal/csv_rows.h"

#include <cstring>
#include <utility>

#include "ladder/io/internal/file_kind.h"
#include "ladder/io/utf8.h"

namespace ladder::data {
namespace {

using std::string_view_literals::operator""sv;

#ifndef LADDER_CSV_BLOCK
#define LADDER_CSV_BLOCK (size_t{1} << 20)
#endif
constexpr size_t kCsvBlock = LADDER_CSV_BLOCK;       // bytes; a fuzz target has smaller ones
constexpr size_t kMaxSampleBytes = size_t{8} << 20;  // to hold two lines
constexpr size_t kMaxCellBytes = size_t{1} << 20;
constexpr size_t kMaxRowBytes = size_t{64} << 20;
constexpr size_t kMaxCsvColumns = 100'000;

bool is_blank(char c, char delimiter) { return (c == ' ' || c == '\t') && c != delimiter; }

// Line ends in [begin, end): LF, CRLF, CR.
int64_t count_line_ends(const char* begin, const char* end) {
  int64_t count = 0;
  for (const char* at = begin; at < end; ++at) {
    count += *at == '\n' || (*at == '\r' && (at + 1 == end || at[1] != '\n'));
  }
  return count;
}

}  // namespace

bool may_delimit(char character) {
  constexpr std::string_view kNoDelimiters = "\"\n\r0123456789\0"sv;
  return kNoDelimiters.find(character) == kNoDelimiters.npos;
}

CsvRows::CsvRows(std::unique_ptr<io::ByteSource> source, const CsvNames& names)
    : names_(names), source_(io::unpack_bytes(std::move(source))) {
  grow(kCsvBlock + 1);
  fill_sample();
  start_text();
}

// ---- Bytes

// Leaves new bytes as they are: a small file touches only the pages that it fills.
void CsvRows::grow(size_t size) {
  auto larger = std::make_unique_for_overwrite<char[]>(size);
  if (end_ > 0) std::memcpy(larger.get(), buffer_.get(), end_);
  buffer_ = std::move(larger);
  buffer_size_ = size;
}

bool CsvRows::fill() {
  if (at_end_) return false;
  if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ + 1 == buffer_size_) {
    if (end_ >= kMaxRowBytes) {
      refuse_csv("rows of at most " + std::to_string(kMaxRowBytes >> 20) + " MiB",
                 "a longer one in line " + std::to_string(line_) + " of " + names_.file,
                 "is it a file of another kind?");
    }
    grow(2 * end_ + 1);
  }
  const size_t got = source_->read(buffer_.get() + end_, buffer_size_ - 1 - end_);
  end_ += got;
  at_end_ = got == 0;
  buffer_[end_] = '\n';
  return got > 0;
}

// Reads a block; of a slow source, only what is at hand and at least two lines.
void CsvRows::fill_sample() {
  int64_t lines = 0;
  while (true) {
    const bool full = end_ + 1 == buffer_size_;
    if (lines >= 2 && (full || !source_->ready())) break;
    if (full && end_ >= kMaxSampleBytes) break;
    const size_t before = end_;
    if (!fill()) break;
    lines += count_line_ends(buffer_.get() + before, buffer_.get() + end_);
  }
}

void CsvRows::start_text() {
  const std::string_view text(buffer_.get(), end_);
  if (text.empty()) refuse_csv("a table", "an empty file at " + names_.file);
  if (text.starts_with("\xFF\xFE"sv) || text.starts_with("\xFE\xFF"sv)) {
    refuse_csv("text in UTF-8", "UTF-16 in " + names_.file, "save it as UTF-8");
  }
  const auto kind = io::file_kind(text);
  if (kind && !kind->text) refuse_csv("a table", kind->noun + " in " + names_.file, kind->hint);
  if (text.starts_with("\xEF\xBB\xBF"sv)) begin_ = 3;
  // Excel's note of the delimiter.
  const std::string_view rest = text.substr(begin_);
  if (!rest.starts_with("sep="sv)) return;
  const bool is_empty = rest.size() > 4 && (rest[4] == '\n' || rest[4] == '\r');
  const size_t end = is_empty ? 4 : 5;
  if (rest.size() <= end || (rest[end] != '\n' && rest[end] != '\r')) return;
  if (!is_empty) {
    if (!may_delimit(rest[4])) return;
    noted_delimiter_ = rest[4];
  }
  begin_ += end + (rest.substr(end, 2) == "\r\n"sv ? 2 : 1);
  ++line_;
}

// ---- The first rows

CsvSample CsvRows::sample(char delimiter, size_t most) const {
  CsvSample sample;
  std::vector<CsvCell> cells;
  const char* at = buffer_.get() + begin_;
  while (sample.rows.size() < most) {
    Scan found;
    try {
      found = scan(at, delimiter, cells);
    } catch (const CsvFault&) {
      sample.is_whole = false;
      break;
    }
    if (found.step != Step::kRow) break;
    at = found.next;
    std::vector<std::string> row;
    for (const CsvCell& cell : cells) {
      std::string text(cell.bytes());
      for (size_t quote = 0; cell.doubled && (quote = text.find("\"\"", quote)) != text.npos;) {
        text.erase(quote++, 1);
      }
      row.push_back(std::move(text));
    }
    sample.rows.push_back(std::move(row));
  }
  return sample;
}

bool CsvRows::begins_with_comment() const {
  const std::string_view text(buffer_.get() + begin_, end_ - begin_);
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != text.npos && text[first] == '#';
}

// ---- Rows and cells

CsvRows::Scan CsvRows::scan(const char* at, char delimiter, std::vector<CsvCell>& cells) const {
  const char* const limit = buffer_.get() + end_;
  Scan found;
  cells.clear();
  const auto skip_line_end = [&](const char* p) {
    return *p == '\r' && p + 1 < limit && p[1] == '\n' ? p + 2 : p + 1;
  };
  while (true) {
    found.begin = at;
    while (at < limit && is_blank(*at, delimiter)) ++at;
    if (at == limit) {
      found.step = at_end_ ? Step::kEnd : Step::kIncomplete;
      return found;
    }
    if (*at != '\n' && *at != '\r') break;
    at = skip_line_end(at);
    ++found.skipped;
  }
  const auto where = [&](const char* p) {
    const int64_t line = line_ + count_line_ends(buffer_.get() + begin_, p);
    return names_.place(line, cells.size());
  };

  at = found.begin;
  while (true) {
    while (at < limit && is_blank(*at, delimiter)) ++at;
    CsvCell cell;
    cell.begin = at;
    if (at < limit && *at == '"') {
      const char* const quote = at++;
      cell.begin = at;
      while (true) {
        const auto rest = static_cast<size_t>(limit - at);
        at = static_cast<const char*>(std::memchr(at, '"', rest));
        const size_t size = static_cast<size_t>((at == nullptr ? limit : at) - cell.begin);
        if (size > kMaxCellBytes || (at == nullptr && at_end_)) {
          refuse_csv("a second quote for the one in " + where(quote),
                     size > kMaxCellBytes ? "1 MiB without it" : "the end of the file",
                     "write a quote inside quotes twice");
        }
        if (at == nullptr || (at + 1 == limit && !at_end_)) return found;
        if (at + 1 == limit || at[1] != '"') break;
        cell.doubled = true;
        at += 2;
      }
      cell.end = at++;
      found.lines += count_line_ends(cell.begin, cell.end);
      while (at < limit && is_blank(*at, delimiter)) ++at;
      if (at < limit && *at != delimiter && *at != '\n' && *at != '\r') {
        const char* end = at;
        while (end < limit && *end != delimiter && *end != '\n' && *end != '\r') ++end;
        if (end == limit && !at_end_ && end < at + kMaxShownBytes) return found;
        refuse_csv(delimiter_name(delimiter) + " or the end of the line after a quoted cell",
                   quoted_text({at, static_cast<size_t>(end - at)}) + " in " + where(quote),
                   "write a quote inside quotes twice");
      }
    } else {
      while (*at != delimiter && *at != '\n' && *at != '\r') ++at;
      cell.end = at;
      while (cell.end > cell.begin && is_blank(cell.end[-1], delimiter)) --cell.end;
      if (static_cast<size_t>(cell.end - cell.begin) > kMaxCellBytes) {
        refuse_csv("cells of at most 1 MiB", "a longer one in " + where(cell.begin));
      }
    }
    if (at >= limit && !at_end_) return found;
    if (cells.size() == kMaxCsvColumns) {
      refuse_csv("at most " + std::to_string(kMaxCsvColumns) + " columns",
                 "more in line " + std::to_string(line_ + found.skipped) + " of " + names_.file,
                 "is the delimiter really " + delimiter_name(delimiter) + "?");
    }
    cells.push_back(cell);
    if (at >= limit || *at != delimiter) break;
    ++at;
  }
  if (at < limit) at = skip_line_end(at);
  ++found.lines;
  found.step = Step::kRow;
  found.next = at;
  return found;
}

CsvRows::Step CsvRows::next(bool wait) {
  while (true) {
    if (after_cr_ && begin_ < end_) {
      if (buffer_[begin_] == '\n') ++begin_;
      after_cr_ = false;
    }
    const Scan found = scan(buffer_.get() + begin_, delimiter_, cells_);
    const bool row = found.step == Step::kRow;
    const char* const next = row ? found.next : found.begin;
    line_ += found.skipped;
    row_line_ = line_;
    if (row) line_ += found.lines;
    row_begin_ = found.begin;
    const auto used = static_cast<size_t>(next - buffer_.get());
    after_cr_ = after_cr_ || (used > begin_ && next[-1] == '\r');
    begin_ = used;
    if (found.step != Step::kIncomplete) return found.step;
    if (!wait && !source_->ready()) return Step::kIncomplete;
    fill();
  }
}

int64_t CsvRows::line(const CsvCell& cell) const {
  return row_line_ + count_line_ends(row_begin_, cell.begin);
}

std::string_view CsvRows::text(const CsvCell& cell) {
  if (!cell.doubled) return cell.bytes();
  scratch_.clear();
  for (const char* at = cell.begin; at < cell.end; ++at) {
    scratch_ += *at;
    if (*at == '"') ++at;
  }
  return scratch_;
}

void CsvRows::check_utf8(size_t column, const CsvCell& cell, std::string_view text) const {
  const size_t zero = text.find('\0');
  if (zero != text.npos) {
    refuse_csv("text", "a zero byte in " + names_.place(line(cell), column),
               "the file is damaged, or its text is UTF-16: save it as UTF-8");
  }
  const size_t whole = io::utf8_prefix(text);
  if (whole < text.size()) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(text[whole]);
    refuse_csv(
        "text in UTF-8",
        std::string("byte ") + kDigits[byte >> 4] + kDigits[byte & 15] + " in " +
            names_.place(line(cell), column),
        "save it as UTF-8: in Excel as CSV UTF-8, elsewhere by iconv -f windows-1252 -t utf-8");
  }
}

}  // namespace ladder::data
