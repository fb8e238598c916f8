#include "tests/support/fork_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace ladder::testing {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

// A request or an answer in one packet: words end with 0.
Words received(int socket) {
  static std::vector<char> packet(size_t{1} << 18);  // more than a socket takes
  const auto size = ::recv(socket, packet.data(), packet.size(), 0);
  Words words;
  for (ssize_t at = 0; at < size;) {
    words.emplace_back(packet.data() + at);
    at += static_cast<ssize_t>(words.back().size()) + 1;
  }
  return words;
}

void send_words(int socket, const Words& words) {
  std::string packet;
  for (const auto& word : words) packet.append(word.c_str(), word.size() + 1);
  if (::send(socket, packet.data(), packet.size(), MSG_NOSIGNAL) < 0) {
    throw std::runtime_error(std::string("ForkServer: expected to send a request but got \"") +
                             std::strerror(errno) + "\".");
  }
}

bool is_read_early(const std::string& variable) {
  constexpr std::array kPrefixes = {"OMP_",   "GOMP_",   "KMP_",   "MKL_",    "LD_",
                                    "GLIBC_", "MALLOC_", "TORCH_", "PYTORCH_"};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](const char* prefix) { return variable.starts_with(prefix); });
}

Words read_early(const Words& environment) {
  Words all;
  std::copy_if(environment.begin(), environment.end(), std::back_inserter(all), is_read_early);
  std::sort(all.begin(), all.end());
  return all;
}

std::vector<char*> pointers(Words& words) {
  std::vector<char*> all;
  for (auto& word : words) all.push_back(word.data());
  all.push_back(nullptr);
  return all;
}

// "start", folder, out, err, number of words of the command, command, environment.
[[noreturn]] void be_program(const std::map<std::string, Main>& programs, const Words& request) {
  const auto begin = request.begin() + 5;
  const auto end = begin + std::stol(request[4]);
  Words command(begin, end), environment(end, request.end());
  auto argv = pointers(command), envp = pointers(environment);
  constexpr int kWrite = O_WRONLY | O_CREAT | O_TRUNC;
  if (::chdir(request[1].c_str()) != 0) ::_exit(127);
  for (const auto& [stream, file] : {std::pair{STDIN_FILENO, ::open("/dev/null", O_RDONLY)},
                                     {STDOUT_FILENO, ::open(request[2].c_str(), kWrite, 0666)},
                                     {STDERR_FILENO, ::open(request[3].c_str(), kWrite, 0666)}}) {
    if (file < 0 || ::dup2(file, stream) < 0) ::_exit(127);
    ::close(file);
  }
  environ = envp.data();
  ::_exit(programs.at(command.front())(static_cast<int>(command.size()), argv.data()));
}

[[noreturn]] void serve(int socket, const std::map<std::string, Main>& programs) {
  for (;;) {
    const auto request = received(socket);
    if (request.empty()) ::_exit(0);  // the test program has ended
    if (request[0] == "start") {
      const pid_t pid = ::fork();
      if (pid == 0) {
        ::close(socket);
        be_program(programs, request);
      }
      send_words(socket, {std::to_string(pid)});
    } else {
      int raw = 0;
      const auto ended = ::waitpid(std::stoi(request[1]), &raw, request[0] == "wait" ? 0 : WNOHANG);
      send_words(socket, {std::to_string(ended), std::to_string(raw)});
    }
  }
}

}  // namespace

bool ForkServer::is_possible() {
  const fs::directory_iterator threads("/proc/self/task");
  return std::distance(threads, fs::directory_iterator()) == 1;
}

ForkServer::ForkServer(std::map<std::string, Main> programs) : programs_(std::move(programs)) {
  for (char** entry = environ; *entry != nullptr; ++entry) early_.emplace_back(*entry);
  early_ = read_early(early_);
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw std::runtime_error("ForkServer: expected a pair of sockets but got none.");
  }
  std::cout.flush();
  std::fflush(nullptr);  // no program may print it again
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("ForkServer: expected to fork but could not.");
  if (pid_ == 0) {
    ::close(ends[0]);
    serve(ends[1], programs_);
  }
  ::close(ends[1]);
  socket_ = ends[0];
}

ForkServer::~ForkServer() {
  ::close(socket_);
  ::waitpid(pid_, nullptr, 0);
}

bool ForkServer::serves(const Words& command, const Words& environment) const {
  return programs_.contains(command.front()) && read_early(environment) == early_;
}

pid_t ForkServer::start(const Words& command, const Words& environment, const fs::path& out,
                        const fs::path& err) const {
  Words request = {"start", fs::current_path().string(), out.string(), err.string(),
                   std::to_string(command.size())};
  request.insert(request.end(), command.begin(), command.end());
  request.insert(request.end(), environment.begin(), environment.end());
  const pid_t pid = ask(request).front();
  if (pid < 0) throw std::runtime_error("could not fork for " + command.front());
  return pid;
}

std::optional<int> ForkServer::status(pid_t pid, bool block) const {
  const auto answer = ask({block ? "wait" : "poll", std::to_string(pid)});
  return answer[0] == pid ? std::optional(answer[1]) : std::nullopt;
}

std::vector<int> ForkServer::ask(const Words& words) const {
  send_words(socket_, words);
  std::vector<int> numbers;
  for (const auto& word : received(socket_)) numbers.push_back(std::stoi(word));
  if (numbers.empty()) throw std::runtime_error("ForkServer: expected an answer but got none.");
  return numbers;
}

}  // namespace ladder::testing
