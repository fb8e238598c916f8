#include "apps/support/recorded_run.h"

#include <dirent.h>
#include <ladder/classifier.h>
#include <ladder/models/network.h>
#include <ladder/train/checkpoint.h>
#include <torch/torch.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "apps/support/cached_tensors.h"

namespace ladder::apps {
namespace {

bool holds_config(const std::filesystem::path& folder) {
  std::error_code none;
  return std::filesystem::exists(folder / "config.json", none);
}

}  // namespace

std::vector<std::filesystem::path> run_folders(const std::filesystem::path& folder) {
  if (holds_config(folder)) return {folder};
  std::vector<std::pair<uint64_t, std::filesystem::path>> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(folder.c_str()), ::closedir);
  while (const auto* entry = entries ? ::readdir(entries.get()) : nullptr) {
    const std::string name = entry->d_name;
    const auto seed = seed_of_folder(name);
    if (seed && holds_config(folder / name)) found.emplace_back(*seed, folder / name);
  }
  if (found.empty()) return {folder};
  std::sort(found.begin(), found.end());
  std::vector<std::filesystem::path> folders;
  for (auto& [seed, path] : found) folders.push_back(std::move(path));
  return folders;
}

std::optional<uint64_t> seed_of_folder(const std::filesystem::path& folder) {
  constexpr std::string_view kBegin = "seed-";
  const auto name = folder.filename().string();
  if (!name.starts_with(kBegin)) return std::nullopt;
  uint64_t seed = 0;
  const auto* const last = name.data() + name.size();
  const auto [end, error] = std::from_chars(name.data() + kBegin.size(), last, seed);
  return error == std::errc() && end == last ? std::optional(seed) : std::nullopt;
}

runs::RunConfig recorded_config(const std::filesystem::path& folder) {
  std::error_code none;
  TORCH_CHECK(std::filesystem::exists(folder / "checkpoint.pt", none),
              "expected the checkpoint of a run in ", folder.string(),
              " but found no checkpoint.pt (is it the folder of a run?).");
  return runs::run_config_from_json(train::read_config(folder / "checkpoint.pt"));
}

Ladder recorded_network(const std::filesystem::path& folder, const runs::RunConfig& config) {
  auto net = models::network(runs::network_of(config));
  net->to(models::dtype(config.precision));  // as it ran
  train::load_network(folder / "checkpoint.pt", *net);
  net->to(torch::kFloat32);
  return net;
}

Ladder recorded_dense_ladder(const std::filesystem::path& folder, const runs::RunConfig& config) {
  const auto& program = config.program;
  TORCH_CHECK(program == "ladder-mnist" || program == "ladder-cifar10",
              "expected a run of ladder-mnist but got one of ",
              program == ClassifierOptions().program ? "ladder train" : program, " in ",
              folder.string(), ".");
  TORCH_CHECK(models::dense_units(config.network),
              "expected a run of dense layers (ladder-mnist) but got ", config.recipe, " of ",
              config.program, ".");
  auto net = recorded_network(folder, config);
  TORCH_CHECK(net->has_decoder(), "expected a network with a decoder but got a baseline.");
  return net;
}

data::TrainTest recorded_images(const runs::RunConfig& config,
                                const std::optional<std::filesystem::path>& data_dir) {
  const auto kept = config.environment ? config.environment->data_dir : std::string();
  TORCH_CHECK(data_dir || !kept.empty(),
              "expected --data-dir, since the run does not name the folder of its data.");
  TORCH_CHECK(data_dir || std::filesystem::is_directory(kept), "expected the data of the run in ",
              kept, " but got no such folder (--data-dir takes another one).");
  auto images = data::load_mnist(data_dir.value_or(kept), config.dataset);
  TORCH_CHECK(!config.data || *config.data == fingerprint(images),
              "expected the data that the run was trained on but got others in ",
              data_dir.value_or(kept).string(), " (fingerprint ", *config.data, " there, ",
              fingerprint(images), " here).");
  return images;
}

}  // namespace ladder::apps
