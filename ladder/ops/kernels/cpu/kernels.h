/// The CPU kernels behind the fused operators: plain pointers in, no tensors, no threads.
///
/// Each kernel works on the columns [begin, end) of row-major [rows, cols] matrices and touches no
/// other column: split by columns among threads, every sum over rows runs in one order. Tall
/// matrices are split by rows (run.cpp): a kernel then sees one part of the rows, leaves its sums
/// where it is told, and is called again with the sums of all parts. Either way results do not
/// depend on the number of threads. `kernels.inc` is compiled once per instruction set; `kernels()`
/// picks the widest that the machine has.
#pragma once

#include <cstdint>
#include <string_view>

namespace ladder::ops::cpu {

enum class ActivationKind : int32_t { kIdentity, kRelu, kLeakyRelu, kTanh, kGelu };
enum class CombinatorKind : int32_t { kGaussian, kVanilla, kGaussianSigmoid, kMlp };

constexpr int kGaussianParameters = 10;
constexpr int kVanillaParameters = 9;
// The largest network per column that the kernels take; its units count inputs too.
constexpr int kMostMlpLayers = 8;
constexpr int kMostMlpUnits = 64;
constexpr int kMostMlpParameters = 512;

/// A small network per column, on [u, z] or [u, z, u z], with one linear output. Its parameters
/// are, layer by layer, the weights [out, in] and the biases [out].
struct MlpShape {
  int32_t inputs = 0;  ///< 2 or 3
  int32_t layers = 0;  ///< hidden ones
  int32_t units[kMostMlpLayers] = {};
  int32_t parameters = 0;
  double slope = 0;  ///< of the hidden units below 0
};

/// Where the normals of a matrix come from: `values` when given, else Philox(seed) from `offset`.
template <class T>
struct Noise {
  uint64_t seed = 0;
  uint64_t offset = 0;
  const T* values = nullptr;
  const int64_t* position = nullptr;  // CUDA's kernels alone: added to the offset, on the device
};

/// Rows [begin, end) with their own statistics; noisy ones continue at `noise_row` of the noise.
struct GroupSpan {
  int64_t begin = 0;
  int64_t end = 0;
  double noise_std = 0;
  int64_t noise_row = 0;
};

template <class T>
struct AddNoise {  // out = x + noise_std * n
  const T* x;
  T* out;
  int64_t rows, cols;
  Noise<T> noise;
  double noise_std;
};

/// Mean and sum of squared differences from it, of each column of some rows.
template <class T>
struct Measure {
  const T* x;  // [rows, cols]
  int64_t rows, cols;
  T* mean;     // [cols]
  T* squares;  // [cols]
};

/// The way back through (x - mean) / std, where both are those of x: replaces the gradient with
/// respect to the standardised values by that with respect to x.
template <class T>
struct StandardiseBackward {
  const T* x;  // [rows, cols]
  T* grad;     // [rows, cols]
  int64_t rows, cols;
  const T* mean;       // [cols]
  const T* std;        // [cols]
  const T* sums;       // [2, cols] over all `measured` rows: of grad, of grad times the value
  int64_t measured;    // the rows that mean and std were measured on; 0 where they were given
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
  ActivationKind activation;
  double slope;
  double eps;
  bool stored;  // mean and std are given instead of measured
  T* mean;      // [groups, cols]
  T* std;       // [groups, cols]
  T* z;         // [rows, cols] or null
  T* h;         // [rows, cols]
};

template <class T>
struct NormaliseBackward {
  const T* x;
  const T* z;  // or null: the slope of the activation is read off h, and gamma must be null
  const T* h;
  const T* mean;
  const T* std;
  int64_t cols;
  const GroupSpan* groups;
  int64_t group_count;
  const T* gamma;
  const T* beta;
  ActivationKind activation;
  double slope;
  bool stored;
  const T* grad_h;         // [rows, cols] or null
  const T* const* grad_z;  // per group [rows of the group, cols] or null
  const T* grad_mean;      // [groups, cols] or null
  const T* grad_std;       // [groups, cols] or null
  T* grad_x;               // [rows, cols]
  T* grad_gamma;           // [cols] or null
  T* grad_beta;            // [cols] or null
  // [groups, 2, cols]: where given, grad_x is left before StandardiseBackward, and its sums here
  T* sums = nullptr;
};

template <class T>
struct DenoiseForward {
  const T* z_noisy;  // [rows, cols]
  const T* u;        // [rows, cols], before normalisation
  int64_t rows, cols;
  CombinatorKind combinator;
  MlpShape mlp;     // of kMlp
  const T* weight;  // [parameters, cols]
  double eps;
  bool stored = false;   // u_mean and u_std are given instead of measured
  const T* target;       // [rows, cols], or null for no cost
  const T* target_mean;  // [cols], or null for a target taken as it is
  const T* target_std;   // [cols]
  T* u_mean;             // [cols]
  T* u_std;              // [cols]
  T* z_hat;              // [rows, cols]
  double* cost;          // [cols], sum over rows of squared errors
};

template <class T>
struct DenoiseBackward {
  const T* z_noisy;
  const T* u;
  const T* z_hat;
  int64_t rows, cols;
  CombinatorKind combinator;
  MlpShape mlp;
  const T* weight;
  const T* target;
  const T* target_mean;
  const T* target_std;
  const T* u_mean;
  const T* u_std;
  const T* grad_z_hat;  // [rows, cols] or null
  double grad_cost;     // gradient of the summed squared errors
  T* grad_z_noisy;      // [rows, cols]
  T* grad_u;            // [rows, cols]
  T* grad_weight;       // [parameters, cols]
  T* grad_target;       // [rows, cols] or null
  T* grad_target_mean;  // [cols] or null
  T* grad_target_std;   // [cols] or null
  T* sums = nullptr;    // [2, cols]: as those of NormaliseBackward, for grad_u
};

/// A matrix of any strides; a line is a row of the left operand, a column of the right one.
struct Operand {
  const float* data;
  int64_t line, depth;  ///< strides
};

/// c = a b: a [rows, depth], b [depth, columns], c row-major.
struct Product {
  Operand a, b;
  int64_t rows, columns, depth;
  float* c;
  int64_t c_row;
  bool add = false;                 ///< c += a b
  const float* packed_b = nullptr;  ///< b from ProductKernel::pack, for blocks of all columns
};

/// The part of c that one call computes.
struct ProductBlock {
  int64_t row_begin, row_end;
  int64_t column_begin, column_end;
};

/// Floats of scratch memory for one call, aligned to 64 bytes.
constexpr int64_t kProductScratch = 352 * 1024;

/// The depth up to which a right operand can be packed once for many products.
constexpr int64_t kMostPackedDepth = 448;

/// The floats that `ProductKernel::pack` takes at most.
constexpr int64_t packed_size(int64_t columns, int64_t depth) {
  constexpr int64_t kMostLanes = 16;
  return (columns + kMostLanes - 1) / kMostLanes * kMostLanes * depth + kMostLanes;
}

struct ProductKernel {
  void (*multiply)(const Product&, const ProductBlock&, float* scratch);
  void (*pack)(const Operand& b, int64_t columns, int64_t depth, float* packed);
  int64_t rows, columns;  ///< blocks are best multiples of them
};

/// Maps [rows, height, width, channels] under tiles of 4 x 4 positions, which may hang over the far
/// edges; a map has `down` x `across` of them, and they are counted through all maps. The first one
/// lies `padding` positions before the map.
struct TiledMaps {
  int64_t height, width, channels;
  int64_t down, across;
  int64_t padding;
};

constexpr int64_t kTile = 4;          ///< positions of a tile along each side
constexpr int64_t kTransformed = 36;  ///< values of a transformed tile
constexpr int64_t kLeastChannels = 16;

/// The transforms of Winograd's F(4x4, 3x3) along channels, of which there must be kLeastChannels
/// or more: with its matrices A, B (see winograd.inc),
///
///     input     d [6, 6] -> B^T d B       windows of a tile with its neighbours
///     gradient  y [4, 4] -> A y A^T       the adjoint of output
///     output    m [6, 6] -> A^T m A       the tile
///
/// of the tiles [begin, end). Value k of a transformed tile lies in plane k: [tiles, channels] from
/// k * plane on. Positions beyond the map are read as 0 and not written.
struct WinogradKernels {
  void (*input)(const TiledMaps&, const float* maps, int64_t begin, int64_t end, float* planes,
                int64_t plane);
  void (*gradient)(const TiledMaps&, const float* maps, int64_t begin, int64_t end, float* planes,
                   int64_t plane);
  void (*output)(const TiledMaps&, const float* planes, int64_t plane, int64_t begin, int64_t end,
                 float* maps);
};

/// Maps [rows, height, width, channels] under windows side by side, of which a map has `down` x
/// `across`, the last ones cut at its edges.
struct PooledMaps {
  int64_t height, width, channels;
  int64_t window_height, window_width;
  int64_t down, across;
};

constexpr int64_t kMostPooled = 256;  ///< values of a window

/// The largest value of each window, NaN if one is, and its place among them, row by row. Kernels
/// work on rows of windows, counted through all maps.
template <class T>
struct MaxPoolForward {
  PooledMaps maps;
  const T* x;
  T* y;            // [rows, down, across, channels]
  uint8_t* place;  // as y
};

template <class T>
struct MaxPoolBackward {
  PooledMaps maps;
  const T* grad_y;
  const uint8_t* place;
  T* grad_x;
};

struct KernelTable {
  const char* name;             ///< as LADDER_KERNELS takes it
  const char* instruction_set;  ///< for people
  int vector_bytes;
  bool bfloat16_instruction;  ///< used by rounded_product; to it, subnormals are 0
  ProductKernel product;
  ProductKernel rounded_product;  ///< of operands rounded to bfloat16, sums in float32
  WinogradKernels winograd;
  void (*add_noise_f32)(const AddNoise<float>&, int64_t begin, int64_t end);
  void (*add_noise_f64)(const AddNoise<double>&, int64_t begin, int64_t end);
  void (*max_pool_forward_f32)(const MaxPoolForward<float>&, int64_t begin, int64_t end);
  void (*max_pool_forward_f64)(const MaxPoolForward<double>&, int64_t begin, int64_t end);
  void (*max_pool_backward_f32)(const MaxPoolBackward<float>&, int64_t begin, int64_t end);
  void (*max_pool_backward_f64)(const MaxPoolBackward<double>&, int64_t begin, int64_t end);
  void (*measure_f32)(const Measure<float>&, int64_t begin, int64_t end);
  void (*measure_f64)(const Measure<double>&, int64_t begin, int64_t end);
  void (*standardise_backward_f32)(const StandardiseBackward<float>&, int64_t begin, int64_t end);
  void (*standardise_backward_f64)(const StandardiseBackward<double>&, int64_t begin, int64_t end);
  void (*normalise_forward_f32)(const NormaliseForward<float>&, int64_t begin, int64_t end);
  void (*normalise_forward_f64)(const NormaliseForward<double>&, int64_t begin, int64_t end);
  void (*normalise_backward_f32)(const NormaliseBackward<float>&, int64_t begin, int64_t end);
  void (*normalise_backward_f64)(const NormaliseBackward<double>&, int64_t begin, int64_t end);
  void (*denoise_forward_f32)(const DenoiseForward<float>&, int64_t begin, int64_t end);
  void (*denoise_forward_f64)(const DenoiseForward<double>&, int64_t begin, int64_t end);
  void (*denoise_backward_f32)(const DenoiseBackward<float>&, int64_t begin, int64_t end);
  void (*denoise_backward_f64)(const DenoiseBackward<double>&, int64_t begin, int64_t end);
};

extern const KernelTable kBaselineKernels;
#ifdef LADDER_KERNELS_X86
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;
extern const ProductKernel kAvx512BFloat16Product;
#endif

/// The tables that this CPU runs, the widest last.
struct KernelTables {
  const KernelTable* tables[4];
  int count;
};
KernelTables runnable_kernels();

/// Return the table of that name, or the widest one for an empty name. Error: a name that is none
/// of `runnable_kernels`.
const KernelTable& choose_kernels(std::string_view name);

/// Return the table in use: chosen at the first call, by the environment variable LADDER_KERNELS.
const KernelTable& kernels();

/// True if the table in use is one for vectors of 32 bytes or more.
inline bool has_wide_kernels() { return kernels().vector_bytes >= 32; }

/// Return the product in use for operands rounded to bfloat16 (to nearest, ties to even).
inline const ProductKernel& bfloat16_product() { return kernels().rounded_product; }

}  // namespace ladder::ops::cpu
