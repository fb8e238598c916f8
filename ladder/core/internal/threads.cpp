// Compiled with OpenMP for omp_set_num_threads, which sets the number of LibTorch's threads for the
// calling thread only; at::set_num_threads would set it for all that start later as well.
#include "ladder/core/internal/threads.h"

#include <ATen/Parallel.h>
#include <pthread.h>
#include <signal.h>  // NOLINT: sigset_t, which <csignal> need not have

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef __SSE2__
#include <xmmintrin.h>
#endif

#ifdef __SANITIZE_THREAD__
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

namespace ladder::threads {
namespace {

// What happens before one thread tells comes before what happens after another hears it. To the
// thread sanitizer only: it does not see the barriers of OpenMP, which order the same things.
[[maybe_unused]] inline void tell(void* address) {
#ifdef __SANITIZE_THREAD__
  __tsan_release(address);
#else
  (void)address;
#endif
}
[[maybe_unused]] inline void hear(void* address) {
#ifdef __SANITIZE_THREAD__
  __tsan_acquire(address);
#else
  (void)address;
#endif
}

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::nanoseconds;

// How long a helper without work keeps its core for the next call. The calls of a training step
// follow each other within some 50 us; waking a sleeping thread takes about as long.
constexpr auto kKeepCore = microseconds(1000);
// How long the caller keeps its core for tasks that others have begun.
constexpr auto kAwaitTasks = microseconds(50);
// A thread that merely looks around, and finds so much later than before, had to give up its core.
constexpr auto kInterrupted = microseconds(100);
// Calls run on their caller only for so many times the time that one has lost, if another one lost
// time shortly before: a core that is taken once, by a system's housekeeping say, is back at once.
constexpr int kPenalty = 8;
constexpr auto kLongestPenalty = std::chrono::milliseconds(200);
constexpr auto kShortlyBefore = std::chrono::milliseconds(50);

inline void rest() {
#ifdef __SSE2__
  _mm_pause();
#endif
}

inline void relax() {
  for (int i = 0; i < 16; ++i) {
    rest();
  }
}

// How the calling thread rounds and treats subnormal numbers, which its helpers take over.
class FloatingPointMode {
 public:
#ifdef __SSE2__
  void set() const { _mm_setcsr(word_); }

 private:
  unsigned word_ = _mm_getcsr();
#else
  void set() const {}
#endif
};

void set_threads_of_openmp(int count) {
#ifdef _OPENMP
  omp_set_num_threads(count);
#else
  (void)count;
#endif
}

// For how long after note_openmp() calls use OpenMP's threads: more than a step takes.
constexpr auto kOpenMpKeepsCores = std::chrono::seconds(2);
thread_local Clock::time_point t_openmp_until = {};

thread_local bool t_inside_task = false;

// While it lives, calls of its thread are those of a task.
class InsideTask {
 public:
  InsideTask() { t_inside_task = true; }
  InsideTask(const InsideTask&) = delete;
  InsideTask& operator=(const InsideTask&) = delete;
  ~InsideTask() { t_inside_task = before_; }

 private:
  bool before_ = t_inside_task;
};

struct Job {
  int64_t count;
  c10::function_ref<void(int64_t)> f;
  FloatingPointMode mode = {};
  alignas(64) std::atomic<int64_t> next = 0;
  // Under the pool's mutex, but for `inside`, which the caller reads while it keeps its core.
  alignas(64) std::atomic<int> inside = 0;  // helpers
  int64_t wanted = 0;                       // helpers that may still come
  std::exception_ptr error = nullptr;
  Job* following = nullptr;

  // Returns how many tasks it ran.
  int64_t run() {
    int64_t done = 0;
    for (int64_t task = next++; task < count; task = next++) {
      f(task);
      ++done;
    }
    return done;
  }
  void stop() { next = count; }
};

// Locks a mutex that others hold for some 50 ns at a time. Sleeping for it, and being woken, would
// take a hundred times as long; but its holder may have lost its core.
std::unique_lock<std::mutex> lock_soon(std::mutex& mutex) {
  constexpr int kTries = 64;
  std::unique_lock lock(mutex, std::defer_lock);
  for (int i = 0; i < kTries && !lock.owns_lock(); ++i) {
    if (!lock.try_lock()) {
      rest();
    }
  }
  if (!lock.owns_lock()) {
    lock.lock();
  }
  return lock;
}

class Pool {
 public:
  // Offers the job; returns once no helper is inside and none can come.
  void run(Job& job, int64_t helpers) {
    open(job, helpers);
    const Turn turn = take_part(job);
    close(job);
    end(job, turn);
  }

