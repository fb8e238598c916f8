/// What the process holds in memory.
#pragma once

namespace ladder::train {

/// The most that was resident so far, in MiB; 0 where the system does not say.
double peak_memory_mib();

/// What is resident now, in MiB, files that are mapped left out; 0 where the system does not say.
double resident_memory_mib();

}  // namespace ladder::train
