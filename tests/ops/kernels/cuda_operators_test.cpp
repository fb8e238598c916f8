// The fused operators as they run on a device, beside their composite in float64 on the CPU: on
// this CPU always, so that what is compared is itself tested, and under [cuda] on a GPU.
#include <torch/torch.h>

#include "ladder/ops/denoise.h"
#include "ladder/ops/kernel_info.h"
#include "ladder/ops/normalise.h"
#include "ladder/ops/product.h"
#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using namespace ladder::ops;
using ladder::Activation;
using ladder::NoiseDraw;
using ladder::testing::excess;
using ladder::testing::product_bound;
using ladder::testing::require_close;
using ladder::testing::rounding_of;
using ladder::testing::rounding_of_operands;

namespace {

// A leaf with the values of t.
torch::Tensor leaf(const torch::Tensor& t, torch::Device device, torch::Dtype dtype) {
  return t.detach().to(device, dtype).requires_grad_();
}

// A number that depends on every element of t in a way of its own.
torch::Tensor scalar(const torch::Tensor& t) {
  const auto n = t.numel();
  const auto factors = torch::sin(torch::arange(n, torch::kDouble) * 0.7 + 1).reshape(t.sizes());
  return (t.to(torch::kDouble) * factors.to(t.device())).sum();
}

// Requires of run(device, dtype, false), the operator, what run(CPU, float64, true) gives, the
// composite.
template <class Run>
void require_as_composite(const Run& run, torch::Device device, torch::Dtype dtype) {
  const auto composite = [&] { return run(torch::kCPU, torch::kDouble, true); };
  const auto results = run(device, dtype, false);
  const auto expected = composite();
  const auto bounds = rounding_of(composite, dtype);
  for (size_t i = 0; i < results.size(); ++i) {
    INFO("result " << i);
    CHECK(results[i].device().type() == device.type());
    require_close(results[i].detach().to(torch::kCPU, torch::kDouble), expected[i], bounds[i]);
  }
}

void check_normalise(torch::Device device, torch::Dtype dtype, int64_t rows, int64_t cols,
                     Activation activation) {
  torch::manual_seed(rows + cols);
  const auto x0 = (torch::randn({rows, cols}, torch::kDouble) * 2 + 0.5).to(dtype);
  const auto beta0 = torch::randn({cols}, torch::kDouble).to(dtype);
  const auto gamma0 = (torch::rand({cols}, torch::kDouble) + 0.5).to(dtype);
  const int64_t first = rows / 3 + 1;
  const auto noise = torch::randn({first, cols}, torch::kDouble).to(dtype);
  const auto run = [&](torch::Device on, torch::Dtype as, bool composite) {
    auto x = leaf(x0, on, as);
    auto beta = leaf(beta0, on, as);
    auto gamma = leaf(gamma0, on, as);
    const NormaliseArguments arguments{
        .groups = {{.rows = first, .noise_std = 0.3}, {.rows = rows - first}},
        .noise = NoiseDraw{.values = noise.to(on, as)},
        .gamma = gamma,
        .beta = beta,
        .activation = activation};
    const auto result = composite ? reference::normalise(x, arguments) : normalise(x, arguments);
    (scalar(result.h) + scalar(result.z[0]) + scalar(result.z[1]) + scalar(result.mean) +
     scalar(result.std))
        .backward();
    return std::vector<torch::Tensor>{result.h, result.z[0], result.mean, result.std,
                                      x.grad(), beta.grad(), gamma.grad()};
  };
  INFO("rows " << rows << ", columns " << cols);
  require_as_composite(run, device, dtype);
}

void check_denoise(torch::Device device, torch::Dtype dtype, int64_t rows, int64_t cols,
                   CombinatorFunction function) {
  torch::manual_seed(rows * cols);
  const auto draw = [&](int64_t n, double scale, double shift) {
    return (torch::randn({n, cols}, torch::kDouble) * scale + shift).to(dtype);
  };
  const auto z0 = draw(rows, 1, 0);
  const auto u0 = draw(rows, 2, 1);
  const auto target0 = draw(rows, 1, 0);
  const auto weight0 = draw(parameter_count(function), 0.5, 0.3);
  const auto mean0 = draw(1, 0.3, 0)[0];
  const auto std0 = (draw(1, 0.1, 0)[0].abs() + 0.7).to(dtype);
  const auto run = [&](torch::Device on, torch::Dtype as, bool composite) {
    auto z = leaf(z0, on, as);
    auto u = leaf(u0, on, as);
    auto weight = leaf(weight0, on, as);
    auto target = leaf(target0, on, as);
    auto mean = leaf(mean0, on, as);
    auto std = leaf(std0, on, as);
    const DenoisingTarget wanted{target, mean, std};
    const auto result = composite ? reference::denoise(z, u, weight, function, wanted)
                                  : denoise(z, u, weight, function, wanted);
    (scalar(result.z_hat) + 10 * result.cost.to(torch::kDouble)).backward();
    return std::vector<torch::Tensor>{result.z_hat,  result.cost,   z.grad(),    u.grad(),
                                      weight.grad(), target.grad(), mean.grad(), std.grad()};
  };
  INFO("rows " << rows << ", columns " << cols);
  require_as_composite(run, device, dtype);
}

void check_all(torch::Device device, torch::Dtype dtype) {
  for (const auto& [rows, cols] : std::vector<std::pair<int64_t, int64_t>>{
           {5, 1}, {300, 37}, {2500, 9}}) {  // the last beyond one launch
    for (const auto activation : {Activation::kIdentity, Activation::kRelu, Activation::kLeakyRelu,
                                  Activation::kTanh, Activation::kGelu}) {
      check_normalise(device, dtype, rows, cols, activation);
    }
    for (const auto function : {CombinatorFunction::kGaussian, CombinatorFunction::kVanilla,
                                CombinatorFunction::kGaussianSigmoid}) {
      check_denoise(device, dtype, rows, cols, function);
    }
  }
}

}  // namespace

