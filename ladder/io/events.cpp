#include "ladder/io/events.h"

#include <c10/util/Exception.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <system_error>

namespace ladder::io {
namespace {

using protozero::pbf_writer;

constexpr std::string_view kEventPrefix = "events.out.tfevents.";
constexpr size_t kLengthSize = 8, kCrcSize = 4;
constexpr size_t kRecordFrame = kLengthSize + 2 * kCrcSize;
constexpr int kPartDigits = 6;

// Field numbers of TensorBoard's event.proto and summary.proto.
constexpr int32_t kDtString = 7;
constexpr int32_t kSessionStart = 1;

double wall_time() {
  using std::chrono::system_clock;
  return std::chrono::duration<double>(system_clock::now().time_since_epoch()).count();
}

std::string little_endian(uint64_t value, size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> (8 * i)));
  return text;
}

uint64_t from_little_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    value |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return value;
}

// CRC-32C as TFRecord keeps it: data that hold their own CRC would weaken a plain one.
uint32_t masked_crc(std::string_view bytes) {
  constexpr uint32_t kMask = 0xA282EAD8;
  const uint32_t crc = crc32c(bytes);
  return std::rotr(crc, 15) + kMask;
}

std::string record_of(const std::string& event) {
  const auto length = little_endian(event.size(), kLengthSize);
  return length + little_endian(masked_crc(length), kCrcSize) + event +
         little_endian(masked_crc(event), kCrcSize);
}

std::string event_begin(int64_t step) {
  std::string event;
  pbf_writer out(event);
  out.add_double(1, wall_time());
  out.add_int64(2, step);
  return event;
}

[[noreturn]] void fail_events(const char* action, const std::filesystem::path& path, int error) {
  TORCH_CHECK(false, "EventFile: expected to ", action, " ", path.string(), " but got \"",
              std::generic_category().message(error), "\".");
}

// Append by one system call, as append_line does.
void append_bytes(const std::filesystem::path& path, const std::string& bytes, int more_flags = 0) {
  const int file =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | more_flags, 0666);
  if (file < 0) fail_events("write", path, errno);
  ssize_t written = 0;
  do {
    written = ::write(file, bytes.data(), bytes.size());
  } while (written < 0 && errno == EINTR);
  const int error = written < 0 ? errno : ENOSPC;
  ::close(file);
  if (written != static_cast<ssize_t>(bytes.size())) fail_events("write", path, error);
}

// The part of a run that a file in a folder of events is; none for other files.
std::optional<int64_t> part_of(const std::filesystem::path& path) {
  const auto name = path.filename().string();
  if (!name.starts_with(kEventPrefix)) return std::nullopt;
  const char* begin = name.data() + kEventPrefix.size();
  const char* end = name.data() + name.size();
  int32_t part = 0;
  const auto [stop, error] = std::from_chars(begin, end, part);
  const bool is_part = error == std::errc() && stop == end && end - begin == kPartDigits;
  return is_part ? std::optional<int64_t>(part) : std::nullopt;
}

std::vector<std::filesystem::path> event_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (part_of(entry.path())) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// What cut_events needs to know of an event.
struct EventHead {
  int64_t step = 0;
  bool has_summary = false;
};

EventHead head_of(std::string_view event) {
  EventHead head;
  try {
    protozero::pbf_reader in(event.data(), event.size());
    while (in.next()) {
      if (in.tag() == 2 && in.wire_type() == protozero::pbf_wire_type::varint) {
        head.step = in.get_int64();
      } else {
        head.has_summary = head.has_summary || in.tag() == 5;
        in.skip();
      }
    }
  } catch (const protozero::exception&) {
    head = {std::numeric_limits<int64_t>::max(), true};  // another program's event: cut
  }
  return head;
}

