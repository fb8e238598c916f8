#include "ladder/ops/kernels/cpu/winograd.h"

#include <ATen/ceil_div.h>

#include <algorithm>
#include <vector>

#include "ladder/ops/kernels/cpu/columns.h"

namespace ladder::ops::cpu {

namespace {

// The matrix G of winograd.inc.
constexpr float kKernelTransform[6][3] = {
    {1.0F / 4, 0, 0},
    {-1.0F / 6, -1.0F / 6, -1.0F / 6},
    {-1.0F / 6, 1.0F / 6, -1.0F / 6},
    {1.0F / 24, 1.0F / 12, 1.0F / 6},
    {1.0F / 24, -1.0F / 12, 1.0F / 6},
    {0, 0, 1},
};

TiledMaps tiled_input(const WinogradShape& s) {
  return {s.height,
          s.width,
          s.in,
          at::ceil_div(s.out_height(), kTile),
          at::ceil_div(s.out_width(), kTile),
          s.padding};
}

TiledMaps tiled_output(const WinogradShape& s) {
  const auto input = tiled_input(s);
  return {s.out_height(), s.out_width(), s.out, input.down, input.across, 0};
}

constexpr int64_t kKernel = 9;  // values of a kernel

// Return G g G^T for the nine unit kernels g, as [9, copies, 36].
std::vector<float> transformed_units(int64_t copies) {
  std::vector<float> units;
  for (int64_t g = 0; g < kKernel; ++g) {
    for (int64_t k = 0; k < copies * kTransformed; ++k) {
      const auto value = k % kTransformed;
      units.push_back(kKernelTransform[value / 6][g / 3] * kKernelTransform[value % 6][g % 3]);
    }
  }
  return units;
}

// Memory for the transformed tiles of a block. Each thread keeps it from call to call.
class Planes {
 public:
  Planes(const WinogradShape& shape, int64_t tiles)
      : input_plane_(plane(tiles, shape.in)), output_plane_(plane(tiles, shape.out)) {
    thread_local std::vector<float> memory;
    memory.resize(std::max(memory.size(),
                           static_cast<size_t>(kTransformed * (input_plane_ + output_plane_))));
    values_ = memory.data();
  }

  float* input() const { return values_; }
  float* output() const { return values_ + kTransformed * input_plane_; }
  int64_t input_plane() const { return input_plane_; }
  int64_t output_plane() const { return output_plane_; }

 private:
  // Add a cache line: strides that are a power of two would cause L1 set conflicts.
  static int64_t plane(int64_t tiles, int64_t channels) { return tiles * channels + 16; }

  float* values_;
  int64_t input_plane_, output_plane_;
};

// Transformed kernels, packed for the product once for all blocks of tiles.
class PackedKernels {
 public:
  PackedKernels(const WinogradShape& shape, const ProductKernel& kernel, const float* u)
      : columns_(shape.out),
        depth_(shape.in),
        u_(u),
        plane_(depth_ <= kMaxPackedDepth ? packed_size(columns_, depth_) : 0) {
    thread_local std::vector<float> memory;
    memory.resize(std::max(memory.size(), static_cast<size_t>(kTransformed * plane_)));
    packed_ = memory.data();
    if (plane_ > 0) {
      for_tasks(
          kTransformed,
          [&](int64_t k) { kernel.pack(plane(k), columns_, depth_, packed_ + k * plane_); },
          kTransformed * columns_ * depth_);
    }
  }

  Operand plane(int64_t k) const { return {u_ + k * depth_ * columns_, 1, columns_}; }
  const float* packed(int64_t k) const { return plane_ > 0 ? packed_ + k * plane_ : nullptr; }

