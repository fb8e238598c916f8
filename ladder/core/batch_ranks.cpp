#include "ladder/core/batch_ranks.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <memory>

#include "ladder/core/internal/kept_value.h"

namespace ladder {
namespace {

at::Tensor mean_of(BatchRanks& ranks, const at::Tensor& tensor) {
  auto mean = tensor.detach().clone();
  ranks.all_reduce(mean);
  return mean.div_(static_cast<double>(ranks.size()));
}

class MeanOverRanks : public torch::autograd::Function<MeanOverRanks> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& tensor,
                            const std::shared_ptr<BatchRanks>& ranks) {
    keep(ctx, ranks);
    return mean_of(*ranks, tensor);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    // By the function itself: a gradient of this gradient needs it.
    return {mean_over(kept<std::shared_ptr<BatchRanks>>(ctx), grads[0]), at::Tensor()};
  }
};

}  // namespace

std::shared_ptr<BatchRanks> several(const std::shared_ptr<BatchRanks>& ranks) {
  return ranks && ranks->size() > 1 ? ranks : nullptr;
}

torch::Tensor mean_over(const std::shared_ptr<BatchRanks>& ranks, const torch::Tensor& tensor) {
  return several(ranks) ? MeanOverRanks::apply(tensor, ranks) : tensor;
}

}  // namespace ladder
