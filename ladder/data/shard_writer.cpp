#include "ladder/data/shard_writer.h"

#include <c10/util/Exception.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ladder/data/class_labels.h"
#include "ladder/data/internal/exact_numbers.h"
#include "ladder/data/internal/missing_values.h"
#include "ladder/data/internal/shard_arrays.h"
#include "ladder/data/shards.h"
#include "ladder/io/atomic_file.h"
#include "ladder/io/text_file.h"

namespace ladder::data {
namespace {

// Give each label its place among the ordered classes, in the file. Return the CRC-32.
std::string renumber_labels(const std::filesystem::path& path, const std::vector<int32_t>& places) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb+"),
                                                       &std::fclose);
  const auto check = [&](bool done) {
    TORCH_CHECK(done, "ShardWriter: expected to write ", path.string(), " but got \"",
                std::generic_category().message(errno), "\".");
  };
  check(file != nullptr);
  std::vector<int32_t> block(kShardBlockBytes / 4);
  uint32_t crc = 0;
  auto at = static_cast<long>(ArrayFile::kHeaderBytes);
  while (true) {
    check(std::fseek(file.get(), at, SEEK_SET) == 0);
    const auto got = std::fread(block.data(), 4, block.size(), file.get());
    check(std::ferror(file.get()) == 0);
    if (got == 0) break;
    for (size_t i = 0; i < got; ++i) {
      if (block[i] >= 0) block[i] = places[static_cast<size_t>(block[i])];
    }
    crc = crc_of(crc, block.data(), 4 * got);
    check(std::fseek(file.get(), at, SEEK_SET) == 0 &&
          std::fwrite(block.data(), 4, got, file.get()) == got);
    at += static_cast<long>(4 * got);
  }
  check(std::fflush(file.get()) == 0 && ::fsync(::fileno(file.get())) == 0 &&
        std::fclose(file.release()) == 0);
  return crc_text(crc);
}

}  // namespace

struct ShardWriter::State {
  // Names in the order of their numbers, and the bytes that they take in the index.
  class Levels {
   public:
    // Return the number of `text`, a new one if it has none; -1 above the limit.
    int32_t number(const std::string& text) {
      if (const auto found = numbers_.find(text); found != numbers_.end()) return found->second;
      if (static_cast<int64_t>(names_.size()) >= kMaxShardLevels) return -1;
      const auto next = static_cast<int32_t>(names_.size());
      numbers_.emplace(text, next);
      names_.push_back(text);
      constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
      constexpr int64_t kAround = 8;  // comma, line end and spaces before it
      bytes_ += static_cast<int64_t>(nlohmann::json(text).dump(-1, ' ', false, kReplace).size()) +
                kAround;
      return next;
    }
    const std::vector<std::string>& names() const { return names_; }
    int64_t bytes() const { return bytes_; }

   private:
    std::unordered_map<std::string, int32_t> numbers_;
    std::vector<std::string> names_;
    int64_t bytes_ = 0;
  };

  struct Written {
    int64_t rows;
    std::string inputs, inputs_crc, labels, labels_crc;
  };

  std::filesystem::path folder;
  ShardWriterOptions options;
  std::vector<ShardColumn> columns;
  std::vector<Levels> levels;
  std::vector<std::string> missing;  // of the first block
  char decimal = 0;                  // that was given
  int64_t array_columns = 0;
  Levels classes;
  std::unique_ptr<ArrayFile> inputs, labels;
  std::vector<Written> written;
  int64_t rows = 0, shard_rows = 0;
  int64_t text_bytes = 0;  // of all levels and classes

  // Count new texts of a column. An index that is too long to be read must not be found out at the
  // end.
  void count_text(int64_t bytes, const std::string& column, const Table& block) {
    text_bytes += bytes;
    TORCH_CHECK(text_bytes <= kMaxShardTextBytes, "ShardWriter: expected at most ",
                kMaxShardTextBytes >> 20, " MiB of different texts but got more with column '",
                column, "' of ", block.source, " (--ignore leaves a column out).");
  }

