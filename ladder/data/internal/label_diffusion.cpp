#include "ladder/data/internal/label_diffusion.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace ladder::data {
namespace {

constexpr double kUnchanged = 2e-4;   // part of the rows that may still change at the end
constexpr int64_t kShareSteps = 100;  // of the search for b

}  // namespace

LabelDiffusion::LabelDiffusion(const RowGraph& graph, RowClasses labels, std::vector<double> shares,
                               const SpreadLabelOptions& options)
    : graph_(graph),
      labels_(std::move(labels)),
      shares_(std::move(shares)),
      options_(options),
      values_(static_cast<size_t>(graph.rows() * classes())),
      next_(values_.size()) {
  std::vector<float> part(static_cast<size_t>(classes()), 0.0F);
  for (int64_t row = 0; row < graph.rows(); ++row) {
    const auto label = labels_[static_cast<size_t>(row)];
    if (label < 0) continue;
    labeled_.push_back(row);
    part[static_cast<size_t>(label)] += 1;
  }
  const auto count = static_cast<float>(labeled_.size());
  for (const auto row : labeled_) {
    for (size_t c = 0; c < part.size(); ++c) {
      const bool own = labels_[static_cast<size_t>(row)] == static_cast<int64_t>(c);
      sources_.push_back((own ? 1.0F : 0.0F) - part[c] / count);
    }
  }
}

RowClasses LabelDiffusion::first() {
  std::fill(values_.begin(), values_.end(), 0.0F);
  diffuse(options_.first_steps);
  return balanced();
}

RowClasses LabelDiffusion::settle(RowClasses now) {
  return settle(std::move(now), options_.steps, [&] { return balanced(); });
}

RowClasses LabelDiffusion::settle_border(RowClasses now) {
  const std::vector<float> none(shares_.size(), 0.0F);
  return settle(std::move(now), options_.fine_steps, [&] { return largest(none); });
}

int64_t LabelDiffusion::kept(const RowClasses& now) const {
  return std::count_if(labeled_.begin(), labeled_.end(), [&](int64_t row) {
    return now[static_cast<size_t>(row)] == labels_[static_cast<size_t>(row)];
  });
}

RowClasses LabelDiffusion::settle(RowClasses now, int64_t steps,
                                  c10::function_ref<RowClasses()> choose) {
  const auto most = static_cast<int64_t>(kUnchanged * static_cast<double>(graph_.rows()));
  for (int64_t round = 0; round < options_.rounds; ++round) {
    std::fill(values_.begin(), values_.end(), 0.0F);
    for (size_t i = 0; i < now.size(); ++i) {
      values_[i * shares_.size() + static_cast<size_t>(now[i])] = 1;
    }
    diffuse(steps);
    auto then = choose();
    int64_t changed = 0;
    for (size_t i = 0; i < now.size(); ++i) changed += now[i] != then[i];
    now = std::move(then);
    if (changed <= most) break;
  }
  return now;
}

// values <- D^-1 (W values + F), `steps` times.
void LabelDiffusion::diffuse(int64_t steps) {
  const auto count = classes();
  for (int64_t step = 0; step < steps; ++step) {
    graph_.average(values_, count, next_);
    const auto* source = sources_.data();
    for (const auto row : labeled_) {
      const auto degree = graph_.degree(row);
      for (int64_t c = 0; c < count; ++c, ++source) {
        if (degree > 0) next_[static_cast<size_t>(row * count + c)] += *source / degree;
      }
    }
    std::swap(values_, next_);
  }
}

// The class of each row with the largest value + b.
RowClasses LabelDiffusion::largest(const std::vector<float>& b) const {
  const auto count = classes();
  RowClasses out(static_cast<size_t>(graph_.rows()));
  for_row_blocks(graph_.rows(), count, [&](int64_t begin, int64_t end) {
    for (auto row = begin; row < end; ++row) {
      const auto* value = values_.data() + row * count;
      int64_t best = 0;
      for (int64_t c = 1; c < count; ++c) {
        const bool more =
            value[c] + b[static_cast<size_t>(c)] > value[best] + b[static_cast<size_t>(best)];
        best = more ? c : best;
      }
      out[static_cast<size_t>(row)] = best;
    }
  });
  return out;
}

// The classes with the largest values + b, so that each has its share of the rows.
RowClasses LabelDiffusion::balanced() const {
  const auto rows = graph_.rows();
  const auto all = static_cast<double>(values_.size());
  double sum = 0, squares = 0;
  for (const auto value : values_) {
    sum += static_cast<double>(value);
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  const double scale = std::sqrt(std::max(0.0, squares / all - sum / all * (sum / all)));
  std::vector<float> b(shares_.size(), 0.0F);
  // Steps of b: longer as long as a class lacks rows, or has too many, and half as long where
  // that turns.
  std::vector<double> steps(shares_.size(), 0.1 * scale), before(shares_.size(), 0.0);
  RowClasses best;
  double least = std::numeric_limits<double>::infinity();
  for (int64_t step = 0; step < kShareSteps && least > 0; ++step) {
    auto now = largest(b);
    std::vector<double> missing;
    for (const auto share : shares_) missing.push_back(share * static_cast<double>(rows));
    for (const auto c : now) missing[static_cast<size_t>(c)] -= 1;
    double worst = 0;
    for (size_t c = 0; c < shares_.size(); ++c) {
      const double lacks = missing[c] / (shares_[c] * static_cast<double>(rows));
      const double part =
          lacks - std::clamp(lacks, -options_.share_tolerance, options_.share_tolerance);
      worst = std::max(worst, std::abs(part));
      steps[c] *= part * before[c] < 0 ? 0.5 : 1.2;
      b[c] += static_cast<float>(part == 0 ? 0 : std::copysign(steps[c], part));
      before[c] = part;
    }
    if (worst < least) {
      least = worst;
      best = std::move(now);
    }
  }
  return best;
}

}  // namespace ladder::data
