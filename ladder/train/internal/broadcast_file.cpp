#include "ladder/train/internal/broadcast_file.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include "ladder/io/atomic_file.h"

namespace ladder::train {
namespace {

namespace fs = std::filesystem;

// A file of one's own that is removed in the end.
struct CopyOfFile {
  CopyOfFile() {
    std::string name = (fs::temp_directory_path() / "ladder-checkpoint-XXXXXX").string();
    const int file = ::mkstemp(name.data());
    TORCH_CHECK(file >= 0, "Trainer: expected to write ", name, " but got \"",
                std::generic_category().message(errno), "\".");
    ::close(file);
    path = name;
  }
  CopyOfFile(const CopyOfFile&) = delete;
  ~CopyOfFile() { ::unlink(path.c_str()); }

  fs::path path;
};

}  // namespace

void broadcast_file(Communicator& ranks, const fs::path& path,
                    const std::function<void(const fs::path&)>& read) {
  const bool first = ranks.rank() == 0;
  auto size = at::zeros({1}, at::kLong);
  if (first && !path.empty()) size.fill_(static_cast<int64_t>(fs::file_size(path)));
  ranks.broadcast(size);
  const auto count = size.item<int64_t>();
  if (count == 0) return;
  auto bytes = first ? at::from_file(path.string(), /*shared=*/false, count, at::kByte).clone()
                     : at::empty({count}, at::kByte);
  ranks.broadcast(bytes);
  if (first) return;
  const CopyOfFile copy;
  io::write_atomically(copy.path,
                       {static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()});
  read(copy.path);
}

}  // namespace ladder::train
