#include "ladder/train/fused_adam.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <torch/optim/serialize.h>
#include <torch/serialize/archive.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <tuple>
#include <unordered_map>

#include "ladder/core/internal/threads.h"
#include "ladder/ops/kernels/cpu/columns.h"
#include "ladder/train/internal/parameters_once.h"

namespace ladder::train {
namespace {

using torch::optim::AdamOptions;

constexpr const char* kStep = ".step";
constexpr const char* kExpAvg = ".exp_avg";
constexpr const char* kExpAvgSq = ".exp_avg_sq";

void check_options(const AdamOptions& options) {
  const auto [beta1, beta2] = options.betas();
  TORCH_CHECK(std::isfinite(options.lr()) && options.lr() >= 0,
              "FusedAdam: expected a finite learning rate of at least 0 but got ", options.lr(),
              ".");
  TORCH_CHECK(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1,
              "FusedAdam: expected betas of at least 0 and below 1 but got ", beta1, " and ", beta2,
              ".");
  TORCH_CHECK(options.eps() >= 0, "FusedAdam: expected an eps of at least 0 but got ",
              options.eps(), ".");
  TORCH_CHECK(options.weight_decay() >= 0,
              "FusedAdam: expected a weight_decay of at least 0 but got ", options.weight_decay(),
              ".");
  TORCH_CHECK(!options.amsgrad(),
              "FusedAdam: expected amsgrad off but got it on (torch::optim::Adam has it).");
}

// A tensor that is there twice would be updated twice in a step.
void check_each_once(const std::vector<torch::optim::OptimizerParamGroup>& groups) {
  std::unordered_map<const c10::TensorImpl*, size_t> places;
  for (const auto& group : groups) {
    for (const auto& parameter : group.params()) {
      const auto place = places.size();
      const auto [first, is_new] = places.emplace(parameter.unsafeGetTensorImpl(), place);
      TORCH_CHECK(is_new, "FusedAdam: expected each parameter once but got parameter ",
                  first->second, " again as ", place, " (is one module in two places?).");
    }
  }
}

// The tensors of one call of the kernel, all of one dtype and device.
struct Lists {
  std::vector<at::Tensor> parameters, grads, exp_avgs, exp_avg_sqs, steps;
};

struct AdamCall {
  double rate, beta1, beta2, weight_decay, eps;

