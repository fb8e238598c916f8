#include "ladder/data/shards.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "ladder/core/random.h"
#include "ladder/data/block_order.h"
#include "ladder/data/internal/level_inputs.h"
#include "ladder/data/internal/shard_arrays.h"
#include "ladder/data/keyed_order.h"
#include "ladder/io/internal/json.h"
#include "ladder/io/text_file.h"

namespace ladder::data {
namespace {

// A row from the page cache takes well under a microsecond, one from a disk 80 or more.
constexpr double kSlowRowSeconds = 20e-6;
constexpr int64_t kMinAheadBytes = 64 << 10;  // of successive rows: always read ahead
constexpr int64_t kShuffleBlockBytes = 1 << 20;
constexpr int kTimedReads = 200;
constexpr double kMaxTimedSeconds = 2;
constexpr size_t kLeftOutOf = 20;

std::optional<std::string> text_or_none(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? std::nullopt
                                                 : std::optional(found->get<std::string>());
}

bool is_index(const nlohmann::json& json) {
  if (!json.is_object()) return false;
  const auto format = json.find("format");
  return format != json.end() && *format == kShardFormat;
}

// Looks for the format of an index in a text of JSON, and keeps nothing of it. Each function
// returns whether the reader goes on.
class FormatFinder : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool is_shards() const { return is_shards_; }

  bool start_object(size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool start_array(size_t) override { return depth_ > 0 && enter(); }
  bool end_array() override { return leave(); }
  bool key(std::string& name) override {
    in_format_ = depth_ == 1 && name == "format";
    return true;
  }
  bool string(std::string& text) override {
    is_shards_ = in_format_ && text == kShardFormat;
    return !in_format_;
  }
  bool null() override { return !in_format_; }
  bool boolean(bool) override { return !in_format_; }
  bool number_integer(int64_t) override { return !in_format_; }
  bool number_unsigned(uint64_t) override { return !in_format_; }
  bool number_float(double, const std::string&) override { return !in_format_; }
  bool binary(nlohmann::json::binary_t&) override { return false; }
  bool parse_error(size_t, const std::string&, const nlohmann::json::exception&) override {
    return false;
  }

 private:
  bool enter() {
    ++depth_;
    return !in_format_;
  }
  bool leave() {
    --depth_;
    return true;
  }

  int64_t depth_ = 0;
  bool in_format_ = false, is_shards_ = false;
};

// A file of the folder itself: an index cannot point elsewhere.
std::filesystem::path shard_file(const std::filesystem::path& folder, const std::string& name) {
  TORCH_CHECK(!name.empty() && name.find('/') == std::string::npos, "Shards: expected names of ",
              "files in ", (folder / kShardIndex).string(), " but got '", name, "'.");
  return folder / name;
}

}  // namespace

bool is_shards(const std::filesystem::path& path) {
  std::error_code none;
  const auto index = path / kShardIndex;
  if (!std::filesystem::is_regular_file(index, none)) return false;
  // A folder of pictures may hold an index.json of another program, of any size.
  std::ifstream in(index, std::ios::binary);
  FormatFinder finder;
  nlohmann::json::sax_parse(in, &finder);
  return finder.is_shards();
}

struct Shards::State {
  struct Shard {
    int64_t begin = 0, rows = 0;
    ShardArray inputs;
    std::optional<ShardArray> labels;
  };

  std::filesystem::path folder;
  int64_t rows = 0;
  std::vector<ShardColumn> columns;
  std::vector<std::string> classes;
  std::string label;
  std::string fingerprint;
  std::vector<std::string> missing;
  char decimal = 0;  // that was given
  int64_t array_columns = 0;
  OpenFiles files;
  std::vector<Shard> shards;
  mutable std::atomic<bool> slow = false;

  // Call `read(shard, row in the shard, count, place)` for each run of successive rows.
  template <typename Read>
  void for_each_run(const int64_t* numbers, int64_t count, const Read& read) const {
    const Shard* shard = nullptr;
    for (int64_t i = 0; i < count;) {
      const int64_t row = numbers[i];
      TORCH_CHECK(row >= 0 && row < rows, "Shards: expected rows in 0..", rows - 1, " but got ",
                  row, ".");
      if (shard == nullptr || row < shard->begin || row >= shard->begin + shard->rows) {
        const auto behind =
            std::upper_bound(shards.begin(), shards.end(), row,
                             [](int64_t value, const Shard& one) { return value < one.begin; });
        shard = &*std::prev(behind);
      }
      int64_t run = 1;
      while (i + run < count && numbers[i + run] == row + run &&
             row + run < shard->begin + shard->rows) {
        ++run;
      }
      read(*shard, row - shard->begin, run, i);
      i += run;
    }
  }

