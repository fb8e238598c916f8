#include <torch/torch.h>

#include <array>
#include <cmath>
#include <functional>
#include <sstream>

#include "ladder/nn/ladder.h"
#include "ladder/nn/maps/conv_map.h"
#include "ladder/nn/maps/upsample_map.h"
#include "ladder/nn/stages/noisy_batch_norm_linear.h"
#include "ladder/nn/stages/noisy_conv.h"
#include "ladder/nn/stages/noisy_global_mean_pool.h"
#include "ladder/nn/stages/noisy_max_pool.h"
#include "ladder/nn/stages/noisy_mean_pool.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::error_text;
using ladder::testing::require_close;
using ladder::testing::require_gradient;
using ladder::testing::weighted_sum;

namespace {

using Shape = std::vector<int64_t>;

NoisyConv conv(int64_t in, int64_t out, int64_t kernel, Border border, int64_t stride = 1) {
  return NoisyConv(NoisyConvOptions{.in_channels = in,
                                    .out_channels = out,
                                    .kernel = kernel,
                                    .border = border,
                                    .stride = stride});
}
NoisyMaxPool max_pool(int64_t channels, int64_t size = 2) {
  return NoisyMaxPool(NoisyMaxPoolOptions{.channels = channels, .size = size});
}
NoisyMeanPool mean_pool(int64_t channels, int64_t size = 2) {
  return NoisyMeanPool(NoisyMeanPoolOptions{.channels = channels, .size = size});
}
NoisyGlobalMeanPool global_pool(int64_t channels, bool top = false, bool gamma = true) {
  return NoisyGlobalMeanPool(
      NoisyGlobalMeanPoolOptions{.channels = channels, .softmax_top = top, .gamma = gamma});
}

// [M, C, H, W], by channel.
torch::Tensor normalised(const torch::Tensor& maps) {
  const std::vector<int64_t> dims = {0, 2, 3};
  return (maps - maps.mean(dims, true)) / (maps.var(dims, false, true) + 1e-10).sqrt();
}

Shape row_after(Stage& stage, const Shape& row) {
  auto sizes = row;
  sizes.insert(sizes.begin(), 2);
  const auto h = stage.forward(torch::randn(sizes), Pass::clean(2, Statistics::kBatch)).h;
  return h.sizes().slice(1).vec();
}

struct Named {
  std::string name;
  std::function<AnyStage()> make;
  Shape row;
};

// Every stage on maps of two channels.
const std::vector<Named> kStages = {
    {"valid", [] { return conv(2, 3, 3, Border::kValid); }, {2, 5, 4}},
    {"same", [] { return conv(2, 3, 3, Border::kSame); }, {2, 3, 4}},
    {"full", [] { return conv(2, 3, 3, Border::kFull); }, {2, 3, 4}},
    {"stride 2", [] { return conv(2, 3, 3, Border::kValid, 2); }, {2, 6, 5}},
    {"stride 3, same", [] { return conv(2, 3, 3, Border::kSame, 3); }, {2, 6, 5}},
    {"stride 2, full", [] { return conv(2, 2, 2, Border::kFull, 2); }, {2, 4, 5}},
    {"pointwise", [] { return conv(2, 3, 1, Border::kValid); }, {2, 3, 3}},
    {"large kernel", [] { return conv(2, 3, 4, Border::kValid); }, {2, 5, 5}},
    {"max pool", [] { return max_pool(2); }, {2, 5, 3}},
    {"max pool of 3", [] { return max_pool(2, 3); }, {2, 4, 7}},
    {"mean pool", [] { return mean_pool(2); }, {2, 5, 4}},
    {"global mean pool", [] { return global_pool(2); }, {2, 3, 4}},
    {"global mean pool top", [] { return global_pool(2, true); }, {2, 3, 4}},
};

torch::Tensor rows_of(const Shape& row, int64_t rows, torch::Dtype dtype = torch::kFloat) {
  auto sizes = row;
  sizes.insert(sizes.begin(), rows);
  return torch::randn(sizes, dtype);
}

}  // namespace