  void start(const Table& block) {
    missing = block.missing;
    if (block.decimal_given) decimal = block.decimal;
    array_columns = block.array_columns;
    if (!options.label.empty()) block.column(options.label);  // an unknown name is an error
    for (const auto& name : options.except) block.column(name);
    for (const auto& column : block.columns) {
      const bool left_out = std::find(options.except.begin(), options.except.end(), column.name) !=
                            options.except.end();
      if (column.name == options.label || left_out) continue;
      columns.push_back({.name = column.name, .kind = column.kind});
    }
    TORCH_CHECK(!columns.empty(), "ShardWriter: expected columns besides the label in ",
                block.source, " but got none.");
    levels.resize(columns.size());
  }

  // Values of one column for all rows of a block, `width` apart.
  void put(const Table& block, size_t c, float* out, size_t width) {
    auto& into = columns[c];
    const auto& column = block.column(into.name);
    TORCH_CHECK(column.kind == into.kind, "ShardWriter: expected ",
                into.kind == ColumnKind::kText ? "texts" : "numbers", " in column '", into.name,
                "' of ", block.source, " as in the rows before but got ",
                into.kind == ColumnKind::kText ? "numbers" : "texts", ".");
    constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> numbers;
    if (into.kind == ColumnKind::kText) {
      const auto before = levels[c].bytes();
      for (const auto& level : column.levels) {
        const auto number = levels[c].number(level);
        TORCH_CHECK(number >= 0, "ShardWriter: expected at most ", kMaxShardLevels,
                    " different texts in column '", into.name, "' of ", block.source,
                    " but got more (an identifier? --ignore leaves it out).");
        numbers.push_back(static_cast<float>(number));
      }
      count_text(levels[c].bytes() - before, into.name, block);
    }
    for (size_t row = 0; row < static_cast<size_t>(block.rows); ++row, out += width) {
      if (into.kind == ColumnKind::kText) {
        const auto code = column.codes[row];
        *out = code < 0 ? kMissing : numbers[static_cast<size_t>(code)];
      } else {
        const double value = column.numbers[row];
        *out = static_cast<float>(value);
        TORCH_CHECK(!std::isinf(*out),
                    "ShardWriter: expected numbers that float32 holds in column '", into.name,
                    "' of ", block.source, " but got ", value, ".");
      }
      into.missing = into.missing || std::isnan(*out);
    }
  }

  std::vector<int32_t> labels_of_block(const Table& block) {
    std::vector<int32_t> found(static_cast<size_t>(block.rows), -1);
    const auto& column = block.column(options.label);
    check_exact_numbers(column, "ShardWriter", block.source);
    const auto before = classes.bytes();
    for (int64_t row = 0; row < block.rows; ++row) {
      const auto text = cell_text(column, row);
      if (without_blanks(text).empty()) continue;  // finish knows what -1,0 is
      const auto number = classes.number(text);
      TORCH_CHECK(number >= 0, "ShardWriter: expected at most ", kMaxShardLevels,
                  " classes in column '", options.label, "' of ", block.source,
                  " but got more (is it a quantity?).");
      found[static_cast<size_t>(row)] = number;
    }
    count_text(classes.bytes() - before, options.label, block);
    return found;
  }

  std::string name_of(const char* what) const {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%s-%05zu.npy", what, written.size());
    return text.data();
  }

  void add(const Table& block) {
    if (columns.empty()) start(block);
    TORCH_CHECK(
        array_columns == 0 || block.array_columns == 0 || block.array_columns == array_columns,
        "ShardWriter: expected rows of ", array_columns, " numbers as before but got ",
        block.array_columns, " in ", block.source,
        " (columns of arrays are known by their places alone).");
    const size_t width = columns.size();
    std::vector<float> values(static_cast<size_t>(block.rows) * width);
    for (size_t c = 0; c < width; ++c) put(block, c, values.data() + c, width);
    const auto codes = options.label.empty() ? std::vector<int32_t>{} : labels_of_block(block);
    for (int64_t begin = 0; begin < block.rows;) {
      if (!inputs) {
        inputs = std::make_unique<ArrayFile>(folder / name_of("rows"));
        if (!options.label.empty()) {
          labels = std::make_unique<ArrayFile>(folder / name_of("labels"));
        }
      }
      const auto count = std::min(block.rows - begin, options.rows_per_shard - shard_rows);
      const auto from = static_cast<size_t>(begin);
      inputs->append(values.data() + from * width, static_cast<size_t>(count) * width * 4);
      if (labels) labels->append(codes.data() + from, static_cast<size_t>(count) * 4);
      begin += count;
      shard_rows += count;
      rows += count;
      if (shard_rows == options.rows_per_shard) end_shard();
    }
  }

