#include <ladder/io/atomic_file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/grouping_locale.h>
#include <tests/support/temporary_folder.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace fs = std::filesystem;
using ladder::io::append_line;
using ladder::io::AtomicWriter;
using ladder::io::flush_file;
using ladder::io::remove_stale_temporaries;
using ladder::io::write_atomically;
using ladder::testing::error_text;
using ladder::testing::file_bytes;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;

namespace {

size_t entries(const fs::path& dir) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(dir), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("write_atomically replaces the whole content and leaves nothing else", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "file";
  const std::string binary("a\0b\n", 4);
  write_atomically(path, binary);
  CHECK(file_bytes(path) == binary);
  write_atomically(path, "x");
  CHECK(file_bytes(path) == "x");
  write_atomically(path, std::string_view());
  CHECK(file_bytes(path).empty());
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("write_atomically accepts a path without a folder", "[io]") {
  const TemporaryFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  const std::string text = error_text([] { write_atomically("bare", "bytes"); });
  fs::current_path(before);
  CHECK(text == "(no error)");
  CHECK(file_bytes(folder / "bare") == "bytes");
}

TEST_CASE("write_atomically keeps the old content when the writer fails", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "file";
  write_file(path, "old");
  CHECK_THROWS_AS(write_atomically(path,
                                   [](const fs::path& temporary) {
                                     write_file(temporary, "half");
                                     throw std::runtime_error("stop");
                                   }),
                  std::runtime_error);
  CHECK(file_bytes(path) == "old");
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("write_atomically gives the writer a temporary file in the same folder", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "file";
  write_atomically(path, [&](const fs::path& temporary) {
    CHECK(temporary.parent_path() == folder.path());
    CHECK(temporary != path);
    CHECK_FALSE(fs::exists(path));
    write_file(temporary, "content");
  });
  CHECK(file_bytes(path) == "content");
  CHECK(entries(folder.path()) == 1);
  CHECK(error_text([&] { write_atomically(path, [](const fs::path&) {}); }) ==
        "write_atomically: expected to write " + path.string() +
            " but got \"No such file or directory\".");
  CHECK(file_bytes(path) == "content");
}

TEST_CASE("write_atomically names temporary files alike in every locale", "[io]") {
  const TemporaryFolder folder;
  const ladder::testing::GroupingLocale commas;
  write_atomically(folder / "file", [](const fs::path& temporary) {
    const auto name = temporary.filename().string();
    CHECK(name.starts_with(".file." + std::to_string(::getpid()) + "."));
    CHECK(std::count(name.begin(), name.end(), '.') == 4);
    write_file(temporary, "content");
  });
}

TEST_CASE("write_atomically names the path and the reason of a failure", "[io]") {
  const TemporaryFolder folder;
  const std::string dir = folder.path().string();
  CHECK(error_text([&] { write_atomically(folder / "none/file", "x"); }) ==
        "write_atomically: expected the folder " + dir + "/none to exist in order to write " + dir +
            "/none/file but got none (create it first).");
  CHECK(error_text([&] { write_atomically(folder.path(), "x"); }) ==
        "write_atomically: expected the path of a file but got the folder \"" + dir + "\".");
  CHECK(error_text([&] { write_atomically("", "x"); }) ==
        "write_atomically: expected the path of a file but got the folder \"\".");
  const auto long_path = folder / std::string(300, 'n');
  CHECK(error_text([&] { write_atomically(long_path, "x"); }) ==
        "write_atomically: expected to write " + long_path.string() +
            " but got \"File name too long\".");
  CHECK(entries(folder.path()) == 0);
}

TEST_CASE("AtomicWriter puts a file in its place by commit only", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "file";
  write_file(path, "old");
  {
    AtomicWriter out(path);
    out.write("half");
  }
  CHECK(file_bytes(path) == "old");
  CHECK(entries(folder.path()) == 1);

  const std::string many(100'000, 'x');  // more than is kept back
  AtomicWriter out(path);
  out.write("a");
  out.write(many);
  out.write("b");
  CHECK(file_bytes(path) == "old");
  out.commit();
  CHECK(file_bytes(path) == "a" + many + "b");
  CHECK(entries(folder.path()) == 1);
  CHECK(error_text([&] { out.write("c"); }) ==
        "AtomicWriter: expected no bytes after commit or a failed write but got 1.");
  CHECK(error_text([&] { out.commit(); }) ==
        "AtomicWriter: expected one commit, and none after a failed write, but got another.");
  CHECK(error_text([&] { AtomicWriter(folder / "none/file"); }) ==
        "AtomicWriter: expected the folder " + (folder / "none").string() +
            " to exist in order to write " + (folder / "none/file").string() +
            " but got none (create it first).");
}

TEST_CASE("AtomicWriter removes what a killed writer of its file left", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "answers.csv";
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    AtomicWriter out(path);
    out.write(std::string(100'000, 'x'));
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  REQUIRE(entries(folder.path()) == 1);
  const auto ended = std::to_string(child);
  const auto other = write_file(folder / (".other.csv." + ended + ".1.tmp"), "x");
  // Of a file whose name begins with this one.
  const auto longer = write_file(folder / (".answers.csv.7." + ended + ".1.tmp"), "x");
  AtomicWriter out(path);
  CHECK(entries(folder.path()) == 3);  // these and the new one
  AtomicWriter beside(path);           // those of processes that live stay
  out.write("1");
  out.commit();
  beside.write("2");
  beside.commit();
  CHECK(file_bytes(path) == "2");
  CHECK(fs::exists(other));
  CHECK(fs::exists(longer));
  CHECK(entries(folder.path()) == 3);
}

TEST_CASE("append_line adds whole lines", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "log";
  append_line(path, "one");
  append_line(path, "");
  append_line(path, "three");
  CHECK(file_bytes(path) == "one\n\nthree\n");
  CHECK(error_text([&] { append_line(path, "a\nb"); }) ==
        "append_line: expected one line for " + path.string() +
            " but got a text with a newline in it.");
  CHECK(file_bytes(path) == "one\n\nthree\n");
  CHECK(error_text([&] { append_line(folder / "none/log", "x"); }) ==
        "append_line: expected to write " + (folder / "none/log").string() +
            " but got \"No such file or directory\".");
  CHECK(error_text([] { append_line("/dev/full", "x"); }) ==
        "append_line: expected to write /dev/full but got \"No space left on device\".");
}

TEST_CASE("flush_file leaves a file as it is, and makes none", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "log";
  append_line(path, "one");
  flush_file(path);
  CHECK(file_bytes(path) == "one\n");
  flush_file(folder / "none");
  CHECK_FALSE(std::filesystem::exists(folder / "none"));
  CHECK(error_text([&] { flush_file(path / "inside"); }) == "flush_file: expected to open " +
                                                                (path / "inside").string() +
                                                                " but got \"Not a directory\".");
}

TEST_CASE("append_line does not mix the lines of several writers", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "log";
  constexpr size_t kLines = 200;
  std::vector<std::thread> writers;
  for (const char letter : {'a', 'b', 'c', 'd'}) {
    writers.emplace_back([&path, letter] {
      for (size_t i = 0; i < kLines; ++i) append_line(path, std::string(300, letter));
    });
  }
  for (auto& writer : writers) writer.join();

  std::ifstream in(path);
  size_t whole = 0;
  for (std::string line; std::getline(in, line);) {
    whole += line.size() == 300 && line.find_first_not_of(line[0]) == std::string::npos;
  }
  CHECK(whole == 4 * kLines);
}

TEST_CASE("remove_stale_temporaries removes files of processes that have ended", "[io]") {
  const TemporaryFolder folder;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(0);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);  // its id is free now
  const auto named = [&](const std::string& name) { return write_file(folder / name, "x"); };
  const auto ended = std::to_string(child);
  const auto stale = named(".checkpoint.pt." + ended + ".3.tmp");
  const auto other = named(".result.json." + ended + ".12.tmp");
  const auto ours_before = named(".checkpoint.pt." + std::to_string(::getpid()) + ".999999.tmp");
  const std::vector<std::filesystem::path> kept = {
      named(".checkpoint.pt." + std::to_string(::getppid()) + ".3.tmp"),
      named("checkpoint.pt"),
      named("checkpoint.pt." + ended + ".3.tmp"),
      named(".checkpoint.pt." + ended + ".tmp"),
      named(".notes." + ended + ".3.tmp.txt"),
  };
  write_atomically(folder / "file", [&](const std::filesystem::path& temporary) {
    write_file(temporary, "bytes");
    remove_stale_temporaries(folder.path());
    CHECK(std::filesystem::exists(temporary));
  });
  CHECK_FALSE(std::filesystem::exists(stale));
  CHECK_FALSE(std::filesystem::exists(other));
  CHECK_FALSE(std::filesystem::exists(ours_before));  // of a process that had the same id
  for (const auto& path : kept) {
    INFO(path);
    CHECK(std::filesystem::exists(path));
  }
  CHECK(file_bytes(folder / "file") == "bytes");
  remove_stale_temporaries(folder / "missing");
}

TEST_CASE("write_atomically passes by a file that an earlier process with its id left", "[io]") {
  const TemporaryFolder folder;
  std::filesystem::path used;
  write_atomically(folder / "file", [&](const std::filesystem::path& temporary) {
    used = temporary;
    write_file(temporary, "1");
  });
  auto name = used.filename().string();
  const auto count = std::stoll(name.substr(name.rfind('.', name.size() - 5) + 1));
  const auto next =
      ".file." + std::to_string(::getpid()) + "." + std::to_string(count + 1) + ".tmp";
  write_file(folder / next, "left");
  write_atomically(folder / "file", "2");
  CHECK(file_bytes(folder / "file") == "2");
  CHECK(file_bytes(folder / next) == "left");
}

TEST_CASE("write_atomically keeps the mode of the file that it replaces", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "file";
  write_file(path, "old");
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  write_atomically(path, "new");
  CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  write_atomically(path, [](const fs::path& temporary) { write_file(temporary, "newer"); });
  CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("write_atomically replaces a link to a file, not the file", "[io]") {
  const TemporaryFolder folder;
  const auto file = write_file(folder / "file", "old");
  const auto link = folder / "link";
  fs::create_symlink(file, link);
  write_atomically(link, "new");
  CHECK_FALSE(fs::is_symlink(link));
  CHECK(file_bytes(link) == "new");
  CHECK(file_bytes(file) == "old");
}

TEST_CASE("write_atomically keeps the owner of a file where it may", "[io]") {
  if (::geteuid() != 0) LADDER_SKIP("only root may give a file to another user");
  const TemporaryFolder folder;
  const auto path = write_file(folder / "file", "old");
  constexpr uid_t kOther = 65534;
  if (::chown(path.c_str(), kOther, kOther) != 0) LADDER_SKIP("root may not do so here");
  write_atomically(path, "new");
  struct stat found {};
  REQUIRE(::stat(path.c_str(), &found) == 0);
  CHECK(found.st_uid == kOther);
  CHECK(found.st_gid == kOther);
}

TEST_CASE("write_atomically refuses what is no file", "[io]") {
  const TemporaryFolder folder;
  const auto pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  for (const auto& path : {pipe, folder / "link"}) {
    if (path != pipe) fs::create_symlink(pipe, path);
    CHECK(error_text([&] { write_atomically(path, "x"); }) ==
          "write_atomically: expected the path of a file but got " + path.string() +
              ", a device or a pipe, which would be replaced.");
    CHECK(fs::is_fifo(path));
  }
}
