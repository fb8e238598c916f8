#include "ladder/data/label_notes.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <unordered_set>
#include <utility>

#include "ladder/core/nearest_name.h"
#include "ladder/data/class_labels.h"
#include "ladder/data/internal/class_places.h"
#include "ladder/data/internal/folders.h"
#include "ladder/data/internal/label_column.h"
#include "ladder/io/utf8.h"

namespace ladder::data {
namespace {

constexpr size_t kMaxNames = 4;  // in a note

std::string rows_text(int64_t rows) { return fmt::format("{} row{}", rows, rows == 1 ? "" : "s"); }

// How names that are equal when folded differ.
std::string difference_of(const std::vector<std::string>& names) {
  std::unordered_set<std::string> letters;
  for (const auto& name : names) letters.insert(io::decomposed_text(name));
  if (letters.size() == names.size()) return "case or spaces";
  return letters.size() == 1 ? "the encoding of their accents"
                             : "case, spaces or the encoding of their accents";
}

bool looks_missing(const std::string& name) {
  static const std::unordered_set<std::string> names = {
      "none", "na", "n/a", "null", "nan", "nil",       "missing",    "unknown",
      "?",    "??", ".",   "-",    "--",  "unlabeled", "unlabelled", "undefined"};
  return names.contains(folded_class(name));
}

// A name as a word of a flag that takes several.
std::string with_commas_kept(const std::string& name) {
  std::string word;
  for (const char c : name) word += c == ',' ? std::string("\\,") : std::string(1, c);
  return word;
}

// "a, b and 3 more": at most a few names in quotes.
std::string some_names(const std::vector<std::string>& names, size_t most) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < most; ++i) {
    const bool last = i + 1 == names.size();
    text += fmt::format("{}'{}'", i == 0 ? "" : last ? " and " : ", ", names[i]);
  }
  if (names.size() > most) text += fmt::format(" and {} more", names.size() - most);
  return text;
}

}  // namespace

std::vector<std::string> label_notes(const Column& column,
                                     const std::vector<std::string>& classes) {
  constexpr size_t kMaxGroups = 3;
  std::vector<std::string> notes;
  if (const auto rows = rows_of_minus_one(column, classes); rows > 0) {
    notes.push_back("-1 means no label: " + rows_text(rows));
  }
  std::string missing;
  for (const auto& [text, rows] : column.missing_texts) {
    missing += fmt::format("{}{} '{}'", missing.empty() ? "" : ", ", rows_text(rows), text);
  }
  if (!missing.empty()) notes.push_back("missing values mean no label: " + missing);

  const auto texts = label_texts(column);
  const ClassPlaces places(classes, texts);
  std::map<int64_t, std::vector<std::string>> spellings;
  for (const auto& text : texts) {
    const auto place = places.find(text);
    if (place >= 0) spellings[place].push_back(text);
  }
  size_t groups = 0;
  for (auto& [place, names] : spellings) {
    if (names.size() < 2) continue;
    if (++groups > kMaxGroups) continue;
    std::sort(names.begin(), names.end());
    notes.push_back(fmt::format("labels {} are one class", some_names(names, kMaxNames)));
  }
  if (groups > kMaxGroups) {
    notes.push_back(
        fmt::format("labels of {} more classes have several spellings", groups - kMaxGroups));
  }

  for (auto& note : class_name_notes(classes)) notes.push_back(std::move(note));
  for (const auto& name : classes) {
    if (looks_missing(name) || means_no_label(name, /*commas=*/true)) {
      notes.push_back(
          fmt::format("class '{}' looks like a missing value (--missing '{}' if it means no label)",
                      name, with_commas_kept(name)));
    }
  }
  return notes;
}

std::vector<std::string> class_name_notes(const std::vector<std::string>& classes) {
  std::vector<std::string> notes;
  std::map<std::string, std::vector<std::string>> alike;
  for (const auto& name : classes) alike[folded_class(name)].push_back(name);
  for (const auto& [folded, names] : alike) {
    if (names.size() > 1) {
      notes.push_back(fmt::format("classes {} differ only in {}", some_names(names, kMaxNames),
                                  difference_of(names)));
    }
  }
  return notes;
}

std::vector<std::string> single_row_notes(const torch::Tensor& labels,
                                          const std::vector<std::string>& classes) {
  constexpr int64_t kUsualRows = 5;  // of a class, for a single one to be strange
  constexpr size_t kMaxNotes = 3;
  const auto classes_count = std::ssize(classes);
  const auto counts = at::bincount(labels.masked_select(labels.ge(0)), {}, classes_count);
  if (counts.sum().item<int64_t>() < kUsualRows * classes_count) return {};
  std::vector<std::string> singles, others, notes;
  for (size_t c = 0; c < classes.size(); ++c) {
    const bool single = counts[static_cast<int64_t>(c)].item<int64_t>() == 1;
    (single ? singles : others).push_back(classes[c]);
  }
  for (size_t i = 0; i < singles.size() && i < kMaxNotes; ++i) {
    const auto nearest = nearest_name(singles[i], others);
    notes.push_back(
        fmt::format("class '{}' has a single labeled row{}", singles[i],
                    nearest.empty() ? "" : fmt::format(" (did you mean '{}'?)", nearest)));
  }
  if (singles.size() > kMaxNotes) {
    notes.push_back(
        fmt::format("{} more classes have a single labeled row", singles.size() - kMaxNotes));
  }
  return notes;
}

}  // namespace ladder::data
