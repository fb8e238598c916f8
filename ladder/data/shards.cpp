#include "ladder/data/shards.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "ladder/core/random.h"
#include "ladder/data/block_order.h"
#include "ladder/data/class_labels.h"
#include "ladder/data/internal/class_places.h"
#include "ladder/data/internal/level_inputs.h"
#include "ladder/data/internal/npy_header.h"
#include "ladder/data/internal/row_gaps.h"
#include "ladder/data/keyed_order.h"
#include "ladder/io/atomic_file.h"
#include "ladder/io/internal/json.h"
#include "ladder/io/text_file.h"

namespace ladder::data {
namespace {

static_assert(std::endian::native == std::endian::little, "shards are written as they are");

constexpr const char* kShardFormat = "ladder shards";
constexpr int64_t kShardBlockBytes = 4 << 20;
// A row from the page cache takes well under a microsecond, one from a disk 80 or more.
constexpr double kSlowRowSeconds = 20e-6;
// Successive rows that are always read ahead, and what a system surely reads ahead at once.
constexpr int64_t kLeastAheadBytes = 64 << 10;
constexpr int64_t kAheadPartBytes = 128 << 10;
constexpr int64_t kShuffleBlockBytes = 1 << 20;
constexpr int kTimedReads = 200;
constexpr double kMostTimedSeconds = 2;
constexpr size_t kLeftOutOf = 20;

std::string system_error_text() { return std::generic_category().message(errno); }

std::string crc_text(uint32_t crc) {
  std::array<char, 9> text{};
  std::snprintf(text.data(), text.size(), "%08x", crc);
  return text.data();
}

uint32_t crc_of(uint32_t crc, const void* bytes, size_t size) {
  return static_cast<uint32_t>(::crc32_z(crc, static_cast<const Bytef*>(bytes), size));
}

}  // namespace

// Files of shards: members of the classes below, which have linkage.
namespace shard_files {

struct OpenFile {
  explicit OpenFile(int number) : descriptor(number) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() { ::close(descriptor); }

  const int descriptor;
};

// The files that were read last: a folder may have more of them than a process may open.
class OpenFiles {
 public:
  int64_t next_id() { return ids_++; }

  // Return the file of this id, from `path` unless it is still open. A file that is opened again
  // must be as it was: `check` throws otherwise.
  std::shared_ptr<const OpenFile> get(int64_t id, const std::filesystem::path& path,
                                      const std::function<void(int descriptor)>& check) {
    const std::lock_guard lock(mutex_);
    if (const auto found = places_.find(id); found != places_.end()) {
      files_.splice(files_.begin(), files_, found->second);
      return files_.front().second;
    }
    const auto file = std::make_shared<const OpenFile>(open(path));
    check(file->descriptor);
    files_.emplace_front(id, file);
    places_[id] = files_.begin();
    close_all_but(most_);
    return file;
  }

 private:
  // A quarter of what the process may open.
  static size_t most_of_process() {
    constexpr rlim_t kLeast = 16, kMost = 1024;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kLeast;
    return static_cast<size_t>(std::clamp<rlim_t>(limit.rlim_cur / 4, kLeast, kMost));
  }

  int open(const std::filesystem::path& path) {
    while (true) {
      // A pipe would wait for a writer.
      const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
      if (descriptor >= 0) return descriptor;
      const bool too_many = errno == EMFILE || errno == ENFILE;
      TORCH_CHECK(too_many && !files_.empty(), "Shards: expected to read ", path.string(),
                  " but got \"", system_error_text(), "\"",
                  too_many ? std::string(" (") + kFewerFiles + ")" : "", ".");
      most_ = std::max<size_t>(1, files_.size() / 2);  // the rest of the process needs some too
      close_all_but(files_.size() / 2);
    }
  }

  void close_all_but(size_t count) {
    while (files_.size() > count) {
      places_.erase(files_.back().first);
      files_.pop_back();
    }
  }

  using Files = std::list<std::pair<int64_t, std::shared_ptr<const OpenFile>>>;

