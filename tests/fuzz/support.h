/// What the fuzz targets share.
///
/// A target hands bytes to one reader. The reader may return, or throw a sentence; anything else
/// (another exception, an internal assertion, a sanitizer's report) is a fault and ends the run.
#pragma once

#include <c10/util/Exception.h>
#include <ftw.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace ladder::fuzz {

[[noreturn]] inline void fault(const std::string& what) {
  std::fprintf(stderr, "fault: %s\n", what.c_str());
  std::abort();
}

/// Run `read`, which may throw a `c10::Error` whose text is "Component: expected X but got Y.".
template <typename Read>
void expect_sentence(Read&& read) {
  std::string text;
  try {
    read();
    return;
  } catch (const c10::Error& error) {
    text = error.what_without_backtrace();
  } catch (const std::exception& error) {
    fault(std::string("an exception that is no c10::Error: ") + error.what());
  }
  // The words of an assertion may also stand in the input, which a sentence quotes behind them.
  if (text.find(": expected ") >= text.find("INTERNAL ASSERT FAILED")) {
    fault("an error that is no sentence of a reader: " + text);
  }
}

/// A file in memory that readers find at `path()`.
class MemoryFile {
 public:
  MemoryFile() : file_(::memfd_create("fuzz", 0)) {
    if (file_ < 0) fault("no file in memory");
    path_ = "/proc/self/fd/" + std::to_string(file_);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(file_); }

  /// Replace the content and return the path.
  const std::filesystem::path& write(std::string_view bytes) {
    const auto size = static_cast<ssize_t>(bytes.size());
    if (::ftruncate(file_, 0) != 0 || ::pwrite(file_, bytes.data(), bytes.size(), 0) != size) {
      fault("could not write to memory");
    }
    return path_;
  }

 private:
  int file_;
  std::filesystem::path path_;
};

/// A temporary folder, in memory where there is such a file system, that is removed at the end.
class Folder {
 public:
  Folder() {
    std::error_code error;
    const bool in_memory = std::filesystem::is_directory("/dev/shm", error);
    std::string pattern =
        (in_memory ? std::string("/dev/shm") : std::filesystem::temp_directory_path().string()) +
        "/ladder-fuzz-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) fault("no temporary folder");
    path_ = pattern;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    const auto remove = [](const char* path, const struct stat*, int, struct FTW*) {
      return std::remove(path);
    };
    ::nftw(path_.c_str(), remove, 16, FTW_DEPTH | FTW_PHYS);
  }

  const std::filesystem::path& path() const { return path_; }

  /// Write a file and return its path.
  std::filesystem::path write(const std::string& name, std::string_view bytes) const {
    auto path = path_ / name;
    std::ofstream out(path, std::ios::binary);
    if (!out.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush()) {
      fault("could not write " + path.string());
    }
    return path;
  }
  void remove(const std::string& name) const { std::remove((path_ / name).c_str()); }

 private:
  std::filesystem::path path_;
};

/// Return the content of a file.
inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

/// Bytes of an input, taken from its front.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  /// The next byte, 0 at the end.
  uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  /// What is left.
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace ladder::fuzz
