#include <torch/torch.h>

#include <sstream>

#include "ladder/nn/ladder.h"
#include "ladder/nn/maps/conv_map.h"
#include "ladder/nn/maps/upsample_map.h"
#include "ladder/nn/stages/noisy_batch_norm_linear.h"
#include "tests/nn/feature_maps.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::conv;
using ladder::testing::error_text;
using ladder::testing::global_pool;
using ladder::testing::kStages;
using ladder::testing::max_pool;
using ladder::testing::mean_pool;
using ladder::testing::require_close;
using ladder::testing::require_gradient;
using ladder::testing::require_rounded;
using ladder::testing::roundings;
using ladder::testing::row_after;
using ladder::testing::rows_of;
using ladder::testing::Shape;
using ladder::testing::weighted_sum;

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
        inputs);
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
    require_rounded({expected},
                    [&] { return std::vector{stage->forward(rows.to(torch::kDouble), pass).h}; });
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
        }) ==
        "NoisyConv: expected feature maps of at least 5 x 5 for a valid border but got 4 x 6.");
  CHECK(error_text([&] {
          conv(1, 2, 3, Border::kValid)->forward(torch::ones({2, 784}), rows);
        }) == "NoisyConv: expected feature maps [R, 1, H, W] but got an input of shape [2, 784].");
  CHECK(error_text([] { max_pool(0); }) == "NoisyMaxPool: expected channels > 0 but got 0.");
  CHECK(error_text([] { mean_pool(1, 0); }) ==
        "NoisyMeanPool: expected a size of at least 1 but got [0, 0].");
  CHECK(error_text([&] {
          mean_pool(3)->forward(torch::ones({2, 1, 4, 4}), rows);
        }) ==
        "NoisyMeanPool: expected feature maps [R, 3, H, W] but got an input of shape [2, 1, 4, "
        "4].");
  CHECK(error_text([&] {
          global_pool(3)->forward(torch::ones({2, 3}), rows);
        }) ==
        "NoisyGlobalMeanPool: expected feature maps [R, 3, H, W] but got an input of shape [2, "
        "3].");
  CHECK(error_text([] {
          conv(1, 2, 3, Border::kValid)->make_vertical({784}, {2, 26, 26});
        }) == "NoisyConv: expected feature maps [C, H, W] but got [784] and [2, 26, 26].");
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

TEST_CASE("Convolutional stages refuse other types, a single row and changed options", "[nn]") {
  for (const auto& [name, make, row] : kStages) {
    INFO(name);
    auto stage = make();
    const auto run = [&, &row = row](torch::Dtype type) {
      return error_text(
          [&] { stage->forward(rows_of(row, 4).to(type), Pass::clean(4, Statistics::kBatch)); });
    };
    CHECK(run(torch::kFloat) == "(no error)");
    CHECK(run(torch::kDouble)
              .ends_with(
                  ": expected an input in Float on cpu like its weight but got Double on cpu."));
    CHECK(
        run(torch::kByte)
            .ends_with(": expected an input in Float on cpu like its weight but got Byte on cpu."));
    CHECK(error_text([&, &row = row] {
            stage->forward(rows_of(row, 1)[0], Pass::clean(1, Statistics::kBatch));
          }).ends_with("(one row needs a batch dimension: unsqueeze(0))."));
  }
  const auto rows = Pass::clean(4, Statistics::kBatch);
  const auto changed = [](const std::string& name) {
    return name +
           ": expected the options that it was built with but got changed ones (options are "
           "fixed at construction: build another " +
           name + ").";
  };
  const auto x = torch::randn({4, 2, 5, 5});
  auto convolution = conv(2, 3, 3, Border::kSame);
  convolution->options.stride = 2;
  CHECK(error_text([&] { convolution->forward(x, rows); }) == changed("NoisyConv"));
  auto max = max_pool(2);
  max->options.size = 0;
  CHECK(error_text([&] { max->forward(x, rows); }) == changed("NoisyMaxPool"));
  auto mean = mean_pool(2);
  mean->options.channels = 1;
  CHECK(error_text([&] { mean->forward(x, rows); }) == changed("NoisyMeanPool"));
  auto global = global_pool(2);
  global->options.softmax_top = true;
  CHECK(error_text([&] { global->forward(x, rows); }) == changed("NoisyGlobalMeanPool"));
}
