/// What the combinators with a formula of `ops::denoise` share.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/cloneable.h>

#include <optional>

#include "ladder/nn/combinator.h"

namespace ladder {

/// z^ = g(z~, u) by the formula `function()`, whose parameters are the rows of `weight` [P, C].
///
/// `denoise` runs the fused operator, `forward` the same formula in plain ATen operations. Options
/// are fixed at construction. Errors: channels below 1; operands of another shape, type or device;
/// fewer than 2 rows in `denoise`.
///
/// Base of GaussianCombinator, VanillaCombinator and MlpCombinator, and of no class outside of this
/// library: its members are compiled for these three. `Derived` registers `weight` in `reset`,
/// which its constructor calls. Elsewhere derive from Combinator, whose `denoise` may call
/// `ops::denoise`.
///
/// In a class that derives from one of the three, `denoise` calls `forward`, which it may override.
template <class Derived, class Options>
class FormulaCombinator : public torch::nn::Cloneable<Derived>, public Combinator {
 public:
  torch::Tensor forward(const torch::Tensor& z_noisy, const torch::Tensor& u) override;
  ops::DenoiseResult denoise(const torch::Tensor& z_noisy, const torch::Tensor& u,
                             const std::optional<ops::DenoisingTarget>& target) override;
  /// True while `options` are those that it was built with.
  bool options_hold() const { return options == built_; }

  Options options;
  torch::Tensor weight;

 protected:
  /// `name` begins the messages of this combinator.
  FormulaCombinator(const char* name, Options options);

  /// The formula that `forward` and `denoise` compute.
  virtual ops::DenoisingFunction function() const = 0;

  /// Every parameter of the formula, [ops::parameter_count(function()), C]. Override it if `weight`
  /// has no rows for terms that are left out.
  virtual torch::Tensor parameter_rows() const { return weight; }

  /// Check that `options` did not change since construction.
  void check_options() const;

 private:
  void check(const torch::Tensor& z_noisy, const torch::Tensor& u) const;

  const char* name_;
  Options built_;
};

}  // namespace ladder
