#include "ladder/io/atomic_file.h"

#include <c10/util/Exception.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <memory>
#include <mutex>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <system_error>
#include <utility>

namespace ladder::io {
namespace atomic_file {  // it has a name because AtomicWriter::State holds one of its classes

namespace fs = std::filesystem;

constexpr const char* kWriteAtomically = "write_atomically";
constexpr const char* kAtomicWriter = "AtomicWriter";

std::string reason(int error) { return std::generic_category().message(error); }

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags, mode_t mode = 0)
      : value_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }

  bool is_open() const { return value_ >= 0; }
  int get() const { return value_; }
  // Returns 0 or errno: on network file systems closing is where a failed write is reported.
  int close() { return ::close(std::exchange(value_, -1)) == 0 ? 0 : errno; }

 private:
  int value_;
};

// Temporary files that this process is writing. A file with its id that is not one of them is of an
// earlier process with the same id, as in containers, where ids start again.
class Temporaries {
 public:
  static Temporaries& get() {
    static Temporaries all;
    return all;
  }
  void add(const fs::path& path) {
    const std::lock_guard lock(mutex_);
    paths_.insert(path.filename());
  }
  void remove(const fs::path& path) {
    const std::lock_guard lock(mutex_);
    paths_.erase(path.filename());
  }
  bool contains(const fs::path& path) {
    const std::lock_guard lock(mutex_);
    return paths_.contains(path.filename());
  }

 private:
  std::mutex mutex_;
  std::set<fs::path> paths_;  // names, which are unique in the process
};

class Temporary {
 public:
  explicit Temporary(const fs::path& target) {
    static std::atomic<uint64_t> counter{0};
    std::error_code error;  // a path that cannot be looked at cannot be written: said there
    do {
      path_ = target.parent_path() /
              fmt::format(".{}.{}.{}.tmp", target.filename().string(), ::getpid(), ++counter);
    } while (fs::exists(fs::symlink_status(path_, error)));
    Temporaries::get().add(path_);
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    if (!published_) ::unlink(path_.c_str());
    Temporaries::get().remove(path_);
  }

  const fs::path& path() const { return path_; }
  void release() { published_ = true; }

 private:
  fs::path path_;
  bool published_ = false;
};

// The process that `name`, ".<file>.<process>.<count>.tmp", is of; none for another name.
std::optional<pid_t> writer_of(const std::string& name) {
  static const std::regex pattern(R"(\..+\.([0-9]{1,9})\.[0-9]+\.tmp)");
  std::smatch parts;
  if (!std::regex_match(name, parts, pattern)) return std::nullopt;
  return static_cast<pid_t>(std::stol(parts[1]));
}

// Whether `name`, of a temporary file, is one of the file `target`: nothing but the process and the
// count stands between both and the ending.
bool is_of_file(const std::string& name, const fs::path& target) {
  const std::string begin = "." + target.filename().string() + ".";
  return name.starts_with(begin) &&
         std::count(name.begin() + static_cast<std::ptrdiff_t>(begin.size()), name.end(), '.') == 2;
}

bool is_alive(pid_t process) { return ::kill(process, 0) == 0 || errno != ESRCH; }

[[noreturn]] void fail(const char* component, const char* action, const fs::path& path, int error) {
  TORCH_CHECK(false, component, ": expected to ", action, " ", path.string(), " but got \"",
              reason(error), "\".");
}

fs::path folder_of(const fs::path& path) {
  const fs::path folder = path.parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

void check_target(const char* component, const fs::path& path) {
  std::error_code error;
  TORCH_CHECK(path.has_filename() && !fs::is_directory(path, error), component,
              ": expected the path of a file but got the folder \"", path.string(), "\".");
  const auto type = fs::status(path, error).type();
  TORCH_CHECK(type == fs::file_type::regular || !fs::exists(fs::file_status(type)), component,
              ": expected the path of a file but got ", path.string(),
              ", a device or a pipe, which would be replaced.");
  const fs::path folder = folder_of(path);
  TORCH_CHECK(fs::is_directory(folder, error), component, ": expected the folder ", folder.string(),
              " to exist in order to write ", path.string(), " but got none (create it first).");
}

void write_all(const char* component, int descriptor, std::string_view bytes,
               const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(component, "write", path, errno);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void sync_and_close(const char* component, Descriptor& file, const fs::path& path) {
  if (::fsync(file.get()) != 0) fail(component, "flush", path, errno);
  if (const int error = file.close(); error != 0) fail(component, "close", path, error);
}

// Gives a file the mode and, where this process may, the owner of the one that it replaces. File
// systems without modes have none to keep.
void keep_mode(const Descriptor& file, const fs::path& path) {
  struct stat old = {};
  constexpr mode_t kPermissions = 0777;
  if (::stat(path.c_str(), &old) != 0) return;
  [[maybe_unused]] int kept = ::fchown(file.get(), old.st_uid, old.st_gid);
  kept = ::fchmod(file.get(), old.st_mode & kPermissions);
}

void publish(const char* component, Temporary& temporary, const fs::path& path) {
  if (::rename(temporary.path().c_str(), path.c_str()) != 0) {
    fail(component, "replace", path, errno);
  }
  temporary.release();
  const fs::path folder = folder_of(path);
  Descriptor directory(folder, O_RDONLY | O_DIRECTORY);
  // Some file systems cannot flush a folder, and a folder may be writable without being readable.
  if (!directory.is_open()) return;
  if (::fsync(directory.get()) != 0 && errno != EINVAL && errno != ENOTSUP) {
    fail(component, "flush the folder", folder, errno);
  }
}

// Removes those of `target` only if one is given.
void remove_temporaries(const fs::path& folder, const fs::path* target) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto name = entry.path().filename().string();
    const auto writer = writer_of(name);
    if (!writer || (target != nullptr && !is_of_file(name, *target))) continue;
    if (!entry.is_regular_file(error)) continue;
    const bool ours = *writer == ::getpid();
    if (ours ? Temporaries::get().contains(entry.path()) : is_alive(*writer)) continue;
    ::unlink(entry.path().c_str());
  }
}

