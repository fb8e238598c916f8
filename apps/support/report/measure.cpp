#include "apps/support/report/measure.h"

#include <fmt/format.h>
#include <ladder/core/random.h>
#include <ladder/nn/maps/conv_map.h>
#include <ladder/nn/maps/dense_map.h>
#include <ladder/nn/maps/transposed_map.h>
#include <ladder/nn/maps/upsample_map.h>
#include <ladder/ops/convolve.h>
#include <ladder/ops/corrupt.h>
#include <ladder/train/evaluate.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/support/markup.h"

namespace ladder::apps {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 24;  // of one level: 64 MiB
constexpr int64_t kMaxRows = 2000;                  // of levels and of the picture of the top
constexpr int64_t kBands = 5;                       // values of u, each the middle of a fifth
constexpr int64_t kBins = 12;                       // means of z over the range of z~
constexpr int64_t kMinRowsInBin = 30;               // rows of a mean
constexpr int64_t kParts = 30;                      // of a distribution
constexpr int64_t kMaxClassesOfRow = 3;
constexpr int64_t kMaxDrawnUnits = 4000;  // of the layer that is drawn in two dimensions

std::vector<double> as_numbers(const torch::Tensor& values) {
  const auto all = values.to(torch::kCPU, torch::kDouble).contiguous();
  return {all.const_data_ptr<double>(), all.const_data_ptr<double>() + all.numel()};
}

// At most `most` of `rows` rows, evenly spread, ascending.
torch::Tensor spread_rows(int64_t rows, int64_t most) {
  const auto count = std::min(rows, std::max<int64_t>(2, most));
  return torch::arange(count, torch::kInt64).mul(rows).div(count, "floor");
}

torch::Tensor vertical_of(const std::shared_ptr<torch::nn::Module>& module,
                          const torch::Tensor& z_hat) {
  if (auto* dense = module->as<DenseMap>()) return dense->forward(z_hat);
  if (auto* conv = module->as<ConvMap>()) return conv->forward(z_hat);
  if (auto* transposed = module->as<TransposedMap>()) return transposed->forward(z_hat);
  if (auto* upsample = module->as<UpsampleMap>()) return upsample->forward(z_hat);
  return {};
}

double at_share(const torch::Tensor& values, double q) { return values.quantile(q).item<double>(); }

std::vector<double> shares_of(const torch::Tensor& values, double low, double high) {
  return as_numbers(torch::histc(values, kParts, low, high) / static_cast<double>(values.numel()));
}

std::optional<DenoisingCurve> curve_of(const DenoisedLevel& level, int64_t unit, double slope) {
  const auto z_noisy = level.z_noisy.select(1, unit).contiguous();
  const auto z = level.z.select(1, unit).contiguous();
  const auto u = level.u.select(1, unit).contiguous();
  DenoisingCurve curve{.level = level.level, .unit = unit, .slope = slope};
  curve.low = at_share(z_noisy, 0.002);
  curve.high = at_share(z_noisy, 0.998);
  if (!(curve.high > curve.low)) return std::nullopt;
  const auto width = curve.high - curve.low;
  curve.noisy_shares = shares_of(z_noisy, curve.low, curve.high);
  curve.clean_shares = shares_of(z, curve.low, curve.high);
  const auto axis = torch::linspace(curve.low, curve.high, 17, z.options());
  const auto grid = axis.unsqueeze(1).expand({-1, level.z.size(1)}).contiguous();
  curve.z_noisy = as_numbers(axis);
  const auto bin_of = torch::floor((z_noisy - curve.low) / width * static_cast<double>(kBins));
  for (int64_t bin = 0; bin < kBins; ++bin) {
    curve.means_at.push_back(curve.low + width * (static_cast<double>(bin) + 0.5) / kBins);
  }
  for (int64_t band = 0; band < kBands; ++band) {
    const auto share = [&](double at) {
      return at_share(u, (static_cast<double>(band) + at) / kBands);
    };
    const double middle = share(0.5);
    curve.u.push_back(middle);
    curve.z_hat.push_back(
        as_numbers(level.denoise(grid, torch::full_like(grid, middle)).select(1, unit)));
    const auto near = (u >= share(0)) & (u <= share(1));
    std::vector<double> means;
    for (int64_t bin = 0; bin < kBins; ++bin) {
      const auto values = z.masked_select(near & (bin_of == bin));
      means.push_back(values.numel() >= kMinRowsInBin ? values.mean().item<double>()
                                                      : std::numeric_limits<double>::quiet_NaN());
    }
    curve.means.push_back(std::move(means));
  }
  return curve;
}

// Activations below the top stage, [R, units]: means over the positions of feature maps.
torch::Tensor top_hidden(Ladder& net, const torch::Tensor& inputs) {
  torch::Tensor h = train::network_inputs(inputs);
  const auto pass = Pass::clean(h.size(0), Statistics::kStored);
  for (size_t l = 0; l + 1 < net->stages.size(); ++l) h = net->stages[l]->forward(h, pass).h;
  return h.dim() > 2 ? h.flatten(2).mean(2) : h;
}

// Two directions of largest variance of centred rows [N, D], as columns [D, 2], and their share.
std::pair<torch::Tensor, double> principal_directions(const torch::Tensor& rows) {
  const auto total = rows.square().sum().item<double>();
  torch::Tensor directions;
  if (rows.size(1) <= rows.size(0)) {
    const auto [values, vectors] = torch::linalg_eigh(rows.t().matmul(rows));
    directions = vectors.narrow(1, std::max<int64_t>(0, vectors.size(1) - 2),
                                std::min<int64_t>(2, vectors.size(1)));
  } else {
    const auto [values, vectors] = torch::linalg_eigh(rows.matmul(rows.t()));
    const auto left = vectors.narrow(1, std::max<int64_t>(0, vectors.size(1) - 2),
                                     std::min<int64_t>(2, vectors.size(1)));
    directions = rows.t().matmul(left);
    directions = directions / directions.norm(2, 0, true).clamp_min(1e-300);
  }
  directions = directions.flip(1);  // the largest first
  if (directions.size(1) < 2)
    directions = torch::cat({directions, torch::zeros_like(directions)}, 1);
  const auto largest = directions.abs().argmax(0, true);
  directions = directions * directions.gather(0, largest).sign();
  const double kept = rows.matmul(directions).square().sum().item<double>();
  return {directions, total > 0 ? kept / total : 0};
}

}  // namespace

