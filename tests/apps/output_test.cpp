#include "apps/support/output.h"

#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/temporary_folder.h>

using namespace ladder::apps;
using ladder::testing::error_text;
using ladder::testing::file_bytes;
using ladder::testing::TemporaryFolder;
namespace fs = std::filesystem;

TEST_CASE("write_text replaces a file and leaves a device one", "[cli]") {
  const TemporaryFolder folder;
  write_text(folder / "a.svg", "one");
  write_text(folder / "a.svg", "two");
  CHECK(file_bytes(folder / "a.svg") == "two");
  write_text("/dev/null", "three");
  CHECK(fs::is_character_file("/dev/null"));
  CHECK_THROWS_WITH(write_text("/dev/full", std::string(100000, 'x')),
                    "expected to write /dev/full but got \"No space left on device\".");
  CHECK(error_text([&] { write_text(folder / "no/a.svg", "x"); }).find("no/a.svg") !=
        std::string::npos);
}

TEST_CASE("write_text writes through a link", "[cli]") {
  const TemporaryFolder folder;
  fs::create_symlink(folder / "target", folder / "link");
  write_text(folder / "link", "text");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(file_bytes(folder / "target") == "text");
  fs::create_symlink(folder / "no/target", folder / "dangling");
  CHECK_THROWS_WITH(write_text(folder / "dangling", "text"),
                    "expected to write " + (folder / "dangling").string() +
                        " but got \"No such file or directory\".");
}

TEST_CASE("make_folder creates folders and names what is in the way", "[cli]") {
  const TemporaryFolder folder;
  make_folder(folder / "a/b");
  make_folder(folder / "a/b");
  CHECK(fs::is_directory(folder / "a/b"));
  fs::create_directory_symlink(folder / "a", folder / "link");
  make_folder(folder / "link/c");
  CHECK(fs::is_directory(folder / "a/c"));
  ladder::testing::write_file(folder / "file", "x");
  CHECK_THROWS_WITH(make_folder(folder / "file"), Catch::Contains("expected to create the folder"));
  CHECK_THROWS_WITH(make_folder(folder / "file/a"),
                    Catch::Contains("expected to create the folder"));
  fs::create_symlink(folder / "none", folder / "dangling");
  CHECK_THROWS_WITH(make_folder(folder / "dangling/a"),
                    "expected to create the folder " + (folder / "dangling/a").string() +
                        " but got a link at " + (folder / "dangling").string() + " to " +
                        (folder / "none").string() + ", which is not there.");
}
