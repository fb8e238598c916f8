/// The training step of a ladder of dense stages on the CPU, on plain memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "ladder/core/gradient_ready.h"
#include "ladder/core/random.h"
#include "ladder/core/semi_batch.h"
#include "ladder/nn/ladder.h"
#include "ladder/ops/denoise.h"

namespace ladder {

/// Costs and gradients of a ladder without autograd and without the dispatcher: the kernels are
/// called one after the other on memory that is kept from step to step. A small network's step
/// spends nearly all of its time between the kernels; here there is little between them.
///
/// The same kernels compute the same numbers in the same order as
/// `net->loss(batch, noise).total.backward()`: costs and gradients are equal bit for bit.
///
///     auto step = DenseStep::of(net);                    // null: a network of other parts
///     if (step && step->forward(batch, noise)) {         // false: nothing was done
///       step->backward(lambda_of(step->denoising()));    // gradients are in the parameters
///     }
class DenseStep {
 public:
  /// Return the step of a network whose stages are NoisyBatchNormLinear over rows [D], and whose
  /// combinators are GaussianCombinator; null for any other.
  static std::unique_ptr<DenseStep> of(const Ladder& net);
  ~DenseStep();

  /// Logits [rows, classes], or their gradients; undefined where there are none.
  struct Logits {
    at::Tensor labeled;    ///< corrupted labeled rows
    at::Tensor unlabeled;  ///< corrupted unlabeled rows
    at::Tensor clean;      ///< clean unlabeled rows
  };

  /// Compute the costs of a batch; classes count by `class_weights` [classes], float32, if given.
  /// Return false, and draw no noise, where the step has to be taken by `Ladder::loss`: products by
  /// another route than kLadder, parameters of another type or on another device, without
  /// gradients, with gradients already or with hooks; modules whose options were changed, or that
  /// hold other parameters or modules than at `of`; rows of
  /// another type than float32, or shared with other ranks (SemiBatch::ranks); detached targets of
  /// fewer than 5 rows, or in a step of more than 2,048 rows. Errors: those of
  /// Ladder::check_options; rows with a NaN or an infinite number, before any gradient is written.
  bool forward(const SemiBatch& batch, NoiseSource& noise,
               const std::optional<at::Tensor>& class_weights = std::nullopt);

  /// Supervised cost of the last `forward`.
  float supervised() const;
  /// Denoising costs of the levels with a lambda above 0, from level 0 up, [n]; unweighted.
  const at::Tensor& denoising() const;
  /// The levels of these costs.
  const std::vector<int64_t>& levels() const;

  /// Logits of the last `forward`, in memory that the next one overwrites.
  Logits logits() const;

  /// Compute the gradients of supervised() + sum of lambda_i denoising()_i, and put them into the
  /// parameters, which hold them until they are cleared. `lambda` [n] float32 on the CPU. Call
  /// `ready`, if given, with each gradient before the next one is computed. Other costs of the step
  /// take part by their gradients: `added` those of the logits, and what the parameters hold
  /// already. Errors of `ready` are thrown as they are, after the parameters have given up the
  /// gradients of this step.
  void backward(const at::Tensor& lambda, const GradientReady& ready = {},
                const Logits& added = {});

 private:
  class Impl;
  explicit DenseStep(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ladder
