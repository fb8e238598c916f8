// The CUDA kernels' own source, run on the CPU by tests/support/cuda_emulation.h, beside the CPU's
// operators. What a GPU alone can show is tested under [cuda].
#define LADDER_CUDA_EMULATION
#include <torch/torch.h>

#include <cmath>

#include "ladder/ops/denoise.h"
#include "ladder/ops/kernels/cuda/kernels.h"
#include "ladder/ops/noise.h"
#include "ladder/ops/normalise.h"
#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using namespace ladder::ops;
namespace cuda = ladder::ops::cuda_emulated;
using ladder::Activation;
using ladder::NoiseDraw;
using ladder::testing::require_close;
using ladder::testing::require_equal;
using ladder::testing::rounding_of;
using ladder::testing::roundings;

namespace {

float* data(const torch::Tensor& t) { return t.defined() ? t.data_ptr<float>() : nullptr; }

struct Case {
  std::string name;
  std::vector<NormaliseGroup> groups;
  int64_t cols;
  Activation activation = Activation::kRelu;
  bool gamma = false;
  bool keep_z = true;
  bool stored = false;
};

// One launch, and several (in chunks of 1024 rows), on odd sizes.
std::vector<Case> cases() {
  std::vector<Case> all = {
      {"one column", {{3, 0}}, 1},
      {"groups", {{3, 0.3}, {5, 0.4}, {4, 0}}, 21},
      {"no z", {{70, 0.3}, {130, 0}}, 9, Activation::kTanh, false, false},
      {"stored", {{10, 0.2}}, 7, Activation::kLeakyRelu, false, false, true},
      {"quads of noise across groups and chunks", {{3, 0.3}, {1027, 0.2}, {2050, 0.1}}, 9},
      {"chunks", {{1030, 0.3}, {2051, 0}}, 11, Activation::kGelu, true},
      {"chunks without z", {{7, 0}, {2048, 0.5}}, 3, Activation::kRelu, false, false},
      {"stored chunks", {{2500, 0.1}}, 2, Activation::kIdentity, false, true, true},
  };
  for (const auto activation : {Activation::kIdentity, Activation::kRelu, Activation::kLeakyRelu,
                                Activation::kTanh, Activation::kGelu}) {
    all.push_back({to_string(activation), {{6, 0.3}, {6, 0}}, 5, activation, true});
  }
  return all;
}

std::vector<GroupSpan> spans(const std::vector<NormaliseGroup>& groups) {
  std::vector<GroupSpan> result;
  int64_t row = 0;
  int64_t noise_row = 0;
  for (const auto& group : groups) {
    result.push_back({row, row + group.rows, group.noise_std, noise_row});
    row += group.rows;
    noise_row += group.noise_std != 0 ? group.rows : 0;
  }
  return result;
}

}  // namespace

