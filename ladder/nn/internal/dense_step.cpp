#include "ladder/nn/internal/dense_step.h"

#include <ATen/ATen.h>
#include <ATen/ceil_div.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "ladder/core/finite.h"
#include "ladder/core/internal/threads.h"
#include "ladder/nn/combinators/gaussian_combinator.h"
#include "ladder/nn/internal/costed_levels.h"
#include "ladder/nn/internal/exactly.h"
#include "ladder/nn/maps/dense_map.h"
#include "ladder/nn/stages/noisy_batch_norm_linear.h"
#include "ladder/ops/internal/activation_slope.h"
#include "ladder/ops/internal/classes.h"
#include "ladder/ops/internal/elements.h"
#include "ladder/ops/kernels/cpu/columns.h"
#include "ladder/ops/kernels/cpu/run.h"
#include "ladder/ops/normalise.h"
#include "ladder/ops/product.h"

namespace ladder {
namespace {

bool usable(const at::Tensor& parameter) {
  namespace impl = torch::autograd::impl;
  if (!parameter.is_cpu() || parameter.scalar_type() != at::kFloat || !parameter.is_contiguous() ||
      !parameter.requires_grad() || parameter.grad().defined() || !impl::hooks(parameter).empty()) {
    return false;
  }
  const auto node = impl::try_get_grad_accumulator(parameter);
  return !node || (node->pre_hooks().empty() && node->post_hooks().empty() &&
                   node->tensor_pre_hooks().empty());
}

bool in_range(double value) { return value >= 0 && std::isfinite(value); }

}  // namespace

class DenseStep::Impl {
  // A parameter, and the memory that its gradient is computed into.
  struct Learned {
    at::Tensor value, gradient;

    bool defined() const { return value.defined(); }
    const float* data() const { return value.defined() ? value.const_data_ptr<float>() : nullptr; }
    float* grad() const { return value.defined() ? gradient.mutable_data_ptr<float>() : nullptr; }
  };

  // Matrices [rows, columns], row-major.
  struct Matrix {
    at::Tensor memory;

    void resize(int64_t rows, int64_t columns) {
      if (!memory.defined() || memory.size(0) != rows || memory.size(1) != columns) {
        memory = at::empty({rows, columns}, at::kFloat);
      }
    }
    float* data() const { return memory.mutable_data_ptr<float>(); }
    float* row(int64_t index) const { return data() + index * memory.size(1); }
  };

  struct EncoderLevel {
    NoisyBatchNormLinear stage{nullptr};
    NoisyNormalization normalization{nullptr};
    NoisyBatchNormLinearOptions options;  // as it was built
    Learned weight, gamma, beta;
    int64_t units = 0;
    Matrix x, z, h, mean, std;  // of all rows
    Matrix grad_x, grad_h, grad_mean, grad_std;
    bool keeps_z = false;  // z is stored; else act' is computed from h
  };

  struct DecoderLevel {
    GaussianCombinator combinator{nullptr};
    GaussianCombinatorOptions options;  // as it was built
    DenseMap map{nullptr};              // from the level above, none at the top
    Learned weight, vertical;           // vertical: that of the map
    int64_t units = 0;
    Matrix u, z_hat, statistics;  // statistics: mean and std of u
    Matrix grad_z_noisy, grad_u, grad_z_hat, grad_target;
    std::vector<double> costs;
  };

 public:
  explicit Impl(Ladder net) : net_(std::move(net)), shapes_(net_->shapes) {}

  // False for a network of other parts.
  bool build() {
    if (net_->shapes.front().size() != 1) return false;
    for (const auto& any : net_->stages) {
      if (exactly<NoisyBatchNormLinearImpl>(*any.module()) == nullptr) return false;
      EncoderLevel level;
      level.stage =
          NoisyBatchNormLinear(std::dynamic_pointer_cast<NoisyBatchNormLinearImpl>(any.module()));
      level.normalization = level.stage->normalization;
      level.options = level.stage->options;
      level.weight.value = level.stage->weight;
      level.gamma.value = level.normalization->gamma;
      level.beta.value = level.normalization->beta;
      level.units = level.options.out_features;
      encoder_.push_back(std::move(level));
    }
    return !net_->has_decoder() || build_decoder();
  }

