#include "ladder/core/internal/threads.h"

#include <torch/torch.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/child.h"
#include "tests/support/threads.h"

#ifdef __SSE2__
#include <xmmintrin.h>
#endif

using ladder::testing::kFollowsForks;
using ladder::testing::kNoForks;
using ladder::testing::status_of_child;
using ladder::testing::ThreadsOfTest;
using ladder::threads::OneThread;
using ladder::threads::share_tasks;

namespace {

// Some microseconds of work that the compiler keeps.
double busy(int64_t steps) {
  volatile double x = 1;
  for (int64_t i = 0; i < steps; ++i) {
    x = x * 1.0000001;
  }
  return x;
}

// How often each of `count` tasks is run by one call.
std::vector<int> runs_of_tasks(int64_t count, int64_t helpers) {
  std::vector<std::atomic<int>> runs(static_cast<size_t>(count));
  share_tasks(count, helpers, [&](int64_t task) {
    busy(100);
    ++runs[static_cast<size_t>(task)];
  });
  return {runs.begin(), runs.end()};
}

}  // namespace

TEST_CASE("share_tasks runs every task once, with any number of helpers", "[ops]") {
  for (const int64_t helpers : {0, 1, 2, 7}) {
    for (const int64_t count : {0, 1, 2, 3, 100, 2000}) {
      INFO(helpers << " helpers, " << count << " tasks");
      CHECK(runs_of_tasks(count, helpers) == std::vector<int>(static_cast<size_t>(count), 1));
    }
  }
  for (int call = 0; call < 20000; ++call) {  // calls that end while helpers are on their way
    std::atomic<int> runs = 0;
    share_tasks(3, 2, [&](int64_t) { ++runs; });
    REQUIRE(runs == 3);
  }
}

TEST_CASE("share_tasks lets other threads take part, at most as many as allowed", "[ops]") {
  for (const int64_t helpers : {1, 3}) {
    size_t most = 0;
    for (int call = 0; call < 200 && most < 2; ++call) {
      std::mutex mutex;
      std::set<std::thread::id> threads;
      share_tasks(16, helpers, [&](int64_t) {
        {
          const std::lock_guard lock(mutex);
          threads.insert(std::this_thread::get_id());
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      });
      CHECK(threads.size() <= static_cast<size_t>(helpers) + 1);
      most = std::max(most, threads.size());
    }
    CHECK(most >= 2);
  }
}

TEST_CASE("share_tasks runs nested calls on the thread that makes them", "[ops]") {
  const ThreadsOfTest threads(4);
  for (const int64_t helpers : {3, 0}) {  // of the outer call
    INFO(helpers << " helpers");
    std::atomic<int> runs = 0;
    std::atomic<int> elsewhere = 0;
    share_tasks(8, helpers, [&](int64_t) {
      const auto here = std::this_thread::get_id();
      if (at::get_num_threads() != 1) {
        ++elsewhere;
      }
      share_tasks(50, 3, [&](int64_t) {
        busy(1000);
        ++runs;
        elsewhere += std::this_thread::get_id() == here ? 0 : 1;
      });
    });
    CHECK(runs == 8 * 50);
    CHECK(elsewhere == 0);
    CHECK(at::get_num_threads() == 4);
  }
}

TEST_CASE("share_tasks lets other threads take part again after a task that throws", "[ops]") {
  const ThreadsOfTest threads(4);
  for (const int64_t helpers : {3, 0}) {
    CHECK_THROWS(share_tasks(4, helpers, [](int64_t) { throw std::runtime_error("task"); }));
    size_t most = 0;
    for (int call = 0; call < 200 && most < 2; ++call) {
      std::mutex mutex;
      std::set<std::thread::id> seen;
      share_tasks(16, 3, [&](int64_t) {
        {
          const std::lock_guard lock(mutex);
          seen.insert(std::this_thread::get_id());
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      });
      most = std::max(most, seen.size());
    }
    CHECK(most >= 2);
  }
}

TEST_CASE("share_tasks throws what a task throws, and goes on afterwards", "[ops]") {
  const ThreadsOfTest threads(3);
  for (int call = 0; call < 200; ++call) {
    const int64_t wrong = call % 40;
    CHECK_THROWS_WITH(share_tasks(40, 2,
                                  [&](int64_t task) {
                                    busy(200);
                                    if (task == wrong) {
                                      throw std::runtime_error("task " + std::to_string(task));
                                    }
                                  }),
                      Catch::Contains("task " + std::to_string(wrong)));
    CHECK(at::get_num_threads() == 3);
    REQUIRE(runs_of_tasks(40, 2) == std::vector<int>(40, 1));
  }
}

TEST_CASE("share_tasks runs no task that begins after one has thrown", "[ops]") {
  const ThreadsOfTest threads(3);
  int64_t ran = 0;
  const auto third = [&](int64_t task) {
    if (task == 3) throw std::runtime_error("task 3");
    ++ran;
  };
  CHECK_THROWS_WITH(share_tasks(40, 0, third), Catch::Contains("task 3"));
  CHECK(ran == 3);  // one thread takes tasks in order
  std::atomic<int64_t> others = 0;
  const auto first = [&](int64_t task) {
    if (task == 0) throw std::runtime_error("task 0");
    busy(100);
    ++others;
  };
  constexpr int64_t kTasks = 1'000'000;  // 50 seconds of two threads
  CHECK_THROWS_WITH(share_tasks(kTasks, 2, first), Catch::Contains("task 0"));
  CHECK(others < kTasks - 1);
}

TEST_CASE("share_tasks serves callers in several threads", "[ops]") {
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int call = 0; call < 500; ++call) {
        wrong += runs_of_tasks(20, 3) == std::vector<int>(20, 1) ? 0 : 1;
      }
    });
  }
  for (auto& caller : callers) {
    caller.join();
  }
  CHECK(wrong == 0);
}

