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
#include <ladder/runs/run_config.h>
#include <ladder/train/checkpoint.h>
#include <torch/torch.h>

#include "apps/support/cached_tensors.h"
#include "apps/support/command_line.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/report/insight.h"
#include "apps/support/report/measure.h"
#include "apps/support/svg_panel.h"

using namespace ladder;  // NOLINT

namespace {

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

// Return the images that the run was tested on.
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

// Draw three units of each level: with a small, a middle and a large slope of z^ over z~.
std::vector<apps::SvgPanel> panels_of(Ladder& net, const torch::Tensor& images) {
  std::vector<apps::SvgPanel> panels;
  for (const auto& curve : apps::denoising_curves(apps::denoised_levels(net, images))) {
    panels.push_back(apps::denoising_panel(
        curve,
        fmt::format("level {}, unit {}: slope {:.2f}", curve.level, curve.unit, curve.slope)));
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
  const auto images = data::to_unit_float(test_images(config, data_dir));
  apps::write_text(out, apps::SvgPanel::page(panels_of(net, images), 3));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return apps::run_program(kProgram, [&] { return run(argc, argv); });
}