  bool forward(const SemiBatch& batch, NoiseSource& noise,
               const std::optional<at::Tensor>& class_weights) {
    const at::NoGradGuard no_gradients;
    if (!accepts(batch)) return false;
    const auto precision = ops::product_plan().precision;
    product_ = precision == ops::ProductPrecision::kBFloat16 ? &ops::cpu::bfloat16_product()
                                                             : &ops::cpu::kernels().product;
    batch_ = batch;
    class_weights_ = class_weights ? class_weights->contiguous() : at::Tensor();
    lay_out();
    corrupt(noise);
    for (size_t l = 1; l <= encoder_.size(); ++l) encode(l, noise);
    supervise();
    decode();
    check_rows();
    return true;
  }

  void backward(const at::Tensor& lambda, const GradientReady& ready, const Logits& added) {
    try {
      compute_gradients(lambda, ready, added);
    } catch (...) {  // of `ready`
      take_back();
      throw;
    }
    batch_ = {};
  }

  Logits logits() const {
    const auto& h = encoder_.back().h.memory;
    return {.labeled = h.narrow(0, 0, labeled_),
            .unlabeled = denoises_ ? h.narrow(0, labeled_, unlabeled_) : at::Tensor(),
            .clean = group_count_ > 2 ? h.narrow(0, noisy_, rows_ - noisy_) : at::Tensor()};
  }
  float supervised() const { return supervised_; }
  const at::Tensor& denoising() const { return costs_; }
  const std::vector<int64_t>& levels() const { return costed_; }

 private:
  void compute_gradients(const at::Tensor& lambda, const GradientReady& ready,
                         const Logits& added) {
    const at::NoGradGuard no_gradients;
    const auto* weights = lambda.const_data_ptr<float>();
    const auto hand_over = [&](const Learned& learned) {
      if (!learned.defined()) return;
      if (learned.value.grad().defined()) learned.gradient.add_(learned.value.grad());
      learned.value.mutable_grad() = learned.gradient;
      if (ready) ready(learned.value, learned.gradient);
    };
    if (denoises_) {
      ops::cpu::run(denoise_backward(lowest(), weights));
      hand_over(decoder(lowest()).weight);
    }
    for (auto level = first_decoded(); level < top(); ++level) {
      vertical_backward(level, weights);
      hand_over(decoder(level + 1).weight);
      hand_over(decoder(level).vertical);
    }
    top_backward(added);
    with_normalise_backward(top(), [](const auto& args) { ops::cpu::run(args); });
    for (auto number = top(); number >= 1; --number) {
      auto& level = encoder(number);
      hand_over(level.gamma);
      hand_over(level.beta);
      weights_backward(number);
      hand_over(level.weight);
    }
  }

  // Forget the step and its gradients: no parameter held any when it began.
  void take_back() {
    batch_ = {};
    for_each_learned([](Learned& learned) { learned.value.mutable_grad().reset(); });
  }

  int64_t top() const { return static_cast<int64_t>(encoder_.size()); }
  int64_t lowest() const { return lowest_; }
  int64_t first_decoded() const { return denoises_ ? lowest() : top() + 1; }
  EncoderLevel& encoder(int64_t level) { return encoder_[static_cast<size_t>(level) - 1]; }
  DecoderLevel& decoder(int64_t level) { return decoder_[static_cast<size_t>(level)]; }
  const std::vector<double>& lambda() const { return net_->options.lambda; }
  bool costs(int64_t level) const { return denoises_ && lambda()[static_cast<size_t>(level)] > 0; }
  // Gradients flow into the clean rows.
  bool clean_gradients() const { return group_count_ > 2 && !detached_; }
  int64_t groups_with_gradient() const {
    return clean_gradients() ? group_count_ : std::min<int64_t>(group_count_, 2);
  }
  int64_t rows_with_gradient() const { return clean_gradients() ? rows_ : noisy_; }

