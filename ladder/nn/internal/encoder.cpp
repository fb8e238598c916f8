#include "ladder/nn/internal/encoder.h"

#include <torch/torch.h>

namespace ladder {

void register_stages(torch::nn::Module& owner, const Stages& stages) {
  const auto list = owner.register_module("stages", std::make_shared<torch::nn::Module>());
  for (size_t l = 0; l < stages.size(); ++l) {
    list->register_module(std::to_string(l), stages[l].module());
  }
}

std::vector<std::vector<int64_t>> probe_shapes(const char* owner,
                                               const std::vector<int64_t>& input_shape,
                                               const Stages& stages) {
  TORCH_CHECK(!stages.empty(), owner, ": expected at least one stage but got none.");
  TORCH_CHECK(!input_shape.empty(), owner,
              ": expected the shape of one input row but got an empty input_shape.");
  const torch::NoGradGuard no_grad;
  std::vector<std::vector<int64_t>> shapes = {input_shape};
  auto sizes = input_shape;
  sizes.insert(sizes.begin(), 2);
  const auto weights = stages[0].module()->parameters();
  auto h = torch::zeros(sizes, weights.empty() ? torch::TensorOptions() : weights[0].options());
  for (size_t l = 0; l < stages.size(); ++l) {
    try {
      h = stages[l]->forward(h, Pass::clean(2, Statistics::kBatch)).h;
    } catch (const c10::Error& error) {
      TORCH_CHECK(false, error.what_without_backtrace(), " (stage ", l + 1, " of ", owner, ")");
    }
    TORCH_CHECK(h.dim() >= 2 && h.size(0) == 2, owner, ": expected stage ", l + 1,
                " to keep its 2 rows but got an output of shape ", h.sizes(), ".");
    shapes.push_back(h.sizes().slice(1).vec());
  }
  return shapes;
}

torch::Tensor run_clean(const Stages& stages, const torch::Tensor& x, const Pass& pass) {
  auto h = x;
  auto bare = pass;
  bare.compared = false;
  for (const auto& stage : stages) {
    h = stage->forward(h, bare).h;
  }
  return h;
}

Stages clone_stages(const Stages& stages, const std::optional<torch::Device>& device) {
  Stages copies;
  for (const auto& stage : stages) {
    copies.push_back(stage.clone(device));
  }
  return copies;
}

void check_rows(const char* owner, const torch::Tensor& x, const char* name,
                const std::vector<int64_t>& row) {
  TORCH_CHECK(x.defined() && x.dim() >= 2 && x.sizes().slice(1) == row, owner, ": expected ", name,
              " to hold rows of shape ", at::IntArrayRef(row), " but got ",
              x.defined() ? c10::str(x.sizes()) : "an undefined tensor", ".");
}

}  // namespace ladder
