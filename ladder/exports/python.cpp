#include "ladder/exports/python.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/torch.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "ladder/core/activation.h"
#include "ladder/data/internal/missing_values.h"
#include "ladder/data/internal/spellings.h"
#include "ladder/exports/internal/plain_layers.h"
#include "ladder/io/atomic_file.h"
#include "ladder/io/tensor_file.h"
#include "ladder/version.h"

namespace ladder::exports {
namespace {

using Map = PlainLayer::Map;

constexpr const char* kWritePython = "write_python";

constexpr std::string_view kNormalization = R"PY(

class Normalization(nn.Module):
    """h = act(gamma (z + beta)), z = (x - mean) / sqrt(var + 1e-10), channel by channel.

    The statistics are stored ones: rows do not depend on each other.
    """

    def __init__(self, channels, activation, beta, gamma):
        super().__init__()
        self.beta = nn.Parameter(torch.zeros(channels)) if beta else None
        self.gamma = nn.Parameter(torch.ones(channels)) if gamma else None
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.activation = activation

    def forward(self, x):
        def channels(values):
            return values.view([1, -1] + [1] * (x.dim() - 2))

        h = (x - channels(self.running_mean)) / channels((self.running_var + 1e-10).sqrt())
        if self.beta is not None:
            h = h + channels(self.beta)
        if self.gamma is not None:
            h = h * channels(self.gamma)
        return self.activation(h)
)PY";

constexpr std::string_view kDense = R"PY(

class Dense(nn.Linear):
    """A dense layer without bias, which the normalisation would cancel. Flattens its rows."""

    def __init__(self, inputs, units, normalization):
        super().__init__(inputs, units, bias=False)
        self.normalization = normalization

    def forward(self, x):
        return self.normalization(super().forward(x.flatten(1)))
)PY";

constexpr std::string_view kConv = R"PY(

class Conv(nn.Conv2d):
    """A convolution without bias, which the normalisation would cancel."""

    def __init__(self, inputs, channels, kernel, stride, padding, normalization):
        super().__init__(inputs, channels, kernel, stride=stride, padding=padding, bias=False)
        self.normalization = normalization

    def forward(self, x):
        return self.normalization(super().forward(x))
)PY";

constexpr std::string_view kStage = R"PY(

class Stage(nn.Module):
    """Any map, then a normalisation."""

    def __init__(self, map, normalization):
        super().__init__()
        self.map = map
        self.normalization = normalization

    def forward(self, x):
        return self.normalization(self.map(x))
)PY";

constexpr std::string_view kGlobalMean = R"PY(

class GlobalMean(nn.Module):
    """The mean of each channel over all positions, times a factor: feature maps become rows."""

    def __init__(self, factor, normalization):
        super().__init__()
        self.factor = factor
        self.normalization = normalization

    def forward(self, x):
        return self.normalization(x.mean((2, 3)) * self.factor)
)PY";

constexpr std::string_view kTableInputs = R"PY(

BLANKS = " \t\u00a0\u202f\u2007\ufeff"  # no-break ones too; they do not count around values