  bool build_decoder() {
    decoder_.resize(encoder_.size() + 1);
    built_decoder_ = net_->decoder;
    if (!built_decoder_->options_hold()) return false;
    lowest_ = built_decoder_->options.lowest_level;
    const auto modules = net_->decoder->named_modules("", /*include_self=*/false);
    for (int64_t level = lowest(); level <= top(); ++level) {
      auto& place = decoder(level);
      const auto module = net_->decoder->combinator(level).module();
      if (exactly<GaussianCombinatorImpl>(*module) == nullptr) return false;
      place.combinator =
          GaussianCombinator(std::dynamic_pointer_cast<GaussianCombinatorImpl>(module));
      place.options = place.combinator->options;
      place.weight.value = place.combinator->weight;
      place.units = place.options.channels;
      if (level == top()) continue;
      const auto* vertical = modules.find("verticals." + std::to_string(level));
      const auto map =
          vertical != nullptr ? std::dynamic_pointer_cast<DenseMapImpl>(*vertical) : nullptr;
      if (map == nullptr || exactly<DenseMapImpl>(*map) == nullptr ||
          map->options.out_shape.size() > 1) {
        return false;
      }
      place.map = DenseMap(map);
      place.vertical.value = map->weight;
    }
    return true;
  }

  // ---- what a batch and the options of now allow

  bool accepts(const SemiBatch& batch) {
    net_->check_options();
    const auto plan = ops::product_plan();
    if (plan.route != ops::ProductRoute::kLadder || several(batch.ranks) || !stages_hold()) {
      return false;
    }
    costed_ = costed_levels(lambda());
    denoises_ = !costed_.empty();
    detached_ = net_->options.detach_targets;
    const auto rows = [&](const at::Tensor& x) {
      return x.defined() && x.is_cpu() && x.scalar_type() == at::kFloat && x.is_contiguous() &&
             x.dim() == 2 && x.size(0) >= 2 && x.size(1) == encoder_.front().options.in_features &&
             !x.requires_grad();
    };
    if (!rows(batch.x_labeled) || (denoises_ && !rows(batch.x_unlabeled))) return false;
    if (denoises_ && costed_.front() != lowest()) return false;
    if (denoises_ && detached_ && costed_.back() > 0) {
      // Here clean rows run together with noisy ones, in Ladder::loss by themselves. Both sum in
      // the same order unless the clean rows are few or all rows are many.
      const auto clean = batch.x_unlabeled.size(0);
      const auto all = batch.x_labeled.size(0) + 2 * clean;
      if (clean <= ops::cpu::kFewRows || all > ops::cpu::kMaxRowsByColumns) return false;
    }
    if (!batch.y.defined() ||
        !ops::plain::are_labels(batch.y, batch.x_labeled.size(0), net_->classes())) {
      return false;
    }
    bool all = true;
    for_each_learned([&](Learned& learned) { all = all && usable(learned.value); });
    return all;
  }

  // What makes up the network is as it was built.
  bool stages_hold() const {
    if (net_->shapes != shapes_ || !same(net_->decoder, built_decoder_)) return false;
    for (size_t l = 0; l < encoder_.size(); ++l) {
      if (net_->stages[l].module() != encoder_[l].stage.ptr() || !holds(encoder_[l])) return false;
    }
    if (built_decoder_.is_empty()) return true;
    return built_decoder_->options_hold() && built_decoder_->options.lowest_level == lowest_ &&
           std::all_of(decoder_.begin(), decoder_.end(), [](const auto& level) {
             return level.combinator.is_empty() || holds(level);
           });
  }

