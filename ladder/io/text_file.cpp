#include "ladder/io/text_file.h"

#include <c10/util/Exception.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace ladder::io {
namespace {

struct TextDescriptor {
  explicit TextDescriptor(const std::filesystem::path& path)
      : number(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  TextDescriptor(const TextDescriptor&) = delete;
  TextDescriptor& operator=(const TextDescriptor&) = delete;
  ~TextDescriptor() {
    if (number >= 0) ::close(number);
  }
  int number;
};

[[noreturn]] void refuse_to_read(const std::filesystem::path& path, int error) {
  TORCH_CHECK(false, "read_text: expected to read ", path.string(), " but got \"",
              std::generic_category().message(error), "\".");
}

}  // namespace

std::optional<std::string> read_text_if_present(const std::filesystem::path& path,
                                                int64_t max_bytes) {
  TORCH_CHECK(max_bytes >= 0, "read_text: expected a limit of at least 0 bytes but got ", max_bytes,
              ".");
  const TextDescriptor file(path);
  if (file.number < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    refuse_to_read(path, errno);
  }
  constexpr int64_t kStep = 1 << 16;
  const auto most = static_cast<size_t>(max_bytes);
  std::string text;
  while (text.size() <= most) {
    const auto size = text.size();
    const auto step = std::min<size_t>(kStep, most + 1 - size);
    text.resize(size + step);
    const auto count = ::read(file.number, text.data() + size, step);
    const int error = errno;
    text.resize(size + static_cast<size_t>(std::max<ssize_t>(count, 0)));
    if (count < 0 && error == EINTR) continue;
    if (count < 0) refuse_to_read(path, error);
    if (count == 0) return text;
  }
  TORCH_CHECK(false, "read_text: expected at most ", max_bytes, " bytes but got more in ",
              path.string(), ".");
}

std::string read_text(const std::filesystem::path& path, int64_t max_bytes) {
  auto text = read_text_if_present(path, max_bytes);
  if (!text) refuse_to_read(path, ENOENT);
  return std::move(*text);
}

}  // namespace ladder::io
