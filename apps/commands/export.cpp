#include <fmt/format.h>
#include <ladder/classifier.h>
#include <ladder/exports/model_card.h>
#include <ladder/exports/onnx.h>
#include <ladder/exports/python.h>
#include <ladder/exports/weights.h>

#include <string>
#include <string_view>

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

CommandLine export_line(ExportFlags& flags) {
  CommandLine line("ladder export", "Write a model in a format that other programs read.");
  line.word("MODEL", "folder of a run, or a model file", true,
            [&](const auto&, const auto& text) { flags.model = text; });
  line.flag("format", "NAME",
            "onnx: inference graph from raw rows to probabilities; safetensors, pt: weights and "
            "texts; python: a module model.py with its weights, for PyTorch",
            [&](const auto& flag, const auto& text) {
              flags.format = parse_choice(flag, text, {"onnx", "safetensors", "pt", "python"});
            });
  line.flag("out,o", "FILE", "file to write; for python also a folder",
            [&](const auto& flag, const auto& text) { flags.out = parse_file(flag, text); });
  line.toggle("help", "print this and exit", flags.help);
  line.footer(
      "Without --format the ending of FILE decides: .onnx, .safetensors, .pt or .py. A model card "
      "is written beside FILE, as FILE.md.");
  return line;
}

std::string format_of(const fs::path& path) {
  const auto ending = path.extension().string();
  if (ending == ".onnx" || ending == ".safetensors" || ending == ".pt") return ending.substr(1);
  if (ending == ".py") return "python";
  throw UsageError(fmt::format(
      "expected --format onnx, safetensors, pt or python, or a FILE with such an ending, but got "
      "'{}'.",
      path.string()));
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
ExportFiles files_of(const fs::path& out, const std::string& format) {
  const fs::path card = out.string() + ".md";
  if (format != "python") return {.main = out, .card = card};
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
  const auto format = flags.format.empty() ? format_of(flags.out) : flags.format;
  const auto path = model_path(flags.model);
  const auto files = files_of(flags.out, format);
  check_files(files, flags.out, path);
  const auto classifier = Classifier::load(path);
  const auto& model = classifier.model();
  if (format == "onnx") {
    exports::write_onnx(files.main, model);
  } else if (format == "safetensors") {
    exports::write_safetensors(files.main, model);
  } else if (format == "pt") {
    exports::write_torch(files.main, model);
  } else {
    exports::write_python(flags.out, model);
  }
  write_text(files.card, exports::model_card(model, files.main.stem().string()));
  print(fmt::format("wrote {}{} and its model card {}\n", files.main.string(),
                    files.weights.empty() ? "" : ", its weights " + files.weights.string(),
                    files.card.string()));
  return 0;
}

}  // namespace ladder::apps