TEST_CASE("The CUDA kernels of normalise agree with the CPU's operator", "[ops][grad]") {
  torch::manual_seed(1);
  for (const auto& c : cases()) {
    INFO(c.name);
    const auto groups = spans(c.groups);
    const auto rows = groups.back().end;
    const auto count = static_cast<int64_t>(groups.size());
    const auto x = (torch::randn({rows, c.cols}) * 2 + 0.5).requires_grad_();
    const auto beta = torch::randn({c.cols}).requires_grad_();
    NormaliseArguments arguments{.groups = c.groups,
                                 .noise = NoiseDraw{.seed = 5, .offset = 77, .values = {}},
                                 .beta = beta,
                                 .activation = c.activation,
                                 .keep_z = c.keep_z};
    if (c.gamma) {
      arguments.gamma = torch::rand({c.cols}).add(0.5).requires_grad_();
    }
    if (c.stored) {
      arguments.mean = torch::randn({c.cols});
      arguments.std = torch::rand({c.cols}) + 0.5;
    }
    const auto expected = normalise(x, arguments);

    const auto grad_h = torch::randn({rows, c.cols});
    const auto grad_mean = torch::randn({count, c.cols});
    const auto grad_std = torch::randn({count, c.cols});
    const auto grad_last = torch::randn({c.groups.back().rows, c.cols});  // of the last group's z
    const auto total_of = [&](const NormaliseResult& result) {
      auto total = (result.h * grad_h).sum();
      if (!c.stored) {
        total = total + (result.mean * grad_mean).sum() + (result.std * grad_std).sum();
      }
      return c.keep_z ? total + (result.z.back() * grad_last).sum() : total;
    };
    // Of the values and gradients that are compared below, twice: both sides are rounded.
    const auto bounds = rounding_of(
        [&] {
          auto wide = arguments;
          const auto in_double = [](const torch::Tensor& t) {
            return t.detach().to(torch::kDouble).requires_grad_(t.requires_grad());
          };
          for (auto* const part : {&wide.gamma, &wide.beta, &wide.mean, &wide.std}) {
            if (*part) {
              *part = in_double(**part);
            }
          }
          const auto rows_of_x = in_double(x);
          const auto result = reference::normalise(rows_of_x, wide);
          total_of(result).backward();
          return std::vector<torch::Tensor>{result.h,
                                            result.mean,
                                            result.std,
                                            c.keep_z ? torch::cat(result.z) : result.h,
                                            rows_of_x.grad(),
                                            wide.beta->grad(),
                                            c.gamma ? wide.gamma->grad() : wide.beta->grad()};
        },
        torch::kFloat);
    const auto require_near = [&](const torch::Tensor& actual, const torch::Tensor& exact,
                                  size_t place) {
      INFO("result " << place);
      require_close(actual, exact, bounds[place] * 2);
    };

    const auto statistics = [&](const std::optional<torch::Tensor>& given) {
      return given ? given->expand({count, c.cols}).contiguous() : torch::zeros({count, c.cols});
    };
    const auto mean = statistics(arguments.mean);
    const auto std = statistics(arguments.std);
    const auto h = torch::zeros({rows, c.cols});
    const auto z = c.keep_z ? torch::zeros({rows, c.cols}) : torch::Tensor();
    const auto workspace = torch::zeros(
        {std::max<int64_t>(1, cuda::normalise_workspace(groups.data(), count, c.cols))});
    const auto gamma = arguments.gamma.value_or(torch::Tensor());
    cuda::normalise_forward<float>({.x = data(x),
                                    .cols = c.cols,
                                    .groups = groups.data(),
                                    .group_count = count,
                                    .noise = {.seed = 5, .offset = 77, .values = nullptr},
                                    .gamma = data(gamma),
                                    .beta = data(beta),
                                    .activation = c.activation,
                                    .slope = arguments.leaky_slope,
                                    .eps = ladder::kVarianceEpsilon,
                                    .stored = c.stored,
                                    .mean = data(mean),
                                    .std = data(std),
                                    .z = data(z),
                                    .h = data(h)},
                                   workspace.data_ptr<float>(), nullptr);
    require_near(h, expected.h, 0);
    require_near(mean, expected.mean, 1);
    require_near(std, expected.std, 2);
    if (c.keep_z) {
      require_near(z, torch::cat(expected.z), 3);
    }

    std::vector<const float*> grad_z_data(groups.size(), nullptr);
    if (c.keep_z) {
      grad_z_data.back() = data(grad_last);
    }
    total_of(expected).backward();

    const auto grad_x = torch::zeros({rows, c.cols});
    const auto grad_beta = torch::zeros({c.cols});
    const auto grad_gamma = c.gamma ? torch::zeros({c.cols}) : torch::Tensor();
    cuda::normalise_backward<float>({.x = data(x),
                                     .z = data(z),
                                     .h = data(h),
                                     .mean = data(mean),
                                     .std = data(std),
                                     .cols = c.cols,
                                     .groups = groups.data(),
                                     .group_count = count,
                                     .gamma = data(gamma),
                                     .beta = data(beta),
                                     .activation = c.activation,
                                     .slope = arguments.leaky_slope,
                                     .stored = c.stored,
                                     .grad_h = data(grad_h),
                                     .grad_z = grad_z_data.data(),
                                     .grad_mean = c.stored ? nullptr : data(grad_mean),
                                     .grad_std = c.stored ? nullptr : data(grad_std),
                                     .grad_x = data(grad_x),
                                     .grad_gamma = data(grad_gamma),
                                     .grad_beta = data(grad_beta)},
                                    workspace.data_ptr<float>(), nullptr);
    require_near(grad_x, x.grad(), 4);
    require_near(grad_beta, beta.grad(), 5);
    if (c.gamma) {
      require_near(grad_gamma, gamma.grad(), 6);
    }
  }
}

