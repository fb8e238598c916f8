#include "ladder/train/communicator.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <string_view>
#include <utility>

#ifdef LADDER_DISTRIBUTED
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <ctime>
#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif
#ifdef LADDER_NCCL
#include <ATen/cuda/CUDAContext.h>

#include <cstring>
#include <set>
#include <thread>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace ladder::train {
namespace {

void check_place(const CommunicatorOptions& options) {
  TORCH_CHECK(options.size >= 1 && options.rank >= 0 && options.rank < options.size,
              "connect: expected a rank from 0 to ", options.size - 1, " but got ", options.rank,
              ".");
  TORCH_CHECK(!options.file.empty() ||
                  (!options.address.empty() && options.port > 0 && options.port < 65536),
              "connect: expected the address and a port (1 to 65535) of rank 0 but got '",
              options.address, "' and ", options.port, ".");
  TORCH_CHECK(options.timeout > 0, "connect: expected a timeout above 0 but got ", options.timeout,
              ".");
}

class Done : public PendingExchange {
 public:
  void wait() override {}
};

}  // namespace

std::unique_ptr<PendingExchange> Communicator::start_all_reduce(torch::Tensor tensor) {
  all_reduce(tensor);
  return std::make_unique<Done>();
}

int64_t value_of_first_rank(const std::shared_ptr<Communicator>& ranks, int64_t value) {
  if (!ranks) return value;
  auto told = at::tensor({value}, at::kLong);
  ranks->broadcast(told);
  return told.item<int64_t>();
}

std::string to_string(RankStatistics statistics) {
  return statistics == RankStatistics::kLocal ? "local" : "synchronised";
}

RankStatistics rank_statistics_from_string(const std::string& name) {
  for (const auto statistics : {RankStatistics::kLocal, RankStatistics::kSynchronised}) {
    if (to_string(statistics) == name) return statistics;
  }
  TORCH_CHECK(false, "RankStatistics: expected local or synchronised but got '", name, "'.");
}

#ifndef LADDER_DISTRIBUTED

bool has_communicator() { return false; }

std::shared_ptr<Communicator> connect(const CommunicatorOptions& options) {
  check_place(options);
  TORCH_CHECK(false,
              "connect: expected a library built with c10d but got one built with a LibTorch of "
              "another series (ranks can still divide independent runs: --seeds).");
}

#else

namespace {

bool holds(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(), [&](std::string_view part) {
    return text.find(part) != std::string_view::npos;
  });
}

std::string text_of(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  std::string text = torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
  text = text.substr(0, text.find('\n'));
  // "[/path/to/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:1234"
  if (const auto end = text.find("] "); text.starts_with('[') && end != std::string::npos) {
    text = text.substr(end + 2);
  }
  while (text.ends_with('.') || text.ends_with(' ')) text.pop_back();
  return text;
}

// Numeric address of this machine on the route to `host`; empty if there is none. c10d's own choice
// is the address of the machine's name, which many systems resolve to 127.0.0.1.
std::string address_towards(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), "9", &hints, &found) != 0) return "";
  std::array<char, NI_MAXHOST> name{};
  const int socket = ::socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  auto* raw = reinterpret_cast<sockaddr*>(&own);
  if (socket >= 0 && ::connect(socket, found->ai_addr, found->ai_addrlen) == 0 &&
      ::getsockname(socket, raw, &size) == 0) {
    ::getnameinfo(raw, size, name.data(), name.size(), nullptr, 0, NI_NUMERICHOST);
  }
  if (socket >= 0) ::close(socket);
  ::freeaddrinfo(found);
  return name.data();
}

bool is_loopback(const std::string& address) {
  return address.empty() || address.starts_with("127.") || address == "::1";
}

