#include "apps/support/test_predictions.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <ladder/train/evaluate.h>

#include <cstdint>
#include <iterator>
#include <string>

#include "apps/support/output.h"

namespace ladder::apps {

void write_test_predictions(const std::filesystem::path& folder, Ladder& net,
                            const torch::Tensor& inputs, const torch::Tensor& labels) {
  // Not the largest of the probabilities: these may be rounded to equal ones, and then would not
  // count what the test error counts.
  const auto classes = train::predict(net, inputs).cpu();
  const auto all = train::probabilities(net, inputs).to(at::kCPU, at::kFloat).contiguous();
  const auto known = labels.to(at::kCPU, at::kLong).contiguous();
  std::string text = "label,class";
  for (int64_t c = 0; c < all.size(1); ++c) text += fmt::format(",p:{}", c);
  text += '\n';
  const auto* label = known.const_data_ptr<int64_t>();
  const auto* best = classes.const_data_ptr<int64_t>();
  const auto* probability = all.const_data_ptr<float>();
  for (int64_t row = 0; row < all.size(0); ++row) {
    fmt::format_to(std::back_inserter(text), "{},{}", label[row], best[row]);
    for (int64_t c = 0; c < all.size(1); ++c) {
      fmt::format_to(std::back_inserter(text), ",{}", *probability++);
    }
    text += '\n';
  }
  write_text(folder / "predictions.csv", text);
}

}  // namespace ladder::apps
