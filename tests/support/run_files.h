/// What a program prints and what its runs leave in their folders.
#pragma once

#include <ladder/io/tensor_file.h>
#include <torch/torch.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/program.h"
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

/// Interrupt a program as soon as it has printed `begun`; return all that it printed. A run that
/// has ended by then proves nothing: give it some hundred steps more, and `--checkpoint-every=0`,
/// with which each of them writes a file.
inline std::string interrupted(const Arguments& command, const std::string& begun) {
  Program program(command);
  REQUIRE(program.wait_until([&] { return program.out().find(begun) != std::string::npos; }));
  program.send(SIGINT);
  REQUIRE(program.wait() == 130);
  REQUIRE(program.err().empty());
  return program.out();
}

inline nlohmann::json read_json(const std::filesystem::path& path) {
  return nlohmann::json::parse(file_bytes(path));
}

/// A result or an evaluation without what depends on the clock and the process.
inline nlohmann::json timeless(nlohmann::json object) {
  for (const char* key : {"seconds", "training_seconds", "steps_per_second", "peak_memory_mib"}) {
    object.erase(key);
  }
  if (object.contains("last") && object["last"].is_object()) {
    object["last"] = timeless(object["last"]);
  }
  return object;
}

/// The evaluations of a run, likewise: an array.
inline nlohmann::json timeless_metrics(const std::filesystem::path& folder) {
  auto evaluations = nlohmann::json::array();
  for (const auto& line : lines_of(file_bytes(folder / "metrics.jsonl"))) {
    evaluations.push_back(timeless(nlohmann::json::parse(line)));
  }
  return evaluations;
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
  CHECK(timeless(read_json(left / "result.json")) == timeless(read_json(right / "result.json")));
  const auto metrics = timeless_metrics(left), other_metrics = timeless_metrics(right);
  REQUIRE(metrics.size() == other_metrics.size());
  for (size_t i = 0; i < metrics.size(); ++i) REQUIRE(metrics[i] == other_metrics[i]);
}

}  // namespace ladder::testing
