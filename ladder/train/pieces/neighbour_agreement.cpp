#include "ladder/train/pieces/neighbour_agreement.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <string>
#include <utility>

#include "ladder/core/internal/threads.h"
#include "ladder/ops/internal/classes.h"
#include "ladder/train/internal/number_text.h"
#include "ladder/train/internal/step_weight.h"

namespace ladder::train {
namespace {

class NeighbourAgreement : public ObjectivePiece {
 public:
  explicit NeighbourAgreement(NeighbourAgreementOptions options)
      : options_(std::move(options)), weight_("neighbour_agreement", options_.device) {}

  std::string name() const override { return "neighbour"; }
  bool has_cost() const override { return true; }

  std::map<std::string, std::string> settings() const override {
    return {{"weight", number_text(options_.weight)},
            {"from", std::to_string(options_.from)},
            {"until", std::to_string(options_.until)}};
  }

  void before_step(const StepPosition& at) override {
    const auto epoch = at.epoch();
    on_ = epoch >= options_.from && epoch < options_.until;
    check_paired(at.paired.value_or(true));  // a recorded step does not look at its batch
    weight_.set(on_ ? options_.weight : 0);
  }

  torch::Tensor cost(const StepValues& values) override {
    check_runs_unlabeled_rows("neighbour_agreement", values);
    const auto cost = [&] {
      check_paired(values.batch.paired);
      const auto& logits = values.unlabeled_logits;
      const threads::OneThread serial(threads::is_small(logits));
      const auto half = logits.size(0) / 2;
      const auto p = ops::softmax_of_rows(logits.narrow(0, 0, 2 * half));
      const auto theirs = p.detach().roll(half, 0);  // of the other row of each pair
      return -ops::times_log(theirs, p).sum() / (2 * half);
    };
    return weight_.times(cost, values.unlabeled_logits);
  }

 private:
  void check_paired(bool paired) const {
    TORCH_CHECK(paired || !on_,
                "neighbour_agreement: expected batches of paired rows but got others (give the "
                "sampler data::SemiData::neighbours for as many epochs).");
  }

  NeighbourAgreementOptions options_;
  StepWeight weight_;  // w(t)
  bool on_ = false;    // in its epochs; a GPU computes the cost outside them too
};

}  // namespace

std::shared_ptr<ObjectivePiece> neighbour_agreement(NeighbourAgreementOptions options) {
  check_weight("neighbour_agreement", options.weight);
  TORCH_CHECK(options.from >= 0 && options.from < options.until,
              "neighbour_agreement: expected epochs 0 <= from < until but got from ", options.from,
              " until ", options.until, ".");
  return std::make_shared<NeighbourAgreement>(std::move(options));
}

}  // namespace ladder::train
