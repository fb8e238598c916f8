/// A child of this process.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

namespace ladder::testing {

// The thread sanitizer does not follow threads that a child starts after fork().
#ifdef __SANITIZE_THREAD__
inline constexpr bool kFollowsForks = false;
#else
inline constexpr bool kFollowsForks = true;
#endif
inline constexpr const char* kNoForks = "the thread sanitizer does not follow fork()";

/// Return how the child ended that runs f: 0 if f returned true; a child that hangs is killed.
template <class F>
int status_of_child(const F& f) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(300);
    ::_exit(f() ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

}  // namespace ladder::testing
