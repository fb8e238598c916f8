#include "ladder/train/clean_features.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "ladder/core/floating_rows.h"
#include "ladder/core/internal/tensor_text.h"
#include "ladder/core/random.h"
#include "ladder/nn/internal/encoder.h"
#include "ladder/train/internal/measured_batches.h"

namespace ladder::train {
namespace {

// Values of rows [n, units]: feature maps by their means over positions.
at::Tensor values_of(const at::Tensor& h) { return h.dim() > 2 ? h.flatten(2).mean(2) : h; }

// Writes the rows `part` of a batch to their places among `count` rows: batches that are kept and
// joined at the end take three times the memory of the result.
void put_rows(at::Tensor& all, int64_t count, const at::Tensor& places, const at::Tensor& part) {
  if (!all.defined()) {
    auto sizes = part.sizes().vec();
    sizes.front() = count;
    all = at::empty(sizes, part.options());
  }
  all.index_copy_(0, places, part);
}

std::vector<int64_t> levels_of(const CleanFeatureOptions& options, int64_t top) {
  if (options.levels.empty()) {
    const auto middle = top / 2;
    return middle > 0 ? std::vector<int64_t>{middle - 1, middle} : std::vector<int64_t>{0};
  }
  const auto& levels = options.levels;
  const auto stop = std::adjacent_find(levels.begin(), levels.end(), std::greater_equal<>());
  TORCH_CHECK(stop == levels.end() && levels.front() >= 0 && levels.back() <= top,
              "clean_features: expected ascending levels in 0..", top, " but got ", levels, ".");
  return levels;
}

}  // namespace

CleanFeatures clean_features(Ladder& net, const torch::Tensor& inputs, const torch::Tensor& rows,
                             const CleanFeatureOptions& options) {
  TORCH_CHECK(!net.is_empty(), "clean_features: expected a network but got an empty Ladder.");
  TORCH_CHECK(inputs.defined() && inputs.dim() >= 2,
              "clean_features: expected inputs [rows, ...] but got ", shape_text(inputs), ".");
  const auto count = rows.defined() ? rows.numel() : inputs.size(0);
  TORCH_CHECK(count >= 2 && options.batch_size >= 2,
              "clean_features: expected at least 2 rows, in batches of at least 2, but got ", count,
              " in batches of ", options.batch_size, ".");
  const at::NoGradGuard no_gradients;
  const auto& stages = net->stages;
  const auto like = any_tensor(stages);
  const auto top = static_cast<int64_t>(stages.size());
  const auto levels = levels_of(options, top);
  const auto order = permutation(count, options.seed).to(inputs.device());
  at::Tensor logits;  // [count, classes]
  std::vector<at::Tensor> features(levels.size());
  for_measured_batches(count, options.batch_size, [&](int64_t begin, int64_t size) {
    const auto places = order.narrow(0, begin, size);
    const auto x =
        gather_floating_rows(inputs, rows.defined() ? rows.index_select(0, places) : places);
    auto h = accept_rows("clean_features", "inputs", x, net->options.input_shape, like,
                         RowUse::kMeasure);
    auto pass = Pass::clean(h.size(0), Statistics::kBatch);
    pass.compared = false;
    for (int64_t level = 0; level <= top; ++level) {
      if (level > 0) h = stages[static_cast<size_t>(level - 1)]->forward(h, pass).h;
      for (size_t i = 0; i < levels.size(); ++i) {
        if (level == levels[i]) put_rows(features[i], count, places, values_of(h));
      }
    }
    put_rows(logits, count, places, h);
  });
  return {.classes = logits.argmax(1),
          .probabilities = at::softmax(logits, 1),
          .features = std::move(features)};
}

}  // namespace ladder::train
