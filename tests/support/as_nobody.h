#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace ladder::testing {

/// Reason for LADDER_SKIP where an AsNobody does not reach its folder.
inline constexpr const char* kNoNobody = "no user without rights who can look into $TMPDIR";

/// This process has the rights of the user nobody while it lives, where it is run by root, who may
/// read and write everything. Another user stays who he is.
///
///     const AsNobody nobody(folder.path());
///     if (!nobody.reaches_folder()) LADDER_SKIP(kNoNobody);
///     text = error_text([&] { read_text(closed); });
class AsNobody {
 public:
  /// Let everybody look into `folder`.
  explicit AsNobody(const std::filesystem::path& folder) : user_(::geteuid()) {
    constexpr uid_t kNobody = 65534;
    ::chmod(folder.c_str(), 0755);
    std::error_code error;
    reaches_folder_ =
        (user_ != 0 || ::seteuid(kNobody) == 0) && std::filesystem::exists(folder / ".", error);
  }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;
  ~AsNobody() {
    if (::geteuid() != user_ && ::seteuid(user_) != 0) std::abort();
  }

  /// False where there is no such user, or a folder above is closed to him.
  bool reaches_folder() const { return reaches_folder_; }

 private:
  uid_t user_;
  bool reaches_folder_ = false;
};

}  // namespace ladder::testing
