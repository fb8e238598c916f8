#pragma once

#include <string_view>

namespace ladder::train {

/// Names of settings that checkpoints of older versions lack.
inline constexpr const char* kDetachTargets = "detach_targets";
inline constexpr const char* kStageNoise = "noise_std";
inline constexpr const char* kOptimizerOptions = "optimizer.group ";

/// Name of the version of the settings that a checkpoint holds, "1".
inline constexpr const char* kSettingsVersion = "settings_version";

/// True for other settings that those lack, which are written where they are not as usual.
inline bool is_newer_setting(std::string_view name) {
  return name.starts_with("optimizer.") || name.ends_with(" repair.seed") ||
         name.ends_with(".neighbour pool") || name.ends_with(".neighbour seed") ||
         name.ends_with(".exact neighbours");
}

/// Name of a setting that is measured: its last digits depend on the number of threads.
inline constexpr const char* kInputVariance = "input_variance";

}  // namespace ladder::train