  template <class Rate>
  void run(const Lists& lists, const Rate& of_lists) const {
    at::_fused_adam_(lists.parameters, lists.grads, lists.exp_avgs, lists.exp_avg_sqs, {},
                     lists.steps, of_lists, beta1, beta2, weight_decay, eps, /*amsgrad=*/false,
                     /*maximize=*/false);
  }
};

// Add 1 to each counter. On the CPU that takes less time than a call of LibTorch.
void count_step(const std::vector<at::Tensor>& steps) {
  if (!steps.front().is_cpu()) return at::_foreach_add_(steps, 1);
  for (const auto& step : steps) *step.mutable_data_ptr<float>() += 1;
}

// The lists in parts of some kPart values: a large tensor in several pieces, small ones together.
std::vector<Lists> parts_of_lists(const Lists& lists) {
  constexpr int64_t kPart = 1 << 17;
  std::vector<Lists> parts(1);
  int64_t values = 0;  // of the last part
  for (size_t i = 0; i < lists.parameters.size(); ++i) {
    const std::array<const at::Tensor*, 4> tensors = {&lists.parameters[i], &lists.grads[i],
                                                      &lists.exp_avgs[i], &lists.exp_avg_sqs[i]};
    const auto numel = lists.parameters[i].numel();
    // Pieces of memory are pieces of all four only where they lie alike.
    const bool divides = numel > kPart && lists.parameters[i].is_non_overlapping_and_dense() &&
                         std::all_of(tensors.begin(), tensors.end(), [&](const at::Tensor* t) {
                           return t->strides() == lists.parameters[i].strides();
                         });
    const auto piece = divides ? kPart : std::max<int64_t>(numel, 1);
    for (int64_t begin = 0; begin < std::max<int64_t>(numel, 1); begin += piece) {
      const auto size = std::min(piece, numel - begin);
      if (values > 0 && values + size > kPart) {
        parts.emplace_back();
        values = 0;
      }
      const auto part_of = [&](const at::Tensor& t) {
        return divides ? t.as_strided({size}, {1}, t.storage_offset() + begin) : t;
      };
      auto& part = parts.back();
      part.parameters.push_back(part_of(*tensors[0]));
      part.grads.push_back(part_of(*tensors[1]));
      part.exp_avgs.push_back(part_of(*tensors[2]));
      part.exp_avg_sqs.push_back(part_of(*tensors[3]));
      part.steps.push_back(lists.steps[i]);
      values += size;
    }
  }
  return parts;
}

// Each value is updated from values at its own place: the same bits in any parts.
void update_on_cpu(const Lists& lists, const AdamCall& call) {
  int64_t values = 0;
  for (const auto& parameter : lists.parameters) {
    values += parameter.numel();
  }
  if (at::get_num_threads() == 1 || values < 2 * ops::cpu::kWorkOfThread) {
    const threads::OneThread serial;
    return call.run(lists, call.rate);
  }
  const auto parts = parts_of_lists(lists);
  ops::cpu::for_tasks(
      static_cast<int64_t>(parts.size()),
      [&](int64_t task) {
        const torch::NoGradGuard no_grad;
        call.run(parts[static_cast<size_t>(task)], call.rate);
      },
      values);
}

}  // namespace

void FusedAdamParamState::serialize(torch::serialize::InputArchive& archive) {
  archive.read("step", step, /*is_buffer=*/true);
  archive.read("exp_avg", exp_avg, /*is_buffer=*/true);
  archive.read("exp_avg_sq", exp_avg_sq, /*is_buffer=*/true);
}

void FusedAdamParamState::serialize(torch::serialize::OutputArchive& archive) const {
  archive.write("step", step, /*is_buffer=*/true);
  archive.write("exp_avg", exp_avg, /*is_buffer=*/true);
  archive.write("exp_avg_sq", exp_avg_sq, /*is_buffer=*/true);
}

FusedAdam::FusedAdam(const torch::nn::Module& module, const AdamOptions& options)
    : FusedAdam(tensors_once(module), options) {
  for (auto& [name, tensor] : parameters_once(module)) names_.push_back(std::move(name));
}

FusedAdam::FusedAdam(std::vector<torch::Tensor> parameters, const AdamOptions& options)
    : FusedAdam({torch::optim::OptimizerParamGroup(std::move(parameters))}, options) {}

FusedAdam::FusedAdam(const std::vector<torch::optim::OptimizerParamGroup>& groups,
                     const AdamOptions& options)
    : Optimizer(groups, std::make_unique<AdamOptions>(options)) {
  for (const auto& group : param_groups_) {
    check_options(static_cast<const AdamOptions&>(group.options()));
  }
  check_each_once(param_groups_);
}

torch::Tensor FusedAdam::step(LossClosure closure) {
  torch::Tensor loss;
  if (closure) {
    const at::AutoGradMode enable_grad(true);
    loss = closure();
  }
  const c10::InferenceMode off(false);  // state made in that mode could not be changed outside it
  const torch::NoGradGuard no_grad;
  for (size_t g = 0; g < param_groups_.size(); ++g) {
    const auto& group = param_groups_[g];
    const auto& options = static_cast<const AdamOptions&>(group.options());
    check_options(options);
    const auto [beta1, beta2] = options.betas();
    std::map<std::pair<at::DeviceType, std::pair<int, int>>, Lists> calls;
    for (const auto& parameter : group.params()) {
      auto grad = parameter.grad();
      if (!grad.defined()) continue;
      TORCH_CHECK(!grad.is_sparse(), "FusedAdam: expected dense gradients but got a sparse one.");
      if (grad.strides() != parameter.strides()) grad = at::empty_like(parameter).copy_(grad);
      // The kernel goes through the memory of all four as it lies.
      TORCH_CHECK(parameter.is_non_overlapping_and_dense(),
                  "FusedAdam: expected a parameter that fills its memory but got one of ",
                  parameter.sizes(), " with strides ", parameter.strides(),
                  ", a part of another tensor (clone it, or use torch::optim::Adam).");
      auto& state = state_of(parameter);
      const auto device = parameter.device();
      auto& lists =
          calls[{device.type(), {device.index(), static_cast<int>(parameter.scalar_type())}}];
      lists.parameters.push_back(parameter);
      lists.grads.push_back(grad);
      lists.exp_avgs.push_back(state.exp_avg);
      lists.exp_avg_sqs.push_back(state.exp_avg_sq);
      lists.steps.push_back(state.step);
    }
    for (auto& [key, lists] : calls) {
      count_step(lists.steps);
      const AdamCall call{options.lr(), beta1, beta2, options.weight_decay(), options.eps()};
      const auto device = lists.parameters.front().device();
      if (device.is_cuda()) {
        auto& rate = rate_of(g, device);
        rate.set(options.lr());
        call.run(lists, rate.tensor);
      } else {
        update_on_cpu(lists, call);
      }
    }
  }
  return loss;
}

void FusedAdam::set_learning_rate(double rate) {
  for (auto& group : param_groups_) {
    group.options().set_lr(rate);
  }
  for (auto& [place, device_rate] : device_rates_) {
    device_rate.set(rate);
  }
}

void FusedAdam::DeviceRate::set(double rate) {
  if (rate != value) {
    tensor.fill_(rate);
    value = rate;
  }
}

FusedAdam::DeviceRate& FusedAdam::rate_of(size_t group, torch::Device device) {
  auto& rate = device_rates_[{group, device.index()}];
  if (!rate.tensor.defined()) {
    rate.tensor = at::zeros({}, at::TensorOptions(device).dtype(at::kFloat));
  }
  return rate;
}

FusedAdamParamState& FusedAdam::state_of(const torch::Tensor& parameter) {
  auto& slot = state_[parameter.unsafeGetTensorImpl()];
  if (!slot) {
    auto state = std::make_unique<FusedAdamParamState>();
    state->step = at::zeros({}, parameter.options().dtype(at::kFloat));
    state->exp_avg = at::zeros_like(parameter);
    state->exp_avg_sq = at::zeros_like(parameter);
    slot = std::move(state);
  }
  auto& state = static_cast<FusedAdamParamState&>(*slot);
  TORCH_CHECK(state.exp_avg.device() == parameter.device() &&
                  state.exp_avg.scalar_type() == parameter.scalar_type(),
              "FusedAdam: expected a parameter in ", c10::toString(state.exp_avg.scalar_type()),
              " on ", state.exp_avg.device(), " like its state but got ",
              c10::toString(parameter.scalar_type()), " on ", parameter.device(),
              " (make the optimiser after moving the network).");
  for (auto* moment : {&state.exp_avg, &state.exp_avg_sq}) {  // the parameter may lie otherwise now
    if (moment->strides() != parameter.strides()) {
      *moment = at::empty_like(parameter).copy_(*moment);
    }
  }
  return state;
}

std::vector<std::pair<std::string, torch::Tensor>> FusedAdam::named_parameters() const {
  std::vector<std::pair<std::string, torch::Tensor>> named;
  for (const auto& group : param_groups_) {
    for (const auto& parameter : group.params()) {
      const auto place = named.size();
      named.emplace_back(place < names_.size() ? names_[place] : std::to_string(place), parameter);
    }
  }
  return named;
}

std::map<std::string, torch::Tensor> FusedAdam::named_state() const {
  std::map<std::string, torch::Tensor> named;
  for (const auto& [name, parameter] : named_parameters()) {
    const auto found = state_.find(parameter.unsafeGetTensorImpl());
    if (found == state_.end()) continue;
    const auto& state = static_cast<const FusedAdamParamState&>(*found->second);
    named[name + kStep] = state.step;
    named[name + kExpAvg] = state.exp_avg;
    named[name + kExpAvgSq] = state.exp_avg_sq;
  }
  return named;
}

void FusedAdam::load_named_state(const std::map<std::string, torch::Tensor>& state) {
  const torch::NoGradGuard no_grad;
  std::unordered_map<void*, std::unique_ptr<torch::optim::OptimizerParamState>> loaded;
  size_t used = 0;
  for (const auto& [name, parameter] : named_parameters()) {
    const auto step = state.find(name + kStep);
    const auto exp_avg = state.find(name + kExpAvg);
    const auto exp_avg_sq = state.find(name + kExpAvgSq);
    const auto present = static_cast<size_t>((step != state.end()) + (exp_avg != state.end()) +
                                             (exp_avg_sq != state.end()));
    if (present == 0) continue;
    TORCH_CHECK(present == 3, "FusedAdam: expected step, exp_avg and exp_avg_sq of ", name,
                " but got only ", present, " of them.");
    for (const auto& moment : {exp_avg, exp_avg_sq}) {
      TORCH_CHECK(moment->second.sizes() == parameter.sizes() &&
                      moment->second.scalar_type() == parameter.scalar_type(),
                  "FusedAdam: expected ", moment->first, " as ",
                  c10::toString(parameter.scalar_type()), " ", parameter.sizes(), " but got ",
                  c10::toString(moment->second.scalar_type()), " ", moment->second.sizes(), ".");
    }
    TORCH_CHECK(step->second.dim() == 0, "FusedAdam: expected ", step->first,
                " as a scalar but got ", step->second.sizes(), ".");
    auto entry = std::make_unique<FusedAdamParamState>();
    entry->step = step->second.to(parameter.options().dtype(at::kFloat), false, /*copy=*/true);
    entry->exp_avg = at::empty_like(parameter).copy_(exp_avg->second);
    entry->exp_avg_sq = at::empty_like(parameter).copy_(exp_avg_sq->second);
    loaded[parameter.unsafeGetTensorImpl()] = std::move(entry);
    used += present;
  }
  if (used != state.size()) {
    for (const auto& [key, tensor] : state) {
      const auto dot = key.rfind('.');
      const auto owner = key.substr(0, dot);
      const auto part = dot == std::string::npos ? std::string() : key.substr(dot);
      bool known = false;
      for (const auto& [name, parameter] : named_parameters()) {
        known = known || (name == owner && (part == kStep || part == kExpAvg || part == kExpAvgSq));
      }
      TORCH_CHECK(known, "FusedAdam: expected state of the parameters alone but got ", key, ".");
    }
  }
  state_.clear();
  for (auto& [key, entry] : loaded) {
    state_[key] = std::move(entry);
  }
}

void FusedAdam::save(torch::serialize::OutputArchive& archive) const {
  torch::optim::serialize<FusedAdamParamState, AdamOptions>(archive, *this);
}

void FusedAdam::load(torch::serialize::InputArchive& archive) {
  torch::optim::serialize<FusedAdamParamState, AdamOptions>(archive, *this);
  for (const auto& [name, parameter] : named_parameters()) {
    const auto found = state_.find(parameter.unsafeGetTensorImpl());
    if (found == state_.end()) continue;
    auto& state = static_cast<FusedAdamParamState&>(*found->second);
    for (auto* tensor : {&state.step, &state.exp_avg, &state.exp_avg_sq}) {
      *tensor = tensor->to(parameter.device());
    }
  }
}

}  // namespace ladder::train
