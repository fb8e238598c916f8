#include <exception>
#include <optional>
#include <vector>

#include "ladder/train/trainer.h"

namespace ladder::train {

std::vector<TrainResult> run_together(std::vector<Trainer>& trainers) {
  std::vector<std::optional<TrainResult>> results(trainers.size());
  std::vector<std::exception_ptr> errors(trainers.size());
  const auto running = [&](size_t i) { return !results[i] && !errors[i]; };
  const auto attempt = [&](size_t i, std::optional<TrainResult> (Trainer::*next)()) {
    try {
      results[i] = (trainers[i].*next)();
    } catch (...) {
      errors[i] = std::current_exception();
    }
  };
  for (size_t i = 0; i < trainers.size(); ++i) attempt(i, &Trainer::begin);
  for (bool any = true; any;) {
    any = false;
    for (size_t i = 0; i < trainers.size(); ++i) {
      if (!running(i)) continue;
      attempt(i, &Trainer::advance);
      any = any || running(i);
    }
  }
  std::vector<TrainResult> all;
  for (size_t i = 0; i < trainers.size(); ++i) {
    if (errors[i]) std::rethrow_exception(errors[i]);
    all.push_back(*results[i]);
  }
  return all;
}

}  // namespace ladder::train
