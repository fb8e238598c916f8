#include "ladder/io/internal/zip_reader.h"

#include <zlib.h>

#include <algorithm>
#include <new>
#include <string_view>
#include <utility>

#include "ladder/io/internal/file_kind.h"

namespace ladder::io {
namespace {

constexpr std::string_view kEnd = "PK\5\6";
constexpr std::string_view kEnd64 = "PK\6\6";
constexpr std::string_view kEnd64Locator = "PK\6\7";
constexpr std::string_view kEntry = "PK\1\2";
constexpr std::string_view kLocalHeader = "PK\3\4";
constexpr uint64_t kEndSize = 22;
constexpr uint64_t kEnd64Size = 56;
constexpr uint64_t kLocatorSize = 20;
constexpr uint64_t kEntrySize = 46;
constexpr uint64_t kLocalHeaderSize = 30;
constexpr uint64_t kMaxComment = 0xFFFF;
constexpr uint64_t kSee64 = 0xFFFFFFFF;
constexpr uint64_t kStored = 0;
constexpr uint64_t kDeflated = 8;
constexpr uint64_t kMaxDeflateRatio = 1032;

// Little-endian number of `width` bytes at `at`.
uint64_t number(std::string_view bytes, uint64_t at, int width) {
  if (at + static_cast<uint64_t>(width) > bytes.size())
    throw ReadFault("its zip directory ends early");
  uint64_t value = 0;
  for (int i = width - 1; i >= 0; --i) {
    value = value << 8 | static_cast<uint8_t>(bytes[at + static_cast<uint64_t>(i)]);
  }
  return value;
}

}  // namespace

ZipReader::ZipReader(const std::filesystem::path& path)
    : in_(path, std::ios::binary), file_size_(std::filesystem::file_size(path)) {
  if (!in_.is_open()) throw ReadFault("it cannot be opened");
  const uint64_t tail_size = std::min(file_size_, kEndSize + kMaxComment);
  const std::string tail = bytes_at(file_size_ - tail_size, tail_size);
  const std::string head = bytes_at(0, std::min<uint64_t>(file_size_, kFileKindBytes));
  if (!head.starts_with("PK")) {
    const auto kind = file_kind(head);
    throw ReadFault("it does not start as a zip file does" +
                    (kind ? "; it is " + kind->noun + ", " + kind->hint : ""));
  }
  const size_t end =
      tail_size < kEndSize ? std::string::npos : tail.rfind(kEnd, tail_size - kEndSize);
  if (end == std::string::npos) throw ReadFault("it ends without a zip directory");

  uint64_t count = number(tail, end + 10, 2);
  uint64_t size = number(tail, end + 12, 4);
  uint64_t position = number(tail, end + 16, 4);
  const uint64_t end_position = file_size_ - tail_size + end;
  if (count == 0xFFFF || size == kSee64 || position == kSee64) {
    if (end_position < kLocatorSize) throw ReadFault("its zip directory is damaged");
    const std::string locator = bytes_at(end_position - kLocatorSize, kLocatorSize);
    if (!locator.starts_with(kEnd64Locator)) throw ReadFault("its zip directory is damaged");
    const std::string end64 = bytes_at(number(locator, 8, 8), kEnd64Size);
    if (!end64.starts_with(kEnd64)) throw ReadFault("its zip directory is damaged");
    count = number(end64, 32, 8);
    size = number(end64, 40, 8);
    position = number(end64, 48, 8);
  }
  read_directory(position, size, count);
}

void ZipReader::read_directory(uint64_t position, uint64_t size, uint64_t count) {
  const std::string directory = bytes_at(position, size);
  const std::string_view bytes = directory;
  uint64_t at = 0;
  uint64_t packed_total = 0;
  for (uint64_t i = 0; i < count; ++i) {
    if (at > bytes.size() || !bytes.substr(at).starts_with(kEntry)) {
      throw ReadFault("its zip directory is damaged");
    }
    Record record{.header = number(bytes, at + 42, 4),
                  .size = number(bytes, at + 24, 4),
                  .packed_size = number(bytes, at + 20, 4),
                  .crc = static_cast<uint32_t>(number(bytes, at + 16, 4)),
                  .method = number(bytes, at + 10, 2),
                  .encrypted = (number(bytes, at + 8, 2) & 1) != 0};
    const uint64_t name_size = number(bytes, at + 28, 2);
    const uint64_t extra_size = number(bytes, at + 30, 2);
    const uint64_t comment_size = number(bytes, at + 32, 2);
    uint64_t extra = at + kEntrySize + name_size;
    const uint64_t extra_end = extra + extra_size;
    if (extra_end > bytes.size()) throw ReadFault("its zip directory ends early");
    while (extra + 4 <= extra_end) {
      const uint64_t id = number(bytes, extra, 2);
      uint64_t field = extra + 4;
      extra = field + number(bytes, extra + 2, 2);
      if (id != 1) continue;
      if (record.size == kSee64) record.size = number(bytes, std::exchange(field, field + 8), 8);
      if (record.packed_size == kSee64) {
        record.packed_size = number(bytes, std::exchange(field, field + 8), 8);
      }
      if (record.header == kSee64) record.header = number(bytes, field, 8);
    }
    const std::string name(bytes.substr(at + kEntrySize, name_size));
    if (record.method == kStored && !record.encrypted && record.packed_size != record.size) {
      throw ReadFault("its record " + name + " declares " + std::to_string(record.size) +
                      " bytes but stores " + std::to_string(record.packed_size));
    }
    if (record.packed_size <= file_size_) packed_total += record.packed_size;
    if (packed_total > file_size_) throw ReadFault("its records overlap");
    records_.insert_or_assign(name, record);
    at = extra_end + comment_size;
  }
}

const std::string* ZipReader::find(const std::string& name) const {
  for (const auto& [record, _] : records_) {
    const size_t folder = record.find('/');
    if (folder != std::string::npos && record.compare(folder + 1, std::string::npos, name) == 0) {
      return &record;
    }
  }
  return nullptr;
}

const ZipReader::Record& ZipReader::record(const std::string& name) const {
  const auto found = records_.find(name);
  if (found == records_.end()) throw ReadFault("it has no record " + name);
  return found->second;
}

std::vector<std::string> ZipReader::names() const {
  std::vector<std::string> names;
  for (const auto& [name, _] : records_) names.push_back(name);
  return names;
}

uint64_t ZipReader::size(const std::string& name) const {
  const Record& found = record(name);
  if (found.encrypted) throw ReadFault("its record " + name + " is encrypted");
  if (found.method != kStored && found.method != kDeflated) {
    throw ReadFault("its record " + name + " is compressed by method " +
                    std::to_string(found.method) + ", which is not supported");
  }
  const uint64_t packed_size = found.packed_size;
  if (packed_size > file_size_) throw ReadFault("its record " + name + " reaches past its end");
  if (found.method == kDeflated && found.size / kMaxDeflateRatio > packed_size) {
    throw ReadFault("its record " + name + " declares " + std::to_string(found.size) +
                    " bytes, more than its " + std::to_string(packed_size) +
                    " compressed bytes can hold");
  }
  return found.size;
}

uint64_t ZipReader::packed_size(const std::string& name) const { return record(name).packed_size; }

void ZipReader::read(const std::string& name, char* out) {
  const uint64_t bytes = size(name);
  const Record& found = record(name);
  const uint64_t packed_size = found.packed_size;
  const std::string header = bytes_at(found.header, kLocalHeaderSize);
  if (!header.starts_with(kLocalHeader)) throw ReadFault("its record " + name + " is damaged");
  const uint64_t data =
      found.header + kLocalHeaderSize + number(header, 26, 2) + number(header, 28, 2);
  if (data > file_size_ - packed_size) {
    throw ReadFault("its record " + name + " reaches past its end");
  }
  in_.seekg(static_cast<std::streamoff>(data));
  if (found.method == kDeflated) {
    inflate_record(name, packed_size, out, bytes);
  } else {
    in_.read(out, static_cast<std::streamsize>(bytes));
    if (!in_) throw ReadFault("its record " + name + " cannot be read");
  }
  const uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(out), bytes);
  if (crc != found.crc) throw ReadFault("the check sum of its record " + name + " is wrong");
}

