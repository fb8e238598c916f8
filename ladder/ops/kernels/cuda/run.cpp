#include "ladder/ops/kernels/cuda/run.h"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

namespace ladder::ops::cuda {
namespace {

Stream current_stream() { return c10::cuda::getCurrentCUDAStream().stream(); }

at::Tensor floats(const at::Tensor& like, int64_t count) {
  return at::empty({count}, like.options().dtype(at::kFloat));
}

template <class T>
T* data(const at::Tensor& t) {
  return t.defined() ? static_cast<T*>(t.mutable_data_ptr()) : nullptr;
}

}  // namespace

template <class T>
void run(const AddNoise<T>& args, const at::Tensor& like) {
  const c10::cuda::CUDAGuard guard(like.device());
  add_noise(args, current_stream());
}

template <class T>
void run(const NormaliseForward<T>& args, const at::Tensor& like) {
  const c10::cuda::CUDAGuard guard(like.device());
  const auto workspace =
      floats(like, normalise_workspace(args.groups, args.group_count, args.cols));
  normalise_forward(args, data<float>(workspace), current_stream());
}

template <class T>
void run(const NormaliseBackward<T>& args, const at::Tensor& like) {
  const c10::cuda::CUDAGuard guard(like.device());
  const auto workspace =
      floats(like, normalise_workspace(args.groups, args.group_count, args.cols));
  normalise_backward(args, data<float>(workspace), current_stream());
}

template <class T>
void run(const DenoiseForward<T>& args, const at::Tensor& cost) {
  const c10::cuda::CUDAGuard guard(cost.device());
  const auto workspace = floats(cost, denoise_workspace(args.rows, args.cols));
  const auto partial =
      at::empty({denoise_blocks(args.rows, args.cols)}, cost.options().dtype(at::kDouble));
  denoise_forward(args, data<T>(cost), data<double>(partial), data<float>(workspace),
                  current_stream());
}

template <class T>
void run(const DenoiseBackward<T>& args, const at::Tensor& like, const at::Tensor& grad_cost) {
  const c10::cuda::CUDAGuard guard(like.device());
  const auto workspace = floats(like, denoise_workspace(args.rows, args.cols));
  denoise_backward<T>(args, data<T>(grad_cost), data<float>(workspace), current_stream());
}

#define LADDER_INSTANTIATE(T)                                        \
  template void run(const AddNoise<T>&, const at::Tensor&);          \
  template void run(const NormaliseForward<T>&, const at::Tensor&);  \
  template void run(const NormaliseBackward<T>&, const at::Tensor&); \
  template void run(const DenoiseForward<T>&, const at::Tensor&);    \
  template void run(const DenoiseBackward<T>&, const at::Tensor&, const at::Tensor&);
LADDER_INSTANTIATE(float)
LADDER_INSTANTIATE(BFloat16)
#undef LADDER_INSTANTIATE

}  // namespace ladder::ops::cuda