std::vector<UnsureRow> unsure_rows(const torch::Tensor& probabilities, const torch::Tensor& labels,
                                   const std::vector<std::string>& classes,
                                   const std::vector<std::string>& names,
                                   const torch::Tensor& pictures, int64_t count) {
  const auto p = probabilities.cpu();
  const auto rows = p.size(0);
  const auto class_name = [&](int64_t c) {
    const auto i = static_cast<size_t>(c);
    return i < classes.size() ? classes[i] : std::to_string(c);
  };
  const auto order =
      std::get<0>(p.max(1)).argsort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
  const auto given = labels.defined() ? labels.cpu() : torch::full({rows}, -1, torch::kInt64);
  std::vector<UnsureRow> unsure;
  for (int64_t i = 0; i < std::min(count, rows); ++i) {
    const auto row = order[i].item<int64_t>();
    const auto at = static_cast<size_t>(row);
    UnsureRow one;
    one.name = at < names.size() && !names[at].empty() ? names[at] : "row " + count_text(row + 1);
    const auto label = given[row].item<int64_t>();
    if (label >= 0) one.label = class_name(label);
    const auto [values, indices] = p[row].topk(std::min(kMaxClassesOfRow, p.size(1)));
    for (int64_t k = 0; k < values.size(0); ++k) {
      one.top.emplace_back(class_name(indices[k].item<int64_t>()), values[k].item<double>());
    }
    if (pictures.defined()) one.picture = pictures[row].cpu();
    unsure.push_back(std::move(one));
  }
  return unsure;
}

std::vector<DenoisedLevel> denoised_levels(Ladder& net, const torch::Tensor& inputs) {
  std::vector<DenoisedLevel> levels;
  if (!net->has_decoder()) return levels;
  const torch::NoGradGuard no_grad;
  int64_t largest = 1;
  for (const auto& shape : net->shapes) largest = std::max(largest, c10::multiply_integers(shape));
  const auto picked = spread_rows(inputs.size(0), std::min(kMaxRows, kMaxElements / (2 * largest)));
  const auto x = train::network_inputs(inputs.index_select(0, picked.to(inputs.device())))
                     .to(net->parameters().front().options());
  const auto rows = x.size(0);
  NoiseSource noise(stream_seed(1, "noise"));
  constexpr auto kNoisy = RowRole::kUnlabeledNoisy, kClean = RowRole::kUnlabeledClean;
  const Pass pass{.groups = {{rows, true, kNoisy}, {rows, false, kClean}}, .noise = &noise};
  const auto draw = noise.draw(rows, x.numel() / rows);
  const auto h = ops::stack_corrupted({x}, {x}, net->options.input_noise, draw);
  std::vector<StageOutput> outputs = {{h,
                                       {h.narrow(0, 0, rows), x},
                                       torch::zeros({2, 1}, x.options()),
                                       torch::ones({2, 1}, x.options())}};
  for (const auto& stage : net->stages) {
    outputs.push_back(stage->forward(outputs.back().h, pass));
  }
  auto& decoder = *net->decoder;
  const auto modules = decoder.named_modules();
  auto u = torch::softmax(outputs.back().h.narrow(0, 0, rows), 1);
  for (auto l = net->top_level(); l >= decoder.options.lowest_level; --l) {
    const auto& out = outputs[static_cast<size_t>(l)];
    DenoisedLevel level{.level = l,
                        .z_noisy = ops::maps_to_matrix(out.z_of(pass, kNoisy)),
                        .z = ops::maps_to_matrix(out.z_of(pass, kClean)),
                        .u = ops::normalise_rows(ops::maps_to_matrix(u)),
                        .mean = out.mean_of(pass, kClean),
                        .std = out.std_of(pass, kClean),
                        .g = decoder.combinator(l)};
    levels.push_back(level);
    const auto* down = modules.find("verticals." + std::to_string(l - 1));
    if (down == nullptr) break;
    auto z_hat = level.g->forward(level.z_noisy, level.u);
    if (u.dim() > 2) z_hat = ops::matrix_to_maps(z_hat, u.sizes().slice(2));
    u = vertical_of(*down, z_hat);
    if (!u.defined()) break;
  }
  return levels;
}

