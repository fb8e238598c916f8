#pragma once

#include <ftw.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <vector>

namespace ladder::testing {

/// The files in a folder and in those below it, sorted; links are not followed.
///
/// Not std::filesystem::recursive_directory_iterator: libtorch.so exports parts of an older
/// libstdc++, which win at link time (see TemporaryFolder).
inline std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder) {
  static std::vector<std::filesystem::path> found;
  found.clear();
  const auto visit = [](const char* path, const struct stat*, int type, struct FTW*) {
    if (type == FTW_F) found.emplace_back(path);
    return 0;
  };
  if (::nftw(folder.c_str(), visit, 16, FTW_PHYS) != 0) {
    throw std::runtime_error("could not read " + folder.string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace ladder::testing
