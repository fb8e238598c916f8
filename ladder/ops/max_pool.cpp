#include "ladder/ops/max_pool.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ladder/ops/convolve.h"
#include "ladder/ops/internal/elements.h"
#include "ladder/ops/kernels/cpu/run.h"

namespace ladder::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

PooledMaps pooled(at::IntArrayRef maps, at::IntArrayRef size) {
  return {.height = maps[2],
          .width = maps[3],
          .channels = maps[1],
          .window_height = size[0],
          .window_width = size[1],
          .down = (maps[2] + size[0] - 1) / size[0],
          .across = (maps[3] + size[1] - 1) / size[1]};
}

// The maxima of channels-last maps; their places in the windows too where a gradient is wanted.
struct Pooled {
  at::Tensor y, place;
};

Pooled run_max_pool(const at::Tensor& maps, at::IntArrayRef size, bool with_places) {
  const auto shape = pooled(maps.sizes(), size);
  const std::array<int64_t, 4> sizes = {maps.size(0), shape.channels, shape.down, shape.across};
  Pooled result;
  result.y = at::empty(sizes, maps.options(), at::MemoryFormat::ChannelsLast);
  if (with_places) {
    result.place =
        at::empty(sizes, maps.options().dtype(at::kByte), at::MemoryFormat::ChannelsLast);
  }
  with_element(maps, [&]<class T>(T*) {
    if constexpr (kForCpu<T>) {
      cpu::run(MaxPoolForward<T>{.maps = shape,
                                 .x = data_or_null<T>(maps),
                                 .y = mutable_data_or_null<T>(result.y),
                                 .place = with_places ? result.place.mutable_data_ptr<uint8_t>()
                                                      : nullptr},
               maps.size(0));
    }
  });
  return result;
}

class MaxPoolFunction : public torch::autograd::Function<MaxPoolFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, at::IntArrayRef size) {
    const auto maps = channels_last(x);
    auto result = run_max_pool(maps, size, /*with_places=*/true);
    ctx->saved_data["sizes"] = maps.sizes();
    ctx->saved_data["size"] = size;
    ctx->save_for_backward({std::move(result.place)});
    return result.y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "max_pool: the gradient of a gradient is not supported (use torch::max_pool2d "
                "where you need it).");
    const auto place = ctx->get_saved_variables()[0];
    const auto sizes = ctx->saved_data["sizes"].toIntVector();
    const auto grad_y = channels_last(grads[0]);
    const auto grad_x = at::empty(sizes, grad_y.options(), at::MemoryFormat::ChannelsLast);
    with_element(grad_y, [&]<class T>(T*) {
      if constexpr (kForCpu<T>) {
        cpu::run(MaxPoolBackward<T>{.maps = pooled(sizes, ctx->saved_data["size"].toIntVector()),
                                    .grad_y = data_or_null<T>(grad_y),
                                    .place = place.const_data_ptr<uint8_t>(),
                                    .grad_x = mutable_data_or_null<T>(grad_x)},
                 sizes[0]);
      }
    });
    return {grad_x, at::Tensor()};
  }
};

}  // namespace

at::Tensor max_pool(const at::Tensor& x, std::array<int64_t, 2> size) {
  TORCH_CHECK(x.dim() == 4, "max_pool: expected feature maps [R, C, H, W] but got ", x.sizes(),
              ".");
  TORCH_CHECK(size[0] > 0 && size[1] > 0, "max_pool: expected a size of at least 1 but got ",
              at::IntArrayRef(size), ".");
  if (x.is_cpu() && has_kernel(x) && size[0] * size[1] <= kMaxPooled) {
    return at::GradMode::is_enabled() && x.requires_grad()
               ? MaxPoolFunction::apply(x, size)
               : run_max_pool(channels_last(x), size, /*with_places=*/false).y;
  }
  return channels_last(at::max_pool2d(channels_last(x), size, size, 0, 1, /*ceil_mode=*/true));
}

}  // namespace ladder::ops
