/// What programs answer to command lines that cannot be.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/paths.h"
#include "tests/support/program.h"
#include "tests/support/run_files.h"

namespace ladder::testing {

/// Flags, and the one sentence that is the answer to them.
struct WrongCommand {
  Arguments flags;
  std::string sentence;
};

/// Checks that the program `name` answers each with its sentence alone and status 2, and writes
/// nothing. The first is answered by a process of the program's file.
inline void check_wrong_commands(const std::string& name, const std::vector<WrongCommand>& all) {
  const TemporaryFolder folder;
  const std::map<std::string, std::string> environment = {
      {"LADDER_DATA", (folder / "none").string()}};
  for (const auto& wrong : all) {
    INFO(wrong.sentence);
    const auto command =
        Arguments{program_path(name)} + wrong.flags + Arguments{"--out", (folder / "run").string()};
    const auto outcome =
        run_to_end(&wrong == &all.front() ? by_shell(command) : command, environment);
    CHECK(one_sentence(name, outcome.err) == wrong.sentence);
    CHECK(outcome.status == 2);
    CHECK(outcome.out.empty());
  }
  CHECK_FALSE(std::filesystem::exists(folder / "run"));
}

}  // namespace ladder::testing
