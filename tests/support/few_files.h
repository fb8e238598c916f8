#pragma once

#include <fcntl.h>
#include <sys/resource.h>

namespace ladder::testing {

/// This process gets at most `more` further descriptors while it lives.
class FewFiles {
 public:
  explicit FewFiles(int more) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    int number = 0;  // the limit is on numbers, of which the lowest free one is taken
    for (int free = 0; free < more || ::fcntl(number, F_GETFD) >= 0; ++number) {
      if (::fcntl(number, F_GETFD) < 0) ++free;
    }
    rlimit limit = before_;
    limit.rlim_cur = static_cast<rlim_t>(number);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  FewFiles(const FewFiles&) = delete;
  FewFiles& operator=(const FewFiles&) = delete;
  ~FewFiles() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace ladder::testing
