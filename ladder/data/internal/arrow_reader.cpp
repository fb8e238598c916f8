#include "ladder/data/internal/arrow_reader.h"

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <arrow/ipc/api.h>
#include <arrow/util/decimal.h>
#include <arrow/util/float16.h>
#include <parquet/arrow/reader.h>

#include <cmath>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ladder/data/internal/csv_column.h"
#include "ladder/data/internal/missing_values.h"

namespace ladder::data {
namespace {

using arrow::Type;

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

bool is_text(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::STRING_VIEW:
      return true;
    case Type::DICTIONARY:
      return is_text(*static_cast<const arrow::DictionaryType&>(type).value_type());
    default:
      return false;
  }
}

// Dates and times, which become texts as in CSV files.
bool is_time(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::DATE32:
    case Type::DATE64:
    case Type::TIME32:
    case Type::TIME64:
    case Type::TIMESTAMP:
      return true;
    default:
      return false;
  }
}

bool is_single(const arrow::DataType& type) {
  if (type.id() == Type::DICTIONARY) {
    return is_single(*static_cast<const arrow::DictionaryType&>(type).value_type());
  }
  return type.id() == Type::FLOAT;
}

bool is_number(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::NA:
    case Type::BOOL:
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::INT64:
    case Type::UINT8:
    case Type::UINT16:
    case Type::UINT32:
    case Type::UINT64:
    case Type::HALF_FLOAT:
    case Type::FLOAT:
    case Type::DOUBLE:
    case Type::DECIMAL128:
      return true;
    case Type::DICTIONARY:
      return is_number(*static_cast<const arrow::DictionaryType&>(type).value_type());
    default:
      return false;
  }
}

template <typename Array, typename Value>
void append_each(const arrow::Array& values, std::vector<double>& out, const Value& value) {
  const auto& array = static_cast<const Array&>(values);
  for (int64_t i = 0; i < array.length(); ++i) {
    out.push_back(array.IsNull(i) ? kMissing : static_cast<double>(value(array, i)));
  }
}

template <typename Array>
void append_plain(const arrow::Array& values, std::vector<double>& out) {
  append_each<Array>(values, out, [](const Array& array, int64_t i) { return array.Value(i); });
}

void append_numbers(const arrow::Array& values, std::vector<double>& out) {
  switch (values.type_id()) {
    case Type::NA:
      out.insert(out.end(), static_cast<size_t>(values.length()), kMissing);
      return;
    case Type::BOOL:
      return append_plain<arrow::BooleanArray>(values, out);
    case Type::INT8:
      return append_plain<arrow::Int8Array>(values, out);
    case Type::INT16:
      return append_plain<arrow::Int16Array>(values, out);
    case Type::INT32:
      return append_plain<arrow::Int32Array>(values, out);
    case Type::INT64:
      return append_plain<arrow::Int64Array>(values, out);
    case Type::UINT8:
      return append_plain<arrow::UInt8Array>(values, out);
    case Type::UINT16:
      return append_plain<arrow::UInt16Array>(values, out);
    case Type::UINT32:
      return append_plain<arrow::UInt32Array>(values, out);
    case Type::UINT64:
      return append_plain<arrow::UInt64Array>(values, out);
    case Type::FLOAT:
      return append_plain<arrow::FloatArray>(values, out);
    case Type::DOUBLE:
      return append_plain<arrow::DoubleArray>(values, out);
    case Type::HALF_FLOAT:
      return append_each<arrow::HalfFloatArray>(
          values, out, [](const arrow::HalfFloatArray& array, int64_t i) {
            return arrow::util::Float16::FromBits(array.Value(i)).ToDouble();
          });
    case Type::DECIMAL128: {
      const int32_t scale = static_cast<const arrow::Decimal128Type&>(*values.type()).scale();
      return append_each<arrow::Decimal128Array>(
          values, out, [scale](const arrow::Decimal128Array& array, int64_t i) {
            return arrow::Decimal128(array.GetValue(i)).ToDouble(scale);
          });
    }
    default: {  // a dictionary, by `is_number`
      const auto& array = static_cast<const arrow::DictionaryArray&>(values);
      std::vector<double> levels;
      append_numbers(*array.dictionary(), levels);
      for (int64_t i = 0; i < array.length(); ++i) {
        out.push_back(array.IsNull(i) ? kMissing
                                      : levels[static_cast<size_t>(array.GetValueIndex(i))]);
      }
    }
  }
}

