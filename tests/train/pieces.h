/// Pieces of an objective as users write them, and an autoencoder.
#pragma once

#include <ladder/nn/denoising_autoencoder.h>
#include <ladder/train/objective.h>
#include <torch/torch.h>

#include "tests/train/blobs.h"

namespace ladder::testing {

/// weight * cross entropy of the corrupted unlabeled rows against the classes that the clean ones
/// are taken for; the weight grows linearly over the run.
struct PseudoLabels : train::ObjectivePiece {
  explicit PseudoLabels(double full_weight) : most(full_weight) {}

  std::string name() const override { return "pseudo-label"; }
  bool has_cost() const override { return true; }
  void before_step(const train::StepPosition& at) override {
    weight.fill_(most * static_cast<double>(at.step) / static_cast<double>(at.steps));
  }
  torch::Tensor cost(const train::StepValues& values) override {
    return weight * torch::cross_entropy_loss(values.unlabeled_logits,
                                              values.clean_logits.detach().argmax(1));
  }

  double most;
  torch::Tensor weight = torch::zeros({});
};

/// Keeps the rows of a weight within a norm; counts its updates, as state.
struct RowNorms : train::ObjectivePiece {
  RowNorms(torch::Tensor of, double max_norm) : weight(std::move(of)), most(max_norm) {}

  std::string name() const override { return "row norms"; }
  void after_update() override {
    weight.copy_(weight.renorm(2, 0, most));
    updates.add_(1);
  }
  std::map<std::string, torch::Tensor> state() override { return {{"updates", updates}}; }

  torch::Tensor weight;
  double most;
  torch::Tensor updates = torch::zeros({}, torch::kInt64);
};

/// 12-16-8.
inline DenoisingAutoencoder small_autoencoder(AutoencoderCost cost, uint64_t seed = 1) {
  DenoisingAutoencoder net(
      DenoisingAutoencoderOptions{.input_shape = {kBlobFeatures}, .cost = cost},
      Stages{dense_stage({.in_features = kBlobFeatures, .out_features = 16, .noise_std = 0}),
             dense_stage({.in_features = 16, .out_features = 8, .noise_std = 0})});
  reset_parameters(*net, stream_seed(seed, "init"));
  return net;
}

}  // namespace ladder::testing
