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
#include <torch/torch.h>

#include "apps/support/command_line.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/recorded_run.h"
#include "apps/support/report/insight.h"
#include "apps/support/report/measure.h"
#include "apps/support/svg_panel.h"

using namespace ladder;  // NOLINT

namespace {

constexpr const char* kProgram = "ladder-denoising-functions";

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
  const auto config = apps::recorded_config(folder);
  auto net = apps::recorded_dense_ladder(folder, config);
  const auto images = data::to_unit_float(apps::recorded_images(config, data_dir).test.inputs);
  apps::write_text(out, apps::SvgPanel::page(panels_of(net, images), 3));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  apps::run_program(kProgram, [&] { return run(argc, argv); });
}
