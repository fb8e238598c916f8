#include "ladder/data/csv.h"

#include <c10/util/Exception.h>

#include <utility>

#include "ladder/data/internal/csv_parser.h"
#include "ladder/data/internal/missing_values.h"
#include "ladder/io/internal/read_fault.h"

namespace ladder::data {
namespace {

// Calls `read`, and throws what is wrong with the file `name` as an error of the library.
template <typename Read>
auto reading_csv(const std::string& name, Read&& read) {
  try {
    return read();
  } catch (const CsvFault& fault) {
    TORCH_CHECK(false, fault.what());
  } catch (const io::ReadFault& fault) {
    TORCH_CHECK(false, "read_csv: expected a table in ", name, " but ", fault.what(), ".");
  }
}

std::unique_ptr<io::ByteSource> open_csv(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  TORCH_CHECK(std::filesystem::exists(status), "read_csv: expected a table but got no file at ",
              path.string(), " (check the path).");
  TORCH_CHECK(!std::filesystem::is_directory(status),
              "read_csv: expected a file but got a folder at ", path.string(),
              " (give the path of a file).");
  return io::open_bytes(path);
}

}  // namespace

bool is_missing_text(std::string_view text) { return is_usual_missing(without_blanks(text)); }

Table read_csv(const std::filesystem::path& path, const CsvOptions& options) {
  const std::string name = path.string();
  return reading_csv(name, [&] {
    std::vector<std::string> late_texts;
    Table table = CsvParser(open_csv(path), name, options).all(late_texts);
    if (late_texts.empty()) return table;
    TORCH_CHECK(std::filesystem::is_regular_file(path), "read_csv: expected numbers in column '",
                late_texts.front(), "' of ", name,
                " but got a text after many numbers (name the column as a text column).");
    CsvOptions with_texts = options;
    with_texts.text_columns.insert(with_texts.text_columns.end(), late_texts.begin(),
                                   late_texts.end());
    table = {};
    late_texts.clear();
    return CsvParser(open_csv(path), name, with_texts).all(late_texts);
  });
}

class CsvReader::State {
 public:
  State(std::unique_ptr<io::ByteSource> source, std::string name, const CsvOptions& options)
      : name_(std::move(name)), parser_(std::move(source), name_, options) {}

  const std::vector<std::string>& names() const { return parser_.names(); }
  char decimal() const { return parser_.decimal(); }

  std::optional<Table> next(int64_t max_rows) {
    TORCH_CHECK(max_rows >= 1, "CsvReader: expected at least 1 row a block but got ", max_rows,
                ".");
    return reading_csv(name_, [&]() -> std::optional<Table> {
      Table rows = parser_.next(max_rows, /*wait=*/false);
      if (rows.rows == 0) return std::nullopt;
      return rows;
    });
  }

 private:
  std::string name_;
  CsvParser parser_;
};

CsvReader::CsvReader(const std::filesystem::path& path, const CsvOptions& options)
    : state_(reading_csv(path.string(), [&] {
        return std::make_unique<State>(open_csv(path), path.string(), options);
      })) {}

CsvReader::CsvReader(std::istream& in, std::string name, const CsvOptions& options)
    : state_(reading_csv(
          name, [&] { return std::make_unique<State>(io::stream_bytes(in), name, options); })) {}

CsvReader::CsvReader(CsvReader&&) noexcept = default;
CsvReader& CsvReader::operator=(CsvReader&&) noexcept = default;
CsvReader::~CsvReader() = default;

const std::vector<std::string>& CsvReader::names() const { return state_->names(); }

char CsvReader::decimal() const { return state_->decimal(); }

std::optional<Table> CsvReader::next(int64_t max_rows) { return state_->next(max_rows); }

}  // namespace ladder::data
