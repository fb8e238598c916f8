#include "ladder/data/cifar_folder.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <string>
#include <system_error>
#include <vector>

#include "ladder/data/cifar10.h"
#include "ladder/data/internal/cifar_records.h"
#include "ladder/data/internal/folders.h"

namespace ladder::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kFineClasses = 100;
constexpr int64_t kCoarseClasses = 20;
constexpr const char* kNamesReader = "read_cifar_folder";

bool is_plain_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

std::vector<std::string> part_files(bool hundred, Part part) {
  if (hundred) return {part == Part::kTrain ? "train.bin" : "test.bin"};
  if (part == Part::kTest) return {"test_batch.bin"};
  return {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
          "data_batch_5.bin"};
}

bool holds_any(const fs::path& folder, bool hundred) {
  if (hundred && is_plain_file(folder / "train.bin") && is_plain_file(folder / "test.bin")) {
    return true;
  }
  for (const Part part : {Part::kTrain, Part::kTest}) {
    for (const std::string& name : part_files(hundred, part)) {
      // The names of CIFAR-100 are common ones, so the size of a single file must fit too.
      const fs::path path = folder / name;
      if (hundred ? is_cifar_file(path) : is_plain_file(path)) return true;
    }
  }
  return false;
}

struct CifarPlace {
  fs::path folder;
  bool hundred = false;
};

// Returns the folder that holds CIFAR's files: `folder` or one below it.
std::optional<CifarPlace> find_place(const fs::path& folder) {
  for (const fs::path& place : {folder, folder / "cifar-10-batches-bin"}) {
    if (holds_any(place, false)) return CifarPlace{place, false};
  }
  for (const fs::path& place : {folder, folder / "cifar-100-binary"}) {
    if (holds_any(place, true)) return CifarPlace{place, true};
  }
  return std::nullopt;
}

void read_one(const fs::path& path, bool hundred, CifarLabels kind,
              std::vector<torch::Tensor>& images, std::vector<torch::Tensor>& labels) {
  if (hundred) {
    Cifar100Rows rows = read_cifar100(path);
    images.push_back(rows.images);
    labels.push_back(kind == CifarLabels::kFine ? rows.fine : rows.coarse);
  } else {
    Dataset rows = read_cifar10(path);
    images.push_back(rows.inputs);
    labels.push_back(rows.labels);
  }
}

Samples read_files(const fs::path& folder, const std::vector<std::string>& files, bool hundred,
                   CifarLabels kind) {
  std::vector<torch::Tensor> images;
  std::vector<torch::Tensor> labels;
  for (const std::string& name : files) read_one(folder / name, hundred, kind, images, labels);
  Samples samples;
  samples.images = torch::cat(images);
  samples.labels = torch::cat(labels);
  if (!hundred) {
    samples.classes = cifar_class_names(kNamesReader, folder / kCifar10Names, 10);
  } else if (kind == CifarLabels::kFine) {
    samples.classes =
        cifar_class_names(kNamesReader, folder / "fine_label_names.txt", kFineClasses);
  } else {
    samples.classes =
        cifar_class_names(kNamesReader, folder / "coarse_label_names.txt", kCoarseClasses);
  }
  return samples;
}

}  // namespace

Cifar100Rows read_cifar100(const std::filesystem::path& path) {
  const torch::Tensor records = read_cifar_records(path, kCifar100Format, kCifar10Format);
  return {cifar_images(records, kCifar100Format),
          cifar_labels(records, 1, kFineClasses, path, kCifar100Format),
          cifar_labels(records, 0, kCoarseClasses, path, kCifar100Format)};
}

bool holds_cifar(const std::filesystem::path& folder, std::optional<Part> part) {
  const auto place = find_place(folder);
  return place && (!part || is_plain_file(place->folder / part_files(place->hundred, *part)[0]));
}

Samples read_cifar_folder(const std::filesystem::path& folder, Part part, CifarLabels labels) {
  const auto place = find_place(folder);
  TORCH_CHECK(place,
              "read_cifar_folder: expected the binary files of CIFAR-10 (data_batch_1.bin, "
              "...) or CIFAR-100 (train.bin, test.bin) but found neither in ",
              folder.string(), ".");
  Samples samples =
      read_files(place->folder, part_files(place->hundred, part), place->hundred, labels);
  samples.source = folder.string();
  return samples;
}

bool is_cifar_file(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  if (!is_plain_file(path)) return false;
  std::error_code error;
  const auto size = static_cast<int64_t>(fs::file_size(path, error));
  if (error || size == 0) return false;
  for (const bool hundred : {false, true}) {
    for (const Part part : {Part::kTrain, Part::kTest}) {
      const auto names = part_files(hundred, part);
      if (std::find(names.begin(), names.end(), name) == names.end()) continue;
      const auto& format = hundred ? kCifar100Format : kCifar10Format;
      return size % (format.labels + kCifarPixels) == 0;
    }
  }
  return false;
}

Samples read_cifar_file(const std::filesystem::path& path, CifarLabels labels) {
  const std::string name = path.filename().string();
  const bool hundred = name == "train.bin" || name == "test.bin";
  Samples samples = read_files(path.parent_path(), {name}, hundred, labels);
  samples.source = path.string();
  return samples;
}

}  // namespace ladder::data
