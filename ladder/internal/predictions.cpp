#include "ladder/internal/predictions.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>

#include "ladder/core/internal/threads.h"

namespace ladder::fitting {
namespace {

constexpr int64_t kPredictedAtOnce = 1000;

// Whatever is not the network's runs without OpenMP's threads: it takes little time, and a process
// that was forked would wait for them for ever.
template <typename F>
auto on_one_thread(const F& f) {
  const threads::OneThread serial;
  return f();
}

}  // namespace

torch::Tensor probabilities_of(Ladder net, const torch::Tensor& inputs) {
  const torch::NoGradGuard no_gradients;
  const auto parameter = net->parameters().front();
  std::vector<torch::Tensor> parts;
  for (int64_t begin = 0; begin < inputs.size(0); begin += kPredictedAtOnce) {
    const auto rows = inputs.narrow(0, begin, std::min(kPredictedAtOnce, inputs.size(0) - begin));
    const auto logits = net->forward(
        on_one_thread([&] { return rows.to(parameter.device(), parameter.scalar_type()); }));
    parts.push_back(on_one_thread([&] { return at::softmax(logits, 1).to(at::kCPU, at::kFloat); }));
  }
  if (parts.empty()) return at::empty({0, net->classes()}, at::kFloat);
  return on_one_thread([&] { return at::cat(parts); });
}

std::vector<std::string> names_of(const torch::Tensor& probabilities,
                                  const std::vector<std::string>& classes) {
  const auto best = on_one_thread([&] { return probabilities.argmax(1); });
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(best.numel()));
  for (int64_t row = 0; row < best.numel(); ++row) {
    names.push_back(classes[static_cast<size_t>(best.const_data_ptr<int64_t>()[row])]);
  }
  return names;
}

double share_right(const torch::Tensor& probabilities, const torch::Tensor& labels) {
  const threads::OneThread serial;  // as above
  const auto known = labels.ge(0);
  const auto count = known.sum().item<int64_t>();
  TORCH_CHECK(count > 0, "Classifier: expected a row with a label but got none of ", labels.numel(),
              ".");
  const auto right = probabilities.argmax(1).eq(labels).logical_and(known);
  return right.sum().item<double>() / static_cast<double>(count);
}

double share_right(const HeldBack& held_back) {
  if (!held_back.metrics) return share_right(held_back.probabilities, held_back.labels);
  const auto& metrics = *held_back.metrics;
  return static_cast<double>(metrics.rows - metrics.wrong) / static_cast<double>(metrics.rows);
}

void HeldBackPredictions::add(const torch::Tensor& probabilities, const torch::Tensor& labels) {
  rows_ += labels.numel();
  wrong_ += probabilities.argmax(1).ne(labels).sum().item<int64_t>();
  if (keeps_) {
    parts_.push_back(probabilities);
  } else {
    measured_.add(probabilities, labels);
  }
}

void HeldBackPredictions::put_into(HeldBack& held_back) const {
  if (keeps_) {
    held_back.probabilities = at::cat(parts_);
  } else {
    held_back.metrics = measured_.metrics();
  }
}

}  // namespace ladder::fitting
