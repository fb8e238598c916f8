#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <string>
#include <utility>

#include "ladder/nn/ladder.h"

namespace ladder::train {

/// Return the rows of data::SemiData `inputs` that a piece looks at: `unlabeled`, int64 [N], or all
/// where it is undefined. Errors, naming `piece`: an empty network, no inputs [rows, ...].
inline at::Tensor rows_of_piece(const char* piece, const Ladder& net, const at::Tensor& inputs,
                                at::Tensor unlabeled) {
  TORCH_CHECK(!net.is_empty(), piece, ": expected a network but got an empty Ladder.");
  TORCH_CHECK(inputs.defined() && inputs.dim() >= 2, piece,
              ": expected inputs [rows, ...] but got ",
              inputs.defined() ? c10::str(inputs.sizes()) : std::string("none"), ".");
  return unlabeled.defined()
             ? std::move(unlabeled)
             : at::arange(inputs.size(0), at::dtype(at::kLong).device(inputs.device()));
}

}  // namespace ladder::train