 private:
  int64_t columns_, depth_;
  const float* u_;
  int64_t plane_;
  float* packed_;
};

// Return the number of tiles in a block: few enough for its planes to stay in the L2 cache, but
// enough to pay for reading all kernels, or for reading and writing the sums of a gradient.
int64_t block_tiles(const WinogradShape& shape, int64_t least) {
  constexpr int64_t kFloats = 256 * 1024;
  const auto held = kFloats / (kTransformed * (shape.in + shape.out));
  return std::clamp<int64_t>(held / 12 * 12, least, 96);
}

constexpr int64_t kMinTiles = 24;
constexpr int64_t kMinGradientTiles = 96;

}  // namespace

int64_t WinogradShape::tiles() const {
  return rows * at::ceil_div(out_height(), kTile) * at::ceil_div(out_width(), kTile);
}

void winograd_transform(const WinogradShape& shape, const KernelTable& kernels, const float* g,
                        float* u) {
  const auto units = transformed_units(1);
  const auto pairs = shape.in * shape.out;
  multiply({.a = {units.data(), 1, kTransformed},
            .b = {g, 1, pairs},
            .rows = kTransformed,
            .columns = pairs,
            .depth = kKernel,
            .c = u,
            .c_row = pairs},
           kernels.product);
}

void winograd_convolve(const WinogradShape& shape, const KernelTable& kernels, const float* x,
                       const float* u, float* y) {
  const auto from = tiled_input(shape);
  const auto to = tiled_output(shape);
  const auto tiles = shape.tiles();
  const auto block = block_tiles(shape, kMinTiles);
  const PackedKernels packed(shape, kernels.product, u);
  for_tasks(at::ceil_div(tiles, block), [&](int64_t task) {
    const auto begin = task * block;
    const auto end = std::min(begin + block, tiles);
    const Planes planes(shape, block);
    kernels.winograd.input(from, x, begin, end, planes.input(), planes.input_plane());
    for (int64_t k = 0; k < kTransformed; ++k) {
      const Product product{.a = {planes.input() + k * planes.input_plane(), shape.in, 1},
                            .b = packed.plane(k),
                            .rows = end - begin,
                            .columns = shape.out,
                            .depth = shape.in,
                            .c = planes.output() + k * planes.output_plane(),
                            .c_row = shape.out,
                            .packed_b = packed.packed(k)};
      kernels.product.multiply(product, {0, product.rows, 0, product.columns}, {product_scratch()});
    }
    kernels.winograd.output(to, planes.output(), planes.output_plane(), begin, end, y);
  });
}

int64_t winograd_parts(const WinogradShape& shape) {
  constexpr int64_t kMaxParts = 8;
  constexpr int64_t kTilesOfPart = 256;
  int64_t parts = 1;
  while (parts < kMaxParts && (parts + 1) * kTilesOfPart <= shape.tiles()) {
    parts *= 2;
  }
  return parts;
}

void winograd_gradient(const WinogradShape& shape, const KernelTable& kernels, const float* x,
                       const float* grad_y, float* parts, float* grad_g) {
  const auto from = tiled_input(shape);
  const auto to = tiled_output(shape);
  const auto tiles = shape.tiles();
  const auto block = block_tiles(shape, kMinGradientTiles);
  const auto count = winograd_parts(shape);
  const auto pairs = shape.in * shape.out;
  if (tiles == 0) {  // of no rows
    std::fill_n(grad_g, kKernel * pairs, 0.0F);
    return;
  }
  for_tasks(count, [&](int64_t part) {
    const Planes planes(shape, block);
    float* const sum = parts + part * kTransformed * pairs;
    const auto first = part * tiles / count;
    const auto last = (part + 1) * tiles / count;
    for (int64_t begin = first; begin < last; begin += block) {
      const auto end = std::min(begin + block, last);
      kernels.winograd.input(from, x, begin, end, planes.input(), planes.input_plane());
      kernels.winograd.gradient(to, grad_y, begin, end, planes.output(), planes.output_plane());
      for (int64_t k = 0; k < kTransformed; ++k) {
        const Product product{.a = {planes.input() + k * planes.input_plane(), 1, shape.in},
                              .b = {planes.output() + k * planes.output_plane(), 1, shape.out},
                              .rows = shape.in,
                              .columns = shape.out,
                              .depth = end - begin,
                              .c = sum + k * pairs,
                              .c_row = shape.out,
                              .add = begin > first};
        kernels.product.multiply(product, {0, product.rows, 0, product.columns},
                                 {product_scratch()});
      }
    }
  });
  // The adjoint of the kernels' transform, which also sums over the parts.
  const auto units = transformed_units(count);
  multiply({.a = {units.data(), count * kTransformed, 1},
            .b = {parts, 1, pairs},
            .rows = kKernel,
            .columns = pairs,
            .depth = count * kTransformed,
            .c = grad_g,
            .c_row = pairs},
           kernels.product);
}

}  // namespace ladder::ops::cpu