  // The same module, or none on both sides.
  template <class Holder>
  static bool same(const Holder& a, const Holder& b) {
    return a.is_empty() ? b.is_empty() : !b.is_empty() && a.ptr() == b.ptr();
  }

  static bool holds(const EncoderLevel& level) {
    const auto& stage = *level.stage;
    const auto& norm = *level.normalization;
    return stage.options_hold() && stage.options == level.options &&
           stage.weight.is_same(level.weight.value) &&
           same(stage.normalization, level.normalization) && norm.options_hold() &&
           in_range(norm.options.noise_std) && norm.options.channels == level.units &&
           norm.options.activation == activation(level) &&
           norm.options.leaky_slope == level.options.leaky_slope &&
           norm.gamma.is_same(level.gamma.value) && norm.beta.is_same(level.beta.value);
  }

  static bool holds(const DecoderLevel& level) {
    const auto& combinator = *level.combinator;
    return combinator.options_hold() && combinator.options == level.options &&
           combinator.weight.is_same(level.weight.value) &&
           (level.map.is_empty() ||
            (level.map->options_hold() && level.map->weight.is_same(level.vertical.value)));
  }

  static Activation activation(const EncoderLevel& level) {
    return level.options.softmax_top ? Activation::kIdentity : level.options.activation;
  }

  template <class F>
  void for_each_learned(const F& f) {
    const auto visit = [&](Learned& learned) {
      if (learned.defined()) f(learned);
    };
    for (auto& level : encoder_) {
      visit(level.weight);
      visit(level.gamma);
      visit(level.beta);
    }
    for (auto& level : decoder_) {
      if (denoises_) {
        visit(level.weight);
        visit(level.vertical);
      }
    }
  }

  // Refuse rows as Ladder::loss does before its step. A number that is not finite reaches a cost,
  // so rows are read only where a cost is not finite.
  void check_rows() const {
    const auto* const first = costs_.const_data_ptr<float>();
    const auto is_finite = [](float value) { return std::isfinite(value); };
    if (is_finite(supervised_) && std::all_of(first, first + costs_.size(0), is_finite)) return;
    check_finite("Ladder", "x_labeled", batch_.x_labeled);
    if (denoises_) check_finite("Ladder", "x_unlabeled", batch_.x_unlabeled);
  }

  // ---- memory

  // The groups of rows and all memory, for the sizes of this batch.
  void lay_out() {
    labeled_ = batch_.x_labeled.size(0);
    unlabeled_ = denoises_ ? batch_.x_unlabeled.size(0) : 0;
    const bool clean = denoises_ && costed_.back() > 0;
    noisy_ = labeled_ + unlabeled_;
    rows_ = noisy_ + (clean ? unlabeled_ : 0);
    group_count_ = denoises_ ? (clean ? 3 : 2) : 1;
    const auto count = static_cast<int64_t>(costed_.size());
    if (!costs_.defined() || costs_.size(0) != count) costs_ = at::zeros({count}, at::kFloat);
    input_.resize(rows_, encoder_.front().options.in_features);
    for (auto& level : encoder_) {
      for (auto* matrix : {&level.x, &level.z, &level.h, &level.grad_x, &level.grad_h}) {
        matrix->resize(rows_, level.units);
      }
      for (auto* matrix : {&level.mean, &level.std, &level.grad_mean, &level.grad_std}) {
        matrix->resize(group_count_, level.units);
      }
    }
    for (auto level = first_decoded(); level <= top(); ++level) {
      auto& place = decoder(level);
      for (auto* matrix : {&place.u, &place.z_hat, &place.grad_z_noisy, &place.grad_u,
                           &place.grad_z_hat, &place.grad_target}) {
        matrix->resize(unlabeled_, place.units);
      }
      place.statistics.resize(2, place.units);
      place.costs.resize(static_cast<size_t>(place.units));
    }
    for_each_learned([](Learned& learned) {
      // A gradient that someone still holds keeps its memory.
      if (!learned.gradient.defined() || learned.gradient.use_count() > 1) {
        learned.gradient = at::empty_like(learned.value);
      }
    });
  }

