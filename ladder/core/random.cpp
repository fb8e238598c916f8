#include "ladder/core/random.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "ladder/core/internal/philox.h"
#include "ladder/core/internal/tensor_text.h"

namespace ladder {
namespace {

uint64_t splitmix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// Philox one counter at a time.
struct HostWords {
  static uint64_t multiply_words(uint64_t lane, uint32_t factor) {
    return uint64_t{static_cast<uint32_t>(lane)} * factor;
  }
};

}  // namespace

uint64_t stream_seed(uint64_t run_seed, std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return splitmix64(splitmix64(run_seed) ^ hash);
}

uint64_t stream_seed(uint64_t stream, uint64_t index) {
  return splitmix64(splitmix64(stream) + index);
}

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  uint64_t lanes[4] = {counter[0], counter[1], counter[2], counter[3]};
  philox_rounds<HostWords>(lanes, key[0], key[1]);
  return {static_cast<uint32_t>(lanes[0]), static_cast<uint32_t>(lanes[1]),
          static_cast<uint32_t>(lanes[2]), static_cast<uint32_t>(lanes[3])};
}

uint32_t PhiloxEngine::operator()() {
  if (used_ == 4) {
    words_ = philox4x32({static_cast<uint32_t>(block_), static_cast<uint32_t>(block_ >> 32), 0, 0},
                        {static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)});
    ++block_;
    used_ = 0;
  }
  return words_[static_cast<size_t>(used_++)];
}

uint64_t PhiloxEngine::below(uint64_t n) {
  TORCH_CHECK(n > 0, "PhiloxEngine: below(n) expects n > 0 but got 0.");
  const uint64_t limit = UINT64_MAX - UINT64_MAX % n;
  uint64_t x;
  do {
    const uint64_t high = (*this)();
    x = high << 32 | (*this)();
  } while (x >= limit);
  return x % n;
}

at::Tensor permutation(int64_t n, uint64_t seed) {
  TORCH_CHECK(n >= 0, "permutation: expected n >= 0 but got ", n, ".");
  auto rows = at::arange(n, at::kLong);
  auto* p = rows.mutable_data_ptr<int64_t>();
  PhiloxEngine engine(seed);
  for (int64_t i = n - 1; i > 0; --i) {
    std::swap(p[i], p[engine.below(static_cast<uint64_t>(i) + 1)]);
  }
  return rows;
}

NoiseSource NoiseSource::replay(std::vector<at::Tensor> draws) {
  NoiseSource source(0);
  source.replay_ = std::move(draws);
  return source;
}

NoiseSource NoiseSource::from(uint64_t seed, at::Tensor position) {
  TORCH_CHECK(position.defined() && position.dim() == 0 && position.scalar_type() == at::kLong,
              "NoiseSource: expected a position as an int64 scalar but got ",
              type_and_shape_text(position), ".");
  NoiseSource source(seed);
  source.position_ = std::move(position);
  return source;
}

NoiseSource NoiseSource::part(int64_t index, int64_t parts) const {
  TORCH_CHECK(parts >= 1 && index >= 0 && index < parts, "NoiseSource: expected a part from 0 to ",
              parts - 1, " but got ", index, ".");
  auto source = *this;
  source.part_ = static_cast<uint64_t>(index);
  source.parts_ = static_cast<uint64_t>(parts);
  return source;
}

uint64_t NoiseDraw::offset_now() const {
  return offset + (position ? static_cast<uint64_t>(position->item<int64_t>()) : 0);
}

NoiseDraw NoiseSource::draw(int64_t rows, int64_t columns) {
  if (replay_) {
    TORCH_CHECK(offset_ < replay_->size(), "NoiseSource: expected at most ", replay_->size(),
                " draws but a further one of shape [", rows, ", ", columns, "] was asked for.");
    const auto& values = (*replay_)[offset_];
    TORCH_CHECK(values.dim() >= 2 && values.numel() == rows * columns,
                "NoiseSource: expected draw ", offset_, " to hold ", rows, " x ", columns,
                " numbers but got shape ", values.sizes(), ".");
    ++offset_;
    return {.values = values.reshape({rows, columns})};
  }
  const auto blocks = static_cast<uint64_t>((rows + 3) / 4 * columns);
  const NoiseDraw result{.seed = seed_, .offset = offset_ + part_ * blocks, .position = position_};
  offset_ += parts_ * blocks;
  return result;
}

}  // namespace ladder
