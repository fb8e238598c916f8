#include "ladder/train/evaluate.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

namespace ladder::train {
namespace {

class EvalMode {
 public:
  explicit EvalMode(torch::nn::Module& net) : net_(net), training_(net.is_training()) {
    net_.eval();
  }
  EvalMode(const EvalMode&) = delete;
  EvalMode& operator=(const EvalMode&) = delete;
  ~EvalMode() { net_.train(training_); }

 private:
  torch::nn::Module& net_;
  bool training_;
};

}  // namespace

torch::Tensor network_inputs(const torch::Tensor& inputs) {
  return inputs.scalar_type() == torch::kUInt8 ? inputs.to(torch::kFloat32).div_(255) : inputs;
}

torch::Tensor calibration_rows(const data::SemiData& data, Calibration calibration, int64_t rows) {
  TORCH_CHECK(rows == 0 || rows >= 2,
              "calibration_rows: expected at least 2 rows, or 0 for all, but got ", rows, ".");
  const auto has_rows = [](const torch::Tensor& tensor) {
    return tensor.defined() && tensor.numel() > 0;
  };
  const auto& all = calibration == Calibration::kTrainingRows && has_rows(data.unlabeled)
                        ? data.unlabeled
                        : data.labeled;
  TORCH_CHECK(has_rows(all), "calibration_rows: expected ",
              calibration == Calibration::kTrainingRows ? "training" : "labeled",
              " rows but got none.");
  auto sorted = std::get<0>(all.sort());
  const auto count = sorted.size(0);
  if (rows == 0 || rows >= count) return sorted;
  const auto every = at::arange(rows, sorted.options()).mul(count).div(rows, "floor");
  return sorted.index_select(0, every);
}

torch::Tensor predict(Ladder& net, const torch::Tensor& inputs, int64_t batch_size) {
  TORCH_CHECK(inputs.defined() && inputs.dim() >= 1 && inputs.size(0) >= 1,
              "predict: expected inputs of at least one row but got none.");
  TORCH_CHECK(batch_size >= 1, "predict: expected a batch size of at least 1 but got ", batch_size,
              ".");
  const torch::NoGradGuard no_grad;
  const EvalMode eval_mode(*net);
  std::vector<torch::Tensor> classes;
  for (int64_t begin = 0; begin < inputs.size(0); begin += batch_size) {
    const auto rows = inputs.narrow(0, begin, std::min(batch_size, inputs.size(0) - begin));
    classes.push_back(net->forward(network_inputs(rows)).argmax(1));
  }
  return at::cat(classes);
}

double error_rate(Ladder& net, const torch::Tensor& inputs, const torch::Tensor& labels,
                  int64_t batch_size) {
  TORCH_CHECK(inputs.defined() && inputs.dim() >= 1 && inputs.size(0) >= 1,
              "error_rate: expected inputs of at least one row but got none.");
  TORCH_CHECK(labels.defined() && labels.dim() == 1 && labels.scalar_type() == torch::kInt64 &&
                  labels.size(0) == inputs.size(0),
              "error_rate: expected int64 labels [", inputs.size(0),
              "], one for each row, but got ",
              labels.defined() ? c10::str(c10::toString(labels.scalar_type()), " ", labels.sizes())
                               : "an undefined tensor",
              ".");
  const auto classes = predict(net, inputs, batch_size);
  const auto wrong = classes.ne(labels.to(classes.device())).sum().item<int64_t>();
  return 100.0 * static_cast<double>(wrong) / static_cast<double>(labels.size(0));
}

}  // namespace ladder::train
