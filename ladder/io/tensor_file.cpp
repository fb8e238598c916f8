#include "ladder/io/tensor_file.h"

#include <ATen/core/Dict.h>
#include <c10/util/Exception.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/pickler.h>
#include <torch/types.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "ladder/io/atomic_file.h"
#include "ladder/io/internal/pickle_reader.h"
#include "ladder/io/internal/zip_reader.h"

namespace ladder::io {
namespace {

namespace fs = std::filesystem;
using caffe2::serialize::PyTorchStreamWriter;

using Kind = PickleValue::Kind;

constexpr const char* kPickleRecord = "data.pkl";
constexpr const char* kStorageFolder = "data/";

const std::map<std::string, torch::Dtype>& storage_types() {
  static const std::map<std::string, torch::Dtype> kTypes = {
      {"torch.BFloat16Storage", torch::kBFloat16},
      {"torch.BoolStorage", torch::kBool},
      {"torch.ByteStorage", torch::kUInt8},
      {"torch.CharStorage", torch::kInt8},
      {"torch.ComplexDoubleStorage", torch::kComplexDouble},
      {"torch.ComplexFloatStorage", torch::kComplexFloat},
      {"torch.DoubleStorage", torch::kFloat64},
      {"torch.FloatStorage", torch::kFloat32},
      {"torch.HalfStorage", torch::kFloat16},
      {"torch.IntStorage", torch::kInt32},
      {"torch.LongStorage", torch::kInt64},
      {"torch.ShortStorage", torch::kInt16},
  };
  return kTypes;
}

bool has_storage_type(torch::Dtype dtype) {
  const auto& types = storage_types();
  return std::any_of(types.begin(), types.end(),
                     [dtype](const auto& type) { return type.second == dtype; });
}

torch::Tensor storable(const std::string& name, const torch::Tensor& tensor) {
  TORCH_CHECK(tensor.defined(), "save_tensors: expected a tensor named \"", name,
              "\" but got an undefined one.");
  TORCH_CHECK(tensor.layout() == torch::kStrided && !tensor.is_quantized(),
              "save_tensors: expected a dense tensor named \"", name, "\" but got a ",
              tensor.is_quantized() ? "quantized" : "sparse", " one.");
  TORCH_CHECK(has_storage_type(tensor.scalar_type()), "save_tensors: expected one of the types ",
              "that every PyTorch reads for \"", name, "\" but got ",
              c10::toString(tensor.scalar_type()), " (convert it first).");
  torch::Tensor dense = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous();
  const bool owns_all = dense.storage_offset() == 0 && dense.storage().nbytes() == dense.nbytes();
  return owns_all ? dense : dense.clone(torch::MemoryFormat::Contiguous);
}

std::string archive_bytes(const c10::Dict<std::string, at::Tensor>& dict) {
  std::string pickle;
  torch::jit::Pickler pickler(
      [&pickle](const char* data, size_t size) { pickle.append(data, size); }, nullptr, nullptr,
      nullptr, nullptr, /*tag_aggregates=*/false);
  pickler.protocol();
  pickler.pushIValue(dict);
  pickler.stop();

  std::string bytes;
  PyTorchStreamWriter writer([&bytes](const void* data, size_t size) {
    bytes.append(static_cast<const char*>(data), size);
    return size;
  });
  writer.writeRecord(kPickleRecord, pickle.data(), pickle.size());
  writer.writeRecord("byteorder", "little", std::strlen("little"));
  for (size_t i = 0; i < pickler.tensorData().size(); ++i) {
    const at::Tensor& tensor = pickler.tensorData()[i];
    writer.writeRecord(kStorageFolder + std::to_string(i), tensor.storage().data(),
                       tensor.storage().nbytes());
  }
  writer.writeEndOfFile();
  return bytes;
}

class TensorReader {
 public:
  explicit TensorReader(ZipReader& zip) : zip_(zip) {}

  // Returns an undefined tensor if `value` is not a tensor.
  torch::Tensor read(PickleValue value) {
    if (value.kind == Kind::kCall && value.text == "torch._utils._rebuild_parameter" &&
        !value.items->empty()) {
      value = PickleValue((*value.items)[0]);  // a tensor: no parameter is one of a parameter
    }
    if (value.kind != Kind::kCall) return {};
    const auto& arguments = *value.items;
    if (value.text != "torch._utils._rebuild_tensor_v2") return {};
    if (arguments.size() < 4 || arguments[0].kind != Kind::kPersistent ||
        arguments[1].kind != Kind::kInteger) {
      throw ReadFault("its pickle is damaged");
    }
    if (arguments.size() > 6) throw ReadFault("it is lazily conjugated or negated");
    return view(*arguments[0].items, arguments[1].integer, integers(arguments[2]),
                integers(arguments[3]));
  }