void check(const arrow::Status& status) {
  if (!status.ok()) {
    std::string message = status.message();
    while (!message.empty() && (message.back() == '.' || message.back() == '\n')) {
      message.pop_back();
    }
    throw ArrowFault{"a whole file", "\"" + message + "\"", "save it again"};
  }
}

template <typename Value>
Value checked(arrow::Result<Value> result) {
  check(result.status());
  return std::move(result).ValueUnsafe();
}

// A column and the codes of its texts.
struct ArrowColumn {
  Column column = {};
  std::unordered_map<std::string, int32_t> codes = {};

  // Returns the code of a text, -1 for one that is missing in CSV files.
  int32_t code(std::string_view text) {
    if (is_usual_missing(without_blanks(text))) return -1;
    const auto [found, added] =
        codes.emplace(std::string(text), static_cast<int32_t>(column.levels.size()));
    if (added) column.levels.emplace_back(text);
    return found->second;
  }

  // Appends a row: the code of `text`, or -1, which is counted.
  void append(int32_t code_of_text, std::string_view text) {
    text = without_blanks(text);
    if (code_of_text < 0 && !text.empty()) count_missing(column, text);
    column.codes.push_back(code_of_text);
  }
  void append(std::string_view text) { append(code(text), text); }
};

// A time without a fraction of zeros, which Arrow writes as long as the unit of the column and no
// CSV file has: 2026-01-31 00:00:00.000000.
std::string whole_seconds(std::string text) {
  const auto point = text.rfind('.');
  if (point != text.npos && text.find_first_not_of('0', point + 1) == text.npos) {
    text.resize(point);
  }
  return text;
}

std::string_view text_at(const arrow::Array& values, int64_t i) {
  switch (values.type_id()) {
    case Type::STRING:
      return static_cast<const arrow::StringArray&>(values).GetView(i);
    case Type::LARGE_STRING:
      return static_cast<const arrow::LargeStringArray&>(values).GetView(i);
    default:
      return static_cast<const arrow::StringViewArray&>(values).GetView(i);
  }
}

void append_texts(const arrow::Array& values, ArrowColumn& out) {
  if (is_time(*values.type())) {
    for (int64_t i = 0; i < values.length(); ++i) {
      if (values.IsNull(i)) {
        out.append(-1, {});
      } else {
        out.append(whole_seconds(checked(values.GetScalar(i))->ToString()));
      }
    }
    return;
  }
  if (values.type_id() != Type::DICTIONARY) {
    for (int64_t i = 0; i < values.length(); ++i) {
      if (values.IsNull(i)) {
        out.append(-1, {});
      } else {
        out.append(text_at(values, i));
      }
    }
    return;
  }
  const auto& array = static_cast<const arrow::DictionaryArray&>(values);
  const arrow::Array& dictionary = *array.dictionary();
  constexpr int32_t kUnknown = -2;
  std::vector<int32_t> code_of(static_cast<size_t>(dictionary.length()), kUnknown);
  for (int64_t i = 0; i < array.length(); ++i) {
    const int64_t level = array.IsNull(i) ? 0 : array.GetValueIndex(i);
    if (array.IsNull(i) || dictionary.IsNull(level)) {
      out.append(-1, {});
      continue;
    }
    const auto text = text_at(dictionary, level);
    int32_t& code = code_of[static_cast<size_t>(level)];
    if (code == kUnknown) code = out.code(text);
    out.append(code, text);
  }
}

// Batches of a file, one after another.
class Batches {
 public:
  Batches(const std::filesystem::path& path, ArrowFormat format) {
    const auto file = checked(arrow::io::ReadableFile::Open(path.string()));
    if (format == ArrowFormat::kParquet) {
      parquet_ = checked(parquet::arrow::OpenFile(file, arrow::default_memory_pool()));
      reader_ = checked(parquet_->GetRecordBatchReader());
    } else {
      ipc_ = checked(arrow::ipc::RecordBatchFileReader::Open(file));
    }
  }

