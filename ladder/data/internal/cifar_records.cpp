#include "ladder/data/internal/cifar_records.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <system_error>

#include "ladder/io/internal/file_kind.h"
#include "ladder/io/utf8.h"

namespace ladder::data {

torch::Tensor read_cifar_records(const std::filesystem::path& path, const CifarFormat& format,
                                 const CifarFormat& other) {
  namespace fs = std::filesystem;
  const std::string name = path.string();
  const std::string component = format.component;
  std::error_code error;
  const auto status = fs::status(path, error);
  TORCH_CHECK(fs::exists(status), component, ": expected a file of ", format.name,
              " but got no file at ", name, " (", format.if_missing, ").");
  TORCH_CHECK(fs::is_regular_file(status), component, ": expected a file but got ",
              fs::is_directory(status) ? "a folder" : "something else", " at ", name, " (",
              format.takes_folder, " takes the folder).");
  const auto size = static_cast<int64_t>(fs::file_size(path));
  TORCH_CHECK(size > 0, component, ": expected a file of ", format.name,
              " but got an empty file at ", name, ".");

  std::ifstream in(path, std::ios::binary);
  TORCH_CHECK(in.is_open(), component, ": expected a readable file but could not open ", name,
              " (check its permissions).");
  // A record begins with a label; a first byte above may be the start of another kind of file.
  std::string head(io::kFileKindBytes, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(in.gcount()));
  in.clear();
  in.seekg(0);
  const auto kind = io::file_kind(head);
  TORCH_CHECK(!kind || static_cast<uint8_t>(head[0]) < format.first_classes, component,
              ": expected a file of ", format.name, " but got ", kind->noun, " in ", name, " (",
              kind->hint, ").");
  const int64_t record = format.labels + kCifarPixels;
  const int64_t other_record = other.labels + kCifarPixels;
  TORCH_CHECK(size % record == 0 || size % other_record != 0, component, ": expected ", format.name,
              "'s records of ", record, " bytes but got ", size, " bytes in ", name, ", which fit ",
              other.name, "'s records of ", other_record, " (", other.component, " reads it).");
  TORCH_CHECK(size % record == 0, component, ": expected records of ", record, " bytes but got ",
              size, " bytes in ", name, ", ", size % record, " more than ", size / record,
              " records (fetch the file again).");

  torch::Tensor records = torch::empty({size / record, record}, torch::kUInt8);
  in.read(reinterpret_cast<char*>(records.data_ptr<uint8_t>()), static_cast<std::streamsize>(size));
  TORCH_CHECK(in.gcount() == size, component, ": expected ", size, " bytes in ", name,
              " but could read only ", in.gcount(), ".");
  return records;
}

torch::Tensor cifar_labels(const torch::Tensor& records, int64_t index, int64_t classes,
                           const std::filesystem::path& path, const CifarFormat& format) {
  const torch::Tensor labels = records.select(1, index).to(torch::kInt64);  // [N]
  const torch::Tensor wrong = labels.ge(classes).nonzero();
  if (wrong.numel() > 0) {
    const auto row = wrong[0].item<int64_t>();
    TORCH_CHECK(false, format.component, ": expected labels in 0..", classes - 1, " but got ",
                labels[row].item<int64_t>(), " in record ", row + 1, " of ", path.string(),
                " (the file is damaged or another data set).");
  }
  return labels;
}

torch::Tensor cifar_images(const torch::Tensor& records, const CifarFormat& format) {
  return records.slice(1, format.labels)
      .reshape({records.size(0), 3, kCifarSide, kCifarSide})
      .contiguous();
}

std::vector<std::string> cifar_class_names(const char* component, const std::filesystem::path& file,
                                           int64_t count) {
  std::vector<std::string> names;
  std::error_code error;
  std::ifstream in(file);
  if (!std::filesystem::is_regular_file(file, error) || !in.is_open()) {
    for (int64_t i = 0; i < count; ++i) names.push_back(std::to_string(i));
    return names;
  }
  constexpr size_t kLongestName = 200;
  for (std::string line; std::getline(in, line) && static_cast<int64_t>(names.size()) <= count;) {
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())) != 0) {
      line.pop_back();
    }
    TORCH_CHECK(io::utf8_prefix(line) == line.size(), component,
                ": expected names of classes in UTF-8 but got other bytes in ", file.string(), ".");
    if (!line.empty()) names.emplace_back(io::cut_text(line, kLongestName));
  }
  TORCH_CHECK(static_cast<int64_t>(names.size()) == count, component, ": expected ", count,
              " names of classes, one a line, but got ",
              static_cast<int64_t>(names.size()) > count ? "more" : std::to_string(names.size()),
              " in ", file.string(), ".");
  for (size_t i = 1; i < names.size(); ++i) {
    const auto place = names.begin() + static_cast<std::ptrdiff_t>(i);
    TORCH_CHECK(std::find(names.begin(), place, *place) == place, component,
                ": expected different names of classes but got '", *place, "' twice in ",
                file.string(), ".");
  }
  return names;
}

}  // namespace ladder::data
