// Runs every row of a published table and sets our numbers beside the published ones.
//
//   ladder-reproduce --table mnist --seeds 1..10 --out runs       every row, ten seeds
//   ladder-reproduce --table mnist --only mnist-100-full,mnist-100-gamma --seeds 1..3 --jobs 2
//   ladder-reproduce --table mnist --out runs --report            the table of what has been run
//
// Each run is a process of ladder-mnist or ladder-cifar10, which lie beside this program, in
// DIR/RECIPE/seed-N. The same command goes on where an interrupted one was; folders that several
// machines filled are merged by copying them into one. Data: as for those programs. A row of the
// MNIST table takes some 25 minutes a seed on two CPU cores.

#include <fmt/format.h>
#include <ladder/io/atomic_file.h>
#include <ladder/models/recipes.h>
#include <ladder/version.h>
#include <torch/version.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <thread>

#include "apps/support/child_process.h"
#include "apps/support/command_line.h"
#include "apps/support/program.h"
#include "apps/support/run_queue.h"
#include "ladder/runs/run_table.h"
#include "apps/support/table_text.h"
#include "apps/support/training_flags.h"

namespace {

using namespace ladder;
using namespace ladder::apps;
namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kUsage =
    "Runs the rows of a published table, one process a run, and prints the table with our numbers "
    "beside the published ones.";

struct Flags {
  std::string table = published_tables().front().name;
  std::vector<uint64_t> seeds = parse_seeds("--seeds", "1..10");
  std::vector<std::string> only = {};
  bool ours = false;
  fs::path out = "runs";
  std::string data_dir = {};
  int64_t jobs = 1;
  int64_t threads = 0;
  std::string precision = {};  // empty: each recipe's
  bool report = false;
  bool help = false;
  bool version = false;
};

std::vector<std::string> names_in(const std::string& text) {
  std::vector<std::string> names;
  for (size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    names.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

CommandLine command_line(Flags& flags) {
  std::vector<std::string> tables;
  for (const auto& table : published_tables()) {
    tables.push_back(table.name);
  }
  const auto folder = [](const char* flag, const std::string& text) {
    if (text.empty()) {
      throw UsageError(fmt::format("expected a folder for {} but got ''.", flag));
    }
    return text;
  };
  CommandLine line("ladder-reproduce", kUsage);
  line.heading("Table");
  line.choice("table", "which table", flags.table, tables);
  line.flag("seeds", "1..10", "the runs of each row (also 1,2,5)",
            [&](const std::string& text) { flags.seeds = parse_seeds("--seeds", text); });
  line.flag("only", "NAME,...", "these recipes alone",
            [&](const std::string& text) { flags.only = names_in(text); });
  line.toggle("ours", "rows without a published error too", flags.ours);
  line.heading("Runs");
  line.flag("out", "DIR", "where runs are, each in DIR/RECIPE/seed-N (runs)",
            [&, folder](const std::string& text) { flags.out = folder("--out", text); });
  line.flag("data-dir", "DIR", "folder of the data ($LADDER_DATA and the usual places)",
            [&, folder](const std::string& text) { flags.data_dir = folder("--data-dir", text); });
  line.integer("jobs", "runs at once (1)", flags.jobs, 1, 1024);
  line.integer("threads", "threads of each run", flags.threads, 1, 4096);
  line.flag("precision", "NAME",
            "of the numbers of every run, as ladder-mnist has it (the recipe's)",
            [&](const std::string& text) {
              flags.precision = parse_choice("--precision", text, kPrecisions);
            });
  line.toggle("report", "print the table of what is in DIR and run nothing", flags.report);
  line.toggle("help", "print this and leave", flags.help);
  line.toggle("version", "print the version and leave", flags.version);
  return line;
}

std::vector<models::Recipe> chosen_rows(const PublishedTable& table, const Flags& flags) {
  if (flags.only.empty()) {
    auto rows = rows_of(table, models::recipes(), flags.ours);
    if (rows.empty()) {
      throw UsageError(fmt::format("expected recipes for --table {} but got none.", table.name));
    }
    return rows;
  }
  auto rows = rows_of(table, models::recipes(), /*ours=*/true);
  std::vector<std::string> names;
  for (const auto& row : rows) {
    names.push_back(row.name);
  }
  for (const auto& name : flags.only) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      throw UsageError(fmt::format("expected recipes of the table {} for --only but got '{}'{}.",
                                   table.name, name, did_you_mean(name, names)));
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

// What a run of the recipe is started by, without the flags of its folder.
std::vector<std::string> command_of(const fs::path& program, const std::string& recipe,
                                    const Flags& flags) {
  std::vector<std::string> command = {program.string(), "--recipe", recipe};
  if (!flags.precision.empty()) {
    command.insert(command.end(), {"--precision", flags.precision});
  }
  return command;
}

// What such a run's settings are, as the program that runs it says.
json settings_of(const fs::path& program, const std::string& recipe, const Flags& flags) {
  auto command = command_of(program, recipe, flags);
  command.push_back("--settings");
  const auto text = output_of(command);
  const auto begin = text.find('{');
  auto settings =
      json::parse(begin == std::string::npos ? text : text.substr(begin), nullptr, false);
  TORCH_CHECK(settings.is_object(), "expected the settings of ", recipe, " from ", program.string(),
              " but got \"", last_line(text), "\".");
  return settings;
}

// A run goes on with the flags of its start that make no other experiment of it.
void keep_flags(const fs::path& folder, std::vector<std::string>& command) {
  std::ifstream file(folder / "config.json");
  const auto config = json::parse(file, nullptr, false);
  for (const auto& [key, flag] :
       {std::pair("device", "--device"), std::pair("eval_every", "--eval-every"),
        std::pair("product_route", "--product-route")}) {
    if (config.is_object() && config.contains(key)) {
      const auto& value = config.at(key);
      command.insert(command.end(),
                     {flag, value.is_string() ? value.get<std::string>() : value.dump()});
    }
  }
}

PlannedRun planned(const fs::path& program, const std::string& recipe, const RunRecord& run,
                   const Flags& flags) {
  const auto seed = std::to_string(run.seed);
  const auto folder = run_path(flags.out, recipe, run.seed);
  auto command = command_of(program, recipe, flags);
  command.insert(command.end(), {"--seed", seed, "--out", folder.string(), "--resume"});
  if (!flags.data_dir.empty()) {
    command.insert(command.end(), {"--data-dir", flags.data_dir});
  }
  const auto cores = static_cast<int64_t>(std::thread::hardware_concurrency());
  const auto threads = flags.threads > 0 ? flags.threads
                       : flags.jobs > 1  ? std::max<int64_t>(1, cores / flags.jobs)
                                         : 0;
  if (threads > 0) {
    command.insert(command.end(), {"--threads", std::to_string(threads)});
  }
  keep_flags(folder, command);
  return {fmt::format("{}, seed {}", recipe, seed), folder, std::move(command)};
}

// Seed by seed, so that every row has a number early.
std::vector<PlannedRun> plan_of(const RunTable& table, const fs::path& program,
                                const Flags& flags) {
  std::vector<PlannedRun> plan;
  for (size_t i = 0; i < table.seeds.size(); ++i) {
    for (const auto& row : table.rows) {
      const auto& run = row.runs[i];
      if (run.state != RunState::kFinished && run.state != RunState::kForeign) {
        plan.push_back(planned(program, row.recipe.name, run, flags));
      }
    }
  }
  return plan;
}

bool complete(const RunTable& table) {
  return std::all_of(table.rows.begin(), table.rows.end(), [](const TableRow& row) {
    return row.test_errors().size() == row.runs.size();
  });
}

void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

int reproduce(const PublishedTable& table, const Flags& flags) {
  const auto rows = chosen_rows(table, flags);
  if (flags.report && !fs::is_directory(flags.out)) {
    throw UsageError(
        fmt::format("expected a folder of runs in --out but got {}.", flags.out.string()));
  }
  const auto program = program_of(table);
  std::map<std::string, json> known;
  const auto read = [&] {
    return read_table(table, rows, flags.seeds, flags.out, [&](const models::Recipe& recipe) {
      auto& settings = known[recipe.name];
      return settings.is_null() ? settings = settings_of(program, recipe.name, flags) : settings;
    });
  };
  if (!flags.report) {
    const auto plan = plan_of(read(), program, flags);
    const auto end =
        run_queue(plan, {.jobs = flags.jobs, .stop_requested = stop_requested, .say = say});
    if (end == QueueEnd::kStopped) {
      say("interrupted; the same command goes on");
      return kInterrupted;
    }
  }
  auto result = read();
  if (!flags.precision.empty()) {
    result.title += ", precision " + flags.precision;
  }
  const auto text = to_markdown(result);
  io::write_atomically(flags.out / "table.md", text);
  io::write_atomically(flags.out / "table.json", to_json(result).dump(2) + "\n");
  fmt::print("{}{}", flags.report ? "" : "\n", text);
  return flags.report || complete(result) ? 0 : 1;
}

int run(int argc, char** argv) {
  Flags flags;
  auto line = command_line(flags);
  line.parse(argc, argv);
  if (line.given("help")) {
    fmt::print("{}", line.help());
    return 0;
  }
  line.apply();
  if (flags.version) {
    fmt::print("ladder-reproduce {} ({}), LibTorch {}\n", version(), git_commit(), TORCH_VERSION);
    return 0;
  }
  const auto& tables = published_tables();
  const auto table = std::find_if(tables.begin(), tables.end(), [&](const PublishedTable& one) {
    return one.name == flags.table;
  });
  catch_interruption();
  return reproduce(*table, flags);
}

}  // namespace

int main(int argc, char** argv) {
  return run_program("ladder-reproduce", [&] { return run(argc, argv); });
}
