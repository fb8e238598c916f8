// Train a classifier on your own table or pictures, predict, evaluate, inspect, export.
//
//   ladder train sensor.csv --label state --out runs/sensor
//   ladder predict runs/sensor new.csv -o answers.csv
//   ladder evaluate runs/sensor test.csv --label state
//   ladder COMMAND --help
//
// Rows without a label are what it learns from beside the labeled ones: leave the label cell empty.

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "apps/commands/commands.h"
#include "apps/support/command_line.h"
#include "apps/support/output.h"
#include "apps/support/program.h"

namespace {

using namespace ladder;
using namespace ladder::apps;

struct Command {
  const char* name;
  const char* words;
  const char* summary;
  int (*run)(int argc, const char* const* argv);
};

constexpr Command kCommands[] = {
    {"train", "DATA --label COLUMN", "train on labeled and unlabeled rows", train_command},
    {"tune", "DATA --label COLUMN", "search settings with many short runs", tune_command},
    {"predict", "MODEL DATA", "print the class of each row", predict_command},
    {"evaluate", "MODEL DATA --label COLUMN", "measure errors on labeled rows", evaluate_command},
    {"inspect", "DATA | MODEL", "describe a table, pictures or a model", inspect_command},
    {"export", "MODEL --format FORMAT -o FILE", "write ONNX, safetensors, .pt or .py",
     export_command},
    {"report", "RUN... -o FILE.html", "write an HTML page about runs", report_command},
    {"reproduce", "--table NAME", "rerun a published table of results", reproduce_command},
    {"convert", "DATA... -o SHARDS", "write large tables as shards", convert_command},
    {"launch", "-n N -- COMMAND ...", "start N ranks (processes) of COMMAND", launch_command},
};

std::string help_text() {
  std::string text =
      "Train classifiers from a few labeled and many unlabeled rows.\n\n  ladder COMMAND ...\n\n";
  for (const auto& command : kCommands) {
    text += fmt::format("  {:<9} {:<30} {}\n", command.name, command.words, command.summary);
  }
  return text +
         "\nladder COMMAND --help lists the flags of a command; ladder --version prints the "
         "version.\nDATA: CSV or TSV (also .gz), NPZ, NPY, Parquet, Feather, a folder of pictures, "
         "MNIST's\nor CIFAR's files. MODEL: the folder of a run or its model file.\n";
}

// A value that begins with two dashes stands behind "=", so this is no value.
bool asks_version(int argc, char** argv) {
  return std::find(argv + 2, argv + argc, std::string_view("--version")) != argv + argc;
}

int run(int argc, char** argv) {
  const std::string_view first = argc > 1 ? argv[1] : "--help";
  if (first == "launch" && !(argc == 3 && asks_version(argc, argv)))
    return launch_command(argc - 1, argv + 1);  // takes "--"
  check_arguments(argc, argv);
  if (first == "--help" || first == "-h" || first == "help") {
    print(help_text());
    return argc > 1 ? 0 : kWrongUse;
  }
  if (first == "--version") {
    print(version_text("ladder"));
    return 0;
  }
  std::vector<std::string> names;
  for (const auto& command : kCommands) {
    if (first == command.name) {
      if (asks_version(argc, argv)) {
        print(version_text("ladder"));
        return 0;
      }
      return command.run(argc - 1, argv + 1);
    }
    names.emplace_back(command.name);
  }
  throw UsageError(fmt::format("expected a command but got '{}'{}.", first,
                               did_you_mean(first, names).empty() ? " (ladder --help lists them)"
                                                                  : did_you_mean(first, names)));
}

}  // namespace

int main(int argc, char** argv) {
  keep_freed_memory();
  run_program("ladder", [&] { return run(argc, argv); });
}