  std::mutex mutex_;
  size_t most_ = most_of_process();
  int64_t ids_ = 0;
  Files files_;  // from the one that was read last on
  std::unordered_map<int64_t, Files::iterator> places_;
};

// An array [rows, ...] in a file, read by position.
class ShardArray {
 public:
  // `files` must outlive the array.
  ShardArray(OpenFiles& files, std::filesystem::path path, char kind, std::vector<int64_t> shape,
             std::optional<std::string> crc)
      : files_(&files), id_(files.next_id()), path_(std::move(path)), crc_(std::move(crc)) {
    TORCH_CHECK(std::filesystem::exists(path_), "Shards: expected the shard ", path_.string(),
                " but got no file (put it back, or convert the data again).");
    const auto file = files_->get(id_, path_, [](int) {});
    TORCH_CHECK(::fstat(file->descriptor, &opened_) == 0, "Shards: expected to read ",
                path_.string(), " but got \"", system_error_text(), "\".");
    const auto header = read_npy_header("Shards", path_, file->descriptor);
    TORCH_CHECK(header.kind == kind && header.width == 4 && !header.swapped &&
                    (!header.fortran || header.shape.size() == 1) && header.shape == shape,
                "Shards: expected ", kind == 'f' ? "float32 " : "int32 ", at::IntArrayRef(shape),
                " in C order in ", path_.string(), " but got ", std::string(1, header.kind),
                8 * header.width, " ", at::IntArrayRef(header.shape),
                header.fortran ? " in Fortran order" : "",
                " (the index and the shard do not belong together).");
    data_ = static_cast<int64_t>(header.data);
    rows_ = shape.front();
    row_bytes_ = rows_ > 0 ? static_cast<int64_t>(header.bytes) / rows_ : 0;
  }

  int64_t row_bytes() const { return row_bytes_; }

  void read(int64_t row, int64_t count, void* out) const {
    read_bytes(data_ + row * row_bytes_, count * row_bytes_, static_cast<char*>(out));
  }

  void expect(int64_t row, int64_t count) const {
    const auto file = this->file();
    const auto end = data_ + (row + count) * row_bytes_;
    for (auto at = data_ + row * row_bytes_; at < end; at += kAheadPartBytes) {
      ::posix_fadvise(file->descriptor, at, std::min(kAheadPartBytes, end - at),
                      POSIX_FADV_WILLNEED);
    }
  }

  void check_unchanged() const { check_same(file()->descriptor); }

  void verify() const {
    if (!crc_) return;
    std::vector<char> block(static_cast<size_t>(kShardBlockBytes));
    uint32_t crc = 0;
    const int64_t end = data_ + rows_ * row_bytes_;
    for (int64_t at = data_; at < end; at += kShardBlockBytes) {
      const auto size = std::min(kShardBlockBytes, end - at);
      read_bytes(at, size, block.data());
      crc = crc_of(crc, block.data(), static_cast<size_t>(size));
    }
    TORCH_CHECK(crc_text(crc) == *crc_, "Shards: expected the CRC-32 ", *crc_, " of ",
                path_.string(), " but got ", crc_text(crc),
                " (the shard is damaged or was changed; convert the data again).");
  }

 private:
  std::shared_ptr<const OpenFile> file() const {
    return files_->get(id_, path_, [this](int descriptor) { check_same(descriptor); });
  }

  void check_same(int descriptor) const {
    struct stat now {};
    const bool same = ::fstat(descriptor, &now) == 0 && now.st_size == opened_.st_size &&
                      now.st_mtim.tv_sec == opened_.st_mtim.tv_sec &&
                      now.st_mtim.tv_nsec == opened_.st_mtim.tv_nsec;
    TORCH_CHECK(same, "Shards: expected ", path_.string(),
                " as it was when it was opened but it has changed since (do not write to shards "
                "that a run reads; start the run again).");
  }

  void read_bytes(int64_t at, int64_t size, char* out) const {
    const auto file = this->file();
    while (size > 0) {
      const auto got = ::pread(file->descriptor, out, static_cast<size_t>(size), at);
      if (got < 0 && errno == EINTR) continue;
      TORCH_CHECK(got >= 0, "Shards: expected to read ", path_.string(), " but got \"",
                  system_error_text(), "\".");
      TORCH_CHECK(got > 0, "Shards: expected ", opened_.st_size, " bytes in ", path_.string(),
                  " but it ends at ", at, " (it was cut short after it was opened).");
      at += got;
      out += got;
      size -= got;
    }
  }

