#include "ladder/train/pieces/imsat.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "ladder/core/floating_rows.h"
#include "ladder/core/internal/threads.h"
#include "ladder/core/random.h"
#include "ladder/nn/internal/encoder.h"
#include "ladder/ops/internal/classes.h"
#include "ladder/ops/noise.h"
#include "ladder/train/internal/number_text.h"
#include "ladder/train/internal/step_weight.h"
#include "ladder/train/internal/unit_rows.h"
#include "ladder/train/internal/unlabeled_rows.h"

namespace ladder::train {
namespace {

constexpr int64_t kRowsAtOnce = 4096;                // whose distances are measured
constexpr int64_t kBlocksOfStep = int64_t{1} << 32;  // of random numbers; no step takes as many

// Rows x [M, ...] that are moved by lengths [M] in directions [M, ...]. On one thread: LibTorch's
// threads would keep the cores that the library's need.
at::Tensor moved(const at::Tensor& x, const at::Tensor& directions, const at::Tensor& lengths) {
  const threads::OneThread serial(x.is_cpu());
  return (x.flatten(1) + directions.flatten(1) * lengths.unsqueeze(1)).view_as(x);
}

class Imsat : public ObjectivePiece {
 public:
  Imsat(Ladder net, torch::Tensor inputs, torch::Tensor rows, const ImsatOptions& options)
      : net_(std::move(net)),
        like_(any_tensor(net_->stages)),
        inputs_(std::move(inputs)),
        rows_(std::move(rows)),
        options_(options),
        radii_(at::zeros({inputs_.size(0)}, like_.options().requires_grad(false))),
        near_(neighbours_of_piece(options.near, inputs_, rows_)),
        weight_("imsat", options_.device),
        position_(at::zeros({}, at::dtype(at::kLong).device(options_.device))) {}

  std::string name() const override { return "imsat"; }
  bool has_cost() const override { return true; }

  std::map<std::string, std::string> settings() const override {
    std::map<std::string, std::string> settings = {
        {"weight", number_text(options_.weight)},
        {"mutual information", number_text(options_.mutual_information)},
        {"spread", number_text(options_.spread)},
        {"radius", number_text(options_.radius)},
        {"neighbours", std::to_string(near_->options().k)},
        {"probe", number_text(options_.probe)},
        {"until", number_text(options_.until)},
        {"seed", std::to_string(options_.seed)}};
    add_search_settings(near_->options(), settings);
    return settings;
  }

  void before_step(const StepPosition& at) override {
    const double weight = at.epochs() < options_.until ? options_.weight : 0;
    if (weight > 0 && !std::exchange(measured_, true)) measure_radii();
    weight_.set(weight);
    position_.fill_(at.step * kBlocksOfStep);
  }

  torch::Tensor cost(const StepValues& values) override {
    const auto cost = [&] {
      TORCH_CHECK(values.batch.x_unlabeled.defined(),
                  "imsat: expected a step with unlabeled rows but got one without.");
      const auto x = floating_rows(values.batch.x_unlabeled, like_.scalar_type());
      const auto radii = radii_.index_select(0, rows_of_batch("imsat", values));
      const auto& ranks = values.batch.ranks;
      const bool runs_clean = values.clean_logits.defined() && values.clean_logits.requires_grad();
      const auto logits = runs_clean ? values.clean_logits : clean_logits(x, ranks);
      const auto p = ops::softmax_of_rows(logits.detach());
      const auto worst = worst_direction(x, radii * options_.probe, p, ranks);
      return divergence(p, clean_logits(moved(x, worst, radii), ranks)) +
             options_.mutual_information *
                 ops::negative_mutual_information(logits, options_.spread, ranks);
    };
    return weight_.times(cost, like_);
  }

 private:
  using Ranks = std::shared_ptr<BatchRanks>;

