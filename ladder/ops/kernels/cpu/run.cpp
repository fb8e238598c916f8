#include "ladder/ops/kernels/cpu/run.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ladder/ops/kernels/cpu/columns.h"

namespace ladder::ops::cpu {
namespace {

auto kernel_for(const AddNoise<float>&) { return kernels().add_noise_f32; }
auto kernel_for(const AddNoise<double>&) { return kernels().add_noise_f64; }
auto kernel_for(const Measure<float>&) { return kernels().measure_f32; }
auto kernel_for(const Measure<double>&) { return kernels().measure_f64; }
auto kernel_for(const StandardiseBackward<float>&) { return kernels().standardise_backward_f32; }
auto kernel_for(const StandardiseBackward<double>&) { return kernels().standardise_backward_f64; }
auto kernel_for(const MaxPoolForward<float>&) { return kernels().max_pool_forward_f32; }
auto kernel_for(const MaxPoolForward<double>&) { return kernels().max_pool_forward_f64; }
auto kernel_for(const MaxPoolBackward<float>&) { return kernels().max_pool_backward_f32; }
auto kernel_for(const MaxPoolBackward<double>&) { return kernels().max_pool_backward_f64; }
auto kernel_for(const NormaliseForward<float>&) { return kernels().normalise_forward_f32; }
auto kernel_for(const NormaliseForward<double>&) { return kernels().normalise_forward_f64; }
auto kernel_for(const NormaliseBackward<float>&) { return kernels().normalise_backward_f32; }
auto kernel_for(const NormaliseBackward<double>&) { return kernels().normalise_backward_f64; }
auto kernel_for(const DenoiseForward<float>&) { return kernels().denoise_forward_f32; }
auto kernel_for(const DenoiseForward<double>&) { return kernels().denoise_forward_f64; }
auto kernel_for(const DenoiseBackward<float>&) { return kernels().denoise_backward_f32; }
auto kernel_for(const DenoiseBackward<double>&) { return kernels().denoise_backward_f64; }

template <class Args>
void run_columns(const Args& args, int64_t rows) {
  const auto kernel = kernel_for(args);
  for_columns(rows, args.cols, [&](int64_t begin, int64_t end) { kernel(args, begin, end); });
}

// On the calling thread.
template <class Args>
void run_here(const Args& args) {
  kernel_for(args)(args, 0, args.cols);
}

// ---- parts of rows ------------------------------------------------------------------------------

constexpr int64_t kMostRowsByColumns = 2048;

struct Part {
  int64_t group;
  int64_t begin, end;
};

// The rows of each group in parts of some 256 KB of float32, which depend on sizes alone: so do the
// sums over them, which are added up in the order of the parts.
std::vector<Part> parts_of(const GroupSpan* groups, int64_t group_count, int64_t cols) {
  constexpr int64_t kElements = 1 << 16;
  constexpr int64_t kMultiple = 128;
  const int64_t rows =
      std::max<int64_t>(kElements / std::max<int64_t>(cols, 1) / kMultiple, 1) * kMultiple;
  std::vector<Part> parts;
  for (int64_t g = 0; g < group_count; ++g) {
    for (int64_t row = groups[g].begin; row < groups[g].end; row += rows) {
      parts.push_back({g, row, std::min(row + rows, groups[g].end)});
    }
  }
  return parts;
}

template <class F>
void for_parts(const std::vector<Part>& parts, int64_t cols, const F& f) {
  for_tasks(
      static_cast<int64_t>(parts.size()), [&](int64_t i) { f(parts[i], i); },
      parts.empty() ? 0 : parts.back().end * cols);
}

template <class T>
T* at_row(T* matrix, int64_t row, int64_t cols) {
  return matrix == nullptr ? nullptr : matrix + row * cols;
}

// A row of values that each part leaves, for their sum.
template <class T>
class PartialSums {
 public:
  PartialSums(size_t parts, int64_t cols)
      : cols_(cols), values_(parts * static_cast<size_t>(cols)) {}

  T* of(int64_t part) { return values_.data() + part * cols_; }

