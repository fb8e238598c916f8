/// Matrix products of a ladder: their precision, the library that computes them, and the operator.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ladder::ops {

/// Library that multiplies float32 matrices on the CPU. Routes differ in rounding.
enum class ProductRoute {
  kAten,    ///< at::mm (MKL in the official builds, oneDNN for bfloat16)
  kOneDnn,  ///< oneDNN's inner product, through LibTorch; for bfloat16 the same as kAten
  kLadder,  ///< this library's kernel: the same results on any number of threads
};

/// Precision in which float32 matrices are multiplied.
enum class ProductPrecision {
  kFloat32,
  kBFloat16,       ///< operands rounded to bfloat16, sums in float32; kAten rounds the sums as well
  kTensorFloat32,  ///< CUDA: operands rounded to TF32 (10 bits of mantissa); CPU: as kFloat32
};

std::string to_string(ProductRoute route);
/// Error: a name other than aten, onednn, ladder.
ProductRoute product_route_from_string(const std::string& name);
std::string to_string(ProductPrecision precision);
/// Error: a name other than float32, bfloat16, tf32.
ProductPrecision product_precision_from_string(const std::string& name);

/// Return the routes that this LibTorch offers.
std::vector<ProductRoute> available_product_routes();

/// How float32 products are computed. A value: hand it to a trainer, or enter it with ProductScope.
struct ProductPlan {
  ProductPrecision precision = ProductPrecision::kFloat32;
  ProductRoute route = ProductRoute::kAten;  ///< used on the CPU only

  bool operator==(const ProductPlan&) const = default;
};

/// Return "float32 products by ladder", say.
std::string to_string(const ProductPlan& plan);

/// Return the plan for this CPU, chosen by its instruction sets without timing anything: the same
/// plan each time on the same machine. The route is kLadder where the CPU has AVX2 or AVX-512 and
/// kAten elsewhere; for bfloat16 it is also kAten where the CPU has AMX.
ProductPlan default_product_plan(ProductPrecision precision = ProductPrecision::kFloat32);

/// Return the plan with the fastest route, measured on the shapes of a ladder step for about 50 ms.
/// kLadder is preferred where it is within 5 % of the fastest. The result depends on what else the
/// machine does meanwhile: keep it with the run that it is measured for.
ProductPlan fastest_product_plan(ProductPrecision precision = ProductPrecision::kFloat32);

/// Return the plan in use on the calling thread: that of the innermost ProductScope, or else
/// `default_product_plan()`.
ProductPlan product_plan();

class TensorFloat32Scope;

/// Use a plan on the calling thread while the scope lives; its end restores the plan before.
///
/// Operators remember the plan of their forward pass: `backward()` uses it on any thread. On CUDA
/// the scope also sets LibTorch's TF32 settings of products and convolutions, and restores them
/// whichever way they were set. These settings belong to the process: TF32 and float32 side by side
/// in two threads need two processes, and convolutions on CUDA need `backward()` within the scope.
///
/// Error: a route that this LibTorch does not offer.
///
///     const ops::ProductScope scope({.precision = ops::ProductPrecision::kBFloat16,
///                                    .route = ops::ProductRoute::kLadder});
///     net->loss(batch, noise).total.backward();
class ProductScope {
 public:
  explicit ProductScope(const ProductPlan& plan);
  ProductScope(const ProductScope&) = delete;
  ProductScope& operator=(const ProductScope&) = delete;
  ~ProductScope();

 private:
  std::optional<ProductPlan> before_;
  std::unique_ptr<TensorFloat32Scope> tensor_float32_;  // where there is CUDA
};

/// Return x weight^T, [R, K] x [C, K] -> [R, C], differentiable in both.
///
/// float32 products follow `product_plan()`; other dtypes and devices use at::linear. Errors: a
/// rank other than 2, different K.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight);

}  // namespace ladder::ops