  OpenFiles* files_;
  int64_t id_;
  std::filesystem::path path_;
  std::optional<std::string> crc_;
  int64_t data_ = 0, rows_ = 0, row_bytes_ = 0;
  struct stat opened_ {};
};

struct Shard {
  int64_t begin = 0, rows = 0;
  ShardArray inputs;
  std::optional<ShardArray> labels;
};

}  // namespace shard_files

using shard_files::Shard;
using shard_files::ShardArray;

namespace {

std::optional<std::string> text_or_none(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? std::nullopt
                                                 : std::optional(found->get<std::string>());
}

// A folder of pictures may hold an index.json of another program.
bool is_index(const nlohmann::json& json) {
  if (!json.is_object()) return false;
  const auto format = json.find("format");
  return format != json.end() && *format == kShardFormat;
}

// A file of the folder itself: an index cannot point elsewhere.
std::filesystem::path shard_file(const std::filesystem::path& folder, const std::string& name) {
  TORCH_CHECK(!name.empty() && name.find('/') == std::string::npos, "Shards: expected names of ",
              "files in ", (folder / kShardIndex).string(), " but got '", name, "'.");
  return folder / name;
}

}  // namespace

void RowSource::expect(const torch::Tensor&) const {}

torch::Tensor rows_besides(const torch::Tensor& held_out, const torch::Tensor& places) {
  return held_out.defined() ? rows_behind_gaps(row_gaps(held_out), places) : places;
}

bool is_shards(const std::filesystem::path& path) {
  std::error_code none;
  if (!std::filesystem::is_regular_file(path / kShardIndex, none)) return false;
  return is_index(io::parse_json(io::read_text(path / kShardIndex)));
}

struct Shards::State {
  std::filesystem::path folder;
  int64_t rows = 0;
  std::vector<ShardColumn> columns;
  std::vector<std::string> classes;
  std::string label;
  std::string fingerprint;
  std::vector<std::string> missing;
  shard_files::OpenFiles files;
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
    Table made{.source = folder.string(), .rows = rows_there.size(0), .missing = missing};
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
      [&](const Shard& shard, int64_t row, int64_t count, int64_t place) {
        shard.labels->read(row, count, to + place);
      },
      [](const Shard& shard) { shard.labels->check_unchanged(); });
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
                       [this](const Shard& shard, int64_t row, int64_t count, int64_t) {
                         if (state_->slow || count * shard.inputs.row_bytes() >= kLeastAheadBytes) {
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
  while (static_cast<int64_t>(seconds.size()) < most && spent < kMostTimedSeconds) {
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

// ---- Writing

namespace shard_files {

// Names in the order of their numbers, and the bytes that they take in the index.
class Levels {
 public:
  // Return the number of `text`, a new one if it has none; -1 above the limit.
  int32_t number(const std::string& text) {
    if (const auto found = numbers_.find(text); found != numbers_.end()) return found->second;
    if (static_cast<int64_t>(names_.size()) >= kMostShardLevels) return -1;
    const auto next = static_cast<int32_t>(names_.size());
    numbers_.emplace(text, next);
    names_.push_back(text);
    constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
    constexpr int64_t kAround = 8;  // comma, line end and spaces before it
    bytes_ +=
        static_cast<int64_t>(nlohmann::json(text).dump(-1, ' ', false, kReplace).size()) + kAround;
    return next;
  }
  const std::vector<std::string>& names() const { return names_; }
  int64_t bytes() const { return bytes_; }

 private:
  std::unordered_map<std::string, int32_t> numbers_;
  std::vector<std::string> names_;
  int64_t bytes_ = 0;
};

// An .npy file that grows: its header is written when it ends.
class ArrayFile {
 public:
  static constexpr size_t kHeaderBytes = 128;

  explicit ArrayFile(std::filesystem::path path) : path_(std::move(path)) {
    file_ = std::fopen(path_.c_str(), "wb+");
    check(file_ != nullptr);
    const std::array<char, kHeaderBytes> space{};
    check(std::fwrite(space.data(), 1, space.size(), file_) == space.size());
  }
  ArrayFile(const ArrayFile&) = delete;
  ~ArrayFile() {
    if (file_ != nullptr) std::fclose(file_);
  }

  void append(const void* bytes, size_t size) {
    check(std::fwrite(bytes, 1, size, file_) == size);
    crc_ = crc_of(crc_, bytes, size);
  }

  // `columns`: 0 for an array of one dimension.
  void finish(char kind, int64_t rows, int64_t columns) {
    std::string text = std::string("{'descr': '<") + kind +
                       "4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + "," +
                       (columns > 0 ? " " + std::to_string(columns) : "") + "), }";
    text.resize(kHeaderBytes - 11, ' ');
    const std::string magic("\x93NUMPY\x01\x00", 8);
    const std::string size = {static_cast<char>(kHeaderBytes - 10), '\0'};
    const auto header = magic + size + text + "\n";
    check(std::fseek(file_, 0, SEEK_SET) == 0 &&
          std::fwrite(header.data(), 1, header.size(), file_) == header.size() &&
          std::fflush(file_) == 0 && ::fsync(::fileno(file_)) == 0 &&
          std::fclose(std::exchange(file_, nullptr)) == 0);
  }

  std::string crc() const { return crc_text(crc_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  void check(bool done) const {
    TORCH_CHECK(done, "ShardWriter: expected to write ", path_.string(), " but got \"",
                system_error_text(), "\".");
  }

  std::filesystem::path path_;
  std::FILE* file_ = nullptr;
  uint32_t crc_ = 0;
};

}  // namespace shard_files

using shard_files::ArrayFile;
using shard_files::Levels;

namespace {

// Give each label its place among the ordered classes, in the file. Return the CRC-32.
std::string renumber_labels(const std::filesystem::path& path, const std::vector<int32_t>& places) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb+"),
                                                       &std::fclose);
  const auto check = [&](bool done) {
    TORCH_CHECK(done, "ShardWriter: expected to write ", path.string(), " but got \"",
                system_error_text(), "\".");
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
  struct Written {
    int64_t rows;
    std::string inputs, inputs_crc, labels, labels_crc;
  };

  std::filesystem::path folder;
  ShardWriterOptions options;
  std::vector<ShardColumn> columns;
  std::vector<Levels> levels;
  std::vector<std::string> missing;  // of the first block
  Levels classes;
  std::unique_ptr<ArrayFile> inputs, labels;
  std::vector<Written> written;
  int64_t rows = 0, shard_rows = 0;
  int64_t text_bytes = 0;  // of all levels and classes

  // Count new texts of a column. An index that is too long to be read must not be found out at the
  // end.
  void count_text(int64_t bytes, const std::string& column, const Table& block) {
    text_bytes += bytes;
    TORCH_CHECK(text_bytes <= kMostShardText, "ShardWriter: expected at most ",
                kMostShardText >> 20, " MiB of different texts but got more with column '", column,
                "' of ", block.source, " (--ignore leaves a column out).");
  }

  void start(const Table& block) {
    missing = block.missing;
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
        TORCH_CHECK(number >= 0, "ShardWriter: expected at most ", kMostShardLevels,
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
    const auto before = classes.bytes();
    for (int64_t row = 0; row < block.rows; ++row) {
      const auto text = cell_text(column, row);
      if (is_unlabeled(text)) continue;
      const auto number = classes.number(text);
      TORCH_CHECK(number >= 0, "ShardWriter: expected at most ", kMostShardLevels,
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
    const ClassPlaces of_name(ordered);  // 1 and 1.0 have one place
    std::vector<int32_t> places;
    for (const auto& name : classes.names()) {
      const auto place = of_name.find(name);
      TORCH_INTERNAL_ASSERT(place >= 0, "no class for the label ", name);
      places.push_back(static_cast<int32_t>(place));
    }
    nlohmann::ordered_json index = {{"format", kShardFormat},
                                    {"version", 1},
                                    {"rows", rows},
                                    {"label", options.label},
                                    {"classes", ordered}};
    if (!missing.empty()) index["missing"] = missing;
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

// ---- Rows for a network

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
