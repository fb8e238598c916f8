#include "ladder/ops/convolve.h"

#include <ATen/ATen.h>
#include <ATen/ceil_div.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <tuple>

#include "ladder/core/internal/threads.h"
#include "ladder/ops/internal/autograd.h"
#include "ladder/ops/kernels/cpu/winograd.h"
#include "ladder/ops/product.h"

namespace ladder::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using Size = std::array<int64_t, 2>;

enum class ConvolutionForm { kPointwise, kUnfolded, kWinograd, kConvolution };

// Whether Winograd's form takes the operands and gains: its tiles of 4 x 4 fit the positions well
// enough to spare half of the multiplications, and there are enough of those to pay for its
// transforms.
bool suits_winograd(const at::Tensor& weight, Size positions, const ConvolveGeometry& geometry) {
  constexpr int64_t kMinProducts = 512;
  const auto tiles =
      at::ceil_div(positions[0], cpu::kTile) * at::ceil_div(positions[1], cpu::kTile);
  return weight.is_cpu() && weight.scalar_type() == at::kFloat && weight.size(2) == 3 &&
         weight.size(3) == 3 && geometry.stride == Size{1, 1} &&
         geometry.padding[0] == geometry.padding[1] && geometry.padding[0] <= 2 &&
         std::min(weight.size(0), weight.size(1)) >= cpu::kMinChannels &&
         weight.size(0) * weight.size(1) >= kMinProducts &&
         2 * cpu::kTransformed * tiles <= 9 * positions[0] * positions[1] &&
         cpu::has_wide_kernels();
}

ConvolutionForm form_of(const at::Tensor& weight, Size positions,
                        const ConvolveGeometry& geometry) {
  const auto kernel = weight.size(2) * weight.size(3);
  if (kernel == 1 && geometry.padding == Size{0, 0}) {
    return ConvolutionForm::kPointwise;
  }
  if (kernel >= positions[0] * positions[1]) {
    return ConvolutionForm::kUnfolded;
  }
  return suits_winograd(weight, positions, geometry) ? ConvolutionForm::kWinograd
                                                     : ConvolutionForm::kConvolution;
}

struct Windows {
  Size map;     // rows and columns, padding included
  Size kernel;  // of a window
  Size stride;

  Size positions() const {
    return {(map[0] - kernel[0]) / stride[0] + 1, (map[1] - kernel[1]) / stride[1] + 1};
  }
  at::IntArrayRef flat() const { return {map.data(), 6}; }
};
static_assert(sizeof(Windows) == 6 * sizeof(int64_t));

// [R, H, W, C] -> [R I J, P Q C], a row for each position of the window.
at::Tensor unfold(const at::Tensor& maps, const Windows& windows) {
  const auto dense = maps.contiguous();
  const auto channels = dense.size(3);
  const auto [i, j] = windows.positions();
  const auto [p, q] = windows.kernel;
  const auto row = dense.stride(1);
  const auto column = dense.stride(2);
  return dense
      .as_strided({dense.size(0), i, j, p, q, channels},
                  {dense.stride(0), row * windows.stride[0], column * windows.stride[1], row,
                   column, dense.stride(3)})
      .reshape({dense.size(0) * i * j, p * q * channels});
}

// [R I J, P Q C] -> [R, H, W, C], windows added where they overlap.
at::Tensor fold(const at::Tensor& rows, const Windows& windows) {
  const auto [i, j] = windows.positions();
  const auto [p, q] = windows.kernel;
  const auto channels = rows.size(1) / (p * q);
  const auto parts = rows.reshape({-1, i, j, p, q, channels});
  const auto [down, across] = windows.stride;
  auto maps = at::zeros({parts.size(0), windows.map[0], windows.map[1], channels}, rows.options());
  if (i * j <= p * q) {  // the fewer additions
    for (int64_t a = 0; a < i; ++a) {
      for (int64_t b = 0; b < j; ++b) {
        maps.narrow(1, a * down, p).narrow(2, b * across, q).add_(parts.select(1, a).select(1, b));
      }
    }
    return maps;
  }
  for (int64_t a = 0; a < p; ++a) {
    for (int64_t b = 0; b < q; ++b) {
      maps.slice(1, a, a + (i - 1) * down + 1, down)
          .slice(2, b, b + (j - 1) * across + 1, across)
          .add_(parts.select(3, a).select(3, b));
    }
  }
  return maps;
}

