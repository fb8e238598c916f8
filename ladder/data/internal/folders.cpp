#include "ladder/data/internal/folders.h"

#include <cstdlib>

namespace ladder::data {

namespace fs = std::filesystem;

std::filesystem::path environment_path(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? fs::path() : fs::path(value);
}

std::filesystem::path cache_folder(const std::string& name) {
  const fs::path cache = environment_path("XDG_CACHE_HOME");
  if (cache.is_absolute()) return cache / "ladder" / name;
  const fs::path home = environment_path("HOME");
  return home.empty() ? fs::path() : home / ".cache" / "ladder" / name;
}

std::string list_folders(const std::vector<std::filesystem::path>& folders) {
  std::string out;
  for (const fs::path& folder : folders) out += (out.empty() ? "" : ", ") + folder.string();
  return out.empty() ? "no folder" : out;
}

}  // namespace ladder::data
