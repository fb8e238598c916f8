/// A port for the ranks of a run.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <random>
#include <stdexcept>
#include <system_error>

namespace ladder::apps {

/// Return a port of this machine that is free now, if possible one that the system gives to nobody
/// who does not ask for it: another program's connection cannot take it before it is used. Error:
/// the system gives none.
inline int free_port() {
  constexpr int kFirst = 10240;
  int end = 0;  // the first of those that the system gives
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> end;
  std::random_device random;
  for (int attempt = 0;; ++attempt) {
    const bool of_system = attempt == 50 || end <= kFirst;
    const int wanted = of_system ? 0 : std::uniform_int_distribution<int>(kFirst, end - 1)(random);
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(wanted));
    address.sin_addr.s_addr = htonl(INADDR_ANY);  // free on every address
    socklen_t size = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    const bool found = listener >= 0 && ::bind(listener, raw, size) == 0 &&
                       ::getsockname(listener, raw, &size) == 0;
    const auto reason = std::generic_category().message(errno);
    if (listener >= 0) ::close(listener);
    if (found) return ntohs(address.sin_port);
    if (of_system) throw std::runtime_error("expected a free port but got \"" + reason + "\".");
  }
}

}  // namespace ladder::apps
