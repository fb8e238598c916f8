#include "ladder/train/run_signs.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <string>
#include <vector>

#include "ladder/core/internal/median.h"
#include "ladder/core/internal/tensor_text.h"
#include "ladder/nn/internal/encoder.h"
#include "ladder/train/internal/measured_batches.h"
#include "ladder/train/internal/unlabeled_loss.h"

namespace ladder::train {
namespace {

// Logits of clean rows x, whose step had these costs. The step runs no clean rows where only level
// 0 has a cost.
at::Tensor clean_logits(const Ladder& net, const LadderLoss& loss, const at::Tensor& x) {
  if (loss.clean_logits.defined()) return loss.clean_logits;
  const auto rows = accept_rows("run_signs", "x", x, net->options.input_shape,
                                any_tensor(net->stages), RowUse::kMeasure);
  return run_clean(net->stages, rows, Pass::clean(rows.size(0), Statistics::kBatch));
}

}  // namespace

double neighbour_cut(const torch::Tensor& neighbours, const torch::Tensor& classes) {
  TORCH_CHECK(neighbours.defined() && neighbours.dim() == 2 && neighbours.numel() > 0 &&
                  neighbours.scalar_type() == at::kLong,
              "neighbour_cut: expected int64 neighbours [rows, k] but got ", shape_text(neighbours),
              ".");
  TORCH_CHECK(classes.defined() && classes.dim() == 1 && classes.scalar_type() == at::kLong &&
                  classes.size(0) == neighbours.size(0),
              "neighbour_cut: expected int64 classes [", neighbours.size(0), "] but got ",
              shape_text(classes), ".");
  const auto theirs = classes.index_select(0, neighbours.flatten()).view_as(neighbours);
  return 100 * theirs.ne(classes.unsqueeze(1)).to(at::kDouble).mean().item<double>();
}

RunSigns run_signs(Ladder& net, const torch::Tensor& x, uint64_t seed, int64_t batch_size) {
  TORCH_CHECK(!net.is_empty(), "run_signs: expected a network but got an empty Ladder.");
  TORCH_CHECK(x.defined() && x.dim() >= 1 && x.size(0) >= 2 && batch_size >= 2,
              "run_signs: expected at least 2 rows, in batches of at least 2, but got ",
              shape_text(x), " in batches of ", batch_size, ".");
  const at::NoGradGuard no_gradients;
  NoiseSource noise(seed);
  RunSigns signs;
  std::vector<at::Tensor> classes;
  at::Tensor entropy, moved;
  for_measured_batches(x.size(0), batch_size, [&](int64_t begin, int64_t size) {
    const auto rows = x.narrow(0, begin, size);
    const auto loss = unlabeled_loss(net, rows, noise);
    TORCH_CHECK(loss.unlabeled_logits.defined(),
                "run_signs: expected a network with a denoising cost, which runs unlabeled rows, "
                "but got one without.");
    const auto logits = clean_logits(net, loss, rows);
    const auto log_p = at::log_softmax(logits.to(at::kDouble), 1);
    const auto clean = logits.argmax(1);
    const auto entropies = -(log_p.exp() * log_p).sum();
    const auto different = loss.unlabeled_logits.argmax(1).ne(clean).sum();
    entropy = entropy.defined() ? entropy + entropies : entropies;
    moved = moved.defined() ? moved + different : different;
    classes.push_back(clean);
  });
  const auto count = static_cast<double>(x.size(0));
  signs.entropy = entropy.item<double>() / count;
  signs.disagreement = 100 * moved.item<double>() / count;
  signs.classes = at::cat(classes);
  return signs;
}

std::vector<double> disagreements(const std::vector<torch::Tensor>& classes) {
  TORCH_CHECK(classes.size() >= 2, "disagreements: expected at least 2 predictions but got ",
              classes.size(), ".");
  std::vector<double> means;
  for (const auto& one : classes) {
    double sum = 0;
    for (const auto& other : classes) {
      TORCH_CHECK(
          one.defined() && one.dim() == 1 && one.numel() > 0 && one.sizes() == other.sizes(),
          "disagreements: expected predictions of the same rows but got ", shape_text(one), " and ",
          shape_text(other), ".");
      sum += 100 * one.ne(other).to(at::kDouble).mean().item<double>();
    }
    means.push_back(sum / static_cast<double>(classes.size() - 1));
  }
  return means;
}

std::vector<size_t> left_behind(const std::vector<double>& disagreements) {
  constexpr double kFactor = 1.5;
  constexpr double kPoints = 0.3;
  std::vector<size_t> places;
  if (disagreements.size() < 3) return places;
  const double usual = median(disagreements);
  for (size_t i = 0; i < disagreements.size(); ++i) {
    if (disagreements[i] > std::max(kFactor * usual, usual + kPoints)) places.push_back(i);
  }
  return places;
}

}  // namespace ladder::train
