/// Memory of the process.
#pragma once

namespace ladder::train {

/// Return the peak of resident memory so far, in MiB; 0 where the system does not say.
double peak_memory_mib();

/// Return resident memory without mapped files, in MiB; 0 where the system does not say.
double resident_memory_mib();

}  // namespace ladder::train
