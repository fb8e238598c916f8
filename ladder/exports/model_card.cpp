#include "ladder/exports/model_card.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/torch.h>

#include <algorithm>
#include <iterator>
#include <locale>
#include <numeric>
#include <sstream>
#include <string_view>
#include <vector>

#include "ladder/core/activation.h"
#include "ladder/exports/internal/plain_layers.h"
#include "ladder/io/utf8.h"
#include "ladder/version.h"

namespace ladder::exports {
namespace {

constexpr size_t kMaxListed = 20;      // classes or columns
constexpr size_t kMaxCellBytes = 120;  // of a text in a table

// A text inside of a line or a table of Markdown.
std::string markdown(std::string_view text) {
  constexpr std::string_view kMeaning = "\\`*_[]<>|#&~";
  std::string out;
  for (const char c : text) {
    if (kMeaning.find(c) != std::string_view::npos) out += '\\';
    out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return out;
}

// At most `kMaxCellBytes` of a text, cut between characters.
std::string shortened(const std::string& text) {
  const auto kept = io::cut_text(text, kMaxCellBytes);
  return markdown(kept) + (kept.size() < text.size() ? "..." : "");
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMaxListed); ++i) {
    text += (i > 0 ? ", " : "") + shortened(names[i]);
  }
  if (names.size() > kMaxListed) text += fmt::format(" and {} more", names.size() - kMaxListed);
  return text;
}

std::string sizes_text(const std::vector<int64_t>& sizes) {
  return fmt::format("{}", fmt::join(sizes, " x "));
}

std::string card_inputs(const PredictionModel& model) {
  if (model.features) {
    const auto numbers = used_columns(model, data::ColumnKind::kNumber).size();
    const auto texts = used_columns(model, data::ColumnKind::kText).size();
    return fmt::format("rows of a table with {} numeric and {} text column{}", numbers, texts,
                       texts == 1 ? "" : "s");
  }
  if (model.images) {
    return fmt::format("images of {} x {} pixels with {} channel{}", model.images->height,
                       model.images->width, model.images->channels,
                       model.images->channels == 1 ? "" : "s");
  }
  return fmt::format("rows of {} numbers", sizes_text(model.net->options.input_shape));
}

std::string feature_row(const data::Feature& feature) {
  std::string use;
  if (!feature.dropped.empty()) {
    use = "not used: " + markdown(feature.dropped);
  } else if (feature.kind == data::ColumnKind::kNumber) {
    use = fmt::format("(x - {:.6g}) / {:.6g}", feature.center, feature.scale);
  } else {
    use = fmt::format("one input for each of {} texts", feature.levels.size());
    if (feature.other) use += ", one for all others";
  }
  if (feature.dropped.empty() && feature.indicator) use += ", one that marks missing values";
  return fmt::format("| {} | {} | {} |\n", shortened(feature.name),
                     feature.kind == data::ColumnKind::kNumber ? "number" : "text", use);
}

std::string card_columns(const data::Features& features) {
  std::string text = fmt::format(
      "## Columns\n\n"
      "Columns are found by name. A number is standardised; beyond {} standard deviations it grows "
      "by its logarithm. A missing number counts as the mean.{}\n\n"
      "| column | kind | use |\n|---|---|---|\n",
      data::kTailFrom,
      features.missing.empty() ? "" : " Missing are also: " + listed(features.missing) + ".");
  for (const auto& column : features.columns) text += feature_row(column);
  return text + "\n";
}

std::string card_whitening(const ImageInputs& images) {
  return fmt::format(
      "## Pixels\n\n"
      "An image x of pixels from 0 to 255 becomes (c - mean) map with c = {:.6g} (x - m) / |x - "
      "m|, "
      "where m is the mean of all values of x. mean and map, the ZCA whitening of the training "
      "images, are the tensors `{}` and `{}` beside the weights.\n\n",
      images.whitening->contrast_norm, kWhiteningMean, kWhiteningMap);
}

std::string card_pixels(const ImageInputs& images) {
  if (images.whitening) return card_whitening(images);
  std::string text =
      "## Pixels\n\nA pixel x of 0 to 255 becomes (x / 255 - mean) / scale.\n\n"
      "| channel | mean | scale |\n|---|---|---|\n";
  for (size_t c = 0; c < images.mean.size(); ++c) {
    text += fmt::format("| {} | {:.6g} | {:.6g} |\n", c, images.mean[c], images.scale[c]);
  }
  return text + "\n";
}

int64_t parameters_of(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const auto& parameter : module.parameters()) count += parameter.numel();
  return count;
}