  // d_n [M, ...], without gradient, from random changes of length `probe` [M].
  at::Tensor worst_direction(const at::Tensor& x, const at::Tensor& probe, const at::Tensor& p,
                             const Ranks& ranks) const {
    const auto near = moved(x, random_directions(x), probe).requires_grad_();
    const auto cost = divergence(p, clean_logits(near, ranks));
    return unit_rows(torch::autograd::grad({cost}, {near}).front());
  }

  at::Tensor random_directions(const at::Tensor& x) const {
    const threads::OneThread serial(x.is_cpu());
    auto noise = NoiseSource::from(options_.seed, position_);
    const auto rows = x.size(0), columns = x.numel() / rows;
    const auto draw = noise.draw(rows, columns);
    return unit_rows(ops::standard_normal(draw, rows, columns, x.options()).view_as(x));
  }

  at::Tensor clean_logits(const at::Tensor& x, const Ranks& ranks) const {
    auto pass = Pass::clean(x.size(0), Statistics::kBatch);
    pass.compared = false;
    pass.ranks = ranks;
    return run_clean(net_->stages, x, pass);
  }

  void measure_radii() {
    const at::NoGradGuard no_gradients;
    const auto nearest = near_->get().select(1, near_->options().k - 1);
    for (int64_t begin = 0; begin < rows_.numel(); begin += kRowsAtOnce) {
      const auto count = std::min(kRowsAtOnce, rows_.numel() - begin);
      const auto rows = rows_.narrow(0, begin, count);
      const auto others = rows_.index_select(0, nearest.narrow(0, begin, count));
      const auto way = gather_floating_rows(inputs_, rows) - gather_floating_rows(inputs_, others);
      radii_.index_copy_(0, rows,
                         (options_.radius * way.flatten(1).norm(2, 1)).to(like_.scalar_type()));
    }
  }

  // Mean over rows of KL(p, softmax(logits)).
  static at::Tensor divergence(const at::Tensor& p, const at::Tensor& logits) {
    const threads::OneThread serial(threads::is_small(logits));
    const auto q = ops::softmax_of_rows(logits);
    return (ops::times_log(p, p).sum() - ops::times_log(p, q).sum()) / p.size(0);
  }

  Ladder net_;
  at::Tensor like_;
  torch::Tensor inputs_;
  torch::Tensor rows_;  // of the inputs, unlabeled ones: int64 [N]
  ImsatOptions options_;
  torch::Tensor radii_;  // e_n of the unlabeled rows, [rows of inputs]; 0 until measured
  std::shared_ptr<data::SharedNeighbours> near_;
  StepWeight weight_;    // w(t)
  at::Tensor position_;  // of the random directions of this step
  bool measured_ = false;
};

}  // namespace

std::shared_ptr<ObjectivePiece> imsat(Ladder net, torch::Tensor inputs, torch::Tensor unlabeled,
                                      ImsatOptions options) {
  check_weight("imsat", options.weight);
  auto rows = rows_of_piece("imsat", net, inputs, std::move(unlabeled));
  TORCH_CHECK(std::isfinite(options.mutual_information) && options.mutual_information >= 0,
              "imsat: expected a finite weight of mutual_information of at least 0 but got ",
              options.mutual_information, ".");
  TORCH_CHECK(std::isfinite(options.spread) && options.spread >= 0,
              "imsat: expected a finite spread of at least 0 but got ", options.spread, ".");
  TORCH_CHECK(std::isfinite(options.radius) && options.radius > 0,
              "imsat: expected a finite radius above 0 but got ", options.radius, ".");
  TORCH_CHECK(options.probe > 0 && options.probe <= 1,
              "imsat: expected a probe above 0 and at most 1 but got ", options.probe, ".");
  TORCH_CHECK(std::isfinite(options.until) && options.until > 0,
              "imsat: expected a number of epochs above 0 but got ", options.until, ".");
  return std::make_shared<Imsat>(std::move(net), std::move(inputs), std::move(rows), options);
}

}  // namespace ladder::train
