#include "apps/commands/tune_record.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/io/text_file.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include "apps/support/command_line.h"
#include "apps/support/json.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// Arguments with the value of a flag beside it: "--noise 0.5" is one. Those of --epochs are named
// apart.
std::vector<std::string> joined_arguments(const ordered_json& arguments) {
  std::vector<std::string> found;
  bool takes_value = false;
  for (const auto& argument : arguments) {
    const auto word = argument.get<std::string>();
    const bool is_flag = word.starts_with("--");
    if (takes_value && !is_flag) {
      found.back() += " " + word;
    } else {
      found.push_back(word);
    }
    takes_value = is_flag && word.find('=') == std::string::npos;
  }
  std::erase_if(found, [](const std::string& argument) {
    return argument.starts_with("--epochs ") || argument.starts_with("--epochs=");
  });
  return found;
}

// Words of one list that the other one lacks.
std::vector<std::string> words_besides(const std::vector<std::string>& words,
                                       const std::vector<std::string>& others) {
  std::vector<std::string> found;
  std::copy_if(words.begin(), words.end(), std::back_inserter(found), [&](const auto& word) {
    return std::find(others.begin(), others.end(), word) == others.end();
  });
  return found;
}

// What two calls asked for differently, in words.
std::string differences(const ordered_json& there, const ordered_json& here) {
  std::vector<std::string> found;
  const auto differ = [&](const char* key) {
    return there.value(key, ordered_json()) != here.value(key, ordered_json());
  };
  for (const char* key : {"trials", "draws", "epochs"}) {
    if (!differ(key)) continue;
    found.push_back(fmt::format("--{} {} there and {} here", key,
                                there.value(key, ordered_json()).dump(), here.at(key).dump()));
  }
  if (differ("data")) found.emplace_back("other rows");
  if (differ("settings")) found.emplace_back("another file of --config");
  if (differ("arguments")) {
    const auto before = joined_arguments(there.value("arguments", ordered_json::array()));
    const auto now = joined_arguments(here.at("arguments"));
    for (const auto& word : words_besides(before, now)) found.push_back(word + " there only");
    for (const auto& word : words_besides(now, before)) found.push_back(word + " here only");
    if (found.empty()) found.emplace_back("another order of the arguments");
  }
  return fmt::format("{}", fmt::join(found, ", "));
}

}  // namespace

std::string record_text(const ordered_json& record) {
  return record.dump(2, ' ', /*ensure_ascii=*/false, ordered_json::error_handler_t::replace) + "\n";
}

void check_same_command(const fs::path& file, const ordered_json& asked) {
  const auto text = io::read_text_if_present(file);
  if (!text) return;
  const auto record = parse_json(*text);
  const auto there = record.is_object() ? record.value("asked", ordered_json()) : ordered_json();
  if (there == asked) return;
  throw UsageError(fmt::format(
      "expected the flags and data that {} was started with but got others: {} (--out takes "
      "another folder).",
      file.parent_path().string(),
      there.is_object() ? differences(there, asked) : "no record of them in tune.json"));
}

double error_in(const fs::path& evaluation) {
  const auto text = io::read_text_if_present(evaluation, int64_t{1} << 30);  // of many classes
  const auto json = text ? parse_json(*text) : ordered_json();
  TORCH_CHECK(json.is_object() && json.contains("held_back"),
              "expected the error on held-back rows in ", evaluation.string(),
              " but got none (see run.log beside it).");
  return json.at("held_back").at("error").get<double>();
}

}  // namespace ladder::apps