TEST_CASE("NoisyConv normalises each channel of each group and adds noise", "[nn]") {
  torch::manual_seed(1);
  auto stage = conv(2, 3, 3, Border::kFull);
  NoiseSource noise(3);
  const auto x = torch::randn({5, 2, 4, 3});
  const Pass pass{.groups = {{2, true}, {3, false}}, .noise = &noise};
  const auto out = stage->forward(x, pass);
  const auto pre = torch::conv2d(x, stage->weight, {}, 1, 2);
  require_close(out.z[1], normalised(pre.narrow(0, 2, 3)), 1e-4, 1e-5);
  require_close(out.h.narrow(0, 2, 3), torch::relu(out.z[1]), 1e-5, 1e-6);
  require_close(out.mean[1], pre.narrow(0, 2, 3).mean(std::vector<int64_t>{0, 2, 3}), 1e-4, 1e-5);
  // The noise of maps is a row for each position, a column for each channel.
  NoiseSource again(3);
  const auto n = ops::standard_normal(again.draw(2 * 6 * 5, 3), 2 * 6 * 5, 3, torch::kFloat);
  require_close(
      out.z[0],
      normalised(pre.narrow(0, 0, 2)) + 0.3 * n.reshape({2, 6, 5, 3}).permute({0, 3, 1, 2}), 1e-4,
      1e-4);
  CHECK(noise.offset() == again.offset());
}

TEST_CASE("NoisyConv gives maps of the sizes of its borders and strides", "[nn]") {
  CHECK(row_after(*conv(1, 2, 5, Border::kValid), {1, 28, 9}) == Shape{2, 24, 5});
  CHECK(row_after(*conv(1, 2, 5, Border::kSame), {1, 28, 9}) == Shape{2, 28, 9});
  CHECK(row_after(*conv(1, 2, 5, Border::kFull), {1, 28, 9}) == Shape{2, 32, 13});
  CHECK(row_after(*conv(1, 2, 5, Border::kValid, 2), {1, 28, 9}) == Shape{2, 12, 3});
  CHECK(row_after(*conv(1, 2, 5, Border::kSame, 2), {1, 28, 9}) == Shape{2, 14, 5});
  CHECK(row_after(*conv(1, 2, 5, Border::kFull, 3), {1, 28, 9}) == Shape{2, 11, 5});
  NoisyConv oblong(NoisyConvOptions{.in_channels = 1,
                                    .out_channels = 2,
                                    .kernel = {2, 3},
                                    .border = Border::kFull,
                                    .stride = {1, 2}});
  CHECK(row_after(*oblong, {1, 4, 5}) == Shape{2, 5, 4});
}

TEST_CASE("NoisyConv draws uniform weights of variance 1 / fan-in", "[nn]") {
  auto stage = conv(20, 50, 5, Border::kValid);
  reset_parameters(*stage, 7);
  const double bound = std::sqrt(3.0 / 500);
  CHECK(stage->weight.abs().max().item<double>() <= bound);
  CHECK(stage->weight.abs().max().item<double>() > 0.99 * bound);
  CHECK(stage->weight.mean().item<double>() == Approx(0).margin(5 / std::sqrt(500 * 25000.0)));
  CHECK(stage->weight.var().item<double>() == Approx(1.0 / 500).epsilon(0.03));
  auto other = conv(20, 50, 5, Border::kValid);
  CHECK_FALSE(torch::equal(stage->weight, other->weight));
  const auto threads = at::get_num_threads();
  at::set_num_threads(1);
  reset_parameters(*other, 7);
  at::set_num_threads(threads);
  CHECK(torch::equal(stage->weight, other->weight));
  // The map back draws by its own fan-in.
  ConvMap map(
      ConvMapOptions{.in_channels = 50, .out_channels = 20, .kernel = {5, 5}, .out_size = {9, 9}});
  CHECK(map->weight.var().item<double>() == Approx(1.0 / 1250).epsilon(0.03));
}