// Unfolding and folding are each other's adjoint.
template <bool kUnfold>
class WindowFunction : public torch::autograd::Function<WindowFunction<kUnfold>> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const Windows& windows) {
    ctx->saved_data["windows"] = windows.flat().vec();
    return kUnfold ? unfold(x, windows) : fold(x, windows);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto flat = ctx->saved_data["windows"].toIntVector();
    const Windows windows{{flat[0], flat[1]}, {flat[2], flat[3]}, {flat[4], flat[5]}};
    return {WindowFunction<!kUnfold>::apply(grads[0], windows), at::Tensor()};
  }
};

at::Tensor rows_of_windows(const at::Tensor& maps, const Windows& windows) {
  return WindowFunction<true>::apply(maps, windows);
}

at::Tensor sum_of_windows(const at::Tensor& rows, const Windows& windows) {
  return WindowFunction<false>::apply(rows, windows);
}

Size padded(Size size, const ConvolveGeometry& geometry) {
  return {size[0] + 2 * geometry.padding[0], size[1] + 2 * geometry.padding[1]};
}

// [O, C, P, Q] -> [O, P Q C]
at::Tensor weight_rows(const at::Tensor& weight) {
  return weight.permute({0, 2, 3, 1}).reshape({weight.size(0), -1});
}

void check_operands(const char* op, const at::Tensor& x, const at::Tensor& weight, int64_t channels,
                    const ConvolveGeometry& geometry) {
  TORCH_CHECK(x.dim() == 4 && weight.dim() == 4, op,
              ": expected feature maps [R, C, H, W] and a weight [O, C, P, Q] but got ", x.sizes(),
              " and ", weight.sizes(), ".");
  TORCH_CHECK(x.size(1) == channels, op, ": expected ", channels, " channels but got ", x.size(1),
              ".");
  TORCH_CHECK(x.scalar_type() == weight.scalar_type(), op, ": expected a weight of type ",
              x.scalar_type(), " but got ", weight.scalar_type(), ".");
  TORCH_CHECK(x.device() == weight.device(), op, ": expected a weight on ", x.device(),
              " but got it on ", weight.device(), ".");
  TORCH_CHECK(geometry.stride[0] > 0 && geometry.stride[1] > 0, op,
              ": expected a stride of at least 1 but got ", at::IntArrayRef(geometry.stride), ".");
}

// at::convolution, or its adjoint to maps with `output_padding` rows and columns more than the
// least.
at::Tensor general_convolution(const at::Tensor& x, const at::Tensor& weight,
                               const ConvolveGeometry& geometry, bool transposed = false,
                               Size output_padding = {0, 0}) {
  const bool round = product_plan().precision == ProductPrecision::kBFloat16 &&
                     x.scalar_type() == at::kFloat && (x.is_cpu() || x.is_cuda());
  const auto type = round ? at::kBFloat16 : x.scalar_type();
  if (x.is_cpu()) {
    threads::note_openmp();
  }
  const auto y = at::convolution(channels_last(x.to(type)), channels_last(weight.to(type)), {},
                                 geometry.stride, geometry.padding, {1, 1}, transposed,
                                 output_padding, /*groups=*/1);
  return channels_last(y.to(x.scalar_type()));
}

cpu::WinogradShape winograd_shape(const at::Tensor& x, int64_t out, int64_t padding) {
  return {x.size(0), x.size(2), x.size(3), x.size(1), out, padding};
}

// y [R, O, ...] of x [R, C, ...] by kernels [3, 3, C, O].
at::Tensor winograd(const at::Tensor& x, const at::Tensor& kernels, int64_t padding) {
  const auto maps = channels_last(x);
  const auto g = kernels.contiguous();
  const auto shape = winograd_shape(maps, g.size(3), padding);
  const auto u = at::empty({cpu::kTransformed, shape.in, shape.out}, x.options());
  const auto y =
      at::empty({shape.rows * shape.out_height() * shape.out_width(), shape.out}, x.options());
  cpu::winograd_transform(shape, cpu::kernels(), g.const_data_ptr<float>(),
                          u.mutable_data_ptr<float>());
  cpu::winograd_convolve(shape, cpu::kernels(), maps.const_data_ptr<float>(),
                         u.const_data_ptr<float>(), y.mutable_data_ptr<float>());
  return matrix_to_maps(y, {shape.out_height(), shape.out_width()});
}

