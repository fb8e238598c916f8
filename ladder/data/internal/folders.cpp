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

// What U+00C0 to U+017F are made of: a letter, and the mark on it as its place among the marks; a
// dot where there is no mark.
constexpr char32_t kFirstMarked = 0xC0;
constexpr std::string_view kBaseLetters =
    "AAAAAA.CEEEEIIII.NOOOOO..UUUUY..aaaaaa.ceeeeiiii.nooooo..uuuuy.y"
    "AaAaAaCcCcCcCcDd..EeEeEeEeEeGgGgGgGgHh..IiIiIiIiI...JjKk.LlLlLl."
    "...NnNnNn...OoOoOo..RrRrRrSsSsSsSsTtTt..UuUuUuUuUuUuWwYyYZzZzZz.";
constexpr std::string_view kMarkPlaces =
    "abcdef.gabceabce.dabcde..abceb..abcdef.gabceabce.dabcde..abceb.e"
    "hhiijjbbcckkllll..hhiikkjjllcciikkggcc..ddhhiijjk...ccgg.bbggll."
    "...bbggll...hhiimm..bbggllbbccggllggll..ddhhiiffmmjjccccebbkkll.";
constexpr std::array<char32_t, 13> kLetterMarks = {0x300, 0x301, 0x302, 0x303, 0x308, 0x30A, 0x327,
                                                   0x304, 0x306, 0x328, 0x307, 0x30C, 0x30B};

char32_t code_point(std::string_view character) {
  const auto first = static_cast<unsigned char>(character.front());
  if (character.size() == 1) return first;
  char32_t code = first & (0x7FU >> character.size());
  for (const char c : character.substr(1)) code = code << 6 | (static_cast<unsigned>(c) & 0x3FU);
  return code;
}

void append_code(std::string& text, char32_t code) {
  const auto tail = [&](int shift) { text += static_cast<char>(0x80U | (code >> shift & 0x3FU)); };
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xC0U | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    text += static_cast<char>(0xE0U | code >> 12);
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xF0U | code >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

// The small letter of a letter that stands without a mark.
char32_t small_letter(char32_t code) {
  const auto within = [code](char32_t first, char32_t last) {
    return code >= first && code <= last;
  };
  if (within('A', 'Z') || within(0xC0, 0xDE)) return code == 0xD7 ? code : code + 0x20;
  if (within(0x100, 0x137) || within(0x14A, 0x177)) return code | 1U;
  if (within(0x139, 0x148) || within(0x179, 0x17E)) return code + code % 2;
  if (within(0x391, 0x3A9) || within(0x410, 0x42F)) return code + 0x20;
  if (within(0x400, 0x40F)) return code + 0x50;
  return code == 0x1E9E ? 0xDF : code;  // the sharp s
}

bool is_name_blank(char32_t code) { return code == ' ' || code == '\t' || code == 0xA0; }

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

std::string spelling_form(const std::string& name, bool fold) {
  std::string form;
  const auto append = [&](char32_t code) {
    if (!fold) {
      append_code(form, code);
    } else if (!is_name_blank(code)) {
      append_code(form, small_letter(code));
    }
  };
  for (std::string_view rest = name; !rest.empty();) {
    const size_t size = io::character_size(rest);
    if (size == 0) return form + std::string(rest);  // not UTF-8
    const char32_t code = code_point(rest.substr(0, size));
    rest.remove_prefix(size);
    const size_t place = code < kFirstMarked ? kBaseLetters.size() : code - kFirstMarked;
    if (place < kBaseLetters.size() && kBaseLetters[place] != '.') {
      append(static_cast<unsigned char>(kBaseLetters[place]));
      append(kLetterMarks[static_cast<size_t>(kMarkPlaces[place] - 'a')]);
    } else {
      append(code);
    }
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
  std::string name = spelling_form(folder, true);
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

}  // namespace ladder::data
