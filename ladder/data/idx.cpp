#include "ladder/data/idx.h"

#include <c10/util/Exception.h>
#include <torch/types.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <iomanip>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "ladder/io/internal/file_kind.h"

namespace ladder::data {
namespace {

constexpr uint64_t kTooMany = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kMaxDeflateRatio = 1032;
constexpr int kUint8Code = 0x08;

std::string hex(std::initializer_list<int> bytes) {
  std::ostringstream out;
  out << std::hex << std::setfill('0');
  for (const int byte : bytes) out << (out.tellp() > 0 ? " " : "") << std::setw(2) << byte;
  return out.str();
}

std::string element_name(int code) {
  switch (code) {
    case 0x09:
      return "int8";
    case 0x0B:
      return "int16";
    case 0x0C:
      return "int32";
    case 0x0D:
      return "float32";
    case 0x0E:
      return "float64";
    default:
      return "unknown";
  }
}

class Bytes {
 public:
  virtual ~Bytes() = default;
  // Reads `size` bytes, fewer only at the end of the data.
  virtual uint64_t read(uint8_t* out, uint64_t size) = 0;
};

class RawBytes : public Bytes {
 public:
  explicit RawBytes(std::ifstream& in) : in_(in) {}

  uint64_t read(uint8_t* out, uint64_t size) override {
    in_.read(reinterpret_cast<char*>(out), static_cast<std::streamsize>(size));
    return static_cast<uint64_t>(in_.gcount());
  }

 private:
  std::ifstream& in_;
};

class GzipBytes : public Bytes {
 public:
  GzipBytes(std::ifstream& in, std::string path) : raw_(in), path_(std::move(path)) {
    constexpr int kGzipOnly = 16;
    TORCH_INTERNAL_ASSERT(inflateInit2(&stream_, MAX_WBITS + kGzipOnly) == Z_OK);
  }
  GzipBytes(const GzipBytes&) = delete;
  GzipBytes& operator=(const GzipBytes&) = delete;
  ~GzipBytes() override { inflateEnd(&stream_); }

  uint64_t read(uint8_t* out, uint64_t size) override {
    uint64_t done = 0;
    while (done < size && !ended_) {
      if (stream_.avail_in == 0 && !refill()) {
        TORCH_CHECK(false, "read_idx: expected the whole gzip file ", path_,
                    " but got only its first ", consumed_, " bytes (fetch the file again).");
      }
      constexpr uint64_t kMaxStep = uint64_t{1} << 30;
      const uInt room = static_cast<uInt>(std::min(size - done, kMaxStep));
      stream_.next_out = out + done;
      stream_.avail_out = room;
      const int status = inflate(&stream_, Z_NO_FLUSH);
      done += room - stream_.avail_out;
      TORCH_CHECK(status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR,
                  "read_idx: expected valid gzip data in ", path_, " but got \"",
                  stream_.msg != nullptr ? stream_.msg : zError(status), "\" near byte ",
                  consumed_ - stream_.avail_in, " (fetch the file again).");
      if (status == Z_STREAM_END) next_member();
    }
    return done;
  }

 private:
  bool refill() {
    stream_.avail_in = static_cast<uInt>(raw_.read(buffer_.data(), buffer_.size()));
    stream_.next_in = buffer_.data();
    consumed_ += stream_.avail_in;
    return stream_.avail_in > 0;
  }

  // Ignores zeros behind the data as gunzip does; tapes and some mirrors add them.
  void next_member() {
    bool padded = false;
    while (true) {
      if (stream_.avail_in == 0 && !refill()) {
        ended_ = true;
        return;
      }
      if (stream_.next_in[0] != 0) break;
      padded = true;
      ++stream_.next_in;
      --stream_.avail_in;
    }
    const bool member = stream_.next_in[0] == 0x1F && !padded;
    TORCH_CHECK(member, "read_idx: expected nothing after the gzip data in ", path_,
                " but got more bytes from byte ", consumed_ - stream_.avail_in,
                " on (fetch the file again).");
    TORCH_INTERNAL_ASSERT(inflateReset(&stream_) == Z_OK);
  }

  RawBytes raw_;
  std::string path_;
  z_stream stream_{};
  std::array<uint8_t, 1 << 16> buffer_{};
  uint64_t consumed_ = 0;
  bool ended_ = false;
};

uint64_t product(const std::vector<int64_t>& sizes) {
  if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end()) return 0;
  uint64_t total = 1;
  for (const int64_t size : sizes) {
    if (total > kTooMany / static_cast<uint64_t>(size)) return kTooMany;
    total *= static_cast<uint64_t>(size);
  }
  return total;
}

std::string declared(const std::vector<int64_t>& sizes, uint64_t total) {
  std::ostringstream out;
  for (size_t i = 0; i < sizes.size(); ++i) out << (i > 0 ? " x " : "") << sizes[i];
  if (total != kTooMany && sizes.size() > 1) out << " = " << total;
  return out.str();
}

uint64_t count_rest(Bytes& bytes) {
  std::vector<uint8_t> scratch(1 << 16);
  uint64_t total = 0;
  while (const uint64_t got = bytes.read(scratch.data(), scratch.size())) total += got;
  return total;
}

}  // namespace

