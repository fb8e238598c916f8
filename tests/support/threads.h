/// Results that must not depend on the number of threads.
#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <iterator>
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

/// The number of threads that f starts with two threads of LibTorch's and of MKL's: OpenMP's, which
/// keep the cores that the library's helpers need. f runs twice and is counted the second time: the
/// helpers, and the threads of autograd for each device, are there then.
template <class F>
ptrdiff_t threads_started_by(const F& f) {
  const auto count = [] {
    const std::filesystem::directory_iterator threads("/proc/self/task");
    return std::distance(begin(threads), end(threads));
  };
  ptrdiff_t started = 0;
  // OpenMP starts threads anew for each thread that calls it.
  std::thread([&] {
    const ThreadsOfTest two(2);
    f();
    const auto before = count();
    f();
    started = count() - before;
  }).join();
  return started;
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
