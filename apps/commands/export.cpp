#include <fmt/format.h>
#include <ladder/classifier.h>
#include <ladder/exports/model_card.h>
#include <ladder/exports/onnx.h>
#include <ladder/exports/python.h>
#include <ladder/exports/weights.h>

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
  CommandLine line("ladder export", "Write a model in a format that others open.");
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
      "is "
      "written beside FILE, with the ending .md.");
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

// Path of the model card: MODEL.md in a folder, else the file with another ending.
fs::path card_beside(const fs::path& out) {
  return fs::is_directory(out) ? out / "MODEL.md" : fs::path(out).replace_extension(".md");
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
  const auto classifier = Classifier::load(model_path(flags.model));
  const auto& model = classifier.model();
  if (format == "onnx") {
    exports::write_onnx(flags.out, model);
  } else if (format == "safetensors") {
    exports::write_safetensors(flags.out, model);
  } else if (format == "pt") {
    exports::write_torch(flags.out, model);
  } else {
    exports::write_python(flags.out, model);
  }
  const auto card = card_beside(flags.out);
  write_text(card, exports::model_card(model));
  print(fmt::format("wrote {} and its model card {}\n", flags.out.string(), card.string()));
  return 0;
}

}  // namespace ladder::apps
