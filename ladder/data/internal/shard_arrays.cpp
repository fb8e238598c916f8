#include "ladder/data/internal/shard_arrays.h"

#include <ATen/core/ATen_fwd.h>
#include <c10/util/ArrayRef.h>
#include <c10/util/Exception.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <system_error>

#include "ladder/data/internal/npy_header.h"

namespace ladder::data {
namespace {

static_assert(std::endian::native == std::endian::little, "shards are written as they are");

// What a system surely reads ahead at once.
constexpr int64_t kAheadPartBytes = 128 << 10;

std::string system_error_text() { return std::generic_category().message(errno); }

}  // namespace

uint32_t crc_of(uint32_t crc, const void* bytes, size_t size) {
  return static_cast<uint32_t>(::crc32_z(crc, static_cast<const Bytef*>(bytes), size));
}

std::string crc_text(uint32_t crc) {
  std::array<char, 9> text{};
  std::snprintf(text.data(), text.size(), "%08x", crc);
  return text.data();
}

OpenFile::~OpenFile() { ::close(descriptor); }

std::shared_ptr<const OpenFile> OpenFiles::get(int64_t id, const std::filesystem::path& path,
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
  close_all_but(limit_);
  return file;
}

// A quarter of what the process may open.
size_t OpenFiles::process_limit() {
  constexpr rlim_t kLeast = 16, kMost = 1024;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kLeast;
  return static_cast<size_t>(std::clamp<rlim_t>(limit.rlim_cur / 4, kLeast, kMost));
}

int OpenFiles::open(const std::filesystem::path& path) {
  while (true) {
    // A pipe would wait for a writer.
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor >= 0) return descriptor;
    const bool too_many = errno == EMFILE || errno == ENFILE;
    TORCH_CHECK(too_many && !files_.empty(), "Shards: expected to read ", path.string(),
                " but got \"", system_error_text(), "\"",
                too_many ? std::string(" (") + kFewerFiles + ")" : "", ".");
    limit_ = std::max<size_t>(1, files_.size() / 2);  // the rest of the process needs some too
    close_all_but(files_.size() / 2);
  }
}

void OpenFiles::close_all_but(size_t count) {
  while (files_.size() > count) {
    places_.erase(files_.back().first);
    files_.pop_back();
  }
}

ShardArray::ShardArray(OpenFiles& files, std::filesystem::path path, char kind,
                       std::vector<int64_t> shape, std::optional<std::string> crc)
    : files_(&files), id_(files.next_id()), path_(std::move(path)), crc_(std::move(crc)) {
  TORCH_CHECK(std::filesystem::exists(path_), "Shards: expected the shard ", path_.string(),
              " but got no file (put it back, or convert the data again).");
  const auto file = files_->get(id_, path_, [](int) {});
  TORCH_CHECK(::fstat(file->descriptor, &opened_) == 0, "Shards: expected to read ", path_.string(),
              " but got \"", system_error_text(), "\".");
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

void ShardArray::read(int64_t row, int64_t count, void* out) const {
  read_bytes(data_ + row * row_bytes_, count * row_bytes_, static_cast<char*>(out));
}

void ShardArray::expect(int64_t row, int64_t count) const {
  const auto file = this->file();
  const auto end = data_ + (row + count) * row_bytes_;
  for (auto at = data_ + row * row_bytes_; at < end; at += kAheadPartBytes) {
    ::posix_fadvise(file->descriptor, at, std::min(kAheadPartBytes, end - at), POSIX_FADV_WILLNEED);
  }
}

void ShardArray::check_unchanged() const { check_same(file()->descriptor); }

void ShardArray::verify() const {
  if (!crc_) return;
  std::vector<char> block(static_cast<size_t>(kShardBlockBytes));
  uint32_t crc = 0;
  const int64_t end = data_ + rows_ * row_bytes_;
  for (int64_t at = data_; at < end; at += kShardBlockBytes) {
    const auto size = std::min(kShardBlockBytes, end - at);
    read_bytes(at, size, block.data());
    crc = crc_of(crc, block.data(), static_cast<size_t>(size));
  }
  TORCH_CHECK(crc_text(crc) == *crc_, "Shards: expected the CRC-32 ", *crc_, " of ", path_.string(),
              " but got ", crc_text(crc),
              " (the shard is damaged or was changed; convert the data again).");
}

std::shared_ptr<const OpenFile> ShardArray::file() const {
  return files_->get(id_, path_, [this](int descriptor) { check_same(descriptor); });
}

void ShardArray::check_same(int descriptor) const {
  struct stat now {};
  const bool same = ::fstat(descriptor, &now) == 0 && now.st_size == opened_.st_size &&
                    now.st_mtim.tv_sec == opened_.st_mtim.tv_sec &&
                    now.st_mtim.tv_nsec == opened_.st_mtim.tv_nsec;
  TORCH_CHECK(same, "Shards: expected ", path_.string(),
              " as it was when it was opened but it has changed since (do not write to shards "
              "that a run reads; start the run again).");
}

void ShardArray::read_bytes(int64_t at, int64_t size, char* out) const {
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

ArrayFile::ArrayFile(std::filesystem::path path) : path_(std::move(path)) {
  file_ = std::fopen(path_.c_str(), "wb+");
  check(file_ != nullptr);
  const std::array<char, kHeaderBytes> space{};
  check(std::fwrite(space.data(), 1, space.size(), file_) == space.size());
}

ArrayFile::~ArrayFile() {
  if (file_ != nullptr) std::fclose(file_);
}

void ArrayFile::append(const void* bytes, size_t size) {
  check(std::fwrite(bytes, 1, size, file_) == size);
  crc_ = crc_of(crc_, bytes, size);
}

void ArrayFile::finish(char kind, int64_t rows, int64_t columns) {
  std::string text = std::string("{'descr': '<") + kind + "4', 'fortran_order': False, 'shape': (" +
                     std::to_string(rows) + "," +
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

void ArrayFile::check(bool done) const {
  TORCH_CHECK(done, "ShardWriter: expected to write ", path_.string(), " but got \"",
              system_error_text(), "\".");
}

}  // namespace ladder::data
