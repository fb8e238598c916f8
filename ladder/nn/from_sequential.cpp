#include "ladder/nn/from_sequential.h"

#include <torch/torch.h>

#include <algorithm>
#include <functional>
#include <string>

#include "ladder/nn/internal/exactly.h"
#include "ladder/nn/maps/transposed_map.h"
#include "ladder/nn/maps/upsample_map.h"
#include "ladder/nn/stages/noisy_batch_norm_linear.h"
#include "ladder/nn/stages/noisy_conv.h"
#include "ladder/nn/stages/noisy_global_mean_pool.h"
#include "ladder/nn/stages/noisy_stage.h"

namespace ladder {
namespace {

namespace tnn = torch::nn;

// A layer of the network in its place.
struct Layer {
  std::string name;  // "layer 3 (ReLU)"
  tnn::AnyModule module;
  at::IntArrayRef rows;  // [2, ...], what it is given
};

// A stage, while the layers that belong to it are read.
struct Draft {
  using Make = std::function<AnyStage(const NoisyNormalizationOptions&, bool top)>;

  std::string layer = {};
  Make make = {};
  bool can_be_top = false;
  NoisyNormalizationOptions normalization = {};
  torch::Tensor map_bias = {};  // that normalising takes out
  double top_scale = 1;         // of the values before normalisation, where the stage is the top
  torch::Tensor weight = {}, bias = {}, mean = {}, variance = {};  // of a BatchNorm
  std::string batch_norm = {}, flatten = {}, activation = {};      // the layers that are these
};

class Drafts {
 public:
  explicit Drafts(double noise_std) : noise_std_(noise_std) {}

  Draft& start(const Layer& layer, int64_t channels, Draft::Make make) {
    Draft draft{.layer = layer.name, .make = std::move(make)};
    draft.normalization = {
        .channels = channels, .noise_std = noise_std_, .activation = Activation::kIdentity};
    return drafts_.emplace_back(std::move(draft));
  }

  // The stage that `layer` belongs to.
  Draft& of(const Layer& layer) {
    TORCH_CHECK(!drafts_.empty(),
                "from_sequential: expected a Linear, a convolution or a pooling "
                "before ",
                layer.name, " but got none (prepare the input rows instead).");
    return drafts_.back();
  }

  std::vector<Draft>& all() { return drafts_; }

