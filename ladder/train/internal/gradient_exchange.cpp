#include "ladder/train/internal/gradient_exchange.h"

#include <ATen/ATen.h>
#include <torch/utils.h>

#include <utility>

#include "ladder/core/internal/median.h"

namespace ladder::train {
namespace {

constexpr size_t kTimedSteps = 20;

}  // namespace

GradientExchange::GradientExchange(std::shared_ptr<Communicator> ranks,
                                   std::vector<torch::Tensor> parameters,
                                   std::vector<torch::Tensor> statistics)
    : ranks_(std::move(ranks)),
      parameters_(std::move(parameters)),
      statistics_(std::move(statistics)) {}

void GradientExchange::begin_step() {
  statistics_before_.clear();
  for (const auto& tensor : statistics_) statistics_before_.push_back(tensor.clone());
}

void GradientExchange::average(torch::Tensor& costs) {
  const torch::NoGradGuard no_grad;
  const auto begin = std::chrono::steady_clock::now();
  std::vector<torch::Tensor> parts;
  for (const auto& parameter : parameters_) {
    if (parameter.grad().defined()) parts.push_back(parameter.grad());
  }
  parts.insert(parts.end(), statistics_.begin(), statistics_.end());
  parts.push_back(costs);
  int64_t values = 1;
  for (const auto& part : parts) values += part.numel();
  if (!bucket_.defined() || bucket_.numel() != values) {
    bucket_ = at::empty({values}, parameters_.front().options().requires_grad(false));
  }
  const auto places = [&] {  // of the parts in the bucket
    std::vector<torch::Tensor> all;
    int64_t at = 0;
    for (const auto& part : parts) {
      all.push_back(bucket_.narrow(0, at, part.numel()).view(part.sizes()));
      at += part.numel();
    }
    return all;
  }();
  for (size_t i = 0; i < parts.size(); ++i) torch::Tensor(places[i]).copy_(parts[i]);
  bucket_[values - 1].fill_(stop_requested_ ? 1 : 0);
  try {
    ranks_->all_reduce(bucket_);
  } catch (const CommunicationError&) {
    for (size_t i = 0; i < statistics_.size(); ++i) statistics_[i].copy_(statistics_before_[i]);
    throw;
  }
  stop_agreed_ = bucket_[values - 1].item<double>() > 0;
  bucket_.div_(static_cast<double>(ranks_->size()));
  for (size_t i = 0; i < parts.size(); ++i) parts[i].copy_(places[i]);

  const auto end = std::chrono::steady_clock::now();
  const auto seconds = [](Instant from, Instant to) {
    return std::chrono::duration<double>(to - from).count();
  };
  if (last_ && step_seconds_.size() < kTimedSteps) {
    step_seconds_.push_back(seconds(*last_, begin));
    exchange_seconds_.push_back(seconds(begin, end));
  }
  last_ = end;
}

std::optional<ExchangeTimes> GradientExchange::times() const {
  if (step_seconds_.size() < kTimedSteps) return std::nullopt;
  return ExchangeTimes{.ranks = ranks_->size(),
                       .bytes = static_cast<int64_t>(bucket_.nbytes()),
                       .exchange_seconds = median(exchange_seconds_),
                       .step_seconds = median(step_seconds_)};
}

}  // namespace ladder::train
