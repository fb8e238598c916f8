#include "ladder/data/image_folder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "ladder/core/internal/threads.h"
#include "ladder/data/class_labels.h"
#include "ladder/data/internal/class_places.h"
#include "ladder/data/internal/folders.h"
#include "ladder/data/internal/image_codec.h"
#include "ladder/data/internal/image_samples.h"
#include "ladder/data/label_notes.h"
#include "ladder/io/internal/file_kind.h"
#include "ladder/io/utf8.h"

namespace ladder::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxFileBytes = int64_t{1} << 30;

struct ImageFile {
  std::string name;     // path below the folder
  int64_t class_ = -1;  // index of its class folder
};

std::string sentence(const std::string& fault, const std::string& file, const std::string& hint) {
  return fmt::format("read_image_folder: {} in {}{}.", fault, file,
                     hint.empty() ? "" : " (" + hint + ")");
}

bool is_unlabeled_folder(const std::string& name) {
  const auto lower = lower_text(name);
  return lower == "unlabeled" || lower == "unlabelled" || is_unlabeled(name);
}

// Collects the files below a folder.
class Walk {
 public:
  Walk(fs::path root, std::vector<std::string>& problems)
      : root_(std::move(root)), problems_(problems) {
    // A link to the root, or to a folder around it, would give its files to the class that it is
    // in.
    std::error_code error;
    for (fs::path around = fs::canonical(root_, error); !error && !around.empty();
         around = around.parent_path()) {
      struct stat status {};
      if (::stat(around.c_str(), &status) == 0) above_.emplace_back(status.st_dev, status.st_ino);
      if (around == around.root_path()) break;
    }
  }

  enum class Kind { kFile, kFolder, kOther };

  Kind kind(const std::string& name) {
    struct stat status {};
    if (::stat((root_ / name).c_str(), &status) != 0) return Kind::kOther;
    if (S_ISREG(status.st_mode)) return Kind::kFile;
    if (!S_ISDIR(status.st_mode)) return Kind::kOther;
    folder_ = {status.st_dev, status.st_ino};
    return Kind::kFolder;
  }

  // Adds the files below the folder `name`, sorted by path.
  void add(const std::string& name, int64_t class_, std::vector<ImageFile>& files) {
    if (kind(name) == Kind::kFolder) add_folder(name, class_, files);
  }

  void note_other(const std::string& name) {
    problems_.push_back(
        sentence("expected a file but got a broken link or a device", (root_ / name).string(), ""));
  }

 private:
  void add_folder(const std::string& name, int64_t class_, std::vector<ImageFile>& files) {
    if (std::find(above_.begin(), above_.end(), folder_) != above_.end()) {
      problems_.push_back(sentence("expected a folder but got a link to a folder around it",
                                   (root_ / name).string(), ""));
      return;
    }
    TORCH_CHECK(::access((root_ / name).c_str(), R_OK | X_OK) == 0,
                "read_image_folder: expected a readable folder but could not open ",
                (root_ / name).string(), " (check its permissions).");
    above_.push_back(folder_);
    for (const std::string& entry : names_in(root_ / name)) {
      if (entry.starts_with('.')) continue;
      const std::string path = name + "/" + entry;
      switch (kind(path)) {
        case Kind::kFile:
          files.push_back({path, class_});
          break;
        case Kind::kFolder:
          add_folder(path, class_, files);
          break;
        case Kind::kOther:
          note_other(path);
          break;
      }
    }
    above_.pop_back();
  }

  fs::path root_;
  std::vector<std::string>& problems_;
  std::pair<dev_t, ino_t> folder_ = {};
  std::vector<std::pair<dev_t, ino_t>> above_;  // folders around the one that is looked at
};

// Returns the bytes of a file: all of an image, the head of another one.
std::string image_bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in.is_open()) {
    throw ImageFault("expected a readable file but could not open it", "check its permissions");
  }
  std::string bytes(io::kFileKindBytes, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(in.gcount()));
  if (!bytes.starts_with("\x89PNG") && !bytes.starts_with("\xFF\xD8\xFF")) return bytes;
  std::error_code error;
  const auto size = static_cast<int64_t>(fs::file_size(path, error));
  if (error || size > kMaxFileBytes) {
    throw ImageFault(
        fmt::format("expected an image file of at most {} bytes but got {}", kMaxFileBytes, size));
  }
  const auto head = static_cast<int64_t>(bytes.size());
  if (size > head) {
    bytes.resize(static_cast<size_t>(size));
    in.read(bytes.data() + head, size - head);
    bytes.resize(static_cast<size_t>(head + in.gcount()));
  }
  return bytes;
}