  void end_shard() {
    inputs->finish('f', shard_rows, static_cast<int64_t>(columns.size()));
    if (labels) labels->finish('i', shard_rows, 0);
    written.push_back({shard_rows, inputs->path().filename().string(), inputs->crc(),
                       labels ? labels->path().filename().string() : "", ""});
    inputs.reset();
    labels.reset();
    shard_rows = 0;
  }

  void finish() {
    TORCH_CHECK(rows > 0, "ShardWriter: expected rows but got none.");
    if (inputs) end_shard();
    const auto ordered = ordered_classes(classes.names());
    // 1 and 1.0 have one place; -1,0 may mean that there is no label.
    const auto found = class_places(classes.names(), ordered);
    const std::vector<int32_t> places(found.begin(), found.end());
    nlohmann::ordered_json index = {{"format", kShardFormat},
                                    {"version", 1},
                                    {"rows", rows},
                                    {"label", options.label},
                                    {"classes", ordered}};
    if (!missing.empty()) index["missing"] = missing;
    if (decimal != 0) index["decimal"] = std::string(1, decimal);
    if (array_columns > 0) index["array_columns"] = array_columns;
    auto columns_json = nlohmann::ordered_json::array();
    for (size_t c = 0; c < columns.size(); ++c) {
      const bool text = columns[c].kind == ColumnKind::kText;
      nlohmann::ordered_json one = {{"name", columns[c].name},
                                    {"kind", text ? "text" : "number"},
                                    {"missing", columns[c].missing}};
      if (text) one["levels"] = levels[c].names();
      columns_json.push_back(std::move(one));
    }
    index["columns"] = std::move(columns_json);
    auto shards_json = nlohmann::ordered_json::array();
    for (auto& one : written) {
      nlohmann::ordered_json shard = {
          {"rows", one.rows}, {"inputs", one.inputs}, {"inputs_crc32", one.inputs_crc}};
      if (!one.labels.empty()) {
        shard["labels"] = one.labels;
        shard["labels_crc32"] = renumber_labels(folder / one.labels, places);
      }
      shards_json.push_back(std::move(shard));
    }
    index["shards"] = std::move(shards_json);
    std::string text;
    try {
      text = index.dump(1) + "\n";
    } catch (const nlohmann::json::type_error&) {
      TORCH_CHECK(false, "ShardWriter: expected names and texts in UTF-8 but got other bytes.");
    }
    TORCH_CHECK(static_cast<int64_t>(text.size()) <= io::kMaxTextBytes,
                "ShardWriter: expected an index of at most ", io::kMaxTextBytes >> 20,
                " MiB but got ", text.size(), " bytes for ", written.size(),
                " shards (write more rows in a shard).");
    io::write_atomically(folder / kShardIndex, text);
  }
};

void check_no_shards(const std::filesystem::path& folder) {
  TORCH_CHECK(!std::filesystem::exists(folder / kShardIndex),
              "ShardWriter: expected a folder without shards but got some in ", folder.string(),
              " (choose another folder, or remove it).");
}

ShardWriter::ShardWriter(std::filesystem::path folder, ShardWriterOptions options)
    : state_(std::make_unique<State>()) {
  TORCH_CHECK(options.rows_per_shard >= 1,
              "ShardWriter: expected at least 1 row in a shard but got ", options.rows_per_shard,
              ".");
  check_no_shards(folder);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  TORCH_CHECK(std::filesystem::is_directory(folder), "ShardWriter: expected to create ",
              folder.string(), " but got \"", error ? error.message() : "not a folder", "\".");
  state_->folder = std::move(folder);
  state_->options = std::move(options);
}

ShardWriter::ShardWriter(ShardWriter&&) noexcept = default;
ShardWriter::~ShardWriter() = default;

void ShardWriter::add(const Table& block) { state_->add(block); }
int64_t ShardWriter::rows() const { return state_->rows; }
void ShardWriter::finish() { state_->finish(); }

}  // namespace ladder::data