  std::vector<ops::GroupSpan> spans(double noise_std) const {
    std::vector<ops::GroupSpan> groups = {{0, labeled_, noise_std, 0}};
    if (group_count_ > 1)
      groups.push_back({labeled_, noisy_, noise_std, noise_std != 0 ? labeled_ : 0});
    if (group_count_ > 2) groups.push_back({noisy_, rows_, 0, noise_std != 0 ? noisy_ : 0});
    return groups;
  }

  // c = a b^T by strides, as ops::linear multiplies.
  static ops::cpu::Product product(const ops::cpu::Operand& a, const ops::cpu::Operand& b,
                                   int64_t rows, int64_t columns, int64_t depth, float* c) {
    return {
        .a = a, .b = b, .rows = rows, .columns = columns, .depth = depth, .c = c, .c_row = columns};
  }

  // ---- forward

  void corrupt(NoiseSource& noise) {
    const auto cols = input_.memory.size(1);
    const auto* labeled = batch_.x_labeled.const_data_ptr<float>();
    const auto* unlabeled = denoises_ ? batch_.x_unlabeled.const_data_ptr<float>() : nullptr;
    constexpr int64_t kRows = 16;  // of a task
    ops::cpu::for_tasks(
        at::ceil_div(rows_, kRows),
        [&](int64_t task) {
          for (int64_t row = kRows * task; row < std::min(kRows * (task + 1), rows_); ++row) {
            const auto* from = row < labeled_ ? labeled + row * cols
                               : row < noisy_ ? unlabeled + (row - labeled_) * cols
                                              : unlabeled + (row - noisy_) * cols;
            std::memcpy(input_.row(row), from, static_cast<size_t>(cols) * sizeof(float));
          }
        },
        rows_ * cols / 4);  // a value is copied in a quarter of a nanosecond
    const double noise_std = net_->options.input_noise;
    if (noise_std == 0) return;
    const auto draw = noise.draw(noisy_, cols);
    ops::cpu::run(ops::AddNoise<float>{.x = input_.data(),
                                       .out = input_.data(),
                                       .rows = noisy_,
                                       .cols = cols,
                                       .noise = values_of(draw),
                                       .noise_std = noise_std});
  }

  // Given values have to be dense floats; they live until the next draw.
  ops::Noise<float> values_of(const NoiseDraw& draw) {
    auto dense = draw;
    if (dense.values) dense.values = dense.values->to(at::kFloat).contiguous();
    given_ = dense.values.value_or(at::Tensor());
    return ops::noise_of<float>(dense, /*on_gpu=*/false);
  }

  bool compared(int64_t level) const { return denoises_ && level >= lowest(); }

  void encode(size_t l, NoiseSource& noise) {
    auto& level = encoder_[l - 1];
    const auto& below = l == 1 ? input_ : encoder_[l - 2].h;
    const auto depth = level.options.in_features;
    const double noise_std = level.stage->normalization->options.noise_std;
    const auto act = activation(level);
    level.keeps_z = compared(static_cast<int64_t>(l)) || level.gamma.defined() ||
                    !ops::has_slope_at_value(act, level.options.leaky_slope);
    const auto groups = spans(noise_std);
    ops::Noise<float> values;
    if (noise_std != 0) values = values_of(noise.draw(noisy_, level.units));
    ops::cpu::multiply_and_run(
        product({below.data(), depth, 1}, {level.weight.data(), depth, 1}, rows_, level.units,
                depth, level.x.data()),
        *product_,
        ops::NormaliseForward<float>{.x = level.x.data(),
                                     .cols = level.units,
                                     .groups = groups.data(),
                                     .group_count = group_count_,
                                     .noise = values,
                                     .gamma = level.gamma.data(),
                                     .beta = level.beta.data(),
                                     .activation = act,
                                     .slope = level.options.leaky_slope,
                                     .eps = kVarianceEpsilon,
                                     .stored = false,
                                     .mean = level.mean.data(),
                                     .std = level.std.data(),
                                     .z = level.keeps_z ? level.z.data() : nullptr,
                                     .h = level.h.data()});
  }

