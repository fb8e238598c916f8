// Draw the denoising functions that a trained network has learned: z^ over z~, one line for each of
// five values of u, for three units of each level (docs/denoising-functions.md).
//
//   ladder-mnist --recipe mnist-100-full --epochs 3 --out runs/look
//   ladder-denoising-functions --run runs/look --out denoising-functions.svg
//
// Dots are means of the clean z over the test images with nearby z~ and u: a function that denoises
// well runs through its dots. Takes a few seconds. Data: those of the run, or --data-dir.
#include <fmt/format.h>
#include <ladder/data/datasets.h>
#include <ladder/models/network.h>
#include <ladder/nn/maps/dense_map.h>
#include <ladder/ops/corrupt.h>
#include <ladder/runs/run_config.h>
#include <ladder/train/checkpoint.h>
#include <torch/torch.h>

#include "apps/support/cached_tensors.h"
#include "apps/support/command_line.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/svg_panel.h"

using namespace ladder;  // NOLINT

namespace {

struct Level {
  torch::Tensor z_noisy, z, u;  // [rows, units]
  torch::Tensor mean, std;      // by which z^ is rescaled to be compared with z
  AnyCombinator g;
  torch::Tensor denoise(const torch::Tensor& noisy, const torch::Tensor& vertical) const {
    return (g->forward(noisy, vertical) - mean) / std;
  }
};

constexpr const char* kProgram = "ladder-denoising-functions";

Ladder load_run(const std::filesystem::path& checkpoint, const runs::RunConfig& config) {
  TORCH_CHECK(models::dense_units(config.network),
              "expected a run of dense layers (ladder-mnist) but got ", config.recipe, " of ",
              config.program, ".");
  auto net = models::network(runs::network_of(config));
  TORCH_CHECK(net->has_decoder(), "expected a network with a decoder but got a baseline.");
  net->to(models::dtype(config.precision));  // as it ran
  train::load_network(checkpoint, *net);
  net->to(torch::kFloat32);
  return net;
}

// The images that the run was tested on.
torch::Tensor test_images(const runs::RunConfig& config,
                          const std::optional<std::filesystem::path>& data_dir) {
  const auto kept = config.environment ? config.environment->data_dir : std::string();
  TORCH_CHECK(data_dir || !kept.empty(),
              "expected --data-dir, since the run does not name the folder of its data.");
  TORCH_CHECK(data_dir || std::filesystem::is_directory(kept), "expected the data of the run in ",
              kept, " but got no such folder (--data-dir takes another one).");
  const auto images = data::load_mnist(data_dir.value_or(kept), config.dataset);
  TORCH_CHECK(!config.data || *config.data == apps::fingerprint(images),
              "expected the data that the run was trained on but got others in ",
              data_dir.value_or(kept).string(), " (fingerprint ", *config.data, " there, ",
              apps::fingerprint(images), " here).");
  return images.test.inputs;
}

// What each decoded level sees in a step over the rows x, from the top down.
std::vector<Level> levels_of(Ladder& net, const torch::Tensor& x) {
  NoiseSource noise(stream_seed(1, "noise"));
  const auto rows = x.size(0);
  const Pass pass{.groups = {{rows, true}, {rows, false}}, .noise = &noise};
  const auto draw = noise.draw(rows, x.size(1));
  const auto h = ops::stack_corrupted({x}, {x}, net->options.input_noise, draw);
  std::vector<StageOutput> outputs = {
      {h, {h.narrow(0, 0, rows), x}, torch::zeros({2, 1}), torch::ones({2, 1})}};
  for (const auto& stage : net->stages) {
    outputs.push_back(stage->forward(outputs.back().h, pass));
  }
  auto& decoder = *net->decoder;
  const auto modules = decoder.named_modules();
  std::vector<Level> levels;
  auto u = torch::softmax(outputs.back().h.narrow(0, 0, rows), 1);
  for (auto l = net->top_level(); l >= decoder.options.lowest_level; --l) {
    const auto& out = outputs[static_cast<size_t>(l)];
    u = ops::normalise_rows(u);
    levels.push_back({out.z[0], out.z[1], u, out.mean[1], out.std[1], decoder.combinator(l)});
    if (const auto* down = modules.find("verticals." + std::to_string(l - 1))) {
      u = (*down)->as<DenseMap>()->forward(decoder.combinator(l)->forward(out.z[0], u));
    }
  }
  return levels;
}

double at_share(const torch::Tensor& values, double q) { return values.quantile(q).item<double>(); }

apps::SvgPanel draw(const Level& level, int64_t unit, const std::string& title) {
  constexpr const char* kColors[] = {"#2166ac", "#67a9cf", "#888888", "#ef8a62", "#b2182b"};
  constexpr double kBands = 5, kBins = 12;
  const auto z_noisy = level.z_noisy.select(1, unit).contiguous();
  const auto z = level.z.select(1, unit).contiguous();
  const auto u = level.u.select(1, unit).contiguous();
  const double low = at_share(z_noisy, 0.002), high = at_share(z_noisy, 0.998);
  apps::SvgPanel panel(title, low, high);
  panel.distribution(z_noisy, "#ddd", /*filled=*/true);
  panel.distribution(z, "#444", /*filled=*/false);
  const auto axis = torch::linspace(low, high, 17);
  const auto grid = axis.unsqueeze(1).expand({-1, level.z.size(1)});
  const auto bin_of = torch::floor((z_noisy - low) / (high - low) * kBins);
  for (int band = 0; band < kBands; ++band) {  // a fifth of the rows, by their u
    const auto middle = torch::full_like(grid, at_share(u, (band + 0.5) / kBands));
    panel.line(axis, level.denoise(grid, middle).select(1, unit), kColors[band]);
    const auto near = (u >= at_share(u, band / kBands)) & (u <= at_share(u, (band + 1) / kBands));
    std::vector<double> x, y;
    for (int bin = 0; bin < kBins; ++bin) {
      const auto values = z.masked_select(near & (bin_of == bin));
      if (values.numel() >= 30) {
        x.push_back(low + (high - low) * (bin + 0.5) / kBins);
        y.push_back(values.mean().item<double>());
      }
    }
    panel.dots(x, y, kColors[band]);
  }
  return panel;
}

// Three units of each level: of small, middle and large slope of z^ over z~.
std::vector<apps::SvgPanel> draw(const std::vector<Level>& levels, int64_t top) {
  std::vector<apps::SvgPanel> panels;
  for (const auto& level : levels) {
    const auto slope = (level.denoise(level.z_noisy + 0.01, level.u) -
                        level.denoise(level.z_noisy - 0.01, level.u))
                           .mean(0) /
                       0.02;
    const auto order = slope.argsort();
    for (const double share : {0.1, 0.5, 0.9}) {
      const auto unit = order[static_cast<int64_t>(share * double(order.size(0) - 1))];
      panels.push_back(draw(level, unit.item<int64_t>(),
                            fmt::format("level {}, unit {}: slope {:.2f}", top,
                                        unit.item<int64_t>(), slope[unit].item<double>())));
    }
    --top;
  }
  return panels;
}

int run(int argc, char** argv) {
  std::filesystem::path folder, out = "denoising-functions.svg";
  std::optional<std::filesystem::path> data_dir;
  bool help = false, version = false;
  apps::CommandLine line(kProgram, "Draw the denoising functions that a run has learned.");
  line.flag("run", "DIR", "folder of a ladder-mnist run",
            [&](const auto& flag, const auto& text) { folder = apps::parse_folder(flag, text); });
  line.flag("out", "FILE", "picture (denoising-functions.svg)",
            [&](const auto& flag, const auto& text) { out = apps::parse_file(flag, text); });
  line.flag("data-dir", "DIR", "folder of the data (the run's)",
            [&](const auto& flag, const auto& text) { data_dir = apps::parse_folder(flag, text); });
  line.toggle("version", "print version and kernels and exit", version);
  line.toggle("help", "print this and exit", help);
  line.parse(argc, argv);
  if (line.given("help") || line.given("version")) {
    apps::print(line.given("help") ? line.help() : apps::version_text(kProgram));
    return 0;
  }
  line.apply();
  if (folder.empty()) {
    throw apps::UsageError("expected --run DIR, the folder of a ladder-mnist run, but got none.");
  }
  const torch::NoGradGuard no_grad;
  const auto checkpoint = folder / "checkpoint.pt";
  const auto config = runs::run_config_from_json(train::read_config(checkpoint));
  auto net = load_run(checkpoint, config);
  const auto levels = levels_of(net, data::to_unit_float(test_images(config, data_dir)));
  apps::write_text(out, apps::SvgPanel::page(draw(levels, net->top_level()), 3));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return apps::run_program(kProgram, [&] { return run(argc, argv); });
}
