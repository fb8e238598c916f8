#include "ladder/train/internal/training_checks.h"

#include <ATen/ATen.h>
#include <torch/serialize/archive.h>
#include <torch/utils.h>
#include <zlib.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ladder/data/internal/row_checks.h"
#include "ladder/train/fused_adam.h"
#include "ladder/train/internal/number_text.h"
#include "ladder/train/internal/setting_names.h"
#include "ladder/train/optimizer_state.h"
#include "ladder/train/schedule.h"

namespace ladder::train {
namespace {

torch::Tensor first_parameter(const torch::nn::Module& net) {
  const auto parameters = net.parameters();
  TORCH_CHECK(!parameters.empty(), "Trainer: expected a network with parameters but got none.");
  const auto& first = parameters.front();
  TORCH_CHECK(first.scalar_type() != torch::kHalf,
              "Trainer: expected a network in Float or Double but got Half on ", first.device(),
              " (its numbers end at 65504, and costs overflow; keep the network in Float and set "
              "products to bfloat16 or tf32).");
  TORCH_CHECK(first.scalar_type() != torch::kBFloat16,
              "Trainer: expected a network in Float or Double but got BFloat16 on ", first.device(),
              " (small steps would round to none; keep the network in Float and set products to "
              "bfloat16 or tf32).");
  TORCH_CHECK(!first.is_inference(),
              "Trainer: expected a network that has gradients but got one that was built in "
              "c10::InferenceMode (build it outside).");
  TORCH_CHECK(std::any_of(parameters.begin(), parameters.end(),
                          [](const auto& parameter) { return parameter.requires_grad(); }),
              "Trainer: expected a parameter to train but got ", parameters.size(),
              " that are all frozen (set_requires_grad).");
  return first;
}

void check_inputs(const char* name, const torch::Tensor& inputs, const torch::Tensor& parameter) {
  TORCH_CHECK(inputs.defined(), "Trainer: expected ", name, " but got none.");
  const auto type = inputs.scalar_type() == torch::kUInt8 ? torch::kFloat32 : inputs.scalar_type();
  TORCH_CHECK(type == parameter.scalar_type() && inputs.device() == parameter.device(),
              "Trainer: expected ", name, " in ", c10::toString(parameter.scalar_type()), " on ",
              parameter.device(), " like the network but got ", c10::toString(inputs.scalar_type()),
              " on ", inputs.device(), ".");
  TORCH_CHECK(inputs.dim() >= 1 && inputs.size(0) >= 1, "Trainer: expected ", name,
              " of at least one row but got ", inputs.sizes(), ".");
}

void check_row_shape(const char* name, const std::vector<int64_t>& row, const Ladder& net) {
  if (net.is_empty()) return;
  const auto& wanted = net->options.input_shape;
  TORCH_CHECK(row == wanted, "Trainer: expected ", name, " whose rows are ",
              at::IntArrayRef(wanted), ", as the network takes them, but got rows ",
              at::IntArrayRef(row), ".");
}

// A schedule gives one rate.
void check_one_rate(torch::optim::Optimizer& optimizer) {
  auto& groups = optimizer.param_groups();
  for (const auto& group : groups) {
    const double first = groups.front().options().get_lr(), rate = group.options().get_lr();
    TORCH_CHECK(rate == first,
                "Trainer: expected one learning rate for all parameter groups, which the schedule "
                "sets, but got ",
                first, " and ", rate, ".");
  }
}

bool has_rows(const torch::Tensor& rows) { return rows.defined() && rows.numel() > 0; }

void check_validation(TrainData& data, const TrainOptions& options) {
  if (!has_rows(data.validation)) {
    data.validation = torch::Tensor();
    TORCH_CHECK(options.patience == 0, "Trainer: expected validation rows for a patience of ",
                options.patience, " epochs but got none.");
    return;
  }
  const auto& validation = data.validation;
  const auto& source = data.training.source;
  const auto rows = source ? source->rows() : data.training.inputs.size(0);
  TORCH_CHECK(validation.dim() == 1 && validation.scalar_type() == torch::kInt64 &&
                  validation.min().item<int64_t>() >= 0 && validation.max().item<int64_t>() < rows,
              "Trainer: expected validation rows as int64 [v] in 0..", rows - 1, " but got ",
              c10::toString(validation.scalar_type()), " ", validation.sizes(), ".");
  TORCH_CHECK(source || data.training.labels.defined(),
              "Trainer: expected labels of the validation rows but got none.");
  const auto& labeled = data.training.labeled;
  if (!has_rows(labeled) || labeled.dim() != 1 || labeled.scalar_type() != torch::kInt64) return;
  const auto held = validation.cpu();
  const auto shared = held.masked_select(at::isin(held, labeled.cpu()));
  TORCH_CHECK(shared.numel() == 0,
              "Trainer: expected validation rows that are not among the labeled ones but got row ",
              shared.numel() > 0 ? shared[0].item<int64_t>() : 0,
              " in both (the validation error would be of rows that were learned).");
}

void check_needed_rows(const TrainData& data, const TrainOptions& options, bool classifies) {
  TORCH_CHECK(!classifies || options.labeled_batch == 0 || has_rows(data.training.labeled),
              "Trainer: expected labeled rows in training.labeled but got none.");
  TORCH_CHECK(
      options.unlabeled_batch <= 0 || data.training.source || has_rows(data.training.unlabeled),
      "Trainer: expected unlabeled rows in training.unlabeled for an unlabeled_batch of ",
      options.unlabeled_batch, " but got none (0 trains on the labeled rows alone).");
}

// The rows that training reads, where these are not all.
torch::Tensor used_rows(const TrainData& data) {
  std::vector<torch::Tensor> parts;
  for (const auto& rows : {data.training.labeled, data.training.unlabeled, data.validation}) {
    if (has_rows(rows)) parts.push_back(rows.cpu());
  }
  return parts.empty() ? torch::Tensor() : at::cat(parts);
}

// Adds what the optimiser of the caller sets otherwise than TrainOptions say, for each group of
// parameters: checkpoints of FusedAdam hold no options.
void add_own_adam(const torch::optim::Optimizer& optimizer, const TrainOptions& options,
                  std::map<std::string, std::string>& settings) {
  if (dynamic_cast<const FusedAdam*>(&optimizer) == nullptr) return;
  const auto add = [&](const char* name, double usual, const auto& option_of) {
    std::vector<double> values;
    for (const auto& group : optimizer.param_groups()) {
      values.push_back(option_of(static_cast<const torch::optim::AdamOptions&>(group.options())));
    }
    const auto is_usual = [usual](double value) { return value == usual; };
    if (std::all_of(values.begin(), values.end(), is_usual)) return;
    settings[std::string("optimizer.") + name] = numbers_text(values);
  };
  using torch::optim::AdamOptions;
  add("beta1", options.beta1, [](const AdamOptions& of) { return std::get<0>(of.betas()); });
  add("beta2", options.beta2, [](const AdamOptions& of) { return std::get<1>(of.betas()); });
  add("eps", options.eps, [](const AdamOptions& of) { return of.eps(); });
  add("weight_decay", 0, [](const AdamOptions& of) { return of.weight_decay(); });
}

// Adds the options of any other optimiser, for each group of parameters: those of its checkpoint
// would replace them. The schedule sets the rate.
void add_options(const torch::optim::Optimizer& optimizer,
                 std::map<std::string, std::string>& settings) {
  if (dynamic_cast<const FusedAdam*>(&optimizer) != nullptr) return;
  size_t number = 0;
  for (const auto& group : optimizer.param_groups()) {
    const auto prefix = std::string(kOptimizerOptions) + std::to_string(number++) + ".";
    torch::serialize::OutputArchive written;
    try {
      group.options().serialize(written);
    } catch (const c10::Error&) {
      return;  // options of a class that does not say what they are
    }
    std::stringstream bytes;
    written.save_to(bytes);
    torch::serialize::InputArchive archive;
    archive.load_from(bytes);
    for (const auto& name : archive.keys()) {
      c10::IValue value;
      archive.read(name, value);
      if (name == "lr" || value.isTensor()) continue;
      settings[prefix + name] = value.isDouble() ? number_text(value.toDouble()) : c10::str(value);
    }
  }
}

// What a resumed run must have again, as texts by name.
std::map<std::string, std::string> settings_of(const TrainParts& parts,
                                               const data::SemiSampler& sampler,
                                               const TrainOptions& options) {
  auto settings = parts.objective->settings();
  settings[kSettingsVersion] = "1";
  settings["epochs"] = std::to_string(options.epochs);
  settings["learning_rate"] = number_text(options.learning_rate);
  settings["decay_from"] = number_text(options.decay_from);
  if (options.warm_up > 0) settings["warm_up"] = number_text(options.warm_up);
  settings["beta1"] = number_text(options.beta1);
  settings["beta2"] = number_text(options.beta2);
  settings["eps"] = number_text(options.eps);
  settings["labeled_batch"] = std::to_string(sampler.labeled_batch());
  settings["unlabeled_batch"] = std::to_string(sampler.unlabeled_batch());
  settings["optimizer"] = optimizer_name(*parts.optimizer);
  add_own_adam(*parts.optimizer, options, settings);
  add_options(*parts.optimizer, settings);
  if (options.statistics != RankStatistics::kLocal) {
    settings["statistics"] = to_string(options.statistics);
  }
  for (const auto& term : parts.objective->terms()) {
    settings["costs"] += (settings["costs"].empty() ? "" : ", ") + to_string(term);
  }
  return settings;
}

int64_t check_sum(const torch::nn::Module& net) {
  auto crc = ::crc32_z(0, nullptr, 0);
  for (const auto& parameter : net.parameters()) {
    const auto values = parameter.detach().cpu().contiguous();
    crc = ::crc32_z(crc, static_cast<const Bytef*>(values.const_data_ptr()), values.nbytes());
  }
  return static_cast<int64_t>(crc);
}

}  // namespace

uint64_t start_seed(uint64_t seed, int64_t start) {
  TORCH_CHECK(start >= 1, "start_seed: expected a start of at least 1 but got ", start, ".");
  return start == 1 ? seed : stream_seed(seed, "start " + std::to_string(start));
}

TrainOptions checked(TrainOptions options) {
  const auto at_least = [](const char* name, auto value, auto least) {
    TORCH_CHECK(value >= least, "Trainer: expected ", name, " of at least ", least, " but got ",
                value, ".");
  };
  at_least("epochs", options.epochs, 1);
  at_least("eval_every", options.eval_every, 0);
  at_least("evaluation_batch", options.evaluation_batch, 2);
  at_least("patience", options.patience, 0);
  TORCH_CHECK(options.patience == 0 || options.eval_every > 0,
              "Trainer: expected eval_every of at least 1 with a patience of ", options.patience,
              " but got 0 (the validation error decides when to stop).");
  at_least("checkpoint_every_seconds", options.checkpoint_every_seconds, 0);
  at_least("progress_every_seconds", options.progress_every_seconds, 0);
  return options;
}

TrainParts completed(TrainParts parts, const TrainOptions& options) {
  TORCH_CHECK(parts.objective, "Trainer: expected an objective but got none.");
  first_parameter(parts.objective->module());
  if (!parts.schedule) {
    const LinearDecay decay{options.learning_rate, options.epochs, options.decay_from,
                            options.warm_up};
    learning_rate(decay, 0);  // throws what is wrong with it
    parts.schedule = [decay](const StepPosition& at) { return learning_rate(decay, at); };
  }
  if (parts.optimizer) {
    check_one_rate(*parts.optimizer);
  } else {
    parts.optimizer = std::make_shared<FusedAdam>(parts.objective->module(),
                                                  torch::optim::AdamOptions(options.learning_rate)
                                                      .betas({options.beta1, options.beta2})
                                                      .eps(options.eps));
  }
  return parts;
}

TrainData checked(TrainData data, Objective& objective, const TrainOptions& options) {
  const auto parameter = first_parameter(objective.module());
  if (data.training.source) {
    data.training.placed = parameter.options().requires_grad(false);
  } else {
    check_inputs("training inputs", data.training.inputs, parameter);
  }
  const auto net = objective.classifier();
  const auto& source = data.training.source;
  check_row_shape("training inputs",
                  source ? source->row_shape() : data.training.inputs.sizes().slice(1).vec(), net);
  check_needed_rows(data, options, !net.is_empty());
  check_validation(data, options);
  TORCH_CHECK(data.test_inputs.defined() == data.test_labels.defined(),
              "Trainer: expected test inputs and test labels, or neither, but got ",
              data.test_inputs.defined() ? "inputs" : "labels", " alone.");
  if (data.test_inputs.defined()) {
    check_inputs("test inputs", data.test_inputs, parameter);
    check_row_shape("test inputs", data.test_inputs.sizes().slice(1).vec(), net);
  }
  TORCH_CHECK(!objective.classifier().is_empty() ||
                  (!data.validation.defined() && !data.test_inputs.defined()),
              "Trainer: expected no validation or test rows for an objective without a classifier, "
              "whose evaluations report costs, but got some.");
  return data;
}

data::SemiSampler sampler_of(const TrainData& data, const Ladder& net,
                             const TrainOptions& options) {
  data::SemiSampler sampler(data.training, {.unlabeled_batch = options.unlabeled_batch,
                                            .labeled_batch = options.labeled_batch,
                                            .epoch_batch = options.epoch_batch,
                                            .classes = net.is_empty() ? 0 : net->classes(),
                                            .seed = start_seed(options.seed, options.start),
                                            .rank = options.ranks ? options.ranks->rank() : 0,
                                            .ranks = options.ranks ? options.ranks->size() : 1});
  if (!data.training.source) {
    data::check_finite("Trainer", "training inputs", data.training.inputs, used_rows(data));
  }
  if (data.test_inputs.defined()) {
    data::check_finite("Trainer", "test inputs", data.test_inputs);
  }
  return sampler;
}

TrainState first_state(const TrainParts& parts, const TrainData& data,
                       const data::SemiSampler& sampler, const TrainOptions& options) {
  TrainState state{.steps_per_epoch = sampler.steps_per_epoch()};
  if (options.record && sampler.rank() == 0) {
    state.settings = settings_of(parts, sampler, options);
    state.data = data_fingerprint(data);
    if (sampler.ranks() > 1) state.settings[kRanks] = std::to_string(sampler.ranks());
  }
  return state;
}

void check_parameters(const torch::nn::Module& net, int64_t step) {
  const torch::NoGradGuard no_grad;
  const auto parameters = net.named_parameters();
  std::vector<torch::Tensor> finite;
  for (const auto& parameter : parameters) {
    finite.push_back(parameter.value().isfinite().all());
  }
  const auto flags = at::stack(finite).cpu();
  for (size_t i = 0; i < finite.size(); ++i) {
    TORCH_CHECK(flags[static_cast<int64_t>(i)].item<bool>(), "Trainer: the parameter ",
                parameters[i].key(), " is not finite after step ", step,
                " (lower lambda or the learning rate).");
  }
}

void check_same_parameters(const std::shared_ptr<Communicator>& ranks, const torch::nn::Module& net,
                           int64_t step) {
  if (!ranks || ranks->size() == 1) return;
  const auto sums = ranks->all_gather(at::tensor({check_sum(net)}, at::kLong));
  for (size_t rank = 1; rank < sums.size(); ++rank) {
    TORCH_CHECK(sums[rank].equal(sums.front()),
                "Trainer: expected the same parameters on all ranks after step ", step,
                " but rank ", rank, " has others than rank 0 (have all ranks the same options, ",
                "data and program?).");
  }
}

void agree_on_validation(const std::shared_ptr<Communicator>& ranks, Evaluation& evaluation) {
  if (!ranks || ranks->size() == 1 || !evaluation.validation_error) return;
  auto error = at::tensor({*evaluation.validation_error}, at::kDouble);
  ranks->broadcast(error);
  evaluation.validation_error = error.item<double>();
}

}  // namespace ladder::train
