// Every C++ block of the documentation is part of a compiled file.
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace {

namespace fs = std::filesystem;

// The text without white space, so that a line may break elsewhere in the documentation.
std::string normal_form(std::istream& in) {
  std::string text;
  for (char c; in.get(c);) {
    if (std::isspace(static_cast<unsigned char>(c)) == 0) {
      text += c;
    }
  }
  return text;
}

std::vector<std::string> cpp_blocks(const fs::path& page) {
  std::ifstream in(page);
  std::vector<std::string> blocks;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("```", 0) == 0) {
      inside = !inside && line == "```cpp";
      if (inside) {
        blocks.emplace_back();
      }
    } else if (inside) {
      blocks.back() += line + "\n";
    }
  }
  return blocks;
}

}  // namespace

TEST_CASE("Documentation shows only code that is compiled", "[docs]") {
  const fs::path root = LADDER_SOURCE_DIR;
  std::vector<std::string> sources;
  for (const char* folder : {"examples", "tests"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (entry.path().extension() == ".cpp") {
        std::ifstream in(entry.path());
        sources.push_back(normal_form(in));
      }
    }
  }
  std::vector<fs::path> pages = {root / "README.md"};
  for (const auto& entry : fs::recursive_directory_iterator(root / "docs")) {
    if (entry.path().extension() == ".md") {
      pages.push_back(entry.path());
    }
  }
  int blocks = 0;
  for (const auto& page : pages) {
    for (const auto& block : cpp_blocks(page)) {
      std::istringstream in(block);
      const auto wanted = normal_form(in);
      bool found = false;
      for (const auto& source : sources) {
        found = found || source.find(wanted) != std::string::npos;
      }
      INFO(page << " shows code that no compiled file holds:\n" << block);
      CHECK(found);
      ++blocks;
    }
  }
  CHECK(blocks >= 2);
}

TEST_CASE("README stays short", "[docs]") {
  std::ifstream in(fs::path(LADDER_SOURCE_DIR) / "README.md");
  REQUIRE(in.good());
  int lines = 0;
  for (std::string line; std::getline(in, line);) {
    ++lines;
  }
  CHECK(lines < 150);
}
