#include <fmt/format.h>
#include <ladder/data/cifar10.h>
#include <ladder/data/datasets.h>
#include <ladder/io/atomic_file.h>
#include <ladder/models/recipes.h>
#include <ladder/runs/run_config.h>
#include <ladder/runs/run_table.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "apps/commands/commands.h"
#include "apps/support/child_process.h"
#include "apps/support/command_line.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/ranks.h"
#include "apps/support/run_queue.h"
#include "apps/support/table_text.h"
#include "apps/support/training_flags.h"

namespace ladder::apps {
namespace {

using runs::PublishedTable;
using runs::RunTable;
namespace fs = std::filesystem;

constexpr const char* kProgram = "ladder-reproduce";
constexpr const char* kUsage =
    "Run every row of a published table, one process per run, and print our numbers next to the "
    "published ones.";

struct Flags {
  std::string table = runs::published_tables().front().name;
  std::vector<uint64_t> seeds = parse_seeds("--seeds", "1..10");
  std::vector<std::string> only = {};
  bool ours = false;
  fs::path out = "runs";
  std::optional<fs::path> data_dir = {};
  int64_t jobs = 1;
  int64_t threads = 0;
  std::string precision = {};  // empty: each recipe's
  bool report = false;
  bool write = false;
  bool help = false;
  bool version = false;
};

CommandLine command_line(Flags& flags, const std::string& program) {
  std::vector<std::string> tables;
  for (const auto& table : runs::published_tables()) {
    tables.push_back(table.name);
  }
  CommandLine line(program, kUsage);
  line.heading("Table");
  line.choice("table", "published table; --only and --report take the first", flags.table, tables);
  line.flag("seeds", "1..10", "the runs of each row (also 1,2,5)",
            [&](const auto& flag, const auto& text) { flags.seeds = parse_seeds(flag, text); });
  line.flag("only", "NAME,...", "only these recipes",
            [&](const auto&, const auto& text) { flags.only = parse_words(text); });
  line.toggle("ours", "include rows without a published error", flags.ours);
  line.heading("Runs");
  line.flag("out", "DIR", "folder of all runs, each in DIR/RECIPE/seed-N (runs)",
            [&](const auto& flag, const auto& text) { flags.out = parse_folder(flag, text); });
  line.flag("data-dir", "DIR", "folder of the data ($LADDER_DATA and the usual places)",
            [&](const auto& flag, const auto& text) { flags.data_dir = parse_folder(flag, text); });
  line.integer("jobs", "runs at the same time (1)", flags.jobs, 1, 1024);
  line.integer("threads", "CPU threads of each run", flags.threads, 1, 4096);
  line.flag("precision", "NAME", "precision of every run, as for ladder-mnist (the recipe's)",
            [&](const auto& flag, const auto& text) {
              flags.precision = parse_choice(flag, text, kPrecisions);
            });
  line.toggle("report", "print the table of the runs in DIR and run nothing", flags.report);
  line.toggle("write", "with --report, also write it to DIR/table.md and table.json", flags.write);
  line.toggle("version", "print version and kernels and exit", flags.version);
  line.toggle("help", "print this and exit", flags.help);
  line.footer(
      "At the end the table is printed and written to DIR/table.md and DIR/table.json. What a run "
      "prints is in run.log of its folder. If a flag is given twice, the last value counts. Exit "
      "status: 0 done, 1 failed, 2 usage "
      "error, 130 interrupted by a signal (the same command continues). Under ladder launch, "
      "torchrun, mpirun or Slurm, each rank takes a share of the runs, and rank 0 prints the "
      "table.");
  return line;
}

// " (it is a row of --table conv)", or the nearest name of this table.
std::string recipe_hint(const std::string& name, const std::vector<std::string>& names) {
  for (const auto& table : runs::published_tables()) {
    const auto rows = runs::rows_of(table, models::recipes(), /*ours=*/true);
    if (std::any_of(rows.begin(), rows.end(),
                    [&](const models::Recipe& row) { return row.name == name; })) {
      return fmt::format(" (it is a row of --table {})", table.name);
    }
  }
  return did_you_mean(name, names);
}

std::vector<models::Recipe> chosen_rows(const PublishedTable& table, const Flags& flags) {
  if (flags.only.empty()) {
    auto rows = runs::rows_of(table, models::recipes(), flags.ours);
    if (rows.empty()) {
      throw UsageError(fmt::format("expected recipes for --table {} but got none.", table.name));
    }
    return rows;
  }
  auto rows = runs::rows_of(table, models::recipes(), /*ours=*/true);
  std::vector<std::string> names;
  for (const auto& row : rows) {
    names.push_back(row.name);
  }
  for (const auto& name : flags.only) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      throw UsageError(fmt::format("expected recipes of the table {} for --only but got '{}'{}.",
                                   table.name, name, recipe_hint(name, names)));
    }
  }
  std::erase_if(rows, [&](const models::Recipe& row) {
    return std::find(flags.only.begin(), flags.only.end(), row.name) == flags.only.end();
  });
  return rows;
}

