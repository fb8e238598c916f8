#include "ladder/nn/maps/upsample_map.h"

#include <torch/torch.h>

#include "ladder/nn/internal/stage_input.h"
#include "ladder/nn/internal/unchanged.h"

namespace ladder {
namespace {

// Which of `count` values each of `size` rows takes.
torch::Tensor sources(int64_t size, int64_t scale, int64_t padding, int64_t count,
                      torch::Device device) {
  return torch::arange(padding, padding + size, torch::TensorOptions(torch::kLong).device(device))
      .div(scale, "floor")
      .clamp_max(count - 1);
}

using Size = std::array<int64_t, 2>;

// Every value of maps repeated over a window of `scale`, cut to `size` and copied in one piece.
torch::Tensor repeat(const torch::Tensor& maps, Size scale, Size begin, Size size) {
  return maps
      .movedim(1, -1)  // [M, I, J, C]
      .unsqueeze(3)
      .unsqueeze(2)
      .expand({-1, -1, scale[0], -1, scale[1], -1})
      .reshape({maps.size(0), maps.size(2) * scale[0], maps.size(3) * scale[1], maps.size(1)})
      .narrow(1, begin[0], size[0])
      .narrow(2, begin[1], size[1])
      .contiguous()
      .movedim(-1, 1);
}

// The same where windows begin with the map and none lies beyond it. The gradient is a sum over
// windows, in one order on every device: LibTorch's pooling takes it several times faster than the
// sum over repeated dimensions.
class RepeatFunction : public torch::autograd::Function<RepeatFunction> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* ctx, const torch::Tensor& maps,
                               at::IntArrayRef scale, at::IntArrayRef size) {
    ctx->saved_data["scale"] = scale.vec();
    return repeat(maps, {scale[0], scale[1]}, {0, 0}, {size[0], size[1]});
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto scale = ctx->saved_data["scale"].toIntVector();
    return {at::avg_pool2d(grads[0], scale, scale, /*padding=*/0, /*ceil_mode=*/true,
                           /*count_include_pad=*/true, /*divisor_override=*/1),
            torch::Tensor(), torch::Tensor()};
  }
};

}  // namespace

UpsampleMapImpl::UpsampleMapImpl(UpsampleMapOptions options_) : options(options_), built_(options) {
  for (const auto& sizes : {options.scale, options.out_size}) {
    TORCH_CHECK(sizes[0] > 0 && sizes[1] > 0,
                "UpsampleMap: expected a scale and an out_size of at least 1 but got ",
                at::IntArrayRef(options.scale), " and ", at::IntArrayRef(options.out_size), ".");
  }
  TORCH_CHECK(options.padding[0] >= 0 && options.padding[1] >= 0,
              "UpsampleMap: expected a padding of at least 0 but got ",
              at::IntArrayRef(options.padding), ".");
}

void UpsampleMapImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::UpsampleMap(" << options.scale[0] << "x" << options.scale[1] << ", to "
         << options.out_size[0] << "x" << options.out_size[1] << ")";
}

torch::Tensor UpsampleMapImpl::forward(const torch::Tensor& x) {
  check_unchanged("UpsampleMap", options, built_);
  TORCH_CHECK(
      x.dim() >= 2 && x.dim() <= 4,
      "UpsampleMap: expected rows [M, C], signals [M, C, J] or maps [M, C, I, J] but got an "
      "input of shape ",
      x.sizes(), ".");
  if (x.dim() == 3) {
    return forward(x.unsqueeze(2)).squeeze(2);
  }
  const auto [rows, columns] = options.out_size;
  const auto maps = x.dim() == 2 ? x.unflatten(1, {-1, 1, 1}) : x;
  if (maps.size(2) == 1 && maps.size(3) == 1) {
    return maps.expand({-1, -1, rows, columns});
  }
  const auto [above, left] = options.padding;
  const auto beyond = [&](size_t d) {  // places of the repeated maps that are cut off
    return maps.size(static_cast<int64_t>(d) + 2) * options.scale[d] - options.padding[d] -
           options.out_size[d];
  };
  if (beyond(0) >= 0 && beyond(1) >= 0) {
    const bool aligned =
        above == 0 && left == 0 && beyond(0) < options.scale[0] && beyond(1) < options.scale[1];
    return aligned ? RepeatFunction::apply(maps, at::IntArrayRef(options.scale),
                                           at::IntArrayRef(options.out_size))
                   : repeat(maps, options.scale, options.padding, options.out_size);
  }
  return maps.movedim(1, -1)
      .index_select(1, sources(rows, options.scale[0], above, maps.size(2), x.device()))
      .index_select(2, sources(columns, options.scale[1], left, maps.size(3), x.device()))
      .movedim(-1, 1);
}

torch::nn::AnyModule make_pooling_vertical(at::IntArrayRef in, std::array<int64_t, 2> stride,
                                           std::array<int64_t, 2> padding) {
  TORCH_CHECK(in.size() == 2 || in.size() == 3,
              "UpsampleMap: expected maps [C, H, W] to go back to but got rows of ", in, ".");
  return torch::nn::AnyModule(UpsampleMap(UpsampleMapOptions{
      .scale = stride, .out_size = {in.size() == 2 ? 1 : in[1], in.back()}, .padding = padding}));
}

}  // namespace ladder
