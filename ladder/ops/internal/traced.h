/// Tensors without memory: what torch.compile and torch.export record an operator with.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/DispatchKeySet.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <optional>

namespace ladder::ops {

/// True if `x` is a tensor of Python's dispatcher (a FakeTensor, say), or if a mode of it is
/// active. An operator must then reach its kernels through the dispatcher, which records them or
/// computes only shapes: there may be no memory to read.
inline bool is_traced(const at::Tensor& x) {
  constexpr c10::DispatchKeySet kTracing(
      {c10::DispatchKey::Python, c10::DispatchKey::Functionalize});
  return x.key_set().has_any(kTracing) ||
         c10::impl::tls_local_dispatch_key_set().included_.has(c10::DispatchKey::Python);
}

/// Return an uninitialised dense tensor of the shape of `x`, whose sizes may be symbols.
inline at::Tensor dense_like(const at::Tensor& x) {
  return at::empty_symint(x.sym_sizes(), x.options());
}
/// The same for an optional tensor; an operator must return some tensor, so an empty one for none.
inline at::Tensor dense_like(const std::optional<at::Tensor>& x, const at::Tensor& other) {
  return x ? dense_like(*x) : at::empty({0}, other.options());
}

}  // namespace ladder::ops
