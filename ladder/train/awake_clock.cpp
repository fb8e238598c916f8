#include "ladder/train/awake_clock.h"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <functional>
#include <mutex>
#include <thread>

namespace ladder::train {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBeat{250};
constexpr std::chrono::milliseconds kLongestBeat{1000};  // longer: the process was stopped

// A thread that takes no signal: those are for the threads that the program knows of.
std::thread without_signals(const std::function<void()>& body) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(body);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace

class AwakeClock::Watch {
 public:
  Watch() : thread_(without_signals([this] { watch(); })) {}
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  static std::shared_ptr<Watch> shared() {
    static std::mutex mutex;
    static std::weak_ptr<Watch> current;
    const std::lock_guard lock(mutex);
    auto watch = current.lock();
    if (!watch) current = watch = std::make_shared<Watch>();
    return watch;
  }

  double awake_seconds() {
    const std::lock_guard lock(mutex_);
    beat();
    return std::chrono::duration<double>(awake_).count();
  }

 private:
  void beat() {
    const auto now = SteadyClock::now();
    const auto gap = now - last_;
    awake_ += gap > kLongestBeat ? SteadyClock::duration(kBeat) : gap;
    last_ = now;
  }

  void watch() {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, kBeat, [this] { return ended_; })) beat();
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
  SteadyClock::time_point last_ = SteadyClock::now();
  SteadyClock::duration awake_{};
  std::thread thread_;  // last: it uses the others
};

AwakeClock::AwakeClock() : watch_(Watch::shared()), start_(watch_->awake_seconds()) {}

double AwakeClock::seconds() const { return watch_->awake_seconds() - start_; }

}  // namespace ladder::train
