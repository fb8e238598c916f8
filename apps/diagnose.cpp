// Print the signs that a run was left behind, and how well each tells good runs from bad ones
// (docs/runs-left-behind.md).
//
//   ladder-mnist --recipe mnist-100-fast --seeds 1..10 --out runs/fast
//   ladder-diagnose runs/fast            the same as runs/fast/seed-*
//
// A column for each sign, without labels: `cut`, pairs of neighbouring training images in different
// classes; `lost`, images in clusters that lie among another class (train::lost_clusters), which
// are listed below the table; `noise`, images that noise moves to another class; `entropy`, of the
// predictions; `others`, images that the other runs put into another class, where all runs share
// their images. Then what needs labels: the error and the two classes that are confused most, of
// the validation rows where the run set some aside, else of the test images. Where all runs are
// judged on the same rows, the last line is the error of their vote (train::vote). Up to a
// minute a run.
#include <fmt/format.h>
#include <ladder/data/datasets.h>
#include <ladder/data/neighbours.h>
#include <ladder/data/sampler.h>
#include <ladder/data/split.h>
#include <ladder/train/agreed_labels.h>
#include <ladder/train/clean_features.h>
#include <ladder/train/evaluate.h>
#include <ladder/train/level_costs.h>
#include <ladder/train/lost_clusters.h>
#include <ladder/train/run_signs.h>
#include <ladder/train/scaled_objective.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <numeric>
#include <utility>

#include "apps/support/checked_clusters.h"
#include "apps/support/command_line.h"
#include "apps/support/moves_text.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/recorded_run.h"
#include "apps/support/seed_run.h"

using namespace ladder;  // NOLINT

namespace {

namespace fs = std::filesystem;

constexpr const char* kProgram = "ladder-diagnose";

struct Row {
  std::string run = {};
  double cut = 0, lost = 0, noise = 0, entropy = 0, others = 0;
  double error = 0;
  std::string judged = {};  ///< the rows that tell the error
  std::string confusion = {};
  torch::Tensor classes = {}, probabilities = {}, labels = {};
  std::string moves = {};
};

// The rows that tell how good a run is.
struct JudgedRows {
  std::string name = {};
  torch::Tensor inputs = {}, labels = {};
};

// Return the validation rows of a run that has some, else the test images, which choose nothing.
JudgedRows judged_rows(const runs::RunConfig& config, const data::TrainTest& images) {
  if (config.validation == 0) {
    return {"test", data::to_unit_float(images.test.inputs).flatten(1), images.test.labels};
  }
  const auto& train = images.train;
  const auto rows = data::make_split(train.labels, train.classes,
                                     apps::split_options(config, config.seed.value()))
                        .validation;
  return {"validation", data::to_unit_float(train.inputs.index_select(0, rows)).flatten(1),
          train.labels.index_select(0, rows)};
}

// The labels that the run read, of the first `count` training images; -1 for the others.
torch::Tensor known_labels(const runs::RunConfig& config, const data::Dataset& train,
                           int64_t count) {
  const auto labeled =
      data::make_split(train.labels, train.classes, apps::split_options(config, *config.seed))
          .labeled;
  return data::known_labels({.labels = train.labels, .labeled = labeled}).narrow(0, 0, count);
}

double error_percent(const torch::Tensor& classes, const torch::Tensor& labels) {
  return 100 * classes.ne(labels).to(torch::kDouble).mean().item<double>();
}

// "7 as 4: 106": the two classes that are confused most.
std::string worst_confusion(const torch::Tensor& classes, const torch::Tensor& labels,
                            int64_t count) {
  const auto worst = train::most_confused(labels, classes, count).value_or(train::ConfusedPair());
  return fmt::format("{} as {}: {}", worst.label, worst.prediction, worst.rows);
}

std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> result(values.size());
  for (size_t i = 0; i < order.size();) {
    size_t end = i;
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    for (size_t k = i; k < end; ++k) {  // ties share their mean rank
      result[order[k]] = static_cast<double>(i + end - 1) / 2;
    }
    i = end;
  }
  return result;
}

