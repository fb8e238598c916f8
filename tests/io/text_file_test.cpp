#include <fcntl.h>
#include <ladder/io/text_file.h>
#include <sys/stat.h>
#include <tests/support/as_nobody.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/temporary_folder.h>

#include <string>
#include <thread>

using ladder::io::read_text;
using ladder::io::read_text_if_present;
using ladder::testing::error_text;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;

TEST_CASE("read_text returns the bytes of a file", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "file";
  for (const auto& text : {std::string(), std::string("a\0b\r\n", 5), std::string(200000, 'x')}) {
    write_file(path, text);
    CHECK(read_text(path) == text);
    CHECK(read_text_if_present(path) == text);
    CHECK(read_text(path, static_cast<int64_t>(text.size())) == text);
  }
}

TEST_CASE("read_text reads what comes through a pipe", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "pipe";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  std::thread writer([&] { write_file(path, "from a pipe\n"); });
  CHECK(read_text(path) == "from a pipe\n");
  writer.join();
}

TEST_CASE("read_text refuses a file beyond the limit, even one without an end", "[io]") {
  const TemporaryFolder folder;
  const auto path = write_file(folder / "file", "12345");
  CHECK(error_text([&] { read_text(path, 4); }) ==
        "read_text: expected at most 4 bytes but got more in " + path.string() + ".");
  CHECK(error_text([&] { read_text("/dev/zero", 1 << 20); }) ==
        "read_text: expected at most 1048576 bytes but got more in /dev/zero.");
  CHECK(error_text([&] { read_text(path, -1); }) ==
        "read_text: expected a limit of at least 0 bytes but got -1.");
}

TEST_CASE("read_text says why a file cannot be read", "[io]") {
  const TemporaryFolder folder;
  const auto missing = folder / "missing";
  CHECK(error_text([&] { read_text(missing); }) == "read_text: expected to read " +
                                                       missing.string() +
                                                       " but got \"No such file or directory\".");
  CHECK_FALSE(read_text_if_present(missing).has_value());
  const auto file = write_file(folder / "file", "x");
  CHECK_FALSE(read_text_if_present(file / "below").has_value());
  for (const auto& read :
       {+[](const std::filesystem::path& path) { read_text(path); },
        +[](const std::filesystem::path& path) { read_text_if_present(path); }}) {
    CHECK(error_text([&] { read(folder.path()); }) ==
          "read_text: expected to read " + folder.path().string() + " but got \"Is a directory\".");
  }
}

TEST_CASE("read_text says that it may not read a file", "[io]") {
  const TemporaryFolder folder;
  const auto file = write_file(folder / "file", "x");
  REQUIRE(::chmod(file.c_str(), 0) == 0);
  std::string text;
  {
    const ladder::testing::AsNobody nobody(folder.path());
    if (!nobody.reaches_folder()) LADDER_SKIP(ladder::testing::kNoNobody);
    text = error_text([&] { read_text_if_present(file); });
  }
  CHECK(text == "read_text: expected to read " + file.string() + " but got \"Permission denied\".");
}
