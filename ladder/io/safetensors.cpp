#include "ladder/io/safetensors.h"

#include <c10/util/Exception.h>
#include <torch/types.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "ladder/io/atomic_file.h"
#include "ladder/io/internal/zip_reader.h"
#include "ladder/io/utf8.h"

namespace ladder::io {
namespace {

using nlohmann::ordered_json;

constexpr const char* kMetadataKey = "__metadata__";
constexpr uint64_t kMaxHeader = 100'000'000;  // bytes, the limit of other readers too
constexpr uint64_t kLengthBytes = 8;
constexpr size_t kMaxDimensions = 64;  // of a tensor that PyTorch's operators take

struct SafetensorsType {
  const char* name;
  torch::Dtype dtype;
};

constexpr SafetensorsType kSafetensorsTypes[] = {
    {"F64", torch::kFloat64},   {"F32", torch::kFloat32}, {"F16", torch::kFloat16},
    {"BF16", torch::kBFloat16}, {"I64", torch::kInt64},   {"I32", torch::kInt32},
    {"I16", torch::kInt16},     {"I8", torch::kInt8},     {"U8", torch::kUInt8},
    {"BOOL", torch::kBool},
};

const char* safetensors_name(torch::Dtype dtype) {
  for (const auto& type : kSafetensorsTypes) {
    if (type.dtype == dtype) return type.name;
  }
  return nullptr;
}

std::optional<torch::Dtype> safetensors_dtype(const std::string& name) {
  for (const auto& type : kSafetensorsTypes) {
    if (name == type.name) return type.dtype;
  }
  return std::nullopt;
}

torch::Tensor dense_on_cpu(const std::string& name, const torch::Tensor& tensor) {
  TORCH_CHECK(name != kMetadataKey, "save_safetensors: expected names other than \"", kMetadataKey,
              "\", which the format reserves for texts.");
  TORCH_CHECK(tensor.defined(), "save_safetensors: expected a tensor named \"", name,
              "\" but got an undefined one.");
  TORCH_CHECK(tensor.layout() == torch::kStrided && !tensor.is_quantized(),
              "save_safetensors: expected a dense tensor named \"", name, "\" but got a ",
              tensor.is_quantized() ? "quantized" : "sparse", " one.");
  TORCH_CHECK(safetensors_name(tensor.scalar_type()) != nullptr,
              "save_safetensors: expected a real, integer or bool type for \"", name, "\" but got ",
              c10::toString(tensor.scalar_type()), " (convert it first).");
  return tensor.detach().cpu().resolve_neg().contiguous();
}

// One tensor as the header describes it.
struct TensorEntry {
  std::string name;
  torch::Dtype dtype = torch::kFloat32;
  std::vector<int64_t> sizes = {};
  uint64_t begin = 0, end = 0;
};

constexpr size_t kMaxQuoted = 80;

// A name of any length from a file, for a sentence.
std::string quoted(const std::string& name) {
  const auto shown = cut_text(name, kMaxQuoted);
  return "\"" + std::string(shown) + (shown.size() < name.size() ? "...\"" : "\"");
}

// Parse the header. Nested and repeated names are refused while it is read, so that neither costs
// more memory than the text itself.
nlohmann::json parse_header(const std::string& text) {
  std::array<std::set<std::string>, 4> names;  // by depth
  const auto check = [&names](int depth, nlohmann::json::parse_event_t event,
                              nlohmann::json& value) {
    using Event = nlohmann::json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      if (depth > 2) throw ReadFault("its header has too many levels");
      if (event == Event::object_start) names[static_cast<size_t>(depth) + 1].clear();
    } else if (event == Event::key) {
      const auto& name = value.get_ref<const std::string&>();
      if (!names[static_cast<size_t>(depth)].insert(name).second) {
        throw ReadFault("its header has " + quoted(name) + " twice");
      }
    }
    return true;
  };
  if (text.empty() || text.front() != '{') throw ReadFault("its header is not a JSON object");
  auto header = nlohmann::json::parse(text, check, /*allow_exceptions=*/false);
  if (!header.is_object()) throw ReadFault("its header is not a JSON object");
  return header;
}

std::vector<uint64_t> counts_of(const nlohmann::json& object, const char* key,
                                const std::string& name) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) {
    throw ReadFault(quoted(name) + " has no array " + quoted(key));
  }
  std::vector<uint64_t> counts;
  for (const auto& value : *found) {
    if (!value.is_number_unsigned()) {
      throw ReadFault(quoted(name) + " has something other than counts in " + quoted(key));
    }
    counts.push_back(value.get<uint64_t>());
  }
  return counts;
}

