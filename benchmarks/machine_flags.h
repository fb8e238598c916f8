/// The flags that every benchmark has: threads, precision, help.
#pragma once

#include <ATen/Parallel.h>
#include <ladder/ops/product.h>

#include <cxxopts.hpp>
#include <iostream>
#include <string>

#include "apps/support/command_line.h"

namespace ladder::benchmarks {

inline void add_machine_flags(cxxopts::Options& cli) {
  cli.add_options()("threads", "threads", cxxopts::value<int>()->default_value("0"))(
      "precision", "float32, bfloat16 or tf32 products (tf32: on CUDA)",
      cxxopts::value<std::string>()->default_value("float32"))("help", "this text");
}

/// Parse the flags. Errors (apps::UsageError): an argument that is no flag of `cli`; none is
/// skipped.
inline cxxopts::ParseResult parse(cxxopts::Options& cli, int argc, const char* const* argv) {
  apps::check_arguments(argc, argv);
  try {
    auto flags = cli.parse(argc, argv);
    if (!flags.unmatched().empty()) {
      throw apps::UsageError("expected a flag (--name) but got '" + flags.unmatched().front() +
                             "'.");
    }
    return flags;
  } catch (const cxxopts::exceptions::exception& error) {
    throw apps::UsageError(
        "expected flags as --help lists them but got: " + std::string(error.what()) + ".");
  }
}

/// Prints the help where it was asked for and returns whether it was; else sets the threads.
inline bool only_help(const cxxopts::Options& cli, const cxxopts::ParseResult& flags) {
  if (flags.count("help")) {
    std::cout << cli.help();
    return true;
  }
  if (flags["threads"].as<int>() > 0) {
    at::set_num_threads(flags["threads"].as<int>());
  }
  return false;
}

/// Return the plan of products that --precision and `route` ask for: aten, onednn or ladder; auto
/// by the CPU's instruction sets; fastest as measured now.
inline ops::ProductPlan product_plan(const cxxopts::ParseResult& flags,
                                     const std::string& route = "auto") {
  const auto precision = ops::product_precision_from_string(flags["precision"].as<std::string>());
  if (route == "auto") {
    return ops::default_product_plan(precision);
  }
  if (route == "fastest") {
    return ops::fastest_product_plan(precision);
  }
  return {precision, ops::product_route_from_string(route)};
}

}  // namespace ladder::benchmarks
