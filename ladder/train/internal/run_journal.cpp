#include "ladder/train/internal/run_journal.h"

#include <ATen/ATen.h>
#include <torch/utils.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <system_error>
#include <utility>

#include "ladder/train/internal/broadcast_file.h"
#include "ladder/train/internal/setting_names.h"
#include "ladder/train/internal/training_checks.h"
#include "ladder/train/optimizer_state.h"
#include "ladder/train/process_memory.h"

namespace ladder::train {
namespace {

using Texts = std::map<std::string, std::string>;

constexpr const char* kAbsent = "absent";

// The input variance that a text states; one of 1 is not written.
std::optional<double> variance_in(const std::string& text) {
  if (text == kAbsent) return 1;
  double number = 0;
  const auto* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && rest == end ? std::optional(number) : std::nullopt;
}

// True for equal values, and for a measured one that differs by what threads round otherwise.
bool same_value(const std::string& key, const std::string& there, const std::string& here) {
  if (there == here || key != kInputVariance) return there == here;
  constexpr double kRounding = 1e-9;  // of a sum over all rows: above what any order of it gives
  const auto a = variance_in(there), b = variance_in(here);
  return a && b && std::abs(*a - *b) <= kRounding * std::abs(*a);
}

// "epochs (4 there, 8 here)"; empty where both are equal.
std::string text_differences(const Texts& there, const Texts& here) {
  const auto value = [](const Texts& texts, const std::string& key) {
    const auto found = texts.find(key);
    return found == texts.end() ? std::string(kAbsent) : found->second;
  };
  auto keys = there;
  keys.insert(here.begin(), here.end());
  std::string differences;
  for (const auto& [key, unused] : keys) {
    if (same_value(key, value(there, key), value(here, key))) continue;
    differences += (differences.empty() ? "" : ", ") + key + " (" + value(there, key) + " there, " +
                   value(here, key) + " here)";
  }
  return differences;
}

// Ranks that wrote a checkpoint.
int64_t ranks_of(const TrainState& state) {
  const auto found = state.settings.find(kRanks);
  return found == state.settings.end() ? 1 : std::stoll(found->second);
}

// Takes a state of another number of ranks for one of these: the epoch goes on behind the rows that
// it has had, and the sums of its costs keep their means. At the end of an epoch they are those of
// the whole epoch, which may not have been evaluated yet.
void count_steps_of(const data::SemiSampler& sampler, TrainState& state) {
  const auto before = ranks_of(state);
  if (before == sampler.ranks()) return;
  const auto done = state.step % state.steps_per_epoch;
  const auto steps = sampler.steps_per_epoch();
  const auto now = std::min(done * before / sampler.ranks(), steps - 1);
  const double ratio =
      done > 0 ? static_cast<double>(now) / static_cast<double>(done)
               : static_cast<double>(steps) / static_cast<double>(state.steps_per_epoch);
  state.step = state.step / state.steps_per_epoch * steps + now;
  state.steps_per_epoch = steps;
  for (auto& sum : state.cost_sums) sum *= ratio;
}

// The settings `here` to compare with those of a checkpoint.
Texts comparable(Texts here, const Texts& there, bool same_optimizer) {
  here.erase(kRanks);
  here.erase(kSettingsVersion);
  // Before versions were counted, only settings of a ladder told the age of a checkpoint.
  const bool older = !there.contains(kSettingsVersion) && !there.contains(kDetachTargets) &&
                     !there.contains(kStageNoise);
  std::erase_if(here, [&](const auto& one) {
    const auto& name = one.first;
    const bool options = name.starts_with(kOptimizerOptions);
    return (options && !same_optimizer) ||
           (!there.contains(name) && (name == kDetachTargets || name == kStageNoise || options ||
                                      (older && is_newer_setting(name))));
  });
  return here;
}

}  // namespace

RunJournal::RunJournal(const TrainOptions& options, StepRunner& runner, CostBuffer& costs,
                       TrainState& state)
    : options_(options), runner_(runner), costs_(costs), state_(state) {
  if (options_.record && runner_.sampler().rank() == 0) {
    optimizer_state(runner_.optimizer());  // throws where it could not be saved
    record_ = options_.record();
    TORCH_CHECK(record_, "Trainer: expected a record of the run but got none.");
    state_.config = record_->config();
    resume();
  }
  if (several_ranks(options_)) share();
  check_same_parameters(options_.ranks, runner_.objective().module(), state_.step);
}

// Hands the state of rank 0 to the others: its checkpoint, and what the record says beside it.
void RunJournal::share() {
  auto& ranks = *options_.ranks;
  const bool resumed = record_ && record_->has_checkpoint();
  broadcast_file(ranks, resumed ? record_->checkpoint_path() : "",
                 [this](const std::filesystem::path& copy) { restore(copy, {}); });
  const double none = std::numeric_limits<double>::quiet_NaN();
  auto facts = at::tensor(
      {static_cast<double>(state_.evaluated_epoch), static_cast<double>(state_.best_epoch),
       state_.best_validation_error.value_or(none),
       result_ ? static_cast<double>(result_->status) : none},
      at::kDouble);
  ranks.broadcast(facts);
  if (ranks.rank() == 0) return;
  const auto* fact = facts.const_data_ptr<double>();
  state_.evaluated_epoch = static_cast<int64_t>(fact[0]);
  state_.best_epoch = static_cast<int64_t>(fact[1]);
  if (!std::isnan(fact[2])) state_.best_validation_error = fact[2];
  if (!std::isnan(fact[3])) {
    result_ = TrainResult{.status = static_cast<TrainStatus>(static_cast<int>(fact[3])),
                          .steps = state_.step};
  }
}

void RunJournal::restore(const std::filesystem::path& path,
                         const std::function<void(const TrainState&)>& check) {
  auto& objective = runner_.objective();
  auto there = load_checkpoint(path, objective.module(), runner_.optimizer(), check);
  {
    const torch::NoGradGuard no_grad;
    for (auto& [name, tensor] : objective.state()) tensor.copy_(there.pieces.at(name));
  }
  runner_.set_noise(NoiseSource(there.noise_seed, there.noise_offset));
  runner_.set_products(there.products);
  count_steps_of(runner_.sampler(), there);
  costs_.restore(there.cost_sums);
  there.settings = std::move(state_.settings);
  there.data = std::move(state_.data);
  state_ = std::move(there);
}

void RunJournal::resume() {
  result_ = record_->result();
  const auto evaluations = record_->evaluations();
  if (!record_->has_checkpoint()) {
    TORCH_CHECK(!result_, "Trainer: expected ", record_->checkpoint_path().string(),
                ", the weights of a run that has ended (", to_string(result_->status),
                "), but got none (its result and its history stay as they are; put the file back "
                "or choose another folder).");
    TORCH_CHECK(evaluations.empty(), "Trainer: expected ", record_->checkpoint_path().string(),
                " to continue a run with ", evaluations.size(),
                " recorded evaluations but got none (its history stays as it is; put the file "
                "back or choose another folder).");
    return;
  }
  bool epoch_ends = false;
  restore(record_->checkpoint_path(), [&](const TrainState& found) {
    check(found);
    epoch_ends = found.step % found.steps_per_epoch == 0;
  });
  take_history(evaluations, epoch_ends);
}

// Takes the evaluations that the checkpoint knows of. One that was recorded later is measured anew,
// also at the same step: the statistics of the network are not those that it measured.
void RunJournal::take_history(const std::vector<Evaluation>& evaluations, bool epoch_ends) {
  const auto steps_per_epoch = runner_.sampler().steps_per_epoch();
  bool recount = false;
  std::vector<Evaluation> known;
  for (auto evaluation : evaluations) {
    const auto step = evaluation.epoch * steps_per_epoch;
    recount = recount || evaluation.step != step;
    evaluation.step = step;
    if (evaluation.epoch <= state_.evaluated_epoch) known.push_back(evaluation);
  }
  if (!known.empty()) last_ = known.back();
  // Where the line of the checkpoint's own step was lost, in a power failure for example, it is
  // measured anew.
  const auto last_epoch = last_ ? last_->epoch : 0;
  if (epoch_ends && state_.evaluated_epoch == state_.step / steps_per_epoch) {
    state_.evaluated_epoch = std::min(state_.evaluated_epoch, last_epoch);
  }
  if (recount) recounted_ = std::move(known);
}

void RunJournal::take(const Evaluation& evaluation) {
  last_ = evaluation;
  state_.evaluated_epoch = evaluation.epoch;
  const auto& error = evaluation.validation_error;
  if (error && (!state_.best_validation_error || *error < *state_.best_validation_error)) {
    state_.best_validation_error = error;
    state_.best_epoch = evaluation.epoch;
  }
}

void RunJournal::check(const TrainState& there) const {
  const auto path = record_->checkpoint_path().string();
  const auto config = record_->differences(there.config);
  TORCH_CHECK(config.empty(), "Trainer: expected ", path,
              " to be of this configuration but got another one: ", config, ".");
  TORCH_CHECK(there.noise_seed == runner_.noise().seed(), "Trainer: expected ", path,
              " to be of a run with seed ", options_.seed,
              options_.start > 1 ? c10::str(" and start ", options_.start) : std::string(),
              " but got one with another seed or start.");
  const auto& sampler = runner_.sampler();
  const auto ranks = ranks_of(there);
  const auto steps_per_epoch = sampler.steps_of_one() / ranks;
  TORCH_CHECK(
      there.steps_per_epoch == steps_per_epoch && there.step <= options_.epochs * steps_per_epoch,
      "Trainer: expected ", path, " to be of a run of ", options_.epochs, " epochs of ",
      steps_per_epoch, " steps but got step ", there.step, " of one with ", there.steps_per_epoch,
      " steps an epoch (other rows, batches or epochs?).");
  TORCH_CHECK(!options_.products || *options_.products == there.products, "Trainer: expected ",
              path, " to be of a run with ", to_string(*options_.products), " but got one with ",
              to_string(there.products),
              " (leave products unset: a run keeps those that it was started with).");
  // Checkpoints of older versions hold neither settings nor data.
  const auto optimizer = there.settings.find("optimizer");
  const bool same =
      optimizer != there.settings.end() && optimizer->second == optimizer_name(runner_.optimizer());
  const auto settings = there.settings.empty()
                            ? ""
                            : text_differences(comparable(there.settings, there.settings, same),
                                               comparable(state_.settings, there.settings, same));
  TORCH_CHECK(settings.empty(), "Trainer: expected ", path,
              " to be of a run with these settings but got one with others: ", settings, ".");
  auto data_there = there.data, data_here = state_.data;
  for (const char* name : {kNeighboursPrint, kBlocksPrint}) {  // which older ones lack
    if (!there.data.contains(name)) data_here.erase(name);
  }
  if (result_) {  // a run that has ended takes no more steps, so nobody looks for neighbours
    data_there.erase(kNeighboursPrint);
    data_here.erase(kNeighboursPrint);
  }
  const auto data = there.data.empty() ? "" : text_differences(data_there, data_here);
  TORCH_CHECK(data.empty(), "Trainer: expected ", path,
              " to be of a run with these data but got one with others: ", data, ".");
  TORCH_CHECK(there.cost_sums.size() == costs_.sums().size(), "Trainer: expected ", path,
              " to be of a run with ", costs_.sums().size() - 1, " costs but got one with ",
              there.cost_sums.size() - 1, " (other pieces, or other levels with a cost?).");
  const auto states = runner_.objective().state();
  for (const auto& [name, tensor] : there.pieces) {
    TORCH_CHECK(states.contains(name), "Trainer: expected ", path,
                " to be of a run with these pieces but got the state ", name,
                ", which none of them takes (other pieces? A piece makes the tensors of its state "
                "when it is constructed).");
  }
  for (const auto& [name, tensor] : states) {
    const auto found = there.pieces.find(name);
    TORCH_CHECK(found != there.pieces.end() && found->second.sizes() == tensor.sizes(),
                "Trainer: expected ", path, " to hold the state ", name, " ", tensor.sizes(),
                " of a piece but got ",
                found == there.pieces.end() ? std::string("none") : c10::str(found->second.sizes()),
                ".");
  }
  TORCH_CHECK(!result_ || result_->steps == there.step, "Trainer: expected ", path,
              " to hold step ", result_->steps, ", with which the run ended, but got step ",
              there.step, ".");
}

void RunJournal::begin(double now) {
  saved_ = now;
  if (!record_) return;
  if (recounted_) {
    record_->replace_evaluations(*recounted_);
    recounted_.reset();
    return;
  }
  // One of this very step that the state does not know is measured anew.
  const bool unknown = state_.evaluated_epoch < state_.step / state_.steps_per_epoch;
  record_->keep_evaluations(unknown ? state_.step - 1 : state_.step);
}

void RunJournal::append(const Evaluation& evaluation) {
  take(evaluation);
  if (record_) record_->append(evaluation);
}

void RunJournal::save(RunClock& clock) {
  if (!record_) return;
  costs_.read();
  clock.pause();
  check_parameters(runner_.objective().module(), state_.step);
  state_.seconds = clock.seconds();
  state_.training_seconds = clock.training_seconds();
  state_.noise_seed = runner_.noise().seed();
  state_.noise_offset = runner_.noise().offset();
  state_.products = runner_.products();
  state_.cost_sums = costs_.sums();
  state_.pieces = runner_.objective().state();
  record_->flush();
  save_checkpoint(record_->checkpoint_path(), runner_.objective().module(), runner_.optimizer(),
                  state_);
  saved_ = clock.now();
  clock.go();
}

CommunicationError RunJournal::save_after(const CommunicationError& error, RunClock& clock) {
  save(clock);
  return CommunicationError(c10::str(error.what(), ", after step ", state_.step,
                                     record_ ? ", which is saved (resume continues)." : "."));
}

void RunJournal::save_first(RunClock& clock) {
  if (record_ && !record_->has_checkpoint()) save(clock);
}

void RunJournal::save_if_due(RunClock& clock) {
  if (record_ && clock.now() - saved_ >= options_.checkpoint_every_seconds) save(clock);
}

TrainResult RunJournal::result(TrainStatus status, const RunClock& clock) {
  state_.seconds = clock.seconds();
  state_.training_seconds = clock.training_seconds();
  const auto training = state_.training_seconds;
  return {.status = status,
          .last = last_,
          .best_validation_error = state_.best_validation_error,
          .best_epoch = state_.best_epoch,
          .steps = state_.step,
          .seconds = state_.seconds,
          .training_seconds = training,
          .steps_per_second = training > 0 ? static_cast<double>(state_.step) / training : 0,
          .peak_memory_mib = peak_memory_mib()};
}

void RunJournal::finish(const TrainResult& result, const RunAbout& about) {
  result_ = result;
  if (record_) record_->write_result(result, about);
}

}  // namespace ladder::train
