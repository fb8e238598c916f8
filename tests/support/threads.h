/// Results that must not depend on the number of threads.
#pragma once

#include <torch/torch.h>

#include <vector>

#include "ladder/ops/product.h"
#include "tests/support/catch.h"

namespace ladder::testing {

/// Takes, as long as it lives, the product route whose results do not depend on the number of
/// threads; which one is taken otherwise is measured.
class LadderRoute {
 public:
  LadderRoute() { ops::set_product_route(ops::ProductRoute::kLadder); }
  LadderRoute(const LadderRoute&) = delete;
  LadderRoute& operator=(const LadderRoute&) = delete;
  ~LadderRoute() { ops::set_product_route(before_); }

 private:
  ops::ProductRoute before_ = ops::product_route();
};

/// Checks that f, which returns tensors, returns the same bits on 1, 2 and 3 threads.
template <class F>
void check_same_on_threads(const F& f) {
  const LadderRoute route;
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
