#include "ladder/nn/from_sequential.h"

#include <torch/torch.h>

#include <sstream>

#include "ladder/nn/combinators/vanilla_combinator.h"
#include "ladder/nn/maps/upsample_map.h"
#include "ladder/nn/stages/noisy_batch_norm_linear.h"
#include "ladder/nn/stages/noisy_conv.h"
#include "ladder/nn/stages/noisy_global_mean_pool.h"
#include "ladder/nn/stages/noisy_max_pool.h"
#include "ladder/nn/stages/noisy_stage.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/networks.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::error_text;
using ladder::testing::loss_of;
using ladder::testing::require_close;
using ladder::testing::require_gradient;
using ladder::testing::require_rounded;
using ladder::testing::roundings;
using ladder::testing::weighted_sum;

namespace {

namespace tnn = torch::nn;
using Shape = std::vector<int64_t>;

tnn::Conv2d conv(int64_t in, int64_t out, int64_t kernel, int64_t padding = 0) {
  return tnn::Conv2d(tnn::Conv2dOptions(in, out, kernel).padding(padding));
}

// With all that an image network has.
tnn::Sequential image_network() {
  return tnn::Sequential(conv(1, 4, 3, 1), tnn::BatchNorm2d(4), tnn::ReLU(), tnn::MaxPool2d(2),
                         tnn::Dropout(0.5), conv(4, 5, 2),
                         tnn::LeakyReLU(tnn::LeakyReLUOptions().negative_slope(0.2)),
                         tnn::Flatten(), tnn::Linear(5 * 2 * 2, 6), tnn::Tanh(), tnn::Linear(6, 3));
}

// Every normalised layer has a BatchNorm, with an eps of its own.
tnn::Sequential normalised_network() {
  const auto norm = [](int64_t features) { return tnn::BatchNormOptions(features).eps(1e-3); };
  return tnn::Sequential(conv(2, 4, 3, 2), tnn::BatchNorm2d(norm(4)), tnn::GELU(),
                         tnn::Conv2d(tnn::Conv2dOptions(4, 4, 3).stride(2).dilation(2).groups(2)),
                         tnn::BatchNorm2d(norm(4)), tnn::ReLU(), tnn::Flatten(),
                         tnn::Linear(4 * 2 * 2, 5), tnn::BatchNorm1d(norm(5)), tnn::Identity(),
                         tnn::Linear(5, 3), tnn::BatchNorm1d(norm(3)));
}

tnn::Sequential signal_network() {
  return tnn::Sequential(
      tnn::Conv1d(tnn::Conv1dOptions(2, 4, 4).stride(2).padding(1)), tnn::BatchNorm1d(4),
      tnn::ReLU(), tnn::MaxPool1d(tnn::MaxPool1dOptions(3).stride(2)),
      tnn::Conv1d(tnn::Conv1dOptions(4, 3, 2).padding(torch::kSame)), tnn::GELU(),
      tnn::AvgPool1d(2), tnn::Conv1d(tnn::Conv1dOptions(3, 6, 2).dilation(2).groups(3).padding(2)),
      tnn::Tanh(), tnn::AdaptiveAvgPool1d(1), tnn::Flatten(), tnn::Linear(6, 2));
}

// Values other than those that parameters and statistics start with.
template <class Module>
void stir(Module& module) {
  const torch::NoGradGuard no_grad;
  for (auto& parameter : module->parameters()) {
    parameter.add_(0.3 * torch::randn_like(parameter));
  }
  for (auto& item : module->named_buffers()) {
    if (item.key().ends_with("running_mean") || item.key().ends_with("running_var")) {
      item.value().add_(torch::rand_like(item.value()));
    }
  }
}

SemiBatch batch_of(const Shape& row, int64_t classes, torch::Dtype dtype = torch::kFloat) {
  const auto rows = [&](int64_t count) {
    auto sizes = row;
    sizes.insert(sizes.begin(), count);
    return torch::randn(sizes, dtype);
  };
  return {rows(6), torch::arange(6) % classes, rows(7)};
}

// The names of a ladder's encoder and decoder, as printed.
std::vector<std::string> printed(const Ladder& net) {
  std::vector<std::string> names;
  for (const auto& item : net->named_children()["stages"]->named_children()) {
    std::ostringstream text;
    item.value()->pretty_print(text);
    names.push_back(text.str());
  }
  return names;
}

}  // namespace

