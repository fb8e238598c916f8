/// Denoising costs of upper levels that grow to their weight.
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
/// t counts epochs, step by step. At the start the classes that upper levels stand for mean little
/// yet; the idea is that asking them to be predictable makes wrong ones last. It is reported as the
/// cost that it takes from the total, (min(t / epochs, 1) - 1) sum of lambda_l C_l, which rises to
/// 0.
///
/// Errors: options out of range, and while training an objective without denoising costs.
std::shared_ptr<ObjectivePiece> lambda_ramp(LambdaRampOptions options = {});

}  // namespace ladder::train
