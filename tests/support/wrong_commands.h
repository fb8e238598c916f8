/// What programs answer to command lines that cannot be.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/run_files.h"

namespace ladder::testing {

/// Flags, and the one sentence that is the answer to them.
struct WrongCommand {
  Arguments flags;
  std::string sentence;
};

/// Checks that `binary`, called `name`, answers each with its sentence alone and status 2, and
/// writes nothing.
inline void check_wrong_commands(const std::string& binary, const std::string& name,
                                 const std::vector<WrongCommand>& all) {
  const TemporaryFolder folder;
  for (const auto& wrong : all) {
    const auto outcome =
        run_to_end(Arguments{binary} + wrong.flags + Arguments{"--out", (folder / "run").string()},
                   {{"LADDER_DATA", (folder / "none").string()}});
    INFO(wrong.sentence);
    CHECK(one_sentence(name, outcome.err) == wrong.sentence);
    CHECK(outcome.status == 2);
    CHECK(outcome.out.empty());
  }
  CHECK_FALSE(std::filesystem::exists(folder / "run"));
}

}  // namespace ladder::testing