void ZipReader::inflate_record(const std::string& name, uint64_t packed_size, char* out,
                               uint64_t size) {
  struct Inflation {
    Inflation() {
      if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
    }
    Inflation(const Inflation&) = delete;
    Inflation& operator=(const Inflation&) = delete;
    ~Inflation() { inflateEnd(&stream); }
    z_stream stream{};
  } inflation;
  z_stream& stream = inflation.stream;
  constexpr uint64_t kMaxStep = uint64_t{1} << 30;
  std::vector<char> input(size_t{1} << 16);
  uint64_t done = 0;
  int status = Z_OK;
  Bytef past_end = 0;  // takes the byte that a record of the declared size does not have
  while (status == Z_OK && done <= size) {
    if (stream.avail_in == 0 && packed_size > 0) {
      const uint64_t count = std::min<uint64_t>(packed_size, input.size());
      in_.read(input.data(), static_cast<std::streamsize>(count));
      if (!in_) throw ReadFault("its record " + name + " cannot be read");
      packed_size -= count;
      stream.next_in = reinterpret_cast<Bytef*>(input.data());
      stream.avail_in = static_cast<uInt>(count);
    }
    const bool full = done == size;
    const auto room = static_cast<uInt>(full ? 1 : std::min(size - done, kMaxStep));
    stream.next_out = full ? &past_end : reinterpret_cast<Bytef*>(out + done);
    stream.avail_out = room;
    status = inflate(&stream, Z_NO_FLUSH);
    const uint64_t got = room - stream.avail_out;
    done += got;  // more than `size` if the record is larger
  }
  if (status != Z_STREAM_END || done != size) {
    throw ReadFault("its record " + name + " is not the deflated data of " + std::to_string(size) +
                    " bytes");
  }
}

std::string ZipReader::read(const std::string& name) {
  std::string bytes(size(name), '\0');
  read(name, bytes.data());
  return bytes;
}

std::string ZipReader::bytes_at(uint64_t position, uint64_t size) {
  if (size > file_size_ || position > file_size_ - size) {
    throw ReadFault("its zip directory points past its end");
  }
  std::string bytes(size, '\0');
  in_.seekg(static_cast<std::streamoff>(position));
  in_.read(bytes.data(), static_cast<std::streamsize>(size));
  if (!in_) throw ReadFault("it cannot be read");
  return bytes;
}

}  // namespace ladder::io
