#pragma once

#include <filesystem>
#include <string>

namespace ladder::testing {

/// Root of the source tree.
std::filesystem::path source_folder();

/// Folder of the files that tests compare with.
std::filesystem::path fixture_folder();

/// Path of a program of this build.
std::string program_path(const std::string& name);

}  // namespace ladder::testing
