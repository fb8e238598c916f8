#include "ladder/io/internal/file_kind.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace ladder::io {
namespace {

using std::string_view_literals::operator""sv;

struct Signature {
  std::string_view bytes;
  const char* noun;
  const char* hint;
  size_t position = 0;
};

constexpr const char* kUnpack = "unpack it first";
constexpr const char* kConvert = "convert it first";

const std::vector<Signature>& signatures() {
  static const std::vector<Signature> kSignatures = {
      {"\x1F\x8B"sv, "gzip data", kUnpack},
      {"PK\3\4"sv, "a zip archive", kUnpack},
      {"PK\5\6"sv, "an empty zip archive", "fetch the file again"},
      {"BZh"sv, "bzip2 data", kUnpack},
      {"\xFD"
       "7zXZ\0"sv,
       "xz data", kUnpack},
      {"\x28\xB5\x2F\xFD"sv, "zstd data", kUnpack},
      {"7z\xBC\xAF\x27\x1C"sv, "a 7z archive", kUnpack},
      {"ustar"sv, "a tar archive", kUnpack, 257},
      {"version https://git-lfs"sv, "a Git LFS pointer", "run git lfs pull"},
      {"\x93NUMPY"sv, "a NumPy file", kConvert},
      {"\x89HDF\r\n"sv, "an HDF5 file", kConvert},
      {"PAR1"sv, "a Parquet file", kConvert},
      {"MATLAB 5.0 MAT-file"sv, "a MATLAB file", kConvert},
      {"\x89PNG\r\n"sv, "a PNG picture", kConvert},
      {"\xFF\xD8\xFF"sv, "a JPEG picture", kConvert},
      {"\x80\2\x8A\nl\xFC\x9C\x46\xF9 j\xA8P\x19."sv, "a file of torch.save before PyTorch 1.6",
       "load and save it again in Python"},
  };
  return kSignatures;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool is_text(std::string_view head) {
  return std::all_of(head.begin(), head.end(),
                     [](unsigned char c) { return std::isprint(c) != 0 || std::isspace(c) != 0; });
}

}  // namespace

std::optional<FileKind> file_kind(std::string_view head) {
  head = head.substr(0, kFileKindBytes);
  for (const Signature& signature : signatures()) {
    if (head.size() > signature.position &&
        head.substr(signature.position).starts_with(signature.bytes)) {
      return FileKind{signature.noun, signature.hint};
    }
  }
  // safetensors: the size of a JSON header in 8 bytes, then the header.
  if (head.size() > 9 && head.substr(4, 4) == "\0\0\0\0"sv && head.substr(8, 2) == "{\"") {
    return FileKind{"a safetensors file", kConvert};
  }
  if (head.empty() || !is_text(head)) return std::nullopt;
  const size_t begin = head.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return std::nullopt;
  head.remove_prefix(begin);
  const std::string text = lower(head.substr(0, 64));
  for (const char* tag : {"<!doctype html", "<html", "<?xml", "<head", "<body", "<error"}) {
    if (text.starts_with(tag)) {
      return FileKind{"a web page", "the address gave a page and not the file: fetch it again"};
    }
  }
  const std::string_view line = head.substr(0, std::min<size_t>(head.find_first_of("\r\n"), 40));
  return FileKind{"text that begins with \"" + std::string(line) + "\"",
                  "is it another file of the same name?", true};
}

}  // namespace ladder::io