  void supervise() {
    probabilities_.resize(noisy_, net_->classes());
    supervised_ = ops::plain::cross_entropy(classes_of(0, labeled_), labels());
    if (denoises_) ops::plain::softmax(classes_of(labeled_, unlabeled_));
  }

  // Logits of rows with noise, and their softmax.
  ops::plain::Classes classes_of(int64_t first, int64_t rows) const {
    return {.rows = rows,
            .classes = probabilities_.memory.size(1),
            .logits = encoder_.back().h.row(first),
            .p = probabilities_.row(first)};
  }
  ops::plain::Labels labels() const {
    return {.y = batch_.y.const_data_ptr<int64_t>(),
            .weights = class_weights_.defined() ? class_weights_.const_data_ptr<float>() : nullptr};
  }

  const float* z_noisy(int64_t level) {
    return level == 0 ? input_.row(labeled_) : encoder(level).z.row(labeled_);
  }
  const float* target(int64_t level) {
    return level == 0 ? batch_.x_unlabeled.const_data_ptr<float>() : encoder(level).z.row(noisy_);
  }

  void decode() {
    if (!denoises_) return;
    auto* next_cost = costs_.mutable_data_ptr<float>() + costs_.size(0);
    for (int64_t level = top(); level >= lowest(); --level) {
      auto& place = decoder(level);
      const bool cost = costs(level);
      const bool rescaled = cost && level > 0;
      const ops::DenoiseForward<float> denoise{
          .z_noisy = z_noisy(level),
          .u = u(level),
          .rows = unlabeled_,
          .cols = place.units,
          .function = function(place),
          .mlp = {},
          .weight = place.weight.data(),
          .eps = kVarianceEpsilon,
          .target = cost ? target(level) : nullptr,
          .target_mean = rescaled ? encoder(level).mean.row(2) : nullptr,
          .target_std = rescaled ? encoder(level).std.row(2) : nullptr,
          .u_mean = place.statistics.row(0),
          .u_std = place.statistics.row(1),
          .z_hat = place.z_hat.data(),
          .cost = place.costs.data()};
      if (level == top()) {
        ops::cpu::run(denoise);
      } else {
        const auto depth = decoder(level + 1).units;
        ops::cpu::multiply_and_run(
            product({decoder(level + 1).z_hat.data(), depth, 1}, {place.vertical.data(), depth, 1},
                    unlabeled_, place.units, depth, place.u.data()),
            *product_, denoise);
      }
      if (cost) {
        const double sum = std::accumulate(place.costs.begin(), place.costs.end(), 0.0);
        *--next_cost = static_cast<float>(sum / static_cast<double>(unlabeled_ * place.units));
      }
    }
  }

  const float* u(int64_t level) {
    return level == top() ? probabilities_.row(labeled_) : decoder(level).u.data();
  }

  static ops::CombinatorFunction function(const DecoderLevel& place) {
    return place.options.sigmoid_v ? ops::CombinatorFunction::kGaussianSigmoid
                                   : ops::CombinatorFunction::kGaussian;
  }

  // ---- backward