// Spearman's rank correlation; "-" where one side does not vary.
std::string rank_correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const auto centred = [](const std::vector<double>& values) {
    const auto t = torch::tensor(ranks(values), torch::kDouble);
    return t - t.mean();
  };
  const auto x = centred(a), y = centred(b);
  const double size = (x.norm() * y.norm()).item<double>();
  return size > 0 ? fmt::format("{:.2f}", x.dot(y).item<double>() / size) : "-";
}

std::string table(const std::vector<Row>& rows) {
  auto text =
      fmt::format("{:<28} {:>6} {:>6} {:>6} {:>8} {:>7}   {:>7} {:<10}  {}\n", "run", "cut %",
                  "lost %", "noise %", "entropy", "others %", "error %", "of", "most confused");
  for (const auto& row : rows) {
    text +=
        fmt::format("{:<28} {:>6.2f} {:>6.2f} {:>7.2f} {:>8.4f} {:>8.2f}   {:>7.2f} {:<10}  {}\n",
                    row.run, row.cut, row.lost, row.noise, row.entropy, row.others, row.error,
                    row.judged, row.confusion);
  }
  if (rows.size() < 3) return text;
  const auto column = [&](double Row::*value) {
    std::vector<double> values;
    for (const auto& row : rows) values.push_back(row.*value);
    return values;
  };
  const auto errors = column(&Row::error);
  const auto with = [&](double Row::*value) { return rank_correlation(column(value), errors); };
  return text + fmt::format("{:<28} {:>6} {:>6} {:>7} {:>8} {:>8}\n", "rank correlation with error",
                            with(&Row::cut), with(&Row::lost), with(&Row::noise),
                            with(&Row::entropy), with(&Row::others));
}

// Costs of each level, beside that of the best affine function of the lateral input. Scaled weights
// are divided by the cost itself, as train::scaled_objective does.
std::string levels_table(const std::string& run, Ladder& net, const runs::RunConfig& config,
                         const torch::Tensor& x) {
  const bool scaled = config.scaled_lambda.value_or(false);
  const train::ScaledObjectiveOptions options{.input_variance = train::mean_column_variance(x)};
  auto text = fmt::format("\n{}\n{:>5} {:>9} {:>10} {:>9} {:>9}\n", run, "level", "cost", "lambda",
                          "weighted", "lateral");
  for (const auto& [level, cost, lateral] : train::level_costs(net, x)) {
    const auto at = static_cast<size_t>(level);
    const double weight = config.network.lambda[at];
    const double lambda = scaled ? weight / std::max(cost, train::cost_floor(options, at)) : weight;
    text += fmt::format("{:>5} {:>9.4f} {:>10.4g} {:>9.4f} {:>9.4f}\n", level, cost, lambda,
                        lambda * cost, lateral);
  }
  return text;
}

// "vote of 3 runs: error 0.81 %"; empty unless several runs are judged on the same rows.
std::string vote_text(const std::vector<Row>& rows) {
  std::vector<torch::Tensor> probabilities;
  for (const auto& row : rows) {
    if (!row.labels.equal(rows.front().labels)) return "";  // other rows, in an order of their own
    probabilities.push_back(row.probabilities);
  }
  if (rows.size() < 2) return "";
  return fmt::format("vote of {} runs: error {:.2f} %\n", rows.size(),
                     error_percent(train::vote(probabilities), rows.front().labels));
}

