#include "ladder/ops/noise.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>

#include "ladder/ops/internal/run_kernel.h"

namespace ladder::ops {

at::Tensor standard_normal(const NoiseDraw& draw, int64_t rows, int64_t columns,
                           const at::TensorOptions& options) {
  if (draw.values) {
    return draw.values->to(options);
  }
  const bool on_gpu = kCudaKernels && options.device().is_cuda();
  auto values = at::zeros(
      {rows, columns},
      options.dtype(at::kFloat).device(on_gpu ? options.device() : at::kCPU).requires_grad(false));
  run_kernel(AddNoise<float>{.x = values.const_data_ptr<float>(),
                             .out = values.mutable_data_ptr<float>(),
                             .rows = rows,
                             .cols = columns,
                             .noise = noise_of<float>(draw, on_gpu),
                             .noise_std = 1.0},
             values);
  return values.to(options);
}

at::Tensor standard_uniform(const NoiseDraw& draw, int64_t rows, int64_t columns,
                            const at::TensorOptions& options) {
  if (draw.values) {
    return draw.values->to(options);
  }
  auto values = at::empty({rows, columns}, at::kFloat);
  auto* out = values.mutable_data_ptr<float>();
  const auto offset = draw.offset_now();
  const std::array<uint32_t, 2> key = {static_cast<uint32_t>(draw.seed),
                                       static_cast<uint32_t>(draw.seed >> 32)};
  for (int64_t quad = 0; quad * 4 < rows; ++quad) {
    for (int64_t c = 0; c < columns; ++c) {
      const auto block = offset + static_cast<uint64_t>(quad * columns + c);
      const auto words =
          philox4x32({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0}, key);
      for (int64_t r = quad * 4; r < std::min(quad * 4 + 4, rows); ++r) {
        // With the half, as many digits as a float has: the result is below 1.
        const auto bits = static_cast<float>(words[static_cast<size_t>(r - quad * 4)] >> 9);
        out[r * columns + c] = (bits + 0.5F) * 0x1p-23F;
      }
    }
  }
  return values.to(options);
}

}  // namespace ladder::ops
