/// Checks of a combinator's operands and of its result.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <string>

#include "ladder/core/internal/tensor_text.h"

namespace ladder {

/// Check the vertical `u` [M, C] and, where the combinator reads it, the lateral `z_noisy` [M, C]
/// of a combinator with `weight` [rows, C]. Errors name `owner`: another shape, a missing batch
/// dimension, another type or device than the weight's.
inline void check_operands(const char* owner, const at::Tensor& z_noisy, const at::Tensor& u,
                           const at::Tensor& weight, bool lateral = true) {
  const auto check = [&](const char* name, const at::Tensor& x) {
    TORCH_CHECK(x.defined(), owner, ": expected ", name, " but got an undefined tensor.");
    TORCH_CHECK(x.dim() == 2 && x.size(1) == weight.size(1), owner, ": expected ", name, " [M, ",
                weight.size(1), "] but got ", x.sizes(),
                x.dim() == 1 ? " (one row needs a batch dimension: unsqueeze(0))." : ".");
    TORCH_CHECK(x.scalar_type() == weight.scalar_type() && x.device() == weight.device(), owner,
                ": expected ", name, " in ", c10::toString(weight.scalar_type()), " on ",
                weight.device(), " like its weight but got ", c10::toString(x.scalar_type()),
                " on ", x.device(), ".");
  };
  check("u", u);
  if (lateral) {
    check("z_noisy", z_noisy);
    TORCH_CHECK(z_noisy.size(0) == u.size(0), owner,
                ": expected z_noisy and u of as many rows but got ", z_noisy.size(0), " and ",
                u.size(0), ".");
  }
}

/// Check that what a combinator returns has the shape, the type and the device of `u`. A cost would
/// name the target instead, which fits.
inline void check_z_hat(const at::Tensor& z_hat, const at::Tensor& u) {
  TORCH_CHECK(z_hat.defined() && z_hat.sizes() == u.sizes() &&
                  z_hat.scalar_type() == u.scalar_type() && z_hat.device() == u.device(),
              "Combinator: expected z^ to be ", type_and_shape_text(u), " on ", u.device(),
              " like u but got ", type_and_shape_text(z_hat),
              z_hat.defined() ? c10::str(" on ", z_hat.device()) : std::string(), ".");
}

}  // namespace ladder
