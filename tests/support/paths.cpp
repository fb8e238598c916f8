#include "tests/support/paths.h"

namespace ladder::testing {

namespace fs = std::filesystem;

fs::path source_folder() { return LADDER_SOURCE_FOLDER; }

fs::path fixture_folder() { return source_folder() / "tests/fixtures"; }

std::string program_path(const std::string& name) {
  return (fs::path(LADDER_PROGRAM_FOLDER) / name).string();
}

}  // namespace ladder::testing