  // Call `read` as for_each_run does, and then `check(shard)` once for each shard of the rows.
  template <typename Read, typename Check>
  void read_runs(const torch::Tensor& numbers, const Read& read, const Check& check) const {
    std::vector<const Shard*> used;
    for_each_run(numbers.const_data_ptr<int64_t>(), numbers.numel(),
                 [&](const Shard& shard, int64_t row, int64_t count, int64_t place) {
                   read(shard, row, count, place);
                   if (used.empty() || used.back() != &shard) used.push_back(&shard);
                 });
    std::sort(used.begin(), used.end());
    used.erase(std::unique(used.begin(), used.end()), used.end());
    for (const Shard* shard : used) check(*shard);
  }

  // Stored values, float32 [n, columns].
  at::Tensor values(const torch::Tensor& numbers) const {
    const auto width = static_cast<int64_t>(columns.size());
    auto out = at::empty({numbers.numel(), width}, at::kFloat);
    auto* to = out.data_ptr<float>();
    const auto begin = std::chrono::steady_clock::now();
    int64_t runs = 0;
    read_runs(
        numbers,
        [&](const Shard& shard, int64_t row, int64_t count, int64_t place) {
          shard.inputs.read(row, count, to + place * width);
          ++runs;
        },
        [](const Shard& shard) { shard.inputs.check_unchanged(); });
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
    slow = runs > 1 && spent.count() > kSlowRowSeconds * static_cast<double>(runs);
    return out;
  }