TEST_CASE("from_sequential gives the costs and gradients of the ladder built by hand", "[nn]") {
  torch::manual_seed(1);
  auto net = image_network();
  stir(net);
  const std::vector<double> lambda = {9, 8, 7, 6, 5, 4};
  auto ladder = from_sequential(
      net, {.input_shape = {1, 6, 6}, .lambda = lambda, .input_noise = 0.2, .noise_std = 0.1});
  NoisyConv first(NoisyConvOptions{.in_channels = 1,
                                   .out_channels = 4,
                                   .kernel = 3,
                                   .border = Border::kSame,
                                   .noise_std = 0.1,
                                   .affine = true});
  NoisyMaxPool pool(NoisyMaxPoolOptions{.channels = 4, .noise_std = 0.1});
  NoisyConv second(NoisyConvOptions{.in_channels = 4,
                                    .out_channels = 5,
                                    .kernel = 2,
                                    .noise_std = 0.1,
                                    .activation = Activation::kLeakyRelu,
                                    .leaky_slope = 0.2});
  NoisyBatchNormLinear dense(NoisyBatchNormLinearOptions{
      .in_features = 20, .out_features = 6, .noise_std = 0.1, .activation = Activation::kTanh});
  NoisyBatchNormLinear top(NoisyBatchNormLinearOptions{
      .in_features = 6, .out_features = 3, .noise_std = 0.1, .softmax_top = true});
  Ladder by_hand(LadderOptions{.input_shape = {1, 6, 6}, .lambda = lambda, .input_noise = 0.2},
                 Stages{first, pool, second, dense, top});
  CHECK(ladder->shapes == by_hand->shapes);
  const auto names = ladder->named_parameters().keys();
  REQUIRE(names == by_hand->named_parameters().keys());
  {
    const torch::NoGradGuard no_grad;
    const auto norm = std::dynamic_pointer_cast<tnn::BatchNorm2dImpl>(net->ptr(1));
    first->weight.copy_(net->ptr<tnn::Conv2dImpl>(0)->weight);
    first->normalization->gamma.copy_(norm->weight);
    first->normalization->beta.copy_(norm->bias / norm->weight);
    second->weight.copy_(net->ptr<tnn::Conv2dImpl>(5)->weight);
    dense->weight.copy_(net->ptr<tnn::LinearImpl>(8)->weight);
    top->weight.copy_(net->ptr<tnn::LinearImpl>(10)->weight);
    for (const auto& name : names) {
      if (name.starts_with("decoder.")) {
        by_hand->named_parameters()[name].copy_(ladder->named_parameters()[name]);
      }
    }
  }
  const auto batch = batch_of({1, 6, 6}, 3);
  // The total, the costs and all gradients.
  const auto run = [&](Ladder& of, const SemiBatch& rows) {
    of->zero_grad();
    const auto loss = loss_of(of, rows);
    loss.total.backward();
    std::vector<torch::Tensor> results = {loss.total};
    results.insert(results.end(), loss.denoising.begin(), loss.denoising.end());
    for (const auto& parameter : of->parameters()) {
      results.push_back(parameter.grad().clone());
    }
    return results;
  };
  const auto converted = run(ladder, batch);
  const auto made = run(by_hand, batch);
  by_hand->to(torch::kDouble);
  const auto in_double = [&] {
    return run(by_hand,
               {batch.x_labeled.to(torch::kDouble), batch.y, batch.x_unlabeled.to(torch::kDouble)});
  };
  require_rounded(converted, in_double);
  require_rounded(made, in_double);
}

TEST_CASE("from_sequential keeps the logits of a network with BatchNorm after every layer",
          "[nn]") {
  torch::manual_seed(2);
  const auto x = torch::randn({9, 2, 5, 5}, torch::kDouble);
  auto net = normalised_network();
  net->to(torch::kDouble);
  stir(net);
  auto ladder = from_sequential(net, {.input_shape = {2, 5, 5}});
  net->eval();
  ladder->eval();
  const auto of_net = [&] { return std::vector{net->forward(x)}; };
  require_rounded({ladder->forward(x)}, of_net);
  // A top that is a mean of maps keeps its logits too, although the stage scales the mean.
  tnn::Sequential pooled(conv(2, 3, 3), tnn::BatchNorm2d(3), tnn::ReLU(), tnn::AdaptiveAvgPool2d(1),
                         tnn::BatchNorm2d(3), tnn::Flatten());
  pooled->to(torch::kDouble);
  stir(pooled);
  auto top = from_sequential(pooled, {.input_shape = {2, 5, 5}});
  pooled->eval();
  top->eval();
  require_rounded({top->forward(x)}, [&] { return std::vector{pooled->forward(x)}; });
  // By the batch's own statistics the two differ in eps alone, and biases cancel.
  ladder->train();
  net->train();
  for (const auto& child : net->children()) {
    if (auto* norm = child->as<tnn::BatchNorm2d>()) norm->options.eps(1e-10);
    if (auto* norm = child->as<tnn::BatchNorm1d>()) norm->options.eps(1e-10);
  }
  require_rounded({ladder->forward(x)}, of_net);
  // Without one after the top there is something to measure.
  auto open = image_network();
  auto needs = from_sequential(open, {.input_shape = {1, 6, 6}});
  needs->eval();
  const auto rows = torch::randn({20, 1, 6, 6});
  CHECK_THROWS_WITH(needs->forward(rows), Catch::Contains("no stored statistics yet"));
  needs->calibrate(rows);
  CHECK(needs->forward(rows).sizes() == at::IntArrayRef({20, 3}));
}

