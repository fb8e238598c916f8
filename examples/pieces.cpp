// Adds costs to a ladder: a piece of the library, and one written here (docs/pieces.md).
//
//   ladder-pieces      needs no data
//
// Data: 3,000 rows of 20 sensors of a machine that drifts through the states of three kinds, which
// are 60, 30 and 10 % of the rows; 2 rows of each kind have a label. Prints the error on all rows
// for three draws of labels. Expected: about 46, 41 and 8 % on the mean, after 9 s on one core.
#include <ladder/core/batch_ranks.h>
#include <ladder/data/neighbours.h>
#include <ladder/data/split.h>
#include <ladder/data/spread_labels.h>
#include <ladder/models/mlp.h>
#include <ladder/train/pieces/early_labels.h>
#include <ladder/train/trainer.h>
#include <torch/torch.h>

#include <cmath>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace ladder;
using Pieces = std::vector<std::shared_ptr<train::ObjectivePiece>>;

constexpr int64_t kSensors = 20, kClasses = 3;
const std::vector<double> kShares = {0.6, 0.3, 0.1};

// [piece]
// w KL(s, m): classes should be as frequent as they are known to be. s are their shares, m the mean
// class probabilities of the unlabeled rows of a batch.
class KnownShares : public train::ObjectivePiece {
 public:
  KnownShares(const std::vector<double>& shares, double weight)
      : shares_(torch::tensor(shares, torch::kFloat)), weight_(weight) {}

  std::string name() const override { return "known shares"; }
  bool has_cost() const override { return true; }

  torch::Tensor cost(const train::StepValues& values) override {
    const auto mean = values.unlabeled_logits.softmax(1).mean(0);
    const auto m = mean_over(values.batch.ranks, mean);  // over all processes that train together
    return weight_ * (shares_ * (shares_ / m).log()).sum();
  }

  // A run that is resumed with another weight is refused.
  std::map<std::string, std::string> settings() const override {
    return {{"weight", std::to_string(weight_)}};
  }

 private:
  torch::Tensor shares_;
  double weight_;
};
// [/piece]

// Each kind is a closed curve: sensor j sees cos(2 pi (f_j t + phase_cj)) of the state t, and
// noise.
data::SemiData drifting_machine() {
  constexpr int64_t rows = 3000;
  torch::manual_seed(1);
  const auto y = torch::multinomial(torch::tensor(kShares), rows, /*replacement=*/true);
  const auto t = torch::rand({rows, 1});
  const auto f = torch::randint(1, 3, {1, kSensors});
  const auto phase = torch::rand({kClasses, kSensors}).index_select(0, y);
  const auto x = (2 * M_PI * (f * t + phase)).cos() + 0.45 * torch::randn({rows, kSensors});
  return {.inputs = x, .labels = y, .unlabeled = torch::arange(rows)};
}

// The error on all rows, in %, of a ladder with pieces.
double error_of(const data::SemiData& rows, uint64_t seed, Pieces pieces) {
  // [train]
  auto net = models::full_ladder({.in_features = kSensors, .layers = {100, 50, kClasses}});
  reset_parameters(*net, stream_seed(seed, "init"));
  train::Trainer trainer(train::with_pieces(train::objective(net), std::move(pieces)),
                         {.training = rows, .test_inputs = rows.inputs, .test_labels = rows.labels},
                         {.epochs = 30, .seed = seed, .eval_every = 0});
  return *trainer.run().last->test_error;
  // [/train]
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc > 1 && argv[1] == std::string("--help")) {
    std::cout << "Add costs to a ladder: a piece of the library, and one written here.\n\n  "
                 "ladder-pieces\n";
    return 0;
  }
  if (argc > 1) {
    std::cerr << "ladder-pieces: expected no arguments but got '" << argv[1] << "'.\n";
    return 2;
  }
  auto rows = drifting_machine();
  const auto near = data::nearest_neighbours(rows.inputs);
  std::cout << std::fixed << std::setprecision(1);
  for (const uint64_t seed : {1, 2, 3}) {
    rows.labeled = data::draw_labeled(rows.labels, 6, kClasses, seed);
    auto labels = torch::full_like(rows.labels, -1);
    labels.index_put_({rows.labeled}, rows.labels.index_select(0, rows.labeled));
    // [pieces]
    const auto shares = std::make_shared<KnownShares>(kShares, /*weight=*/0.3);
    const auto graph = train::early_labels(rows.inputs.size(0), [&] {
      return data::spread_labels(rows.inputs, near, labels, {.shares = kShares});
    });
    // [/pieces]
    std::cout << "labels of draw " << seed << ": error " << error_of(rows, seed, {})
              << " %, with known shares " << error_of(rows, seed, {shares})
              << " %, with labels along the graph as well " << error_of(rows, seed, {shares, graph})
              << " %" << std::endl;
  }
  return std::cout.flush() ? 0 : 1;
} catch (const c10::Error& error) {
  std::cerr << "ladder-pieces: " << error.what_without_backtrace() << "\n";
  return 1;
}
