/// The matrix products of a ladder, by the fastest route of the machine.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace ladder::ops {

/// Which library multiplies float32 matrices on the CPU.
enum class ProductRoute {
  kAten,    ///< at::mm (MKL in the official builds, oneDNN for bfloat16)
  kOneDnn,  ///< oneDNN's inner product, through LibTorch; for bfloat16 the same as kAten
  kLadder,  ///< this library's kernel, whose results do not depend on the number of threads
};

/// What the products of float32 matrices are computed in.
enum class ProductPrecision {
  kFloat32,
  kBFloat16,  ///< operands rounded to bfloat16, products summed in float32; kAten rounds the sums
  kTensorFloat32,  ///< CUDA: operands rounded to TF32 (10 bits after the point); else as kFloat32
};

std::string to_string(ProductRoute route);
/// Error: a name that is none of aten, onednn, ladder.
ProductRoute product_route_from_string(const std::string& name);
std::string to_string(ProductPrecision precision);
/// Error: a name that is none of float32, bfloat16, tf32.
ProductPrecision product_precision_from_string(const std::string& name);

/// The route in use at the precision in use. The first call at a precision without an earlier
/// `set_product_route` times the routes on the shapes of a ladder step (some 50 ms) and keeps the
/// fastest, whatever the CPU's name; kLadder where it is within 5 %. Routes differ in rounding, so
/// a run that must be repeated bit for bit has to set the route that it was started with.
ProductRoute product_route();
/// At every precision.
void set_product_route(ProductRoute route);

/// The routes that this LibTorch offers.
std::vector<ProductRoute> available_product_routes();

/// Process-wide, like LibTorch's own precision of float32 products, which it sets on CUDA for
/// matrices and convolutions alike. Default: kFloat32, and LibTorch's as it stands.
ProductPrecision product_precision();
void set_product_precision(ProductPrecision precision);

/// x weight^T, [R, K] x [C, K] -> [R, C], differentiable in both.
///
/// float32 on the CPU goes by `product_route()` and `product_precision()`, on CUDA by
/// `product_precision()`; every other dtype and device is at::linear. Errors: ranks other than 2, K
/// that differ.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight);

}  // namespace ladder::ops
