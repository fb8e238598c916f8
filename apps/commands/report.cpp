#include <fmt/format.h>
#include <ladder/classifier.h>

#include <string_view>
#include <system_error>

#include "apps/commands/commands.h"
#include "apps/commands/data_flags.h"
#include "apps/commands/model_report.h"
#include "apps/support/command_line.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/report/report_html.h"
#include "apps/support/report/run_report.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

struct ReportFlags {
  std::vector<fs::path> folders = {};
  fs::path out = {};
  bool help = false;
};

CommandLine report_line(ReportFlags& flags) {
  CommandLine line("ladder report",
                   "Write a page about one run or several: outcome, curves, settings. The page is "
                   "one file without scripts.");
  line.word(
      "RUN", "folder of a run of any program, or a folder that holds seed-1, seed-2, ...", true,
      [&](const auto& name, const auto& text) {
        flags.folders.push_back(parse_folder(name, text));
      },
      /*repeated=*/true);
  line.flag("out,o", "FILE", "page to write (report.html)",
            [&](const auto& flag, const auto& text) { flags.out = parse_file(flag, text); });
  line.toggle("help", "print this and exit", flags.help);
  line.footer(
      "The confusion matrix, the least certain rows and pictures of what the network learned need "
      "the training data: only the report that `ladder train` writes has them, so this command "
      "does not overwrite it.");
  return line;
}

// Refuses to replace files that are no pages, and the pages of `ladder train`, which show more.
void check_target(const fs::path& out) {
  std::error_code none;
  const auto file = fs::weakly_canonical(out, none);  // a link leads to what is written
  if (file.filename() == kReportFile && fs::exists(file.parent_path() / kModelFile, none) &&
      !recipe_config(file.parent_path())) {
    throw UsageError(
        fmt::format("expected another file in -o than the page of `ladder train` but got {} (it "
                    "shows more than the folder of a run tells).",
                    out.string()));
  }
  if (!fs::is_regular_file(file, none) || fs::is_empty(file, none)) return;
  constexpr std::string_view kPage = "<!doctype html>";
  if (head_of(file, kPage.size()) != kPage) {
    throw UsageError(
        fmt::format("expected a new file, or a page to replace, in -o but got {} (it is no page).",
                    out.string()));
  }
}

}  // namespace

int report_command(int argc, const char* const* argv) {
  ReportFlags flags;
  flags.out = "report.html";
  auto line = report_line(flags);
  line.parse(argc, argv);
  line.apply();
  if (flags.help) {
    print(line.help());
    return 0;
  }
  check_target(flags.out);
  write_text(flags.out, report_html(report_of_runs(flags.folders)));
  print(fmt::format("wrote {}\n", flags.out.string()));
  return 0;
}

}  // namespace ladder::apps
