/// The formulas of the fused operators, each once: for CPU vectors and CUDA threads (portable.h).
#pragma once

#include "ladder/core/activation.h"
#include "ladder/core/internal/portable.h"
#include "ladder/ops/kernels/arguments.h"

namespace ladder::ops {

// ---- statistics and normalisation ---------------------------------------------------------------

/// (x - mean) / std, by scale = 1 / std.
template <class M>
LADDER_FORMULA typename M::Value standardise(typename M::Value x, typename M::Value mean,
                                             typename M::Value scale) {
  return (x - mean) * scale;
}

/// Merge the statistics of more rows into those of `rows` rows [Chan, Golub, LeVeque 1983]: means,
/// and sums of squared differences from them. `share` is the more rows over all rows.
template <class M>
LADDER_FORMULA void merge_statistics(typename M::Value& mean, typename M::Value& squares,
                                     typename M::Value more_mean, typename M::Value more_squares,
                                     typename M::Scalar share, typename M::Scalar rows) {
  const typename M::Value shift = more_mean - mean;
  mean += shift * share;
  squares += more_squares + shift * shift * (share * rows);
}

/// Correct a rounded mean of `count` rows, and the squares of the deviations from it, by the sum
/// `rest` of these deviations [Chan, Golub, LeVeque 1983]. Squares that are not finite stay.
template <class M>
LADDER_FORMULA void correct_statistics(typename M::Value& mean, typename M::Value& squares,
                                       typename M::Value rest, typename M::Scalar count) {
  using V = typename M::Value;
  using T = typename M::Scalar;
  const V shift = rest / count;
  const V corrected = squares - rest * shift;
  const V at_least_0 = corrected > T(0) ? corrected : M::fill(T(0));
  const V corrected_mean = mean + shift;
  mean = squares < M::kInfinity ? corrected_mean : mean;
  squares = squares < M::kInfinity ? at_least_0 : squares;
}

/// The gradient of standardised values `value` goes back to x by way of the statistics too:
///
///     grad_x = grad * scale + constant + value * slope
///     constant = (grad_mean - scale * sum(grad)) / rows
///     slope = (grad_std - scale * sum(grad * value)) / rows
///
/// This is the second term of `constant` or `slope`; `share` is 1 / rows, or 0 for statistics that
/// were not measured on these rows.
template <class M>
LADDER_FORMULA typename M::Value through_statistic(typename M::Value scale, typename M::Value sum,
                                                   typename M::Scalar share) {
  return -scale * sum * share;
}

template <class M>
LADDER_FORMULA typename M::Value standardise_gradient(typename M::Value grad,
                                                      typename M::Value value,
                                                      typename M::Value scale,
                                                      typename M::Value constant,
                                                      typename M::Value slope) {
  return grad * scale + constant + value * slope;
}

// ---- activations --------------------------------------------------------------------------------

/// True if the graph is two lines that meet at 0, the upper one with slope 1.
template <class M>
LADDER_FORMULA bool consists_of_lines(Activation activation) {
  return activation == Activation::kIdentity || activation == Activation::kRelu ||
         activation == Activation::kLeakyRelu;
}

/// The slope of the lower line.
template <class M>
LADDER_FORMULA typename M::Scalar slope_below(Activation activation,
                                              typename M::Scalar leaky_slope) {
  using T = typename M::Scalar;
  return activation == Activation::kRelu        ? T(0)
         : activation == Activation::kLeakyRelu ? leaky_slope
                                                : T(1);
}

/// Where the lower line starts: a flat one at the lowest number, since 0 times infinity is not 0.
template <class M>
LADDER_FORMULA typename M::Scalar start_of_lines(typename M::Scalar below) {
  return below == typename M::Scalar(0) ? M::kLowest : -M::kInfinity;
}

/// The two lines at a, given the slope of the lower one and where it starts.
template <class M>
LADDER_FORMULA typename M::Value activate_lines(typename M::Value a, typename M::Value below,
                                                typename M::Value start) {
  const typename M::Value started = a < start ? start : a;  // keeps NaN
  return a > typename M::Scalar(0) ? a : started * below;
}

/// The slope of the two lines at a, and at h = act(a), which has the sign of a.
template <class M>
LADDER_FORMULA typename M::Value slope_of_lines(typename M::Value a, typename M::Value below) {
  return a > typename M::Scalar(0) ? M::fill(1) : below;
}

/// tanh or GELU.
template <class M>
LADDER_FORMULA typename M::Value activate_curve(Activation activation, typename M::Value a) {
  using T = typename M::Scalar;
  if (activation == Activation::kTanh) {
    return M::hyperbolic_tangent(a);
  }
  return a * T(0.5) * (M::error_function(a * T(0.70710678118654752440)) + T(1));
}

template <class M>
LADDER_FORMULA typename M::Value activate(Activation activation, typename M::Scalar leaky_slope,
                                          typename M::Value a) {
  if (!consists_of_lines<M>(activation)) {
    return activate_curve<M>(activation, a);
  }
  const typename M::Scalar below = slope_below<M>(activation, leaky_slope);
  return activate_lines<M>(a, M::fill(below), M::fill(start_of_lines<M>(below)));
}

/// The slope of tanh from its value.
template <class M>
LADDER_FORMULA typename M::Value tanh_slope_at_value(typename M::Value h) {
  return typename M::Scalar(1) - h * h;
}

/// act'(a).
template <class M>
LADDER_FORMULA typename M::Value activation_slope(Activation activation,
                                                  typename M::Scalar leaky_slope,
                                                  typename M::Value a) {
  using T = typename M::Scalar;
  if (consists_of_lines<M>(activation)) {
    return slope_of_lines<M>(a, M::fill(slope_below<M>(activation, leaky_slope)));
  }
  if (activation == Activation::kTanh) {
    return tanh_slope_at_value<M>(M::hyperbolic_tangent(a));
  }
  const typename M::Value density =
      M::exponential(a * a * T(-0.5)) * T(0.39894228040143267794);  // of the normal distribution
  return (M::error_function(a * T(0.70710678118654752440)) + T(1)) * T(0.5) + a * density;
}

/// act'(a) from h = act(a): not for GELU, nor for a leaky ReLU whose slope is not positive.
template <class M>
LADDER_FORMULA typename M::Value activation_slope_at_value(Activation activation,
                                                           typename M::Scalar leaky_slope,
                                                           typename M::Value h) {
  return activation == Activation::kTanh
             ? tanh_slope_at_value<M>(h)
             : slope_of_lines<M>(h, M::fill(slope_below<M>(activation, leaky_slope)));
}

// ---- denoising functions ------------------------------------------------------------------------

template <class M>
LADDER_FORMULA typename M::Value sigmoid(typename M::Value x) {
  return typename M::Scalar(1) / (M::exponential(-x) + typename M::Scalar(1));
}

/// Denoising functions g(z, u) of fixed form: `value`, and `gradient`, which sets the gradients of
/// z and u and adds those of the parameters, where g is the gradient of the value.

/// g = (z - mu(u)) v(u) + mu(u); mu = a1 sigmoid(a2 u + a3) + a4 u + a5, v likewise of a6..a10, and
/// with kSigmoid through a sigmoid [Rasmus2015, eq. 9-10].
template <class M, bool kSigmoid>
struct GaussianFormula {
  static constexpr int kParameters = parameters_of(CombinatorFunction::kGaussian);
  using V = typename M::Value;
  using T = typename M::Scalar;

