/// NumPy's files, written without NumPy.
#pragma once

#include <tests/data/idx_files.h>
#include <zlib.h>

#include <cstdint>
#include <string>

namespace ladder::testing {

inline std::string little_bytes(uint64_t value, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
  return bytes;
}

/// The bytes of an .npy file, version 1.0: `descr` is the type, such as "<f8", and `shape` a tuple
/// in Python's notation.
inline std::string npy_file(const std::string& descr, const std::string& shape,
                            const std::string& data) {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header += std::string(64 - (10 + header.size() + 1) % 64, ' ') + "\n";
  return std::string("\x93NUMPY\1\0", 8) + static_cast<char>(header.size() & 0xFF) +
         static_cast<char>(header.size() >> 8) + header + data;
}

/// The bytes of an .npz file of one stored array, whose size in the file's directory is `size`
/// unless that is 0.
inline std::string npz_file(const std::string& name, const std::string& npy, uint32_t size = 0) {
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(npy.data()), npy.size());
  const uint64_t said = size == 0 ? npy.size() : size;
  const std::string record = name + ".npy";
  const std::string about = little_bytes(20, 2) + little_bytes(0, 2) + little_bytes(0, 2) +
                            little_bytes(0, 4) + little_bytes(crc, 4) + little_bytes(said, 4) +
                            little_bytes(said, 4) + little_bytes(record.size(), 2) +
                            little_bytes(0, 2);
  const std::string local = "PK\3\4" + about + record + npy;
  const std::string directory = "PK\1\2" + little_bytes(20, 2) + about +
                                little_bytes(0, 2 + 2 + 2 + 4) + little_bytes(0, 4) + record;
  return local + directory + "PK\5\6" + little_bytes(0, 4) + little_bytes(1, 2) +
         little_bytes(1, 2) + little_bytes(directory.size(), 4) + little_bytes(local.size(), 4) +
         little_bytes(0, 2);
}

/// The bytes of a zip file of one deflated record, whose size in the file's directory is
/// `declared_size` unless that is 0.
inline std::string deflated_zip(const std::string& name, const std::string& data,
                                uint64_t declared_size = 0) {
  const std::string packed = deflate_bytes(data, -MAX_WBITS);
  const std::string sizes =
      little_bytes(crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()), 4) +
      little_bytes(packed.size(), 4) +
      little_bytes(declared_size != 0 ? declared_size : data.size(), 4);
  const std::string local = "PK\3\4" + little_bytes(20, 2) + little_bytes(0, 2) +
                            little_bytes(8, 2) + little_bytes(0, 4) + sizes +
                            little_bytes(name.size(), 2) + little_bytes(0, 2) + name + packed;
  const std::string directory = "PK\1\2" + little_bytes(20, 2) + little_bytes(20, 2) +
                                little_bytes(0, 2) + little_bytes(8, 2) + little_bytes(0, 4) +
                                sizes + little_bytes(name.size(), 2) + little_bytes(0, 4) +
                                little_bytes(0, 8) + little_bytes(0, 4) + name;
  return local + directory + "PK\5\6" + little_bytes(0, 4) + little_bytes(1, 2) +
         little_bytes(1, 2) + little_bytes(directory.size(), 4) + little_bytes(local.size(), 4) +
         little_bytes(0, 2);
}

}  // namespace ladder::testing
