#include "ladder/io/internal/byte_source.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

namespace ladder::io {
namespace {

class DescriptorBytes : public ByteSource {
 public:
  explicit DescriptorBytes(const std::filesystem::path& path)
      : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0) throw ReadFault("it cannot be opened: " + system_reason());
    struct stat status {};
    regular_ = ::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
  }
  DescriptorBytes(const DescriptorBytes&) = delete;
  DescriptorBytes& operator=(const DescriptorBytes&) = delete;
  ~DescriptorBytes() override { ::close(descriptor_); }

  size_t read(char* out, size_t size) override {
    while (true) {
      const ssize_t got = ::read(descriptor_, out, size);
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR) throw ReadFault("it cannot be read: " + system_reason());
    }
  }

  bool ready() override {
    if (regular_) return true;
    pollfd entry{.fd = descriptor_, .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, 0) > 0;
  }

 private:
  static std::string system_reason() { return std::generic_category().message(errno); }

  int descriptor_;
  bool regular_ = false;
};

class StreamBytes : public ByteSource {
 public:
  explicit StreamBytes(std::istream& in) : in_(in) {}

  size_t read(char* out, size_t size) override {
    std::streambuf* buffer = in_.rdbuf();
    constexpr int kEnd = std::char_traits<char>::eof();
    if (buffer == nullptr || size == 0 || buffer->sgetc() == kEnd) return 0;
    const auto at_hand = std::min(buffer->in_avail(), static_cast<std::streamsize>(size));
    if (at_hand > 0) return static_cast<size_t>(buffer->sgetn(out, at_hand));
    // A stream without a buffer, such as std::cin while it shares C's, does not tell what it has.
    size_t got = 0;
    while (got < size) {
      const int byte = buffer->sbumpc();
      if (byte == kEnd) break;
      out[got++] = static_cast<char>(byte);
      if (byte == '\n') break;
    }
    return got;
  }

  bool ready() override { return in_.rdbuf() != nullptr && in_.rdbuf()->in_avail() > 0; }

 private:
  std::istream& in_;
};

std::string gzip_sentence(GzipFault::Kind kind, uint64_t byte, const std::string& reason) {
  const auto at = std::to_string(byte);
  constexpr const char* kFetch = " (fetch the file again)";
  if (kind == GzipFault::Kind::kTruncated) {
    return "its gzip data ends after " + at + " bytes" + kFetch;
  }
  if (kind == GzipFault::Kind::kTrailing) {
    return "other bytes follow its gzip data from byte " + at + " on" + kFetch;
  }
  return "its gzip data is damaged near byte " + at + ": " + reason + kFetch;
}

class UnpackedBytes : public ByteSource {
 public:
  explicit UnpackedBytes(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {
    while (size_ < 2 && refill()) {
    }
    packed_ = size_ >= 2 && input_[0] == '\x1F' && input_[1] == '\x8B';
    constexpr int kGzipOnly = 16;
    if (packed_ && inflateInit2(&stream_, MAX_WBITS + kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  UnpackedBytes(const UnpackedBytes&) = delete;
  UnpackedBytes& operator=(const UnpackedBytes&) = delete;
  ~UnpackedBytes() override {
    if (packed_) inflateEnd(&stream_);
  }

  size_t read(char* out, size_t size) override {
    if (packed_) return inflated(out, size);
    if (begin_ == size_) return source_->read(out, size);
    const size_t count = std::min(size, size_ - begin_);
    std::memcpy(out, input_.data() + begin_, count);
    begin_ += count;
    return count;
  }

  bool ready() override { return begin_ < size_ || source_->ready(); }

 private:
  // Adds to the input, or starts it anew where all of it is used.
  bool refill() {
    if (begin_ == size_) begin_ = size_ = 0;
    const size_t got = source_->read(input_.data() + size_, input_.size() - size_);
    size_ += got;
    consumed_ += got;
    return got > 0;
  }

  size_t inflated(char* out, size_t size) {
    size = std::min(size, size_t{1} << 30);
    size_t done = 0;
    while (done == 0 && size > 0 && !ended_) {
      if (begin_ == size_ && !refill()) {
        throw GzipFault(GzipFault::Kind::kTruncated, consumed_);
      }
      stream_.next_in = reinterpret_cast<Bytef*>(input_.data() + begin_);
      stream_.avail_in = static_cast<uInt>(size_ - begin_);
      stream_.next_out = reinterpret_cast<Bytef*>(out);
      stream_.avail_out = static_cast<uInt>(size);
      const int status = ::inflate(&stream_, Z_NO_FLUSH);
      begin_ = size_ - stream_.avail_in;
      done = size - stream_.avail_out;
      if (status == Z_STREAM_END) {
        next_member();
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        throw GzipFault(GzipFault::Kind::kDamaged, consumed_ - stream_.avail_in,
                        stream_.msg != nullptr ? stream_.msg : zError(status));
      }
    }
    return done;
  }

  void next_member() {
    bool padded = false;
    while (true) {
      if (begin_ == size_ && !refill()) {
        ended_ = true;
        return;
      }
      if (input_[begin_] != 0) break;
      padded = true;
      ++begin_;
    }
    if (padded || input_[begin_] != '\x1F') {
      throw GzipFault(GzipFault::Kind::kTrailing, consumed_ - (size_ - begin_));
    }
    inflateReset(&stream_);
  }

  std::unique_ptr<ByteSource> source_;
  z_stream stream_{};
  std::array<char, size_t{1} << 16> input_{};
  size_t begin_ = 0;
  size_t size_ = 0;
  uint64_t consumed_ = 0;  // of the source
  bool packed_ = false;
  bool ended_ = false;
};

}  // namespace

GzipFault::GzipFault(Kind what_kind, uint64_t at, std::string why)
    : ReadFault(gzip_sentence(what_kind, at, why)),
      kind(what_kind),
      byte(at),
      reason(std::move(why)) {}

std::unique_ptr<ByteSource> open_bytes(const std::filesystem::path& path) {
  return std::make_unique<DescriptorBytes>(path);
}

std::unique_ptr<ByteSource> stream_bytes(std::istream& in) {
  return std::make_unique<StreamBytes>(in);
}

std::unique_ptr<ByteSource> unpack_bytes(std::unique_ptr<ByteSource> source) {
  return std::make_unique<UnpackedBytes>(std::move(source));
}

}  // namespace ladder::io
