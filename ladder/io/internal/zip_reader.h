#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>

namespace ladder::io {

/// Reason why a file could not be read. The caller of the reader adds the name of the file.
class ReadFault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Read the stored (uncompressed) records of a zip file such as `torch.save` writes, and verify
/// their CRC-32. Every size and position is checked against the size of the file.
///
/// All functions throw `ReadFault`.
class ZipReader {
 public:
  explicit ZipReader(const std::filesystem::path& path);

  /// Return the full name of the record `name`, or nullptr. Writers put all records into one
  /// folder, whose name they choose.
  const std::string* find(const std::string& name) const;

  /// Return the number of bytes of the record of this full name.
  uint64_t size(const std::string& name) const;

  /// Read all `size(name)` bytes of a record to `out`.
  void read(const std::string& name, char* out);
  std::string read(const std::string& name);

 private:
  struct Record {
    uint64_t header = 0;
    uint64_t size = 0;
    uint32_t crc = 0;
    bool stored = true;
  };

  std::string bytes_at(uint64_t position, uint64_t size);
  void read_directory(uint64_t position, uint64_t size, uint64_t count);
  const Record& record(const std::string& name) const;

  std::ifstream in_;
  uint64_t file_size_ = 0;
  std::map<std::string, Record> records_;
};

}  // namespace ladder::io
