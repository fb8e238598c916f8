#include "ladder/data/internal/folders.h"

#include <dirent.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include "ladder/io/utf8.h"

namespace ladder::data {

namespace fs = std::filesystem;

namespace {

bool is_regular(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool is_empty_file(const fs::path& path) {
  std::error_code error;
  return fs::file_size(path, error) == 0;
}

}  // namespace

std::filesystem::path environment_path(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? fs::path() : fs::path(value);
}

std::filesystem::path cache_folder(const std::string& name) {
  const fs::path cache = environment_path("XDG_CACHE_HOME");
  if (cache.is_absolute()) return cache / "ladder" / name;
  const fs::path home = environment_path("HOME");
  return home.empty() ? fs::path() : home / ".cache" / "ladder" / name;
}

std::string list_folders(const std::vector<std::filesystem::path>& folders) {
  std::string out;
  for (const fs::path& folder : folders) out += (out.empty() ? "" : ", ") + folder.string();
  return out.empty() ? "no folder" : out;
}

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(folder.c_str()), &::closedir);
  if (dir == nullptr) return names;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string lower_text(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string folded_class(const std::string& name) {
  constexpr std::string_view kNoBreakSpace = "\xC2\xA0";
  std::string form = io::folded_text(name);
  std::erase_if(form, [](char c) { return c == ' ' || c == '\t'; });
  for (size_t at = form.find(kNoBreakSpace); at != form.npos; at = form.find(kNoBreakSpace, at)) {
    form.erase(at, kNoBreakSpace.size());
  }
  return form;
}

bool is_unsorted_name(const std::string& folder) {
  constexpr std::array<std::string_view, 18> kNames = {
      "unsorted", "unclassified", "uncategorized",   "unknown",
      "new",      "todo",         "inbox",           "nolabel",
      "nolabels", "unsortiert",   "unklassifiziert", "unbekannt",
      "neu",      "neue",         "ungelabelt",      "ohnelabel",
      "eingang",  "unlabled"};
  std::string name = folded_class(folder);
  std::erase_if(name, [](char c) { return c == '-' || c == '_'; });
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

bool is_part_name(const std::string& folder) {
  const auto name = lower_text(folder);
  return name == "train" || name == "training" || name == "test" || name == "testing" ||
         name == "val" || name == "valid" || name == "validation";
}

bool is_picture_name(const std::string& file) {
  const auto name = lower_text(file);
  return name.ends_with(".png") || name.ends_with(".jpg") || name.ends_with(".jpeg");
}

std::string plain_name(std::string name) {
  name = lower_text(std::move(name));
  std::replace(name.begin(), name.end(), '_', '-');
  for (bool stripped = true; stripped;) {
    stripped = false;
    for (const std::string ending : {".gz", ".idx", ".bin", ".ubyte"}) {
      if (name.size() > ending.size() && name.ends_with(ending)) {
        name.resize(name.size() - ending.size());
        stripped = true;
      }
    }
  }
  std::replace(name.begin(), name.end(), '.', '-');
  return name;
}

std::filesystem::path find_named_file(const std::filesystem::path& folder,
                                      const std::string& stem) {
  std::vector<fs::path> found;
  for (const std::string& name : names_in(folder)) {
    if (plain_name(name) != stem) continue;
    if (is_regular(folder / name)) {
      found.push_back(folder / name);
      continue;
    }
    for (const std::string& inner : names_in(folder / name)) {
      const fs::path path = folder / name / inner;
      if (plain_name(inner) == stem && is_regular(path)) found.push_back(path);
    }
  }
  const auto rank = [&](const fs::path& path) {
    const std::string name = path.filename().string();
    const int spelling = name == stem ? 0 : name == stem + ".gz" ? 1 : 2;
    return std::tuple(is_empty_file(path), path.parent_path() != folder, spelling, path.string());
  };
  const auto best = std::min_element(
      found.begin(), found.end(),
      [&](const fs::path& left, const fs::path& right) { return rank(left) < rank(right); });
  return best == found.end() ? fs::path() : *best;
}

bool is_folder(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

bool is_a_file(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

}  // namespace ladder::data