TEST_CASE("from_sequential leaves the network as it was and shares nothing with it", "[nn]") {
  torch::manual_seed(3);
  auto net = image_network();
  stir(net);
  const auto before = std::dynamic_pointer_cast<tnn::SequentialImpl>(net->clone());
  auto ladder = from_sequential(net, {.input_shape = {1, 6, 6}});
  CHECK(net->is_training());
  {
    const torch::NoGradGuard no_grad;
    for (auto& tensor : ladder->parameters()) {
      tensor.add_(1);
    }
    for (auto& tensor : ladder->buffers()) {
      tensor.add_(1);
    }
  }
  const auto now = net->named_parameters();
  for (const auto& item : before->named_parameters()) {
    CHECK(torch::equal(item.value(), now[item.key()]));
    CHECK(now[item.key()].requires_grad());
  }
  for (const auto& item : before->named_buffers()) {
    CHECK(torch::equal(item.value(), net->named_buffers()[item.key()]));
  }
  for (const auto& parameter : ladder->parameters()) {
    CHECK(parameter.requires_grad());
  }
}

TEST_CASE("from_sequential gives each layer its stage", "[nn]") {
  const auto kinds = printed(from_sequential(image_network(), {.input_shape = {1, 6, 6}}));
  CHECK(kinds[0] == "ladder::NoisyConv(1, 4, 3x3, same)");
  CHECK(kinds[2] == "ladder::NoisyConv(4, 5, 2x2, valid)");
  CHECK(kinds[3] == "ladder::NoisyBatchNormLinear(20, 6)");
  CHECK(kinds[4] == "ladder::NoisyBatchNormLinear(6, 3)");
  // "Same" of an even kernel has a border of another width at its end, which no NoisyConv has.
  tnn::Sequential even(tnn::Conv2d(tnn::Conv2dOptions(1, 4, 2).padding(torch::kSame).bias(false)),
                       tnn::ReLU(), tnn::MaxPool2d(2), tnn::Flatten(), tnn::Linear(36, 3));
  const auto of_even = from_sequential(even, {.input_shape = {1, 6, 6}});
  CHECK(of_even->shapes[1] == Shape{4, 6, 6});
  // Two conversions of one kind of layer: 1-D and 2-D, plain and not.
  auto ladder = from_sequential(signal_network(), {.input_shape = {2, 21}});
  CHECK(ladder->shapes ==
        std::vector<Shape>{{2, 21}, {4, 10}, {4, 4}, {3, 4}, {3, 2}, {6, 4}, {6, 1}, {2}});
  // The mean of maps as the top.
  tnn::Sequential pooled(conv(1, 3, 3), tnn::AdaptiveAvgPool2d(1), tnn::Flatten());
  auto top = from_sequential(pooled, {.input_shape = {1, 6, 6}, .lambda = {1, 1, 1}});
  CHECK(printed(top)[1] == "ladder::NoisyGlobalMeanPool(3)");
  CHECK(top->shapes.back() == Shape{3});
  // Hidden, it is a stage like any pooling; so is what follows activations and Flatten.
  tnn::Sequential hidden(tnn::Flatten(), tnn::Dropout(0.1), tnn::Linear(36, 4), tnn::Identity(),
                         tnn::ReLU(), tnn::Linear(4, 3));
  auto dense = from_sequential(hidden, {.input_shape = {1, 6, 6}, .lambda = {1, 1, 1}});
  CHECK(dense->shapes == std::vector<Shape>{{1, 6, 6}, {4}, {3}});
  NoiseSource noise(1);
  CHECK(std::isfinite(dense->loss(batch_of({1, 6, 6}, 3), noise).total.item<double>()));
}

