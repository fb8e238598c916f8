#include "ladder/train/pieces/row_projection.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/nn/combinator.h"
#include "ladder/ops/kernels/cpu/columns.h"

namespace ladder::train {
namespace {

constexpr int64_t kBlock = 1 << 16;  // values of a task

// Weights as rows: memory of the parameter itself.
at::Tensor rows_of(const at::Tensor& weight) {
  return weight.detach().view({weight.size(0), weight.numel() / weight.size(0)});
}

at::Tensor norms_of(const at::Tensor& rows) {
  return at::linalg_vector_norm(rows, 2, {1}, /*keepdim=*/true);
}

class RowProjection : public ObjectivePiece {
 public:
  explicit RowProjection(std::vector<at::Tensor> weights) : weights_(std::move(weights)) {
    const at::NoGradGuard no_gradients;
    for (const auto& weight : weights_) norms_.push_back(norms_of(rows_of(weight)));
  }

  std::string name() const override { return "row projection"; }

  std::map<std::string, at::Tensor> state() override {
    std::map<std::string, at::Tensor> all;
    for (size_t i = 0; i < norms_.size(); ++i) all["norms." + std::to_string(i)] = norms_[i];
    return all;
  }

  void after_update() override {
    const at::NoGradGuard no_gradients;
    std::vector<Block> blocks;
    int64_t values = 0;
    for (size_t i = 0; i < weights_.size(); ++i) {
      const auto rows = rows_of(weights_[i]);
      if (!rows.is_cpu() || rows.scalar_type() != at::kFloat) {
        project(rows, norms_[i]);
        continue;
      }
      const auto cols = rows.size(1);
      const auto step = std::max<int64_t>(kBlock / cols, 1);
      auto* const first = rows.mutable_data_ptr<float>();
      const auto* const norms = norms_[i].const_data_ptr<float>();
      for (int64_t row = 0; row < rows.size(0); row += step) {
        blocks.push_back(
            {first + row * cols, norms + row, std::min(step, rows.size(0) - row), cols});
      }
      values += rows.numel();
    }
    ops::cpu::for_tasks(
        static_cast<int64_t>(blocks.size()),
        [&](int64_t task) {
          const auto& block = blocks[static_cast<size_t>(task)];
          ops::cpu::kernels().rows.project(block.values, block.norms, block.rows, block.cols);
        },
        values);
  }

 private:
  struct Block {
    float* values;
    const float* norms;
    int64_t rows, cols;
  };

  // A row that has become 0 stays so; its norm is not divided by.
  static void project(const at::Tensor& rows, const at::Tensor& norms) {
    auto now = norms_of(rows);
    now.clamp_min_(std::numeric_limits<float>::min());
    rows.mul_(norms / now);
  }

  std::vector<at::Tensor> weights_, norms_;
};

void check_weight(const at::Tensor& weight) {
  TORCH_CHECK(weight.defined() && weight.dim() >= 2 && weight.numel() > 0 &&
                  at::isFloatingType(weight.scalar_type()) && weight.is_contiguous(),
              "row_projection: expected contiguous floating weights of 2 or more dimensions but "
              "got ",
              type_and_shape_text(weight),
              weight.defined() && !weight.is_contiguous() ? " that is not contiguous." : ".");
  const at::NoGradGuard no_gradients;
  const auto norms = norms_of(rows_of(weight));
  const auto usable = norms.isfinite().logical_and(norms.gt(0));
  if (usable.all().item<bool>()) return;
  const auto row = usable.logical_not().to(at::kInt).argmax().item<int64_t>();
  TORCH_CHECK(false, "row_projection: expected rows of a finite norm above 0 but got ",
              norms[row].item<double>(), " in row ", row, " of a weight ", weight.sizes(),
              " (initialise the parameters first).");
}

void add_weights(const torch::nn::Module& module, std::vector<at::Tensor>& weights) {
  if (dynamic_cast<const Combinator*>(&module) != nullptr) return;
  for (const auto& parameter : module.named_parameters(/*recurse=*/false)) {
    if (parameter.key() == "weight" && parameter.value().dim() >= 2) {
      weights.push_back(parameter.value());
    }
  }
  for (const auto& child : module.children()) add_weights(*child, weights);
}

}  // namespace

std::shared_ptr<ObjectivePiece> row_projection(std::vector<torch::Tensor> weights) {
  TORCH_CHECK(!weights.empty(), "row_projection: expected weights but got none.");
  for (const auto& weight : weights) check_weight(weight);
  return std::make_shared<RowProjection>(std::move(weights));
}

std::shared_ptr<ObjectivePiece> row_projection(const torch::nn::Module& module) {
  std::vector<at::Tensor> weights;
  add_weights(module, weights);
  TORCH_CHECK(!weights.empty(),
              "row_projection: expected a module with weights of 2 or more dimensions but got ",
              module.name(), " without any.");
  return row_projection(std::move(weights));
}

}  // namespace ladder::train