  // Return the arguments of the gradient of a level's denoising, and make room for its results.
  ops::DenoiseBackward<float> denoise_backward(int64_t level, const float* weights) {
    auto& place = decoder(level);
    const bool cost = costs(level);
    const bool rescaled = cost && level > 0;
    const bool into_target = rescaled && !detached_;
    double share = 0;
    if (cost) {
      const auto index = std::find(costed_.begin(), costed_.end(), level) - costed_.begin();
      share = static_cast<double>(weights[index]) / static_cast<double>(unlabeled_ * place.units);
    }
    if (into_target) {  // of the noisy groups they are 0
      encoder(level).grad_mean.memory.narrow(0, 0, 2).zero_();
      encoder(level).grad_std.memory.narrow(0, 0, 2).zero_();
    }
    return {.z_noisy = z_noisy(level),
            .u = u(level),
            .z_hat = place.z_hat.data(),
            .rows = unlabeled_,
            .cols = place.units,
            .function = function(place),
            .mlp = {},
            .weight = place.weight.data(),
            .target = cost ? target(level) : nullptr,
            .target_mean = rescaled ? encoder(level).mean.row(2) : nullptr,
            .target_std = rescaled ? encoder(level).std.row(2) : nullptr,
            .u_mean = place.statistics.row(0),
            .u_std = place.statistics.row(1),
            .grad_z_hat = level > lowest() ? place.grad_z_hat.data() : nullptr,
            .grad_cost = share,
            .grad_z_noisy = place.grad_z_noisy.data(),
            .grad_u = place.grad_u.data(),
            .grad_weight = place.weight.grad(),
            .grad_target = into_target ? place.grad_target.data() : nullptr,
            .grad_target_mean = into_target ? encoder(level).grad_mean.row(2) : nullptr,
            .grad_target_std = into_target ? encoder(level).grad_std.row(2) : nullptr};
  }

  // From u of a level to z_hat of the one above, and through its denoising function.
  void vertical_backward(int64_t level, const float* weights) {
    auto& place = decoder(level);
    auto& above = decoder(level + 1);
    ops::cpu::multiply_and_run(
        product({place.grad_u.data(), place.units, 1}, {place.vertical.data(), 1, above.units},
                unlabeled_, above.units, place.units, above.grad_z_hat.data()),
        *product_, denoise_backward(level + 1, weights),
        product({place.grad_u.data(), 1, place.units}, {above.z_hat.data(), 1, above.units},
                place.units, above.units, unlabeled_, place.vertical.grad()));
  }

  // The gradient of the logits: labeled rows from the supervised cost, unlabeled ones from u, and
  // what other costs add.
  void top_backward(const Logits& added) {
    const auto& grad = encoder_.back().grad_h;
    ops::plain::cross_entropy_backward(classes_of(0, labeled_), labels(), 1, grad.row(0));
    if (denoises_) {
      ops::plain::softmax_backward(classes_of(labeled_, unlabeled_), decoder(top()).grad_u.data(),
                                   grad.row(labeled_));
    }
    if (clean_gradients()) grad.memory.narrow(0, noisy_, unlabeled_).zero_();
    const auto add = [&](int64_t first, const at::Tensor& more) {
      if (more.defined()) grad.memory.narrow(0, first, more.size(0)).add_(more);
    };
    const threads::OneThread serial(added.labeled.defined() || added.unlabeled.defined() ||
                                    added.clean.defined());
    add(0, added.labeled);
    if (denoises_) add(labeled_, added.unlabeled);
    if (clean_gradients()) add(noisy_, added.clean);
  }