std::vector<DenoisingCurve> denoising_curves(const std::vector<DenoisedLevel>& levels) {
  const torch::NoGradGuard no_grad;
  std::vector<DenoisingCurve> curves;
  for (const auto& level : levels) {
    const auto slope = (level.denoise(level.z_noisy + 0.01, level.u) -
                        level.denoise(level.z_noisy - 0.01, level.u))
                           .mean(0) /
                       0.02;
    const auto order = slope.argsort();
    const auto units = order.size(0);
    int64_t last = -1;
    for (const double share : {0.1, 0.5, 0.9}) {
      const auto place = static_cast<int64_t>(share * static_cast<double>(units - 1));
      if (place == last) continue;
      last = place;
      const auto unit = order[place].item<int64_t>();
      if (auto curve = curve_of(level, unit, slope[unit].item<double>())) {
        curves.push_back(std::move(*curve));
      }
    }
  }
  return curves;
}

std::optional<Reconstructions> reconstructions(const std::vector<DenoisedLevel>& levels,
                                               const exports::ImageInputs& image, int64_t count) {
  if (levels.empty() || levels.back().level != 0) return std::nullopt;
  const torch::NoGradGuard no_grad;
  const auto& input = levels.back();
  const auto positions = image.flat ? int64_t{1} : image.height * image.width;
  const auto images = std::min(count, input.z.size(0) / positions);
  const auto options = torch::TensorOptions(torch::kFloat32);
  const auto per_channel = [&](const std::vector<double>& values, double otherwise) {
    std::vector<double> all = values;
    all.resize(static_cast<size_t>(image.channels), otherwise);
    return torch::tensor(all, options).reshape({1, image.channels, 1, 1});
  };
  const auto mean = per_channel(image.mean, 0), scale = per_channel(image.scale, 1);
  const auto as_images = [&](const torch::Tensor& matrix) {
    auto rows = matrix.narrow(0, 0, images * positions).to(torch::kCPU, torch::kFloat32);
    if (image.flat) {
      rows = rows.reshape({images, image.channels, image.height, image.width});
    } else {
      rows =
          rows.reshape({images, image.height, image.width, image.channels}).permute({0, 3, 1, 2});
    }
    return (rows * scale + mean).clamp(0, 1).contiguous();
  };
  return Reconstructions{as_images(input.z_noisy),
                         as_images(input.g->forward(input.z_noisy, input.u)), as_images(input.z)};
}