TensorEntry entry_of(const std::string& name, const nlohmann::json& object, uint64_t data_bytes) {
  if (!object.is_object()) throw ReadFault(quoted(name) + " is not described by an object");
  const auto type = object.find("dtype");
  if (type == object.end() || !type->is_string()) {
    throw ReadFault(quoted(name) + " has no text \"dtype\"");
  }
  const auto dtype = safetensors_dtype(type->get<std::string>());
  if (!dtype) throw ReadFault(quoted(name) + " has the unknown type " + quoted(*type));
  TensorEntry entry{.name = name, .dtype = *dtype};

  const auto offsets = counts_of(object, "data_offsets", name);
  if (offsets.size() != 2) throw ReadFault(quoted(name) + " has other than two data_offsets");
  entry.begin = offsets[0];
  entry.end = offsets[1];
  if (entry.begin > entry.end || entry.end > data_bytes) {
    throw ReadFault(c10::str(quoted(name), " is at bytes ", entry.begin, " to ", entry.end, " of ",
                             data_bytes));
  }
  const auto shape = counts_of(object, "shape", name);
  if (shape.size() > kMaxDimensions) {
    throw ReadFault(c10::str(quoted(name), " has ", shape.size(), " dimensions"));
  }
  // The product of all sizes but those of 0, so that no part of it overflows either.
  uint64_t bytes = c10::elementSize(*dtype);
  bool is_empty = false;
  for (const uint64_t size : shape) {
    if (size == 0) {
      is_empty = true;
    } else if (size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / bytes) {
      throw ReadFault(quoted(name) + " has a shape that no memory holds");
    } else {
      bytes *= size;
    }
    entry.sizes.push_back(static_cast<int64_t>(size));
  }
  if (is_empty) bytes = 0;
  if (bytes != entry.end - entry.begin) {
    throw ReadFault(c10::str(quoted(name), " has ", entry.end - entry.begin, " bytes for ",
                             type->get<std::string>(), " ", at::IntArrayRef(entry.sizes)));
  }
  return entry;
}

// Check that the tensors lie side by side and fill the data.
void check_places(std::vector<TensorEntry>& entries, uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t reached = 0;
  for (const auto& entry : entries) {
    if (entry.begin < reached) {
      throw ReadFault(quoted(entry.name) + " overlaps the tensor before it");
    }
    if (entry.begin > reached) {
      throw ReadFault("nothing describes its bytes before " + quoted(entry.name));
    }
    reached = entry.end;
  }
  if (reached != data_bytes) {
    throw ReadFault(c10::str("its tensors take ", reached, " of ", data_bytes, " bytes"));
  }
}

std::map<std::string, std::string> metadata_of(const nlohmann::json& object) {
  if (!object.is_object()) throw ReadFault("its metadata is not a JSON object");
  std::map<std::string, std::string> metadata;
  for (const auto& [name, value] : object.items()) {
    if (!value.is_string()) throw ReadFault("its metadata " + quoted(name) + " is not a text");
    metadata.emplace(name, value.get<std::string>());
  }
  return metadata;
}

torch::Tensor read_tensor(std::ifstream& in, const TensorEntry& entry) {
  torch::Tensor tensor = torch::empty(entry.sizes, entry.dtype);
  auto* bytes = static_cast<char*>(tensor.data_ptr());
  const auto size = static_cast<std::streamsize>(tensor.nbytes());
  if (size > 0 && !in.read(bytes, size)) throw ReadFault("it could not be read");
  if (entry.dtype == torch::kBool &&
      std::any_of(bytes, bytes + size, [](char byte) { return byte != 0 && byte != 1; })) {
    throw ReadFault(quoted(entry.name) + " has bytes other than 0 and 1 for BOOL");
  }
  return tensor;
}

