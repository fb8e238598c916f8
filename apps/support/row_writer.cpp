#include "apps/support/row_writer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "apps/support/output.h"

namespace ladder::apps {

namespace fs = std::filesystem;

RowWriter::RowWriter(fs::path path) : path_(std::move(path)) {
  if (path_.empty()) return;
  std::error_code none;
  const auto type = fs::symlink_status(path_, none).type();
  if (type == fs::file_type::regular || type == fs::file_type::not_found) {
    // The name of io::write_atomically's temporary files, which a later run removes.
    temporary_ =
        path_.parent_path() / fmt::format(".{}.{}.0.tmp", path_.filename().string(), ::getpid());
  }
  errno = 0;
  file_.open(temporary_.empty() ? path_ : temporary_, std::ios::binary);
  if (!file_) fail();
  if (type == fs::file_type::regular) {  // who may read a file may read what replaces it
    fs::permissions(temporary_, fs::status(path_, none).permissions(), none);
  }
}

RowWriter::~RowWriter() {
  if (!temporary_.empty() && !done_) {
    std::error_code none;
    fs::remove(temporary_, none);
  }
}

void RowWriter::write(std::string_view text) {
  if (path_.empty()) {
    print(text);
    return;
  }
  errno = 0;
  file_.write(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file_) fail();
}

void RowWriter::commit() {
  if (path_.empty()) return;
  errno = 0;
  file_.close();
  if (!file_) fail();
  if (!temporary_.empty()) {
    std::error_code error;
    fs::rename(temporary_, path_, error);
    if (error) {
      errno = error.value();
      fail();
    }
  }
  done_ = true;
}

void RowWriter::fail() const {
  throw std::runtime_error(fmt::format("expected to write {} but got \"{}\".", path_.string(),
                                       std::generic_category().message(errno != 0 ? errno : EIO)));
}

}  // namespace ladder::apps
