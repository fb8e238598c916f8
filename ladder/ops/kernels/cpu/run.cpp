#include "ladder/ops/kernels/cpu/run.h"

#include <c10/util/SmallVector.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "ladder/ops/kernels/cpu/columns.h"
#include "ladder/ops/kernels/formulas.h"

namespace ladder::ops::cpu {
namespace {

// Nanoseconds that a value takes, about; drawing noise and denoising functions take exponentials.
template <class Args>
constexpr int64_t kCost = 2;
template <class T>
constexpr int64_t kCost<DenoiseForward<T>> = 3;
template <class T>
constexpr int64_t kCost<DenoiseBackward<T>> = 5;

template <class Args>
int64_t rows_of(const Args& args) {
  if constexpr (requires { args.groups; }) {
    return args.group_count > 0 ? args.groups[args.group_count - 1].end : 0;
  } else {
    return args.rows;
  }
}

template <class Args>
void run_columns(const Args& args) {
  const auto& table = kernels();
  for_columns(rows_of(args), args.cols, kCost<Args>,
              [&](int64_t begin, int64_t end) { table.run(args, begin, end); });
}

// On the calling thread.
template <class Args>
void run_here(const Args& args) {
  kernels().run(args, 0, args.cols);
}

// ---- parts of rows ------------------------------------------------------------------------------

struct Part {
  int64_t group;
  int64_t begin, end;
};

// The rows of each group in parts of some 256 KB of float32, which depend on
// sizes alone: so do the sums over them, which are added up in the order of the
// parts.
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

// A row of values from each part, and their sum in `out`. Nothing where `out`
// is null: then nobody wants the sum, and kernels are not asked for the values.
template <class T>
class PartialSums {
 public:
  PartialSums(const std::vector<Part>& parts, int64_t cols, T* out)
      : parts_(parts),
        cols_(cols),
        out_(out),
        values_(out == nullptr ? 0 : parts.size() * static_cast<size_t>(cols)) {}

  T* of(int64_t part) { return out_ == nullptr ? nullptr : values_.data() + part * cols_; }

  // Writes the sum over all parts, in their order.
  void add_up() {
    if (out_ != nullptr) {
      std::fill_n(out_, cols_, T(0));
      for (size_t i = 0; i < parts_.size(); ++i) {
        add(i, out_);
      }
    }
  }
  // Writes the sums over the parts of each group, one row a group.
  void add_up_groups(int64_t group_count) {
    std::fill_n(out_, group_count * cols_, T(0));
    for (size_t i = 0; i < parts_.size(); ++i) {
      add(i, out_ + parts_[i].group * cols_);
    }
  }

 private:
  void add(size_t part, T* out) {
    const T* const values = of(static_cast<int64_t>(part));
    for (int64_t c = 0; c < cols_; ++c) {
      out[c] += values[c];
    }
  }

  const std::vector<Part>& parts_;
  int64_t cols_;
  T* out_;
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
        merge_statistics<PlainNumbers<T>>(mean_out[c], std_out[c], means[i * cols + c],
                                          squares[i * cols + c], share, rows);
      }
      rows += count;
    }
    for (int64_t c = 0; c < cols; ++c) {
      std_out[c] = std::sqrt(std_out[c] / rows + static_cast<T>(eps));
    }
  }
}