  Table table(const torch::Tensor& numbers, bool with_levels = true) const {
    const auto rows_there = values(numbers);
    Table made{.source = folder.string(),
               .rows = rows_there.size(0),
               .missing = missing,
               .decimal = decimal,
               .decimal_given = decimal != 0,
               .array_columns = array_columns};
    const auto count = static_cast<size_t>(made.rows);
    const auto width = columns.size();
    const float* from = rows_there.const_data_ptr<float>();
    for (size_t c = 0; c < width; ++c) {
      Column column{.name = columns[c].name, .kind = columns[c].kind};
      if (column.kind == ColumnKind::kNumber) {
        column.single = true;
        column.numbers.resize(count);
        for (size_t row = 0; row < count; ++row) column.numbers[row] = from[row * width + c];
      } else {
        if (with_levels) column.levels = columns[c].levels;
        column.codes.resize(count);
        const auto levels = static_cast<float>(columns[c].levels.size());
        for (size_t row = 0; row < count; ++row) {
          const float code = from[row * width + c];
          TORCH_CHECK(std::isnan(code) || (code >= 0 && code < levels && code == std::floor(code)),
                      "Shards: expected the index of a text from 0 to ",
                      static_cast<int64_t>(columns[c].levels.size()) - 1, " in column '",
                      column.name, "' of ", folder.string(), " but got ", code,
                      " (the shard is damaged).");
          column.codes[row] = std::isnan(code) ? -1 : static_cast<int32_t>(code);
        }
      }
      made.columns.push_back(std::move(column));
    }
    return made;
  }
};

Shards::Shards(const std::filesystem::path& folder) : state_(std::make_unique<State>()) {
  auto& state = *state_;
  state.folder = folder;
  const auto file = folder / kShardIndex;
  const auto text = io::read_text(file);
  const auto json = io::parse_json(text);
  TORCH_CHECK(is_index(json), "Shards: expected the index of shards in ", file.string(),
              " but got something else.");
  const auto version = json.find("version");
  TORCH_CHECK(version != json.end() && *version == 1, "Shards: expected version 1 in ",
              file.string(), " but got ", version == json.end() ? "none" : version->dump(),
              " (a newer version of this library wrote it).");
  state.fingerprint = crc_text(crc_of(0, text.data(), text.size()));
  try {
    state.label = json.at("label").get<std::string>();
    state.classes = json.at("classes").get<std::vector<std::string>>();
    state.missing = json.value("missing", std::vector<std::string>{});
    const auto decimal = json.value("decimal", std::string());
    if (decimal == "." || decimal == ",") state.decimal = decimal.front();
    state.array_columns = json.value("array_columns", int64_t{0});
    for (const auto& one : json.at("columns")) {
      ShardColumn column{.name = one.at("name").get<std::string>()};
      column.kind = one.at("kind") == "text" ? ColumnKind::kText : ColumnKind::kNumber;
      column.missing = one.at("missing").get<bool>();
      if (column.kind == ColumnKind::kText) {
        column.levels = one.at("levels").get<std::vector<std::string>>();
      }
      state.columns.push_back(std::move(column));
    }
    const auto width = static_cast<int64_t>(state.columns.size());
    for (const auto& one : json.at("shards")) {
      const auto rows = one.at("rows").get<int64_t>();
      TORCH_CHECK(rows > 0, "Shards: expected rows in each shard but got ", rows, " in ",
                  file.string(), ".");
      ShardArray inputs(state.files, shard_file(folder, one.at("inputs").get<std::string>()), 'f',
                        {rows, width}, text_or_none(one, "inputs_crc32"));
      std::optional<ShardArray> labels;
      if (const auto name = text_or_none(one, "labels")) {
        labels.emplace(state.files, shard_file(folder, *name), 'i', std::vector<int64_t>{rows},
                       text_or_none(one, "labels_crc32"));
      }
      TORCH_CHECK(labels || state.label.empty(), "Shards: expected labels of each shard in ",
                  file.string(), " but got none of shard ", state.shards.size(), ".");
      state.shards.push_back({state.rows, rows, std::move(inputs), std::move(labels)});
      state.rows += rows;
    }
  } catch (const nlohmann::json::exception& error) {
    TORCH_CHECK(false, "Shards: expected columns, classes, label and shards in ", file.string(),
                " but got ", error.what(), ".");
  }
  TORCH_CHECK(state.rows > 0 && !state.columns.empty(),
              "Shards: expected rows and columns but got none in ", file.string(), ".");
}

Shards::Shards(Shards&&) noexcept = default;
Shards::~Shards() = default;

const std::filesystem::path& Shards::folder() const { return state_->folder; }
int64_t Shards::rows() const { return state_->rows; }
const std::vector<ShardColumn>& Shards::columns() const { return state_->columns; }
const std::vector<std::string>& Shards::classes() const { return state_->classes; }
const std::string& Shards::label() const { return state_->label; }
const std::vector<std::string>& Shards::missing() const { return state_->missing; }
char Shards::decimal() const { return state_->decimal; }
int64_t Shards::array_columns() const { return state_->array_columns; }
std::string Shards::fingerprint() const { return state_->fingerprint; }

Table Shards::table(const torch::Tensor& rows) const {
  return state_->table(rows.to(at::kCPU, at::kLong).contiguous());
}

Table Shards::table(int64_t begin, int64_t end) const {
  TORCH_CHECK(begin >= 0 && begin <= end && end <= rows(), "Shards: expected rows in 0..", rows(),
              " but got ", begin, " to ", end, ".");
  return state_->table(at::arange(begin, end, at::kLong));
}

Table Shards::codes(const torch::Tensor& rows) const {
  return state_->table(rows.to(at::kCPU, at::kLong).contiguous(), /*with_levels=*/false);
}

Table Shards::sample(int64_t count, uint64_t seed) const {
  if (count >= rows()) return table(0, rows());
  return table(sample_rows(rows(), count, stream_seed(seed, "sample")));
}

torch::Tensor Shards::labels(const torch::Tensor& rows) const {
  const auto numbers = rows.to(at::kCPU, at::kLong).contiguous();
  if (label().empty()) return at::full({numbers.numel()}, -1, at::kLong);
  auto codes = at::empty({numbers.numel()}, at::kInt);
  auto* to = codes.data_ptr<int32_t>();
  state_->read_runs(
      numbers,
      [&](const State::Shard& shard, int64_t row, int64_t count, int64_t place) {
        shard.labels->read(row, count, to + place);
      },
      [](const State::Shard& shard) { shard.labels->check_unchanged(); });
  const auto most = static_cast<int32_t>(classes().size());
  for (int64_t i = 0; i < codes.numel(); ++i) {
    TORCH_CHECK(to[i] >= -1 && to[i] < most, "Shards: expected labels from -1 to ", most - 1,
                " in ", folder().string(), " but got ", to[i], " (a shard is damaged).");
  }
  return codes.to(at::kLong);
}

torch::Tensor Shards::labeled_rows() const {
  constexpr int64_t kLabelsAtOnce = 1 << 20;
  std::vector<int64_t> found;
  std::vector<int32_t> block(kLabelsAtOnce);
  for (const auto& shard : state_->shards) {
    for (int64_t begin = 0; shard.labels && begin < shard.rows; begin += kLabelsAtOnce) {
      const auto count = std::min(kLabelsAtOnce, shard.rows - begin);
      shard.labels->read(begin, count, block.data());
      for (int64_t i = 0; i < count; ++i) {
        if (block[static_cast<size_t>(i)] >= 0) found.push_back(shard.begin + begin + i);
      }
    }
  }
  return at::tensor(found, at::kLong);
}

void Shards::expect(const torch::Tensor& rows) const {
  const auto numbers = rows.to(at::kCPU, at::kLong).contiguous();
  state_->for_each_run(numbers.const_data_ptr<int64_t>(), numbers.numel(),
                       [this](const State::Shard& shard, int64_t row, int64_t count, int64_t) {
                         if (state_->slow || count * shard.inputs.row_bytes() >= kMinAheadBytes) {
                           shard.inputs.expect(row, count);
                         }
                       });
}

double Shards::random_read_seconds() const {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  // Rows of another measurement may be in the page cache: each draws its own.
  const KeyedOrder order(static_cast<uint64_t>(rows()),
                         static_cast<uint64_t>(begin.time_since_epoch().count()));
  std::vector<double> seconds;
  double spent = 0;
  const auto most = std::min<int64_t>(kTimedReads, rows());
  while (static_cast<int64_t>(seconds.size()) < most && spent < kMaxTimedSeconds) {
    state_->values(order.elements(static_cast<int64_t>(seconds.size()), 1));
    const double now = std::chrono::duration<double>(Clock::now() - begin).count();
    seconds.push_back(now - spent);
    spent = now;
  }
  std::sort(seconds.begin(), seconds.end());
  const auto kept = std::max<size_t>(1, seconds.size() - seconds.size() / kLeftOutOf);
  return std::accumulate(seconds.begin(), seconds.begin() + static_cast<std::ptrdiff_t>(kept),
                         0.0) /
         static_cast<double>(kept);
}

BlockSizes Shards::block_sizes() const {
  const auto row_bytes = state_->shards.front().inputs.row_bytes();
  return {.rows = std::max<int64_t>(1, kShuffleBlockBytes / row_bytes)};
}

void Shards::verify() const {
  for (const auto& shard : state_->shards) shard.inputs.verify();
  verify_labels();
}

void Shards::verify_labels() const {
  for (const auto& shard : state_->shards) {
    if (shard.labels) shard.labels->verify();
  }
}

namespace {

class ShardRows : public RowSource {
 public:
  // The levels of all rows are known: their inputs are looked up once.
  ShardRows(std::shared_ptr<const Shards> shards, Features features)
      : shards_(std::move(shards)), features_(std::move(features)) {
    std::unordered_map<std::string, const ShardColumn*> columns;
    for (const auto& column : shards_->columns()) columns.emplace(column.name, &column);
    for (const auto& feature : features_.columns) {
      level_inputs_.emplace_back();
      const auto column = columns.find(feature.name);
      if (!feature.dropped.empty() || column == columns.end() ||
          column->second->kind == ColumnKind::kNumber) {
        continue;
      }
      needs_levels_ = needs_levels_ || feature.kind == ColumnKind::kNumber;
      level_inputs_.back() = inputs_of_levels(feature, column->second->levels, features_.missing);
    }
  }

