#include "ladder/data/idx.h"

#include <c10/util/Exception.h>
#include <torch/types.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <iomanip>
#include <limits>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "ladder/io/internal/byte_source.h"
#include "ladder/io/internal/file_kind.h"
#include "ladder/io/internal/read_fault.h"

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

// Reads `size` bytes, fewer only at the end of the data.
uint64_t read_bytes(io::ByteSource& source, uint8_t* out, uint64_t size) {
  uint64_t done = 0;
  while (done < size) {
    const size_t got = source.read(reinterpret_cast<char*>(out) + done, size - done);
    if (got == 0) break;
    done += got;
  }
  return done;
}

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

uint64_t count_rest(io::ByteSource& source) {
  std::vector<char> scratch(1 << 16);
  uint64_t total = 0;
  while (const size_t got = source.read(scratch.data(), scratch.size())) total += got;
  return total;
}

std::string sentence_of(const io::GzipFault& fault, const std::string& name) {
  constexpr const char* kFetch = "(fetch the file again).";
  using Kind = io::GzipFault::Kind;
  if (fault.kind == Kind::kTruncated) {
    return c10::str("read_idx: expected the whole gzip file ", name, " but got only its first ",
                    fault.byte, " bytes ", kFetch);
  }
  if (fault.kind == Kind::kTrailing) {
    return c10::str("read_idx: expected nothing after the gzip data in ", name,
                    " but got more bytes from byte ", fault.byte, " on ", kFetch);
  }
  return c10::str("read_idx: expected valid gzip data in ", name, " but got \"", fault.reason,
                  "\" near byte ", fault.byte, " ", kFetch);
}

bool is_gzip(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  TORCH_CHECK(in.is_open(), "read_idx: expected a readable file but could not open ", path.string(),
              " (check its permissions).");
  const int first = in.get();
  const int second = in.get();
  return first == 0x1F && second == 0x8B;
}

torch::Tensor idx_tensor(const std::filesystem::path& path) {
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

  const bool gzip = is_gzip(path);
  const auto bytes = io::unpack_bytes(io::open_bytes(path));
  std::array<uint8_t, 4> magic{};
  const uint64_t magic_size = read_bytes(*bytes, magic.data(), magic.size());
  if (magic_size > 1 && (magic[0] != 0 || magic[1] != 0)) {
    std::string head(reinterpret_cast<const char*>(magic.data()), magic_size);
    head.resize(io::kFileKindBytes);
    head.resize(magic_size + read_bytes(*bytes,
                                        reinterpret_cast<uint8_t*>(head.data()) + magic_size,
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
  const uint64_t words_size = read_bytes(*bytes, words.data(), 4 * static_cast<uint64_t>(rank));
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
  const uint64_t got = read_bytes(*bytes, data.data_ptr<uint8_t>(), total);
  check_size(got + count_rest(*bytes));
  return data;
}

}  // namespace

torch::Tensor read_idx(const std::filesystem::path& path) {
  try {
    return idx_tensor(path);
  } catch (const io::GzipFault& fault) {
    TORCH_CHECK(false, sentence_of(fault, path.string()));
  } catch (const io::ReadFault& fault) {
    TORCH_CHECK(false, "read_idx: expected a readable file but got ", path.string(), ": ",
                fault.what(), ".");
  }
}

}  // namespace ladder::data
