// Every relative link and picture in the documentation leads to a file.
#include <filesystem>
#include <regex>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/files_below.h"
#include "tests/support/paths.h"
#include "tests/support/temporary_folder.h"

namespace {

namespace fs = std::filesystem;
using ladder::testing::file_bytes;
using ladder::testing::files_below;
using ladder::testing::source_folder;

// Returns the number of relative links of a page.
int check_links(const fs::path& page) {
  static const std::regex kLink(R"(\]\(([^)#\s]+)(#[^)]*)?\))");
  const auto text = file_bytes(page);
  int links = 0;
  for (std::sregex_iterator link(text.begin(), text.end(), kLink), end; link != end; ++link) {
    const auto target = (*link)[1].str();
    if (target.find("://") != std::string::npos) {
      continue;
    }
    INFO(page << " links to " << target);
    CHECK(fs::exists(page.parent_path() / target));
    ++links;
  }
  return links;
}

}  // namespace

TEST_CASE("Documentation links to files that exist", "[docs]") {
  int links = 0;
  for (const char* page : {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"}) {
    links += check_links(source_folder() / page);
  }
  for (const auto& path : files_below(source_folder() / "docs")) {
    if (path.extension() == ".md") {
      links += check_links(path);
    }
  }
  CHECK(links > 20);
}