  // Call f with the arguments of the gradient of a level's normalisation.
  template <class F>
  void with_normalise_backward(int64_t number, const F& f) {
    auto& level = encoder(number);
    const bool cost = costs(number) && !detached_;
    const auto groups = spans(level.stage->normalization->options.noise_std);
    const std::array<const float*, 3> grad_z = {
        nullptr, compared(number) ? decoder(number).grad_z_noisy.data() : nullptr,
        cost ? decoder(number).grad_target.data() : nullptr};
    f(ops::NormaliseBackward<float>{.x = level.x.data(),
                                    .z = level.keeps_z ? level.z.data() : nullptr,
                                    .h = level.keeps_z ? nullptr : level.h.data(),
                                    .mean = level.mean.data(),
                                    .std = level.std.data(),
                                    .cols = level.units,
                                    .groups = groups.data(),
                                    .group_count = groups_with_gradient(),
                                    .gamma = level.gamma.data(),
                                    .beta = level.beta.data(),
                                    .activation = activation(level),
                                    .slope = level.options.leaky_slope,
                                    .stored = false,
                                    .grad_h = level.grad_h.data(),
                                    .grad_z = grad_z.data(),
                                    .grad_mean = cost ? level.grad_mean.data() : nullptr,
                                    .grad_std = cost ? level.grad_std.data() : nullptr,
                                    .grad_x = level.grad_x.data(),
                                    .grad_gamma = level.gamma.grad(),
                                    .grad_beta = level.beta.grad()});
  }

  // From x of a level to its weight, and to h of the level below and through its normalisation.
  void weights_backward(int64_t number) {
    auto& level = encoder(number);
    const auto rows = rows_with_gradient();
    const auto depth = level.options.in_features;
    const auto& below = number == 1 ? input_ : encoder(number - 1).h;
    const auto of_weight = product({level.grad_x.data(), 1, level.units}, {below.data(), 1, depth},
                                   level.units, depth, rows, level.weight.grad());
    if (number == 1) return ops::cpu::multiply(of_weight, *product_);
    with_normalise_backward(number - 1, [&](const auto& normalise) {
      ops::cpu::multiply_and_run(
          product({level.grad_x.data(), level.units, 1}, {level.weight.data(), 1, depth}, rows,
                  depth, level.units, encoder(number - 1).grad_h.data()),
          *product_, normalise, of_weight);
    });
  }

  Ladder net_;
  std::vector<std::vector<int64_t>> shapes_;
  std::vector<EncoderLevel> encoder_;  // levels 1 to L
  std::vector<DecoderLevel> decoder_;  // levels 0 to L; those below the lowest are empty
  LadderDecoder built_decoder_{nullptr};
  int64_t lowest_ = 0;
  const ops::cpu::ProductKernel* product_ = nullptr;

  SemiBatch batch_;
  at::Tensor class_weights_;  // undefined: all count the same
  bool denoises_ = false;
  bool detached_ = false;  // no gradients flow into the clean rows
  int64_t labeled_ = 0, unlabeled_ = 0;
  int64_t noisy_ = 0;  // rows with noise, which come first
  int64_t rows_ = 0;
  int64_t group_count_ = 0;
  std::vector<int64_t> costed_;
  at::Tensor costs_;
  Matrix input_;
  at::Tensor given_;  // noise that was given and not drawn
  float supervised_ = 0;
  Matrix probabilities_;  // of rows with noise
};

DenseStep::DenseStep(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DenseStep::~DenseStep() = default;

std::unique_ptr<DenseStep> DenseStep::of(const Ladder& net) {
  auto impl = std::make_unique<Impl>(net);
  if (!impl->build()) return nullptr;
  return std::unique_ptr<DenseStep>(new DenseStep(std::move(impl)));
}

bool DenseStep::forward(const SemiBatch& batch, NoiseSource& noise,
                        const std::optional<at::Tensor>& class_weights) {
  return impl_->forward(batch, noise, class_weights);
}
void DenseStep::backward(const at::Tensor& lambda, const GradientReady& ready,
                         const Logits& added) {
  impl_->backward(lambda, ready, added);
}
DenseStep::Logits DenseStep::logits() const { return impl_->logits(); }
float DenseStep::supervised() const { return impl_->supervised(); }
const at::Tensor& DenseStep::denoising() const { return impl_->denoising(); }
const std::vector<int64_t>& DenseStep::levels() const { return impl_->levels(); }

}  // namespace ladder
