#include <ladder/models/mlp.h>
#include <ladder/version.h>
#include <torch/types.h>

#include <iostream>

int main() {
  auto net = ladder::models::mlp({.in_features = 4, .layers = {8, 3}, .lambda = {10, 1, 0.1}});
  ladder::NoiseSource noise(1);
  const auto labels = torch::arange(5) % 3;
  const auto loss = net->loss({torch::rand({5, 4}), labels, torch::rand({7, 4})}, noise);
  loss.total.backward();
  std::cout << "ladder " << ladder::version() << ": " << loss.logits.sizes() << "\n";
}
