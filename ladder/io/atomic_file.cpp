#include "ladder/io/atomic_file.h"

#include <c10/util/Exception.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

namespace ladder::io {
namespace {

namespace fs = std::filesystem;

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
      std::ostringstream name;
      name << "." << target.filename().string() << "." << ::getpid() << "." << ++counter << ".tmp";
      path_ = target.parent_path() / name.str();
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

bool is_alive(pid_t process) { return ::kill(process, 0) == 0 || errno != ESRCH; }

[[noreturn]] void fail(const char* component, const char* action, const fs::path& path, int error) {
  TORCH_CHECK(false, component, ": expected to ", action, " ", path.string(), " but got \"",
              reason(error), "\".");
}

fs::path folder_of(const fs::path& path) {
  const fs::path folder = path.parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

void check_target(const fs::path& path) {
  std::error_code error;
  TORCH_CHECK(path.has_filename() && !fs::is_directory(path, error),
              "write_atomically: expected the path of a file but got the folder \"", path.string(),
              "\".");
  const auto type = fs::status(path, error).type();
  TORCH_CHECK(type == fs::file_type::regular || !fs::exists(fs::file_status(type)),
              "write_atomically: expected the path of a file but got ", path.string(),
              ", a device or a pipe, which would be replaced.");
  const fs::path folder = folder_of(path);
  TORCH_CHECK(fs::is_directory(folder, error), "write_atomically: expected the folder ",
              folder.string(), " to exist in order to write ", path.string(),
              " but got none (create it first).");
}

void write_all(int descriptor, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write_atomically", "write", path, errno);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void sync_and_close(Descriptor& file, const fs::path& path) {
  if (::fsync(file.get()) != 0) fail("write_atomically", "flush", path, errno);
  if (const int error = file.close(); error != 0) fail("write_atomically", "close", path, error);
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

void publish(Temporary& temporary, const fs::path& path) {
  if (::rename(temporary.path().c_str(), path.c_str()) != 0) {
    fail("write_atomically", "replace", path, errno);
  }
  temporary.release();
  const fs::path folder = folder_of(path);
  Descriptor directory(folder, O_RDONLY | O_DIRECTORY);
  // Some file systems cannot flush a folder, and a folder may be writable without being readable.
  if (!directory.is_open()) return;
  if (::fsync(directory.get()) != 0 && errno != EINVAL && errno != ENOTSUP) {
    fail("write_atomically", "flush the folder", folder, errno);
  }
}

}  // namespace

void write_atomically(const std::filesystem::path& path, std::string_view bytes) {
  check_target(path);
  Temporary temporary(path);
  Descriptor file(temporary.path(), O_WRONLY | O_CREAT | O_EXCL, 0666);
  if (!file.is_open()) fail("write_atomically", "write", path, errno);
  keep_mode(file, path);
  write_all(file.get(), bytes, path);
  sync_and_close(file, path);
  publish(temporary, path);
}

void write_atomically(const std::filesystem::path& path,
                      const std::function<void(const std::filesystem::path&)>& write) {
  check_target(path);
  Temporary temporary(path);
  write(temporary.path());
  Descriptor file(temporary.path(), O_RDONLY);
  if (!file.is_open()) fail("write_atomically", "write", path, errno);
  keep_mode(file, path);
  sync_and_close(file, path);
  publish(temporary, path);
}

void remove_stale_temporaries(const std::filesystem::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto writer = writer_of(entry.path().filename().string());
    if (!writer || !entry.is_regular_file(error)) continue;
    const bool ours = *writer == ::getpid();
    if (ours ? Temporaries::get().contains(entry.path()) : is_alive(*writer)) continue;
    ::unlink(entry.path().c_str());
  }
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
