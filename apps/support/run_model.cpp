#include "apps/support/run_model.h"

#include <fmt/format.h>
#include <ladder/classifier.h>
#include <ladder/core/floating_rows.h>
#include <ladder/exports/prediction_model.h>
#include <ladder/runs/model_file.h>
#include <ladder/train/train_data.h>

#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "apps/support/training_settings.h"

namespace ladder::apps {
namespace {

// Images as the programs give them to a network: whitened or x / 255, in its shape.
exports::ImageInputs image_inputs(const Experiment& experiment, const Ladder& net) {
  const auto& images = experiment.data.train.inputs;
  const bool gray = images.dim() == 3;
  exports::ImageInputs inputs{.channels = gray ? 1 : images.size(1),
                              .height = images.size(-2),
                              .width = images.size(-1),
                              .flat = net->options.input_shape.size() == 1,
                              .whitening = experiment.whitening};
  if (!inputs.whitening) {
    inputs.mean.resize(static_cast<size_t>(inputs.channels), 0.0);
    inputs.scale.resize(static_cast<size_t>(inputs.channels), 1.0);
  }
  return inputs;
}

// The names of the data, or numbers.
std::vector<std::string> class_names(const data::Dataset& rows) {
  auto names = rows.class_names;
  for (auto c = std::ssize(names); c < rows.classes; ++c) names.push_back(std::to_string(c));
  return names;
}

std::vector<std::pair<std::string, std::string>> facts_of(const SeedResult& run,
                                                          const TrainingFlags& flags,
                                                          const data::TrainTest& data) {
  const auto& config = run.config;
  const auto& last = run.result.last;
  const auto rows = data.train.inputs.size(0);
  const auto changes = changes_text(flags);
  std::vector<std::pair<std::string, std::string>> facts;
  if (last && last->test_error) {
    facts.emplace_back("test error", fmt::format("{:.2f} % of {} images", *last->test_error,
                                                 data.test.inputs.size(0)));
  }
  facts.emplace_back("rows", std::to_string(rows - config.validation));
  facts.emplace_back("labeled rows", runs::labels_text(config.labels));
  facts.emplace_back("data", config.dataset);
  facts.emplace_back("recipe", config.recipe + (changes.empty() ? "" : " with " + changes));
  facts.emplace_back("epochs", std::to_string(config.epochs));
  facts.emplace_back("seed", std::to_string(config.seed.value()));
  return facts;
}

}  // namespace

void write_run_model(const SeedResult& run, const TrainingFlags& flags, const Ladder& net,
                     const Experiment& experiment, const torch::Tensor& inputs) {
  const auto& data = experiment.data;
  if (data.train.inputs.scalar_type() != torch::kUInt8 && !experiment.whitening) return;
  runs::StoredModel stored{.model = {.net = net,
                                     .images = image_inputs(experiment, net),
                                     .classes = class_names(data.train),
                                     .facts = facts_of(run, flags, data)},
                           .config = run.config};
  // As a Classifier names its rows: `ladder evaluate` notices rows that were trained on.
  const auto rows =
      train::data_fingerprint({.training = {.inputs = floating_rows(inputs.cpu()).to(torch::kFloat),
                                            .labels = data.train.labels}});
  stored.config.data = rows.at("inputs") + ", " + rows.at("labels");
  runs::save_model(run.folder / kModelFile, stored);
}

}  // namespace ladder::apps