fs::path program_of(const PublishedTable& table) {
  const auto program = program_folder() / table.program;
  TORCH_CHECK(fs::exists(program), "expected ", table.program, " beside ladder-reproduce in ",
              program_folder().string(), " but found none (build it too).");
  return program;
}

// Return the command that starts a run of the recipe, without the flags of its folder.
std::vector<std::string> command_of(const fs::path& program, const std::string& recipe,
                                    const Flags& flags) {
  std::vector<std::string> command = {program.string(), "--recipe", recipe};
  if (!flags.precision.empty()) {
    command.insert(command.end(), {"--precision", flags.precision});
  }
  return command;
}

// Return the settings of such a run, as the program that runs it prints them.
runs::RunConfig settings_of(const fs::path& program, const std::string& recipe,
                            const Flags& flags) {
  auto command = command_of(program, recipe, flags);
  command.emplace_back("--settings");
  const auto text = output_of(command);
  const auto begin = text.find('{');
  try {
    return runs::run_config_from_json(begin == std::string::npos ? text : text.substr(begin));
  } catch (const c10::Error& error) {
    TORCH_CHECK(begin != std::string::npos, "expected the settings of ", recipe, " from ",
                program.string(), " but got \"", last_line(text), "\".");
    TORCH_CHECK(false, "expected the settings of ", recipe, " from ", program.string(),
                " in this version but got others (build it too): ", error.what_without_backtrace());
  }
}

// Continue a run with those flags of its start that do not change the experiment.
void keep_flags(const fs::path& folder, std::vector<std::string>& command) {
  std::optional<runs::RunConfig> config;
  try {
    config = runs::read_config(folder);
  } catch (const c10::Error&) {
    return;  // the run will say what is wrong with it
  }
  if (config) {
    const auto route = config->product_route;
    command.insert(command.end(), {"--device", config->device.str(), "--eval-every",
                                   std::to_string(config->eval_every), "--product-route",
                                   route ? ops::to_string(*route) : "auto"});
  }
}

PlannedRun planned(const fs::path& program, const std::string& recipe, const runs::RecordedRun& run,
                   const Flags& flags) {
  const auto seed = std::to_string(run.seed);
  const auto folder = runs::run_path(flags.out, recipe, run.seed);
  auto command = command_of(program, recipe, flags);
  command.insert(command.end(), {"--seed", seed, "--out", folder.string(), "--resume"});
  if (flags.data_dir) {
    command.insert(command.end(), {"--data-dir", flags.data_dir->string()});
  }
  const auto threads = flags.threads > 0 ? flags.threads : threads_of_run(flags.jobs);
  if (threads > 0) {
    command.insert(command.end(), {"--threads", std::to_string(threads)});
  }
  keep_flags(folder, command);
  return {fmt::format("{}, seed {}", recipe, seed), folder, std::move(command), recipe};
}

// Call `visit(index, row, run)` for each run that is not finished. Runs are counted seed by seed,
// so that each row has a number early; finished ones count, so that all ranks count alike.
template <typename Visit>
void for_each_open_run(const RunTable& table, const Visit& visit) {
  size_t index = 0;
  for (size_t i = 0; i < table.seeds.size(); ++i) {
    for (const auto& row : table.rows) {
      const auto& run = row.runs[i];
      if (run.state != runs::RunState::kFinished && run.state != runs::RunState::kForeign) {
        visit(index, row, run);
      }
      ++index;
    }
  }
}

std::vector<PlannedRun> plan_of(const RunTable& table, const fs::path& program, const Flags& flags,
                                const Rank& rank) {
  std::vector<PlannedRun> plan;
  for_each_open_run(table, [&](size_t index, const auto& row, const auto& run) {
    if (rank.takes(index)) plan.push_back(planned(program, row.recipe.name, run, flags));
  });
  return plan;
}

// Times of the runs that are finished, from which those of the others are estimated.
RunTimes times_of(const RunTable& table) {
  RunTimes times;
  for (const auto& row : table.rows) {
    for (const auto& run : row.runs) {
      if (run.seconds) times.add(row.recipe.name, *run.seconds, /*here=*/false);
    }
  }
  return times;
}

