#include "ladder/core/random.h"

#include <torch/torch.h>

#include <cmath>
#include <set>

#include "ladder/ops/noise.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

using ladder::NoiseSource;
using ladder::testing::require_close;

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

TEST_CASE("NoiseSource replays given draws in order", "[ops]") {
  auto source = NoiseSource::replay({torch::ones({2, 3}), torch::zeros({1, 3})});
  require_close(*source.draw(2, 3).values, torch::ones({2, 3}));
  CHECK_THROWS_WITH(source.draw(2, 3),
                    Catch::Contains("expected draw 1 to hold 2 x 3 numbers but got shape [1, 3]"));
  CHECK(source.offset() == 1);  // what does not fit is not taken
  require_close(*source.draw(1, 3).values, torch::zeros({1, 3}));
  CHECK_THROWS_WITH(source.draw(1, 3), Catch::Contains("expected at most 2 draws"));
  CHECK(source.offset() == 2);
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