TEST_CASE("from_sequential passes central differences over signals and maps", "[nn][grad]") {
  torch::manual_seed(4);
  const auto check = [](tnn::Sequential net, const Shape& row, std::vector<double> lambda) {
    net->to(torch::kDouble);
    stir(net);
    auto ladder = from_sequential(
        net, {.input_shape = row, .lambda = std::move(lambda), .combinator = [](int64_t channels) {
                return VanillaCombinator(VanillaCombinatorOptions{channels});
              }});
    const auto classes = ladder->classes();
    const auto batch = batch_of(row, classes, torch::kDouble);
    require_gradient(
        [&](const std::vector<torch::Tensor>&) { return loss_of(ladder, batch).total; },
        ladder->parameters());
  };
  check(tnn::Sequential(tnn::Conv1d(tnn::Conv1dOptions(1, 2, 3).stride(2)), tnn::BatchNorm1d(2),
                        tnn::Tanh(), tnn::AvgPool1d(2), tnn::Flatten(), tnn::Linear(4, 2)),
        {1, 9}, {1, 2, 1, 0.5});
  check(tnn::Sequential(tnn::Conv2d(tnn::Conv2dOptions(2, 4, 2).groups(2)), tnn::Tanh(),
                        tnn::AdaptiveAvgPool2d(1), tnn::Flatten(), tnn::Linear(4, 3)),
        {2, 3, 4}, {1, 2, 1, 0.5});
}

TEST_CASE("from_sequential trains over signals", "[nn]") {
  torch::manual_seed(5);
  auto net = from_sequential(signal_network(),
                             {.input_shape = {2, 21}, .lambda = {10, 1, .1, .1, .1, .1, .1, .1}});
  const auto batch = batch_of({2, 21}, 2);
  NoiseSource noise(1);
  torch::optim::Adam adam(net->parameters(), 0.01);
  double first = 0, last = 0;
  for (int step = 0; step < 100; ++step) {
    adam.zero_grad();
    const auto loss = net->loss(batch, noise);
    loss.total.backward();
    adam.step();
    last = loss.total.item<double>();
    first = step == 0 ? last : first;
  }
  CHECK(last < 0.5 * first);
}

TEST_CASE("from_sequential ladders keep their state through clone, dtype and save", "[nn]") {
  torch::manual_seed(6);
  const FromSequentialOptions options{.input_shape = {2, 21}, .lambda = {1, 1, 1, 1, 1, 1, 1, 1}};
  auto net = from_sequential(signal_network(), options);
  net->calibrate(torch::randn({40, 2, 21}), 20);
  net->eval();
  const auto x = torch::randn({5, 2, 21});
  const auto expected = net->forward(x);
  const auto batch = batch_of({2, 21}, 2);
  const auto total = loss_of(net, batch).total;

  Ladder copy(std::dynamic_pointer_cast<LadderImpl>(net->clone()));
  require_close(copy->forward(x), expected);
  require_close(loss_of(copy, batch).total, total);
  {
    const torch::NoGradGuard no_grad;
    for (auto& parameter : copy->parameters()) {
      parameter.add_(1);
    }
  }
  require_close(net->forward(x), expected);

  std::stringstream stream;
  torch::save(net, stream);
  auto loaded = from_sequential(signal_network(), options);
  torch::load(loaded, stream);
  loaded->eval();
  require_close(loaded->forward(x), expected);
  require_close(loss_of(loaded, batch).total, total);

  net->to(torch::kDouble);
  require_rounded({expected}, [&] { return std::vector{net->forward(x.to(torch::kDouble))}; });
  auto wide = signal_network();
  wide->to(torch::kDouble);
  for (const auto& parameter : from_sequential(wide, options)->parameters()) {
    CHECK(parameter.scalar_type() == torch::kDouble);
  }
}

