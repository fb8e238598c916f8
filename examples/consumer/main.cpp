// A ladder with a stage of its own, trained for a hundred steps on three kinds of rows.
#include <ladder/data/sampler.h>
#include <ladder/data/split.h>
#include <ladder/models/mlp.h>
#include <ladder/nn/maps/dense_map.h>
#include <ladder/nn/stages/noisy_batch_norm_linear.h>
#include <ladder/train/fused_adam.h>
#include <ladder/version.h>

#include <iostream>

// h + relu(h W1) W2, then what makes a level of it: normalisation, noise, activation.
struct ResidualImpl : torch::nn::Cloneable<ResidualImpl>, ladder::Stage {
  explicit ResidualImpl(int64_t features) : width(features) { reset(); }

  void reset() override {
    const ladder::DenseMapOptions square{.in_features = width, .out_features = width};
    inner = register_module("inner", ladder::DenseMap(square));
    outer = register_module("outer", ladder::DenseMap(square));
    normalization = register_module(
        "normalization",
        ladder::NoisyNormalization(ladder::NoisyNormalizationOptions{.channels = width}));
  }

  ladder::StageOutput forward(const torch::Tensor& h, const ladder::Pass& pass) override {
    return normalization->forward(h + outer->forward(torch::relu(inner->forward(h))), pass);
  }

  torch::nn::AnyModule make_vertical(at::IntArrayRef in, at::IntArrayRef out) const override {
    return ladder::make_dense_vertical(in, out);
  }

  int64_t width;
  ladder::DenseMap inner{nullptr}, outer{nullptr};
  ladder::NoisyNormalization normalization{nullptr};
};
TORCH_MODULE(Residual);

int main() {
  const auto y = torch::arange(600) % 3;
  const auto x = torch::eye(3).index_select(0, y).repeat({1, 4}) + 0.5 * torch::randn({600, 12});

  const ladder::NoisyBatchNormLinear top(ladder::NoisyBatchNormLinearOptions{
      .in_features = 12, .out_features = 3, .softmax_top = true});
  const ladder::LadderOptions options{.input_shape = {12},
                                      .lambda = ladder::models::full_lambda(2, 10, 1, 0.1)};
  ladder::Ladder net(options, ladder::Stages{Residual(12), top});

  const auto labeled = ladder::data::draw_labeled(y, /*labels=*/30, /*classes=*/3, /*seed=*/1);
  ladder::data::SemiSampler rows({x, y, labeled, torch::arange(600)});
  ladder::train::FusedAdam adam(*net, torch::optim::AdamOptions(0.01));
  ladder::NoiseSource noise(1);
  for (int64_t step = 0; step < 100; ++step) {
    adam.zero_grad();
    const auto loss = net->loss(rows.batch(step), noise);
    loss.total.backward();
    adam.step();
    if (step == 0 || step == 99) {
      std::cout << "step " << step << ": cost " << loss.total.item<double>() << "\n";
    }
  }
  net->calibrate(x);
  net->eval();
  const torch::NoGradGuard no_grad;
  const auto wrong = net->forward(x).argmax(1).ne(y).sum().item<int64_t>();
  std::cout << "ladder " << ladder::version() << ": " << wrong << " of 600 rows wrong\n";
}
