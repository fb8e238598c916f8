#include "ladder/ops/noise.h"

#include <torch/torch.h>

#include <cmath>
#include <cstdint>

#include "ladder/ops/kernels/cpu/kernels.h"
#include "tests/support/catch.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"

using ladder::NoiseDraw;
using ladder::NoiseSource;
using ladder::philox4x32;
using ladder::stream_seed;
using ladder::testing::check_same_on_threads;
using ladder::testing::require_close;
using ladder::testing::roundings;

namespace {

// The documented construction of one normal, in double, and its radius.
struct DefinedNormal {
  double value, radius;
};
DefinedNormal normal_by_definition(uint64_t seed, uint64_t offset, int64_t columns, int64_t r,
                                   int64_t c) {
  const uint64_t block = offset + static_cast<uint64_t>(r / 4 * columns + c);
  const auto words =
      philox4x32({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0},
                 {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  const auto pair = static_cast<size_t>(r % 4 / 2 * 2);
  const double uniform = ((words[pair] >> 8) + 1) / 16777216.0;
  const double angle = 2 * M_PI * words[pair + 1] / 4294967296.0;
  const double radius = std::sqrt(-2 * std::log(uniform));
  return {radius * (r % 2 == 0 ? std::cos(angle) : std::sin(angle)), radius};
}

}  // namespace

TEST_CASE("Noise is Box-Muller over Philox blocks on every instruction set", "[ops]") {
  const auto all = ladder::ops::cpu::runnable_kernels();
  for (int i = 0; i < all.count; ++i) {
    INFO(all.tables[i]->name);
    for (const auto& [rows, columns] : {std::pair{9, 37}, {1, 1}, {4, 16}, {7, 130}}) {
      // An offset near 2^32 checks the carry into the counter's high word.
      const uint64_t offset = 0xFFFFFFF0ULL;
      const auto zeros = torch::zeros({rows, columns});
      auto drawn = torch::zeros({rows, columns});
      all.tables[i]->run(
          ladder::ops::AddNoise<float>{.x = zeros.const_data_ptr<float>(),
                                       .out = drawn.mutable_data_ptr<float>(),
                                       .rows = rows,
                                       .cols = columns,
                                       .noise = {.seed = 0x123456789abcdefULL, .offset = offset},
                                       .noise_std = 1},
          0, columns);
      auto expected = torch::zeros({rows, columns}, torch::kDouble);
      auto radius = torch::zeros({rows, columns}, torch::kDouble);
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < columns; ++c) {
          const auto normal = normal_by_definition(0x123456789abcdefULL, offset, columns, r, c);
          expected[r][c] = normal.value;
          radius[r][c] = normal.radius;
        }
      }
      // Roundings of the uniform's logarithm (6), of its root (2), of the angle, which is at most
      // pi / 4 after its reduction (3), of sine or cosine (4), and of their product.
      require_close(drawn.to(torch::kDouble), expected, roundings(16, torch::kFloat, radius));
    }
  }
}

TEST_CASE("standard_normal draws standard normals", "[ops]") {
  NoiseSource source(stream_seed(1, "noise"));
  constexpr int64_t kRows = 1000;
  constexpr int64_t kColumns = 1000;
  const auto x =
      ladder::ops::standard_normal(source.draw(kRows, kColumns), kRows, kColumns, torch::kDouble);
  const double n = kRows * kColumns;
  CHECK(std::abs(x.mean().item<double>()) < 5 / std::sqrt(n));
  CHECK(std::abs(x.square().mean().item<double>() - 1) < 5 * std::sqrt(2 / n));
  CHECK(std::abs(x.pow(3).mean().item<double>()) < 5 * std::sqrt(15 / n));
  CHECK(std::abs(x.pow(4).mean().item<double>() - 3) < 5 * std::sqrt(96 / n));
  // Neighbours in both directions, and the two normals of one Box-Muller pair, are uncorrelated.
  CHECK(std::abs((x.slice(1, 1) * x.slice(1, 0, -1)).mean().item<double>()) < 5 / std::sqrt(n));
  CHECK(std::abs((x.slice(0, 1) * x.slice(0, 0, -1)).mean().item<double>()) < 5 / std::sqrt(n));
  // Kolmogorov-Smirnov distance from the normal distribution, at the 1e-6 level.
  const auto sorted = std::get<0>(x.flatten().sort());
  const auto cdf = 0.5 * (1 + torch::erf(sorted / std::sqrt(2.0)));
  const auto empirical = (torch::arange(n, torch::kDouble) + 0.5) / n;
  CHECK((cdf - empirical).abs().max().item<double>() < 2.7 / std::sqrt(n));
}

TEST_CASE("standard_normal gives the same numbers on any number of threads", "[ops]") {
  const NoiseDraw draw{.seed = 3, .offset = 11, .values = {}};
  check_same_on_threads(
      [&] { return std::vector{ladder::ops::standard_normal(draw, 301, 1003, torch::kFloat)}; });
}

TEST_CASE("standard_uniform is the upper bits of its Philox words", "[ops]") {
  const auto u =
      ladder::ops::standard_uniform({.seed = 9, .offset = 4, .values = {}}, 7, 3, torch::kDouble);
  REQUIRE(u.sizes() == at::IntArrayRef({7, 3}));
  for (int64_t r = 0; r < 7; ++r) {
    for (int64_t c = 0; c < 3; ++c) {
      const auto block = static_cast<uint32_t>(4 + r / 4 * 3 + c);
      const auto word = philox4x32({block, 0, 0, 0}, {9, 0})[static_cast<size_t>(r % 4)];
      CHECK(u[r][c].item<double>() == ((word >> 9) + 0.5) / 8388608.0);
    }
  }
}

TEST_CASE("standard_uniform has the moments of a uniform number", "[ops]") {
  const auto u = ladder::ops::standard_uniform({.seed = 1, .offset = 0, .values = {}}, 1000, 400,
                                               torch::kDouble);
  CHECK(u.min().item<double>() > 0);
  CHECK(u.max().item<double>() < 1);
  // 400,000 draws, five deviations.
  CHECK(u.mean().item<double>() == Approx(0.5).margin(5 * std::sqrt(1.0 / 12 / 4e5)));
  CHECK(u.var().item<double>() == Approx(1.0 / 12).margin(5 * std::sqrt(1.0 / 180 / 4e5)));
  const auto given = torch::rand({2, 3});
  require_close(
      ladder::ops::standard_uniform({.seed = 0, .offset = 0, .values = given}, 2, 3, torch::kFloat),
      given);
}