// Runs f(index of a file) for all files on the library's threads.
template <typename F>
void for_each_file(size_t count, F&& f) {
  threads::share_tasks(static_cast<int64_t>(count), at::get_num_threads() - 1,
                       [&](int64_t task) { f(static_cast<size_t>(task)); });
}

// Returns the sizes of the images that can be read, the smallest first.
std::vector<SizeGroup> sizes_of(const std::vector<ImageFile>& files,
                                const std::vector<ImageInfo>& infos) {
  std::map<std::pair<int64_t, int64_t>, SizeGroup> found;
  for (size_t i = 0; i < files.size(); ++i) {
    if (infos[i].channels == 0) continue;
    const std::pair size(infos[i].height, infos[i].width);
    ++found.try_emplace(size, SizeGroup{size, 0, files[i].name}).first->second.count;
  }
  std::vector<SizeGroup> groups;
  for (auto& [size, group] : found) groups.push_back(std::move(group));
  return groups;
}

// Returns the one size of all images. Error: several sizes.
std::pair<int64_t, int64_t> common_size(const fs::path& folder,
                                        const std::vector<SizeGroup>& groups) {
  if (groups.size() == 1) return groups.front().size;
  const auto& [height, width] =
      std::max_element(groups.begin(), groups.end(), [](const auto& left, const auto& right) {
        return left.count < right.count;
      })->size;
  TORCH_CHECK(false, "read_image_folder: expected images of one size, height x width, but got ",
              sizes_text(groups), " in ", folder.string(),
              " (give the size to scale them to: --size ", height, "x", width,
              ", or ImageFolderOptions::size).");
}

void check_memory(const fs::path& folder, int64_t rows, int64_t bytes_per_row) {
  const auto pages = static_cast<double>(::sysconf(_SC_PHYS_PAGES));
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  const double wanted = static_cast<double>(rows) * static_cast<double>(bytes_per_row);
  TORCH_CHECK(wanted <= pages * page, "read_image_folder: expected images that fit into memory (",
              fmt::format("{:.1f} GiB) but got {} images of {} bytes", pages * page / (1 << 30),
                          rows, bytes_per_row),
              " in ", folder.string(), " (scale them down: --size HxW).");
}

// Writes pixels [H, W, C] to the row [channels, height, width] of the result.
void put_pixels(const std::vector<uint8_t>& pixels, const ImageInfo& info,
                const torch::Tensor& row) {
  const torch::Tensor image = at::from_blob(const_cast<uint8_t*>(pixels.data()),
                                            {info.height, info.width, info.channels}, at::kByte)
                                  .permute({2, 0, 1});  // [C, H, W]
  row.copy_(scale_images(image.unsqueeze(0), {row.size(1), row.size(2)}).squeeze(0).expand_as(row));
}

// "'a', 'b' and 3 more" of names in quotes.
std::string first_names(const std::vector<std::string>& names) {
  constexpr size_t kShown = 5;
  std::string text;
  for (size_t i = 0; i < names.size() && i < kShown; ++i) {
    text += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
  }
  return names.size() > kShown ? text + fmt::format(" and {} more", names.size() - kShown) : text;
}

// Classes without a picture, `totals` of whose files could not be read.
std::vector<std::string> lost_class_notes(const std::vector<std::string>& classes,
                                          const std::vector<int64_t>& counts,
                                          const std::vector<int64_t>& totals) {
  std::vector<std::string> lost;
  for (size_t c = 0; c < classes.size(); ++c) {
    if (counts[c] > 0) continue;
    lost.push_back(fmt::format("'{}' ({})", classes[c],
                               totals[c] == 0   ? std::string("no file")
                               : totals[c] == 1 ? std::string("1 file")
                                                : fmt::format("{} files", totals[c])));
  }
  if (lost.empty()) return {};
  return {fmt::format("{} left out because no picture of {} can be read: {}",
                      lost.size() == 1 ? "a class is" : fmt::format("{} classes are", lost.size()),
                      lost.size() == 1 ? "it" : "them", first_names(lost))};
}

