#include "ladder/data/cifar10.h"

#include <c10/util/Exception.h>
#include <torch/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "ladder/data/internal/cifar_records.h"
#include "ladder/data/internal/folders.h"

namespace ladder::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCifarClasses = 10;
constexpr std::array kTrainFiles = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                    "data_batch_4.bin", "data_batch_5.bin"};
constexpr const char* kTestFile = "test_batch.bin";
constexpr const char* kArchiveFile = "cifar-10-binary.tar.gz";

std::vector<fs::path> places(const fs::path& root) {
  return {root, root / "cifar-10-batches-bin", root / "cifar10",
          root / "cifar10" / "cifar-10-batches-bin"};
}

std::vector<std::string> missing_batches(const fs::path& dir) {
  std::vector<std::string> missing;
  for (const char* name : kTrainFiles) {
    if (!is_a_file(dir / name)) missing.emplace_back(name);
  }
  if (!is_a_file(dir / kTestFile)) missing.emplace_back(kTestFile);
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
  if (is_a_file(archive)) {
    return "the packed archive (unpack it: tar -xzf \"" + archive.string() + "\" -C \"" + dir +
           "\")";
  }
  for (const fs::path& folder : {place, place / "cifar-100-binary"}) {
    if (is_a_file(folder / "train.bin") && is_a_file(folder / "test.bin")) {
      return "CIFAR-100's in " + folder.string() + " (the set of 100 classes is not supported)";
    }
  }
  for (const fs::path& folder : {place, place / "cifar-10-batches-py"}) {
    if (is_a_file(folder / "data_batch_1")) {
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
  const torch::Tensor records = read_cifar_records(path, kCifar10Format, kCifar100Format);
  const torch::Tensor labels = cifar_labels(records, 0, kCifarClasses, path, kCifar10Format);
  return {cifar_images(records, kCifar10Format), labels, kCifarClasses, "cifar10"};
}

TrainTest load_cifar10(const std::filesystem::path& dir) {
  std::vector<Dataset> batches;
  for (const char* name : kTrainFiles) batches.push_back(read_cifar10(dir / name));
  TrainTest data{joined(batches), read_cifar10(dir / kTestFile)};
  data.train.class_names = cifar_class_names("load_cifar10", dir / kCifar10Names, kCifarClasses);
  data.test.class_names = data.train.class_names;
  return data;
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
