#include "ladder/nn/internal/rows_apart.h"

#include <torch/torch.h>

namespace ladder {
namespace {

namespace tnn = torch::nn;

template <class... Impls>
bool is_any_of(const tnn::Module& module) {
  return (... || (dynamic_cast<const Impls*>(&module) != nullptr));
}

template <class... Norms>
bool tracks_instances(const tnn::Module& module) {
  const auto tracks = [&](const auto* norm) {
    return norm != nullptr && norm->options.track_running_stats();
  };
  return (... || tracks(dynamic_cast<const Norms*>(&module)));
}

template <class... Dropouts>
bool drops(const tnn::Module& module) {
  const auto any = [&](const auto* dropout) {
    return dropout != nullptr && dropout->options.p() > 0;
  };
  return (... || any(dynamic_cast<const Dropouts*>(&module)));
}

bool mixes_rows(const tnn::Module& module) {
  return is_any_of<tnn::BatchNorm1dImpl, tnn::BatchNorm2dImpl, tnn::BatchNorm3dImpl>(module);
}

bool stores_statistics(const tnn::Module& module) {
  return tracks_instances<tnn::InstanceNorm1dImpl, tnn::InstanceNorm2dImpl,
                          tnn::InstanceNorm3dImpl>(module);
}

bool draws(const tnn::Module& module) {
  return drops<tnn::DropoutImpl, tnn::Dropout2dImpl, tnn::Dropout3dImpl, tnn::AlphaDropoutImpl,
               tnn::FeatureAlphaDropoutImpl>(module);
}

}  // namespace

void check_rows_apart(const char* owner, const std::string& subject, const char* treats,
                      const tnn::Module& module, const std::string& name, RowsApart which) {
  for (const auto& item : module.named_modules(name)) {
    const auto& part = *item.value();
    if (which == RowsApart::kTraining && !part.is_training()) continue;
    TORCH_CHECK(!mixes_rows(part), owner, ": expected ", subject, " ", treats,
                " each row by itself but got a BatchNorm as ", item.key(),
                ", which mixes noisy and clean rows (leave it out: the stage normalises).");
    TORCH_CHECK(!stores_statistics(part), owner, ": expected ", subject,
                " without statistics of its own but got an InstanceNorm with running ones as ",
                item.key(), " (build it with track_running_stats(false)).");
    TORCH_CHECK(!draws(part), owner, ": expected ", subject,
                " without random numbers but got a Dropout as ", item.key(),
                " (leave it out: noise_std takes its place).");
  }
}

void keep_rows_apart(tnn::Module& stage) {
  for (const auto& item : stage.named_modules()) {  // the stage itself, too, even on the stack
    auto& part = *item.value();
    if (mixes_rows(part) || stores_statistics(part) || draws(part)) part.eval();
  }
}

}  // namespace ladder