TEST_CASE("The fused operators agree with their composite", "[ops][grad]") {
  check_all(torch::kCPU, torch::kFloat);
}

TEST_CASE("The fused operators agree with their composite on a GPU", "[ops][cuda]") {
  if (!torch::cuda::is_available()) LADDER_SKIP("no CUDA device");
  check_all(torch::kCUDA, torch::kFloat);
  check_all(torch::kCUDA, torch::kDouble);  // as plain operations
}

TEST_CASE("The fused operators agree with their composite in bfloat16", "[ops][cuda]") {
  if (!torch::cuda::is_available()) LADDER_SKIP("no CUDA device");
  check_denoise(torch::kCUDA, torch::kBFloat16, 300, 37, CombinatorFunction::kGaussian);
  check_normalise(torch::kCUDA, torch::kBFloat16, 300, 37, Activation::kTanh);
}

TEST_CASE("Perceptrons and many groups run on a GPU, also by name", "[ops][cuda]") {
  if (!torch::cuda::is_available()) LADDER_SKIP("no CUDA device");
  torch::manual_seed(2);
  const auto z = torch::randn({20, 6}, torch::kCUDA);
  const auto u = torch::randn({20, 6}, torch::kCUDA);
  const MlpFunction function{.hidden = {2, 2}, .augmented = true};
  const auto weight = torch::randn({parameter_count(function), 6}, torch::kCUDA);
  const auto in_double = [](const torch::Tensor& t) { return t.to(torch::kCPU, torch::kDouble); };
  NormaliseArguments many;
  many.groups.assign(10, {.rows = 2});
  const auto composite = [&] {
    return std::vector{
        reference::denoise(in_double(z), in_double(u), in_double(weight), function, {}).z_hat,
        reference::normalise(in_double(z), many).h};
  };
  const auto bounds = rounding_of(composite, torch::kFloat);
  require_close(in_double(denoise(z, u, weight, function, {}).z_hat), composite()[0], bounds[0]);
  require_close(in_double(normalise(z, many).h), composite()[1], bounds[1]);
}

TEST_CASE("linear keeps to the precision that is asked for on a GPU", "[ops][products][cuda]") {
  if (!torch::cuda::is_available()) LADDER_SKIP("no CUDA device");
  torch::manual_seed(4);
  const auto x = torch::randn({64, 512}, torch::kCUDA);
  const auto weight = torch::randn({48, 512}, torch::kCUDA).requires_grad_();
  const auto expected = torch::mm(x.to(torch::kDouble), weight.detach().to(torch::kDouble).t());
  const auto grad = torch::mm(expected.t(), x.to(torch::kDouble));
  // Largest excess of the product and of its gradient, with operands rounded with unit roundoff v.
  const auto beyond = [&](ProductPrecision precision, double v) {
    const ProductScope scope({precision, ProductRoute::kAten});
    weight.mutable_grad() = torch::Tensor();
    const auto y = ladder::ops::linear(x, weight);
    CHECK(y.scalar_type() == torch::kFloat);
    y.backward(expected.to(torch::kFloat));
    const auto of = [&](const torch::Tensor& result, const torch::Tensor& exact,
                        const torch::Tensor& a, const torch::Tensor& b) {
      return excess(result, exact,
                    product_bound(a, b, torch::kFloat, 2) + rounding_of_operands(a, b, v));
    };
    return std::max(of(y, expected, x, weight.t()), of(weight.grad(), grad, expected.t(), x));
  };
  CHECK(beyond(ProductPrecision::kFloat32, 0) <= 0);
  CHECK(beyond(ProductPrecision::kBFloat16, 0) > 0);
  CHECK(beyond(ProductPrecision::kBFloat16, 0x1p-8) <= 0);
  CHECK(beyond(ProductPrecision::kTensorFloat32, 0x1p-11) <= 0);
}

TEST_CASE("gpu_name tells the model of a GPU", "[ops][cuda]") {
  if (!torch::cuda::is_available()) LADDER_SKIP("no CUDA device");
  CHECK(!ladder::ops::gpu_name(c10::kCUDA).empty());
  CHECK(ladder::ops::gpu_name(c10::kCUDA) == ladder::ops::gpu_name({c10::kCUDA, 0}));
}
