#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "ladder/io/internal/read_fault.h"

namespace ladder::io {

/// Read the records of a zip file such as `torch.save` or NumPy writes, stored or deflated, and
/// verify their CRC-32. Every size and position is checked against the size of the file: stored
/// records have as many bytes as they declare, deflated ones at most 1032 times their compressed
/// bytes, the limit of the method, and all records together do not have more compressed bytes than
/// the file.
///
/// All functions throw `ReadFault`.
class ZipReader {
 public:
  explicit ZipReader(const std::filesystem::path& path);

  /// Return the full name of the record `name`, or nullptr. Writers put all records into one
  /// folder, whose name they choose.
  const std::string* find(const std::string& name) const;

  /// Return the full names of all records, sorted.
  std::vector<std::string> names() const;

  /// Return the number of bytes of the record of this full name, when it is unpacked.
  uint64_t size(const std::string& name) const;

  /// Return the number of bytes that the record takes in the file: `size(name)` if it is stored.
  uint64_t packed_size(const std::string& name) const;

  /// Read all `size(name)` bytes of a record to `out`.
  void read(const std::string& name, char* out);
  std::string read(const std::string& name);

 private:
  struct Record {
    uint64_t header = 0;
    uint64_t size = 0;
    uint64_t packed_size = 0;
    uint32_t crc = 0;
    uint64_t method = 0;
    bool encrypted = false;
  };

  std::string bytes_at(uint64_t position, uint64_t size);
  void read_directory(uint64_t position, uint64_t size, uint64_t count);
  void inflate_record(const std::string& name, uint64_t packed_size, char* out, uint64_t size);
  const Record& record(const std::string& name) const;

  std::ifstream in_;
  uint64_t file_size_ = 0;
  std::map<std::string, Record> records_;
};

}  // namespace ladder::io