// Of weight [O, C, 3, 3].
at::Tensor winograd_weight_gradient(const at::Tensor& x, const at::Tensor& grad_y,
                                    int64_t padding) {
  const auto maps = channels_last(x);
  const auto grad = channels_last(grad_y);
  const auto shape = winograd_shape(maps, grad.size(1), padding);
  const auto parts =
      at::empty({cpu::winograd_parts(shape), cpu::kTransformed, shape.in, shape.out}, x.options());
  const auto grad_g = at::empty({3, 3, shape.in, shape.out}, x.options());
  cpu::winograd_gradient(shape, cpu::kernels(), maps.const_data_ptr<float>(),
                         grad.const_data_ptr<float>(), parts.mutable_data_ptr<float>(),
                         grad_g.mutable_data_ptr<float>());
  return grad_g.permute({3, 2, 0, 1}).contiguous();
}

// The operands of the convolution, or their gradients.
struct WinogradInputs {
  at::Tensor x, weight;

  auto fields() { return std::tie(x, weight); }
};

// The convolution by weight [O, C, 3, 3], or with `transposed` its adjoint, which is a convolution
// too: by the kernels turned about, over a border that makes up for the one that was not there.
class WinogradFunction : public torch::autograd::Function<WinogradFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            int64_t padding, bool transposed) {
    ctx->save_for_backward(to_list(WinogradInputs{x, weight}));
    ctx->saved_data["padding"] = padding;
    ctx->saved_data["transposed"] = transposed;
    return transposed ? winograd(x, weight.flip({2, 3}).permute({2, 3, 0, 1}), 2 - padding)
                      : winograd(x, weight.permute({2, 3, 1, 0}), padding);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto [x, weight] = from_list<WinogradInputs>(ctx->get_saved_variables());
    const auto& grad = grads[0];
    const auto padding = ctx->saved_data["padding"].toInt();
    const bool transposed = ctx->saved_data["transposed"].toBool();
    WinogradInputs result;
    if (ctx->needs_input_grad(0)) {
      result.x = apply(grad, weight, padding, !transposed);
    }
    if (ctx->needs_input_grad(1)) {
      const auto& maps = transposed ? grad : x;
      const auto& positions = transposed ? x : grad;
      result.weight = at::GradMode::is_enabled()  // a graph of the gradient is wanted
                          ? direct_weight_gradient(maps, positions, weight, padding)
                          : winograd_weight_gradient(maps, positions, padding);
    }
    return to_list(result, /*more=*/2);
  }

 private:
  static at::Tensor direct_weight_gradient(const at::Tensor& maps, const at::Tensor& positions,
                                           const at::Tensor& weight, int64_t padding) {
    return std::get<1>(at::convolution_backward(positions, maps, weight, {}, {1, 1},
                                                {padding, padding}, {1, 1}, false, {0, 0}, 1,
                                                {false, true, false}));
  }
};

Size kernel_of(const at::Tensor& weight) { return {weight.size(2), weight.size(3)}; }

}  // namespace

std::array<int64_t, 2> convolved_size(std::array<int64_t, 2> size, std::array<int64_t, 2> kernel,
                                      const ConvolveGeometry& geometry) {
  const auto all = padded(size, geometry);
  TORCH_CHECK(geometry.stride[0] > 0 && geometry.stride[1] > 0,
              "convolved_size: expected a stride of at least 1 but got ",
              at::IntArrayRef(geometry.stride), ".");
  TORCH_CHECK(geometry.padding[0] >= 0 && geometry.padding[1] >= 0,
              "convolved_size: expected a padding of at least 0 but got ",
              at::IntArrayRef(geometry.padding), ".");
  TORCH_CHECK(kernel[0] > 0 && kernel[1] > 0 && kernel[0] <= all[0] && kernel[1] <= all[1],
              "convolved_size: expected a kernel of at most ", at::IntArrayRef(all),
              ", the map with its padding, but got ", at::IntArrayRef(kernel), ".");
  return Windows{all, kernel, geometry.stride}.positions();
}

at::Tensor maps_to_matrix(const at::Tensor& maps) {
  return maps.dim() <= 2 ? maps : maps.movedim(1, -1).reshape({-1, maps.size(1)});
}

