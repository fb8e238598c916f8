#include "ladder/ops/kernels/cuda/device.cuh"

namespace ladder::ops::LADDER_CUDA_NAMESPACE {
namespace {

template <class Function, class T>
__device__ void load_weight(const T* weight, int64_t cols, Place at, float* w) {
#pragma unroll
  for (int p = 0; p < Function::kParameters; ++p) {
    w[p] = at.inside ? load(weight + p * cols + at.column) : 0.0F;
  }
}

// ---- forward ------------------------------------------------------------------------------------

// The sum of squared errors of a block's rows and columns, in its first thread.
template <class Function, class T>
__device__ double combine_rows(const DenoiseForward<T>& a, int64_t begin, int64_t end, Place at,
                               float mean, float std) {
  float w[Function::kParameters];
  load_weight<Function>(a.weight, a.cols, at, w);
  const float scale = 1.0F / std;
  const float target_mean = at.inside ? load_or(a.target_mean, at.column, 0.0F) : 0.0F;
  const float target_scale = at.inside ? 1.0F / load_or(a.target_std, at.column, 1.0F) : 1.0F;
  float cost = 0;
  if (at.inside) {
    for (int64_t r = begin + at.line; r < end; r += kLines) {
      const int64_t i = r * a.cols + at.column;
      const float u = standardise<Math>(load(a.u + i), mean, scale);
      const float z_hat = Function::value(w, load(a.z_noisy + i), u);
      store(a.z_hat + i, z_hat);
      if (a.target != nullptr) {
        const float d = denoising_error<Math>(z_hat, load(a.target + i), target_mean, target_scale);
        cost += d * d;
      }
    }
  }
  const float of_column = sum_lines(cost);
  __shared__ float columns[kStrip];
  if (threadIdx.x < kStrip) {
    columns[threadIdx.x] = of_column;
  }
  __syncthreads();
  double total = 0;
  for (const auto of_one : columns) {
    total += of_one;
  }
  return total;
}

template <class Function, class T>
__global__ void __launch_bounds__(kThreads)
    forward_fused(const DenoiseForward<T> a, float eps, double* partial) {
  const Place at = place(a.cols);
  float mean, squares;
  measure(a.u, a.cols, 0, a.rows, at, &mean, &squares);
  mean = as_stored<T>(mean);
  const float std = as_stored<T>(sqrtf(squares / static_cast<float>(a.rows) + eps));
  if (at.inside && at.line == 0) {
    store(a.u_mean + at.column, mean);
    store(a.u_std + at.column, std);
  }
  const double cost = combine_rows<Function>(a, 0, a.rows, at, mean, std);
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = cost;
  }
}

// workspace: [2][chunk][column], means and sums of squares.
template <class T>
__global__ void __launch_bounds__(kThreads)
    forward_measure(const T* u, int64_t rows, int64_t cols, float* workspace) {
  const int64_t begin = blockIdx.y * kChunkRows;
  const int64_t end = begin + kChunkRows < rows ? begin + kChunkRows : rows;
  const Place at = place(cols);
  float mean, squares;
  measure(u, cols, begin, end, at, &mean, &squares);
  if (at.inside && at.line == 0) {
    workspace[blockIdx.y * cols + at.column] = mean;
    workspace[(gridDim.y + blockIdx.y) * cols + at.column] = squares;
  }
}

template <class T>
__global__ void forward_merge(const DenoiseForward<T> a, float eps, const float* workspace,
                              int64_t count) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= a.cols) {
    return;
  }
  float n = 0;
  float mean = 0;
  float squares = 0;
  for (int64_t c = 0; c < count; ++c) {
    const int64_t left = a.rows - c * kChunkRows;
    merge(&n, &mean, &squares, static_cast<float>(left < kChunkRows ? left : kChunkRows),
          workspace[c * a.cols + column], workspace[(count + c) * a.cols + column]);
  }
  store(a.u_mean + column, mean);
  store(a.u_std + column, sqrtf(squares / n + eps));
}

