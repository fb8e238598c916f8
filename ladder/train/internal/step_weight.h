#pragma once

#include <ATen/ATen.h>
#include <c10/core/Device.h>
#include <c10/util/Exception.h>

#include <cmath>

#include "ladder/train/objective.h"

namespace ladder::train {

/// Refuse a weight of a cost that is negative or not finite.
inline void check_weight(const char* piece, double weight) {
  TORCH_CHECK(std::isfinite(weight) && weight >= 0, piece,
              ": expected a finite weight of at least 0 but got ", weight, ".");
}

/// Refuse a step that ran no unlabeled rows.
inline void check_runs_unlabeled_rows(const char* piece, const StepValues& values) {
  TORCH_CHECK(values.unlabeled_logits.defined(), piece,
              ": expected a network with a denoising cost, which runs unlabeled rows, but got one "
              "without.");
}

/// The weight of a cost, which may change from step to step. It is a tensor that stays where it is,
/// so that a step that is recorded on a GPU reads the weight of now.
class StepWeight {
 public:
  /// A weight of 0 of the function `piece`, on the device of the network.
  StepWeight(const char* piece, c10::Device device)
      : piece_(piece), weight_(at::zeros({}, at::dtype(at::kDouble).device(device))) {}

  void set(double value) {
    if (value == value_) return;
    value_ = value;
    weight_.fill_(value);
  }

  /// Return weight * cost(), a scalar of the type of `like`. The cost of weight 0 is not computed,
  /// but on a GPU, where a recorded step computes it at any weight. Error: `like` is on another
  /// device, where a recorded step would take the weight for a constant.
  template <class Cost>
  at::Tensor times(const Cost& cost, const at::Tensor& like) const {
    TORCH_CHECK(weight_.device() == like.device(), piece_, ": expected a piece on ", like.device(),
                ", the device of the network, but got one on ", weight_.device(),
                " (set `device` in its options).");
    if (value_ == 0 && weight_.is_cpu()) return at::zeros({}, like.options());
    return weight_.to(like.scalar_type()) * cost();
  }

 private:
  const char* piece_;
  at::Tensor weight_;
  double value_ = 0;
};

}  // namespace ladder::train
