#include "ladder/nn/upsample_map.h"

#include <torch/torch.h>

namespace ladder {
namespace {

// Which of `count` values each of `size` rows takes.
torch::Tensor sources(int64_t size, int64_t scale, int64_t padding, int64_t count,
                      torch::Device device) {
  return torch::arange(padding, padding + size, torch::TensorOptions(torch::kLong).device(device))
      .div(scale, "floor")
      .clamp_max(count - 1);
}

}  // namespace

UpsampleMapImpl::UpsampleMapImpl(UpsampleMapOptions options_) : options(options_) {
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
  if (maps.size(2) * options.scale[0] >= above + rows &&
      maps.size(3) * options.scale[1] >= left + columns) {
    // Copied in one piece; its gradient is a sum over windows, in one order on every device.
    return maps
        .movedim(1, -1)  // [M, I, J, C]
        .unsqueeze(3)
        .unsqueeze(2)
        .expand({-1, -1, options.scale[0], -1, options.scale[1], -1})
        .reshape({maps.size(0), maps.size(2) * options.scale[0], maps.size(3) * options.scale[1],
                  maps.size(1)})
        .narrow(1, above, rows)
        .narrow(2, left, columns)
        .contiguous()
        .movedim(-1, 1);
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
