/// LibTorch's TF32 settings of CUDA, for a while.
#pragma once

#include <ATen/Context.h>

namespace ladder::ops {

/// Allow or forbid TF32 in matrix products and convolutions on CUDA while it lives, and put back
/// what was set before, whether by LibTorch's older flags (`setFloat32MatmulPrecision`, say) or by
/// `setFloat32Precision`. The settings belong to the process; a scope inside of one that wants the
/// same writes nothing, so that threads may make such scopes while the outer one lives.
///
/// Reads and writes the precisions themselves: the getters of the older flags throw where both
/// interfaces were used, and their setters change other flags as well.
class TensorFloat32Scope {
 public:
  explicit TensorFloat32Scope(bool allowed)
      : matrices_(precision(at::Float32Op::MATMUL)), convolutions_(precision(at::Float32Op::CONV)) {
    const auto wanted = allowed ? at::Float32Precision::TF32 : at::Float32Precision::IEEE;
    changes_ = matrices_ != wanted || convolutions_ != wanted;
    if (changes_) set(wanted, wanted);
  }
  TensorFloat32Scope(const TensorFloat32Scope&) = delete;
  TensorFloat32Scope& operator=(const TensorFloat32Scope&) = delete;
  ~TensorFloat32Scope() {
    if (changes_) set(matrices_, convolutions_);
  }

 private:
  static at::Float32Precision precision(at::Float32Op op) {
    return at::globalContext().float32Precision(at::Float32Backend::CUDA, op);
  }
  static void set(at::Float32Precision matrices, at::Float32Precision convolutions) {
    auto& context = at::globalContext();
    context.setFloat32Precision(at::Float32Backend::CUDA, at::Float32Op::MATMUL, matrices);
    context.setFloat32Precision(at::Float32Backend::CUDA, at::Float32Op::CONV, convolutions);
  }

  at::Float32Precision matrices_, convolutions_;
  bool changes_ = false;
};

}  // namespace ladder::ops