template <class Function, class T>
__global__ void __launch_bounds__(kThreads)
    forward_apply(const DenoiseForward<T> a, double* partial) {
  const int64_t begin = blockIdx.y * kChunkRows;
  const int64_t end = begin + kChunkRows < a.rows ? begin + kChunkRows : a.rows;
  const Place at = place(a.cols);
  const double cost =
      combine_rows<Function>(a, begin, end, at, at.inside ? load(a.u_mean + at.column) : 0.0F,
                             at.inside ? load(a.u_std + at.column) : 1.0F);
  if (threadIdx.x == 0) {
    partial[blockIdx.y * gridDim.x + blockIdx.x] = cost;
  }
}

constexpr int kTotalThreads = 256;

// The sum of `count` numbers times `share`, in one order whatever runs first.
template <class T>
__global__ void __launch_bounds__(kTotalThreads)
    total_of(const double* partial, int64_t count, double share, T* total) {
  __shared__ double sums[kTotalThreads];
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kTotalThreads) {
    sum += partial[i];
  }
  sums[threadIdx.x] = sum;
  for (int half = kTotalThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < half) {
      sums[threadIdx.x] += sums[threadIdx.x + half];
    }
  }
  if (threadIdx.x == 0) {
    store(total, static_cast<float>(sums[0] * share));
  }
}

// ---- backward -----------------------------------------------------------------------------------

template <class Function>
struct Sums {
  float grad = 0;     // of the gradient with respect to the normalised u
  float product = 0;  // of that gradient times the normalised u
  float target_mean = 0;
  float target_std = 0;
  float w[Function::kParameters] = {};
  static constexpr int kCount = 4 + Function::kParameters;
};

// Gradients of the rows [begin, end) down to that of the normalised u, which goes to grad_u; adds
// to the thread's sums.
template <class Function, class T>
__device__ void gradient_rows(const DenoiseBackward<T>& a, const T* grad_total, int64_t begin,
                              int64_t end, Place at, Sums<Function>* sums) {
  if (!at.inside) {
    return;
  }
  float w[Function::kParameters];
  load_weight<Function>(a.weight, a.cols, at, w);
  const float mean = load(a.u_mean + at.column);
  const float scale = 1.0F / load(a.u_std + at.column);
  const float target_mean = load_or(a.target_mean, at.column, 0.0F);
  const float target_scale = 1.0F / load_or(a.target_std, at.column, 1.0F);
  const float of_cost =
      a.target != nullptr
          ? 2.0F * load(grad_total) / (static_cast<float>(a.rows) * static_cast<float>(a.cols))
          : 0.0F;
  for (int64_t r = begin + at.line; r < end; r += kLines) {
    const int64_t i = r * a.cols + at.column;
    const float u = standardise<Math>(load(a.u + i), mean, scale);
    float grad = load_or(a.grad_z_hat, i, 0.0F);
    if (a.target != nullptr) {
      const float d = denoising_error_gradient<Math>(load(a.z_hat + i), load(a.target + i),
                                                     target_mean, target_scale, of_cost, grad,
                                                     sums->target_mean, sums->target_std);
      if (a.grad_target != nullptr) {
        store(a.grad_target + i, -d);
      }
    }
    float grad_z, grad_u;
    Function::gradient(w, load(a.z_noisy + i), u, grad, grad_z, grad_u, sums->w);
    store(a.grad_z_noisy + i, grad_z);
    store(a.grad_u + i, grad_u);
    sums->grad += grad_u;
    sums->product += grad_u * u;
  }
}

