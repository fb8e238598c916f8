/// What a program prints and what its runs leave in their folders.
#pragma once

#include <ladder/io/tensor_file.h>
#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

namespace ladder::testing {

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

/// The sentence after "program: " in what a program printed as its error.
inline std::string one_sentence(const std::string& program, const std::string& err) {
  const std::string prefix = program + ": ";
  return err.starts_with(prefix) && err.ends_with("\n")
             ? err.substr(prefix.size(), err.size() - prefix.size() - 1)
             : "(not one sentence) " + err;
}

inline nlohmann::json read_json(const std::filesystem::path& path) {
  return nlohmann::json::parse(file_bytes(path));
}

/// Requires that two runs ended with the same of everything but times.
inline void require_same_run(const std::filesystem::path& left,
                             const std::filesystem::path& right) {
  const auto tensors = io::load_tensors(left / "checkpoint.pt");
  const auto others = io::load_tensors(right / "checkpoint.pt");
  REQUIRE(tensors.size() == others.size());
  int compared = 0;
  for (const auto& [name, tensor] : tensors) {
    INFO(name);
    REQUIRE(others.contains(name));
    if (!name.starts_with("state.")) {
      REQUIRE(torch::equal(tensor, others.at(name)));
      ++compared;
    }
  }
  REQUIRE(compared > 10);
  const auto result = read_json(left / "result.json");
  const auto other = read_json(right / "result.json");
  for (const char* key : {"status", "steps", "test_error", "epoch"}) {
    CHECK(result.at(key) == other.at(key));
  }
  const auto metrics = lines_of(file_bytes(left / "metrics.jsonl"));
  const auto other_metrics = lines_of(file_bytes(right / "metrics.jsonl"));
  REQUIRE(metrics.size() == other_metrics.size());
  for (size_t i = 0; i < metrics.size(); ++i) {
    const auto line = nlohmann::json::parse(metrics[i]);
    const auto other_line = nlohmann::json::parse(other_metrics[i]);
    for (const char* key : {"epoch", "step", "test_error", "total", "supervised", "denoising"}) {
      REQUIRE(line.at(key) == other_line.at(key));
    }
  }
}

}  // namespace ladder::testing