  // The same with OpenMP's threads, which all have to come.
  void run_by_openmp(Job& job, int64_t helpers) {
    Turn turn;
#ifdef _OPENMP
    tell(&job);
#pragma omp parallel num_threads(static_cast <int>(helpers + 1))
    {
      hear(&job);
      const FloatingPointMode before;
      job.mode.set();
      const Turn mine = take_part(job);
      before.set();
      if (omp_get_thread_num() == 0) {
        turn = mine;
      }
      tell(&turn);
    }
    hear(&turn);
#else
    (void)helpers;
    turn = take_part(job);
#endif
    end(job, turn);
  }

  bool taken() const { return Clock::now().time_since_epoch().count() < taken_until_; }

  // Ends the threads; calls run on their caller from now on.
  void shut() {
    {
      const std::lock_guard lock(mutex_);
      shut_ = true;
    }
    work_.notify_all();
    for (auto& thread : threads_) {
      if (thread.get_id() == std::this_thread::get_id()) {  // exit() inside a task
        thread.detach();
      } else {
        thread.join();
      }
    }
    threads_.clear();
  }

 private:
  // What a thread did of a job.
  struct Turn {
    Clock::time_point start = {}, end = {};
    int64_t done = 0;
  };

  Turn take_part(Job& job) {
    Turn turn{.start = Clock::now()};
    try {
      const OneThread serial;
      const InsideTask inside;
      turn.done = job.run();
    } catch (...) {
      job.stop();
      const std::lock_guard lock(mutex_);
      if (!job.error) {
        job.error = std::current_exception();
      }
    }
    turn.end = Clock::now();
    return turn;
  }

  // On the caller, with its own turn, when all have ended theirs.
  void end(const Job& job, const Turn& turn) {
    if (job.error) {
      std::rethrow_exception(job.error);
    }
    // Others had begun a task at most as the last one was taken: a task ago.
    const nanoseconds task = (turn.end - turn.start) / std::max<int64_t>(turn.done, 1);
    note_lost(Clock::now() - turn.end - 2 * task - kInterrupted);
  }

  void open(Job& job, int64_t helpers) {
    int64_t wake = 0;
    {
      auto lock = lock_soon(mutex_);
      if (shut_) {
        return;
      }
      start_threads(helpers, lock);
      job.wanted = std::min<int64_t>(helpers, static_cast<int64_t>(threads_.size()));
      job.following = jobs_;
      jobs_ = &job;
      places_ += job.wanted;
      wake = std::min(job.wanted - std::min<int64_t>(job.wanted, awake_), asleep_);
    }
    for (int64_t i = 0; i < wake; ++i) {
      work_.notify_one();
    }
  }

  void close(Job& job) {
    {
      const auto lock = lock_soon(mutex_);
      for (Job** place = &jobs_; *place != nullptr; place = &(*place)->following) {
        if (*place == &job) {
          *place = job.following;
          break;
        }
      }
      give_up_places(job);
    }
    const auto start = Clock::now();
    while (job.inside != 0 && Clock::now() - start < kAwaitTasks) {
      relax();
    }
    auto lock = lock_soon(mutex_);  // also: a helper that has left no longer looks at the job
    done_.wait(lock, [&] { return job.inside == 0; });
  }

  void give_up_places(Job& job) {
    places_ -= job.wanted;
    job.wanted = 0;
  }

  // One after the other, each ready before the next: what LibTorch does for a thread that first
  // asks it for a number of threads may happen neither at the same time after a fork nor while the
  // process exits.
  void start_threads(int64_t helpers, std::unique_lock<std::mutex>& lock) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);  // signals are the business of the program's threads
    while (static_cast<int64_t>(threads_.size()) < helpers) {
      pthread_sigmask(SIG_SETMASK, &all, &before);
      try {
        threads_.emplace_back([this] { help(); });
      } catch (const std::system_error&) {  // no more threads: those that there are do
        helpers = 0;
      }
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      done_.wait(lock, [&] { return started_ == threads_.size(); });
    }
  }