def is_missing(value):
    """None, NaN and NA are missing in every column."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return bool(value != value)


def number_of(value, name, row, single):
    """Return a value of a column of numbers, NaN where it is missing.

    `single`: the column is in single precision, so that missing numbers are rounded as well.
    """
    if isinstance(value, str):
        value = value.strip(BLANKS).replace("\u2212", "-")  # a minus of typesetters
    if is_missing(value) or (isinstance(value, str) and value in MISSING):
        return math.nan
    try:
        if isinstance(value, str):
            value = TRUTHS.get(value, value)
            if not set(str(value)) <= set("+-.0123456789eEinftyINFTY"):
                raise ValueError
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        raise ValueError(
            f"expected a number but got {value!r} in row {row + 1} of column {name!r}."
        ) from None
    if math.isinf(number):
        raise ValueError(
            f"expected finite numbers but got {number} in row {row + 1} of column {name!r}."
        )
    single = single or type(value).__name__ == "float32"
    missing = number in MISSING_NUMBERS or (single and number in MISSING_SINGLE)
    return math.nan if missing else number


def text_of(value):
    """Return a value of a text column as it is compared with levels: 3.0 is "3", 1e16 "1e+16"."""
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return str(int(value))
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e16 else repr(number)
    return str(value)


def spells_missing_number(text):
    """Return whether a text is a number in MISSING_NUMBERS; 0999 is a code and not 999."""
    text = text.replace("\u2212", "-")
    digits = text.lstrip("+-")
    is_code = len(digits) > 1 and digits[0] == "0" and digits[1] in "0123456789"
    if is_code or not set(text) <= set("+-.0123456789eE"):
        return False
    try:
        return float(text) in MISSING_NUMBERS
    except ValueError:
        return False


UNSEEN = -2
_warned = set()


def warn_of_unseen(name, unseen, rows, rare):
    """Warn once a column of texts that are no level. `rare`: texts of training may be none, too."""
    if name in _warned or unseen == 0 or (rare and 2 * unseen <= rows):
        return
    _warned.add(name)
    kind = "rare or not in training" if rare else "not in training"
    warnings.warn(f"column {name!r}: {unseen} of {rows} texts were {kind}", stacklevel=3)


def place_of(value, known, none, other):
    """Return the place of a text; blanks around it do not count."""
    text = text_of(value)
    bare = text.strip(BLANKS)
    for spelling in (text, bare):
        if spelling in known:
            return known[spelling]
    return none if spells_missing_number(bare) else other


def inputs(table):
    """Return the inputs of the network, [rows, INPUTS].

    `table` gives columns by name: a dict of lists, or a pandas.DataFrame. None, NaN, NA, the texts
    in MISSING and the numbers in MISSING_NUMBERS are missing values. Other columns are ignored.
    """
    parts, rows = [], None
    for column in COLUMNS:
        name = column["name"]
        try:
            given = table[name]
        except KeyError:
            raise ValueError(f"expected a column '{name}' but got none of this name.") from None
        values = list(given)
        if rows is not None and len(values) != rows:
            raise ValueError(
                f"expected {rows} values, as in the columns before, but got {len(values)} in column "
                f"'{name}'.")
        rows = len(values)
        if column["kind"] == "number":
            single = str(getattr(given, "dtype", "")).lower().endswith(("float32", "float[pyarrow]"))
            x = torch.tensor([number_of(v, name, row, single) for row, v in enumerate(values)],
                             dtype=torch.float64)
            missing = x.isnan()
            largest = torch.finfo(torch.float64).max
            z = ((x - column["center"]) / column["scale"]).clamp(-largest, largest)
            z = torch.where(missing, 0.0, z)
            # Heavy tails: beyond TAIL_FROM a value grows by its logarithm.
            tail = TAIL_FROM + torch.log1p((z.abs() - TAIL_FROM).clamp(min=0))
            parts.append(torch.where(z.abs() > TAIL_FROM, z.sign() * tail, z))
            if column["indicator"]:
                parts.append(LEVEL_HEIGHT * missing.double())
        else:
            levels = column["levels"]
            width = len(levels) + column["other"] + column["indicator"]
            other = len(levels) if column["other"] else -1  # of rare and unseen levels
            none = width - 1 if column["indicator"] else -1  # of missing ones
            known = {text: none for text in MISSING}
            known.update(column.get("spellings", {}))
            known.update({level: place for place, level in enumerate(levels)})
            for place, level in enumerate(levels):
                known.setdefault(level.strip(BLANKS), place)
            places = [none if is_missing(v) else place_of(v, known, none, UNSEEN) for v in values]
            warn_of_unseen(name, places.count(UNSEEN), len(places), column["other"])
            places = torch.tensor([other if place == UNSEEN else place for place in places],
                                  dtype=torch.long)
            parts += [LEVEL_HEIGHT * (places == place).double() for place in range(width)]
    return torch.stack(parts, dim=1).to(DTYPE)
)PY";

constexpr std::string_view kImages = R"PY(

def checked_images(images):
    """Return images as a tensor [rows, channels, height, width]."""
    x = torch.as_tensor(images)
    if x.dim() != 4 or list(x.shape[1:]) != IMAGE_SHAPE:
        raise ValueError(f"expected images [rows, {IMAGE_SHAPE}] but got {list(x.shape)}")
    if x.dtype != torch.uint8:
        raise ValueError(f"expected pixels from 0 to 255 as uint8 but got {x.dtype}")
    return x
)PY";

constexpr std::string_view kImageInputs = R"PY(

def inputs(images):
    """Return the inputs of the network from pixels 0 to 255, [rows, channels, height, width]."""
    x = checked_images(images)
    mean = torch.tensor(IMAGE_MEAN, dtype=DTYPE).view(1, -1, 1, 1)
    scale = torch.tensor(IMAGE_SCALE, dtype=DTYPE).view(1, -1, 1, 1)
    return ((x.to(DTYPE) / 255 - mean) / scale))PY";

constexpr std::string_view kWhitenedInputs = R"PY(

@functools.cache
def whitening():
    """Return the mean and the map of ZCA whitening, from the weights beside this file."""
    weights = torch.load(pathlib.Path(__file__).with_suffix(".pt"), weights_only=True)
    return weights["images.mean"], weights["images.map"]


def inputs(images):
    """Return the inputs of the network from pixels 0 to 255, [rows, channels, height, width].

    c = CONTRAST_NORM (x - mean(x)) / |x - mean(x)| for each image x, then (c - mean) map.
    """
    x = checked_images(images).flatten(1).double()
    x = x - x.mean(1, keepdim=True)
    norm = x.norm(dim=1, keepdim=True)
    gain = torch.where(norm > 1e-8 * CONTRAST_NORM, CONTRAST_NORM / norm, 0.0)
    mean, map = whitening()
    y = ((x * gain).float() - mean) @ map
    return y.to(DTYPE).view([-1] + INPUT_SHAPE)
)PY";

constexpr std::string_view kPlainInputs = R"PY(

def inputs(x):
    """Return the inputs of the network, [rows, *INPUT_SHAPE]."""
    return torch.as_tensor(x).to(DTYPE)
)PY";

constexpr std::string_view kPrediction = R"PY(

def load(path=None):
    """Return the network with its weights, from the file beside this one or another one."""
    path = pathlib.Path(path) if path else pathlib.Path(__file__).with_suffix(".pt")
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        weights = load_file(path)
    else:
        weights = torch.load(path, weights_only=True)
    network = Network().to(DTYPE)
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    return network.eval()


def predict_proba(rows, network=None):
    """Return the probability of each class in CLASSES, a tensor [rows, classes]."""
    network = network or load()
    with torch.no_grad():
        return network(inputs(rows)).softmax(dim=1)


def predict(rows, network=None):
    """Return the most probable class of each row, a list of names."""
    return [CLASSES[place] for place in predict_proba(rows, network).argmax(dim=1).tolist()]
)PY";

std::string python_text(const std::string& text) {
  return nlohmann::json(text).dump();  // the escapes of JSON mean the same in Python
}

std::string python_texts(const std::vector<std::string>& texts) { return json_array(texts); }

std::string python_number(double value) { return nlohmann::json(value).dump(); }

std::string python_numbers(const std::vector<double>& values) {
  std::vector<std::string> texts;
  for (const double value : values) texts.push_back(python_number(value));
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

const char* python_bool(bool value) { return value ? "True" : "False"; }

// "3", or "(3, 1)" where the sizes differ.
std::string python_size(const std::vector<int64_t>& sizes) {
  bool same = true;
  for (const int64_t size : sizes) same = same && size == sizes[0];
  return same ? std::to_string(sizes[0]) : fmt::format("({}, {})", sizes[0], sizes[1]);
}

std::string python_activation(const NoisyNormalizationOptions& options) {
  switch (options.activation) {
    case Activation::kIdentity:
      return "nn.Identity()";
    case Activation::kRelu:
      return "nn.ReLU()";
    case Activation::kLeakyRelu:
      return fmt::format("nn.LeakyReLU({})", python_number(options.leaky_slope));
    case Activation::kTanh:
      return "nn.Tanh()";
    case Activation::kGelu:
      return "nn.GELU()";
  }
  TORCH_INTERNAL_ASSERT(false);
}

std::string python_normalization(const PlainLayer& layer) {
  const auto& norm = *layer.normalization;
  return fmt::format("Normalization({}, {}, beta={}, gamma={})", norm.options.channels,
                     python_activation(norm.options), python_bool(norm.beta.defined()),
                     python_bool(norm.gamma.defined()));
}

// The padding of a convolution: sizes, or "same" where the two sides differ.
std::string python_padding(const PlainLayer& layer) {
  for (const int64_t more : layer.end_padding) {
    if (more != 0) return "\"same\"";
  }
  return python_size(layer.padding);
}

// The map inside of a Stage.
std::string python_map(const PlainLayer& layer) {
  const size_t dimensions = layer.in.size() - 1;
  switch (layer.map) {
    case Map::kDense:
      return fmt::format("nn.Linear({}, {}, bias={})", layer.weight.size(1), layer.weight.size(0),
                         python_bool(layer.bias.defined()));
    case Map::kConv:
      return fmt::format(
          "nn.Conv{}d({}, {}, {}, stride={}, padding={}, dilation={}, groups={}, bias={})",
          dimensions, layer.in[0], layer.out[0], python_size(layer.kernel),
          python_size(layer.stride), python_padding(layer), python_size(layer.dilation),
          layer.groups, python_bool(layer.bias.defined()));
    case Map::kMaxPool:
      return fmt::format("nn.MaxPool{}d({}, stride={}, padding={}, dilation={}, ceil_mode={})",
                         dimensions, python_size(layer.kernel), python_size(layer.stride),
                         python_size(layer.padding), python_size(layer.dilation),
                         python_bool(layer.ceil_mode));
    case Map::kMeanPool:
      return fmt::format(
          "nn.AvgPool{}d({}, stride={}, padding={}, ceil_mode={}, count_include_pad={})",
          dimensions, python_size(layer.kernel), python_size(layer.stride),
          python_size(layer.padding), python_bool(layer.ceil_mode),
          python_bool(layer.count_padding));
    case Map::kGlobalMean:
      return fmt::format("nn.AdaptiveAvgPool{}d(1)", dimensions);
  }
  TORCH_INTERNAL_ASSERT(false);
}

// One stage as a call, and the name of its class.
std::pair<std::string, std::string> python_stage(const PlainLayer& layer) {
  const auto normalization = python_normalization(layer);
  const bool is_wrapped = !layer.map_name.empty();
  if (!is_wrapped && layer.map == Map::kDense) {
    return {"Dense", fmt::format("Dense({}, {}, {})", layer.weight.size(1), layer.weight.size(0),
                                 normalization)};
  }
  if (!is_wrapped && layer.map == Map::kConv) {
    return {"Conv",
            fmt::format("Conv({}, {}, {}, {}, {}, {})", layer.weight.size(1), layer.weight.size(0),
                        python_size(layer.kernel), python_size(layer.stride),
                        python_size(layer.padding), normalization)};
  }
  if (!is_wrapped && layer.map == Map::kGlobalMean) {
    return {"GlobalMean",
            fmt::format("GlobalMean({}, {})", python_number(layer.factor), normalization)};
  }
  return {"Stage", fmt::format("Stage({}, {})", python_map(layer), normalization)};
}

std::string python_sizes(const std::vector<int64_t>& sizes) { return nlohmann::json(sizes).dump(); }

// Other texts of levels, such as "TRUE" for "true": {"TRUE": 0}, or "" where there are none.
std::string python_spellings(const data::Feature& column, const std::vector<std::string>& missing) {
  nlohmann::ordered_json spellings;
  const auto levels = static_cast<int64_t>(column.levels.size());
  for (const auto& [text, input] : data::other_spellings(column, missing)) {
    if (input >= 0 && input < levels) spellings[text] = input;
  }
  return spellings.empty() ? "" : spellings.dump();
}

std::string python_missing(const data::Features& features) {
  auto texts = data::usual_missing();
  texts.insert(texts.end(), features.missing.begin(), features.missing.end());
  const data::MissingValues missing(features.missing);
  return fmt::format(
      "MISSING = {}\nMISSING_NUMBERS = {}\nMISSING_SINGLE = {}  # in single precision\n"
      "TRUTHS = {{\"true\": 1, \"True\": 1, \"TRUE\": 1, \"false\": 0, \"False\": 0, \"FALSE\": "
      "0}}\n",
      python_texts(texts), python_numbers(missing.numbers()), python_numbers(missing.rounded()));
}

std::string python_columns(const data::Features& features) {
  std::string text = "COLUMNS = [\n";
  for (const auto& column : features.columns) {
    if (!column.dropped.empty()) continue;
    text += fmt::format("    {{\"name\": {}, ", python_text(column.name));
    if (column.kind == data::ColumnKind::kNumber) {
      text += fmt::format("\"kind\": \"number\", \"center\": {}, \"scale\": {}, ",
                          python_number(column.center), python_number(column.scale));
    } else {
      text += fmt::format("\"kind\": \"text\", \"levels\": {}, \"other\": {}, ",
                          python_texts(column.levels), python_bool(column.other));
      const auto spellings = python_spellings(column, features.missing);
      if (!spellings.empty()) text += "\"spellings\": " + spellings + ", ";
    }
    text += fmt::format("\"indicator\": {}}},\n", python_bool(column.indicator));
  }
  return text + "]\n";
}

bool whitens(const PredictionModel& model) { return model.images && model.images->whitening; }

std::string python_constants(const PredictionModel& model, torch::Dtype dtype) {
  std::string text = "\nCLASSES = " + python_texts(class_names(model)) + "\n";
  text += fmt::format("DTYPE = torch.{}\n", dtype == torch::kFloat64 ? "float64" : "float32");
  if (model.features) {
    text += fmt::format("TAIL_FROM = {}  # standard deviations\nLEVEL_HEIGHT = {}\n",
                        python_number(data::kTailFrom), python_number(data::kLevelHeight));
    text += python_missing(*model.features);
    text += python_columns(*model.features);
  } else if (model.images) {
    const auto& images = *model.images;
    text += fmt::format("IMAGE_SHAPE = {}\n",
                        python_sizes({images.channels, images.height, images.width}));
    text += whitens(model) ? fmt::format("CONTRAST_NORM = {}\nINPUT_SHAPE = {}\n",
                                         python_number(images.whitening->contrast_norm),
                                         python_sizes(model.net->options.input_shape))
                           : fmt::format("IMAGE_MEAN = {}\nIMAGE_SCALE = {}\n",
                                         python_numbers(images.mean), python_numbers(images.scale));
  } else {
    text += "INPUT_SHAPE = " + python_sizes(model.net->options.input_shape) + "\n";
  }
  return text;
}

// The function from rows to the inputs of the network.
std::string python_inputs(const PredictionModel& model) {
  if (model.features) return std::string(kTableInputs);
  if (!model.images) return std::string(kPlainInputs);
  const std::string begin(kImages);
  if (whitens(model)) return begin + std::string(kWhitenedInputs);
  return begin + std::string(kImageInputs) + (model.images->flat ? ".flatten(1)\n" : "\n");
}

std::string python_module(const PredictionModel& model, const std::vector<PlainLayer>& layers,
                          torch::Dtype dtype) {
  std::string stages;
  std::map<std::string, std::string_view> classes = {
      {"Dense", kDense}, {"Conv", kConv}, {"Stage", kStage}, {"GlobalMean", kGlobalMean}};
  std::string definitions(kNormalization);
  for (const auto& layer : layers) {
    const auto [kind, call] = python_stage(layer);
    stages += "            " + call + ",\n";
    if (const auto found = classes.find(kind); found != classes.end()) {
      definitions += found->second;
      classes.erase(found);
    }
  }
  const auto inputs = python_sizes(layers.front().in), outputs = python_sizes(layers.back().out);
  std::string text = fmt::format(
      "\"\"\"A classifier of {} classes, written by ladder {}. It needs PyTorch.\n\n"
      "predict(rows) gives class names, predict_proba(rows) probabilities; inputs(rows) says what\n"
      "rows are. The weights are in the .pt file beside this one.\n\"\"\"\n\n"
      "{}import pathlib\n{}\nimport torch\nfrom torch import nn\n",
      layers.back().out[0], version(),
      model.features   ? "import math\nimport numbers\n"
      : whitens(model) ? "import functools\n"
                       : "",
      model.features ? "import warnings\n" : "");
  text += python_constants(model, dtype);
  text += definitions;
  text += fmt::format(
      "\n\nclass Network(nn.Module):\n    \"\"\"Inputs [rows, *{}] -> logits [rows, *{}].\"\"\"\n\n"
      "    def __init__(self):\n        super().__init__()\n"
      "        self.stages = nn.Sequential(\n{}        )\n\n"
      "    def forward(self, x):\n        return self.stages(x)\n",
      inputs, outputs, stages);
  text += python_inputs(model);
  text += kPrediction;
  return text;
}

// Weights of an earlier export are replaced; a model or another program's weights are not.
void check_weights_file(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return;
  bool replaceable = false;
  try {
    const auto tensors = io::load_tensors(path);
    replaceable =
        !tensors.empty() && std::all_of(tensors.begin(), tensors.end(), [](const auto& t) {
          return t.first.starts_with("stages.") || t.first == kWhiteningMean ||
                 t.first == kWhiteningMap;
        });
  } catch (const c10::Error&) {  // something else
  }
  TORCH_CHECK(replaceable, kWritePython, ": expected to write weights to ", path.string(),
              " but got a file there that holds more than weights of such a module (give the "
              "module another name or folder).");
}

io::TensorMap python_weights(const std::vector<PlainLayer>& layers) {
  io::TensorMap weights;
  for (const auto& layer : layers) {
    const auto add = [&](const std::string& name, const torch::Tensor& tensor) {
      if (tensor.defined()) weights[layer.name + "." + name] = tensor.detach();
    };
    const std::string map = layer.map_name.empty() ? "" : layer.map_name + ".";
    add(map + "weight", layer.weight);
    add(map + "bias", layer.bias);
    add("normalization.beta", layer.normalization->beta);
    add("normalization.gamma", layer.normalization->gamma);
    add("normalization.running_mean", layer.normalization->running_mean);
    add("normalization.running_var", layer.normalization->running_var);
  }
  return weights;
}

}  // namespace

PythonFiles python_files(const std::filesystem::path& path) {
  const auto module = path.extension() == ".py" ? path : path / "model.py";
  return {.module = module, .weights = std::filesystem::path(module).replace_extension(".pt")};
}

void write_python(const std::filesystem::path& path, const PredictionModel& model) {
  check_model(kWritePython, model);
  const auto layers = plain_layers(kWritePython, model.net);
  const auto [module, weights] = python_files(path);
  if (module != path) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    TORCH_CHECK(std::filesystem::is_directory(path, error), kWritePython,
                ": expected a folder or a path that ends in .py but got ", path.string(), ".");
  }
  const auto dtype = layers.front().normalization->running_mean.scalar_type();
  check_weights_file(weights);
  auto tensors = python_weights(layers);
  if (model.images) tensors.merge(whitening_tensors(*model.images));
  io::save_tensors(weights, tensors);
  io::write_atomically(module, python_module(model, layers, dtype));
}

}  // namespace ladder::exports
