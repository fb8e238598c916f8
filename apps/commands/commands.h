/// The commands of the program `ladder`.
#pragma once

namespace ladder::apps {

/// Each takes the command line behind `ladder`, its name first, and returns the exit status.
int train_command(int argc, const char* const* argv);
int tune_command(int argc, const char* const* argv);
int predict_command(int argc, const char* const* argv);
int evaluate_command(int argc, const char* const* argv);
int inspect_command(int argc, const char* const* argv);
int export_command(int argc, const char* const* argv);
int report_command(int argc, const char* const* argv);
int reproduce_command(int argc, const char* const* argv);
int convert_command(int argc, const char* const* argv);
int launch_command(int argc, const char* const* argv);

}  // namespace ladder::apps
