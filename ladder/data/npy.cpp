#include "ladder/data/npy.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "ladder/data/internal/npy_header.h"
#include "ladder/io/internal/file_kind.h"
#include "ladder/io/internal/zip_reader.h"

namespace ladder::data {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kNpyMagic = "\x93NUMPY"sv;
constexpr uint64_t kNpyPreamble = 12;  // magic, version, 4 bytes of size; version 1 has 2
constexpr uint64_t kMaxNpyHeader = 64 << 10;
constexpr size_t kMaxDimensions = 32;
constexpr uint64_t kMaxArrayBytes = uint64_t{1} << 62;

// What is wrong with an array. The caller adds its name.
struct NpyFault : std::exception {
  NpyFault(std::string expected_, std::string got_, std::string hint_ = {})
      : expected(std::move(expected_)), got(std::move(got_)), hint(std::move(hint_)) {}
  const char* what() const noexcept override { return got.c_str(); }

  std::string expected, got, hint;
};

// Reads a Python dictionary of a text, a bool and a tuple of integers.
class HeaderText {
 public:
  explicit HeaderText(std::string_view text) : rest_(text) {}

  bool take(char c) {
    skip_spaces();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void need(char c) {
    if (!take(c)) throw damaged();
  }

  std::string_view text() {
    const char quote = take('\'') ? '\'' : '"';
    if (quote == '"') need('"');
    const size_t end = rest_.find(quote);
    if (end == std::string_view::npos) throw damaged();
    const std::string_view found = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return found;
  }

  bool truth() {
    skip_spaces();
    for (const auto& [word, value] : {std::pair("True"sv, true), std::pair("False"sv, false)}) {
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return value;
    }
    throw damaged();
  }

  int64_t size() {
    skip_spaces();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc() || value < 0) throw damaged();
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    if (rest_.starts_with('L')) rest_.remove_prefix(1);  // Python 2
    return value;
  }

  std::vector<int64_t> sizes() {
    std::vector<int64_t> found;
    need('(');
    while (!take(')')) {
      if (found.size() == kMaxDimensions) {
        throw NpyFault{c10::str("at most ", kMaxDimensions, " dimensions"), "more"};
      }
      found.push_back(size());
      if (!take(',')) {
        need(')');
        break;
      }
    }
    return found;
  }

  bool is_list() {
    skip_spaces();
    return rest_.starts_with('[');
  }

  void need_end() {
    skip_spaces();
    if (!rest_.empty()) throw damaged();
  }

  NpyFault damaged() const {
    return {"a header {'descr': ..., 'fortran_order': ..., 'shape': ...}", "a damaged one",
            "save the array again"};
  }

 private:
  void skip_spaces() {
    const size_t begin = rest_.find_first_not_of(" \n\t");
    rest_.remove_prefix(std::min(begin, rest_.size()));
  }