torch::Tensor read_idx(const std::filesystem::path& path) {
  const std::string name = path.string();
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  TORCH_CHECK(std::filesystem::exists(status), "read_idx: expected an IDX file but got no file at ",
              name, " (check the path).");
  TORCH_CHECK(std::filesystem::is_regular_file(status), "read_idx: expected a file but got ",
              std::filesystem::is_directory(status) ? "a folder" : "something else", " at ", name,
              " (give the path of one of its files).");
  const uint64_t file_size = std::filesystem::file_size(path);
  TORCH_CHECK(file_size > 0, "read_idx: expected an IDX file but got an empty file at ", name, ".");

  std::ifstream in(path, std::ios::binary);
  TORCH_CHECK(in.is_open(), "read_idx: expected a readable file but could not open ", name,
              " (check its permissions).");
  const int first = in.get();
  const int second = in.get();
  in.clear();
  in.seekg(0);
  const bool gzip = first == 0x1F && second == 0x8B;

  std::unique_ptr<Bytes> bytes;
  if (gzip) {
    bytes = std::make_unique<GzipBytes>(in, name);
  } else {
    bytes = std::make_unique<RawBytes>(in);
  }

  std::array<uint8_t, 4> magic{};
  const uint64_t magic_size = bytes->read(magic.data(), magic.size());
  if (magic_size > 1 && (magic[0] != 0 || magic[1] != 0)) {
    std::string head(reinterpret_cast<const char*>(magic.data()), magic_size);
    head.resize(io::kFileKindBytes);
    head.resize(magic_size + bytes->read(reinterpret_cast<uint8_t*>(head.data()) + magic_size,
                                         io::kFileKindBytes - magic_size));
    const auto kind = io::file_kind(head);
    TORCH_CHECK(!kind, "read_idx: expected an IDX file but got ", kind->noun,
                gzip ? " inside the gzip data of " : " in ", name, " (", kind->hint, ").");
  }
  TORCH_CHECK(magic_size == 0 || (magic[0] == 0 && magic[1] == 0),
              "read_idx: expected an IDX file, whose first two bytes are 00 00, but got ",
              hex({magic[0], magic[1]}), " in ", name, ".");
  TORCH_CHECK(magic_size == magic.size(),
              "read_idx: expected an IDX header of at least 8 bytes in ", name, " but got ",
              magic_size, " bytes (the file is truncated).");
  TORCH_CHECK(magic[2] == kUint8Code, "read_idx: expected element type 08 (uint8) but got ",
              hex({magic[2]}), " (", element_name(magic[2]), ") in ", name, ".");
  const int rank = magic[3];
  TORCH_CHECK(rank >= 1 && rank <= 4, "read_idx: expected 1 to 4 dimensions but got ", rank, " in ",
              name, ".");

  std::array<uint8_t, 16> words{};
  const uint64_t words_size = bytes->read(words.data(), 4 * rank);
  TORCH_CHECK(words_size == 4 * static_cast<uint64_t>(rank), "read_idx: expected an IDX header of ",
              4 + 4 * rank, " bytes in ", name, " but got ", 4 + words_size,
              " bytes (the file is truncated).");
  std::vector<int64_t> sizes(rank);
  for (int d = 0; d < rank; ++d) {
    const uint8_t* word = words.data() + 4 * d;
    sizes[d] = int64_t{word[0]} << 24 | int64_t{word[1]} << 16 | int64_t{word[2]} << 8 | word[3];
  }

  const uint64_t total = product(sizes);
  auto spans = sizes;  // a size of 0 hides an overflow of the others
  std::replace(spans.begin(), spans.end(), int64_t{0}, int64_t{1});
  TORCH_CHECK(total > 0 || product(spans) <= uint64_t{1} << 62,
              "read_idx: expected sizes whose product is below 2^62 but got ",
              declared(sizes, kTooMany), " in ", name, " (the file is damaged).");
  const uint64_t header = 4 + 4 * static_cast<uint64_t>(rank);
  if (gzip) {
    TORCH_CHECK(total / kMaxDeflateRatio <= file_size, "read_idx: expected ",
                declared(sizes, total), " bytes of data, as the header of ", name,
                " declares, but got a gzip file of ", file_size,
                " bytes, which cannot hold them (the file is damaged).");
  }
  const auto check_size = [&](uint64_t got) {
    TORCH_CHECK(got == total, "read_idx: expected ", declared(sizes, total),
                " bytes of data, as the header of ", name, " declares, but got ", got, " (",
                got < total ? "the file is truncated" : "the file holds trailing data", ").");
  };
  if (!gzip) check_size(file_size - header);

  torch::Tensor data = torch::empty(sizes, torch::kUInt8);
  const uint64_t got = bytes->read(data.data_ptr<uint8_t>(), total);
  check_size(got + count_rest(*bytes));
  return data;
}

}  // namespace ladder::data
