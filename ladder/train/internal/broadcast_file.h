#pragma once

#include <filesystem>
#include <functional>

#include "ladder/train/communicator.h"

namespace ladder::train {

/// Hand the file `path` of rank 0 to the other ranks: each calls `read` with a copy, which is
/// removed afterwards. An empty path on rank 0: no file, and nothing is called. All ranks call
/// this.
void broadcast_file(Communicator& ranks, const std::filesystem::path& path,
                    const std::function<void(const std::filesystem::path&)>& read);

}  // namespace ladder::train
