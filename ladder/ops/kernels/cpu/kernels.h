/// The CPU kernels behind the fused operators: plain pointers in, no tensors, no threads.
///
/// A kernel works on the columns [begin, end) of row-major [rows, cols] matrices and touches no
/// other column. Threads split columns, so that each sum over rows runs in one order. Tall matrices
/// are split by rows (run.cpp): a kernel then sees one part of the rows, writes its sums to `sums`,
/// and is called again with the sums of all parts. Either way results do not depend on the number
/// of threads. `kernels.inc` is compiled once for each instruction set; `kernels()` returns the set
/// in use.
#pragma once

#include <cstdint>
#include <string_view>

#include "ladder/ops/kernels/arguments.h"

namespace ladder::ops::cpu {

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

/// Floats of scratch memory for one call.
constexpr int64_t kProductScratch = 352 * 1024;

/// The panels of a left operand that scratch memory holds packed.
class PackedPanels {
 public:
  static constexpr int64_t kMost = 1024;

  bool has(int64_t panel) const { return (words_[panel / 64] >> panel % 64 & 1) != 0; }
  void add(int64_t panel) { words_[panel / 64] |= uint64_t{1} << panel % 64; }

 private:
  uint64_t words_[kMost / 64] = {};
};

/// What a thread multiplies with. Blocks of one product that are computed one after the other pack
/// the rows of `a` that they share once, if they get the same `packed`, empty before the first.
struct ProductScratch {
  float* memory;  ///< kProductScratch floats, aligned to 64 bytes
  PackedPanels* packed = nullptr;
};

/// The most rows of a product that packs no operand. Such a product sums over the depth in another
/// order than those of more rows.
constexpr int64_t kFewRows = 4;

/// The depth up to which a right operand can be packed once for many products.
constexpr int64_t kMaxPackedDepth = 448;

/// The floats that `ProductKernel::pack` takes at most.
constexpr int64_t packed_size(int64_t columns, int64_t depth) {
  constexpr int64_t kMaxLanes = 16;
  return (columns + kMaxLanes - 1) / kMaxLanes * kMaxLanes * depth + kMaxLanes;
}

struct ProductKernel {
  void (*multiply)(const Product&, const ProductBlock&, const ProductScratch&);
  void (*pack)(const Operand& b, int64_t columns, int64_t depth, float* packed);
  int64_t rows, columns;  ///< blocks begin at multiples of them
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
constexpr int64_t kMinChannels = 16;

/// The transforms of Winograd's F(4x4, 3x3) along channels, of which there must be kMinChannels
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

/// What belongs to each row of a matrix by itself.
struct RowKernels {
  /// p = softmax(x) over the columns, log_p its logarithm; either may be null.
  void (*softmax)(const float* x, int64_t rows, int64_t cols, float* p, float* log_p);
  /// Scale each row of x to its norm in `norms`, [rows]. A row of zeros stays so.
  void (*project)(float* x, const float* norms, int64_t rows, int64_t cols);
};

/// The kernel for one kind of arguments. It works on the columns [begin, end), or on those rows of
/// windows.
template <class Args>
struct Slot {
  void (*kernel)(const Args&, int64_t begin, int64_t end);
};

/// A kernel in float and in double for each template of arguments.
template <template <class> class... Arguments>
struct Slots : Slot<Arguments<float>>..., Slot<Arguments<double>>... {};

/// Slots for the lists of arguments.h, and for the two steps of operators on parts of rows
/// (run.cpp).
#define LADDER_LISTED(Arguments) Arguments,
using OperatorSlots =
    Slots<LADDER_COLUMN_OPERATORS(LADDER_LISTED) LADDER_WINDOW_OPERATORS(LADDER_LISTED) Measure,
          StandardiseBackward>;
#undef LADDER_LISTED

/// The kernels for one instruction set. Each kernel of `operators` is a function template `apply`
/// in one of the .inc files.
struct KernelTable {
  const char* name;             ///< as LADDER_KERNELS takes it
  const char* instruction_set;  ///< for people
  int vector_bytes;
  bool bfloat16_instruction;  ///< used by rounded_product; to it, subnormals are 0
  ProductKernel product;
  ProductKernel rounded_product;  ///< of operands rounded to bfloat16, sums in float32
  WinogradKernels winograd;
  RowKernels rows;
  OperatorSlots operators;

  template <class Args>
  void run(const Args& args, int64_t begin, int64_t end) const {
    static_cast<const Slot<Args>&>(operators).kernel(args, begin, end);
  }
};

extern const KernelTable kBaselineKernels;
#ifdef LADDER_KERNELS_X86
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;
extern const ProductKernel kAvx512BFloat16Product;
#endif

/// The tables that this CPU runs, from narrow to wide, the fastest last.
struct KernelTables {
  const KernelTable* tables[4];
  int count;
};
KernelTables runnable_kernels();

/// Return the table of that name, or the fastest one for an empty name. Error: a name that is none
/// of `runnable_kernels`.
const KernelTable& choose_kernels(std::string_view name);

/// Return the table in use: chosen at the first call, by the environment variable LADDER_KERNELS.
const KernelTable& kernels();

/// True if the table in use is one for vectors of 32 bytes or more.
inline bool has_wide_kernels() { return kernels().vector_bytes >= 32; }

/// Return the product in use for operands rounded to bfloat16 (to nearest, ties to even).
inline const ProductKernel& bfloat16_product() { return kernels().rounded_product; }

}  // namespace ladder::ops::cpu