TEST_CASE("Pooling stages take maxima and means of windows cut at the edge", "[nn]") {
  const auto x = torch::arange(15, torch::kFloat).reshape({1, 1, 3, 5}).repeat({2, 1, 1, 1});
  const auto rows = Pass::clean(2, Statistics::kBatch);
  const auto max = torch::tensor({6, 8, 9, 11, 13, 14}, torch::kFloat).reshape({1, 1, 2, 3});
  const auto mean = torch::tensor({3., 5., 6.5, 10.5, 12.5, 14.}).reshape({1, 1, 2, 3});
  require_close(max_pool(1)->forward(x, rows).h, normalised(max.repeat({2, 1, 1, 1})), 1e-5, 1e-5);
  require_close(mean_pool(1)->forward(x, rows).h,
                normalised(mean.to(torch::kFloat).repeat({2, 1, 1, 1})), 1e-5, 1e-5);
  CHECK(row_after(*max_pool(2), {2, 15, 16}) == Shape{2, 8, 8});
  CHECK(row_after(*mean_pool(2, 3), {2, 7, 2}) == Shape{2, 3, 1});

  const auto maps = torch::randn({4, 2, 3, 5});
  const auto mean_of_maps = maps.mean(std::vector<int64_t>{2, 3});
  const auto out = global_pool(2)->forward(maps, Pass::clean(4, Statistics::kBatch));
  require_close(out.h,
                (mean_of_maps - mean_of_maps.mean(0)) / (mean_of_maps.var(0, false) + 1e-10).sqrt(),
                1e-4, 1e-4);
  require_close(out.h, out.z[0]);
}

TEST_CASE("NoisyGlobalMeanPool costs its level by the deviation of W sqrt(3) times the mean",
          "[nn]") {
  torch::manual_seed(11);
  for (const auto& [height, width] : std::vector<std::pair<int64_t, int64_t>>{{3, 3}, {2, 5}}) {
    INFO(height << " x " << width);
    const auto x = torch::randn({6, 2, height, width}, torch::kDouble) + 0.5;
    Stages stages = {NoisyGlobalMeanPool(
        NoisyGlobalMeanPoolOptions{.channels = 2, .noise_std = 0, .softmax_top = true})};
    Ladder net(LadderOptions{.input_shape = {2, height, width}, .lambda = {0, 1}, .input_noise = 0},
               stages);
    net->to(torch::kDouble);
    {
      // mu = 0 and v = 1: without noise z^ = z~ = z.
      const torch::NoGradGuard no_grad;
      auto weight = net->named_parameters()["decoder.combinators.1.weight"];
      weight.zero_();
      weight[9].fill_(1);
    }
    NoiseSource noise(1);
    const auto loss = net->loss({x.narrow(0, 0, 2), torch::tensor({0, 1}), x}, noise);

    // By the definition, number by number.
    double cost = 0;
    const auto* values = x.const_data_ptr<double>();
    const auto positions = static_cast<size_t>(height * width);
    for (size_t c = 0; c < 2; ++c) {
      std::array<double, 6> pre{};
      double mean = 0;
      double variance = 0;
      for (size_t r = 0; r < 6; ++r) {
        double sum = 0;
        for (size_t p = 0; p < positions; ++p) {
          sum += values[(r * 2 + c) * positions + p];
        }
        pre[r] = sum / static_cast<double>(positions) * static_cast<double>(width) * std::sqrt(3.0);
        mean += pre[r] / 6;
      }
      for (const auto value : pre) {
        variance += (value - mean) * (value - mean) / 6;
      }
      const auto std = std::sqrt(variance + 1e-10);
      for (const auto value : pre) {
        const auto z = (value - mean) / std;
        const auto difference = (z - mean) / std - z;
        cost += difference * difference / 12;
      }
    }
    // Both add some 20 numbers of about 1 in float64.
    CHECK(loss.denoising[1].item<double>() == Approx(cost).epsilon(1e-12));
    // The mean alone, as up to version 1, gives another cost.
    const auto plain = x.mean(std::vector<int64_t>{2, 3});
    const auto std = (plain.var(0, false) + 1e-10).sqrt();
    const auto z = (plain - plain.mean(0)) / std;
    const auto before = ((z - plain.mean(0)) / std - z).square().mean().item<double>();
    CHECK(std::abs(before - cost) > 0.1 * cost);
    // h' stays what it was.
    const auto out = stages[0]->forward(x, Pass::clean(6, Statistics::kBatch));
    require_close(out.h, z, 1e-8, 1e-8);
  }
}