 private:
  static std::vector<int64_t> integers(const PickleValue& value) {
    if (value.kind != Kind::kSequence) throw ReadFault("its pickle is damaged");
    std::vector<int64_t> out;
    for (const PickleValue& item : *value.items) {
      if (item.kind != Kind::kInteger || item.integer < 0) throw ReadFault("its pickle is damaged");
      out.push_back(item.integer);
    }
    return out;
  }

  // The product of sizes, 0 if one of them is 0.
  static int64_t element_count(const std::vector<int64_t>& sizes) {
    constexpr int64_t kMaxElements = int64_t{1} << 56;
    int64_t count = 1;
    bool empty = false;
    for (const int64_t size : sizes) {
      empty = empty || size == 0;
      if (size > 0 && count > kMaxElements / size) {
        throw ReadFault(c10::str("it holds a tensor ", torch::IntArrayRef(sizes)));
      }
      count *= std::max<int64_t>(size, 1);
    }
    return empty ? 0 : count;
  }

  torch::Tensor view(const std::vector<PickleValue>& id, int64_t offset,
                     const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides) {
    // ("storage", type, record, location, elements)
    if (id.size() < 3 || id[1].kind != Kind::kGlobal || sizes.size() != strides.size()) {
      throw ReadFault("its pickle is damaged");
    }
    const std::string type_name(id[1].text), key(id[2].text);
    const auto type = storage_types().find(type_name);
    if (type == storage_types().end()) throw ReadFault("it has the unknown type " + type_name);
    const torch::Dtype dtype = type->second;
    const int64_t elements = element_count(sizes);
    if (elements == 0) return torch::empty(sizes, dtype);

    auto [found, first] = storages_.try_emplace(key);
    if (first) found->second = storage(key, dtype);
    const torch::Tensor& data = found->second;
    // Elements of the storage behind the last one of the tensor, computed without overflow.
    int64_t left = data.scalar_type() == dtype && offset >= 0 ? data.numel() - 1 - offset : -1;
    for (size_t d = 0; d < sizes.size() && left >= 0; ++d) {
      const bool outside = strides[d] > 0 && sizes[d] - 1 > left / strides[d];
      left = outside ? -1 : left - (sizes[d] - 1) * strides[d];
    }
    if (left < 0) {
      throw ReadFault(c10::str("it holds ", data.numel(), " elements for a tensor ",
                               torch::IntArrayRef(sizes)));
    }
    const torch::Tensor tensor = data.as_strided(sizes, strides, offset);
    const bool whole = first && tensor.is_contiguous() && tensor.numel() == data.numel();
    if (whole) return tensor;
    // A tensor that is expanded or shares its storage is read at its full size: a file of a
    // kilobyte could fill the memory.
    constexpr int64_t kFreeBytes = int64_t{32} << 20;
    constexpr int64_t kMaxCopies = 4;
    const auto width = static_cast<int64_t>(c10::elementSize(dtype));
    const int64_t left_bytes = kFreeBytes + kMaxCopies * stored_bytes_ - copied_bytes_;
    if (elements > left_bytes / width) {
      throw ReadFault(c10::str("it repeats ", data.numel(), " elements as a tensor ",
                               torch::IntArrayRef(sizes)));
    }
    copied_bytes_ += elements * width;
    return tensor.clone(torch::MemoryFormat::Contiguous);
  }

  torch::Tensor storage(const std::string& key, torch::Dtype dtype) {
    const std::string* record = zip_.find(kStorageFolder + key);
    if (record == nullptr) throw ReadFault("it has no record " + (kStorageFolder + key));
    const uint64_t size = zip_.size(*record);
    const uint64_t width = c10::elementSize(dtype);
    if (size % width != 0) throw ReadFault("its record " + *record + " has an odd size");
    torch::Tensor data = torch::empty({static_cast<int64_t>(size / width)}, dtype);
    zip_.read(*record, static_cast<char*>(data.data_ptr()));
    stored_bytes_ += static_cast<int64_t>(size);
    return data;
  }