TEST_CASE("The CUDA kernels give 0 for constant columns, also where the mean has no square",
          "[ops]") {
  constexpr int64_t kCols = 9;
  const float constant = GENERATE(0x1p67F, 7.3F, 1000.1F);
  for (const int64_t rows : {4, 100, 300, 3000}) {  // one launch, and chunks of rows
    INFO(rows << " rows of " << constant);
    const auto groups = spans({{rows, 0}});
    const auto x = torch::full({rows, kCols}, constant);
    const auto mean = torch::zeros({1, kCols});
    const auto std = torch::zeros({1, kCols});
    const auto h = torch::zeros({rows, kCols});
    const auto workspace =
        torch::zeros({std::max<int64_t>(1, cuda::normalise_workspace(groups.data(), 1, kCols))});
    cuda::normalise_forward<float>({.x = data(x),
                                    .cols = kCols,
                                    .groups = groups.data(),
                                    .group_count = 1,
                                    .noise = {},
                                    .gamma = nullptr,
                                    .beta = nullptr,
                                    .activation = Activation::kIdentity,
                                    .slope = 0,
                                    .eps = ladder::kVarianceEpsilon,
                                    .stored = false,
                                    .mean = data(mean),
                                    .std = data(std),
                                    .z = nullptr,
                                    .h = data(h)},
                                   workspace.data_ptr<float>(), nullptr);
    // Deviations from the rounded mean are few units in the last place: their sums are exact.
    require_equal(mean, torch::full({1, kCols}, constant));
    const auto least = static_cast<float>(std::sqrt(ladder::kVarianceEpsilon));
    require_close(std, torch::full({1, kCols}, least), roundings(4, torch::kFloat));
    require_equal(h, torch::zeros({rows, kCols}));
  }
}

namespace {

cuda::BFloat16* bits_of(const torch::Tensor& t) {
  return static_cast<cuda::BFloat16*>(t.data_ptr());
}

// (x - mean) / std as the kernels compute and store it.
torch::Tensor standardised_by(const torch::Tensor& x, const torch::Tensor& mean,
                              const torch::Tensor& std) {
  const auto wide = [](const torch::Tensor& t) { return t.to(torch::kFloat); };
  return ((wide(x) - wide(mean)) * (1 / wide(std))).to(torch::kBFloat16);
}

}  // namespace