  static LADDER_FORMULA V value(const V* w, V z, V u) {
    const V mu = w[0] * sigmoid<M>(w[1] * u + w[2]) + w[3] * u + w[4];
    V v = w[5] * sigmoid<M>(w[6] * u + w[7]) + w[8] * u + w[9];
    if constexpr (kSigmoid) {
      v = sigmoid<M>(v);
    }
    return (z - mu) * v + mu;
  }

  static LADDER_FORMULA void gradient(const V* w, V z, V u, V g, V& grad_z, V& grad_u, V* grad_w) {
    const V s = sigmoid<M>(w[1] * u + w[2]);
    const V t = sigmoid<M>(w[6] * u + w[7]);
    const V mu = w[0] * s + w[3] * u + w[4];
    V v = w[5] * t + w[8] * u + w[9];
    V grad_v = g * (z - mu);
    if constexpr (kSigmoid) {
      v = sigmoid<M>(v);
      grad_v *= v * (T(1) - v);
    }
    const V grad_mu = g * (T(1) - v);
    const V grad_s = grad_mu * w[0] * s * (T(1) - s);
    const V grad_t = grad_v * w[5] * t * (T(1) - t);
    grad_z = g * v;
    grad_u = grad_s * w[1] + grad_mu * w[3] + grad_t * w[6] + grad_v * w[8];
    grad_w[0] += grad_mu * s;
    grad_w[1] += grad_s * u;
    grad_w[2] += grad_s;
    grad_w[3] += grad_mu * u;
    grad_w[4] += grad_mu;
    grad_w[5] += grad_v * t;
    grad_w[6] += grad_t * u;
    grad_w[7] += grad_t;
    grad_w[8] += grad_v * u;
    grad_w[9] += grad_v;
  }
};

/// g = b0 + w0z z + w0u u + w0zu z u + ws sigmoid(b1 + w1z z + w1u u + w1zu z u)
/// [Pezeshki2016, eq. 2-3].
template <class M>
struct VanillaFormula {
  static constexpr int kParameters = parameters_of(CombinatorFunction::kVanilla);
  using V = typename M::Value;
  using T = typename M::Scalar;