TEST_CASE("share_tasks hands tasks to OpenMP's threads where these keep the cores", "[ops]") {
  const ThreadsOfTest threads(3);
  std::thread([] {  // what is noted is of one thread
    ladder::threads::note_openmp();
    for (const int64_t count : {1, 2, 100, 2000}) {
      CHECK(runs_of_tasks(count, 2) == std::vector<int>(static_cast<size_t>(count), 1));
    }
    std::atomic<int> threads_inside = 0;
    CHECK_THROWS_WITH(share_tasks(40, 2,
                                  [&](int64_t task) {
                                    threads_inside += at::get_num_threads();
                                    if (task == 20) {
                                      throw std::runtime_error("task 20");
                                    }
                                  }),
                      Catch::Contains("task 20"));
    CHECK(threads_inside <= 40);
    CHECK(at::get_num_threads() == 3);
  })
      .join();
}

TEST_CASE("share_tasks works in a child after fork, and in its parent", "[ops]") {
  if (!kFollowsForks) LADDER_SKIP(kNoForks);
  const ThreadsOfTest threads(3);
  REQUIRE(runs_of_tasks(500, 2) == std::vector<int>(500, 1));
  for (int i = 0; i < 5; ++i) {
    CHECK(status_of_child([] { return runs_of_tasks(500, 2) == std::vector<int>(500, 1); }) == 0);
  }
  // Also where another thread is inside a call as the process forks.
  std::atomic<bool> enough = false;
  std::thread other([&] {
    while (!enough) {
      runs_of_tasks(50, 2);
    }
  });
  for (int i = 0; i < 5; ++i) {
    CHECK(status_of_child([] { return runs_of_tasks(500, 2) == std::vector<int>(500, 1); }) == 0);
  }
  enough = true;
  other.join();
  CHECK(runs_of_tasks(500, 2) == std::vector<int>(500, 1));
}

TEST_CASE("share_tasks ends its threads when a process exits", "[ops]") {
  if (!kFollowsForks) LADDER_SKIP(kNoForks);
  runs_of_tasks(50, 2);
  std::fflush(nullptr);
  for (const bool idle : {false, true}) {  // threads that still keep their core, and that sleep
    const pid_t child = fork();
    if (child == 0) {
      alarm(300);
      const bool right = runs_of_tasks(500, 3) == std::vector<int>(500, 1);
      std::atexit([] { runs_of_tasks(20, 3); });
      if (idle) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
      std::exit(right ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
}

#ifdef __SSE2__
TEST_CASE("share_tasks gives helpers the caller's treatment of subnormal numbers", "[ops]") {
  constexpr unsigned kFlushToZero = 0x8000;
  const unsigned before = _mm_getcsr();
  for (const unsigned flush : {kFlushToZero, 0U, kFlushToZero}) {
    _mm_setcsr((before & ~kFlushToZero) | flush);
    std::atomic<int> wrong = 0;
    for (int call = 0; call < 50; ++call) {
      share_tasks(16, 2, [&](int64_t) {
        busy(2000);
        wrong += (_mm_getcsr() & kFlushToZero) == flush ? 0 : 1;
      });
    }
    _mm_setcsr(before);
    CHECK(wrong == 0);
  }
}
#endif

TEST_CASE("OneThread sets the number of threads of the calling thread while it lives", "[ops]") {
  const ThreadsOfTest threads(3);
  {
    const OneThread one;
    CHECK(at::get_num_threads() == 1);
    const OneThread inner;
    CHECK(at::get_num_threads() == 1);
    int of_other = 0;
    std::thread([&] { of_other = at::get_num_threads(); }).join();
    CHECK(of_other == 3);
  }
  CHECK(at::get_num_threads() == 3);
  const OneThread unwanted(false);
  CHECK(at::get_num_threads() == 3);
}
