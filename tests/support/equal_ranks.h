/// Ranks that need no process and no thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ladder/core/batch_ranks.h"

namespace ladder::testing {

/// Two ranks that hold the same rows: what each hands over, the other one hands over too.
struct EqualRanks : BatchRanks {
  int64_t size() const override { return 2; }
  void all_reduce(torch::Tensor& tensor) override { tensor.mul_(2); }
  std::vector<torch::Tensor> all_gather(const torch::Tensor& tensor) override {
    return {tensor, tensor.clone()};
  }
};

inline std::shared_ptr<BatchRanks> equal_ranks() { return std::make_shared<EqualRanks>(); }

}  // namespace ladder::testing
