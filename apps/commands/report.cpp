#include <fmt/format.h>

#include "apps/commands/commands.h"
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
      "RUN", "folder of a run of any program, or of runs as seed-1, seed-2, ...", true,
      [&](const auto& name, const auto& text) {
        flags.folders.push_back(parse_folder(name, text));
      },
      /*repeated=*/true);
  line.flag("out,o", "FILE", "page to write (report.html)",
            [&](const auto& flag, const auto& text) { flags.out = parse_file(flag, text); });
  line.toggle("help", "print this and exit", flags.help);
  line.footer(
      "Confusion matrix, unsure rows and pictures of what the network learned need its data: the "
      "report that `ladder train` writes has them.");
  return line;
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
  write_text(flags.out, report_html(report_of_runs(flags.folders)));
  print(fmt::format("wrote {}\n", flags.out.string()));
  return 0;
}

}  // namespace ladder::apps