// Their backward pass reads the stored statistics. A mean of 20 is rounded by up to 1/16.
TEST_CASE("The CUDA kernels normalise bfloat16 by the statistics that they store", "[ops]") {
  torch::manual_seed(4);
  constexpr int64_t kCols = 9;
  for (const int64_t rows : {50, 2500}) {  // one launch, and chunks of rows
    INFO(rows << " rows");
    const auto zeros = [](at::IntArrayRef sizes) { return torch::zeros(sizes, torch::kBFloat16); };
    const auto x = (torch::randn({rows, kCols}) + 20).to(torch::kBFloat16);
    const auto mean = zeros({1, kCols}), std = zeros({1, kCols});
    const auto z = zeros({rows, kCols}), h = zeros({rows, kCols});
    const auto groups = spans({{rows, 0}});
    auto workspace =
        torch::zeros({std::max<int64_t>(1, cuda::normalise_workspace(groups.data(), 1, kCols))});
    cuda::normalise_forward<cuda::BFloat16>({.x = bits_of(x),
                                             .cols = kCols,
                                             .groups = groups.data(),
                                             .group_count = 1,
                                             .noise = {},
                                             .gamma = nullptr,
                                             .beta = nullptr,
                                             .activation = Activation::kIdentity,
                                             .slope = 0,
                                             .eps = ladder::kVarianceEpsilon,
                                             .stored = false,
                                             .mean = bits_of(mean),
                                             .std = bits_of(std),
                                             .z = bits_of(z),
                                             .h = bits_of(h)},
                                            workspace.data_ptr<float>(), nullptr);
    const auto expected = standardised_by(x, mean, std);
    require_equal(z, expected);
    require_equal(h, expected);

    auto weight = zeros({9, kCols});
    weight[2].fill_(1);  // z_hat is the normalised u
    const auto u_mean = zeros({kCols}), u_std = zeros({kCols});
    const auto z_hat = zeros({rows, kCols}), cost = zeros({});
    const auto partial = torch::zeros({cuda::denoise_blocks(rows, kCols)}, torch::kDouble);
    workspace = torch::zeros({std::max<int64_t>(1, cuda::denoise_workspace(rows, kCols))});
    cuda::denoise_forward<cuda::BFloat16>({.z_noisy = bits_of(h),
                                           .u = bits_of(x),
                                           .rows = rows,
                                           .cols = kCols,
                                           .function = CombinatorFunction::kVanilla,
                                           .mlp = {},
                                           .weight = bits_of(weight),
                                           .eps = ladder::kVarianceEpsilon,
                                           .target = nullptr,
                                           .target_mean = nullptr,
                                           .target_std = nullptr,
                                           .u_mean = bits_of(u_mean),
                                           .u_std = bits_of(u_std),
                                           .z_hat = bits_of(z_hat),
                                           .cost = nullptr},
                                          bits_of(cost), partial.data_ptr<double>(),
                                          workspace.data_ptr<float>(), nullptr);
    require_equal(z_hat, standardised_by(x, u_mean, u_std));
  }
}

