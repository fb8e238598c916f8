#include <fmt/format.h>
#include <ladder/classifier.h>
#include <ladder/core/nearest_name.h>
#include <ladder/exports/formats.h>
#include <ladder/exports/model_card.h>
#include <ladder/exports/python.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "apps/commands/commands.h"
#include "apps/commands/data_flags.h"
#include "apps/support/command_line.h"
#include "apps/support/output.h"
#include "apps/support/program.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

struct ExportFlags {
  std::string model = {}, format = {};
  fs::path out = {};
  bool help = false;
};

// A member of every format.
std::vector<std::string> listed(std::string exports::NamedFormat::*member) {
  std::vector<std::string> all;
  for (const auto& format : exports::formats()) all.push_back(format.*member);
  return all;
}

std::string formats_help() {
  std::string text;
  for (const auto& format : exports::formats()) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", format.name, format.summary);
  }
  return text;
}

CommandLine export_line(ExportFlags& flags) {
  CommandLine line("ladder export", "Write a model in a format that other programs read.");
  line.word("MODEL", "folder of a run, or a model file", true,
            [&](const auto&, const auto& text) { flags.model = text; });
  line.flag("format", "NAME", formats_help(), [&](const auto& flag, const auto& text) {
    flags.format = parse_choice(flag, text, listed(&exports::NamedFormat::name));
  });
  line.flag("out,o", "FILE", "file to write; for python also a folder",
            [&](const auto& flag, const auto& text) { flags.out = parse_file(flag, text); });
  line.toggle("help", "print this and exit", flags.help);
  line.footer(fmt::format(
      "Without --format the ending of FILE decides: {}. A model card is written beside FILE, as "
      "FILE.md, or into the folder of the Python module, as MODEL.md.",
      or_list(listed(&exports::NamedFormat::ending))));
  return line;
}

// The format that was asked for, or the one that the ending of the file names.
const exports::NamedFormat& format_of(const ExportFlags& flags) {
  const auto& all = exports::formats();
  const auto named = std::find_if(all.begin(), all.end(),
                                  [&](const auto& format) { return format.name == flags.format; });
  if (named != all.end()) return *named;
  const auto* const by_ending = exports::find_format(flags.out);
  if (by_ending != nullptr) return *by_ending;
  throw UsageError(fmt::format("expected --format {}, or a FILE with such an ending, but got '{}'.",
                               or_list(listed(&exports::NamedFormat::name)), flags.out.string()));
}

constexpr std::string_view kCardHead = "# Model card";
constexpr std::string_view kModuleHead = "\"\"\"A classifier of ";

// What an export writes.
struct ExportFiles {
  fs::path main = {};     // the file that was asked for, or model.py in the folder that was
  fs::path weights = {};  // beside a module
  fs::path card = {};
};

// A card has the whole name of its file in its own: m.onnx and m.pt may be of different models.
ExportFiles files_of(const fs::path& out, const exports::NamedFormat& format) {
  const fs::path card = out.string() + ".md";
  if (format.name != "python") return {.main = out, .card = card};
  const auto [module, weights] = exports::python_files(out);
  return {.main = module, .weights = weights, .card = module == out ? card : out / "MODEL.md"};
}

// What is written beside the file that was asked for replaces nothing but an earlier export.
void check_files(const ExportFiles& files, const fs::path& asked, const fs::path& model) {
  for (const auto& file : {files.main, files.weights, files.card}) {
    check_not_same("MODEL", model, file);
  }
  std::error_code none;
  if (files.main != asked && fs::is_regular_file(files.main, none) &&
      head_of(files.main, kModuleHead.size()) != kModuleHead) {
    throw std::runtime_error(fmt::format(
        "expected to write the module {} but got a file there that ladder did not write "
        "(choose another folder).",
        files.main.string()));
  }
  if (!fs::is_regular_file(files.card, none)) return;
  if (head_of(files.card, kCardHead.size()) != kCardHead) {
    throw std::runtime_error(
        fmt::format("expected to write the model card to {} but got a file there that is no model "
                    "card (give FILE another name).",
                    files.card.string()));
  }
}

}  // namespace

int export_command(int argc, const char* const* argv) {
  ExportFlags flags;
  auto line = export_line(flags);
  line.parse(argc, argv);
  line.apply();
  if (flags.help) {
    print(line.help());
    return 0;
  }
  if (flags.out.empty()) {
    throw UsageError("expected a file to write in -o FILE but got none.");
  }
  const auto& format = format_of(flags);
  const auto path = model_path(flags.model);
  const auto files = files_of(flags.out, format);
  check_files(files, flags.out, path);
  const auto classifier = Classifier::load(path);
  const auto& model = classifier.model();
  format.write(flags.out, model);
  write_text(files.card, exports::model_card(model, files.main.stem().string()));
  print(fmt::format("wrote {}{} and its model card {}\n", files.main.string(),
                    files.weights.empty() ? "" : ", its weights " + files.weights.string(),
                    files.card.string()));
  return 0;
}

}  // namespace ladder::apps