TEST_CASE("NoisyGlobalMeanPool refuses the state of its first version", "[nn]") {
  const auto text =
      "NoisyGlobalMeanPool: expected the state of version 2 but got version 1 (the stage computes "
      "other values since then: train the network again).";
  auto stage = global_pool(3, true);
  const auto reload = [](torch::nn::Module& module, const std::optional<double>& version) {
    torch::serialize::OutputArchive out;
    for (const auto& child : module.named_children()) {
      torch::serialize::OutputArchive inner(out.compilation_unit());
      child.value()->save(inner);
      out.write(child.key(), inner);
    }
    if (version) {
      out.write("version", torch::full({}, *version), /*is_buffer=*/true);
    }
    std::stringstream stream;
    out.save_to(stream);
    torch::serialize::InputArchive in;
    in.load_from(stream);
    module.load(in);
  };
  CHECK(error_text([&] { reload(*stage, std::nullopt); }) == text);
  CHECK(error_text([&] { reload(*stage, 1.0); }) == text);
  CHECK_NOTHROW(reload(*stage, 2.0));
}

TEST_CASE("Pooling stages have parameters at a softmax top alone", "[nn]") {
  CHECK(max_pool(2)->parameters().empty());
  CHECK(mean_pool(2)->parameters().empty());
  CHECK(global_pool(2)->parameters().empty());
  using Names = std::vector<std::string>;
  CHECK(global_pool(2, true)->named_parameters().keys() ==
        Names{"normalization.beta", "normalization.gamma"});
  CHECK(global_pool(2, true, false)->named_parameters().keys() == Names{"normalization.beta"});
  CHECK(conv(2, 2, 3, Border::kSame)->named_parameters().keys() ==
        Names{"weight", "normalization.beta"});
  NoisyBatchNormLinear shifted(NoisyBatchNormLinearOptions{
      .in_features = 3, .out_features = 2, .softmax_top = true, .gamma = false});
  CHECK(shifted->named_parameters().keys() == Names{"weight", "normalization.beta"});
}

TEST_CASE("Convolutional stages pass central differences with their noise reseeded", "[nn][grad]") {
  torch::manual_seed(2);
  for (const auto& [name, make, row] : kStages) {
    INFO(name);
    auto stage = make();
    stage.module()->to(torch::kDouble);
    std::vector<torch::Tensor> inputs = {rows_of(row, 5, torch::kDouble)};
    for (const auto& parameter : stage.module()->parameters()) {
      inputs.push_back(parameter);
    }
    require_gradient(
        [&](const std::vector<torch::Tensor>& in) {
          NoiseSource noise(5);
          const Pass pass{.groups = {{2, true}, {3, false}}, .noise = &noise};
          const auto out = stage->forward(in[0], pass);
          return weighted_sum({out.h, out.z[0], out.z[1], out.mean, out.std});
        },
        inputs, 1e-5);
  }
}

TEST_CASE("Convolutional stages keep their state through clone, dtype and save", "[nn]") {
  torch::manual_seed(3);
  for (const auto& [name, make, row] : kStages) {
    INFO(name);
    auto stage = make();
    auto& module = *stage.module();
    const auto rows = rows_of(row, 8);
    stage->forward(rows, Pass::clean(8, Statistics::kCalibrate));
    module.eval();
    const auto pass = Pass::clean(8, Statistics::kStored);
    const auto expected = stage->forward(rows, pass).h;

    const auto copy = stage.clone();
    require_close(copy->forward(rows, pass).h, expected);
    CHECK_FALSE(copy.module()->is_training());
    {
      const torch::NoGradGuard no_grad;
      for (const auto& tensor : copy.module()->buffers()) {
        tensor.add_(1);
      }
      for (const auto& tensor : copy.module()->parameters()) {
        tensor.add_(1);
      }
    }
    require_close(stage->forward(rows, pass).h, expected);

    std::stringstream stream;
    torch::serialize::OutputArchive out;
    module.save(out);
    out.save_to(stream);
    auto loaded = make();
    torch::serialize::InputArchive in;
    in.load_from(stream);
    loaded.module()->load(in);
    require_close(loaded->forward(rows, pass).h, expected);

    module.to(torch::kDouble);
    require_close(stage->forward(rows.to(torch::kDouble), pass).h, expected.to(torch::kDouble),
                  1e-4, 1e-4);
  }
}