// StandardiseBackward of the whole matrix, part by part: `all` with statistics
// and sums of each group, [groups, ...], and without rows and measured rows,
// which are those of the parts.
template <class T>
void standardise_parts(const std::vector<Part>& parts, const GroupSpan* groups, bool stored,
                       const StandardiseBackward<T>& all) {
  const auto cols = all.cols;
  for_parts(parts, cols, [&](const Part& part, int64_t) {
    const auto& group = groups[part.group];
    run_here(StandardiseBackward<T>{.x = at_row(all.x, part.begin, cols),
                                    .grad = at_row(all.grad, part.begin, cols),
                                    .rows = part.end - part.begin,
                                    .cols = cols,
                                    .mean = at_row(all.mean, part.group, cols),
                                    .std = at_row(all.std, part.group, cols),
                                    .sums = at_row(all.sums, part.group, 2 * cols),
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
  std::vector<T> totals(static_cast<size_t>(2 * cols * all.group_count));
  PartialSums<T> sums(parts, 2 * cols, totals.data());
  PartialSums<T> grad_gamma(parts, cols, all.grad_gamma);
  PartialSums<T> grad_beta(parts, cols, all.grad_beta);
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
  sums.add_up_groups(all.group_count);
  grad_gamma.add_up();
  grad_beta.add_up();
  standardise_parts(parts, all.groups, all.stored,
                    StandardiseBackward<T>{.x = all.x,
                                           .grad = all.grad_x,
                                           .rows = 0,
                                           .cols = cols,
                                           .mean = all.mean,
                                           .std = all.std,
                                           .sums = totals.data(),
                                           .measured = 0,
                                           .grad_mean = all.grad_mean,
                                           .grad_std = all.grad_std});
}

template <class T>
int64_t weight_rows(const DenoiseBackward<T>& args) {
  return args.mlp.inputs != 0 ? args.mlp.parameters : parameters_of(args.function);
}

template <class T>
void run_parts(const DenoiseForward<T>& all) {
  const auto cols = all.cols;
  const GroupSpan rows{.end = all.rows};
  const auto parts = parts_of(&rows, 1, cols);
  measure_groups(all.u, cols, parts, all.eps, all.u_mean, all.u_std);
  PartialSums<double> cost(parts, cols, all.cost);
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
  cost.add_up();
}

template <class T>
void run_parts(const DenoiseBackward<T>& all) {
  const auto cols = all.cols;
  const GroupSpan rows{.end = all.rows};
  const auto parts = parts_of(&rows, 1, cols);
  std::vector<T> totals(static_cast<size_t>(2 * cols));
  PartialSums<T> sums(parts, 2 * cols, totals.data());
  PartialSums<T> grad_weight(parts, weight_rows(all) * cols, all.grad_weight);
  PartialSums<T> grad_mean(parts, cols, all.grad_target_mean);
  PartialSums<T> grad_std(parts, cols, all.grad_target_std);
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
  sums.add_up();
  grad_weight.add_up();
  grad_mean.add_up();
  grad_std.add_up();
  standardise_parts(parts, &rows, /*stored=*/false,
                    StandardiseBackward<T>{.x = all.u,
                                           .grad = all.grad_u,
                                           .rows = 0,
                                           .cols = cols,
                                           .mean = all.u_mean,
                                           .std = all.u_std,
                                           .sums = totals.data(),
                                           .measured = 0,
                                           .grad_mean = nullptr,
                                           .grad_std = nullptr});
}

template <class Args>
void run_windows(const Args& args, int64_t rows) {
  constexpr int64_t kValuesPerTask = 1 << 16;
  const auto& maps = args.maps;
  const auto& table = kernels();
  const int64_t lines = rows * maps.down;
  const int64_t values_of_line = maps.window_height * maps.width * maps.channels;
  const int64_t step = std::max<int64_t>(1, kValuesPerTask / std::max<int64_t>(1, values_of_line));
  for_tasks((lines + step - 1) / step,
            [&](int64_t task) { table.run(args, task * step, std::min(lines, (task + 1) * step)); },
            lines * values_of_line);
}

// Adding noise sums over no rows, and has no parts.
template <class Args>
constexpr bool kHasParts = requires(const Args& args) {
  run_parts(args);
};

template <class Args>
bool by_columns(const Args& args) {
  return !kHasParts<Args> || rows_of(args) <= kMaxRowsByColumns;
}

}  // namespace

template <class Args>
void run(const Args& args) {
  if constexpr (kHasParts<Args>) {
    if (!by_columns(args)) return run_parts(args);
  }
  run_columns(args);
}

template <class Args>
void multiply_and_run(const Product& product, const ProductKernel& kernel, const Args& args,
                      c10::ArrayRef<Product> beside) {
  if (by_columns(args)) {
    const auto& table = kernels();
    return multiply_then(
        product, kernel, [&](int64_t begin, int64_t end) { table.run(args, begin, end); }, beside);
  }
  c10::SmallVector<Product, 2> all = {product};
  all.append(beside.begin(), beside.end());
  multiply_all(all, kernel);
  run(args);
}

#define LADDER_INSTANTIATE(Args)                                                           \
  template void run(const Args<float>&);                                                   \
  template void run(const Args<double>&);                                                  \
  template void multiply_and_run(const Product&, const ProductKernel&, const Args<float>&, \
                                 c10::ArrayRef<Product>);
LADDER_COLUMN_OPERATORS(LADDER_INSTANTIATE)
#undef LADDER_INSTANTIATE
#define LADDER_INSTANTIATE(Args)                  \
  template <class T>                              \
  void run(const Args<T>& args, int64_t rows) {   \
    run_windows(args, rows);                      \
  }                                               \
  template void run(const Args<float>&, int64_t); \
  template void run(const Args<double>&, int64_t);
LADDER_WINDOW_OPERATORS(LADDER_INSTANTIATE)
#undef LADDER_INSTANTIATE

}  // namespace ladder::ops::cpu