// A temporary file that takes the place of `path` when it is whole.
class Replacement {
 public:
  Replacement(const char* component, const fs::path& path)
      : component_(component),
        path_(path),
        temporary_(path),
        file_(temporary_.path(), O_WRONLY | O_CREAT | O_EXCL, 0666) {
    if (!file_.is_open()) fail(component_, "write", path_, errno);
    keep_mode(file_, path_);
  }

  void write(std::string_view bytes) { write_all(component_, file_.get(), bytes, path_); }
  void commit() {
    sync_and_close(component_, file_, path_);
    publish(component_, temporary_, path_);
  }

 private:
  const char* component_;
  fs::path path_;
  Temporary temporary_;
  Descriptor file_;
};

}  // namespace atomic_file

using namespace atomic_file;  // NOLINT

void write_atomically(const std::filesystem::path& path, std::string_view bytes) {
  check_target(kWriteAtomically, path);
  Replacement file(kWriteAtomically, path);
  file.write(bytes);
  file.commit();
}

void write_atomically(const std::filesystem::path& path,
                      const std::function<void(const std::filesystem::path&)>& write) {
  check_target(kWriteAtomically, path);
  Temporary temporary(path);
  write(temporary.path());
  Descriptor file(temporary.path(), O_RDONLY);
  if (!file.is_open()) fail(kWriteAtomically, "write", path, errno);
  keep_mode(file, path);
  sync_and_close(kWriteAtomically, file, path);
  publish(kWriteAtomically, temporary, path);
}

struct AtomicWriter::State {
  explicit State(const fs::path& path) : file(kAtomicWriter, path) {}

  Replacement file;
  std::string waiting = {};  // bytes that are not yet written
  bool done = false;
};

AtomicWriter::AtomicWriter(const std::filesystem::path& path) {
  check_target(kAtomicWriter, path);
  remove_temporaries(folder_of(path), &path);
  state_ = std::make_unique<State>(path);
}

AtomicWriter::AtomicWriter(AtomicWriter&&) noexcept = default;
AtomicWriter::~AtomicWriter() = default;

void AtomicWriter::write(std::string_view bytes) {
  constexpr size_t kMaxWaitingBytes = size_t{1} << 16;
  TORCH_CHECK(!state_->done,
              "AtomicWriter: expected no bytes after commit or a failed write but got ",
              bytes.size(), ".");
  auto& waiting = state_->waiting;
  waiting += bytes;
  if (waiting.size() < kMaxWaitingBytes) return;
  state_->done = true;  // a write that fails is the last one: a part of it may be in the file
  state_->file.write(waiting);
  state_->done = false;
  waiting.clear();
}

void AtomicWriter::commit() {
  TORCH_CHECK(!state_->done,
              "AtomicWriter: expected one commit, and none after a failed write, but got another.");
  state_->done = true;
  state_->file.write(state_->waiting);
  state_->waiting.clear();
  state_->file.commit();
}

void remove_stale_temporaries(const std::filesystem::path& folder) {
  remove_temporaries(folder, nullptr);
}

void append_line(const std::filesystem::path& path, std::string_view line) {
  TORCH_CHECK(line.find('\n') == std::string_view::npos, "append_line: expected one line for ",
              path.string(), " but got a text with a newline in it.");
  Descriptor file(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
  if (!file.is_open()) fail("append_line", "write", path, errno);
  std::string bytes(line);
  bytes += '\n';
  ssize_t written = 0;
  do {
    written = ::write(file.get(), bytes.data(), bytes.size());
  } while (written < 0 && errno == EINTR);
  if (written < 0) fail("append_line", "write", path, errno);
  TORCH_CHECK(static_cast<size_t>(written) == bytes.size(), "append_line: expected to write ",
              bytes.size(), " bytes to ", path.string(), " but got only ", written,
              " written (is the disk full?).");
  if (const int error = file.close(); error != 0) fail("append_line", "close", path, error);
}

void flush_file(const std::filesystem::path& path) {
  const Descriptor file(path, O_RDONLY);
  if (!file.is_open() && errno == ENOENT) return;
  if (!file.is_open()) fail("flush_file", "open", path, errno);
  // Some file systems cannot flush.
  if (::fsync(file.get()) != 0 && errno != EINVAL && errno != ENOTSUP) {
    fail("flush_file", "flush", path, errno);
  }
}

}  // namespace ladder::io