 private:
  double noise_std_;
  std::vector<Draft> drafts_;
};

void require_dimensions(const Layer& layer, int64_t dimensions, const char* rows) {
  TORCH_CHECK(layer.rows.size() == static_cast<size_t>(dimensions) + 1,
              "from_sequential: expected ", layer.name, " to be given rows of ", rows, " but got ",
              layer.rows.slice(1),
              dimensions == 1 ? " (put a Flatten before it)." : " (is input_shape right?).");
}

// A frozen parameter stays frozen.
void set(torch::Tensor& parameter, const torch::Tensor& value) {
  parameter.set_data(value.detach().clone());
  parameter.set_requires_grad(value.requires_grad());
}

void place(const tnn::LinearImpl& linear, const Layer& layer, Drafts& drafts) {
  require_dimensions(layer, 1, "[features]");
  auto& draft = drafts.start(layer, linear.options.out_features(),
                             [&linear](const NoisyNormalizationOptions& n, bool top) -> AnyStage {
                               NoisyBatchNormLinear stage(NoisyBatchNormLinearOptions{
                                   .in_features = linear.options.in_features(),
                                   .out_features = linear.options.out_features(),
                                   .noise_std = n.noise_std,
                                   .activation = n.activation,
                                   .leaky_slope = n.leaky_slope,
                                   .softmax_top = top,
                                   .affine = n.gamma});
                               set(stage->weight, linear.weight);
                               return stage;
                             });
  draft.map_bias = linear.bias;
  draft.can_be_top = true;
}

template <size_t D>
tnn::ConvOptions<D> without_bias(const tnn::detail::ConvNdOptions<D>& convolution) {
  return tnn::ConvOptions<D>(convolution.in_channels(), convolution.out_channels(),
                             convolution.kernel_size())
      .stride(convolution.stride())
      .padding(convolution.padding())
      .dilation(convolution.dilation())
      .groups(convolution.groups())
      .bias(false)
      .padding_mode(convolution.padding_mode());
}

template <class Convolution, class Options>
AnyStage wrapped(const Options& convolution, const torch::Tensor& weight,
                 const NoisyNormalizationOptions& n) {
  Convolution map(convolution);
  set(map->weight, weight);
  return NoisyStage(
      tnn::AnyModule(map),
      NoisyStageOptions{.normalization = n, .vertical = transposed_vertical(convolution)});
}

void place(const tnn::Conv1dImpl& convolution, const Layer& layer, Drafts& drafts) {
  require_dimensions(layer, 2, "[C, L]");
  const auto options = without_bias(convolution.options);
  drafts
      .start(layer, options.out_channels(),
             [&convolution, options](const NoisyNormalizationOptions& n, bool) {
               return wrapped<tnn::Conv1d>(options, convolution.weight, n);
             })
      .map_bias = convolution.bias;
}

// The border of a plain geometry.
std::optional<Border> border_of(const tnn::Conv2dOptions& convolution) {
  const std::array<int64_t, 2> kernel = {convolution.kernel_size()->at(0),
                                         convolution.kernel_size()->at(1)};
  const bool plain = convolution.groups() == 1 && convolution.dilation()->at(0) == 1 &&
                     convolution.dilation()->at(1) == 1 &&
                     std::holds_alternative<torch::enumtype::kZeros>(convolution.padding_mode());
  const auto* padding = std::get_if<torch::ExpandingArray<2>>(&convolution.padding());
  const bool odd = kernel[0] % 2 == 1 && kernel[1] % 2 == 1;
  for (const auto border : {Border::kValid, Border::kSame, Border::kFull}) {
    const auto wanted = convolution_geometry(kernel, border, {1, 1}).padding;
    const bool fits =
        padding != nullptr
            ? wanted[0] == (*padding)->at(0) && wanted[1] == (*padding)->at(1)
            : border == (std::holds_alternative<torch::enumtype::kValid>(convolution.padding())
                             ? Border::kValid
                             : Border::kSame);
    if (plain && fits && (odd || border != Border::kSame)) {
      return border;
    }
  }
  return std::nullopt;
}

void place(const tnn::Conv2dImpl& convolution, const Layer& layer, Drafts& drafts) {
  require_dimensions(layer, 3, "[C, H, W]");
  const auto options = without_bias(convolution.options);
  const auto make = [&convolution, options](const NoisyNormalizationOptions& n, bool) -> AnyStage {
    const auto border = border_of(options);
    if (!border) {
      return wrapped<tnn::Conv2d>(options, convolution.weight, n);
    }
    NoisyConv stage(NoisyConvOptions{.in_channels = options.in_channels(),
                                     .out_channels = options.out_channels(),
                                     .kernel = options.kernel_size(),
                                     .border = *border,
                                     .stride = options.stride(),
                                     .noise_std = n.noise_std,
                                     .activation = n.activation,
                                     .leaky_slope = n.leaky_slope,
                                     .affine = n.gamma});
    set(stage->weight, convolution.weight);
    return stage;
  };
  drafts.start(layer, options.out_channels(), make).map_bias = convolution.bias;
}

Draft& start_pooling(const Layer& layer, std::array<int64_t, 2> stride,
                     std::array<int64_t, 2> padding, Drafts& drafts) {
  return drafts.start(
      layer, layer.rows[1],
      [module = layer.module, stride, padding](const NoisyNormalizationOptions& n,
                                               bool) -> AnyStage {
        return NoisyStage(
            module.clone(),
            NoisyStageOptions{.normalization = n,
                              .vertical = [stride, padding](at::IntArrayRef in, at::IntArrayRef) {
                                return make_pooling_vertical(in, stride, padding);
                              }});
      });
}

template <class Pool>
void place_pooling_1d(const Pool& pool, const Layer& layer, Drafts& drafts) {
  require_dimensions(layer, 2, "[C, L]");
  start_pooling(layer, {1, pool.options.stride()->at(0)}, {0, pool.options.padding()->at(0)},
                drafts);
}

template <class Pool>
void place_pooling_2d(const Pool& pool, const Layer& layer, Drafts& drafts) {
  require_dimensions(layer, 3, "[C, H, W]");
  const auto& stride = pool.options.stride();
  const auto& padding = pool.options.padding();
  start_pooling(layer, {stride->at(0), stride->at(1)}, {padding->at(0), padding->at(1)}, drafts);
}

void place(const tnn::MaxPool1dImpl& pool, const Layer& layer, Drafts& drafts) {
  place_pooling_1d(pool, layer, drafts);
}
void place(const tnn::AvgPool1dImpl& pool, const Layer& layer, Drafts& drafts) {
  place_pooling_1d(pool, layer, drafts);
}
void place(const tnn::MaxPool2dImpl& pool, const Layer& layer, Drafts& drafts) {
  place_pooling_2d(pool, layer, drafts);
}
void place(const tnn::AvgPool2dImpl& pool, const Layer& layer, Drafts& drafts) {
  place_pooling_2d(pool, layer, drafts);
}

void require_one(const Layer& layer, std::optional<int64_t> size) {
  TORCH_CHECK(size == 1, "from_sequential: expected ", layer.name,
              " to have an output of size 1 but got ", size ? c10::str(*size) : "that of its input",
              " (an AvgPool has a fixed window).");
}

void place(const tnn::AdaptiveAvgPool1dImpl& pool, const Layer& layer, Drafts& drafts) {
  require_dimensions(layer, 2, "[C, L]");
  require_one(layer, pool.options.output_size()->at(0));
  start_pooling(layer, {1, layer.rows[2]}, {0, 0}, drafts);
}

void place(const tnn::AdaptiveAvgPool2dImpl& pool, const Layer& layer, Drafts& drafts) {
  require_dimensions(layer, 3, "[C, H, W]");
  require_one(layer, pool.options.output_size()->at(0));
  require_one(layer, pool.options.output_size()->at(1));
  auto& draft = start_pooling(layer, {layer.rows[2], layer.rows[3]}, {0, 0}, drafts);
  draft.can_be_top = true;
  draft.top_scale = NoisyGlobalMeanPoolImpl::scale(layer.rows[3]);
  draft.make = [inner = draft.make](const NoisyNormalizationOptions& n, bool top) -> AnyStage {
    return top ? NoisyGlobalMeanPool(NoisyGlobalMeanPoolOptions{
                     .channels = n.channels, .noise_std = n.noise_std, .softmax_top = true})
               : inner(n, top);
  };
}

template <class BatchNorm>
void place_batch_norm(const BatchNorm& norm, const Layer& layer, Drafts& drafts) {
  auto& draft = drafts.of(layer);
  for (const auto* before : {&draft.batch_norm, &draft.activation, &draft.flatten}) {
    TORCH_CHECK(before->empty(), "from_sequential: expected ", layer.name, " right after ",
                draft.layer, " but got it after ", *before,
                " (a stage of a ladder normalises once, channel by channel, and then activates).");
  }
  draft.batch_norm = layer.name;
  if (norm.weight.defined()) {
    const auto lost = norm.weight.eq(0).logical_and(norm.bias.ne(0)).nonzero();
    TORCH_CHECK(lost.numel() == 0, "from_sequential: expected the weights of ", layer.name,
                " to differ from 0 but got 0 in channel ", lost[0].template item<int64_t>(),
                ", which has a bias (gamma (z + beta) cannot hold it).");
    draft.normalization.beta = true;
    draft.normalization.gamma = true;
    draft.weight = norm.weight;
    draft.bias = norm.bias;
  }
  if (norm.running_mean.defined()) {
    draft.mean = norm.running_mean;
    draft.variance = norm.running_var + norm.options.eps();
  }
}

void place(const tnn::BatchNorm1dImpl& norm, const Layer& layer, Drafts& drafts) {
  place_batch_norm(norm, layer, drafts);
}
void place(const tnn::BatchNorm2dImpl& norm, const Layer& layer, Drafts& drafts) {
  place_batch_norm(norm, layer, drafts);
}

void activate(const Layer& layer, Drafts& drafts, Activation activation, double slope = 0.1) {
  auto& draft = drafts.of(layer);
  TORCH_CHECK(draft.activation.empty(), "from_sequential: expected one activation a stage but got ",
              layer.name, " after ", draft.activation,
              " (write them as one module and wrap it in a Stage of your own).");
  draft.activation = layer.name;
  draft.normalization.activation = activation;
  draft.normalization.leaky_slope = slope;
}

void place(const tnn::ReLUImpl&, const Layer& layer, Drafts& drafts) {
  activate(layer, drafts, Activation::kRelu);
}
void place(const tnn::LeakyReLUImpl& module, const Layer& layer, Drafts& drafts) {
  activate(layer, drafts, Activation::kLeakyRelu, module.options.negative_slope());
}
void place(const tnn::TanhImpl&, const Layer& layer, Drafts& drafts) {
  activate(layer, drafts, Activation::kTanh);
}
void place(const tnn::GELUImpl& module, const Layer& layer, Drafts& drafts) {
  TORCH_CHECK(module.options.approximate() == "none", "from_sequential: expected ", layer.name,
              " without an approximation but got ", module.options.approximate(), ".");
  activate(layer, drafts, Activation::kGelu);
}

void place(const tnn::IdentityImpl&, const Layer&, Drafts&) {}
void place(const tnn::DropoutImpl&, const Layer&, Drafts&) {}
void place(const tnn::Dropout2dImpl&, const Layer&, Drafts&) {}

void place(const tnn::FlattenImpl& flatten, const Layer& layer, Drafts& drafts) {
  const auto dimensions = static_cast<int64_t>(layer.rows.size());
  const auto end = flatten.options.end_dim();
  TORCH_CHECK(flatten.options.start_dim() == 1 && (end == -1 || end == dimensions - 1),
              "from_sequential: expected ", layer.name, " to flatten dimensions 1 to -1 but got ",
              flatten.options.start_dim(), " to ", end, ".");
  if (!drafts.all().empty() && dimensions > 2) {
    drafts.all().back().flatten = layer.name;
  }
}

template <class Impl>
bool place_as(const Layer& layer, Drafts& drafts) {
  const auto* module = exactly<Impl>(*layer.module.ptr());
  if (module != nullptr) {
    place(*module, layer, drafts);
  }
  return module != nullptr;
}

constexpr bool (*kPlacements[])(const Layer&, Drafts&) = {
    place_as<tnn::LinearImpl>,
    place_as<tnn::Conv1dImpl>,
    place_as<tnn::Conv2dImpl>,
    place_as<tnn::MaxPool1dImpl>,
    place_as<tnn::MaxPool2dImpl>,
    place_as<tnn::AvgPool1dImpl>,
    place_as<tnn::AvgPool2dImpl>,
    place_as<tnn::AdaptiveAvgPool1dImpl>,
    place_as<tnn::AdaptiveAvgPool2dImpl>,
    place_as<tnn::BatchNorm1dImpl>,
    place_as<tnn::BatchNorm2dImpl>,
    place_as<tnn::ReLUImpl>,
    place_as<tnn::LeakyReLUImpl>,
    place_as<tnn::TanhImpl>,
    place_as<tnn::GELUImpl>,
    place_as<tnn::IdentityImpl>,
    place_as<tnn::DropoutImpl>,
    place_as<tnn::Dropout2dImpl>,
    place_as<tnn::FlattenImpl>,
};

// torch::nn::ReLUImpl is known as ReLU.
std::string kind_of(const tnn::Module& module) {
  auto kind = module.name();
  if (const auto colon = kind.rfind(':'); colon != std::string::npos) {
    kind.erase(0, colon + 1);
  }
  if (kind.ends_with("Impl")) {
    kind.resize(kind.size() - 4);
  }
  return kind;
}

// What the layer gives, without a trace in it.
torch::Tensor run(const Layer& layer, const torch::Tensor& h) {
  auto copy = layer.module.clone();
  copy.ptr()->eval();
  try {
    return copy.forward<torch::Tensor>(h);
  } catch (const c10::Error& error) {
    TORCH_CHECK(false, "from_sequential: expected ", layer.name, " to take rows of ",
                layer.rows.slice(1), " but got an error (", error.what_without_backtrace(), ").");
  }
}

void check_top(const Draft& top, const torch::Tensor& h) {
  TORCH_CHECK(top.can_be_top,
              "from_sequential: expected a Linear or an AdaptiveAvgPool2d as the "
              "last stage, the softmax top, but got ",
              top.layer, ".");
  TORCH_CHECK(h.dim() == 2,
              "from_sequential: expected the last layer to give rows of [classes] but got rows of ",
              h.sizes().slice(1), " (end with a Flatten).");
  TORCH_CHECK(top.activation.empty(), "from_sequential: expected no activation after ", top.layer,
              ", the softmax top, but got ", top.activation,
              " (the top gives logits, the cost holds the softmax).");
}

NoisyNormalizationImpl& normalization_of(const AnyStage& stage) {
  for (const auto& module : stage.module()->modules()) {
    if (auto* normalization = dynamic_cast<NoisyNormalizationImpl*>(module.get())) {
      return *normalization;
    }
  }
  TORCH_INTERNAL_ASSERT(false);
}

AnyStage make_stage(const Draft& draft, bool top, const torch::TensorOptions& options) {
  const auto stage = draft.make(draft.normalization, top);
  stage.module()->to(options.device(), c10::typeMetaToScalarType(options.dtype()));
  auto& normalization = normalization_of(stage);
  if (draft.weight.defined()) {
    normalization.gamma.copy_(draft.weight);
    normalization.beta.copy_(torch::where(draft.weight == 0, 0, draft.bias / draft.weight));
    normalization.gamma.set_requires_grad(draft.weight.requires_grad());
    normalization.beta.set_requires_grad(draft.bias.requires_grad());
  }
  if (draft.mean.defined()) {
    const auto scale = top ? draft.top_scale : 1.0;
    const auto mean = draft.map_bias.defined() ? draft.mean - draft.map_bias : draft.mean;
    normalization.running_mean.copy_(mean * scale);
    // The stage adds its epsilon after the scale.
    normalization.running_var.copy_(draft.variance * (scale * scale) - kVarianceEpsilon);
    normalization.batches.fill_(1);
  }
  return stage;
}

}  // namespace

Ladder from_sequential(const tnn::Sequential& net, const FromSequentialOptions& options) {
  const torch::NoGradGuard no_grad;
  TORCH_CHECK(!net.is_empty(), "from_sequential: expected a Sequential but got an empty holder.");
  TORCH_CHECK(!options.input_shape.empty(),
              "from_sequential: expected the shape of one input row but got an empty input_shape.");
  const auto parameters = net->parameters();
  const auto tensors =
      parameters.empty()
          ? torch::TensorOptions(torch::kFloat)
          : torch::TensorOptions(parameters[0].dtype()).device(parameters[0].device());
  auto sizes = options.input_shape;
  sizes.insert(sizes.begin(), 2);
  auto h = torch::zeros(sizes, tensors);
  Drafts drafts(options.noise_std);
  for (size_t index = 0; index < net->size(); ++index) {
    const auto& module = *(net->begin() + static_cast<std::ptrdiff_t>(index));
    const auto kind = kind_of(*module.ptr());
    const Layer layer{c10::str("layer ", index, " (", kind, ")"), module, h.sizes()};
    TORCH_CHECK(
        std::any_of(std::begin(kPlacements), std::end(kPlacements),
                    [&](const auto& place_it) { return place_it(layer, drafts); }),
        "from_sequential: expected layer ", index,
        " to be a Linear, a convolution, a pooling, a BatchNorm, an activation, a Dropout or "
        "a Flatten but got ",
        kind, " (a NoisyStage or a Stage of your own takes any module).");
    h = run(layer, h);
  }

  auto& stages = drafts.all();
  TORCH_CHECK(!stages.empty(), "from_sequential: expected a Linear as the softmax top but got ",
              net->size(), " layers without one.");
  check_top(stages.back(), h);
  Stages made;
  for (const auto& draft : stages) {
    made.push_back(make_stage(draft, &draft == &stages.back(), tensors));
  }
  const torch::AutoGradMode grad(true);
  Ladder ladder(LadderOptions{.input_shape = options.input_shape,
                              .lambda = options.lambda,
                              .input_noise = options.input_noise,
                              .combinator = options.combinator},
                made);
  ladder->to(tensors.device(), c10::typeMetaToScalarType(tensors.dtype()));
  return ladder;
}

}  // namespace ladder
