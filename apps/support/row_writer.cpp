#include "apps/support/row_writer.h"

#include <fmt/format.h>

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
    whole_.emplace(path_);
    return;
  }
  errno = 0;
  through_.open(path_, std::ios::binary);
  if (!through_) fail();
}

void RowWriter::write(std::string_view text) {
  if (path_.empty()) {
    print(text);
    return;
  }
  if (whole_) {
    whole_->write(text);
    return;
  }
  errno = 0;
  through_.write(text.data(), static_cast<std::streamsize>(text.size()));
  if (!through_) fail();
}

void RowWriter::commit() {
  if (path_.empty()) return;
  if (whole_) {
    whole_->commit();
    return;
  }
  errno = 0;
  through_.close();
  if (!through_) fail();
}

void RowWriter::fail() const {
  throw std::runtime_error(fmt::format("expected to write {} but got \"{}\".", path_.string(),
                                       std::generic_category().message(errno != 0 ? errno : EIO)));
}

}  // namespace ladder::apps