TEST_CASE("The CUDA kernels of denoise agree with the CPU's operator", "[ops][grad]") {
  torch::manual_seed(2);
  for (const auto function : {CombinatorFunction::kGaussian, CombinatorFunction::kVanilla,
                              CombinatorFunction::kGaussianSigmoid}) {
    for (const auto& [rows, cols] : {std::pair{3, 1}, {9, 21}, {100, 10}, {2100, 9}}) {
      for (const int form : {0, 1, 2}) {  // no target, as it is, with its statistics
        INFO("function " << static_cast<int>(function) << ", " << rows << " x " << cols << ", form "
                         << form);
        const auto parameters = parameter_count(function);
        const auto z_noisy = torch::randn({rows, cols}).requires_grad_();
        const auto u = (torch::randn({rows, cols}) * 2 + 1).requires_grad_();
        const auto weight = torch::randn({parameters, cols}).requires_grad_();
        std::optional<DenoisingTarget> target;
        if (form > 0) {
          target = DenoisingTarget{torch::randn({rows, cols}).requires_grad_()};
        }
        if (form > 1) {
          target->mean = torch::randn({cols}).requires_grad_();
          target->std = torch::rand({cols}).add(0.5).requires_grad_();
        }
        const auto expected = denoise(z_noisy, u, weight, function, target);
        const auto grad_z_hat = torch::randn({rows, cols});
        const auto grad_cost = torch::full({}, 50.0F);
        const auto total_of = [&](const DenoiseResult& result) {
          const auto total = (result.z_hat * grad_z_hat).sum();
          return target ? total + result.cost * grad_cost : total;
        };
        // Of the values and gradients that are compared below, twice: both sides are rounded.
        const auto bounds = rounding_of(
            [&] {
              const auto in_double = [](const torch::Tensor& t) {
                return t.detach().to(torch::kDouble).requires_grad_();
              };
              std::vector<torch::Tensor> in = {in_double(z_noisy), in_double(u), in_double(weight)};
              auto wide = target;
              if (target) {
                in.push_back(wide->z = in_double(target->z));
              }
              if (form > 1) {
                in.push_back(*(wide->mean = in_double(*target->mean)));
                in.push_back(*(wide->std = in_double(*target->std)));
              }
              const auto result = reference::denoise(in[0], in[1], in[2], function, wide);
              total_of(result).backward();
              std::vector<torch::Tensor> results = {result.z_hat,
                                                    target ? result.cost : result.z_hat};
              for (const auto& t : in) {
                results.push_back(t.grad());
              }
              return results;
            },
            torch::kFloat);
        const auto require_near = [&](const torch::Tensor& actual, const torch::Tensor& exact,
                                      size_t place) {
          INFO("result " << place);
          require_close(actual, exact, bounds[place] * 2);
        };
        const auto target_z = target ? target->z : torch::Tensor();
        const auto target_mean = form > 1 ? *target->mean : torch::Tensor();
        const auto target_std = form > 1 ? *target->std : torch::Tensor();

        const auto u_mean = torch::zeros({cols});
        const auto u_std = torch::zeros({cols});
        const auto z_hat = torch::zeros({rows, cols});
        const auto cost = torch::zeros({});
        const auto partial = torch::zeros({cuda::denoise_blocks(rows, cols)}, torch::kDouble);
        const auto workspace =
            torch::zeros({std::max<int64_t>(1, cuda::denoise_workspace(rows, cols))});
        cuda::denoise_forward<float>({.z_noisy = data(z_noisy),
                                      .u = data(u),
                                      .rows = rows,
                                      .cols = cols,
                                      .function = function,
                                      .mlp = {},
                                      .weight = data(weight),
                                      .eps = ladder::kVarianceEpsilon,
                                      .target = data(target_z),
                                      .target_mean = data(target_mean),
                                      .target_std = data(target_std),
                                      .u_mean = data(u_mean),
                                      .u_std = data(u_std),
                                      .z_hat = data(z_hat),
                                      .cost = nullptr},
                                     data(cost), partial.data_ptr<double>(),
                                     workspace.data_ptr<float>(), nullptr);
        require_near(z_hat, expected.z_hat, 0);
        if (target) {
          require_near(cost, expected.cost, 1);
        }

        total_of(expected).backward();
        const auto grad_z_noisy = torch::zeros({rows, cols});
        const auto grad_u = torch::zeros({rows, cols});
        const auto grad_weight = torch::zeros({parameters, cols});
        const auto grad_target = target ? torch::zeros({rows, cols}) : torch::Tensor();
        const auto grad_mean = form > 1 ? torch::zeros({cols}) : torch::Tensor();
        const auto grad_std = form > 1 ? torch::zeros({cols}) : torch::Tensor();
        cuda::denoise_backward<float>({.z_noisy = data(z_noisy),
                                       .u = data(u),
                                       .z_hat = data(z_hat),
                                       .rows = rows,
                                       .cols = cols,
                                       .function = function,
                                       .mlp = {},
                                       .weight = data(weight),
                                       .target = data(target_z),
                                       .target_mean = data(target_mean),
                                       .target_std = data(target_std),
                                       .u_mean = data(u_mean),
                                       .u_std = data(u_std),
                                       .grad_z_hat = data(grad_z_hat),
                                       .grad_cost = 0,
                                       .grad_z_noisy = data(grad_z_noisy),
                                       .grad_u = data(grad_u),
                                       .grad_weight = data(grad_weight),
                                       .grad_target = data(grad_target),
                                       .grad_target_mean = data(grad_mean),
                                       .grad_target_std = data(grad_std)},
                                      data(grad_cost), workspace.data_ptr<float>(), nullptr);
        require_near(grad_z_noisy, z_noisy.grad(), 2);
        require_near(grad_u, u.grad(), 3);
        require_near(grad_weight, weight.grad(), 4);
        if (target) {
          require_near(grad_target, target->z.grad(), 5);
        }
        if (form > 1) {
          require_near(grad_mean, target->mean->grad(), 6);
          require_near(grad_std, target->std->grad(), 7);
        }
      }
    }
  }
}

