/// A port for the ranks of a run.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace ladder::apps {

/// Return a port of this machine that is free now. Error: the system gives none.
inline int free_port() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  const bool found =
      listener >= 0 && ::bind(listener, raw, size) == 0 && ::getsockname(listener, raw, &size) == 0;
  const auto reason = std::generic_category().message(errno);
  ::close(listener);
  if (!found) throw std::runtime_error("expected a free port but got \"" + reason + "\".");
  return ntohs(address.sin_port);
}

}  // namespace ladder::apps