// Blocks SIGPIPE in this thread and in those that it starts. Gloo's threads write to sockets of
// other ranks: where such a rank has ended, the signal would end this process before the error is
// seen.
class BlockedSigpipe {
 public:
  BlockedSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  BlockedSigpipe(const BlockedSigpipe&) = delete;
  ~BlockedSigpipe() {
    const timespec no_wait{};
    while (sigismember(&before_, SIGPIPE) == 0 && sigtimedwait(&pipe_, nullptr, &no_wait) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_{}, before_{};
};

// c10d with Gloo, and with NCCL between GPUs where each rank has its own.
class C10dCommunicator : public Communicator {
 public:
  explicit C10dCommunicator(const CommunicatorOptions& options) : options_(options) {
    try {
      meet();
    } catch (const std::exception& error) {
      broken_ = true;
      forget();
      throw CommunicationError(c10::str(
          "Communicator: expected ", options_.size, " ranks to meet at ", place(), " within ",
          options_.timeout, " s but rank ", options_.rank, " got \"", text_of(error),
          "\" (are all ranks started, with the same address, and is the "
          "port open?)."));
    }
  }
  C10dCommunicator(const C10dCommunicator&) = delete;
  ~C10dCommunicator() override {
    if (broken_) forget();
  }

  int64_t rank() const override { return options_.rank; }
  int64_t size() const override { return options_.size; }

  void broadcast(torch::Tensor& tensor) override {
    start(tensor, [](c10d::Backend& group, std::vector<at::Tensor>& there) {
      return group.broadcast(there);
    })->wait();
  }

  void all_reduce(torch::Tensor& tensor) override { start_all_reduce(tensor)->wait(); }

  std::unique_ptr<PendingExchange> start_all_reduce(torch::Tensor tensor) override {
    return start(tensor, [](c10d::Backend& group, std::vector<at::Tensor>& there) {
      return group.allreduce(there);
    });
  }

  std::vector<torch::Tensor> all_gather(const torch::Tensor& tensor) override {
    auto& group = group_of(tensor);
    std::vector<at::Tensor> own = {whole_for(group, tensor)};
    std::vector<std::vector<at::Tensor> > all(1);
    for (int64_t i = 0; i < size(); ++i) all.front().push_back(at::empty_like(own.front()));
    guarded([&] { finish(*group.allgather(all, own), group); });
    return all.front();
  }

  void barrier() override {
    guarded([&] { finish(*group_->barrier(), *group_); });
  }

 private:
  std::chrono::milliseconds timeout() const {
    return std::chrono::milliseconds(static_cast<int64_t>(1000 * options_.timeout));
  }

  std::string place() const {
    return options_.file.empty() ? c10::str(options_.address, ":", options_.port)
                                 : options_.file.string();
  }

  void meet() {
    c10::intrusive_ptr<c10d::Store> store;
    if (options_.file.empty()) {
      c10d::TCPStoreOptions tcp;
      tcp.port = static_cast<uint16_t>(options_.port);
      tcp.isServer = options_.rank == 0 && !options_.launcher_answers;
      tcp.numWorkers = static_cast<size_t>(options_.size);
      tcp.waitWorkers = false;
      tcp.timeout = timeout();
      store = c10::make_intrusive<c10d::TCPStore>(options_.address, tcp);
    } else {
      store = c10::make_intrusive<c10d::FileStore>(options_.file.string(),
                                                   static_cast<int>(options_.size));
    }
    store->setTimeout(timeout());
    store_ = c10::make_intrusive<c10d::PrefixStore>(c10::str("ladder/", options_.attempt), store);
    auto gloo = c10d::ProcessGroupGloo::Options::create(timeout());
    gloo->devices = {!options_.interface.empty()
                         ? c10d::ProcessGroupGloo::createDeviceForInterface(options_.interface)
                         : c10d::ProcessGroupGloo::createDeviceForHostname(own_address())};
    group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store_, static_cast<int>(options_.rank),
                                                         static_cast<int>(options_.size), gloo);
    group_->barrier()->wait();
  }

  // The address at which the other ranks reach this one. The machine of rank 0 may know its own
  // name as a loopback address: then it is the address on the route to a rank elsewhere, if there
  // is one.
  std::string own_address() {
    if (!options_.file.empty()) return "127.0.0.1";
    auto own = address_towards(options_.address);
    const auto key = [](int64_t rank) { return c10::str("address/", rank); };
    store_->set(key(options_.rank), std::vector<uint8_t>(own.begin(), own.end()));
    for (int64_t rank = 0; rank < options_.size && is_loopback(own); ++rank) {
      const auto bytes = store_->get(key(rank));
      const std::string other(bytes.begin(), bytes.end());
      if (!is_loopback(other)) own = address_towards(other);
    }
    return own.empty() ? "127.0.0.1" : own;
  }

  // Work of c10d, and the tensor to copy its result to.
  class Pending : public PendingExchange {
   public:
    Pending(C10dCommunicator& owner, const c10d::Backend& group, torch::Tensor tensor)
        : owner_(owner), group_(group), tensor_(std::move(tensor)) {}

    void wait() override {
      const torch::NoGradGuard no_grad;
      owner_.guarded([&] { owner_.finish(*work, group_); });
      if (there.front().const_data_ptr() != tensor_.const_data_ptr()) tensor_.copy_(there.front());
    }

    std::vector<at::Tensor> there;  // where the group exchanges it
    c10::intrusive_ptr<c10d::Work> work;

   private:
    C10dCommunicator& owner_;
    const c10d::Backend& group_;
    torch::Tensor tensor_;
  };

  // The tensor as the group exchanges it: contiguous, for Gloo in the memory of the CPU.
  at::Tensor whole_for(const c10d::Backend& group, const at::Tensor& tensor) const {
    const auto whole = tensor.detach().contiguous();
    return &group == group_.get() ? whole.cpu() : whole;
  }

  template <typename Call>
  std::unique_ptr<Pending> start(const torch::Tensor& tensor, const Call& call) {
    const torch::NoGradGuard no_grad;
    auto& group = group_of(tensor);
    auto pending = std::make_unique<Pending>(*this, group, tensor.detach());
    pending->there = {whole_for(group, tensor)};
    guarded([&] { pending->work = call(group, pending->there); });
    return pending;
  }

  // The group that a tensor is exchanged by. All ranks ask for one on a GPU at the same time.
  c10d::Backend& group_of([[maybe_unused]] const at::Tensor& tensor) {
#ifdef LADDER_NCCL
    if (tensor.is_cuda()) {
      if (!asked_for_gpus_) meet_on_gpus(tensor.device());
      if (gpus_) return *gpus_;
    }
#endif
    return *group_;
  }

#ifdef LADDER_NCCL
  // NCCL refuses ranks that share a GPU: they go on through the memory of the CPU.
  void meet_on_gpus(c10::Device device) {
    asked_for_gpus_ = true;
    const auto& uuid = at::cuda::getDeviceProperties(device.index())->uuid;
    auto own = at::empty({2}, at::kLong);
    static_assert(sizeof uuid == 2 * sizeof(int64_t));
    std::memcpy(own.mutable_data_ptr(), &uuid, sizeof uuid);
    std::set<std::pair<int64_t, int64_t> > all;
    for (const auto& one : all_gather(own)) {
      all.emplace(one[0].item<int64_t>(), one[1].item<int64_t>());
    }
    if (static_cast<int64_t>(all.size()) < size()) return;
    auto options = c10d::ProcessGroupNCCL::Options::create();
    // Its own watch ends the process, without a checkpoint: it is to come after ours.
    options->timeout = 2 * timeout() + std::chrono::minutes(1);
    gpus_ = c10::make_intrusive<c10d::ProcessGroupNCCL>(
        c10::make_intrusive<c10d::PrefixStore>("gpus", store_), static_cast<int>(rank()),
        static_cast<int>(size()), options);
  }
#endif

  // Work on a GPU is only queued, and its wait does not see a lost rank.
  void finish(c10d::Work& work, [[maybe_unused]] const c10d::Backend& group) {
#ifdef LADDER_NCCL
    if (&group == gpus_.get()) {
      const auto end = std::chrono::steady_clock::now() + timeout();
      while (!work.isCompleted()) {
        if (std::chrono::steady_clock::now() > end) {
          gpus_->abort();
          throw std::runtime_error("timeout");
        }
        std::this_thread::sleep_for(std::chrono::microseconds(20));
      }
    }
#endif
    work.wait();
  }

  // Calls of c10d: their errors become sentences.
  template <typename Call>
  void guarded(const Call& call) {
    TORCH_CHECK(!broken_, "Communicator: expected a communicator but got one that has failed.");
    try {
      call();
    } catch (const std::exception& error) {
      broken_ = true;
      const auto text = text_of(error);
      if (holds(text, {"imed out", "imeout"})) {
        throw CommunicationError(c10::str("Communicator: rank ", rank(), " of ", size(),
                                          " expected an answer of another rank within ",
                                          options_.timeout, " s but got none"));
      }
      if (holds(text, {"onnection reset", "closed by peer", "roken pipe", "onnection refused"})) {
        throw CommunicationError(c10::str("Communicator: rank ", rank(), " of ", size(),
                                          " lost its connection to another rank, which has ended"));
      }
      throw CommunicationError(c10::str("Communicator: rank ", rank(), " of ", size(),
                                        " expected to exchange tensors but got \"", text, "\""));
    }
  }

  // Gloo's threads may wait for a lost rank for ever: the process ends with them.
  void forget() {
#ifdef LADDER_NCCL
    (void)gpus_.release();
#endif
    (void)group_.release();
    (void)store_.release();
  }

  CommunicatorOptions options_;
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
#ifdef LADDER_NCCL
  c10::intrusive_ptr<c10d::ProcessGroupNCCL> gpus_;  // null where ranks share a GPU
  bool asked_for_gpus_ = false;
#endif
  bool broken_ = false;
};

}  // namespace

bool has_communicator() { return true; }

std::shared_ptr<Communicator> connect(const CommunicatorOptions& options) {
  check_place(options);
  const BlockedSigpipe threads_of_gloo;
  return std::make_shared<C10dCommunicator>(options);
}

#endif

}  // namespace ladder::train
