#include "ladder/train/internal/gradient_exchange.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/utils.h>

#include <algorithm>
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

// Takes a gradient when autograd has accumulated it; from every parameter, until it ends.
class GradientExchange::Watch {
 public:
  explicit Watch(GradientExchange& owner) {
    for (size_t i = 0; i < owner.parameters_.size(); ++i) {
      const auto& parameter = owner.parameters_[i];
      if (!parameter.requires_grad()) continue;
      auto node = torch::autograd::impl::grad_accumulator(parameter);
      const auto key = node->add_post_hook(std::make_unique<Hook>(owner, i));
      hooks_.emplace_back(std::move(node), key);
    }
  }
  Watch(const Watch&) = delete;
  ~Watch() {
    for (const auto& [node, key] : hooks_) node->del_post_hook(key);
  }

 private:
  class Hook : public torch::autograd::FunctionPostHook {
   public:
    Hook(GradientExchange& owner, size_t parameter) : owner_(owner), parameter_(parameter) {}

    torch::autograd::variable_list operator()(
        const torch::autograd::variable_list& outputs,
        const torch::autograd::variable_list& /*inputs*/) override {
      owner_.take(parameter_, owner_.parameters_[parameter_].grad());
      return outputs;
    }

   private:
    GradientExchange& owner_;
    size_t parameter_;
  };

  std::vector<std::pair<std::shared_ptr<torch::autograd::Node>, uintptr_t>> hooks_;
};

GradientExchange::GradientExchange(std::shared_ptr<Communicator> ranks,
                                   std::vector<torch::Tensor> parameters,
                                   std::vector<torch::Tensor> statistics, int64_t bucket_bytes)
    : ranks_(std::move(ranks)),
      row_ranks_(std::make_shared<RowRanks>(ranks_)),
      parameters_(std::move(parameters)),
      statistics_(std::move(statistics)),
      bucket_bytes_(bucket_bytes) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    index_.emplace(parameters_[i].unsafeGetTensorImpl(), i);
  }
}

GradientExchange::~GradientExchange() = default;

void GradientExchange::begin_step() {
  statistics_before_.clear();
  for (const auto& tensor : statistics_) statistics_before_.push_back(tensor.clone());
  row_ranks_->clear();
  order_.clear();
  taken_.assign(parameters_.size(), false);
  started_ = 0;
  for (auto& bucket : buckets_) {
    bucket.missing = bucket.parameters.size();
    bucket.exchange.reset();
  }
}

void GradientExchange::undo_step() {
  const torch::NoGradGuard no_grad;
  for (size_t i = 0; i < statistics_.size(); ++i) statistics_[i].copy_(statistics_before_[i]);
}

std::shared_ptr<BatchRanks> GradientExchange::row_ranks() const { return row_ranks_; }

GradientReady GradientExchange::ready() {
  return [this](const torch::Tensor& parameter, const torch::Tensor& gradient) {
    const auto found = index_.find(parameter.unsafeGetTensorImpl());
    if (found != index_.end()) take(found->second, gradient);
  };
}

std::shared_ptr<void> GradientExchange::watch_autograd() { return std::make_shared<Watch>(*this); }

void GradientExchange::take(size_t parameter, const torch::Tensor& gradient) {
  TORCH_CHECK(!taken_[parameter],
              "Trainer: expected one gradient of each parameter in a step of several ranks but got "
              "a second one (compute the costs of a step in one backward pass).");
  taken_[parameter] = true;
  order_.push_back(parameter);
  if (buckets_.empty()) return;
  const torch::NoGradGuard no_grad;
  const auto [bucket, place] = places_[parameter];
  buckets_[bucket].places[place].copy_(gradient);
  --buckets_[bucket].missing;
  while (started_ + 1 < buckets_.size() && buckets_[started_].missing == 0) start_next();
}

void GradientExchange::start_next() {
  auto& bucket = buckets_[started_++];
  bucket.exchange = ranks_->start_all_reduce(bucket.values);
}

// Buckets in the order of the gradients on rank 0; what is no gradient follows those of the last.
void GradientExchange::make_buckets(const std::vector<torch::Tensor>& others) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!taken_[i]) order_.push_back(i);
  }
  auto agreed = at::empty({static_cast<int64_t>(order_.size())}, at::kLong);
  std::copy(order_.begin(), order_.end(), agreed.mutable_data_ptr<int64_t>());
  ranks_->broadcast(agreed);
  const auto* next = agreed.const_data_ptr<int64_t>();
  const auto* const end = next + agreed.numel();
  const auto options = parameters_.front().options().requires_grad(false);
  const auto item_bytes = static_cast<int64_t>(options.dtype().itemsize());
  int64_t other_values = 0;
  for (const auto& other : others) other_values += other.numel();
  places_.resize(parameters_.size());
  while (next != end) {
    Bucket bucket;
    int64_t values = 0;
    for (; next != end && values * item_bytes < bucket_bytes_; ++next) {
      const auto parameter = static_cast<size_t>(*next);
      places_[parameter] = {buckets_.size(), bucket.parameters.size()};
      bucket.parameters.push_back(parameter);
      values += parameters_[parameter].numel();
    }
    bucket.values = at::empty({values + (next == end ? other_values : 0)}, options);
    int64_t used = 0;
    const auto place_for = [&](const torch::Tensor& like) {
      used += like.numel();
      return bucket.values.narrow(0, used - like.numel(), like.numel()).view(like.sizes());
    };
    for (const auto parameter : bucket.parameters) {
      bucket.places.push_back(place_for(parameters_[parameter]));
    }
    if (next == end) {
      for (const auto& other : others) other_places_.push_back(place_for(other));
    }
    buckets_.push_back(std::move(bucket));
  }
}

void GradientExchange::average(torch::Tensor& costs) {
  const torch::NoGradGuard no_grad;
  const auto begin = std::chrono::steady_clock::now();
  std::vector<torch::Tensor> others = statistics_;
  others.push_back(costs);
  others.push_back(at::full({}, stop_requested_ ? 1 : 0, costs.options()));
  if (buckets_.empty()) {
    make_buckets(others);
    taken_.assign(parameters_.size(), false);
  }
  // What no pass told of: gradients of the first step, and of parameters without one.
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (taken_[i]) continue;
    auto& place = buckets_[places_[i].first].places[places_[i].second];
    const auto& gradient = parameters_[i].grad();
    gradient.defined() ? place.copy_(gradient) : place.zero_();
  }
  for (size_t i = 0; i < others.size(); ++i) other_places_[i].copy_(others[i]);
  while (started_ < buckets_.size()) start_next();

  bytes_ = row_ranks_->bytes;
  for (auto& bucket : buckets_) {
    bucket.exchange->wait();
    bucket.exchange.reset();
    bytes_ += static_cast<int64_t>(bucket.values.nbytes());
  }
  // Nothing is written before all has arrived.
  for (auto& bucket : buckets_) {
    bucket.values.div_(static_cast<double>(ranks_->size()));
    for (size_t i = 0; i < bucket.parameters.size(); ++i) {
      const auto& gradient = parameters_[bucket.parameters[i]].grad();
      if (gradient.defined()) gradient.copy_(bucket.places[i]);
    }
  }
  for (size_t i = 0; i < others.size(); ++i) others[i].copy_(other_places_[i]);
  stop_agreed_ = others.back().item<double>() > 0;

  const auto end = std::chrono::steady_clock::now();
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
