#include "apps/support/run_model.h"

#include <fmt/format.h>
#include <ladder/classifier.h>
#include <ladder/core/floating_rows.h>
#include <ladder/exports/prediction_model.h>
#include <ladder/runs/model_file.h>
#include <ladder/train/train_data.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "apps/support/training_settings.h"

namespace ladder::apps {
namespace {

// Pixels as the programs give them to a network: x / 255, in its shape.
exports::ImageInputs unit_images(const torch::Tensor& images, const Ladder& net) {
  const bool gray = images.dim() == 3;
  const auto channels = gray ? 1 : images.size(1);
  return {.channels = channels,
          .height = images.size(-2),
          .width = images.size(-1),
          .mean = std::vector<double>(static_cast<size_t>(channels), 0.0),
          .scale = std::vector<double>(static_cast<size_t>(channels), 1.0),
          .flat = net->options.input_shape.size() == 1};
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
                     const data::TrainTest& data, const torch::Tensor& inputs) {
  const auto& images = data.train.inputs;
  if (images.scalar_type() != torch::kUInt8) return;
  runs::StoredModel stored{.model = {.net = net,
                                     .images = unit_images(images, net),
                                     .facts = facts_of(run, flags, data)},
                           .config = run.config};
  // As a Classifier names its rows: `ladder evaluate` notices rows that were trained on.
  const auto rows =
      train::data_fingerprint({.training = {.inputs = floating_rows(inputs.cpu()).to(torch::kFloat),
                                            .labels = data.train.labels}});
  stored.config.data = rows.at("inputs") + ", " + rows.at("labels");
  for (int64_t c = 0; c < data.train.classes; ++c) {
    stored.model.classes.push_back(std::to_string(c));
  }
  runs::save_model(run.folder / kModelFile, stored);
}

}  // namespace ladder::apps
