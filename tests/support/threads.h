/// Results that must not depend on the number of threads.
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/products.h"

namespace ladder::testing {

/// Sets the number of LibTorch's threads, and puts it back when it ends.
class ThreadsOfTest {
 public:
  explicit ThreadsOfTest(int threads) { at::set_num_threads(threads); }
  ThreadsOfTest(const ThreadsOfTest&) = delete;
  ThreadsOfTest& operator=(const ThreadsOfTest&) = delete;
  ~ThreadsOfTest() { at::set_num_threads(before_); }

 private:
  int before_ = at::get_num_threads();
};

/// The numbers of the threads of this process.
inline std::set<std::string> thread_ids() {
  std::set<std::string> ids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    ids.insert(entry.path().filename().string());
  }
  return ids;
}

/// The number of threads that f starts with two threads of LibTorch's and of MKL's: OpenMP's, which
/// keep the cores that the library's helpers need. OpenMP starts them anew for each thread that
/// calls it, so each time f runs on a new one. The first time does not count: it starts the
/// helpers, and autograd's thread for each device, which stay. The least of the others does: a core
/// that was busy may let a helper start later.
template <class F>
ptrdiff_t threads_started_by(const F& f) {
  ptrdiff_t least = std::numeric_limits<ptrdiff_t>::max();
  for (int go = 0; go < 4; ++go) {
    ptrdiff_t started = 0;
    std::thread([&] {
      const ThreadsOfTest two(2);
      const auto before = thread_ids();
      f();
      for (const auto& id : thread_ids()) started += before.contains(id) ? 0 : 1;
    }).join();
    if (go > 0) least = std::min(least, started);
  }
  return least;
}

/// Checks that f, which returns tensors, returns the same bits on 1, 2 and 3 threads, with products
/// by the route that promises so.
template <class F>
void check_same_on_threads(const F& f) {
  const ops::ProductScope scope({ops::ProductPrecision::kFloat32, ops::ProductRoute::kLadder});
  const auto threads = at::get_num_threads();
  std::vector<torch::Tensor> first;
  for (const int count : {1, 2, 3}) {
    INFO(count << " threads");
    at::set_num_threads(count);
    const std::vector<torch::Tensor> results = f();
    at::set_num_threads(threads);
    if (count == 1) {
      first = results;
    }
    REQUIRE(results.size() == first.size());
    for (size_t i = 0; i < results.size(); ++i) {
      INFO("tensor " << i);
      CHECK(torch::equal(results[i], first[i]));
    }
  }
}

}  // namespace ladder::testing
