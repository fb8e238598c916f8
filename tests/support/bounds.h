/// How far rounding can move a result: the one place where the tests' numeric bounds come from.
///
/// Every bound follows from the type, the depth of the sums and the magnitudes, and none from what
/// one machine happened to give. In what follows u is the unit roundoff of a type with p bits of
/// significand, u = 2^-p: an operation rounded to nearest returns (a op b)(1 + d), |d| <= u.
///
/// n roundings in a row, in any order and with fused or separate multiplications, give a factor
/// 1 + t with
///
///     |t| <= gamma_n = n u / (1 - n u)                              [Higham2002, lemma 3.1]
///
/// Few roundings all go the same way, many do not: with mean zero and independent,
///
///     |t| <= exp(L sqrt(n) u + n u^2 / (1 - u)) - 1                 [Higham2019, theorem 2.4]
///
/// but for a probability of 2 exp(-L^2 / 2), which is 2.5e-14 with L = 8. gamma() is the smaller
/// one: the first up to n = 64, the second beyond.
///
/// *Sums and products.* c = sum_k a_k b_k in any order has at most K roundings on the way of each
/// term: |computed - c| <= gamma_K sum_k |a_k| |b_k|, whatever kernel, blocking, vector length or
/// number of threads. See product_bound.
///
/// *bfloat16.* Operands rounded to 8 bits change a product by at most (2 v + v^2)|a||b| with v =
/// 2^-8 (rounding_of_operands). vdpbf16ps adds the two products of a pair to the sum one after the
/// other, rounds each sum to nearest and takes subnormal numbers for zero, as inputs and as
/// results. A product of two bfloat16 numbers is exact in float32. So it is a sum of depth K as any
/// other, plus what was taken for zero, less than the least normal number m for each sum, and m
/// times the other factor for each operand (dot_bfloat16.h models it in scalars, in several
/// orders).
///
/// *Winograd's form.* The transforms of F(4x4, 3x3) multiply by up to 8 and cancel afterwards, so
/// the terms to count are those of the form, not those of the convolution: winograd_by_definition
/// is that form in float64, for rounding_of.
///
/// *Whole expressions.* A ladder's gradient has no closed bound that is worth anything. rounding_of
/// measures instead how the expression passes rounding errors on. It evaluates f in float64 while
/// every ATen operation, on the way forward and back, is disturbed: each element of its inputs by a
/// factor 1 +- sqrt(n) u, where the operation adds up n terms for an element of its result, and
/// each element of its results by 1 +- 2 u, signs at random. To first order the result moves by
/// sum_j (df/dv_j) v_j d_j over all intermediate values v_j, as it does by rounding, whose d_j have
/// no larger standard deviations: n independent roundings within u stay below sqrt(n) u, and one
/// operation does to an element what four roundings do at most (an elementary function within two
/// units in the last place). The root of the mean square over kDraws draws, at the element where it
/// is largest, is the standard deviation of that sum, and the bound is kDeviations of those
/// [Higham2019: errors with mean zero]. Disturbances are 2^-30 in place of u, which float64
/// resolves, and scaled to u: the sum is linear. Nothing in it depends on the machine, but for
/// float64 rounding. This is Monte Carlo arithmetic [Parker1997] with magnitudes that cover every
/// order of summation.
///
/// *Central differences.* (f(x + h) - f(x - h)) / 2h misses f'(x) by f''' h^2 / 6 + O(h^4), and the
/// same of 2h misses it by four times that: their difference is three times the first one. Rounding
/// adds at most 2 rounding_of(f) / 2h. See require_gradient in require_close.h.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/library.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "ladder/core/internal/threads.h"

namespace ladder::testing {

/// Half the distance from 1 to the next larger number.
inline double unit_roundoff(torch::Dtype dtype) {
  switch (dtype) {
    case torch::kDouble:
      return std::ldexp(1, -53);
    case torch::kFloat:
      return std::ldexp(1, -24);
    case torch::kHalf:
      return std::ldexp(1, -11);
    case torch::kBFloat16:
      return std::ldexp(1, -8);
    default:
      TORCH_CHECK(false, "unit_roundoff: expected a floating type but got ", dtype, ".");
  }
}

/// Least normal number of float32 and bfloat16: what is smaller may be taken for zero.
inline constexpr double kMinNormal = 0x1p-126;

/// Bound of the relative error of n roundings with unit roundoff u (see above).
inline double gamma(double n, double u) {
  constexpr double kLambda = 8;
  const double certain = n * u < 1 ? n * u / (1 - n * u) : std::numeric_limits<double>::infinity();
  return std::min(certain, std::expm1(kLambda * std::sqrt(n) * u + n * u * u / (1 - u)));
}
inline double gamma(double n, torch::Dtype dtype) { return gamma(n, unit_roundoff(dtype)); }

/// Largest |computed - exact| that a test accepts, by element: at most `share` of |exact| more than
/// `most`, which is a scalar or has the shape of the result.
struct Bound {
  torch::Tensor most = torch::zeros({}, torch::kDouble);
  double share = 0;

