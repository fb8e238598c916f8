/// Processes that each hold some rows of one batch.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace ladder {

/// Collective operations (sums, copies) between the processes, called ranks, that share the rows of
/// a batch. train::Communicator implements it. All ranks call the same functions in the same order,
/// each with a tensor of the same shape and type.
class BatchRanks {
 public:
  virtual ~BatchRanks() = default;

  virtual int64_t size() const = 0;

  /// Replace `tensor` by the sum over all ranks: the same bits on all ranks, and in every run with
  /// as many ranks.
  virtual void all_reduce(torch::Tensor& tensor) = 0;
  /// Return the tensors of all ranks, in the order of ranks.
  virtual std::vector<torch::Tensor> all_gather(const torch::Tensor& tensor) = 0;
};

/// Return `ranks` if there are at least two, else null: a single rank needs no exchange.
std::shared_ptr<BatchRanks> several(const std::shared_ptr<BatchRanks>& ranks);

/// Return the mean of `tensor` over the ranks, differentiable in it any number of times: the
/// gradient of a rank is the mean of the gradients of all. `tensor` itself without ranks.
torch::Tensor mean_over(const std::shared_ptr<BatchRanks>& ranks, const torch::Tensor& tensor);

}  // namespace ladder
