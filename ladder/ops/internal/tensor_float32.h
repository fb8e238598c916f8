/// LibTorch's TF32 settings of CUDA, for a while.
#pragma once

#include <ATen/Context.h>

#include <mutex>
#include <utility>
#include <vector>

namespace ladder::ops {

/// Allow or forbid TF32 in matrix products and convolutions on CUDA while it lives, and put back
/// what was set before, whether by LibTorch's older flags (`setFloat32MatmulPrecision`, say) or by
/// `setFloat32Precision`. The settings belong to the process: the newest scope that lives decides,
/// and the last one to end puts back what was there before the first. So threads may make scopes
/// that want the same, and end them in any order.
///
/// Reads and writes the precisions themselves: the getters of the older flags throw where both
/// interfaces were used, and their setters change other flags as well.
class TensorFloat32Scope {
 public:
  explicit TensorFloat32Scope(bool allowed) {
    const auto wanted = allowed ? at::Float32Precision::TF32 : at::Float32Precision::IEEE;
    const std::lock_guard lock(mutex);
    if (open.empty()) before = now();
    open.emplace_back(this, wanted);
    set({wanted, wanted});
  }
  TensorFloat32Scope(const TensorFloat32Scope&) = delete;
  TensorFloat32Scope& operator=(const TensorFloat32Scope&) = delete;
  ~TensorFloat32Scope() {
    const std::lock_guard lock(mutex);
    std::erase_if(open, [this](const auto& scope) { return scope.first == this; });
    set(open.empty() ? before : Settings{open.back().second, open.back().second});
  }

 private:
  struct Settings {
    at::Float32Precision matrices, convolutions;
    bool operator==(const Settings&) const = default;
  };

  static Settings now() {
    const auto precision = [](at::Float32Op op) {
      return at::globalContext().float32Precision(at::Float32Backend::CUDA, op);
    };
    return {precision(at::Float32Op::MATMUL), precision(at::Float32Op::CONV)};
  }
  static void set(const Settings& wanted) {
    if (wanted == now()) return;  // another thread may read them
    auto& context = at::globalContext();
    context.setFloat32Precision(at::Float32Backend::CUDA, at::Float32Op::MATMUL, wanted.matrices);
    context.setFloat32Precision(at::Float32Backend::CUDA, at::Float32Op::CONV, wanted.convolutions);
  }

  static inline std::mutex mutex = {};
  static inline Settings before = {};  // the first of `open`
  static inline std::vector<std::pair<const TensorFloat32Scope*, at::Float32Precision>> open = {};
};

}  // namespace ladder::ops