// The record at `begin`; none where it is torn or damaged.
std::optional<std::string_view> event_at(std::string_view bytes, size_t begin) {
  const auto left = bytes.substr(begin);
  if (left.size() < kRecordFrame) return std::nullopt;
  const auto length_bytes = left.substr(0, kLengthSize);
  const uint64_t length = from_little_endian(length_bytes);
  if (from_little_endian(left.substr(kLengthSize, kCrcSize)) != masked_crc(length_bytes) ||
      length > left.size() - kRecordFrame) {
    return std::nullopt;
  }
  const auto event = left.substr(kLengthSize + kCrcSize, length);
  const auto crc = left.substr(kLengthSize + kCrcSize + length, kCrcSize);
  return from_little_endian(crc) == masked_crc(event) ? std::optional(event) : std::nullopt;
}

void cut_file(const std::filesystem::path& path, int64_t step) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in.good() && !in.eof()) fail_events("read", path, EIO);
  size_t kept = 0;
  bool has_summary = false;
  while (const auto event = event_at(bytes, kept)) {
    const auto head = head_of(*event);
    if (head.has_summary && head.step > step) break;
    has_summary = has_summary || head.has_summary;
    kept += kRecordFrame + event->size();
  }
  if (!has_summary) {
    if (::unlink(path.c_str()) != 0) fail_events("remove", path, errno);
  } else if (kept < bytes.size() && ::truncate(path.c_str(), static_cast<off_t>(kept)) != 0) {
    fail_events("shorten", path, errno);
  }
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static const auto kTable = [] {
    constexpr uint32_t kPolynomial = 0x82F63B78;  // reflected
    std::array<uint32_t, 256> table = {};
    for (uint32_t byte = 0; byte < table.size(); ++byte) {
      uint32_t rest = byte;
      for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ ((rest & 1) != 0 ? kPolynomial : 0);
      table[byte] = rest;
    }
    return table;
  }();
  uint32_t crc = ~uint32_t{0};
  for (const char byte : bytes) {
    crc = kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF] ^ (crc >> 8);
  }
  return ~crc;
}

EventFile::EventFile(const std::filesystem::path& folder, int64_t resumed_after) {
  const auto earlier = event_files(folder);
  const int64_t part = earlier.empty() ? 1 : *part_of(earlier.back()) + 1;
  auto number = std::to_string(part);
  number.insert(
      0,
      static_cast<size_t>(std::max<int64_t>(0, kPartDigits - static_cast<int64_t>(number.size()))),
      '0');
  path_ = folder / (std::string(kEventPrefix) + number);

  auto version = event_begin(0);
  pbf_writer(version).add_string(3, "brain.Event:2");
  auto bytes = record_of(version);
  if (resumed_after > 0) {
    auto start = event_begin(resumed_after + 1);
    {
      pbf_writer event(start);
      pbf_writer session(event, 7);
      session.add_int32(1, kSessionStart);
    }
    bytes += record_of(start);
  }
  append_bytes(path_, bytes, O_EXCL);
}

void EventFile::add_scalars(int64_t step,
                            const std::vector<std::pair<std::string, double>>& values) {
  auto event = event_begin(step);
  {
    pbf_writer out(event);
    pbf_writer summary(out, 5);
    for (const auto& [tag, number] : values) {
      pbf_writer value(summary, 1);
      value.add_string(1, tag);
      value.add_float(2, static_cast<float>(number));
    }
  }
  append_bytes(path_, record_of(event));
}

void EventFile::add_text(int64_t step, const std::string& tag, std::string_view text) {
  auto event = event_begin(step);
  {
    pbf_writer out(event);
    pbf_writer summary(out, 5);
    pbf_writer value(summary, 1);
    value.add_string(1, tag);
    {
      pbf_writer tensor(value, 8);
      tensor.add_int32(1, kDtString);
      {
        pbf_writer shape(tensor, 2);
        pbf_writer dimension(shape, 2);
        dimension.add_int64(1, 1);
      }
      tensor.add_bytes(8, text.data(), text.size());
    }
    pbf_writer metadata(value, 9);
    pbf_writer plugin(metadata, 1);
    plugin.add_string(1, "text");
  }
  append_bytes(path_, record_of(event));
}

void cut_events(const std::filesystem::path& folder, int64_t step) {
  for (const auto& path : event_files(folder)) cut_file(path, step);
}

}  // namespace ladder::io