  // Writes the sum over those parts for which `belongs`.
  template <class Belongs>
  void add_up(const std::vector<Part>& parts, T* out, const Belongs& belongs) {
    std::fill_n(out, cols_, T(0));
    for (size_t i = 0; i < parts.size(); ++i) {
      if (belongs(parts[i])) {
        const T* const values = of(static_cast<int64_t>(i));
        for (int64_t c = 0; c < cols_; ++c) {
          out[c] += values[c];
        }
      }
    }
  }
  void add_up(const std::vector<Part>& parts, T* out) {
    if (out != nullptr) {
      add_up(parts, out, [](const Part&) { return true; });
    }
  }

 private:
  int64_t cols_;
  std::vector<T> values_;
};

// Mean and sqrt(biased variance + eps) of each group, [groups, cols].
template <class T>
void measure_groups(const T* x, int64_t cols, const std::vector<Part>& parts, double eps, T* mean,
                    T* std) {
  std::vector<T> means(parts.size() * static_cast<size_t>(cols));
  std::vector<T> squares(means.size());
  for_parts(parts, cols, [&](const Part& part, int64_t i) {
    run_here(Measure<T>{.x = at_row(x, part.begin, cols),
                        .rows = part.end - part.begin,
                        .cols = cols,
                        .mean = at_row(means.data(), i, cols),
                        .squares = at_row(squares.data(), i, cols)});
  });
  for (size_t i = 0; i < parts.size();) {
    const auto group = parts[i].group;
    const T* const first = &means[i * cols];
    T* const mean_out = mean + group * cols;
    T* const std_out = std + group * cols;
    std::copy_n(first, cols, mean_out);
    std::copy_n(&squares[i * cols], cols, std_out);
    auto rows = static_cast<T>(parts[i].end - parts[i].begin);
    for (++i; i < parts.size() && parts[i].group == group; ++i) {
      const auto count = static_cast<T>(parts[i].end - parts[i].begin);
      const T share = count / (rows + count);
      for (int64_t c = 0; c < cols; ++c) {
        const T shift = means[i * cols + c] - mean_out[c];
        mean_out[c] += shift * share;
        std_out[c] += squares[i * cols + c] + shift * shift * (share * rows);
      }
      rows += count;
    }
    for (int64_t c = 0; c < cols; ++c) {
      std_out[c] = std::sqrt(std_out[c] / rows + static_cast<T>(eps));
    }
  }
}

// StandardiseBackward of the whole matrix, whose statistics are [groups, cols], given the sums that
// each part left; `all` without rows, sums and measured rows, which are those of the parts.
template <class T>
void standardise_parts(const std::vector<Part>& parts, const GroupSpan* groups, int64_t group_count,
                       bool stored, PartialSums<T>& sums, const StandardiseBackward<T>& all) {
  const auto cols = all.cols;
  std::vector<T> totals(static_cast<size_t>(2 * cols * group_count));
  for (int64_t g = 0; g < group_count; ++g) {
    sums.add_up(parts, at_row(totals.data(), g, 2 * cols),
                [&](const Part& part) { return part.group == g; });
  }
  for_parts(parts, cols, [&](const Part& part, int64_t) {
    const auto& group = groups[part.group];
    run_here(StandardiseBackward<T>{.x = at_row(all.x, part.begin, cols),
                                    .grad = at_row(all.grad, part.begin, cols),
                                    .rows = part.end - part.begin,
                                    .cols = cols,
                                    .mean = at_row(all.mean, part.group, cols),
                                    .std = at_row(all.std, part.group, cols),
                                    .sums = at_row(totals.data(), part.group, 2 * cols),
                                    .measured = stored ? 0 : group.end - group.begin,
                                    .grad_mean = at_row(all.grad_mean, part.group, cols),
                                    .grad_std = at_row(all.grad_std, part.group, cols)});
  });
}

template <class T>
void run_parts(const NormaliseForward<T>& all) {
  const auto cols = all.cols;
  const auto parts = parts_of(all.groups, all.group_count, cols);
  if (!all.stored) {
    measure_groups(all.x, cols, parts, all.eps, all.mean, all.std);
  }
  for_parts(parts, cols, [&](const Part& part, int64_t) {
    GroupSpan span = all.groups[part.group];
    span.noise_row += part.begin - span.begin;
    span.begin = part.begin;
    span.end = part.end;
    auto args = all;
    args.groups = &span;
    args.group_count = 1;
    args.stored = true;
    args.mean = at_row(all.mean, part.group, all.cols);
    args.std = at_row(all.std, part.group, all.cols);
    run_here(args);
  });
}

template <class T>
void run_parts(const NormaliseBackward<T>& all) {
  const auto cols = all.cols;
  const auto parts = parts_of(all.groups, all.group_count, cols);
  PartialSums<T> sums(parts.size(), 2 * cols);
  PartialSums<T> grad_gamma(parts.size(), cols);
  PartialSums<T> grad_beta(parts.size(), cols);
  for_parts(parts, cols, [&](const Part& part, int64_t i) {
    GroupSpan span = all.groups[part.group];
    const T* const grad_z = at_row(all.grad_z[part.group], part.begin - span.begin, cols);
    span.begin = part.begin;
    span.end = part.end;
    auto args = all;
    args.groups = &span;
    args.group_count = 1;
    args.mean = at_row(all.mean, part.group, cols);
    args.std = at_row(all.std, part.group, cols);
    args.grad_z = &grad_z;
    args.grad_gamma = grad_gamma.of(i);
    args.grad_beta = grad_beta.of(i);
    args.sums = sums.of(i);
    run_here(args);
  });
  grad_gamma.add_up(parts, all.grad_gamma);
  grad_beta.add_up(parts, all.grad_beta);
  standardise_parts(parts, all.groups, all.group_count, all.stored, sums,
                    StandardiseBackward<T>{.x = all.x,
                                           .grad = all.grad_x,
                                           .rows = 0,
                                           .cols = cols,
                                           .mean = all.mean,
                                           .std = all.std,
                                           .sums = nullptr,
                                           .measured = 0,
                                           .grad_mean = all.grad_mean,
                                           .grad_std = all.grad_std});
}

template <class T>
void run_parts(const DenoiseForward<T>& all) {
  const auto cols = all.cols;
  const GroupSpan rows{.end = all.rows};
  const auto parts = parts_of(&rows, 1, cols);
  measure_groups(all.u, cols, parts, all.eps, all.u_mean, all.u_std);
  PartialSums<double> cost(parts.size(), cols);
  for_parts(parts, cols, [&](const Part& part, int64_t i) {
    auto args = all;
    args.z_noisy = at_row(all.z_noisy, part.begin, cols);
    args.u = at_row(all.u, part.begin, cols);
    args.rows = part.end - part.begin;
    args.stored = true;
    args.target = at_row(all.target, part.begin, cols);
    args.z_hat = at_row(all.z_hat, part.begin, cols);
    args.cost = cost.of(i);
    run_here(args);
  });
  cost.add_up(parts, all.cost);
}

template <class T>
void run_parts(const DenoiseBackward<T>& all, int64_t parameters) {
  const auto cols = all.cols;
  const GroupSpan rows{.end = all.rows};
  const auto parts = parts_of(&rows, 1, cols);
  PartialSums<T> sums(parts.size(), 2 * cols);
  PartialSums<T> grad_weight(parts.size(), parameters * cols);
  PartialSums<T> grad_mean(parts.size(), cols);
  PartialSums<T> grad_std(parts.size(), cols);
  for_parts(parts, cols, [&](const Part& part, int64_t i) {
    auto args = all;
    args.z_noisy = at_row(all.z_noisy, part.begin, cols);
    args.u = at_row(all.u, part.begin, cols);
    args.z_hat = at_row(all.z_hat, part.begin, cols);
    args.rows = part.end - part.begin;
    args.target = at_row(all.target, part.begin, cols);
    args.grad_z_hat = at_row(all.grad_z_hat, part.begin, cols);
    args.grad_z_noisy = at_row(all.grad_z_noisy, part.begin, cols);
    args.grad_u = at_row(all.grad_u, part.begin, cols);
    args.grad_weight = grad_weight.of(i);
    args.grad_target = at_row(all.grad_target, part.begin, cols);
    args.grad_target_mean = grad_mean.of(i);
    args.grad_target_std = grad_std.of(i);
    args.sums = sums.of(i);
    run_here(args);
  });
  grad_weight.add_up(parts, all.grad_weight);
  grad_mean.add_up(parts, all.grad_target_mean);
  grad_std.add_up(parts, all.grad_target_std);
  standardise_parts(parts, &rows, 1, /*stored=*/false, sums,
                    StandardiseBackward<T>{.x = all.u,
                                           .grad = all.grad_u,
                                           .rows = 0,
                                           .cols = cols,
                                           .mean = all.u_mean,
                                           .std = all.u_std,
                                           .sums = nullptr,
                                           .measured = 0,
                                           .grad_mean = nullptr,
                                           .grad_std = nullptr});
}

template <class Args>
void run_windows(const Args& args, int64_t rows) {
  constexpr int64_t kValuesPerTask = 1 << 16;
  const auto& maps = args.maps;
  const auto kernel = kernel_for(args);
  const int64_t lines = rows * maps.down;
  const int64_t values_of_line = maps.window_height * maps.width * maps.channels;
  const int64_t step = std::max<int64_t>(1, kValuesPerTask / std::max<int64_t>(1, values_of_line));
  for_tasks((lines + step - 1) / step,
            [&](int64_t task) { kernel(args, task * step, std::min(lines, (task + 1) * step)); },
            lines * values_of_line);
}

int64_t rows_of(const GroupSpan* groups, int64_t count) {
  return count > 0 ? groups[count - 1].end : 0;
}

int64_t parameters_of(CombinatorKind kind, const MlpShape& mlp) {
  switch (kind) {
    case CombinatorKind::kGaussian:
    case CombinatorKind::kGaussianSigmoid:
      return kGaussianParameters;
    case CombinatorKind::kVanilla:
      return kVanillaParameters;
    case CombinatorKind::kMlp:
      return mlp.parameters;
  }
  __builtin_unreachable();
}

}  // namespace

template <class T>
void run(const AddNoise<T>& args) {
  run_columns(args, args.rows);
}

template <class T>
void run(const NormaliseForward<T>& args) {
  const auto rows = rows_of(args.groups, args.group_count);
  rows > kMostRowsByColumns ? run_parts(args) : run_columns(args, rows);
}

template <class T>
void run(const NormaliseBackward<T>& args) {
  const auto rows = rows_of(args.groups, args.group_count);
  rows > kMostRowsByColumns ? run_parts(args) : run_columns(args, rows);
}

template <class T>
void run(const DenoiseForward<T>& args) {
  args.rows > kMostRowsByColumns ? run_parts(args) : run_columns(args, args.rows);
}

template <class T>
void run(const DenoiseBackward<T>& args) {
  args.rows > kMostRowsByColumns ? run_parts(args, parameters_of(args.combinator, args.mlp))
                                 : run_columns(args, args.rows);
}

template <class T>
void run(const MaxPoolForward<T>& args, int64_t rows) {
  run_windows(args, rows);
}

template <class T>
void run(const MaxPoolBackward<T>& args, int64_t rows) {
  run_windows(args, rows);
}

template void run(const AddNoise<float>&);
template void run(const AddNoise<double>&);
template void run(const NormaliseForward<float>&);
template void run(const NormaliseForward<double>&);
template void run(const NormaliseBackward<float>&);
template void run(const NormaliseBackward<double>&);
template void run(const DenoiseForward<float>&);
template void run(const DenoiseForward<double>&);
template void run(const DenoiseBackward<float>&);
template void run(const DenoiseBackward<double>&);
template void run(const MaxPoolForward<float>&, int64_t);
template void run(const MaxPoolForward<double>&, int64_t);
template void run(const MaxPoolBackward<float>&, int64_t);
template void run(const MaxPoolBackward<double>&, int64_t);

}  // namespace ladder::ops::cpu
