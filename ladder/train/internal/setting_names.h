#pragma once

namespace ladder::train {

/// Names of settings that checkpoints of older versions lack.
inline constexpr const char* kDetachTargets = "detach_targets";
inline constexpr const char* kStageNoise = "noise_std";

/// Name of a setting that is measured: its last digits depend on the number of threads.
inline constexpr const char* kInputVariance = "input_variance";

}  // namespace ladder::train
