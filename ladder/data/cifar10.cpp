#include "ladder/data/cifar10.h"

#include <c10/util/Exception.h>
#include <torch/types.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "ladder/data/internal/folders.h"
#include "ladder/io/internal/file_kind.h"

namespace ladder::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kChannels = 3;
constexpr int64_t kCifarSide = 32;
constexpr int64_t kCifarPixels = kChannels * kCifarSide * kCifarSide;
constexpr int64_t kRecord = 1 + kCifarPixels;
constexpr int64_t kRecord100 = 2 + kCifarPixels;
constexpr int64_t kCifarClasses = 10;
constexpr std::array kTrainFiles = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                    "data_batch_4.bin", "data_batch_5.bin"};
constexpr const char* kTestFile = "test_batch.bin";
constexpr const char* kArchiveFile = "cifar-10-binary.tar.gz";

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

std::vector<fs::path> places(const fs::path& root) {
  return {root, root / "cifar-10-batches-bin", root / "cifar10",
          root / "cifar10" / "cifar-10-batches-bin"};
}

std::vector<std::string> missing_batches(const fs::path& dir) {
  std::vector<std::string> missing;
  for (const char* name : kTrainFiles) {
    if (!is_file(dir / name)) missing.emplace_back(name);
  }
  if (!is_file(dir / kTestFile)) missing.emplace_back(kTestFile);
  return missing;
}

// Describes what a folder holds instead of the six files, or returns nothing.
std::string found_instead(const fs::path& place) {
  const std::string dir = place.string();
  const auto missing = missing_batches(place);
  if (missing.size() <= kTrainFiles.size()) {
    std::string names;
    for (const auto& name : missing) names += (names.empty() ? "" : ", ") + name;
    return "no " + names + " in " + dir + " (fetch them again)";
  }
  const fs::path archive = place / kArchiveFile;
  if (is_file(archive)) {
    return "the packed archive (unpack it: tar -xzf \"" + archive.string() + "\" -C \"" + dir +
           "\")";
  }
  for (const fs::path& folder : {place, place / "cifar-100-binary"}) {
    if (is_file(folder / "train.bin") && is_file(folder / "test.bin")) {
      return "CIFAR-100's in " + folder.string() + " (the set of 100 classes is not supported)";
    }
  }
  for (const fs::path& folder : {place, place / "cifar-10-batches-py"}) {
    if (is_file(folder / "data_batch_1")) {
      return "those of the version for Python in " + folder.string() +
             " (the binary version is at " + kCifar10Archive + ")";
    }
  }
  return "";
}

Dataset joined(const std::vector<Dataset>& parts) {
  std::vector<torch::Tensor> inputs;
  std::vector<torch::Tensor> labels;
  for (const Dataset& part : parts) {
    inputs.push_back(part.inputs);
    labels.push_back(part.labels);
  }
  return {torch::cat(inputs), torch::cat(labels), kCifarClasses, parts.front().name};
}

}  // namespace

Dataset read_cifar10(const std::filesystem::path& path) {
  const std::string name = path.string();
  std::error_code error;
  const auto status = fs::status(path, error);
  TORCH_CHECK(fs::exists(status), "read_cifar10: expected a file of CIFAR-10 but got no file at ",
              name, " (find_cifar10 names the folders that are looked in).");
  TORCH_CHECK(fs::is_regular_file(status), "read_cifar10: expected a file but got ",
              fs::is_directory(status) ? "a folder" : "something else", " at ", name,
              " (load_cifar10 takes the folder).");
  const auto size = static_cast<int64_t>(fs::file_size(path));
  TORCH_CHECK(size > 0, "read_cifar10: expected a file of CIFAR-10 but got an empty file at ", name,
              ".");

  std::ifstream in(path, std::ios::binary);
  TORCH_CHECK(in.is_open(), "read_cifar10: expected a readable file but could not open ", name,
              " (check its permissions).");
  // A record begins with a label below 10; any other first byte may be the start of another kind.
  std::string head(io::kFileKindBytes, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(in.gcount()));
  in.clear();
  in.seekg(0);
  const auto kind = io::file_kind(head);
  TORCH_CHECK(!kind || static_cast<uint8_t>(head[0]) < kCifarClasses,
              "read_cifar10: expected a file of CIFAR-10 but got ", kind->noun, " in ", name, " (",
              kind->hint, ").");
  TORCH_CHECK(size % kRecord == 0 || size % kRecord100 != 0,
              "read_cifar10: expected CIFAR-10's records of ", kRecord, " bytes but got ", size,
              " bytes in ", name, ", which fit CIFAR-100's records of ", kRecord100,
              " (the set of 100 classes is not supported).");
  TORCH_CHECK(size % kRecord == 0, "read_cifar10: expected records of ", kRecord, " bytes but got ",
              size, " bytes in ", name, ", ", size % kRecord, " more than ", size / kRecord,
              " records (fetch the file again).");

  const int64_t rows = size / kRecord;
  torch::Tensor records = torch::empty({rows, kRecord}, torch::kUInt8);
  in.read(reinterpret_cast<char*>(records.data_ptr<uint8_t>()), static_cast<std::streamsize>(size));
  TORCH_CHECK(in.gcount() == size, "read_cifar10: expected ", size, " bytes in ", name,
              " but could read only ", in.gcount(), ".");
  const torch::Tensor labels = records.select(1, 0).to(torch::kInt64);  // [N]
  const torch::Tensor wrong = labels.ge(kCifarClasses).nonzero();
  if (wrong.numel() > 0) {
    const auto row = wrong[0].item<int64_t>();
    TORCH_CHECK(false, "read_cifar10: expected labels in 0..9 but got ",
                labels[row].item<int64_t>(), " in record ", row + 1, " of ", name,
                " (the file is damaged or another data set).");
  }
  return {records.slice(1, 1).reshape({rows, kChannels, kCifarSide, kCifarSide}).contiguous(),
          labels, kCifarClasses, "cifar10"};
}

TrainTest load_cifar10(const std::filesystem::path& dir) {
  std::vector<Dataset> batches;
  for (const char* name : kTrainFiles) batches.push_back(read_cifar10(dir / name));
  return {joined(batches), read_cifar10(dir / kTestFile)};
}

std::filesystem::path find_cifar10(std::optional<std::filesystem::path> data_dir) {
  std::vector<fs::path> roots;
  if (data_dir) {
    roots.push_back(*data_dir);
  } else {
    for (fs::path root : {environment_path("LADDER_DATA"), cache_folder("cifar10")}) {
      if (!root.empty()) roots.push_back(std::move(root));
    }
  }
  std::vector<fs::path> dirs;
  for (const fs::path& root : roots) {
    for (const fs::path& place : places(root)) dirs.push_back(place);
  }
  for (const fs::path& dir : dirs) {
    if (missing_batches(dir).empty()) return dir;
  }
  for (const fs::path& dir : dirs) {
    const std::string instead = found_instead(dir);
    TORCH_CHECK(instead.empty(), "find_cifar10: expected CIFAR-10's six binary files but got ",
                instead, ".");
  }
  const fs::path target = data_dir ? *data_dir : cache_folder("cifar10");
  const std::string folder = target.empty() ? "cifar10" : target.string();
  TORCH_CHECK(false, "find_cifar10: expected CIFAR-10's six binary files but got them in none of: ",
              list_folders(dirs), " (",
              data_dir ? "" : "set LADDER_DATA to a folder that holds them, or ",
              "run the two commands)\n  mkdir -p \"", folder, "\"\n  curl -fL ", kCifar10Archive,
              " | tar -xz -C \"", folder, "\"");
}

}  // namespace ladder::data