  Bound operator+(const Bound& other) const { return {most + other.most, share + other.share}; }
  Bound operator*(double factor) const { return {most * factor, share * factor}; }
};

/// Largest |actual - expected| beyond its bound: negative where all are within it.
inline double excess(const torch::Tensor& actual, const torch::Tensor& expected,
                     const Bound& bound) {
  const auto a = actual.detach().to(torch::kCPU, torch::kDouble);
  const auto b = expected.detach().to(torch::kCPU, torch::kDouble);
  TORCH_CHECK(bound.most.dim() == 0 || bound.most.sizes() == a.sizes(),
              "excess: expected a bound of shape ", a.sizes(), " or a scalar but got ",
              bound.most.sizes(), ".");
  const auto allowed = bound.most.to(torch::kCPU, torch::kDouble) + bound.share * b.abs();
  return ((a - b).abs() - allowed).max().item<double>();
}

/// n roundings of every element: of results that are not sums of larger terms.
inline Bound roundings(double n, torch::Dtype dtype) {
  return {torch::zeros({}, torch::kDouble), gamma(n, dtype)};
}

/// n roundings of terms of magnitude `of`, a number or a tensor of the result's shape.
inline Bound roundings(double n, torch::Dtype dtype, const torch::Tensor& of) {
  return {gamma(n, dtype) * of.detach().abs().to(torch::kDouble), 0};
}
inline Bound roundings(double n, torch::Dtype dtype, double of) {
  return roundings(n, dtype, torch::full({}, of, torch::kDouble));
}

/// A matrix product a b computed in `dtype`, with `more` roundings of each term: one where the
/// exact product is stored in that type, another for each operand that is rounded to it.
inline Bound product_bound(const torch::Tensor& a, const torch::Tensor& b,
                           torch::Dtype dtype = torch::kFloat, double more = 1) {
  const auto size = [](const torch::Tensor& t) { return t.detach().to(torch::kDouble).abs(); };
  const auto depth = static_cast<double>(a.size(-1));
  const auto x = size(a);
  const auto y = size(b);
  auto most = gamma(depth + more, dtype) * torch::matmul(x, y);
  if (dtype == torch::kFloat) {
    most = most + kMinNormal * (x.sum(-1, true) + y.sum(-2, true) + 2 * depth);
  }
  return {most, 0};
}

/// What rounding both operands with unit roundoff v, that of bfloat16 for one, changes in a matrix
/// product a b.
inline Bound rounding_of_operands(const torch::Tensor& a, const torch::Tensor& b,
                                  double v = 0x1p-8) {
  const auto size = [](const torch::Tensor& t) { return t.detach().to(torch::kDouble).abs(); };
  return {(2 * v + v * v) * torch::matmul(size(a), size(b)), 0};
}

/// A convolution of maps x [N, in, H, W] by a 3 x 3 kernel w [out, in, 3, 3] in Winograd's form
/// F(4x4, 3x3), by matrices: the transforms of [Lavin2016] with the points 0, 1, -1, 2, -2,
/// infinity.
inline torch::Tensor winograd_by_definition(const torch::Tensor& x, const torch::Tensor& w,
                                            int64_t padding) {
  const auto matrix = [](const std::vector<double>& values, int64_t columns) {
    return torch::tensor(values, torch::kDouble).reshape({-1, columns});
  };
  // clang-format off
  const auto b = matrix({4,  0, -5,  0, 1, 0,
                         0, -4, -4,  1, 1, 0,
                         0,  4, -4, -1, 1, 0,
                         0, -2, -1,  2, 1, 0,
                         0,  2, -1, -2, 1, 0,
                         0,  4,  0, -5, 0, 1}, 6);
  const auto g = matrix({6,  0,  0,
                        -4, -4, -4,
                        -4,  4, -4,
                         1,  2,  4,
                         1, -2,  4,
                         0,  0, 24}, 3) / 24;
  const auto a = matrix({1, 1,  1, 1,  1, 0,
                         0, 1, -1, 2, -2, 0,
                         0, 1,  1, 4,  4, 0,
                         0, 1, -1, 8, -8, 1}, 6);
  // clang-format on
  const int64_t height = x.size(2) + 2 * padding - 2;
  const int64_t width = x.size(3) + 2 * padding - 2;
  const int64_t down = (height + 3) / 4;
  const int64_t across = (width + 3) / 4;
  const auto padded = torch::constant_pad_nd(
      x, {padding, padding + 4 * across - width, padding, padding + 4 * down - height});
  const auto tiles = padded.unfold(2, 6, 4).unfold(3, 6, 4);  // [N, in, down, across, 6, 6]
  const auto d = torch::matmul(torch::matmul(b, tiles), b.t())
                     .permute({4, 5, 0, 2, 3, 1})
                     .reshape({36, -1, x.size(1)});
  const auto u = torch::matmul(torch::matmul(g, w), g.t()).permute({2, 3, 1, 0}).flatten(0, 1);
  const auto m = torch::bmm(d, u)  // [36, N down across, out]
                     .reshape({6, 6, x.size(0), down, across, w.size(0)})
                     .permute({2, 5, 3, 4, 0, 1});
  return torch::matmul(torch::matmul(a, m), a.t())  // [N, out, down, across, 4, 4]
      .permute({0, 1, 2, 4, 3, 5})
      .reshape({x.size(0), w.size(0), 4 * down, 4 * across})
      .slice(2, 0, height)
      .slice(3, 0, width);
}

// ---- whole expressions --------------------------------------------------------------------------

namespace bounds_detail {

inline constexpr double kDisturbance = 0x1p-30;  // stands for u
inline constexpr double kRoundingsOfAnOperation = 4;
inline constexpr int kDraws = 4;
inline constexpr double kDeviations = 8;

inline thread_local std::mt19937_64* generator = nullptr;  // of a draw, while f is disturbed

inline constexpr auto kMode = c10::DispatchKey::TESTING_ONLY_GenericMode;

// Of n roundings.
inline double disturbance(double n) { return std::sqrt(n) * kDisturbance; }

// 1 + size or 1 - size for each element: signs from somewhere in a long row of random ones.
inline at::Tensor factors(const at::Tensor& like, double size) {
  constexpr int64_t kSigns = 1 << 21;
  const at::NoGradGuard no_grad;
  static const at::Tensor signs = at::empty({kSigns}, at::kDouble)
                                      .bernoulli_(0.5, at::detail::createCPUGenerator(1))
                                      .mul_(2)
                                      .sub_(1);
  const auto count = like.numel();
  const auto wanted = count > kSigns / 2 ? signs.repeat({count / kSigns + 2}) : signs;
  const auto begin = static_cast<int64_t>((*generator)() % static_cast<uint64_t>(kSigns / 2));
  return wanted.narrow(0, begin, count).reshape(like.sizes()).mul(size).add_(1);
}

inline bool is_disturbed(const c10::IValue& value) {
  return value.isTensor() && value.toTensor().defined() &&
         value.toTensor().scalar_type() == at::kDouble;
}

// Numbers that the operation adds up for an element of its result.
inline double terms(const std::string& name, c10::ArrayRef<c10::IValue> in,
                    c10::ArrayRef<c10::IValue> out) {
  std::vector<double> sizes;
  for (const auto& value : in) {
    if (is_disturbed(value)) {
      sizes.push_back(static_cast<double>(value.toTensor().numel()));
    }
  }
  double least = std::numeric_limits<double>::infinity();
  for (const auto& value : out) {
    if (is_disturbed(value) && value.toTensor().numel() > 0) {
      least = std::min(least, static_cast<double>(value.toTensor().numel()));
    }
  }
  if (sizes.empty() || !std::isfinite(least)) {
    return 1;
  }
  const auto holds = [&](const char* part) { return name.find(part) != std::string::npos; };
  if (holds("mm") || holds("matmul") || holds("linear")) {
    // [m, k] [k, n] to [m, n]; a bias is smaller than either.
    std::sort(sizes.rbegin(), sizes.rend());
    return sizes.size() < 2 ? sizes[0] : std::ceil(std::sqrt(sizes[0] * sizes[1] / least)) + 1;
  }
  if (holds("linalg")) {
    // Decompositions are those of a matrix that is off by n u times its norm [Golub2013]: n^2 in
    // place of n terms, whose square root is taken.
    return sizes[0];
  }
  if (holds("conv")) {
    // A kernel's values, or the positions of all maps for its gradient: the largest operand has as
    // many. It also has more than the terms of Winograd's form (above).
    std::sort(sizes.begin(), sizes.end());
    return sizes.back();
  }
  return std::max(1.0, *std::max_element(sizes.begin(), sizes.end()) / least);
}

inline void disturb(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const c10::impl::ExcludeDispatchKeyGuard once(kMode);
  const auto& schema = op.schema();
  const auto count = schema.arguments().size();
  const bool views = std::any_of(
      schema.returns().begin(), schema.returns().end(),
      [](const auto& r) { return r.alias_info() != nullptr && !r.alias_info()->isWrite(); });
  if (views || generator == nullptr) {
    op.callBoxed(stack);
    return;
  }
  const std::vector<c10::IValue> in(stack->end() - static_cast<int64_t>(count), stack->end());
  // How much is added up is known from the sizes of the results: an operation that does not write
  // to its arguments is run once to see them, for each sizes of its arguments.
  double n = 1;
  if (!schema.is_mutable()) {
    static std::map<std::pair<std::string, std::vector<int64_t>>, double> known;
    std::pair<std::string, std::vector<int64_t>> key{schema.name() + schema.overload_name(), {}};
    for (const auto& value : in) {
      if (is_disturbed(value)) {
        const auto sizes = value.toTensor().sizes();
        key.second.insert(key.second.end(), sizes.begin(), sizes.end());
        key.second.push_back(-1);
      } else if (value.isIntList()) {  // such as the dimensions of a sum
        const auto list = value.toIntVector();
        key.second.insert(key.second.end(), list.begin(), list.end());
        key.second.push_back(-2);
      } else if (value.isInt()) {
        key.second.push_back(value.toInt());
      }
    }
    auto found = known.find(key);
    if (found == known.end()) {
      const at::NoGradGuard no_grad;
      torch::jit::Stack trial(in);
      op.callBoxed(&trial);
      found = known.emplace(key, terms(schema.name(), in, trial)).first;
    }
    n = found->second;
  }
  for (size_t i = 0; i < count; ++i) {
    auto& value = (*stack)[stack->size() - count + i];
    const auto* alias = schema.arguments()[i].alias_info();
    if (is_disturbed(value) && (alias == nullptr || !alias->isWrite())) {
      const auto& tensor = value.toTensor();
      value = tensor.mul(factors(tensor, disturbance(n)));
    }
  }
  op.callBoxed(stack);
  for (size_t i = 0; i < schema.returns().size(); ++i) {
    auto& value = (*stack)[stack->size() - schema.returns().size() + i];
    if (is_disturbed(value) && !schema.is_mutable()) {
      const auto& tensor = value.toTensor();
      value = tensor.mul(factors(tensor, disturbance(kRoundingsOfAnOperation)));
    }
  }
}

inline void register_mode() {
  static const auto* const library = [] {
    auto* made = new torch::Library(torch::Library::IMPL, "_", kMode, __FILE__, __LINE__);
    made->fallback(torch::CppFunction::makeFromBoxedFunction<&disturb>());
    return made;
  }();
  (void)library;
}

}  // namespace bounds_detail

/// How far rounding in `dtype` can move each of the tensors that f() returns, largest over its
/// elements. f computes in float64 by ATen operations, backward passes included, and gives the same
/// whenever it is called.
template <class F>
std::vector<Bound> rounding_of(const F& f, torch::Dtype dtype, int draws = bounds_detail::kDraws) {
  namespace detail = bounds_detail;
  const threads::OneThread serial;  // tensors are small: several threads wait for each other
  detail::register_mode();
  const std::vector<torch::Tensor> exact = f();
  std::vector<torch::Tensor> squares;
  for (const auto& tensor : exact) {
    squares.push_back(torch::zeros(tensor.sizes(), torch::kDouble));
  }
  for (int draw = 0; draw < draws; ++draw) {
    std::mt19937_64 generator(static_cast<uint64_t>(draw) + 1);
    detail::generator = &generator;
    std::vector<torch::Tensor> moved;
    {
      const c10::impl::IncludeDispatchKeyGuard mode{c10::DispatchKeySet(detail::kMode)};
      moved = f();
    }
    detail::generator = nullptr;
    for (size_t i = 0; i < exact.size(); ++i) {
      squares[i] += (moved[i].detach() - exact[i].detach()).to(torch::kDouble).square();
    }
  }
  std::vector<Bound> bounds;
  for (size_t i = 0; i < exact.size(); ++i) {
    const double deviation =
        exact[i].numel() == 0 ? 0 : (squares[i] / draws).max().sqrt().item<double>();
    const double scale = unit_roundoff(dtype) / detail::kDisturbance;
    // The last term: the result is rounded when it is stored.
    bounds.push_back({torch::full({}, detail::kDeviations * deviation * scale, torch::kDouble),
                      unit_roundoff(dtype)});
  }
  return bounds;
}

}  // namespace ladder::testing