  static LADDER_FORMULA V value(const V* w, V z, V u) {
    const V zu = z * u;
    return w[0] + w[1] * z + w[2] * u + w[3] * zu +
           w[4] * sigmoid<M>(w[5] + w[6] * z + w[7] * u + w[8] * zu);
  }

  static LADDER_FORMULA void gradient(const V* w, V z, V u, V g, V& grad_z, V& grad_u, V* grad_w) {
    const V zu = z * u;
    const V s = sigmoid<M>(w[5] + w[6] * z + w[7] * u + w[8] * zu);
    const V grad_s = g * w[4] * s * (T(1) - s);
    grad_z = g * (w[1] + w[3] * u) + grad_s * (w[6] + w[8] * u);
    grad_u = g * (w[2] + w[3] * z) + grad_s * (w[7] + w[8] * z);
    grad_w[0] += g;
    grad_w[1] += g * z;
    grad_w[2] += g * u;
    grad_w[3] += g * zu;
    grad_w[4] += g * s;
    grad_w[5] += grad_s;
    grad_w[6] += grad_s * z;
    grad_w[7] += grad_s * u;
    grad_w[8] += grad_s * zu;
  }
};

// ---- the denoising cost -------------------------------------------------------------------------

/// (z_hat - mean) / std - target.
template <class M>
LADDER_FORMULA typename M::Value denoising_error(typename M::Value z_hat, typename M::Value target,
                                                 typename M::Value mean, typename M::Value scale) {
  return standardise<M>(z_hat, mean, scale) - target;
}

/// The gradient of factor / 2 times the squared error: returns that of the error and adds those of
/// z_hat, mean and std.
template <class M>
LADDER_FORMULA typename M::Value denoising_error_gradient(
    typename M::Value z_hat, typename M::Value target, typename M::Value mean,
    typename M::Value scale, typename M::Scalar factor, typename M::Value& grad_z_hat,
    typename M::Value& grad_mean, typename M::Value& grad_std) {
  using V = typename M::Value;
  const V rescaled = standardise<M>(z_hat, mean, scale);
  const V grad_error = (rescaled - target) * factor;
  const V through = grad_error * scale;
  grad_z_hat += through;
  grad_mean -= through;
  grad_std -= through * rescaled;
  return grad_error;
}

}  // namespace ladder::ops
