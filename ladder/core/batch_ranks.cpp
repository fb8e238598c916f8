#include "ladder/core/batch_ranks.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace ladder {
namespace {

// Keeps the ranks from the forward to the backward pass.
struct KeptRanks : torch::CustomClassHolder {
  explicit KeptRanks(std::shared_ptr<BatchRanks> ranks_) : ranks(std::move(ranks_)) {}
  std::shared_ptr<BatchRanks> ranks;
};

at::Tensor mean_of(BatchRanks& ranks, const at::Tensor& tensor) {
  auto mean = tensor.detach().clone();
  ranks.all_reduce(mean);
  return mean.div_(static_cast<double>(ranks.size()));
}

class MeanOverRanks : public torch::autograd::Function<MeanOverRanks> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& tensor,
                            const std::shared_ptr<BatchRanks>& ranks) {
    ctx->saved_data["ranks"] = c10::IValue::make_capsule(c10::make_intrusive<KeptRanks>(ranks));
    return mean_of(*ranks, tensor);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto kept =
        c10::static_intrusive_pointer_cast<KeptRanks>(ctx->saved_data.at("ranks").toCapsule());
    return {mean_of(*kept->ranks, grads[0]), at::Tensor()};
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