int run(int argc, char** argv) {
  std::vector<fs::path> folders;
  std::optional<fs::path> data_dir;
  int64_t rows = std::numeric_limits<int64_t>::max();
  int64_t neighbours = 10;
  bool levels = false, help = false, version = false;
  apps::CommandLine line(kProgram,
                         "Check finished runs for clusters of images in the wrong class.");
  line.word(
      "RUN", "folder of a ladder-mnist run, or a folder that holds seed-1, seed-2, ...", true,
      [&](const auto& name, const auto& text) {
        for (auto& one : apps::run_folders(apps::parse_folder(name, text))) {
          folders.push_back(std::move(one));
        }
      },
      /*repeated=*/true);
  line.integer("rows", "training images to check (all)", rows, 100);
  line.integer("neighbours", "nearest neighbours per image (10)", neighbours, 1, 99);
  line.flag("data-dir", "DIR", "folder of the data (the run's)",
            [&](const auto& flag, const auto& text) { data_dir = apps::parse_folder(flag, text); });
  line.toggle("levels", "also print the costs of each level", levels);
  line.toggle("version", "print version and kernels and exit", version);
  line.toggle("help", "print this and exit", help);
  line.parse(argc, argv);
  if (line.given("help") || line.given("version")) {
    apps::print(line.given("help") ? line.help() : apps::version_text(kProgram));
    return 0;
  }
  line.apply();
  const torch::NoGradGuard no_grad;
  std::vector<Row> all;
  std::optional<data::TrainTest> images;
  std::optional<std::string> fingerprint;
  torch::Tensor x, nearest;
  std::string level_tables;
  for (const auto& folder : folders) {
    const auto config = apps::recorded_config(folder);
    auto net = apps::recorded_dense_ladder(folder, config);
    if (!fs::exists(fs::path(folder) / "result.json")) {
      std::fputs(fmt::format("note: the run in {} has not finished: the statistics of its network "
                             "are those of its last evaluation\n",
                             fs::path(folder).string())
                     .c_str(),
                 stderr);
    }
    if (!images || config.data != fingerprint) {
      TORCH_CHECK(!images, "expected runs on the same data but got others in ", folder.string(),
                  ".");
      images = apps::recorded_images(config, data_dir);
      fingerprint = config.data;
      const auto count = std::min(rows, images->train.inputs.size(0));
      x = data::to_unit_float(images->train.inputs.narrow(0, 0, count)).flatten(1);
      nearest = data::nearest_neighbours(x, {.k = neighbours, .exact = false});
    }
    const auto signs = train::run_signs(net, x);
    const auto seen = train::clean_features(net, x);
    const auto lost = apps::all_lost(seen, nearest, known_labels(config, images->train, x.size(0)));
    if (levels) {
      constexpr int64_t kRows = 1000;
      level_tables +=
          levels_table(folder.string(), net, config, x.narrow(0, 0, std::min(kRows, x.size(0))));
    }
    const auto judged = judged_rows(config, *images);
    const auto probabilities = train::probabilities(net, judged.inputs);
    const auto predicted = probabilities.argmax(1);
    all.push_back({.run = folder.string(),
                   .cut = train::neighbour_cut(nearest, signs.classes),
                   .lost = 100 * lost.ge(0).to(torch::kDouble).mean().item<double>(),
                   .noise = signs.disagreement,
                   .entropy = signs.entropy,
                   .error = error_percent(predicted, judged.labels),
                   .judged = judged.name,
                   .confusion = worst_confusion(predicted, judged.labels, net->classes()),
                   .classes = signs.classes,
                   .probabilities = probabilities,
                   .labels = judged.labels,
                   .moves = apps::moves_text(train::cluster_moves(seen.classes, lost))});
  }
  if (all.size() > 1) {
    std::vector<torch::Tensor> classes;
    for (const auto& row : all) classes.push_back(row.classes);
    const auto others = train::disagreements(classes);
    for (size_t i = 0; i < all.size(); ++i) all[i].others = others[i];
  }
  std::string moves;
  for (const auto& row : all) {
    if (!row.moves.empty()) moves += fmt::format("lost in {}: {}\n", row.run, row.moves);
  }
  apps::print(table(all) + vote_text(all) + moves + level_tables);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  apps::run_program(kProgram, [&] { return run(argc, argv); });
}
