#include "ladder/ops/corrupt.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/core/internal/threads.h"
#include "ladder/ops/internal/run_kernel.h"
#include "ladder/ops/noise.h"

namespace ladder::ops {
namespace {

void add_noise_in_place(const at::Tensor& rows, double noise_std, const NoiseDraw& noise) {
  auto dense = noise;
  if (noise.values) {
    dense.values = noise.values->to(rows.options()).contiguous();
  }
  const auto cols = rows.numel() / std::max<int64_t>(rows.size(0), 1);
  with_element(rows, [&]<class T>(T*) {
    auto* const data = mutable_data_or_null<T>(rows);
    run_kernel(AddNoise<T>{.x = data,
                           .out = data,
                           .rows = rows.size(0),
                           .cols = cols,
                           .noise = noise_of<T>(dense, rows.is_cuda()),
                           .noise_std = noise_std},
               rows);
  });
}

void check_parts(const std::vector<at::Tensor>& parts) {
  TORCH_CHECK(!parts.empty(), "stack_corrupted: expected at least one tensor.");
  for (const auto& part : parts) {
    TORCH_CHECK(part.defined() && part.dim() > 0,
                "stack_corrupted: expected rows [R, ...] but got ", type_and_shape_text(part), ".");
  }
  const auto& first = parts.front();
  for (const auto& part : parts) {
    TORCH_CHECK(part.sizes().slice(1) == first.sizes().slice(1) &&
                    part.scalar_type() == first.scalar_type() && part.device() == first.device(),
                "stack_corrupted: expected rows of shape ", first.sizes().slice(1), " in ",
                first.scalar_type(), " on ", first.device(), " like the first ones but got ",
                part.sizes().slice(1), " in ", part.scalar_type(), " on ", part.device(), ".");
  }
}

at::Tensor joined(const std::vector<at::Tensor>& parts) {
  int64_t values = 0;
  for (const auto& part : parts) {
    values += part.numel();
  }
  const threads::OneThread serial(values < threads::kSerialValues);
  return at::cat(parts).contiguous();
}

}  // namespace

at::Tensor add_noise(const at::Tensor& x, double noise_std, const NoiseDraw& noise) {
  return stack_corrupted({x}, {}, noise_std, noise);
}

at::Tensor stack_corrupted(at::ArrayRef<at::Tensor> noisy, at::ArrayRef<at::Tensor> clean,
                           double noise_std, const NoiseDraw& noise) {
  std::vector<at::Tensor> parts(noisy.begin(), noisy.end());
  parts.insert(parts.end(), clean.begin(), clean.end());
  check_parts(parts);
  TORCH_CHECK(noise_std >= 0 && std::isfinite(noise_std),
              "stack_corrupted: expected a finite noise_std >= 0 but got ", noise_std, ".");
  int64_t noisy_rows = 0;
  for (const auto& part : noisy) {
    noisy_rows += part.size(0);
  }
  TORCH_CHECK(noise_std == 0 || parts.front().is_floating_point(),
              "stack_corrupted: expected rows of floating numbers to add noise to but got ",
              parts.front().scalar_type(), ".");
  // [R, ...] in row-major order, which the noise follows, whatever the layout of the inputs.
  const auto stacked = joined(parts);
  if (noise_std == 0 || noisy_rows == 0) {
    return stacked;
  }
  const auto cols = stacked.numel() / stacked.size(0);
  TORCH_CHECK(!noise.values || noise.values->numel() == noisy_rows * cols,
              "stack_corrupted: expected noise of ", noisy_rows, " rows of ", cols,
              " values but got ", noise.values->sizes(), ".");
  if (has_kernel(stacked) && !stacked.requires_grad()) {
    add_noise_in_place(stacked.narrow(0, 0, noisy_rows), noise_std, noise);
    return stacked;
  }
  const auto values =
      standard_normal(noise, noisy_rows, cols, stacked.options().requires_grad(false));
  auto sizes = stacked.sizes().vec();
  sizes[0] = noisy_rows;
  const auto corrupted = stacked.narrow(0, 0, noisy_rows) + values.reshape(sizes) * noise_std;
  return at::cat({corrupted, stacked.narrow(0, noisy_rows, stacked.size(0) - noisy_rows)});
}

}  // namespace ladder::ops
