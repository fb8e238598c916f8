#include <ladder/version.h>
#include <tests/support/catch.h>

#include <regex>
#include <string>

TEST_CASE("Version: is a triple of numbers") {
  CHECK(std::regex_match(std::string(ladder::version()), std::regex(R"(\d+\.\d+\.\d+)")));
}

TEST_CASE("Version: names the commit or says that it is unknown") {
  CHECK(std::regex_match(std::string(ladder::git_commit()),
                         std::regex("[0-9a-f]{40}(-dirty)?|unknown")));
}
