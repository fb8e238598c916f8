// Every relative link and picture in the documentation leads to a file, and to a heading in it
// where it names one.
#include <cctype>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>
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

// Returns what a link calls the headings of a page: "#" and small letters, digits, - and _, with
// hyphens for spaces. Lines of code that begin with # are no headings.
std::set<std::string> anchors(const fs::path& page) {
  std::istringstream lines(file_bytes(page));
  std::set<std::string> found;
  bool code = false;
  for (std::string line; std::getline(lines, line);) {
    code = code != line.starts_with("```");
    const auto title = line.find_first_not_of('#');
    if (code || title == 0 || title == std::string::npos || line[title] != ' ') {
      continue;
    }
    std::string anchor = "#";
    for (const unsigned char c : line.substr(title + 1)) {
      if (std::isalnum(c) || c == '-' || c == '_') {
        anchor += static_cast<char>(std::tolower(c));
      } else if (c == ' ') {
        anchor += '-';
      }
    }
    found.insert(anchor);
  }
  return found;
}

// Returns the number of relative links of a page.
int check_links(const fs::path& page) {
  static const std::regex kLink(R"(\]\(([^)#\s]*)(#[^)]*)?\))");
  const auto text = file_bytes(page);
  int links = 0;
  for (std::sregex_iterator link(text.begin(), text.end(), kLink), end; link != end; ++link) {
    const auto target = (*link)[1].str();
    const auto anchor = (*link)[2].str();
    if (target.find("://") != std::string::npos || (target.empty() && anchor.empty())) {
      continue;
    }
    INFO(page << " links to " << target << anchor);
    const auto file = target.empty() ? page : page.parent_path() / target;
    REQUIRE(fs::exists(file));
    CHECK((anchor.empty() || anchors(file).contains(anchor)));
    ++links;
  }
  return links;
}

}  // namespace

TEST_CASE("Documentation links to files and headings that exist", "[docs]") {
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

TEST_CASE("Documentation links: headings are named as links write them", "[docs]") {
  const ladder::testing::TemporaryFolder folder;
  const auto page = ladder::testing::write_file(
      folder / "page.md",
      "# Rare classes: `--balance`\n\n```sh\n# a comment\n```\n\n#no heading\n"
      "### mnist-100-full, seeds 1 to 10\n");
  CHECK(anchors(page) ==
        std::set<std::string>{"#rare-classes---balance", "#mnist-100-full-seeds-1-to-10"});
}