TEST_CASE("Convolutional stages make maps that go back to their input's shape", "[nn]") {
  torch::manual_seed(4);
  for (const auto border : {Border::kValid, Border::kSame, Border::kFull}) {
    for (const auto kernel : {1, 3, 5}) {
      for (const auto stride : {1, 2, 3}) {
        for (const auto height : {5, 6, 7}) {
          for (const auto width : {7, 8}) {
            INFO(to_string(border)
                 << " " << kernel << ", stride " << stride << " on " << height << " x " << width);
            auto stage = conv(2, 3, kernel, border, stride);
            const Shape row = {2, height, width};
            const auto after = row_after(*stage, row);
            auto vertical = stage->make_vertical(row, after);
            CHECK(vertical.forward<torch::Tensor>(rows_of(after, 2)).sizes().slice(1) == row);
          }
        }
      }
    }
  }
  for (const auto& [name, make, row] : kStages) {
    INFO(name);
    auto stage = make();
    const auto after = row_after(*stage, row);
    auto vertical = stage->make_vertical(row, after);
    const auto back = vertical.forward<torch::Tensor>(rows_of(after, 3));
    CHECK(back.sizes().slice(1) == row);
    CHECK(back.size(0) == 3);
  }
}

TEST_CASE("ConvMap is the gradient of the convolution it goes back through", "[nn]") {
  torch::manual_seed(5);
  auto stage = conv(2, 3, 3, Border::kSame, 2);
  auto vertical = stage->make_vertical({2, 7, 6}, {3, 4, 3});
  const auto weight = vertical.ptr()->parameters()[0];
  const auto y = torch::randn({4, 3, 4, 3});
  const auto x = torch::zeros({4, 2, 7, 6}).requires_grad_();
  (torch::conv2d(x, weight, {}, 2, 1) * y).sum().backward();
  require_close(vertical.forward<torch::Tensor>(y), x.grad(), 1e-4, 1e-5);
}

TEST_CASE("UpsampleMap of a padded pooling begins within its first window", "[nn]") {
  // Windows of 3 in steps of 2 over 5 columns with a border of 1 begin at -1, 1 and 3.
  UpsampleMap map(UpsampleMapOptions{.scale = {1, 2}, .out_size = {1, 5}, .padding = {0, 1}});
  const auto x = torch::tensor({1.0, 2.0, 3.0}).reshape({1, 1, 1, 3});
  require_close(map->forward(x), torch::tensor({1.0, 2.0, 2.0, 3.0, 3.0}).reshape({1, 1, 1, 5}));
  CHECK_THROWS_WITH(
      UpsampleMap(UpsampleMapOptions{.padding = {0, -1}}),
      Catch::Contains("UpsampleMap: expected a padding of at least 0 but got [0, -1]."));
}

TEST_CASE("UpsampleMap repeats the nearest value and crops", "[nn]") {
  UpsampleMap map(UpsampleMapOptions{.scale = {2, 3}, .out_size = {3, 7}});
  const auto x = torch::arange(6, torch::kFloat).reshape({1, 1, 2, 3});
  const auto expected =
      torch::tensor({0, 0, 0, 1, 1, 1, 2, 0, 0, 0, 1, 1, 1, 2, 3, 3, 3, 4, 4, 4, 5}, torch::kFloat)
          .reshape({1, 1, 3, 7});
  require_close(map->forward(x), expected);
  const auto rows = torch::randn({2, 4});
  require_close(map->forward(rows), rows.reshape({2, 4, 1, 1}).repeat({1, 1, 3, 7}));
  torch::manual_seed(6);
  // Windows that the map is cut to, some that lie beyond it, and some that begin before it.
  for (const auto& options :
       {map->options, UpsampleMapOptions{.scale = {1, 2}, .out_size = {1, 3}},
        UpsampleMapOptions{.scale = {2, 2}, .out_size = {3, 4}, .padding = {1, 1}}}) {
    require_gradient(
        [&](const std::vector<torch::Tensor>& in) {
          return weighted_sum({UpsampleMap(options)->forward(in[0])});
        },
        {torch::randn({2, 2, 2, 3}, torch::kDouble)});
  }
  const auto maps = torch::randn({2, 2, 2, 3}).requires_grad_();
  const auto squares = map->forward(maps).pow(2).sum();
  const auto grad = torch::autograd::grad({squares}, {maps}, {}, true, true)[0];
  const auto of_grad = torch::autograd::grad({grad.sum()}, {maps})[0];
  require_close(of_grad, (grad / maps).detach(), 1e-5, 1e-5);  // twice how often each is repeated
  CHECK(std::dynamic_pointer_cast<UpsampleMapImpl>(map->clone())->options.out_size ==
        map->options.out_size);
}