TEST_CASE("from_sequential names the layer that it cannot place", "[nn]") {
  const auto text = [](tnn::Sequential net, Shape row) {
    return error_text([&] { from_sequential(net, {.input_shape = std::move(row)}); });
  };
  const auto linear = [](int64_t in, int64_t out) { return tnn::Linear(in, out); };
  using S = tnn::Sequential;
  CHECK(
      text(S(linear(4, 3), tnn::Sigmoid(), linear(3, 2)), {4}) ==
      "from_sequential: expected layer 1 to be a Linear, a convolution, a pooling, a BatchNorm, "
      "an activation, a Dropout or a Flatten but got Sigmoid (a NoisyStage or a Stage of your own "
      "takes any module).");
  CHECK(text(S(linear(4, 3), linear(4, 2)), {4})
            .starts_with("from_sequential: expected layer 1 (Linear) to take rows of [3] but got "
                         "an error (mat1"));
  CHECK(text(S(linear(4, 3)), {2, 4}) ==
        "from_sequential: expected layer 0 (Linear) to be given rows of [features] but got [2, 4] "
        "(put a Flatten before it).");
  CHECK(text(S(conv(1, 2, 3)), {5, 5}) ==
        "from_sequential: expected layer 0 (Conv2d) to be given rows of [C, H, W] but got [5, 5] "
        "(is input_shape right?).");
  CHECK(text(S(tnn::BatchNorm1d(4), linear(4, 3)), {4}) ==
        "from_sequential: expected a Linear, a convolution or a pooling before layer 0 "
        "(BatchNorm1d) but got none (prepare the input rows instead).");
  CHECK(text(S(tnn::ReLU(), linear(4, 3)), {4}) ==
        "from_sequential: expected a Linear, a convolution or a pooling before layer 0 (ReLU) but "
        "got none (prepare the input rows instead).");
  CHECK(text(S(linear(4, 3), tnn::ReLU(), tnn::BatchNorm1d(3), linear(3, 2)), {4}) ==
        "from_sequential: expected layer 2 (BatchNorm1d) right after layer 0 (Linear) but got it "
        "after layer 1 (ReLU) (a stage of a ladder normalises once, channel by channel, and then "
        "activates).");
  CHECK(text(S(linear(4, 3), tnn::BatchNorm1d(3), tnn::BatchNorm1d(3)), {4})
            .find("but got it after layer 1 (BatchNorm1d)") != std::string::npos);
  CHECK(text(S(conv(1, 2, 3), tnn::Flatten(), tnn::BatchNorm1d(8)), {1, 4, 4})
            .find("but got it after layer 1 (Flatten)") != std::string::npos);
  CHECK(text(S(linear(4, 3), tnn::ReLU(), tnn::Tanh(), linear(3, 2)), {4}) ==
        "from_sequential: expected one activation a stage but got layer 2 (Tanh) after layer 1 "
        "(ReLU) (write them as one module and wrap it in a Stage of your own).");
  CHECK(text(S(linear(4, 3), tnn::GELU(tnn::GELUOptions().approximate("tanh"))), {4}) ==
        "from_sequential: expected layer 1 (GELU) without an approximation but got tanh.");
  CHECK(text(S(tnn::Flatten(tnn::FlattenOptions().start_dim(2)), linear(4, 3)), {2, 2, 2}) ==
        "from_sequential: expected layer 0 (Flatten) to flatten dimensions 1 to -1 but got 2 to "
        "-1.");
  CHECK(text(S(conv(1, 2, 3), tnn::AdaptiveAvgPool2d(2)), {1, 6, 6}) ==
        "from_sequential: expected layer 1 (AdaptiveAvgPool2d) to have an output of size 1 but got "
        "2 (an AvgPool has a fixed window).");
  CHECK(text(S(linear(4, 3), tnn::ReLU()), {4}) ==
        "from_sequential: expected no activation after layer 0 (Linear), the softmax top, but got "
        "layer 1 (ReLU) (the top gives logits, the cost holds the softmax).");
  CHECK(text(S(conv(1, 2, 3), tnn::ReLU()), {1, 5, 5}) ==
        "from_sequential: expected a Linear or an AdaptiveAvgPool2d as the last stage, the softmax "
        "top, but got layer 0 (Conv2d).");
  CHECK(text(S(conv(1, 2, 3), tnn::AdaptiveAvgPool2d(1)), {1, 5, 5}) ==
        "from_sequential: expected the last layer to give rows of [classes] but got rows of "
        "[2, 1, 1] (end with a Flatten).");
  CHECK(text(S(tnn::Flatten()), {4}) ==
        "from_sequential: expected a Linear as the softmax top but got 1 layers without one.");
  CHECK(text(S(linear(4, 3)), {}) ==
        "from_sequential: expected the shape of one input row but got an empty input_shape.");
  tnn::BatchNorm1d dead(2);
  dead->weight.data()[1] = 0;
  dead->bias.data()[1] = 1;
  CHECK(text(S(linear(4, 2), dead), {4}) ==
        "from_sequential: expected the weights of layer 1 (BatchNorm1d) to differ from 0 but got 0 "
        "in channel 1, which has a bias (gamma (z + beta) cannot hold it).");
  CHECK(error_text([&] {
          from_sequential(S(linear(4, 3), linear(3, 2)), {.input_shape = {4}, .lambda = {1, 1}});
        }) == "Ladder: expected 3 values of lambda for 2 stages (level 0 is the input) but got 2.");
}