  std::string_view rest_;
};

const char* refused_kind(char kind) {
  switch (kind) {
    case 'O':
      return "Python objects";
    case 'S':
    case 'a':
    case 'U':
    case 'T':
      return "texts";
    case 'V':
      return "records";
    case 'M':
    case 'm':
      return "dates";
    case 'c':
      return "complex numbers";
    default:
      return "values of another type";
  }
}

// Reads a dtype such as <f8.
void read_dtype(std::string_view text, NpyHeader& header) {
  const auto refused = [&] {
    const std::string kind = refused_kind(text.size() > 1 ? text[1] : ' ');
    return NpyFault("real numbers", kind + " (" + std::string(text) + ")",
                    kind == "texts" || kind == "Python objects"
                        ? "save labels as numbers, as numpy.unique(y, return_inverse=True)[1] "
                          "makes them"
                        : "save them as numbers, as array.astype(float) makes them");
  };
  if (text.size() != 3) throw refused();  // such as <f16 and <U10
  header.kind = text[1];
  header.width = static_cast<uint64_t>(text[2] - '0');
  const bool known =
      (header.kind == 'b' && header.width == 1) ||
      ((header.kind == 'i' || header.kind == 'u') &&
       (header.width == 1 || header.width == 2 || header.width == 4 || header.width == 8)) ||
      (header.kind == 'f' && (header.width == 2 || header.width == 4 || header.width == 8));
  if (!known || "<>=|"sv.find(text[0]) == std::string_view::npos) throw refused();
  header.swapped = text[0] == '>' && header.width > 1;
}

// Size of the header behind a preamble.
std::pair<uint64_t, uint64_t> header_span(std::string_view preamble) {
  if (!preamble.starts_with(kNpyMagic)) {
    const auto kind = io::file_kind(preamble);
    throw NpyFault{"a NumPy array", kind ? kind->noun : "something else", kind ? kind->hint : ""};
  }
  const auto byte = [&](size_t at) {
    return uint64_t{at < preamble.size() ? static_cast<uint8_t>(preamble[at]) : uint8_t{0}};
  };
  if (byte(6) < 1 || byte(6) > 3 || byte(7) != 0) {
    throw NpyFault{"version 1.0 to 3.0 of NumPy's format", c10::str(byte(6), ".", byte(7))};
  }
  const bool wide = byte(6) > 1;
  const uint64_t size =
      byte(8) | byte(9) << 8 | (wide ? byte(10) << 16 | byte(11) << 24 : uint64_t{0});
  if (size > kMaxNpyHeader) {
    throw NpyFault{c10::str("a header of at most ", kMaxNpyHeader, " bytes"),
                   c10::str("one of ", size)};
  }
  return {wide ? 12 : 10, size};
}

// Reads the header of an array of `total` bytes, of which `head` are the first ones.
NpyHeader read_header(std::string_view head, uint64_t total) {
  const auto [begin, size] = header_span(head.substr(0, kNpyPreamble));
  if (head.size() < begin + size) {
    throw NpyFault{c10::str("a header of ", begin + size, " bytes"),
                   c10::str(head.size(), " bytes"), "it is truncated"};
  }
  HeaderText text(head.substr(begin, size));
  NpyHeader header;
  std::string_view dtype;
  bool has_order = false, has_shape = false, records = false;
  text.need('{');
  while (!text.take('}')) {
    const std::string_view key = text.text();
    text.need(':');
    if (key == "descr") {
      records = text.is_list();
      if (records) break;
      dtype = text.text();
    } else if (key == "fortran_order") {
      header.fortran = text.truth();
      has_order = true;
    } else if (key == "shape") {
      header.shape = text.sizes();
      has_shape = true;
    } else {
      throw text.damaged();
    }
    if (!text.take(',')) {
      text.need('}');
      break;
    }
  }
  if (records) {
    throw NpyFault{"real numbers", "records", "save each field as an array of its own"};
  }
  text.need_end();
  if (dtype.empty() || !has_order || !has_shape) throw text.damaged();
  read_dtype(dtype, header);

  header.data = begin + size;
  header.bytes = header.width;
  const bool empty = std::find(header.shape.begin(), header.shape.end(), 0) != header.shape.end();
  for (const int64_t extent : header.shape) {
    if (empty) {
      header.bytes = 0;
    } else if (header.bytes > kMaxArrayBytes / static_cast<uint64_t>(extent)) {
      throw NpyFault{"an array that fits into memory",
                     c10::str("the shape ", at::IntArrayRef(header.shape))};
    } else {
      header.bytes *= static_cast<uint64_t>(extent);
    }
  }
  const uint64_t rest = total - header.data;
  if (rest != header.bytes) {
    throw NpyFault{
        c10::str(header.bytes, " bytes of values for the shape ", at::IntArrayRef(header.shape)),
        c10::str(rest), rest < header.bytes ? "it is truncated" : "it holds more"};
  }
  return header;
}

// Returns the values of `bytes`, uint8 [header.bytes], which it changes.
at::Tensor array_of(const NpyHeader& header, at::Tensor bytes) {
  if (header.swapped) {
    auto* at = reinterpret_cast<char*>(bytes.data_ptr<uint8_t>());
    for (char* const end = at + bytes.numel(); at < end; at += header.width) {
      std::reverse(at, at + header.width);
    }
  }
  if (header.width > 1 && bytes.storage_offset() % static_cast<int64_t>(header.width) != 0) {
    bytes = bytes.clone();
  }
  at::Tensor values = bytes;
  const auto by_width = [&](at::ScalarType two, at::ScalarType four, at::ScalarType eight) {
    return bytes.view(header.width == 2 ? two : header.width == 4 ? four : eight);
  };
  if (header.kind == 'b') {
    values = bytes.ne(0);
  } else if (header.kind == 'f') {
    values = by_width(at::kHalf, at::kFloat, at::kDouble);
  } else if (header.kind == 'i' && header.width == 1) {
    values = bytes.view(at::kChar);
  } else if (header.width > 1) {
    values = by_width(at::kShort, at::kInt, at::kLong);
    if (header.kind == 'u' && header.width == 2) {
      values = values.to(at::kInt).bitwise_and_(0xFFFF);
    } else if (header.kind == 'u' && header.width == 4) {
      values = values.to(at::kLong).bitwise_and_(0xFFFFFFFF);
    } else if (header.kind == 'u' && values.numel() > 0 && values.min().item<int64_t>() < 0) {
      throw NpyFault{"unsigned numbers of at most 2^63 - 1", "larger ones", "save them as float64"};
    }
  }
  if (!header.fortran) return values.reshape(header.shape);
  std::vector<int64_t> reversed(header.shape.rbegin(), header.shape.rend());
  std::vector<int64_t> order;
  for (auto d = static_cast<int64_t>(reversed.size()); d-- > 0;) order.push_back(d);
  return values.reshape(reversed).permute(order).contiguous();
}

at::Tensor byte_tensor(uint64_t size) { return at::empty({static_cast<int64_t>(size)}, at::kByte); }

// Checks that `path` is a regular file, and returns its size.
uint64_t array_file_size(const char* component, const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  TORCH_CHECK(std::filesystem::exists(status), component,
              ": expected a NumPy file but got no file at ", path.string(), " (check the path).");
  TORCH_CHECK(std::filesystem::is_regular_file(status), component, ": expected a file but got ",
              std::filesystem::is_directory(status) ? "a folder" : "something else", " at ",
              path.string(), " (give the path of a file).");
  return std::filesystem::file_size(path);
}

[[noreturn]] void throw_fault(const char* component, const NpyFault& fault,
                              const std::string& where) {
  TORCH_CHECK(false, component, ": expected ", fault.expected, " but got ", fault.got, " in ",
              where, fault.hint.empty() ? "" : " (" + fault.hint + ")", ".");
}

// Name of the array in a record of an .npz file.
std::string array_name(const std::string& record) {
  constexpr std::string_view kEnding = ".npy";
  return record.ends_with(kEnding) ? record.substr(0, record.size() - kEnding.size()) : record;
}

void check_npz_file(const std::filesystem::path& path) {
  TORCH_CHECK(array_file_size("read_npz", path) > 0,
              "read_npz: expected NumPy arrays but got an empty file at ", path.string(), ".");
}

[[noreturn]] void throw_npz_fault(const std::filesystem::path& path, const io::ReadFault& fault) {
  TORCH_CHECK(false, "read_npz: expected NumPy arrays in ", path.string(), " but ", fault.what(),
              ".");
}

std::string head_of_array(std::ifstream& in, uint64_t total) {
  std::string head(std::min<uint64_t>(total, kNpyPreamble + kMaxNpyHeader), '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(in.gcount()));
  return head;
}

}  // namespace

NpyHeader read_npy_header(const char* component, const std::filesystem::path& path,
                          int descriptor) {
  const uint64_t total = array_file_size(component, path);
  std::string head(std::min<uint64_t>(total, kNpyPreamble + kMaxNpyHeader), '\0');
  size_t size = 0;
  while (size < head.size()) {
    const auto got =
        ::pread(descriptor, head.data() + size, head.size() - size, static_cast<off_t>(size));
    if (got < 0 && errno == EINTR) continue;
    TORCH_CHECK(got >= 0, component, ": expected to read ", path.string(), " but got \"",
                std::generic_category().message(errno), "\".");
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  head.resize(size);
  try {
    return read_header(head, total);
  } catch (const NpyFault& fault) {
    throw_fault(component, fault, path.string());
  }
}

torch::Tensor read_npy(const std::filesystem::path& path) {
  const uint64_t total = array_file_size("read_npy", path);
  TORCH_CHECK(total > 0, "read_npy: expected a NumPy array but got an empty file at ",
              path.string(), ".");
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  TORCH_CHECK(
      in.is_open(), "read_npy: expected a readable file but could not open ", path.string(), " (",
      errno == EMFILE || errno == ENFILE ? std::string("too many files are open: ") + kFewerFiles
                                         : "check its permissions",
      ").");
  try {
    const NpyHeader header = read_header(head_of_array(in, total), total);
    at::Tensor bytes = byte_tensor(header.bytes);
    in.clear();
    in.seekg(static_cast<std::streamoff>(header.data));
    in.read(reinterpret_cast<char*>(bytes.data_ptr<uint8_t>()),
            static_cast<std::streamsize>(header.bytes));
    TORCH_CHECK(in.gcount() == static_cast<std::streamsize>(header.bytes), "read_npy: expected ",
                header.bytes, " bytes of values in ", path.string(), " but could read only ",
                in.gcount(), ".");
    return array_of(header, std::move(bytes));
  } catch (const NpyFault& fault) {
    throw_fault("read_npy", fault, path.string());
  }
}

namespace {

// Reads the arrays that `is_wanted` by name.
io::TensorMap read_arrays(const std::filesystem::path& path,
                          const std::function<bool(const std::string&)>& is_wanted) {
  check_npz_file(path);
  io::TensorMap arrays;
  try {
    io::ZipReader zip(path);
    for (const std::string& record : zip.names()) {
      const std::string name = array_name(record);
      if (!is_wanted(name)) continue;
      try {
        const uint64_t size = zip.size(record);
        at::Tensor bytes = byte_tensor(size);
        auto* const data = reinterpret_cast<char*>(bytes.data_ptr<uint8_t>());
        zip.read(record, data);
        const NpyHeader header = read_header({data, size}, size);
        arrays.emplace(name, array_of(header, bytes.slice(0, static_cast<int64_t>(header.data))));
      } catch (const NpyFault& fault) {
        throw_fault("read_npz", fault, "array '" + name + "' of " + path.string());
      }
    }
  } catch (const io::ReadFault& fault) {
    throw_npz_fault(path, fault);
  }
  return arrays;
}

}  // namespace

io::TensorMap read_npz(const std::filesystem::path& path) {
  auto arrays = read_arrays(path, [](const std::string&) { return true; });
  TORCH_CHECK(!arrays.empty(), "read_npz: expected NumPy arrays but got an empty archive at ",
              path.string(), ".");
  return arrays;
}

io::TensorMap read_npz(const std::filesystem::path& path, const std::vector<std::string>& names) {
  auto arrays = read_arrays(path, [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  });
  for (const auto& name : names) {
    TORCH_CHECK(arrays.contains(name), "read_npz: expected an array '", name,
                "' but found none in ", path.string(), ".");
  }
  return arrays;
}

std::vector<std::string> npz_names(const std::filesystem::path& path) {
  check_npz_file(path);
  std::vector<std::string> names;
  try {
    for (const std::string& record : io::ZipReader(path).names()) {
      names.push_back(array_name(record));
    }
  } catch (const io::ReadFault& fault) {
    throw_npz_fault(path, fault);
  }
  return names;
}

}  // namespace ladder::data
