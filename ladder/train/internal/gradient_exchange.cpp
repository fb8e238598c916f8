#include "ladder/train/internal/gradient_exchange.h"

#include <ATen/ATen.h>
#include <torch/utils.h>

#include <utility>

#include "ladder/core/internal/median.h"

namespace ladder::train {
namespace {

constexpr size_t kTimedSteps = 20;

double seconds_between(std::chrono::steady_clock::time_point from,
                       std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

// The communicator, with the time and the bytes of what a step exchanges.
class GradientExchange::RowRanks : public BatchRanks {
 public:
  explicit RowRanks(std::shared_ptr<Communicator> ranks) : ranks_(std::move(ranks)) {}

  int64_t size() const override { return ranks_->size(); }
  void all_reduce(torch::Tensor& tensor) override {
    const Count count(*this, tensor);
    ranks_->all_reduce(tensor);
  }
  std::vector<torch::Tensor> all_gather(const torch::Tensor& tensor) override {
    const Count count(*this, tensor);
    return ranks_->all_gather(tensor);
  }

  void clear() {
    seconds = 0;
    bytes = 0;
  }

  double seconds = 0;
  int64_t bytes = 0;

 private:
  class Count {
   public:
    Count(RowRanks& owner, const torch::Tensor& tensor)
        : owner_(owner), begin_(std::chrono::steady_clock::now()) {
      owner_.bytes += static_cast<int64_t>(tensor.nbytes());
    }
    Count(const Count&) = delete;
    ~Count() { owner_.seconds += seconds_between(begin_, std::chrono::steady_clock::now()); }

   private:
    RowRanks& owner_;
    Instant begin_;
  };

  std::shared_ptr<Communicator> ranks_;
};

GradientExchange::GradientExchange(std::shared_ptr<Communicator> ranks,
                                   std::vector<torch::Tensor> parameters,
                                   std::vector<torch::Tensor> statistics)
    : ranks_(std::move(ranks)),
      row_ranks_(std::make_shared<RowRanks>(ranks_)),
      parameters_(std::move(parameters)),
      statistics_(std::move(statistics)) {}

void GradientExchange::begin_step() {
  statistics_before_.clear();
  for (const auto& tensor : statistics_) statistics_before_.push_back(tensor.clone());
  row_ranks_->clear();
}

void GradientExchange::undo_step() {
  const torch::NoGradGuard no_grad;
  for (size_t i = 0; i < statistics_.size(); ++i) statistics_[i].copy_(statistics_before_[i]);
}

std::shared_ptr<BatchRanks> GradientExchange::row_ranks() const { return row_ranks_; }

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
  ranks_->all_reduce(bucket_);
  stop_agreed_ = bucket_[values - 1].item<double>() > 0;
  bucket_.div_(static_cast<double>(ranks_->size()));
  for (size_t i = 0; i < parts.size(); ++i) parts[i].copy_(places[i]);

  const auto end = std::chrono::steady_clock::now();
  bytes_ = static_cast<int64_t>(bucket_.nbytes()) + row_ranks_->bytes;
  if (last_ && step_seconds_.size() < kTimedSteps) {
    step_seconds_.push_back(seconds_between(*last_, begin) - row_ranks_->seconds);
    exchange_seconds_.push_back(seconds_between(begin, end) + row_ranks_->seconds);
  }
  last_ = end;
}

std::optional<ExchangeTimes> GradientExchange::times() const {
  if (step_seconds_.size() < kTimedSteps) return std::nullopt;
  return ExchangeTimes{.ranks = ranks_->size(),
                       .bytes = bytes_,
                       .exchange_seconds = median(exchange_seconds_),
                       .step_seconds = median(step_seconds_)};
}

}  // namespace ladder::train