std::string card_network(const Ladder& net) {
  int64_t total = 0;
  std::string rows;
  for (size_t l = 0; l < net->stages.size(); ++l) {
    const auto& module = *net->stages[l].module();
    std::ostringstream kind;
    kind.imbue(std::locale::classic());  // a program may have set another one
    module.pretty_print(kind);
    // Modules without a line of their own print their children below the first one.
    const std::string line = kind.str().substr(0, kind.str().find('\n'));
    const int64_t count = parameters_of(module);
    total += count;
    rows += fmt::format("| {} | {} | {} | {} |\n", l + 1, shortened(line),
                        sizes_text(net->shapes[l + 1]), count);
  }
  std::string text =
      fmt::format("## Network\n\nA ladder network with {} layers and {} parameters for predictions",
                  net->stages.size(), total);
  text += net->has_decoder()
              ? fmt::format(", and {} in the decoder, which only training needs.\n\n",
                            parameters_of(*net->decoder))
              : std::string(".\n\n");
  text += "| layer | kind | values of a row | parameters |\n|---|---|---|---|\n" + rows + "\n";
  if (net->has_decoder()) {
    text += fmt::format(
        "Weights of the denoising costs by level, from the input up: {:.6g}. Noise on "
        "the input: standard deviation {}.\n\n",
        fmt::join(net->options.lambda, ", "), net->options.input_noise);
  }
  return text;
}

std::string card_limits(const PredictionModel& model) {
  std::string text =
      "## Limits\n\n"
      "- Every row gets one of the classes above, also a row that belongs to none of them.\n"
      "- Probabilities are those of a softmax. They are not calibrated unless a fact above says "
      "so: "
      "look at the order rather than at the value.\n"
      "- Errors above were measured on rows like the training rows. On rows from another source, "
      "time or device, measure again.\n";
  if (model.features) {
    text +=
        "- All used columns must be there, with the same units and the same meaning. A text that "
        "training rows did not have counts as a rare one, or as none.\n";
  }
  if (model.images) {
    text += fmt::format(
        "- Exported files take images of {} x {} pixels; `ladder predict` resizes "
        "others.\n",
        model.images->height, model.images->width);
  }
  return text + "\n";
}

// A name that Python imports.
bool is_module_name(const std::string& name) {
  return !name.empty() && (name[0] < '0' || name[0] > '9') &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
             std::string::npos;
}

std::string card_loading(const PredictionModel& model, const std::string& stem) {
  std::string feed = "{\"inputs\": rows}", types = "float32";
  if (model.features) {
    const bool numbers = !used_columns(model, data::ColumnKind::kNumber).empty();
    const bool texts = !used_columns(model, data::ColumnKind::kText).empty();
    feed = fmt::format("{{{}{}{}}}", numbers ? "\"numbers\": numbers" : "",
                       numbers && texts ? ", " : "", texts ? "\"texts\": texts" : "");
    types = fmt::format("float32 [rows, columns]{}", texts ? ", texts as objects" : "");
  } else if (model.images) {
    feed = "{\"images\": images}";
    types = "uint8 [rows, channels, height, width]";
  }
  std::string file;  // inside of a text in quotes
  for (const char c : stem) {
    if (c == '"' || c == '\\') file += '\\';
    file += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  const std::string module = is_module_name(stem) ? stem : "model";
  return "## Load it\n\n"
         "The folder of a run answers new rows: `ladder predict FOLDER DATA`, or in C++ "
         "`ladder::Classifier::load(\"FOLDER/model.ladder\")`. `ladder export FOLDER -o FILE` "
         "writes "
         "the files below.\n\n"
         "ONNX, with the order of columns and the class names in its metadata:\n\n"
         "```python\nimport onnxruntime\n\n"
         "session = onnxruntime.InferenceSession(\"" +
         file + ".onnx\")\n# " + types +
         "\n"
         "classes, probabilities = session.run([\"class\", \"probabilities\"], " +
         feed +
         ")\n```\n\n"
         "Python module (`" +
         module + ".py`, `" + module +
         ".pt`):\n\n"
         "```python\nimport " +
         module + "\n\n" + module + ".predict(rows)        # class names\n" + module +
         ".predict_proba(rows)  # tensor [rows, classes]\n```\n\n"
         "Weights and descriptions as tensors:\n\n"
         "```python\nimport safetensors.torch\nimport torch\n\n"
         "weights = torch.load(\"" +
         file +
         ".pt\", weights_only=True)\n"
         "weights = safetensors.torch.load_file(\"" +
         file +
         ".safetensors\")\n```\n\n"
         "C++, into a network of the same layers:\n\n"
         "```\nladder::exports::read_weights(\"" +
         file + ".safetensors\", net);\n```\n";
}

}  // namespace

std::string model_card(const PredictionModel& model, const std::string& stem) {
  check_model("model_card", model);
  const auto classes = class_names(model);
  std::string text = fmt::format(
      "# Model card\n\n"
      "This model predicts one of {} classes ({}) from {}.\n\n"
      "Written by ladder {}, <https://arxiv.org/abs/1507.02672> is the method.\n\n",
      classes.size(), listed(classes), card_inputs(model), version());
  if (!model.facts.empty()) {
    text += "## Data, settings and numbers\n\n| fact | value |\n|---|---|\n";
    for (const auto& [name, value] : model.facts) {
      text += fmt::format("| {} | {} |\n", shortened(name), shortened(value));
    }
    text += "\n";
  }
  if (model.features) text += card_columns(*model.features);
  if (model.images) text += card_pixels(*model.images);
  return text + card_network(model.net) + card_limits(model) + card_loading(model, stem);
}

}  // namespace ladder::exports
