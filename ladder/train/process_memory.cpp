#include "ladder/train/process_memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace ladder::train {

double peak_memory_mib() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) {
    return 0;
  }
#ifdef __APPLE__
  constexpr double kPerMib = 1024.0 * 1024.0;  // bytes
#else
  constexpr double kPerMib = 1024.0;  // KiB
#endif
  return static_cast<double>(usage.ru_maxrss) / kPerMib;
}

double resident_memory_mib() {
  std::ifstream file("/proc/self/statm");  // pages: all, resident, of them shared with files
  long all = 0;
  long resident = 0;
  long shared = 0;
  if (!(file >> all >> resident >> shared)) {
    return 0;
  }
  return static_cast<double>(resident - shared) * static_cast<double>(sysconf(_SC_PAGESIZE)) /
         (1024.0 * 1024.0);
}

}  // namespace ladder::train