TopLayerPicture top_layer_picture(Ladder& net, const torch::Tensor& inputs,
                                  const std::vector<bool>& labeled) {
  TORCH_CHECK(labeled.empty() || static_cast<int64_t>(labeled.size()) == inputs.size(0),
              "top_layer_picture: expected labeled to be empty or to have ", inputs.size(0),
              " elements but got ", labeled.size(), ".");
  const torch::NoGradGuard no_grad;
  // All labeled rows as far as there is room, and others evenly spread.
  std::vector<int64_t> chosen, rest;
  for (int64_t row = 0; row < inputs.size(0); ++row) {
    const bool known = !labeled.empty() && labeled[static_cast<size_t>(row)];
    (known && static_cast<int64_t>(chosen.size()) < kMaxRows / 4 ? chosen : rest).push_back(row);
  }
  const auto more = std::min<int64_t>(static_cast<int64_t>(rest.size()),
                                      kMaxRows - static_cast<int64_t>(chosen.size()));
  const auto marked = chosen.size();
  for (int64_t i = 0; i < more; ++i) {
    chosen.push_back(rest[static_cast<size_t>(i * static_cast<int64_t>(rest.size()) / more)]);
  }
  const auto rows = torch::tensor(chosen, torch::kInt64).to(inputs.device());
  TopLayerPicture picture;
  picture.level = net->top_level() - 1;
  std::vector<torch::Tensor> parts, classes;
  const auto picked = inputs.index_select(0, rows);
  for (const auto& batch : picked.split(500)) {
    const auto x = train::network_inputs(batch);
    parts.push_back(top_hidden(net, x).to(torch::kCPU, torch::kDouble));
  }
  auto h = torch::cat(parts);  // [N, D]
  picture.units = h.size(1);
  if (h.size(1) > kMaxDrawnUnits) h = h.narrow(1, 0, kMaxDrawnUnits);
  h = h - h.mean(0, /*keepdim=*/true);
  const auto [directions, share] = principal_directions(h);
  picture.share = share;
  const auto points = h.matmul(directions);
  picture.x = as_numbers(points.select(1, 0));
  picture.y = as_numbers(points.select(1, 1));
  const auto predicted = train::predict(net, picked).cpu();
  picture.classes.assign(predicted.const_data_ptr<int64_t>(),
                         predicted.const_data_ptr<int64_t>() + predicted.numel());
  picture.labeled.assign(chosen.size(), false);
  for (size_t i = 0; i < chosen.size(); ++i) {
    picture.labeled[i] =
        i < marked || (!labeled.empty() && labeled[static_cast<size_t>(chosen[i])]);
  }
  return picture;
}

void measure_predictions(ReportData& data, Ladder& net, const MeasuredRows& rows) {
  TORCH_CHECK(!data.runs.empty(), "measure_predictions: expected at least one run but got none.");
  const auto p = train::probabilities(net, rows.inputs).to(torch::kCPU);
  const auto exact = p.scalar_type() == torch::kDouble ? p : p.to(torch::kFloat32);
  data.metrics = train::classification_metrics(exact, rows.labels);
  data.unsure = unsure_rows(exact, rows.labels, data.classes, rows.names, rows.pictures);
  data.runs.front().rows = data.metrics->rows;
  data.runs.front().wrong = data.metrics->wrong;
  const auto& of_classes = data.metrics->classes;
  const auto most =
      std::max_element(of_classes.begin(), of_classes.end(),
                       [](const auto& a, const auto& b) { return a.support < b.support; });
  data.baselines.majority =
      100 * (1 - static_cast<double>(most->support) / static_cast<double>(data.metrics->rows));
  const auto c = static_cast<size_t>(most - of_classes.begin());
  data.baselines.majority_class = c < data.classes.size() ? data.classes[c] : std::to_string(c);
}

void measure_learned(ReportData& data, Ladder& net, const torch::Tensor& inputs,
                     const std::vector<bool>& labeled,
                     const std::optional<exports::ImageInputs>& image) {
  const auto levels = denoised_levels(net, inputs);
  data.denoising = denoising_curves(levels);
  std::stable_sort(data.denoising.begin(), data.denoising.end(),
                   [](const auto& a, const auto& b) { return a.level < b.level; });
  if (image) data.reconstructions = reconstructions(levels, *image);
  data.top_layer = top_layer_picture(net, inputs, labeled);
}

std::vector<ReportedColumn> reported_columns(const data::Table& table,
                                             const data::Features& features,
                                             const std::vector<std::string>& except) {
  std::vector<ReportedColumn> columns;
  for (const auto& feature : features.columns) {
    if (std::find(except.begin(), except.end(), feature.name) != except.end()) continue;
    ReportedColumn column{.name = feature.name};
    const bool number = feature.kind == data::ColumnKind::kNumber;
    column.kind = number ? "number" : "text";
    column.dropped = feature.dropped;
    column.inputs = feature.dropped.empty() ? feature.width() : 0;
    if (const auto at = table.find(feature.name); at >= 0) {
      const auto& values = table.columns[static_cast<size_t>(at)];
      column.missing = values.kind == data::ColumnKind::kNumber
                           ? std::count_if(values.numbers.begin(), values.numbers.end(),
                                           [](double value) { return std::isnan(value); })
                           : std::count_if(values.codes.begin(), values.codes.end(),
                                           [](int32_t code) { return code < 0; });
    }
    if (number) {
      column.summary = fmt::format("mean {}, standard deviation {}", short_text(feature.center),
                                   short_text(feature.scale));
    } else {
      column.summary = count_text(static_cast<int64_t>(feature.levels.size()), "level") +
                       (feature.other ? ", rare ones share an input" : "");
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

}  // namespace ladder::apps