  int64_t rows() const override { return shards_->rows(); }
  std::vector<int64_t> row_shape() const override { return {features_.width()}; }
  torch::Tensor inputs(const torch::Tensor& rows) const override {
    return needs_levels_ ? features_.apply(shards_->table(rows))
                         : apply_features(features_, shards_->codes(rows), level_inputs_);
  }
  torch::Tensor labels(const torch::Tensor& rows) const override { return shards_->labels(rows); }
  void expect(const torch::Tensor& rows) const override { shards_->expect(rows); }
  std::string fingerprint() const override {
    const auto features = to_json(features_);
    return fmt::format("Shards [{}, {}] {} {}", rows(), features_.width(), shards_->fingerprint(),
                       crc_text(crc_of(0, features.data(), features.size())));
  }

 private:
  std::shared_ptr<const Shards> shards_;
  Features features_;
  std::vector<std::vector<int64_t>> level_inputs_;  // one for each feature
  bool needs_levels_ = false;                       // texts where numbers are expected
};

}  // namespace

std::shared_ptr<const RowSource> row_source(std::shared_ptr<const Shards> shards,
                                            Features features) {
  TORCH_CHECK(shards, "row_source: expected shards but got none.");
  return std::make_shared<ShardRows>(std::move(shards), std::move(features));
}

}  // namespace ladder::data
