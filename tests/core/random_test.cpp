#include "ladder/core/random.h"

#include <torch/torch.h>

#include <cmath>
#include <set>

#include "ladder/ops/kernels/cpu/kernels.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"

using ladder::NoiseSource;
using ladder::testing::require_close;
using ladder::testing::roundings;

TEST_CASE("philox4x32 gives the known answers of its authors", "[ops]") {
  using Block = std::array<uint32_t, 4>;
  CHECK(ladder::philox4x32({0, 0, 0, 0}, {0, 0}) ==
        Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(ladder::philox4x32({~0U, ~0U, ~0U, ~0U}, {~0U, ~0U}) ==
        Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(ladder::philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                           {0xa4093822, 0x299f31d0}) ==
        Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("stream_seed separates names, indices and runs", "[ops]") {
  std::set<uint64_t> seeds;
  for (uint64_t run = 0; run < 50; ++run) {
    for (const char* name : {"init", "split", "shuffle", "noise"}) {
      seeds.insert(ladder::stream_seed(run, name));
    }
    seeds.insert(ladder::stream_seed(7, run));
  }
  CHECK(seeds.size() == 250);
  CHECK(ladder::stream_seed(3, "init") == ladder::stream_seed(3, "init"));
}

TEST_CASE("permutation holds every row once and follows its seed", "[ops]") {
  const auto p = ladder::permutation(1000, 5);
  CHECK(torch::equal(std::get<0>(p.sort()), torch::arange(1000)));
  CHECK(torch::equal(p, ladder::permutation(1000, 5)));
  CHECK_FALSE(torch::equal(p, ladder::permutation(1000, 6)));
  CHECK(ladder::permutation(0, 1).numel() == 0);
  // Every element is equally likely to come first: 4 elements, 4,000 shuffles, 5 deviations.
  std::array<int, 4> first{};
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    ++first[static_cast<size_t>(ladder::permutation(4, seed)[0].item<int64_t>())];
  }
  for (const int count : first) {
    CHECK(std::abs(count - 1000) < 5 * std::sqrt(4000 * 0.25 * 0.75));
  }
}

TEST_CASE("PhiloxEngine refuses an empty range", "[ops]") {
  ladder::PhiloxEngine engine(1);
  CHECK_THROWS_WITH(engine.below(0), Catch::Contains("expects n > 0 but got 0"));
  CHECK(engine.below(1) == 0);
}

namespace {

// The documented construction of one normal, in double, and its radius.
struct Normal {
  double value, radius;
};
Normal normal_by_definition(uint64_t seed, uint64_t offset, int64_t columns, int64_t r, int64_t c) {
  const uint64_t block = offset + static_cast<uint64_t>(r / 4 * columns + c);
  const auto words =
      ladder::philox4x32({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0},
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

TEST_CASE("NoiseSource draws standard normals", "[ops]") {
  NoiseSource source(ladder::stream_seed(1, "noise"));
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

TEST_CASE("NoiseSource resumes from two integers and does not repeat itself", "[ops]") {
  NoiseSource a(9);
  a.draw(5, 7);
  NoiseSource b(a.seed(), a.offset());
  const auto x = ladder::ops::standard_normal(a.draw(6, 4), 6, 4, torch::kFloat);
  const auto y = ladder::ops::standard_normal(b.draw(6, 4), 6, 4, torch::kFloat);
  const auto z = ladder::ops::standard_normal(b.draw(6, 4), 6, 4, torch::kFloat);
  CHECK(torch::equal(x, y));
  CHECK_FALSE(torch::equal(y, z));
  CHECK(a.offset() == 2 * 7 + 2 * 4);
}

TEST_CASE("NoiseSource gives the same numbers on any number of threads", "[ops]") {
  const ladder::NoiseDraw draw{.seed = 3, .offset = 11, .values = {}};
  ladder::testing::check_same_on_threads(
      [&] { return std::vector{ladder::ops::standard_normal(draw, 301, 1003, torch::kFloat)}; });
}

TEST_CASE("NoiseSource replays given draws in order", "[ops]") {
  auto source = NoiseSource::replay({torch::ones({2, 3}), torch::zeros({1, 3})});
  require_close(*source.draw(2, 3).values, torch::ones({2, 3}));
  CHECK_THROWS_WITH(source.draw(2, 3),
                    Catch::Contains("expected draw 1 to hold 2 x 3 numbers but got shape [1, 3]"));
  CHECK_THROWS_WITH(source.draw(1, 3), Catch::Contains("expected at most 2 draws"));
}

TEST_CASE("NoiseSource: parts draw the rows of one matrix together", "[ops]") {
  constexpr int64_t kColumns = 3;
  for (const int64_t parts : {1, 2, 3}) {
    NoiseSource whole(5, 7);
    std::vector<NoiseSource> sources;
    for (int64_t i = 0; i < parts; ++i) sources.push_back(NoiseSource(5, 7).part(i, parts));
    for (const int64_t rows : {8, 6, 1}) {
      const int64_t padded = (rows + 3) / 4 * 4;
      const auto all = ladder::ops::standard_normal(whole.draw(parts * padded, kColumns),
                                                    parts * padded, kColumns, torch::kFloat);
      for (int64_t i = 0; i < parts; ++i) {
        auto& source = sources[static_cast<size_t>(i)];
        const auto some = ladder::ops::standard_normal(source.draw(rows, kColumns), rows, kColumns,
                                                       torch::kFloat);
        CHECK(some.equal(all.narrow(0, i * padded, rows)));
        CHECK(source.offset() == whole.offset());
      }
    }
  }
  const NoiseSource source(1);
  CHECK(ladder::testing::error_text([&] { source.part(2, 2); }) ==
        "NoiseSource: expected a part from 0 to 1 but got 2.");
  CHECK(ladder::testing::error_text([&] { source.part(0, 0); }) ==
        "NoiseSource: expected a part from 0 to -1 but got 0.");
}

TEST_CASE("A noise source with a position draws from where that stands", "[ops]") {
  const auto position = torch::full({}, 1000, torch::kLong);
  auto source = ladder::NoiseSource::from(5, position);
  const auto first = source.draw(6, 4);
  const auto second = source.draw(3, 4);
  CHECK(source.offset() == 12);  // ceil(6 / 4) * 4 + ceil(3 / 4) * 4 blocks, the position aside
  for (const uint64_t start : {1000, 70}) {
    position.fill_(static_cast<int64_t>(start));
    ladder::NoiseSource plain(5, start);
    for (const auto& [draw, rows] : {std::pair(first, 6), std::pair(second, 3)}) {
      const auto expected = plain.draw(rows, 4);
      CHECK(draw.offset_now() == expected.offset);
      CHECK(ladder::ops::standard_normal(draw, rows, 4, torch::kFloat)
                .equal(ladder::ops::standard_normal(expected, rows, 4, torch::kFloat)));
      CHECK(ladder::ops::standard_uniform(draw, rows, 4, torch::kFloat)
                .equal(ladder::ops::standard_uniform(expected, rows, 4, torch::kFloat)));
    }
  }
  CHECK_THROWS_WITH(ladder::NoiseSource::from(5, torch::zeros({1})),
                    Catch::Contains("expected a position as an int64 scalar but got Float [1]"));
}

TEST_CASE("standard_uniform is the upper bits of its Philox words", "[ops]") {
  const auto u =
      ladder::ops::standard_uniform({.seed = 9, .offset = 4, .values = {}}, 7, 3, torch::kDouble);
  REQUIRE(u.sizes() == at::IntArrayRef({7, 3}));
  for (int64_t r = 0; r < 7; ++r) {
    for (int64_t c = 0; c < 3; ++c) {
      const auto block = static_cast<uint32_t>(4 + r / 4 * 3 + c);
      const auto word = ladder::philox4x32({block, 0, 0, 0}, {9, 0})[static_cast<size_t>(r % 4)];
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
