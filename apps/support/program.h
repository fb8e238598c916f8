/// What the programs share beside their flags: errors as sentences, interruption, the machine.
#pragma once

#include <ladder/ops/product.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace ladder::apps {

/// The status of a program that was interrupted and can go on.
constexpr int kInterrupted = 130;

/// Runs `body` and returns its status. What it throws becomes one sentence on the standard error
/// and status 2 for a wrong command line (UsageError), 1 for everything else.
int run_program(const std::string& name, const std::function<int()>& body);

/// The first SIGINT or SIGTERM from here on asks the program to stop; a second one ends it.
void catch_interruption();
bool stop_requested();

/// Keeps freed memory in the process.
void keep_freed_memory();

/// The arguments as a command to type.
std::string shell_command(int argc, const char* const* argv);

/// Versions, processor, threads, kernels and product route: what numbers and times depend on beside
/// the settings of a run.
nlohmann::ordered_json environment(const ops::ProductPlan& products);

}  // namespace ladder::apps