namespace {

struct SwishLayerImpl : tnn::ReLUImpl {
  torch::Tensor forward(const torch::Tensor& x) { return x * torch::sigmoid(x); }
};
TORCH_MODULE(SwishLayer);

struct ScaledLinearImpl : tnn::LinearImpl {
  using LinearImpl::LinearImpl;
  torch::Tensor forward(const torch::Tensor& x) { return 2 * LinearImpl::forward(x); }
  std::shared_ptr<Module> clone(const std::optional<torch::Device>& = std::nullopt) const override {
    return std::make_shared<ScaledLinearImpl>(options.in_features(), options.out_features());
  }
};
TORCH_MODULE(ScaledLinear);

}  // namespace

TEST_CASE("from_sequential refuses layers that derive from those it knows", "[nn]") {
  const auto refusal = [](const tnn::Sequential& net) {
    return error_text([&] { from_sequential(net, {.input_shape = {4}}); });
  };
  const auto expected = [](int layer, const std::string& kind) {
    return "from_sequential: expected layer " + std::to_string(layer) +
           " to be a Linear, a convolution, a pooling, a BatchNorm, an activation, a Dropout or a "
           "Flatten but got " +
           kind + " (a NoisyStage or a Stage of your own takes any module).";
  };
  CHECK(refusal(tnn::Sequential(tnn::Linear(4, 3), SwishLayer(), tnn::Linear(3, 2))) ==
        expected(1, "SwishLayer"));
  CHECK(refusal(tnn::Sequential(ScaledLinear(4, 3), tnn::Linear(3, 2))) ==
        expected(0, "ScaledLinear"));
}

TEST_CASE("from_sequential gives each place of a layer weights of its own", "[nn]") {
  const tnn::Linear shared(4, 4);
  const tnn::Sequential net(shared, tnn::ReLU(), shared, tnn::ReLU(), tnn::Linear(4, 3));
  const auto parameters = from_sequential(net, {.input_shape = {4}})->named_parameters();
  const auto& first = parameters["stages.0.weight"];
  const auto& second = parameters["stages.1.weight"];
  CHECK(torch::equal(first, second));
  CHECK_FALSE(first.is_alias_of(second));
}

TEST_CASE("from_sequential hands the padding of a pooling to its decoder map", "[nn]") {
  tnn::Sequential net(tnn::MaxPool1d(tnn::MaxPool1dOptions(3).stride(2).padding(1)), tnn::Flatten(),
                      tnn::Linear(2 * 3, 2));
  auto ladder = from_sequential(net, {.input_shape = {2, 5}, .lambda = {1, 0, 0}});
  int maps = 0;
  for (const auto& module : ladder->modules()) {
    if (const auto map = std::dynamic_pointer_cast<UpsampleMapImpl>(module)) {
      CHECK(map->options.padding == std::array<int64_t, 2>{0, 1});
      ++maps;
    }
  }
  CHECK(maps == 1);
}

TEST_CASE("from_sequential keeps what is frozen", "[nn]") {
  tnn::Sequential net(tnn::Linear(6, 5), tnn::BatchNorm1d(5), tnn::ReLU(), tnn::Linear(5, 3));
  net->parameters()[0].set_requires_grad(false);                 // the first weight
  net->named_parameters()["1.weight"].set_requires_grad(false);  // that becomes gamma
  auto ladder = from_sequential(net, {.input_shape = {6}, .lambda = {1, 1, 1}});
  const auto parameters = ladder->named_parameters();
  CHECK_FALSE(parameters["stages.0.weight"].requires_grad());
  CHECK_FALSE(parameters["stages.0.normalization.gamma"].requires_grad());
  CHECK(parameters["stages.0.normalization.beta"].requires_grad());
  CHECK(parameters["stages.1.weight"].requires_grad());
  CHECK(net->named_parameters()["0.bias"].requires_grad());
}

TEST_CASE("from_sequential refuses an empty holder", "[nn]") {
  CHECK(error_text([] { from_sequential(tnn::Sequential(nullptr), {.input_shape = {6}}); }) ==
        "from_sequential: expected a Sequential but got an empty holder.");
}
