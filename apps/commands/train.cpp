#include <c10/core/Device.h>
#include <fmt/format.h>
#include <ladder/classifier.h>
#include <ladder/exports/model_card.h>
#include <ladder/ops/product.h>
#include <torch/cuda.h>

#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "apps/commands/commands.h"
#include "apps/commands/model_report.h"
#include "apps/commands/train_flags.h"
#include "apps/commands/train_outcome.h"
#include "apps/commands/train_request.h"
#include "apps/commands/train_rows.h"
#include "apps/commands/train_runs.h"
#include "apps/support/command_line.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/ranks.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

// A folder holds one run, or a run of each seed: the model of one must not replace that of the
// other.
void check_folder(const fs::path& out, bool several) {
  std::error_code none;
  bool has_seeds = false;
  for (const auto& entry : fs::directory_iterator(out, none)) {
    has_seeds = has_seeds || (entry.path().filename().string().starts_with("seed-") &&
                              fs::exists(entry.path() / "config.json", none));
  }
  const bool has_run = fs::exists(out / "config.json", none);
  if (several ? has_run : has_seeds) {
    throw std::runtime_error(fmt::format(
        "expected a folder for {} in --out but got {}, which holds {} (choose another folder).",
        several ? "runs of several seeds" : "one run", out.string(),
        several ? "one run" : "runs of several seeds"));
  }
}

c10::Device device_of(const std::string& name, const Rank& rank) {
  if (name == "cuda" && !torch::cuda::is_available()) {
    throw UsageError("expected a GPU for --device cuda but found none (LibTorch sees no device).");
  }
  const bool gpu = name != "cpu" && torch::cuda::is_available();
  return gpu ? gpu_of(rank, static_cast<int64_t>(torch::cuda::device_count()))
             : c10::Device(c10::kCPU);
}

}  // namespace

int train_command(int argc, const char* const* argv) {
  TrainFlags flags;
  auto line = train_line(flags);
  line.parse(argc, argv);
  line.apply();
  if (flags.help) {
    print(line.help());
    return 0;
  }
  check_train_flags(flags, line);
  const auto rank = rank_of_environment();
  if (rank.size > 1 && flags.data == input_path("-")) {
    throw UsageError(
        "expected a file or a folder in DATA but got the standard input (each rank reads DATA).");
  }
  catch_interruption();
  set_threads(flags.threads);
  const auto command = "ladder " + shell_command(argc, argv);
  const auto out = flags.out.empty() ? default_folder("runs", flags.data) : flags.out;
  check_other_rows(flags);
  check_folder(out, !flags.seeds.empty());

  const auto rows = training_rows(flags);
  if (rank.first()) print_row_notes(flags, rows);
  std::optional<data::Samples> test;
  if (!flags.test.empty()) test = test_rows(flags, rows);
  if (rank.first()) print_input_notes(flags, rows, test);

  auto options = flags.options;
  options.device = device_of(flags.device, rank);
  options.environment = environment(
      options.device, ops::default_product_plan(models::product_precision(options.precision)),
      fs::path(flags.data));
  // Several seeds are divided among the ranks; one run is trained by all of them.
  const bool several = !flags.seeds.empty();
  if (!several) options.ranks = connect_ranks(rank, flags.rank_timeout);
  if (options.ranks) options.environment->ranks = rank.size;
  SeedRuns trained(flags, options, rows, test, rank, out, command);
  const int status = trained.train_all();
  if (status != 0 || !rank.first()) return status;

  const auto& runs = trained.runs();
  const auto& best = best_of(runs);
  std::optional<Trained> baseline;
  if (!flags.no_baseline && outcome_of(best) != nullptr) {
    baseline = train_alone(flags, options, best, rows, test);
    if (baseline->fit.training.status == train::TrainStatus::kInterrupted) {
      return interrupted(flags, command, best.folder);
    }
  }
  const Trained* beside = baseline ? &*baseline : nullptr;
  for (const auto& run : runs) write_outcome(run, &run == &best ? beside : nullptr);
  if (several) {
    const auto chosen = chosen_model(runs, best);
    chosen.save(out / kModelFile);
    write_text(out / "MODEL.md", exports::model_card(chosen.model()));
  }
  const auto left_behind = left_behind_text(runs, rows, out);  // read by the report
  print((several && !flags.quiet ? seed_errors_text(runs) : "") + left_behind +
        (several && !flags.quiet ? "\n" : "") + outcome_text(best, beside, out, runs.size() > 1));
  if (!flags.no_report && !rows.shards) {  // it shows rows, which are in memory
    std::vector<fs::path> folders = {best.folder};
    for (const auto& run : runs) {
      if (&run != &best) folders.push_back(run.folder);
    }
    write_model_report(out / kReportFile, {.folders = folders,
                                           .classifier = &best.classifier,
                                           .fit = &best.fit,
                                           .rows = &rows,
                                           .test = test ? &*test : nullptr,
                                           .label = flags.label,
                                           .ignored = flags.ignore,
                                           .command = command});
    print(fmt::format("report    {}\n", (out / kReportFile).string()));
  }
  print(fmt::format("next      ladder predict {} NEW_DATA\n", shell_word(out.string())));
  return 0;
}

}  // namespace ladder::apps
