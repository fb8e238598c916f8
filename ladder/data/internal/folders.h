/// Where data is looked for. What the `find_` functions of the data sets share.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ladder::data {

/// The path in the environment variable `variable`, or an empty one.
std::filesystem::path environment_path(const char* variable);

/// `${XDG_CACHE_HOME:-$HOME/.cache}/ladder/<name>`, or an empty path where neither is set.
std::filesystem::path cache_folder(const std::string& name);

/// The folders as a list for a message: "a, b", or "no folder".
std::string list_folders(const std::vector<std::filesystem::path>& folders);

}  // namespace ladder::data