TEST_CASE("Convolutional stages copy nothing between maps and rows of positions", "[nn]") {
  torch::manual_seed(7);
  const auto is_last = [](const torch::Tensor& maps) {
    return ops::maps_to_matrix(maps).data_ptr() == maps.data_ptr();
  };
  for (const auto channels : {1, 3}) {
    const auto x = torch::randn({6, channels, 9, 8});
    const Stages stages = {conv(channels, 4, 3, Border::kSame), max_pool(4),
                           conv(4, channels, 1, Border::kValid), mean_pool(channels)};
    const auto pass = Pass{.groups = {{2, false}, {4, false}}};
    auto h = x;
    for (size_t l = 0; l < stages.size(); ++l) {
      INFO(channels << " channels, stage " << l + 1);
      const auto below = h.sizes().slice(1).vec();
      const auto out = stages[l]->forward(h, pass);
      CHECK(is_last(out.h));
      CHECK(is_last(out.z[0]));
      CHECK(is_last(out.z[1]));
      h = out.h;
      auto vertical = stages[l]->make_vertical(below, h.sizes().slice(1));
      CHECK(is_last(vertical.forward<torch::Tensor>(ops::channels_last(torch::randn_like(h)))));
    }
  }
}

TEST_CASE("Ladder over any mix of convolutional and dense stages has a full decoder", "[nn]") {
  torch::manual_seed(8);
  const auto dense = [](int64_t in, int64_t out, bool top = false) {
    return NoisyBatchNormLinear(
        NoisyBatchNormLinearOptions{.in_features = in, .out_features = out, .softmax_top = top});
  };
  const std::vector<std::pair<Shape, Stages>> networks = {
      {{1, 6, 5},
       {conv(1, 3, 3, Border::kFull), max_pool(3), dense(3 * 4 * 4, 6), dense(6, 3, true)}},
      {{2, 7, 7},
       {conv(2, 3, 3, Border::kSame, 2), conv(3, 4, 1, Border::kValid), mean_pool(4, 3),
        conv(4, 3, 2, Border::kValid), global_pool(3, true)}},
      {{3, 5, 5}, {mean_pool(3), max_pool(3), global_pool(3), dense(3, 4, true)}},
      {{1, 6, 6},
       {conv(1, 8, 5, Border::kValid), conv(8, 3, 1, Border::kValid), global_pool(3, true)}},
  };
  for (size_t n = 0; n < networks.size(); ++n) {
    INFO("network " << n);
    const auto& [row, stages] = networks[n];
    Ladder net(
        LadderOptions{.input_shape = row, .lambda = std::vector<double>(stages.size() + 1, 0.5)},
        stages);
    const auto classes = net->classes();
    const SemiBatch batch{rows_of(row, 6), torch::randint(classes, {6}), rows_of(row, 8)};
    NoiseSource noise(1);
    const auto loss = net->loss(batch, noise);
    loss.total.backward();
    CHECK(std::isfinite(loss.total.item<double>()));
    for (size_t l = 0; l < loss.denoising.size(); ++l) {
      CHECK(loss.denoising[l].defined());
    }
    for (const auto& p : net->named_parameters()) {
      INFO(p.key());
      CHECK(p.value().grad().defined());
    }
    net->calibrate(batch.x_unlabeled, 4);
    net->eval();
    const auto logits = net->forward(batch.x_labeled);
    CHECK(logits.sizes() == at::IntArrayRef({6, classes}));
    // Rows count alone: no statistics of the batch.
    require_close(net->forward(batch.x_labeled.narrow(0, 2, 1)), logits.narrow(0, 2, 1), 1e-4,
                  1e-5);
    const auto copy = std::dynamic_pointer_cast<LadderImpl>(net->clone());
    require_close(copy->forward(batch.x_labeled), logits);
  }
}

