/// What all programs share: errors as sentences, signals, the machine.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <string>

// Their headers need LibTorch's, whose templates take a file ten seconds to compile.
namespace ladder::ops {
struct ProductPlan;
}
namespace ladder::runs {
struct Environment;
}

namespace ladder::apps {

/// Exit status of a wrong command line, and of an interrupted run that can be continued.
constexpr int kWrongUse = 2;
constexpr int kInterrupted = 130;

/// Run `body` and end the process with its status. What it throws becomes one sentence on the
/// standard error and status 2 for a wrong command line (UsageError), 1 for everything else. So
/// does a write to the standard output that failed, whatever `body` returned.
///
/// Destructors of static objects do not run: those of LibTorch take away its operators one by one,
/// a third of the time of a short command.
[[noreturn]] void run_program(const std::string& name, const std::function<int()>& body);

/// Return an error of the library without the C++ name that it begins with: users of a program know
/// no `read_csv`. Other texts, and LADDER_KERNELS and the like, stay as they are.
std::string without_function_name(const std::string& text);

/// Return what `run_program` prints for an error: its text without a backtrace and without the name
/// of a function, or a sentence for want of memory.
std::string error_sentence(const std::exception& error);

/// From here on, the first SIGINT, SIGTERM, SIGHUP (terminal closed), SIGUSR1, SIGUSR2 or SIGXCPU
/// (batch systems) asks the program to stop, and a second one ends it. SIGHUP stays ignored under
/// nohup. One event may send the same signal twice (timeout, a closing terminal, a killed parent,
/// the limit of CPU time once a second): such an echo does not count as a second one.
void catch_interruption();
/// True once a signal asked to stop or the standard output failed.
bool stop_requested();
/// Name of the signal that asked to stop, such as "SIGTERM"; "" before.
std::string stop_signal();
/// The same as its number; 0 before.
int stop_signal_number();
/// True for the signals that `catch_interruption` takes.
bool is_stop_signal(int signal);

/// Keep freed memory in the process instead of returning it to the system after each step.
void keep_freed_memory();

/// Use this number of CPU threads from here on; 0 keeps LibTorch's choice.
void set_threads(int64_t threads);

/// A word, a path say, as it is typed into a shell: in quotes where it must be.
std::string shell_word(const std::string& word);
/// The arguments as a command to type into a shell.
std::string shell_command(int argc, const char* const* argv);

/// Versions, processor, threads, kernels and product route of this machine, the GPU where that is
/// the device, and the absolute path of the data (none for an empty one).
runs::Environment environment(const c10::Device& device, const ops::ProductPlan& products,
                              const std::filesystem::path& data_dir);

/// "NAME VERSION (COMMIT), LibTorch VERSION, kernels avx512 (AVX-512), float32 products by
/// ladder" and a line end.
std::string version_text(const std::string& program);

}  // namespace ladder::apps
