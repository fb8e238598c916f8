#include "ladder/ops/corrupt.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "ladder/ops/cpu/columns.h"

namespace ladder::ops {
namespace {

template <class T>
void add_noise_in_place(const at::Tensor& rows, double noise_std, const NoiseDraw& noise) {
  const auto values = noise.values ? noise.values->to(rows.options()).contiguous() : at::Tensor();
  const auto cols = rows.numel() / std::max<int64_t>(rows.size(0), 1);
  auto* data = rows.mutable_data_ptr<T>();
  const cpu::AddNoise<T> args{
      .x = data,
      .out = data,
      .rows = rows.size(0),
      .cols = cols,
      .noise = {.seed = noise.seed,
                .offset = noise.offset,
                .values = values.defined() ? values.const_data_ptr<T>() : nullptr},
      .noise_std = noise_std};
  cpu::run(args, rows.size(0), cols);
}

bool has_kernel(const at::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble);
}

}  // namespace

at::Tensor add_noise(const at::Tensor& x, double noise_std, const NoiseDraw& noise) {
  return stack_corrupted({x}, {}, noise_std, noise);
}

at::Tensor stack_corrupted(at::ArrayRef<at::Tensor> noisy, at::ArrayRef<at::Tensor> clean,
                           double noise_std, const NoiseDraw& noise) {
  std::vector<at::Tensor> parts(noisy.begin(), noisy.end());
  parts.insert(parts.end(), clean.begin(), clean.end());
  TORCH_CHECK(!parts.empty(), "stack_corrupted: expected at least one tensor.");
  int64_t noisy_rows = 0;
  for (const auto& part : noisy) {
    noisy_rows += part.size(0);
  }
  // [R, ...], in the order of its dimensions, which the noise follows, whatever the inputs' layout.
  const auto stacked = at::cat(parts).contiguous();
  if (noise_std == 0 || noisy_rows == 0) {
    return stacked;
  }
  if (has_kernel(stacked) && !stacked.requires_grad()) {
    const auto rows = stacked.narrow(0, 0, noisy_rows);
    stacked.scalar_type() == at::kFloat ? add_noise_in_place<float>(rows, noise_std, noise)
                                        : add_noise_in_place<double>(rows, noise_std, noise);
    return stacked;
  }
  const auto cols = stacked.numel() / stacked.size(0);
  const auto values =
      standard_normal(noise, noisy_rows, cols, stacked.options().requires_grad(false));
  auto sizes = stacked.sizes().vec();
  sizes[0] = noisy_rows;
  const auto corrupted = stacked.narrow(0, 0, noisy_rows) + values.reshape(sizes) * noise_std;
  return at::cat({corrupted, stacked.narrow(0, noisy_rows, stacked.size(0) - noisy_rows)});
}

}  // namespace ladder::ops