Safetensors read_safetensors(const std::filesystem::path& path) {
  std::error_code error;
  const uint64_t file_bytes = std::filesystem::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  if (error || !in) throw ReadFault("it could not be opened");
  if (file_bytes < kLengthBytes) throw ReadFault("it has less than 8 bytes");
  std::array<unsigned char, kLengthBytes> head = {};
  if (!in.read(reinterpret_cast<char*>(head.data()), kLengthBytes)) {
    throw ReadFault("it could not be read");
  }
  uint64_t header_bytes = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) header_bytes |= uint64_t{head[i]} << (8 * i);
  if (header_bytes > kMaxHeader || header_bytes > file_bytes - kLengthBytes) {
    throw ReadFault(
        c10::str("its header should have ", header_bytes, " bytes of ", file_bytes - kLengthBytes));
  }
  std::string text(header_bytes, '\0');
  if (!in.read(text.data(), static_cast<std::streamsize>(header_bytes))) {
    throw ReadFault("it could not be read");
  }

  const uint64_t data_bytes = file_bytes - kLengthBytes - header_bytes;
  Safetensors content;
  std::vector<TensorEntry> entries;
  const auto header = parse_header(text);
  for (const auto& [name, object] : header.items()) {
    if (name == kMetadataKey) {
      content.metadata = metadata_of(object);
    } else {
      entries.push_back(entry_of(name, object, data_bytes));
    }
  }
  check_places(entries, data_bytes);
  for (const auto& entry : entries) content.tensors.emplace(entry.name, read_tensor(in, entry));
  return content;
}

}  // namespace

void save_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                      const std::map<std::string, std::string>& metadata) {
  std::vector<std::pair<std::string, torch::Tensor>> all;
  for (const auto& [name, tensor] : tensors) all.emplace_back(name, dense_on_cpu(name, tensor));
  // Wide types first: every tensor is then aligned to its type, as readers that map files want.
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.second.element_size() > b.second.element_size();
  });

  ordered_json header = ordered_json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  uint64_t data_bytes = 0;
  for (const auto& [name, tensor] : all) {
    const uint64_t end = data_bytes + tensor.nbytes();
    header[name] = {{"dtype", safetensors_name(tensor.scalar_type())},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {data_bytes, end}}};
    data_bytes = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::type_error&) {
    TORCH_CHECK(false, "save_safetensors: expected names and texts in UTF-8 for ", path.string(),
                " but got other bytes.");
  }
  text.append((8 - text.size() % 8) % 8, ' ');
  TORCH_CHECK(text.size() <= kMaxHeader, "save_safetensors: expected names and texts of at most ",
              kMaxHeader, " bytes for ", path.string(), " but got ", text.size(), ".");

  std::string bytes;
  bytes.reserve(kLengthBytes + text.size() + data_bytes);
  for (size_t i = 0; i < kLengthBytes; ++i) {
    bytes.push_back(static_cast<char>(static_cast<uint64_t>(text.size()) >> (8 * i)));
  }
  bytes += text;
  for (const auto& [name, tensor] : all) {
    bytes.append(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
  }
  write_atomically(path, bytes);
}

Safetensors load_safetensors(const std::filesystem::path& path) {
  const std::string file = path.string();
  std::error_code error;
  TORCH_CHECK(std::filesystem::exists(path, error),
              "load_safetensors: expected a .safetensors file but got no file at ", file,
              " (check the path).");
  TORCH_CHECK(std::filesystem::is_regular_file(path, error),
              "load_safetensors: expected a .safetensors file but got a folder at ", file, ".");
  try {
    return read_safetensors(path);
  } catch (const ReadFault& fault) {
    TORCH_CHECK(false, "load_safetensors: expected a whole .safetensors file but got a truncated, ",
                "damaged or foreign one at ", file, " (", fault.what(), ").");
  }
}

}  // namespace ladder::io
