#include "ladder/train/optimizer_state.h"

#include <ATen/ATen.h>
#include <c10/util/Type.h>
#include <torch/serialize/archive.h>

#include <algorithm>
#include <sstream>

#include "ladder/io/tensor_file.h"
#include "ladder/train/fused_adam.h"

namespace ladder::train {
namespace {

using torch::optim::Optimizer;
using Tensors = std::map<std::string, torch::Tensor>;

constexpr std::string_view kAdam = "adam.";
constexpr const char* kName = "optimizer.name";
constexpr const char* kArchive = "optimizer.archive";

std::string archive_of(const Optimizer& optimizer) {
  torch::serialize::OutputArchive archive;
  optimizer.save(archive);
  std::ostringstream bytes;
  archive.save_to(bytes);
  return bytes.str();
}

torch::serialize::InputArchive opened(const std::string& bytes, torch::Device device) {
  torch::serialize::InputArchive archive;
  archive.load_from(bytes.data(), bytes.size(), device);
  return archive;
}

torch::Device device_of(const Optimizer& optimizer) {
  for (const auto& group : optimizer.param_groups()) {
    for (const auto& parameter : group.params()) return parameter.device();
  }
  return torch::kCPU;
}

}  // namespace

void set_learning_rate(Optimizer& optimizer, double rate) {
  if (auto* adam = dynamic_cast<FusedAdam*>(&optimizer)) {
    adam->set_learning_rate(rate);
    return;
  }
  for (auto& group : optimizer.param_groups()) {
    group.options().set_lr(rate);
  }
}

std::string optimizer_name(const Optimizer& optimizer) {
  return c10::demangle(typeid(optimizer).name());
}

Tensors optimizer_state(const Optimizer& optimizer) {
  Tensors tensors;
  if (const auto* adam = dynamic_cast<const FusedAdam*>(&optimizer)) {
    for (const auto& [name, tensor] : adam->named_state()) {
      tensors[std::string(kAdam) + name] = tensor;
    }
    return tensors;
  }
  const auto bytes = archive_of(optimizer);
  TORCH_CHECK(!opened(bytes, torch::kCPU).keys().empty(),
              "Trainer: expected an optimiser that saves its state but got ",
              optimizer_name(optimizer),
              ", which writes nothing (override save and load of torch::optim::Optimizer).");
  tensors[kName] = io::text_tensor(optimizer_name(optimizer));
  tensors[kArchive] = at::empty({static_cast<int64_t>(bytes.size())}, torch::kUInt8);
  std::copy(bytes.begin(), bytes.end(), tensors[kArchive].mutable_data_ptr<uint8_t>());
  return tensors;
}

void load_optimizer_state(Optimizer& optimizer, const Tensors& tensors) {
  auto* adam = dynamic_cast<FusedAdam*>(&optimizer);
  const auto name = tensors.find(kName);
  const auto there = name == tensors.end() ? c10::demangle(typeid(FusedAdam).name())
                                           : io::tensor_text(name->second);
  TORCH_CHECK((adam != nullptr) == (name == tensors.end()) &&
                  (adam != nullptr || there == optimizer_name(optimizer)),
              "load_checkpoint: expected the state of ", optimizer_name(optimizer),
              " but got that of ", there, " (resume with the optimiser of the run's start).");
  if (adam != nullptr) {
    Tensors state;
    for (const auto& [key, tensor] : tensors) {
      if (key.starts_with(kAdam)) state[key.substr(kAdam.size())] = tensor;
    }
    adam->load_named_state(state);
    return;
  }
  const auto before = archive_of(optimizer);
  const auto device = device_of(optimizer);
  try {
    const auto& bytes = tensors.at(kArchive);
    auto archive = opened(
        std::string(static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()), device);
    optimizer.load(archive);
  } catch (const std::exception& error) {
    auto archive = opened(before, device);
    optimizer.load(archive);
    const auto* const ours = dynamic_cast<const c10::Error*>(&error);
    const std::string reason = ours != nullptr ? ours->what_without_backtrace() : error.what();
    TORCH_CHECK(false, "load_checkpoint: expected the state of this ", optimizer_name(optimizer),
                " but got one that it does not take: ", reason.substr(0, reason.find('\n')));
  }
}

}  // namespace ladder::train