TEST_CASE("The CUDA kernels of denoise leave out what nobody asks for", "[ops][grad]") {
  torch::manual_seed(3);
  for (const int64_t rows : {9, 2100}) {
    constexpr int64_t kCols = 11;
    const auto z_noisy = torch::randn({rows, kCols});
    const auto u = torch::randn({rows, kCols});
    const auto z_hat = torch::randn({rows, kCols});
    const auto weight = torch::randn({10, kCols});
    const auto u_mean = u.mean(0);
    const auto u_std = u.std(0, false);
    const auto grad_z_hat = torch::randn({rows, kCols});
    const auto workspace =
        torch::zeros({std::max<int64_t>(1, cuda::denoise_workspace(rows, kCols))});
    const auto grad_z_noisy = torch::zeros({rows, kCols});
    const auto run = [&](const torch::Tensor& grad_weight) {
      const auto grad_u = torch::zeros({rows, kCols});
      cuda::denoise_backward<float>({.z_noisy = data(z_noisy),
                                     .u = data(u),
                                     .z_hat = data(z_hat),
                                     .rows = rows,
                                     .cols = kCols,
                                     .function = CombinatorFunction::kGaussian,
                                     .mlp = {},
                                     .weight = data(weight),
                                     .target = nullptr,
                                     .target_mean = nullptr,
                                     .target_std = nullptr,
                                     .u_mean = data(u_mean),
                                     .u_std = data(u_std),
                                     .grad_z_hat = data(grad_z_hat),
                                     .grad_cost = 0,
                                     .grad_z_noisy = data(grad_z_noisy),
                                     .grad_u = data(grad_u),
                                     .grad_weight = data(grad_weight),
                                     .grad_target = nullptr,
                                     .grad_target_mean = nullptr,
                                     .grad_target_std = nullptr},
                                    nullptr, workspace.data_ptr<float>(), nullptr);
      return grad_u;
    };
    const auto all = run(torch::zeros({10, kCols}));
    CHECK(torch::equal(run({}), all));
  }
}

namespace {
const double kLargestNormal = std::sqrt(48 * std::log(2.0));  // uniforms start at 2^-24
}  // namespace

TEST_CASE("The CUDA kernels draw the CPU's noise, and store bfloat16", "[ops]") {
  constexpr int64_t kRows = 10;
  constexpr int64_t kCols = 37;
  const NoiseDraw draw{.seed = 0x123456789ABCDEFULL, .offset = 0xFFFFFFF0ULL, .values = {}};
  const auto expected = standard_normal(draw, kRows, kCols, torch::kFloat);
  const auto zeros = torch::zeros({kRows, kCols});
  const auto out = torch::zeros({kRows, kCols});
  cuda::add_noise<float>({.x = data(zeros),
                          .out = data(out),
                          .rows = kRows,
                          .cols = kCols,
                          .noise = {.seed = draw.seed, .offset = draw.offset, .values = nullptr},
                          .noise_std = 1},
                         nullptr);
  // Both draw it in float32, each with the roundings that noise_test.cpp counts.
  require_close(out, expected, roundings(32, torch::kFloat, kLargestNormal));

  const auto position = torch::full({}, 0xFFFFF000LL, torch::kLong);  // the same place in two parts
  const auto moved = torch::zeros({kRows, kCols});
  cuda::add_noise<float>({.x = data(zeros),
                          .out = data(moved),
                          .rows = kRows,
                          .cols = kCols,
                          .noise = {.seed = draw.seed,
                                    .offset = 0xFF0,
                                    .values = nullptr,
                                    .position = position.const_data_ptr<int64_t>()},
                          .noise_std = 1},
                         nullptr);
  require_equal(moved, out);

  const auto halves = torch::zeros({kRows, kCols}, torch::kBFloat16);
  auto* const bits = static_cast<cuda::BFloat16*>(halves.data_ptr());
  cuda::add_noise<cuda::BFloat16>(
      {.x = bits,
       .out = bits,
       .rows = kRows,
       .cols = kCols,
       .noise = {.seed = draw.seed, .offset = draw.offset, .values = nullptr},
       .noise_std = 1},
      nullptr);
  require_equal(halves.to(torch::kFloat), out.to(torch::kBFloat16).to(torch::kFloat));
}