TEST_CASE("Ladder draws the input noise of maps in one order, whatever their layout", "[nn]") {
  torch::manual_seed(9);
  Ladder net(LadderOptions{.input_shape = {2, 5, 4}, .lambda = {1, 0.5, 0.1}},
             Stages{conv(2, 3, 3, Border::kValid), global_pool(3, true)});
  const SemiBatch batch{torch::randn({4, 2, 5, 4}), torch::tensor({0, 1, 2, 0}),
                        torch::randn({6, 2, 5, 4})};
  const SemiBatch last{ops::channels_last(batch.x_labeled), batch.y,
                       ops::channels_last(batch.x_unlabeled)};
  NoiseSource noise(1), again(1);
  require_close(net->loss(last, again).total, net->loss(batch, noise).total, 1e-5, 1e-5);
}

TEST_CASE("Convolutional stages name what does not fit", "[nn]") {
  const auto rows = Pass::clean(2, Statistics::kBatch);
  const auto options = [](NoisyConvOptions o) { return [o] { NoisyConv made(o); }; };
  CHECK(error_text(options({.in_channels = 0, .out_channels = 2})) ==
        "NoisyConv: expected in_channels > 0 and out_channels > 0 but got 0 and 2.");
  CHECK(error_text(options({.in_channels = 2, .out_channels = 2, .groups = 2})) ==
        "NoisyConv: expected groups = 1 but got 2 (wrap a torch::nn::Conv2d with groups in "
        "NoisyStage).");
  CHECK(error_text(
            options({.in_channels = 2, .out_channels = 2, .kernel = 4, .border = Border::kSame})) ==
        "NoisyConv: expected an odd kernel with a same border but got 4 (valid and full borders "
        "take any).");
  CHECK(error_text(options({.in_channels = 2, .out_channels = 2, .kernel = {3, 0}})) ==
        "NoisyConv: expected a kernel and a stride of at least 1 but got 0 and 1.");
  CHECK(error_text([&] {
          conv(1, 2, 3, Border::kValid)->forward(torch::ones({2, 3, 4, 4}), rows);
        }) == "NoisyConv: expected 1 input channel but got 3.");
  CHECK(error_text([&] {
          conv(1, 2, 5, Border::kValid)->forward(torch::ones({2, 1, 4, 6}), rows);
        }) == "NoisyConv: expected maps of at least 5 x 5 for a valid border but got 4 x 6.");
  CHECK(error_text([&] {
          conv(1, 2, 3, Border::kValid)->forward(torch::ones({2, 784}), rows);
        }) == "NoisyConv: expected maps [R, 1, H, W] but got an input of shape [2, 784].");
  CHECK(error_text([] { max_pool(0); }) == "NoisyMaxPool: expected channels > 0 but got 0.");
  CHECK(error_text([] { mean_pool(1, 0); }) ==
        "NoisyMeanPool: expected a size of at least 1 but got [0, 0].");
  CHECK(error_text([&] {
          mean_pool(3)->forward(torch::ones({2, 1, 4, 4}), rows);
        }) == "NoisyMeanPool: expected maps [R, 3, H, W] but got an input of shape [2, 1, 4, 4].");
  CHECK(error_text([&] {
          global_pool(3)->forward(torch::ones({2, 3}), rows);
        }) == "NoisyGlobalMeanPool: expected maps [R, 3, H, W] but got an input of shape [2, 3].");
  CHECK(error_text([] {
          conv(1, 2, 3, Border::kValid)->make_vertical({784}, {2, 26, 26});
        }) == "NoisyConv: expected rows of maps [C, H, W] but got [784] and [2, 26, 26].");
  CHECK(error_text([] {
          UpsampleMap(UpsampleMapOptions{.scale = {0, 2}});
        }) ==
        "UpsampleMap: expected a scale and an out_size of at least 1 but got [0, 2] and [1, 1].");
  CHECK(error_text([] {
          Ladder(LadderOptions{.input_shape = {1, 8, 8}},
                 Stages{conv(1, 2, 3, Border::kValid), conv(3, 2, 3, Border::kValid),
                        global_pool(2, true)});
        }) == "NoisyConv: expected 3 input channels but got 2. (stage 2 of Ladder)");
}
