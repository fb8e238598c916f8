#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <istream>
#include <memory>
#include <string>

#include "ladder/io/internal/read_fault.h"

namespace ladder::io {

/// Fault of gzip data. `what()` is its sentence; the parts serve readers that say it otherwise.
class GzipFault : public ReadFault {
 public:
  enum class Kind {
    kTruncated,  ///< the data ends after `byte` bytes of the source
    kDamaged,    ///< near `byte`, for the `reason` that zlib gives
    kTrailing,   ///< other bytes follow from `byte` on
  };

  GzipFault(Kind kind, uint64_t byte, std::string reason = {});

  Kind kind;
  uint64_t byte;
  std::string reason;
};

/// Bytes in order, from a file, a pipe or a stream.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// Read 1 to `size` bytes, as many as are at hand; wait if there are none. Return 0 at the end.
  /// Throws `ReadFault`.
  virtual size_t read(char* out, size_t size) = 0;

  /// Return whether `read` would answer at once. Bytes of a regular file are always at hand.
  virtual bool ready() = 0;
};

/// Open a file, a pipe or a device such as /dev/stdin. Throws `ReadFault`.
std::unique_ptr<ByteSource> open_bytes(const std::filesystem::path& path);

/// Return the bytes of a stream, which must outlive the source.
std::unique_ptr<ByteSource> stream_bytes(std::istream& in);

/// Return the bytes of `source`, unpacked if they begin as gzip data does: several members one
/// after another, and zeros after the last one, as gunzip takes them. Memory is constant.
///
/// Throws `GzipFault`, also while reading: truncated or damaged gzip data, other bytes after it.
std::unique_ptr<ByteSource> unpack_bytes(std::unique_ptr<ByteSource> source);

}  // namespace ladder::io