template <class T>
__device__ void gradient_of_u(const DenoiseBackward<T>& a, int64_t begin, int64_t end, Place at,
                              float sum, float product) {
  if (!at.inside) {
    return;
  }
  const float share = 1.0F / static_cast<float>(a.rows);
  const float mean = load(a.u_mean + at.column);
  const float scale = 1.0F / load(a.u_std + at.column);
  const float constant = through_statistic<Math>(scale, sum, share);
  const float slope = through_statistic<Math>(scale, product, share);
  for (int64_t r = begin + at.line; r < end; r += kLines) {
    const int64_t i = r * a.cols + at.column;
    const float u = standardise<Math>(load(a.u + i), mean, scale);
    store(a.grad_u + i, standardise_gradient<Math>(load(a.grad_u + i), u, scale, constant, slope));
  }
}

template <class Function, class T>
__device__ void store_sums(const DenoiseBackward<T>& a, int64_t column,
                           const Sums<Function>& totals) {
  if (a.grad_weight != nullptr) {
#pragma unroll
    for (int p = 0; p < Function::kParameters; ++p) {
      store(a.grad_weight + p * a.cols + column, totals.w[p]);
    }
  }
  if (a.grad_target_mean != nullptr) {
    store(a.grad_target_mean + column, totals.target_mean);
  }
  if (a.grad_target_std != nullptr) {
    store(a.grad_target_std + column, totals.target_std);
  }
}

template <class Function>
__device__ Sums<Function> sum_all(const Sums<Function>& sums) {
  Sums<Function> totals;
  totals.grad = sum_lines(sums.grad);
  totals.product = sum_lines(sums.product);
  totals.target_mean = sum_lines(sums.target_mean);
  totals.target_std = sum_lines(sums.target_std);
#pragma unroll
  for (int p = 0; p < Function::kParameters; ++p) {
    totals.w[p] = sum_lines(sums.w[p]);
  }
  return totals;
}

template <class Function, class T>
__global__ void __launch_bounds__(kThreads)
    backward_fused(const DenoiseBackward<T> a, const T* grad_total) {
  const Place at = place(a.cols);
  Sums<Function> sums;
  gradient_rows(a, grad_total, 0, a.rows, at, &sums);
  const Sums<Function> totals = sum_all(sums);
  gradient_of_u(a, 0, a.rows, at, totals.grad, totals.product);
  if (at.inside && at.line == 0) {
    store_sums(a, at.column, totals);
  }
}

// workspace: [sum][chunk][column] in the order of Sums.
template <class Function, class T>
__global__ void __launch_bounds__(kThreads)
    backward_measure(const DenoiseBackward<T> a, const T* grad_total, float* workspace) {
  const int64_t begin = blockIdx.y * kChunkRows;
  const int64_t end = begin + kChunkRows < a.rows ? begin + kChunkRows : a.rows;
  const Place at = place(a.cols);
  Sums<Function> sums;
  gradient_rows(a, grad_total, begin, end, at, &sums);
  const Sums<Function> totals = sum_all(sums);
  if (at.inside && at.line == 0) {
    const int64_t size = gridDim.y * a.cols;
    float* const to = workspace + blockIdx.y * a.cols + at.column;
    to[0] = totals.grad;
    to[size] = totals.product;
    to[2 * size] = totals.target_mean;
    to[3 * size] = totals.target_std;
#pragma unroll
    for (int p = 0; p < Function::kParameters; ++p) {
      to[(4 + p) * size] = totals.w[p];
    }
  }
}

// through: [2][column], the sums of all chunks of grad and product.
template <class Function, class T>
__global__ void backward_merge(const DenoiseBackward<T> a, const float* workspace, int64_t count,
                               float* through) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= a.cols) {
    return;
  }
  const int64_t size = count * a.cols;
  Sums<Function> totals;
  for (int64_t c = 0; c < count; ++c) {
    const float* const from = workspace + c * a.cols + column;
    totals.grad += from[0];
    totals.product += from[size];
    totals.target_mean += from[2 * size];
    totals.target_std += from[3 * size];
#pragma unroll
    for (int p = 0; p < Function::kParameters; ++p) {
      totals.w[p] += from[(4 + p) * size];
    }
  }
  store_sums(a, column, totals);
  through[column] = totals.grad;
  through[a.cols + column] = totals.product;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    backward_apply(const DenoiseBackward<T> a, const float* through) {
  const int64_t begin = blockIdx.y * kChunkRows;
  const int64_t end = begin + kChunkRows < a.rows ? begin + kChunkRows : a.rows;
  const Place at = place(a.cols);
  gradient_of_u(a, begin, end, at, at.inside ? through[at.column] : 0.0F,
                at.inside ? through[a.cols + at.column] : 0.0F);
}

