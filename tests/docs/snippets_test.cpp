// Every C++ and CMake block of the documentation is part of a file that is built.
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/files_below.h"
#include "tests/support/paths.h"

namespace {

namespace fs = std::filesystem;
using ladder::testing::files_below;
using ladder::testing::source_folder;

struct Language {
  std::string name;     // of its blocks
  std::string comment;  // to the end of a line, which the documentation may word on its own
  std::string ending;   // of its files
};

const Language kCpp{.name = "cpp", .comment = "", .ending = ".cpp"};
const Language kCMake{.name = "cmake", .comment = "#", .ending = "CMakeLists.txt"};

// The text without white space, so that a line may break elsewhere in the documentation.
std::string normal_form(std::istream& in, const Language& language) {
  std::string text;
  for (std::string line; std::getline(in, line);) {
    if (!language.comment.empty()) {
      line = line.substr(0, line.find(language.comment));
    }
    for (const char c : line) {
      if (std::isspace(static_cast<unsigned char>(c)) == 0) {
        text += c;
      }
    }
  }
  return text;
}

std::vector<std::string> blocks_of(const fs::path& page, const Language& language) {
  std::ifstream in(page);
  std::vector<std::string> blocks;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("```")) {
      inside = !inside && line == "```" + language.name;
      if (inside) {
        blocks.emplace_back();
      }
    } else if (inside) {
      blocks.back() += line + "\n";
    }
  }
  return blocks;
}

int check_blocks(const Language& language) {
  const fs::path root = source_folder();
  std::vector<std::string> sources;
  for (const char* folder : {"apps", "examples", "tests"}) {
    for (const auto& path : files_below(root / folder)) {
      if (path.filename().string().ends_with(language.ending)) {
        std::ifstream in(path);
        sources.push_back(normal_form(in, language));
      }
    }
  }
  std::vector<fs::path> pages = {root / "README.md"};
  for (const auto& path : files_below(root / "docs")) {
    if (path.extension() == ".md") {
      pages.push_back(path);
    }
  }
  int blocks = 0;
  for (const auto& page : pages) {
    for (const auto& block : blocks_of(page, language)) {
      std::istringstream in(block);
      const auto wanted = normal_form(in, language);
      bool found = false;
      for (const auto& source : sources) {
        found = found || source.find(wanted) != std::string::npos;
      }
      INFO(page << " shows code that no file holds:\n" << block);
      CHECK(found);
      ++blocks;
    }
  }
  return blocks;
}

}  // namespace

TEST_CASE("Documentation shows only code that is compiled", "[docs]") {
  CHECK(check_blocks(kCpp) >= 2);
}

TEST_CASE("Documentation shows only CMake lists that are configured", "[docs]") {
  CHECK(check_blocks(kCMake) >= 4);
}

TEST_CASE("Documentation's map names every page", "[docs]") {
  const fs::path docs = source_folder() / "docs";
  std::ifstream in(docs / "README.md");
  std::ostringstream map;
  map << in.rdbuf();
  int pages = 0;
  for (const auto& path : files_below(docs)) {
    const std::string name = path.filename().string();
    if (path.parent_path() != docs || !name.ends_with(".md") || name == "README.md") continue;
    INFO("docs/README.md does not link " << name);
    CHECK(map.str().find("](" + name + ")") != std::string::npos);
    ++pages;
  }
  CHECK(pages > 8);
}

TEST_CASE("README stays short", "[docs]") {
  std::ifstream in(source_folder() / "README.md");
  REQUIRE(in.good());
  int lines = 0;
  for (std::string line; std::getline(in, line);) {
    ++lines;
  }
  CHECK(lines < 150);
}
