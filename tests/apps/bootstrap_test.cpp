#include <tests/support/catch.h>
#include <tests/support/paths.h>
#include <tests/support/program.h>
#include <tests/support/run_files.h>
#include <tests/support/temporary_folder.h>

#include <filesystem>

using namespace ladder::testing;
namespace fs = std::filesystem;

TEST_CASE("bootstrap.sh refuses a wrong command line before anything is built", "[cli]") {
  // A copy, with programs that would install and build put out of reach.
  const TemporaryFolder folder;
  const auto script =
      write_file(folder / "bootstrap.sh", file_bytes(source_folder() / "bootstrap.sh")).string();
  fs::create_directory_symlink(source_folder() / "tests", folder / "tests");
  fs::create_directory(folder / "bin");
  for (const char* name : {"apt-get", "sudo", "cmake", "python3"}) {
    const auto stub = write_file(folder / "bin" / name, "#!/bin/sh\nexit 99\n");
    fs::permissions(stub, fs::perms::owner_all);
  }
  const auto path = (folder / "bin").string() + ":/usr/bin:/bin";
  const auto error_of = [&](const Arguments& flags) {
    const auto outcome = run_to_end(Arguments{"/bin/bash", script} + flags, {{"PATH", path}});
    CHECK(outcome.status == 2);
    CHECK(outcome.out.empty());
    return lines_of(outcome.err).back();
  };
  const std::string hint =
      " (does a script have the line ends of Windows? sed -i 's/\\r$//' SCRIPT mends it).";
  CHECK(error_of({"trian"}) == "bootstrap: expected a command but got 'trian'.");
  CHECK(error_of({"mnist", "--epochs=2\r"}) ==
        "bootstrap: expected an argument without line ends but got $'--epochs=2\\r'" + hint);
  CHECK(error_of({"mnist\r"}) ==
        "bootstrap: expected an argument without line ends but got $'mnist\\r'" + hint);
  CHECK(error_of({"reproduce", "--", "--report"}) ==
        "bootstrap: expected a flag (--name) but got '--'.");
  CHECK(error_of({"build", "ladder-mnist"}) ==
        "bootstrap: expected no flags after build but got 'ladder-mnist'.");
  CHECK(error_of({"help", "mnist"}) == "bootstrap: expected no flags after help but got 'mnist'.");
  CHECK(error_of({"fuzz", "--fast"}) ==
        "bootstrap: expected a fuzz target or --runs but got '--fast'.");
  CHECK(error_of({"fuzz", "csv", "--runs", "many"}) ==
        "bootstrap: expected a number of runs but got 'many'.");
}

TEST_CASE("bootstrap.sh finds the packages that are missing for this architecture", "[cli]") {
  const std::string script = R"sh(set -euo pipefail
    dpkg() { echo amd64; }
    dpkg-query() {
      case "${*: -1}" in
        both) printf 'amd64 installed\narm64 installed\n' ;;
        other) printf 'amd64 not-installed\narm64 installed\n' ;;
        headers) printf 'all installed\n' ;;
        removed) printf 'amd64 config-files\n' ;;
        unknown) return 1 ;;
      esac
    }
    eval "$(sed -n '/^missing_packages() {/,/^}/p' "$1")"
    missing_packages both other headers removed unknown)sh";
  const auto outcome = run_to_end(
      Arguments{"/bin/bash", "-c", script, "bash", (source_folder() / "bootstrap.sh").string()});
  CHECK(outcome.status == 0);
  CHECK(outcome.err.empty());
  CHECK(lines_of(outcome.out) == std::vector<std::string>{"other", "removed", "unknown"});
}
