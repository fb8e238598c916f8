/// Let the weights of the denoising costs of upper levels rise from 0.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>

#include "ladder/train/objective.h"

namespace ladder::train {

struct LambdaRampOptions {
  double epochs = 8;               ///< time until the weights are full, above 0
  int64_t from_level = 2;          ///< lowest level that it holds back, at least 0
  c10::Device device = c10::kCPU;  ///< of the network
};

/// Return the piece that lets the weights of upper levels rise from 0:
///
///     lambda_l(t) = lambda_l min(t / epochs, 1)    for l >= from_level
///
/// t counts epochs and changes with every step. The idea: at the start, upper levels represent
/// classes that are mostly wrong, and a cost that makes these levels predictable would make the
/// wrong classes permanent. The piece is reported as the (negative) cost that it adds to the total,
/// (min(t / epochs, 1) - 1) sum of lambda_l C_l, which rises to 0.
///
/// Errors: options out of range, and while training an objective without denoising costs.
std::shared_ptr<ObjectivePiece> lambda_ramp(LambdaRampOptions options = {});

}  // namespace ladder::train
