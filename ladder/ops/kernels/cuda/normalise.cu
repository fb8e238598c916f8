#include "ladder/ops/kernels/cuda/device.cuh"

namespace ladder::ops::LADDER_CUDA_NAMESPACE {
namespace {

struct Groups {
  GroupSpan spans[kMaxGroups];
  int count;
  int64_t max_chunks;  // of a group
};

Groups groups_of(const GroupSpan* spans, int64_t count) {
  Groups groups{};
  groups.count = static_cast<int>(count);
  for (int g = 0; g < groups.count; ++g) {
    groups.spans[g] = spans[g];
    const auto of_group = chunks(spans[g].end - spans[g].begin);
    groups.max_chunks = of_group > groups.max_chunks ? of_group : groups.max_chunks;
  }
  return groups;
}

bool fused(const Groups& groups) {
  int64_t rows = 0;
  for (int g = 0; g < groups.count; ++g) {
    rows += groups.spans[g].end - groups.spans[g].begin;
  }
  return rows <= kFusedRows;
}

// ---- forward ------------------------------------------------------------------------------------

template <class T>
struct ForwardArguments {
  NormaliseForward<T> a;
  float slope, eps;
};

// z and h of the rows [begin, end) of group g.
template <class T>
__device__ void apply_forward(const ForwardArguments<T>& f, const GroupSpan& group, int64_t begin,
                              int64_t end, Place at, float mean, float std) {
  if (!at.inside) {
    return;
  }
  const auto& a = f.a;
  const float scale = 1.0F / std;
  const float gamma = load_or(a.gamma, at.column, 1.0F);
  const float beta = load_or(a.beta, at.column, 0.0F);
  const bool noisy = group.noise_std != 0;
  const auto noise = placed(a.noise);
  const float sigma = static_cast<float>(group.noise_std);
  // Rows of the noise: quads of them may hang over both ends.
  const int64_t first = group.noise_row + begin - group.begin;
  const int64_t last = group.noise_row + end - group.begin;
  for (int64_t quad = first / 4 + at.line; 4 * quad < last; quad += kLines) {
    float normals[4] = {0, 0, 0, 0};
    if (noisy) {
      noise_of_quad(noise, quad, at.column, first, last, a.cols, normals);
    }
#pragma unroll
    for (int four = 0; four < 4; ++four) {
      const int64_t row = 4 * quad + four;
      if (row < first || row >= last) {
        continue;
      }
      const int64_t i = (row - group.noise_row + group.begin) * a.cols + at.column;
      const float z = standardise<Math>(load(a.x + i), mean, scale) + sigma * normals[four];
      if (a.z != nullptr) {
        store(a.z + i, z);
      }
      store(a.h + i, activate<Math>(a.activation, f.slope, (z + beta) * gamma));
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    forward_fused(const ForwardArguments<T> f, const Groups groups) {
  const auto& a = f.a;
  const Place at = place(a.cols);
  const GroupSpan group = groups.spans[blockIdx.y];
  const int64_t statistic = blockIdx.y * a.cols + at.column;
  float mean = 0;
  float std = 1;
  if (a.stored) {
    if (at.inside) {
      mean = load(a.mean + statistic);
      std = load(a.std + statistic);
    }
  } else {
    float squares;
    measure(a.x, a.cols, group.begin, group.end, at, &mean, &squares);
    mean = as_stored<T>(mean);
    std = as_stored<T>(sqrtf(squares / static_cast<float>(group.end - group.begin) + f.eps));
    if (at.inside && at.line == 0) {
      store(a.mean + statistic, mean);
      store(a.std + statistic, std);
    }
  }
  apply_forward(f, group, group.begin, group.end, at, mean, std);
}

// partial: [2][group][chunk][column], means and sums of squares.
template <class T>
__global__ void __launch_bounds__(kThreads)
    forward_measure(const T* x, int64_t cols, const Groups groups, float* partial) {
  const GroupSpan group = groups.spans[blockIdx.z];
  const int64_t begin = group.begin + blockIdx.y * kChunkRows;
  if (begin >= group.end) {
    return;
  }
  const int64_t end = begin + kChunkRows < group.end ? begin + kChunkRows : group.end;
  const Place at = place(cols);
  float mean, squares;
  measure(x, cols, begin, end, at, &mean, &squares);
  if (at.inside && at.line == 0) {
    const int64_t i = (blockIdx.z * groups.max_chunks + blockIdx.y) * cols + at.column;
    partial[i] = mean;
    partial[groups.count * groups.max_chunks * cols + i] = squares;
  }
}

template <class T>
__global__ void forward_merge(const ForwardArguments<T> f, const Groups groups,
                              const float* partial) {
  const auto& a = f.a;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= a.cols) {
    return;
  }
  const int g = static_cast<int>(blockIdx.y);
  const GroupSpan group = groups.spans[g];
  const float* const all_squares = partial + groups.count * groups.max_chunks * a.cols;
  float n = 0;
  float mean = 0;
  float squares = 0;
  int64_t i = g * groups.max_chunks * a.cols + column;
  for (int64_t r = group.begin; r < group.end; r += kChunkRows, i += a.cols) {
    const int64_t rows = group.end - r < kChunkRows ? group.end - r : kChunkRows;
    merge(&n, &mean, &squares, static_cast<float>(rows), partial[i], all_squares[i]);
  }
  store(a.mean + g * a.cols + column, mean);
  store(a.std + g * a.cols + column, sqrtf(squares / n + f.eps));
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    forward_apply(const ForwardArguments<T> f, const Groups groups) {
  const GroupSpan group = groups.spans[blockIdx.z];
  const int64_t begin = group.begin + blockIdx.y * kChunkRows;
  if (begin >= group.end) {
    return;
  }
  const int64_t end = begin + kChunkRows < group.end ? begin + kChunkRows : group.end;
  const Place at = place(f.a.cols);
  const int64_t statistic = blockIdx.z * f.a.cols + at.column;
  apply_forward(f, group, begin, end, at, at.inside ? load(f.a.mean + statistic) : 0.0F,
                at.inside ? load(f.a.std + statistic) : 1.0F);
}

// ---- backward -----------------------------------------------------------------------------------

template <class T>
struct BackwardArguments {
  NormaliseBackward<T> a;
  const T* grad_z[kMaxGroups];
  float slope;
};

struct Sums {
  float grad = 0;     // of the gradient with respect to z
  float product = 0;  // of that gradient times the normalised value
  float gamma = 0;
  float beta = 0;
};

// The gradient with respect to z of the rows [begin, end), into grad_x; adds to the thread's sums.
template <class T>
__device__ void gradient_of_z(const BackwardArguments<T>& b, int g, const GroupSpan& group,
                              int64_t begin, int64_t end, Place at, Sums* sums) {
  if (!at.inside) {
    return;
  }
  const auto& a = b.a;
  const float mean = load(a.mean + g * a.cols + at.column);
  const float scale = 1.0F / load(a.std + g * a.cols + at.column);
  const float gamma = load_or(a.gamma, at.column, 1.0F);
  const float beta = load_or(a.beta, at.column, 0.0F);
  const T* const grad_z = b.grad_z[g];
  for (int64_t r = begin + at.line; r < end; r += kLines) {
    const int64_t i = r * a.cols + at.column;
    float grad = 0;
    if (a.grad_h != nullptr) {
      grad = load(a.grad_h + i);
      if (a.z != nullptr) {
        const float shifted = load(a.z + i) + beta;
        grad *= activation_slope<Math>(a.activation, b.slope, shifted * gamma);
        sums->gamma += grad * shifted;
        grad *= gamma;
      } else {
        grad *= activation_slope_at_value<Math>(a.activation, b.slope, load(a.h + i));
      }
      sums->beta += grad;
    }
    if (grad_z != nullptr) {
      grad += load(grad_z + (r - group.begin) * a.cols + at.column);
    }
    sums->grad += grad;
    sums->product += grad * standardise<Math>(load(a.x + i), mean, scale);
    store(a.grad_x + i, grad);
  }
}

// The constant and the slope of standardise_gradient, from sums over all rows of group g.
template <class T>
__device__ void through_statistics(const BackwardArguments<T>& b, int g, const GroupSpan& group,
                                   int64_t column, float sum, float product, float* constant,
                                   float* slope) {
  const auto& a = b.a;
  const int64_t i = g * a.cols + column;
  const float share = a.stored ? 0.0F : 1.0F / static_cast<float>(group.end - group.begin);
  const float scale = 1.0F / load(a.std + i);
  *constant = through_statistic<Math>(scale, sum, share) + share * load_or(a.grad_mean, i, 0.0F);
  *slope = through_statistic<Math>(scale, product, share) + share * load_or(a.grad_std, i, 0.0F);
}

template <class T>
__device__ void apply_backward(const BackwardArguments<T>& b, int g, int64_t begin, int64_t end,
                               Place at, float constant, float slope) {
  if (!at.inside) {
    return;
  }
  const auto& a = b.a;
  const float mean = load(a.mean + g * a.cols + at.column);
  const float scale = 1.0F / load(a.std + g * a.cols + at.column);
  for (int64_t r = begin + at.line; r < end; r += kLines) {
    const int64_t i = r * a.cols + at.column;
    const float value = standardise<Math>(load(a.x + i), mean, scale);
    store(a.grad_x + i,
          standardise_gradient<Math>(load(a.grad_x + i), value, scale, constant, slope));
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    backward_fused(const BackwardArguments<T> b, const Groups groups) {
  const auto& a = b.a;
  const Place at = place(a.cols);
  Sums sums;
  for (int g = 0; g < groups.count; ++g) {
    const GroupSpan group = groups.spans[g];
    sums.grad = 0;
    sums.product = 0;
    gradient_of_z(b, g, group, group.begin, group.end, at, &sums);
    const float sum = sum_lines(sums.grad);
    const float product = sum_lines(sums.product);
    float constant = 0;
    float slope = 0;
    if (at.inside) {
      through_statistics(b, g, group, at.column, sum, product, &constant, &slope);
    }
    apply_backward(b, g, group.begin, group.end, at, constant, slope);
  }
  const float gamma = sum_lines(sums.gamma);
  const float beta = sum_lines(sums.beta);
  if (at.inside && at.line == 0) {
    if (a.grad_gamma != nullptr) {
      store(a.grad_gamma + at.column, gamma);
    }
    if (a.grad_beta != nullptr) {
      store(a.grad_beta + at.column, beta);
    }
  }
}

// partial: [4][group][chunk][column], the sums of a chunk.
template <class T>
__global__ void __launch_bounds__(kThreads)
    backward_measure(const BackwardArguments<T> b, const Groups groups, float* partial) {
  const int g = static_cast<int>(blockIdx.z);
  const GroupSpan group = groups.spans[g];
  const int64_t begin = group.begin + blockIdx.y * kChunkRows;
  if (begin >= group.end) {
    return;
  }
  const int64_t end = begin + kChunkRows < group.end ? begin + kChunkRows : group.end;
  const Place at = place(b.a.cols);
  Sums sums;
  gradient_of_z(b, g, group, begin, end, at, &sums);
  const float totals[4] = {sum_lines(sums.grad), sum_lines(sums.product), sum_lines(sums.gamma),
                           sum_lines(sums.beta)};
  if (at.inside && at.line == 0) {
    const int64_t size = groups.count * groups.max_chunks * b.a.cols;
    const int64_t i = (g * groups.max_chunks + blockIdx.y) * b.a.cols + at.column;
    for (int s = 0; s < 4; ++s) {
      partial[s * size + i] = totals[s];
    }
  }
}

// through: [2][group][column], constants and slopes.
template <class T>
__global__ void backward_merge(const BackwardArguments<T> b, const Groups groups,
                               const float* partial, float* through) {
  const auto& a = b.a;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= a.cols) {
    return;
  }
  const int64_t size = groups.count * groups.max_chunks * a.cols;
  float gamma = 0;
  float beta = 0;
  for (int g = 0; g < groups.count; ++g) {
    const GroupSpan group = groups.spans[g];
    float sum = 0;
    float product = 0;
    int64_t i = g * groups.max_chunks * a.cols + column;
    for (int64_t r = group.begin; r < group.end; r += kChunkRows, i += a.cols) {
      sum += partial[i];
      product += partial[size + i];
      gamma += partial[2 * size + i];
      beta += partial[3 * size + i];
    }
    through_statistics(b, g, group, column, sum, product, through + g * a.cols + column,
                       through + (groups.count + g) * a.cols + column);
  }
  if (a.grad_gamma != nullptr) {
    store(a.grad_gamma + column, gamma);
  }
  if (a.grad_beta != nullptr) {
    store(a.grad_beta + column, beta);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    backward_apply(const BackwardArguments<T> b, const Groups groups, const float* through) {
  const int g = static_cast<int>(blockIdx.z);
  const GroupSpan group = groups.spans[g];
  const int64_t begin = group.begin + blockIdx.y * kChunkRows;
  if (begin >= group.end) {
    return;
  }
  const int64_t end = begin + kChunkRows < group.end ? begin + kChunkRows : group.end;
  const Place at = place(b.a.cols);
  const int64_t i = g * b.a.cols + at.column;
  apply_backward(b, g, begin, end, at, at.inside ? through[i] : 0.0F,
                 at.inside ? through[groups.count * b.a.cols + i] : 0.0F);
}

// A thread has four rows of a column, whose noise is one block of random numbers.
template <class T>
__global__ void add_noise_kernel(const AddNoise<T> a, float noise_std) {
  const int64_t quads = (a.rows + 3) / 4 * a.cols;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  const auto noise = placed(a.noise);
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < quads;
       i += stride) {
    const int64_t quad = i / a.cols;
    const int64_t column = i % a.cols;
    float normals[4];
    noise_of_quad(noise, quad, column, 0, a.rows, a.cols, normals);
#pragma unroll
    for (int four = 0; four < 4; ++four) {
      if (4 * quad + four < a.rows) {
        const int64_t at = (4 * quad + four) * a.cols + column;
        store(a.out + at, load(a.x + at) + noise_std * normals[four]);
      }
    }
  }
}

}  // namespace

int64_t normalise_workspace(const GroupSpan* spans, int64_t count, int64_t cols) {
  const auto groups = groups_of(spans, count);
  return fused(groups) ? 0 : count * cols * (4 * groups.max_chunks + 2);
}

template <class T>
void add_noise(const AddNoise<T>& a, Stream stream) {
  const int64_t quads = (a.rows + 3) / 4 * a.cols;
  if (quads == 0) {
    return;
  }
  const auto blocks = static_cast<unsigned>(quads < 256 * 4096 ? (quads + 255) / 256 : 4096);
  launch(add_noise_kernel<T>, blocks, 256, stream, a, static_cast<float>(a.noise_std));
}

template <class T>
void normalise_forward(const NormaliseForward<T>& a, float* workspace, Stream stream) {
  if (a.cols == 0 || a.group_count == 0) {
    return;
  }
  const auto groups = groups_of(a.groups, a.group_count);
  const ForwardArguments<T> f{a, static_cast<float>(a.slope), static_cast<float>(a.eps)};
  if (fused(groups)) {
    launch(forward_fused<T>, dim3(strips(a.cols), static_cast<unsigned>(groups.count)), kThreads,
           stream, f, groups);
    return;
  }
  const auto grid = chunk_grid(a.cols, groups.max_chunks, groups.count);
  if (!a.stored) {
    launch(forward_measure<T>, grid, kThreads, stream, a.x, a.cols, groups, workspace);
    launch(forward_merge<T>, merge_grid(a.cols, groups.count), kMergeThreads, stream, f, groups,
           workspace);
  }
  launch(forward_apply<T>, grid, kThreads, stream, f, groups);
}

template <class T>
void normalise_backward(const NormaliseBackward<T>& a, float* workspace, Stream stream) {
  if (a.cols == 0 || a.group_count == 0) {
    return;
  }
  const auto groups = groups_of(a.groups, a.group_count);
  BackwardArguments<T> b{a, {}, static_cast<float>(a.slope)};
  for (int g = 0; g < groups.count; ++g) {
    b.grad_z[g] = a.grad_z[g];
  }
  if (fused(groups)) {
    launch(backward_fused<T>, strips(a.cols), kThreads, stream, b, groups);
    return;
  }
  float* const through = workspace + 4 * groups.count * groups.max_chunks * a.cols;
  const auto grid = chunk_grid(a.cols, groups.max_chunks, groups.count);
  launch(backward_measure<T>, grid, kThreads, stream, b, groups, workspace);
  launch(backward_merge<T>, merge_grid(a.cols, 1), kMergeThreads, stream, b, groups, workspace,
         through);
  launch(backward_apply<T>, grid, kThreads, stream, b, groups, through);
}

template void add_noise(const AddNoise<float>&, Stream);
template void add_noise(const AddNoise<BFloat16>&, Stream);
template void normalise_forward(const NormaliseForward<float>&, float*, Stream);
template void normalise_forward(const NormaliseForward<BFloat16>&, float*, Stream);
template void normalise_backward(const NormaliseBackward<float>&, float*, Stream);
template void normalise_backward(const NormaliseBackward<BFloat16>&, float*, Stream);

}  // namespace ladder::ops::LADDER_CUDA_NAMESPACE