// Calls f with the denoising function; perceptrons have no kernel here.
template <class F>
void with_function(CombinatorFunction function, const F& f) {
  switch (function) {
    case CombinatorFunction::kGaussian:
      return f(GaussianFormula<Math, false>{});
    case CombinatorFunction::kVanilla:
      return f(VanillaFormula<Math>{});
    case CombinatorFunction::kGaussianSigmoid:
      return f(GaussianFormula<Math, true>{});
  }
}

}  // namespace

int64_t denoise_workspace(int64_t rows, int64_t cols) {
  constexpr int64_t kSums =
      Sums<GaussianFormula<Math, false>>::kCount;  // the most of all functions
  static_assert(kSums >= Sums<VanillaFormula<Math>>::kCount);
  return rows <= kFusedRows ? 0 : cols * (kSums * chunks(rows) + 2);
}

int64_t denoise_blocks(int64_t rows, int64_t cols) {
  return rows <= kFusedRows ? strips(cols) : strips(cols) * chunks(rows);
}

template <class T>
void denoise_forward(const DenoiseForward<T>& a, T* total, double* partial, float* workspace,
                     Stream stream) {
  const float eps = static_cast<float>(a.eps);
  with_function(a.function, [&](auto function) {
    using Function = decltype(function);
    if (a.rows <= kFusedRows) {
      launch(forward_fused<Function, T>, strips(a.cols), kThreads, stream, a, eps, partial);
      return;
    }
    const auto grid = chunk_grid(a.cols, chunks(a.rows), /*groups=*/1);
    launch(forward_measure<T>, grid, kThreads, stream, a.u, a.rows, a.cols, workspace);
    launch(forward_merge<T>, merge_grid(a.cols, /*groups=*/1), kMergeThreads, stream, a, eps,
           workspace, chunks(a.rows));
    launch(forward_apply<Function, T>, grid, kThreads, stream, a, partial);
  });
  launch(total_of<T>, 1, kTotalThreads, stream, partial, denoise_blocks(a.rows, a.cols),
         1.0 / (static_cast<double>(a.rows) * static_cast<double>(a.cols)), total);
}

template <class T>
void denoise_backward(const DenoiseBackward<T>& a, const T* grad_total, float* workspace,
                      Stream stream) {
  with_function(a.function, [&](auto function) {
    using Function = decltype(function);
    if (a.rows <= kFusedRows) {
      launch(backward_fused<Function, T>, strips(a.cols), kThreads, stream, a, grad_total);
      return;
    }
    const auto count = chunks(a.rows);
    const auto grid = chunk_grid(a.cols, count, /*groups=*/1);
    float* const through = workspace + Sums<Function>::kCount * count * a.cols;
    launch(backward_measure<Function, T>, grid, kThreads, stream, a, grad_total, workspace);
    launch(backward_merge<Function, T>, merge_grid(a.cols, /*groups=*/1), kMergeThreads, stream, a,
           workspace, count, through);
    launch(backward_apply<T>, grid, kThreads, stream, a, through);
  });
}

template void denoise_forward(const DenoiseForward<float>&, float*, double*, float*, Stream);
template void denoise_forward(const DenoiseForward<BFloat16>&, BFloat16*, double*, float*, Stream);
template void denoise_backward(const DenoiseBackward<float>&, const float*, float*, Stream);
template void denoise_backward(const DenoiseBackward<BFloat16>&, const BFloat16*, float*, Stream);

}  // namespace ladder::ops::LADDER_CUDA_NAMESPACE
