/// Flags of every benchmark: threads, precision, help.
#pragma once

#include <ATen/Parallel.h>
#include <ladder/ops/product.h>

#include <cstdint>
#include <string>

#include "apps/support/command_line.h"
#include "apps/support/output.h"

namespace ladder::benchmarks {

struct MachineFlags {
  int64_t threads = 0;  ///< 0: the number that LibTorch takes
  std::string precision = "float32";
  bool help = false;
};

inline void add_machine_flags(apps::CommandLine& line, MachineFlags& flags) {
  line.integer("threads", "threads (0: as many as LibTorch takes)", flags.threads, 0, 4096);
  line.choice("precision", "precision of matrix products; tf32 on CUDA only", flags.precision,
              {"float32", "bfloat16", "tf32"});
  line.toggle("help", "print this and exit", flags.help);
}

/// Read the command line and set the number of threads. Return false if --help was given: its text
/// is printed, and nothing else is to be done. Errors: those of CommandLine.
inline bool read_flags(apps::CommandLine& line, int argc, const char* const* argv,
                       const MachineFlags& flags) {
  line.parse(argc, argv);
  if (line.given("help")) {
    apps::print(line.help());
    return false;
  }
  line.apply();
  if (flags.threads > 0) {
    at::set_num_threads(static_cast<int>(flags.threads));
  }
  return true;
}

/// Return the plan of products that --precision and `route` ask for: aten, onednn or ladder; auto
/// for the CPU's instruction sets; fastest for the fastest one, as measured now.
inline ops::ProductPlan product_plan(const MachineFlags& flags, const std::string& route = "auto") {
  const auto precision = ops::product_precision_from_string(flags.precision);
  if (route == "auto") {
    return ops::default_product_plan(precision);
  }
  if (route == "fastest") {
    return ops::fastest_product_plan(precision);
  }
  return {precision, ops::product_route_from_string(route)};
}

}  // namespace ladder::benchmarks
