/// The arrays of shards: NumPy files that are read by position, or written as they grow.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ladder::data {

/// What index.json of shards says that it is.
inline constexpr const char* kShardFormat = "ladder shards";
/// Bytes of a shard that are read or written at a time.
inline constexpr int64_t kShardBlockBytes = 4 << 20;

/// Return the CRC-32 of `size` more bytes behind those of `crc`, 0 for none.
uint32_t crc_of(uint32_t crc, const void* bytes, size_t size);
/// Return a CRC-32 as the index has it.
std::string crc_text(uint32_t crc);

/// A file that is open for reading.
struct OpenFile {
  explicit OpenFile(int number) : descriptor(number) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile();

  const int descriptor;
};

/// The files that were read last: a folder may have more of them than a process may open. Several
/// threads may use it at once.
class OpenFiles {
 public:
  int64_t next_id() { return ids_++; }

  /// Return the file of this id, from `path` unless it is still open. A file that is opened again
  /// must be as it was: `check` throws otherwise.
  std::shared_ptr<const OpenFile> get(int64_t id, const std::filesystem::path& path,
                                      const std::function<void(int descriptor)>& check);

 private:
  using Files = std::list<std::pair<int64_t, std::shared_ptr<const OpenFile>>>;

  static size_t process_limit();
  int open(const std::filesystem::path& path);
  void close_all_but(size_t count);

  std::mutex mutex_;
  size_t limit_ = process_limit();
  int64_t ids_ = 0;
  Files files_;  // from the one that was read last on
  std::unordered_map<int64_t, Files::iterator> places_;
};

/// An array [rows, ...] of four bytes a value in a file, read by position.
///
/// Errors: no such file, or another kind or shape than the index says; while reading, a file that
/// ends early or has changed since it was opened.
class ShardArray {
 public:
  /// `files` must outlive the array; `kind` is NumPy's f or i.
  ShardArray(OpenFiles& files, std::filesystem::path path, char kind, std::vector<int64_t> shape,
             std::optional<std::string> crc);

  int64_t row_bytes() const { return row_bytes_; }
  /// Read rows into `out`, [count, row_bytes()] bytes.
  void read(int64_t row, int64_t count, void* out) const;
  /// Ask the system to read rows ahead.
  void expect(int64_t row, int64_t count) const;
  void check_unchanged() const;
  /// Read the file and compare its check sum with the index, if that has one.
  void verify() const;

 private:
  std::shared_ptr<const OpenFile> file() const;
  void check_same(int descriptor) const;
  void read_bytes(int64_t at, int64_t size, char* out) const;

  OpenFiles* files_;
  int64_t id_;
  std::filesystem::path path_;
  std::optional<std::string> crc_;
  int64_t data_ = 0, rows_ = 0, row_bytes_ = 0;
  struct stat opened_ {};
};

/// An .npy file that grows: its header is written when it ends.
///
/// Errors: a file that cannot be written.
class ArrayFile {
 public:
  static constexpr size_t kHeaderBytes = 128;

  explicit ArrayFile(std::filesystem::path path);
  ArrayFile(const ArrayFile&) = delete;
  ArrayFile& operator=(const ArrayFile&) = delete;
  ~ArrayFile();

  void append(const void* bytes, size_t size);
  /// Write the header of [rows, columns] values of four bytes, or of [rows] for no columns, and
  /// close the file. `kind` is NumPy's f or i.
  void finish(char kind, int64_t rows, int64_t columns);

  std::string crc() const { return crc_text(crc_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  void check(bool done) const;

  std::filesystem::path path_;
  std::FILE* file_ = nullptr;
  uint32_t crc_ = 0;
};

}  // namespace ladder::data