// Wait for the runs of the other ranks; those that ended without them are named.
void wait_for_others(const RunTable& table, const Flags& flags, RankGroup& ranks) {
  std::vector<std::vector<fs::path>> results(static_cast<size_t>(ranks.rank().size));
  for_each_open_run(table, [&](size_t index, const auto& row, const auto& run) {
    results[static_cast<size_t>(ranks.rank().owner(index))].push_back(
        runs::run_path(flags.out, row.recipe.name, run.seed) / "result.json");
  });
  const auto pending = [&](int64_t rank) {
    const auto& files = results[static_cast<size_t>(rank)];
    return !std::all_of(files.begin(), files.end(),
                        [](const auto& file) { return fs::exists(file); });
  };
  const auto lost = ranks.wait(pending, stop_requested);
  if (!lost.empty()) {
    print(fmt::format("{} ended before all runs were finished; the same command goes on\n",
                      ranks_text(lost)));
  }
}

// Without data each run would fail: say so before the first one.
void check_data(const PublishedTable& table, const Flags& flags) {
  if (table.program == "ladder-cifar10") {
    data::find_cifar10(flags.data_dir);
  } else {
    data::find_mnist(flags.data_dir);
  }
}

std::string tables_text(const std::string& program) {
  auto text =
      fmt::format("{} --table NAME runs a published table, with 10 seeds each:\n\n", program);
  for (const auto& table : runs::published_tables()) {
    const auto rows = runs::rows_of(table, models::recipes(), /*ours=*/false);
    text += fmt::format("  {:<6} {} ({})\n", table.name, table.title,
                        counted(std::ssize(rows), "recipe"));
  }
  return text + fmt::format("\n{} --help lists the flags.\n", program);
}

bool complete(const RunTable& table) {
  return std::all_of(table.rows.begin(), table.rows.end(), [](const runs::TableRow& row) {
    return row.test_errors().size() == row.runs.size();
  });
}

void say(const std::string& line) { print(line + "\n"); }

int reproduce(const PublishedTable& table, const Flags& flags) {
  if (flags.write && !flags.report) {
    throw UsageError(
        "expected --report with --write but got none (a table that is run is always written).");
  }
  const auto rows = chosen_rows(table, flags);
  if (flags.report && !fs::is_directory(flags.out)) {
    throw UsageError(
        fmt::format("expected a folder of runs in --out but got {}.", flags.out.string()));
  }
  const auto rank = rank_of_environment();
  if (flags.report && !rank.first()) return 0;
  const auto program = program_of(table);
  std::map<std::string, runs::RunConfig> known;
  const auto read = [&] {
    return runs::read_table(table, rows, flags.seeds, flags.out, [&](const models::Recipe& recipe) {
      if (!known.contains(recipe.name)) {
        known[recipe.name] = settings_of(program, recipe.name, flags);
      }
      return known[recipe.name];
    });
  };
  if (!flags.report) {
    RankGroup ranks(rank, flags.out);
    const auto before = read();
    const auto plan = plan_of(before, program, flags, rank);
    if (!plan.empty()) check_data(table, flags);
    const auto end = run_queue(plan, {.jobs = flags.jobs,
                                      .stop_requested = stop_requested,
                                      .say = say,
                                      .times = times_of(before)});
    if (!rank.first() && end != QueueEnd::kStopped) return 0;
    if (end != QueueEnd::kStopped) wait_for_others(before, flags, ranks);
    if (end == QueueEnd::kStopped || stop_requested()) {
      const auto signal = stop_signal();
      say((signal.empty() ? "" : signal + ": ") + "interrupted; the same command goes on");
      return kInterrupted;
    }
  }
  auto result = read();
  if (!flags.precision.empty()) {
    result.title += ", precision " + flags.precision;
  }
  const auto text = to_markdown(result);
  if (!flags.report || flags.write) {
    io::write_atomically(flags.out / "table.md", text);
    io::write_atomically(flags.out / "table.json", to_json(result).dump(2) + "\n");
  }
  print((flags.report ? "" : "\n") + text);
  return flags.report || complete(result) ? 0 : 1;
}

}  // namespace

int reproduce_command(int argc, const char* const* argv) {
  Flags flags;
  // A command of `ladder`, or a program of its own.
  const std::string program = argv[0] == std::string("reproduce") ? "ladder reproduce" : kProgram;
  auto line = command_line(flags, program);
  line.parse(argc, argv);
  if (line.given("help") || line.given("version")) {
    print(line.given("help") ? line.help() : version_text(program));
    return 0;
  }
  line.apply();
  if (!line.given("table") && !line.given("only") && !line.given("report")) {
    print(tables_text(program));  // nobody means hundreds of runs by a bare command
    return kWrongUse;
  }
  const auto& tables = runs::published_tables();
  const auto table = std::find_if(tables.begin(), tables.end(), [&](const PublishedTable& one) {
    return one.name == flags.table;
  });
  catch_interruption();
  return reproduce(*table, flags);
}

}  // namespace ladder::apps