// Classes that are named as if nobody had sorted their pictures.
std::vector<std::string> unsorted_class_notes(const std::vector<std::string>& classes,
                                              const std::vector<int64_t>& counts, int64_t rows) {
  std::vector<std::string> notes;
  for (size_t c = 0; c < classes.size(); ++c) {
    if (counts[c] == 0 || !is_unsorted_name(classes[c])) continue;
    notes.push_back(fmt::format(
        "the folder '{}' is read as a class, of {} of {} pictures (name it unlabeled if their "
        "class is not known)",
        classes[c], counts[c], rows));
  }
  return notes;
}

void refuse_parts(const fs::path& folder, const std::vector<std::string>& classes) {
  if (classes.size() < 2 || !std::all_of(classes.begin(), classes.end(), is_part_name)) return;
  std::string list;
  for (const std::string& name : classes) list += (list.empty() ? "" : ", ") + name;
  TORCH_CHECK(false, "read_image_folder: expected folders of classes but got ", list, " in ",
              folder.string(), " (read each part by itself: ", (folder / classes.front()).string(),
              ").");
}

}  // namespace

Samples read_image_folder(const std::filesystem::path& folder, const ImageFolderOptions& options) {
  std::error_code error;
  const auto status = fs::status(folder, error);
  TORCH_CHECK(fs::exists(status), "read_image_folder: expected a folder but got nothing at ",
              folder.string(), " (check the path).");
  TORCH_CHECK(fs::is_directory(status), "read_image_folder: expected a folder but got a file at ",
              folder.string(), ".");
  TORCH_CHECK(::access(folder.c_str(), R_OK | X_OK) == 0,
              "read_image_folder: expected a readable folder but could not open ", folder.string(),
              " (check its permissions).");
  if (options.size) check_image_size("read_image_folder", *options.size);

  Samples samples;
  samples.source = folder.string();
  Walk walk(folder, samples.problems);
  std::vector<std::string> folders;
  std::vector<std::string> unlabeled;
  std::vector<ImageFile> loose;
  for (const std::string& name : names_in(folder)) {
    if (name.starts_with('.')) continue;
    switch (walk.kind(name)) {
      case Walk::Kind::kFolder:
        (is_unlabeled_folder(name) ? unlabeled : folders).push_back(name);
        break;
      case Walk::Kind::kFile:
        loose.push_back({name, -1});
        break;
      case Walk::Kind::kOther:
        walk.note_other(name);
        break;
    }
  }
  for (const std::string& name : folders) {
    TORCH_CHECK(!options.folders_are_classes || io::utf8_prefix(name) == name.size(),
                "read_image_folder: expected names of classes in UTF-8 but got '",
                name.substr(0, io::utf8_prefix(name)), "' and other bytes in ", folder.string(),
                " (rename the folder).");
  }
  if (options.folders_are_classes) refuse_parts(folder, folders);
  const auto classes = ordered_classes(folders);
  const ClassPlaces places(classes, folders);  // folders 1 and 1.0 are one class
  std::stable_sort(folders.begin(), folders.end(), [&](const auto& left, const auto& right) {
    return places.find(left) < places.find(right);
  });

  std::vector<ImageFile> files;
  for (const std::string& name : folders) walk.add(name, places.find(name), files);
  for (const std::string& name : unlabeled) walk.add(name, -1, files);
  files.insert(files.end(), loose.begin(), loose.end());
  TORCH_CHECK(!files.empty(), "read_image_folder: expected PNG or JPEG images but got no file in ",
              folder.string(), " (subfolders are classes, unlabeled/ has no labels).");

  // Sizes first, so that all pixels go into one tensor.
  std::vector<ImageInfo> infos(files.size());
  std::vector<std::string> faults(files.size());
  const auto path_of = [&](size_t i) { return folder / files[i].name; };
  const auto attempt = [&](size_t i, const auto& f) {
    try {
      f();
    } catch (const ImageFault& fault) {
      infos[i] = {};
      faults[i] = sentence(fault.what(), path_of(i).string(), fault.hint());
    }
  };
  for_each_file(files.size(), [&](size_t i) {
    attempt(i, [&] { infos[i] = read_image_info(image_bytes(path_of(i))); });
  });
  const auto count_good = [&] {
    return std::count_if(infos.begin(), infos.end(),
                         [](const ImageInfo& info) { return info.channels != 0; });
  };
  const auto require_good = [&] {
    if (count_good() > 0) return;
    const auto first = std::find_if(faults.begin(), faults.end(),
                                    [](const std::string& fault) { return !fault.empty(); });
    TORCH_CHECK(false, "read_image_folder: expected PNG or JPEG images but could read none of ",
                files.size(), files.size() == 1 ? " file in " : " files in ", folder.string(),
                " (the first: ", first->substr(first->find(": ") + 2), ")");
  };
  require_good();

  const auto [height, width] =
      options.size ? *options.size : common_size(folder, sizes_of(files, infos));
  const int64_t channels =
      std::any_of(infos.begin(), infos.end(), [](const ImageInfo& i) { return i.channels == 3; })
          ? 3
          : 1;
  check_memory(folder, static_cast<int64_t>(count_good()), channels * height * width);

  std::vector<int64_t> row_of(files.size(), -1);
  int64_t rows = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    if (infos[i].channels != 0) row_of[i] = rows++;
  }
  torch::Tensor images = at::empty({rows, channels, height, width}, at::kByte);
  for_each_file(files.size(), [&](size_t i) {
    if (row_of[i] < 0) return;
    attempt(i, [&] {
      std::vector<uint8_t> pixels;
      const ImageInfo info = decode_image(image_bytes(path_of(i)), pixels);
      if (info.height != infos[i].height || info.width != infos[i].width ||
          info.channels != infos[i].channels) {
        throw ImageFault("expected an unchanged file but got another image when it was read again");
      }
      put_pixels(pixels, info, images[row_of[i]]);
    });
  });
  require_good();

  // Rows of files that were damaged behind their head are left out.
  std::vector<int64_t> labels;
  const int64_t row_bytes = channels * height * width;
  auto* data = images.data_ptr<uint8_t>();
  std::vector<int64_t> counts(classes.size(), 0);
  std::vector<int64_t> totals(classes.size(), 0);
  const auto sizes = sizes_of(files, infos);
  for (size_t i = 0; i < files.size(); ++i) {
    if (files[i].class_ >= 0) ++totals[static_cast<size_t>(files[i].class_)];
    if (infos[i].channels == 0) {
      samples.problems.push_back(std::move(faults[i]));
      continue;
    }
    const auto row = static_cast<int64_t>(labels.size());
    if (row != row_of[i]) {
      std::memmove(data + row * row_bytes, data + row_of[i] * row_bytes,
                   static_cast<size_t>(row_bytes));
    }
    labels.push_back(files[i].class_);
    if (files[i].class_ >= 0) ++counts[static_cast<size_t>(files[i].class_)];
    samples.names.push_back(std::move(files[i].name));
  }
  samples.images = images.narrow(0, 0, static_cast<int64_t>(labels.size()));

  std::vector<int64_t> index(classes.size(), -1);
  for (size_t i = 0; i < classes.size(); ++i) {
    if (counts[i] == 0) continue;
    index[i] = static_cast<int64_t>(samples.classes.size());
    samples.classes.push_back(classes[i]);
  }
  // What costs the most comes first: a program may show only some of the notes.
  const auto note = [&](const std::vector<std::string>& more) {
    samples.notes.insert(samples.notes.end(), more.begin(), more.end());
  };
  if (options.folders_are_classes) {
    note(lost_class_notes(classes, counts, totals));
    note(unsorted_class_notes(classes, counts, static_cast<int64_t>(labels.size())));
    note(class_name_notes(samples.classes));
  }
  if (auto text = scaling_note(sizes, {height, width}); !text.empty()) note({text});
  for (int64_t& label : labels) {
    if (label >= 0) label = index[static_cast<size_t>(label)];
  }
  samples.labels = at::tensor(labels, at::kLong);
  return samples;
}

Samples read_image_file(const std::filesystem::path& path, const ImageFolderOptions& options) {
  if (options.size) check_image_size("read_image_file", *options.size);
  std::vector<uint8_t> pixels;
  ImageInfo info;
  try {
    info = decode_image(image_bytes(path), pixels);
  } catch (const ImageFault& fault) {
    TORCH_CHECK(false, "read_image_file: ", fault.what(), " in ", path.string(),
                fault.hint().empty() ? "" : " (" + fault.hint() + ")", ".");
  }
  const auto [height, width] = options.size.value_or(std::pair(info.height, info.width));
  Samples samples;
  samples.source = path.string();
  samples.images = at::empty({1, info.channels, height, width}, at::kByte);
  put_pixels(pixels, info, samples.images[0]);
  samples.labels = at::full({1}, -1, at::kLong);
  samples.names = {path.filename().string()};
  const SizeGroup one{.size = {info.height, info.width}, .count = 1, .first = samples.names[0]};
  if (auto note = scaling_note({one}, {height, width}); !note.empty()) samples.notes = {note};
  return samples;
}

}  // namespace ladder::data