  // The life of a thread.
  void help() {
    try {
      at::get_num_threads();           // after which LibTorch leaves the thread's number alone
    } catch (const std::exception&) {  // as the process exits
    }
    set_threads_of_openmp(1);
    std::unique_lock lock(mutex_);
    ++started_;
    done_.notify_all();
    while (true) {
      if (Job* const job = enter()) {
        lock.unlock();
        job->mode.set();
        take_part(*job);
        lock = lock_soon(mutex_);
        if (--job->inside == 0) {
          done_.notify_all();
        }
        continue;
      }
      if (shut_) {
        return;
      }
      bool found = false;
      if (awake_ < cores_ - 1) {
        ++awake_;
        lock.unlock();
        found = keep_core();
        lock = lock_soon(mutex_);
        --awake_;
      }
      if (!found && places_ == 0 && !shut_) {
        ++asleep_;
        work_.wait(lock);
        --asleep_;
      }
    }
  }

  // A job with a place and with tasks left, entered; under the mutex.
  Job* enter() {
    for (Job* job = jobs_; job != nullptr; job = job->following) {
      if (job->next >= job->count) {  // its caller is about to close it
        give_up_places(*job);
      } else if (job->wanted > 0) {
        --job->wanted;
        --places_;
        ++job->inside;
        return job;
      }
    }
    return nullptr;
  }

  // Waits for a place for a short while, and no longer where another thread was given the core
  // meanwhile; returns whether there is one.
  bool keep_core() {
    if (taken()) {
      return false;
    }
    const auto start = Clock::now();
    for (auto last = start; last - start < kKeepCore;) {
      if (places_ > 0) {
        return true;
      }
      relax();
      const auto now = Clock::now();
      if (now - last > kInterrupted) {
        return false;
      }
      last = now;
    }
    return false;
  }

  void note_lost(nanoseconds lost) {
    if (lost.count() > 0) {
      const auto now = Clock::now();
      const Clock::time_point before{Clock::duration(taken_until_)};
      const auto penalty = now - before < kShortlyBefore
                               ? std::min<nanoseconds>(kPenalty * lost, kLongestPenalty)
                               : nanoseconds(0);
      taken_until_ = (now + penalty).time_since_epoch().count();
    }
  }

  const int64_t cores_ = std::thread::hardware_concurrency();  // that the process may use
  std::mutex mutex_;
  std::condition_variable work_, done_;
  std::vector<std::thread> threads_;
  size_t started_ = 0;  // threads that wait for jobs or run one
  Job* jobs_ = nullptr;
  std::atomic<int64_t> places_ = 0;  // for helpers, in all jobs
  int64_t awake_ = 0;                // helpers without a job that keep their core
  int64_t asleep_ = 0;
  bool shut_ = false;
  std::atomic<Clock::rep> taken_until_ = 0;  // or the time of the latest loss
};

// Never destroyed: threads of the program may call while it exits.
std::atomic<Pool*> g_pool = nullptr;

Pool& pool() {
  static const bool made = [] {
    g_pool = new Pool;
    pthread_atfork(nullptr, nullptr, [] {  // threads stay with the parent, OpenMP's too
      g_pool = new Pool;
      t_openmp_until = {};
    });
    return true;
  }();
  static const struct Closer {
    ~Closer() { g_pool.load()->shut(); }
  } closer;
  (void)made;
  return *g_pool;
}

}  // namespace

void share_tasks(int64_t count, int64_t helpers, c10::function_ref<void(int64_t)> f) {
  helpers = std::min(helpers, count - 1);
  if (helpers <= 0 || t_inside_task || pool().taken()) {
    const OneThread serial;
    const InsideTask inside;
    for (int64_t task = 0; task < count; ++task) {
      f(task);
    }
    return;
  }
  Job job{.count = count, .f = f};
  if (Clock::now() < t_openmp_until) {
    pool().run_by_openmp(job, helpers);
  } else {
    pool().run(job, helpers);
  }
}

void for_tasks(int64_t count, c10::function_ref<void(int64_t)> f, int64_t work) {
  const auto most = std::min<int64_t>(at::get_num_threads(), work / kWorkOfThread);
  share_tasks(count, most - 1, f);
}

void note_openmp() { t_openmp_until = Clock::now() + kOpenMpKeepsCores; }

bool cores_are_taken() { return pool().taken(); }

OneThread::OneThread(bool wanted) {
  if (wanted && at::get_num_threads() > 1) {
    before_ = at::get_num_threads();
    set_threads_of_openmp(1);
  }
}

OneThread::~OneThread() {
  if (before_ > 0) {
    set_threads_of_openmp(before_);
  }
}

}  // namespace ladder::threads