  std::shared_ptr<arrow::Schema> schema() const {
    return ipc_ ? ipc_->schema() : reader_->schema();
  }

  std::shared_ptr<arrow::RecordBatch> next() {
    std::shared_ptr<arrow::RecordBatch> batch;
    if (!ipc_) {
      check(reader_->ReadNext(&batch));
    } else if (index_ < ipc_->num_record_batches()) {
      batch = checked(ipc_->ReadRecordBatch(index_++));
    }
    // Offsets and dictionary indices of a damaged file may point anywhere.
    if (batch) check(batch->ValidateFull());
    return batch;
  }

 private:
  std::unique_ptr<parquet::arrow::FileReader> parquet_;
  std::shared_ptr<arrow::RecordBatchReader> reader_;
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> ipc_;
  int index_ = 0;
};

void read_batches(const std::filesystem::path& path, ArrowFormat format, int64_t min_rows,
                  const std::function<bool(Table&&)>& take) {
  Batches batches(path, format);
  std::vector<ArrowColumn> first;  // without rows
  std::set<std::string> names;
  for (const auto& field : batches.schema()->fields()) {
    if (!names.insert(field->name()).second) {
      throw ArrowFault{"different column names", "'" + field->name() + "' twice", "rename one"};
    }
    const bool text = is_text(*field->type()) || is_time(*field->type());
    if (!text && !is_number(*field->type())) {
      throw ArrowFault{"columns of numbers or texts",
                       field->type()->ToString() + " in column '" + field->name() + "'",
                       "leave it out, or save it as numbers or texts"};
    }
    ArrowColumn column;
    column.column.name = field->name();
    column.column.kind = text ? ColumnKind::kText : ColumnKind::kNumber;
    column.column.single = is_single(*field->type());
    first.push_back(std::move(column));
  }
  int64_t rows_before = 0;  // those of earlier blocks
  auto columns = first;
  Table table{.source = path.string()};
  const auto hand_over = [&] {
    for (auto& column : columns) table.columns.push_back(std::move(column.column));
    rows_before += table.rows;
    const bool more = take(std::move(table));
    columns = first;
    table = {.source = path.string()};
    return more;
  };
  while (const auto batch = batches.next()) {
    for (size_t c = 0; c < columns.size(); ++c) {
      const arrow::Array& values = *batch->column(static_cast<int>(c));
      if (columns[c].column.kind == ColumnKind::kText) {
        append_texts(values, columns[c]);
        continue;
      }
      auto& numbers = columns[c].column.numbers;
      const size_t before = numbers.size();
      append_numbers(values, numbers);
      for (size_t row = before; row < numbers.size(); ++row) {
        if (std::isinf(numbers[row])) {
          throw ArrowFault{"finite numbers",
                           std::string(numbers[row] < 0 ? "-inf" : "inf") + " in row " +
                               std::to_string(rows_before + static_cast<int64_t>(row) + 1) +
                               ", column '" + columns[c].column.name + "'",
                           "save it as null if it is missing"};
        }
      }
    }
    table.rows += batch->num_rows();
    if (table.rows >= min_rows && !hand_over()) return;
  }
  if (rows_before + table.rows == 0) throw ArrowFault{"rows", "none"};
  if (table.rows > 0) hand_over();
}

}  // namespace

Table read_arrow_file(const std::filesystem::path& path, ArrowFormat format) {
  Table all;
  read_arrow_file(path, format, std::numeric_limits<int64_t>::max(), [&](Table&& table) {
    all = std::move(table);
    return true;
  });
  return all;
}

void read_arrow_file(const std::filesystem::path& path, ArrowFormat format, int64_t min_rows,
                     const std::function<bool(Table&&)>& take) {
  // What `take` throws is no fault of the file.
  std::exception_ptr thrown;
  const auto guarded = [&](Table&& table) {
    try {
      return take(std::move(table));
    } catch (...) {
      thrown = std::current_exception();
      return false;
    }
  };
  try {
    read_batches(path, format, min_rows, guarded);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    throw ArrowFault{"a whole file", "\"" + std::string(error.what()) + "\"", "save it again"};
  }
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace ladder::data
