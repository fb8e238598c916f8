/// The arguments of the kernels behind the fused operators: plain pointers, no tensors.
///
/// CPU kernels take pointers to the host, CUDA kernels pointers to the device; what describes
/// groups of rows stays on the host. Matrices are dense and row-major. A gradient that may be null
/// is not computed where it is null.
#pragma once

#include <cstdint>

#include "ladder/core/activation.h"
#include "ladder/ops/combinator_function.h"

namespace ladder::ops {

/// Rows of the weight of a denoising function of fixed form; 0 for a number that is none.
constexpr int parameters_of(CombinatorFunction function) {
  switch (function) {
    case CombinatorFunction::kGaussian:
    case CombinatorFunction::kGaussianSigmoid:
      return 10;
    case CombinatorFunction::kVanilla:
      return 9;
  }
  return 0;
}

// Limits of the perceptrons that kernels take; inputs count as units.
constexpr int kMaxMlpLayers = 8;
constexpr int kMaxMlpUnits = 64;
constexpr int kMaxMlpParameters = 512;

/// A perceptron for each column, on [u, z] or [u, z, u z], with one linear output. Its parameters
/// are, layer by layer, the weights [out, in] and the biases [out].
struct MlpShape {
  int32_t inputs = 0;  ///< 2 or 3; 0: no perceptron
  int32_t layers = 0;  ///< hidden layers
  int32_t units[kMaxMlpLayers] = {};
  int32_t parameters = 0;
  double slope = 0;  ///< slope of hidden units below 0
};

/// The normals of a matrix: `values` if given, else drawn by Philox(seed) from `offset` on.
template <class T>
struct Noise {
  uint64_t seed = 0;
  uint64_t offset = 0;
  const T* values = nullptr;
  const int64_t* position = nullptr;  ///< CUDA only: added to `offset`, read on the device
};

/// Rows [begin, end) with their own statistics. If noisy, they take the rows of the noise from
/// `noise_row` on.
struct GroupSpan {
  int64_t begin = 0;
  int64_t end = 0;
  double noise_std = 0;
  int64_t noise_row = 0;
};

/// out = x + noise_std * n
template <class T>
struct AddNoise {
  const T* x;  // [rows, cols]
  T* out;      // [rows, cols]; may be x
  int64_t rows, cols;
  Noise<T> noise;
  double noise_std;
};

/// Mean of each column, and its sum of squared differences from the mean.
template <class T>
struct Measure {
  const T* x;  // [rows, cols]
  int64_t rows, cols;
  T* mean;     // [cols]
  T* squares;  // [cols]
};

/// The gradient of (x - mean) / std where mean and std are those of x: replaces the gradient with
/// respect to the standardised values by that with respect to x.
template <class T>
struct StandardiseBackward {
  const T* x;  // [rows, cols]
  T* grad;     // [rows, cols]
  int64_t rows, cols;
  const T* mean;       // [cols]
  const T* std;        // [cols]
  const T* sums;       // [2, cols] over all `measured` rows: of grad, of grad times the value
  int64_t measured;    // rows that mean and std were measured on; 0 if they were given
  const T* grad_mean;  // [cols] or null
  const T* grad_std;   // [cols] or null
};

template <class T>
struct NormaliseForward {
  const T* x;  // [rows, cols]
  int64_t cols;
  const GroupSpan* groups;
  int64_t group_count;
  Noise<T> noise;
  const T* gamma;  // [cols] or null
  const T* beta;   // [cols] or null
  Activation activation;
  double slope;  // of the leaky ReLU
  double eps;
  bool stored;  // mean and std are given, not measured
  T* mean;      // [groups, cols]
  T* std;       // [groups, cols]
  T* z;         // [rows, cols] or null
  T* h;         // [rows, cols]
};

template <class T>
struct NormaliseBackward {
  const T* x;
  const T* z;  // or null: act' is computed from h, and gamma must be null
  const T* h;
  const T* mean;
  const T* std;
  int64_t cols;
  const GroupSpan* groups;
  int64_t group_count;
  const T* gamma;
  const T* beta;
  Activation activation;
  double slope;
  bool stored;
  const T* grad_h;         // [rows, cols] or null
  const T* const* grad_z;  // per group [rows of the group, cols] or null
  const T* grad_mean;      // [groups, cols] or null
  const T* grad_std;       // [groups, cols] or null
  T* grad_x;               // [rows, cols]
  T* grad_gamma;           // [cols] or null
  T* grad_beta;            // [cols] or null
  // [groups, 2, cols]: if given, grad_x is left before StandardiseBackward, and its sums here
  T* sums = nullptr;
};

template <class T>
struct DenoiseForward {
  const T* z_noisy;  // [rows, cols]
  const T* u;        // [rows, cols], before normalisation
  int64_t rows, cols;
  CombinatorFunction function;
  MlpShape mlp;     // if it has inputs: a perceptron in place of `function`
  const T* weight;  // [parameters, cols]
  double eps;
  bool stored = false;   // u_mean and u_std are given, not measured
  const T* target;       // [rows, cols], or null for no cost
  const T* target_mean;  // [cols], or null: the target is compared with z_hat as it is
  const T* target_std;   // [cols]
  T* u_mean;             // [cols]
  T* u_std;              // [cols]
  T* z_hat;              // [rows, cols]
  double* cost;          // [cols], sum over rows of squared errors; CPU only
};

template <class T>
struct DenoiseBackward {
  const T* z_noisy;
  const T* u;
  const T* z_hat;
  int64_t rows, cols;
  CombinatorFunction function;
  MlpShape mlp;
  const T* weight;
  const T* target;
  const T* target_mean;
  const T* target_std;
  const T* u_mean;
  const T* u_std;
  const T* grad_z_hat;  // [rows, cols] or null
  double grad_cost;     // gradient of the summed squared errors; CPU only
  T* grad_z_noisy;      // [rows, cols]
  T* grad_u;            // [rows, cols]
  T* grad_weight;       // [parameters, cols] or null
  T* grad_target;       // [rows, cols] or null
  T* grad_target_mean;  // [cols] or null
  T* grad_target_std;   // [cols] or null
  T* sums = nullptr;    // [2, cols]: as those of NormaliseBackward, for grad_u
};

/// Feature maps [rows, height, width, channels] under windows side by side, `down` x `across` of
/// them; the last ones are cut at the edges.
struct PooledMaps {
  int64_t height, width, channels;
  int64_t window_height, window_width;
  int64_t down, across;
};

constexpr int64_t kMaxPooled = 256;  ///< values of a window

/// The largest value of each window, NaN if one is, and its place in the window, row by row.
/// Kernels work on rows of windows, counted through all maps. CPU only.
template <class T>
struct MaxPoolForward {
  PooledMaps maps;
  const T* x;
  T* y;            // [rows, down, across, channels]
  uint8_t* place;  // as y, or null where no gradient is wanted
};

template <class T>
struct MaxPoolBackward {
  PooledMaps maps;
  const T* grad_y;
  const uint8_t* place;
  T* grad_x;
};

/// Lists of the arguments with kernels: X(arguments) for each. The table of CPU kernels
/// (cpu/kernels.h) and the functions that run them (cpu/run.h) are expanded from these lists.
///
/// Kernels that work on columns.
#define LADDER_COLUMN_OPERATORS(X) \
  X(AddNoise)                      \
  X(NormaliseForward)              \
  X(NormaliseBackward)             \
  X(DenoiseForward)                \
  X(DenoiseBackward)
/// Kernels that work on rows of windows.
#define LADDER_WINDOW_OPERATORS(X) \
  X(MaxPoolForward)                \
  X(MaxPoolBackward)

}  // namespace ladder::ops