  ZipReader& zip_;
  std::map<std::string, torch::Tensor> storages_;
  int64_t stored_bytes_ = 0;  // of storages
  int64_t copied_bytes_ = 0;  // of tensors that share one or repeat its elements
};

Pickle read_content(ZipReader& zip) {
  // Values of a pickle take up to a hundred times the memory of its bytes. PyTorch stores it.
  constexpr uint64_t kMaxPackedPickle = uint64_t{1} << 20;
  const std::string* pickle = zip.find(kPickleRecord);
  if (pickle == nullptr) throw ReadFault("it has no record data.pkl");
  const std::string* order = zip.find("byteorder");
  if (order != nullptr) {
    constexpr std::string_view kLittle = "little";
    const bool little = zip.size(*order) == kLittle.size() && zip.read(*order) == kLittle;
    if (!little) throw ReadFault("its numbers are big-endian");
  }
  const uint64_t size = zip.size(*pickle);
  if (size != zip.packed_size(*pickle) && size > kMaxPackedPickle) {
    throw ReadFault(c10::str("its record ", *pickle, " is compressed and has ", size,
                             " bytes, more than ", kMaxPackedPickle));
  }
  return read_pickle(zip.read(*pickle));
}

}  // namespace

void save_tensors(const std::filesystem::path& path, const TensorMap& tensors) {
  c10::Dict<std::string, at::Tensor> dict;
  for (const auto& [name, tensor] : tensors) dict.insert(name, storable(name, tensor));
  write_atomically(path, archive_bytes(dict));
}

TensorMap load_tensors(const std::filesystem::path& path) {
  const std::string file = path.string();
  std::error_code error;
  TORCH_CHECK(fs::exists(path, error), "load_tensors: expected a .pt file but got no file at ",
              file, " (check the path).");
  TORCH_CHECK(fs::is_regular_file(path, error),
              "load_tensors: expected a .pt file but got a folder at ", file, ".");

  std::optional<ZipReader> zip;
  Pickle pickle;
  try {
    zip.emplace(path);
    TORCH_CHECK(zip->find("constants.pkl") == nullptr,
                "load_tensors: expected a dictionary of tensors but got what torch::save or "
                "TorchScript writes in ",
                file, " (torch::load reads it).");
    pickle = read_content(*zip);
  } catch (const ReadFault& fault) {
    TORCH_CHECK(false, "load_tensors: expected a whole .pt file but got a truncated, damaged or ",
                "foreign one at ", file, " (", fault.what(), ").");
  }
  const PickleValue& value = pickle.value;
  TORCH_CHECK(value.kind == Kind::kDictionary,
              "load_tensors: expected a dictionary of tensors but got a ", pickle_noun(value),
              " in ", file, ".");

  TensorReader reader(*zip);
  TensorMap tensors;
  for (size_t i = 0; i + 1 < value.items->size(); i += 2) {
    const PickleValue& key = (*value.items)[i];
    const PickleValue& content = (*value.items)[i + 1];
    TORCH_CHECK(key.kind == Kind::kText, "load_tensors: expected texts as names but got a ",
                pickle_noun(key), " in ", file, ".");
    torch::Tensor tensor;
    try {
      tensor = reader.read(content);
    } catch (const ReadFault& fault) {
      TORCH_CHECK(false, "load_tensors: expected a readable tensor \"", key.text, "\" in ", file,
                  " but got a damaged or unsupported one (", fault.what(), ").");
    }
    TORCH_CHECK(tensor.defined(), "load_tensors: expected a tensor named \"", key.text,
                "\" but got a ", pickle_noun(content), " in ", file, ".");
    tensors.insert_or_assign(std::string(key.text), std::move(tensor));
  }
  return tensors;
}

torch::Tensor text_tensor(std::string_view text) {
  torch::Tensor bytes = torch::empty({static_cast<int64_t>(text.size())}, torch::kUInt8);
  if (!text.empty()) std::memcpy(bytes.data_ptr<uint8_t>(), text.data(), text.size());
  return bytes;
}

std::string tensor_text(const torch::Tensor& tensor) {
  TORCH_CHECK(tensor.defined() && tensor.dim() == 1 && tensor.scalar_type() == torch::kUInt8,
              "tensor_text: expected uint8 [bytes] but got ",
              tensor.defined() ? c10::str(c10::toString(tensor.scalar_type()), " ", tensor.sizes())
                               : "an undefined tensor",
              ".");
  const torch::Tensor bytes = tensor.cpu().contiguous();
  return std::string(reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>()),
                     static_cast<size_t>(bytes.numel()));
}

}  // namespace ladder::io
