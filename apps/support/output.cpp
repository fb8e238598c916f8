#include "apps/support/output.h"

#include <fmt/format.h>
#include <ftw.h>
#include <ladder/io/atomic_file.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

std::atomic<int> g_output_error = 0;

}  // namespace

void print(std::string_view text) {
  if (g_output_error != 0) {
    return;
  }
  errno = 0;
  const auto written = std::fwrite(text.data(), 1, text.size(), stdout);
  if (written != text.size() || std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    g_output_error = errno != 0 ? errno : EIO;
  }
}

std::string counted(int64_t count, std::string_view noun, std::string_view plural) {
  if (count == 1) return fmt::format("1 {}", noun);
  return plural.empty() ? fmt::format("{} {}s", count, noun) : fmt::format("{} {}", count, plural);
}

std::optional<std::string> output_failure() {
  const int error = g_output_error;
  return error == 0 ? std::nullopt : std::optional(std::generic_category().message(error));
}

void write_text(const fs::path& path, std::string_view text) {
  std::error_code none;
  const auto type = fs::symlink_status(path, none).type();
  if (type == fs::file_type::regular || type == fs::file_type::not_found) {
    io::write_atomically(path, text);
    return;
  }
  errno = 0;
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) {
    throw std::runtime_error(
        fmt::format("expected to write {} but got \"{}\".", path.string(),
                    std::generic_category().message(errno != 0 ? errno : EIO)));
  }
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  std::error_code none;
  if (fs::is_directory(folder, none)) {
    return;
  }
  for (auto part = folder; !part.empty(); part = part.parent_path()) {
    if (fs::is_symlink(fs::symlink_status(part, none)) && !fs::exists(part, none)) {
      throw std::runtime_error(fmt::format(
          "expected to create the folder {} but got a link at {} to {}, which is not there.",
          folder.string(), part.string(), fs::read_symlink(part, none).string()));
    }
    if (part == part.parent_path()) {
      break;
    }
  }
  throw std::runtime_error(fmt::format("expected to create the folder {} but got \"{}\".",
                                       folder.string(),
                                       error ? error.message() : std::string("not a folder")));
}

// Not std::filesystem::remove_all: libtorch.so exports one of an older libstdc++, which wins at
// link time and calls a function that newer ones lack.
void remove_folder(const fs::path& folder) {
  constexpr int kOpenFolders = 16;
  const auto remove = [](const char* path, const struct stat*, int, struct FTW*) {
    std::remove(path);
    return 0;
  };
  ::nftw(folder.c_str(), remove, kOpenFolders, FTW_DEPTH | FTW_PHYS);
}

}  // namespace ladder::apps