at::Tensor matrix_to_maps(const at::Tensor& matrix, at::IntArrayRef spatial) {
  const auto positions = c10::multiply_integers(spatial);
  TORCH_CHECK(positions > 0, "matrix_to_maps: expected feature maps with a position but got ",
              spatial, ".");
  std::vector<int64_t> sizes = {matrix.size(0) / positions};
  sizes.insert(sizes.end(), spatial.begin(), spatial.end());
  sizes.push_back(matrix.size(1));
  // Through a vector, a single channel gets the stride 1 by which kernels know that it is last.
  const auto values = matrix.size(1) == 1 ? matrix.reshape({-1}) : matrix;
  return values.reshape(sizes).movedim(-1, 1);
}

at::Tensor channels_last(const at::Tensor& maps) {
  // A single row is a matrix without a copy, of any strides.
  return matrix_to_maps(maps_to_matrix(maps).contiguous(), maps.sizes().slice(2));
}

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight,
                    const ConvolveGeometry& geometry) {
  check_operands("convolve", x, weight, weight.dim() == 4 ? weight.size(1) : 0, geometry);
  const auto kernel = kernel_of(weight);
  const auto positions = convolved_size({x.size(2), x.size(3)}, kernel, geometry);
  const auto [rows, columns] = geometry.padding;
  switch (form_of(weight, positions, geometry)) {
    case ConvolutionForm::kPointwise: {
      const auto [down, across] = geometry.stride;
      const auto seen =
          down == 1 && across == 1 ? x : x.slice(2, 0, {}, down).slice(3, 0, {}, across);
      return matrix_to_maps(ops::linear(maps_to_matrix(seen), weight.flatten(1)), positions);
    }
    case ConvolutionForm::kUnfolded: {
      auto maps = x.movedim(1, -1);  // [R, H, W, C]
      if (rows > 0 || columns > 0) {
        maps = at::constant_pad_nd(maps, {0, 0, columns, columns, rows, rows});
      }
      const Windows windows{{maps.size(1), maps.size(2)}, kernel, geometry.stride};
      return matrix_to_maps(ops::linear(rows_of_windows(maps, windows), weight_rows(weight)),
                            positions);
    }
    case ConvolutionForm::kWinograd:
      return WinogradFunction::apply(x, weight, rows, false);
    case ConvolutionForm::kConvolution:
      break;
  }
  return general_convolution(x, weight, geometry);
}

at::Tensor convolve_transposed(const at::Tensor& x, const at::Tensor& weight,
                               std::array<int64_t, 2> size, const ConvolveGeometry& geometry) {
  check_operands("convolve_transposed", x, weight, weight.dim() == 4 ? weight.size(0) : 0,
                 geometry);
  const auto kernel = kernel_of(weight);
  const Size positions = {x.size(2), x.size(3)};
  const auto expected = convolved_size(size, kernel, geometry);
  TORCH_CHECK(positions == expected, "convolve_transposed: expected feature maps of ",
              at::IntArrayRef(expected), " for a result of ", at::IntArrayRef(size), " but got ",
              at::IntArrayRef(positions), ".");
  const auto form = form_of(weight, positions, geometry);
  const auto [rows, columns] = geometry.padding;
  if (form == ConvolutionForm::kUnfolded ||
      (form == ConvolutionForm::kPointwise && (geometry.stride != Size{1, 1}))) {
    const Windows windows{padded(size, geometry), kernel, geometry.stride};
    const auto parts = ops::linear(maps_to_matrix(x), weight_rows(weight).t());  // [R I J, P Q C]
    return sum_of_windows(parts, windows)
        .narrow(1, rows, size[0])
        .narrow(2, columns, size[1])
        .movedim(-1, 1);
  }
  if (form == ConvolutionForm::kPointwise) {
    return matrix_to_maps(ops::linear(maps_to_matrix(x), weight.flatten(1).t()), size);
  }
  if (form == ConvolutionForm::kWinograd) {
    return WinogradFunction::apply(x, weight, rows, true);
  }
  Size output_padding;
  for (size_t d = 0; d < 2; ++d) {
    output_padding[d] =
        size[d] + 2 * geometry.padding[d] - ((positions[d] - 1) * geometry.stride[d] + kernel[d]);
  }
  return general_convolution(x, weight, geometry, /*transposed=*/true, output_padding);
}

}  // namespace ladder::ops
