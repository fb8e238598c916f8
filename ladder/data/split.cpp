#include "ladder/data/split.h"

#include <c10/util/Exception.h>
#include <torch/types.h>

#include <algorithm>
#include <string>
#include <vector>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/core/random.h"

namespace ladder::data {
namespace {

torch::Tensor checked_labels(const char* component, const torch::Tensor& labels, int64_t classes) {
  TORCH_CHECK(classes >= 1, component, ": expected at least 1 class but got ", classes, ".");
  TORCH_CHECK(labels.defined() && labels.dim() == 1 && labels.scalar_type() == torch::kInt64,
              component, ": expected int64 labels [rows] but got ", type_and_shape_text(labels),
              ".");
  if (labels.numel() > 0) {
    const auto lowest = labels.min().item<int64_t>();
    const auto highest = labels.max().item<int64_t>();
    TORCH_CHECK(lowest >= -1 && highest < classes, component, ": expected labels in 0..",
                classes - 1, ", or -1 for none, but got ", lowest < -1 ? lowest : highest, ".");
  }
  return labels.cpu().contiguous();
}

// Returns the rows of each class, in the order of one permutation of all rows.
std::vector<std::vector<int64_t>> shuffled_by_class(const torch::Tensor& labels, int64_t classes,
                                                    uint64_t seed, const std::vector<bool>& taken) {
  const torch::Tensor order = permutation(labels.numel(), seed);
  const int64_t* label = labels.const_data_ptr<int64_t>();
  const int64_t* row = order.const_data_ptr<int64_t>();
  std::vector<std::vector<int64_t>> by_class(classes);
  for (int64_t i = 0; i < order.numel(); ++i) {
    if (!taken[row[i]] && label[row[i]] >= 0) by_class[label[row[i]]].push_back(row[i]);
  }
  return by_class;
}

// Divides `count` equally among the classes; the first classes with rows left take the remainder.
std::vector<int64_t> even_shares(const std::vector<std::vector<int64_t>>& by_class, int64_t count) {
  std::vector<int64_t> shares(by_class.size(), 0);
  while (count > 0) {
    int64_t open = 0;
    for (size_t c = 0; c < shares.size(); ++c) {
      open += shares[c] < static_cast<int64_t>(by_class[c].size());
    }
    const int64_t step = std::max<int64_t>(count / open, 1);
    for (size_t c = 0; c < shares.size() && count > 0; ++c) {
      const int64_t left = static_cast<int64_t>(by_class[c].size()) - shares[c];
      const int64_t more = std::min({step, left, count});
      shares[c] += more;
      count -= more;
    }
  }
  return shares;
}

torch::Tensor ascending(std::vector<int64_t> rows) {
  std::sort(rows.begin(), rows.end());
  return torch::tensor(rows, torch::kInt64);
}

std::string nearest_even(int64_t count, int64_t classes, int64_t available) {
  const int64_t below = count / classes * classes;
  const int64_t above = below + classes;
  if (below == 0 && above > available) return "Balance::kUnbalanced takes any count";
  if (below == 0) return c10::str("the nearest is ", above);
  if (above > available) return c10::str("the nearest is ", below);
  return c10::str("the nearest are ", below, " and ", above);
}

torch::Tensor draw(const char* component, const torch::Tensor& labels, int64_t count,
                   int64_t classes, uint64_t seed, Balance balance, const std::vector<bool>& taken,
                   int64_t validation) {
  TORCH_CHECK(count == kAllLabels || count >= 1, component,
              ": expected at least 1 label, or kAllLabels, but got ", count, ".");
  const uint64_t stream = stream_seed(seed, "split");
  const auto by_class = shuffled_by_class(labels, classes, stream, taken);
  int64_t available = 0;
  for (const auto& rows : by_class) available += static_cast<int64_t>(rows.size());
  TORCH_CHECK(available > 0, component, ": expected rows with a label but got none.");
  TORCH_CHECK(count <= available, component, ": expected at most ", available,
              " labels, as many as rows with a label",
              validation > 0 ? c10::str(" besides the ", validation, " for validation") : "",
              ", but got ", count, ".");

  std::vector<int64_t> chosen;
  if (count == kAllLabels || count == available) {
    for (const auto& rows : by_class) chosen.insert(chosen.end(), rows.begin(), rows.end());
    return ascending(std::move(chosen));
  }
  if (balance == Balance::kUnbalanced) {
    const torch::Tensor order = permutation(labels.numel(), stream);
    const int64_t* label = labels.const_data_ptr<int64_t>();
    const int64_t* row = order.const_data_ptr<int64_t>();
    for (int64_t i = 0; static_cast<int64_t>(chosen.size()) < count; ++i) {
      if (!taken[row[i]] && label[row[i]] >= 0) chosen.push_back(row[i]);
    }
    return ascending(std::move(chosen));
  }
  TORCH_CHECK(count % classes == 0, component, ": expected a number of labels divisible by the ",
              classes, " classes but got ", count, " (", nearest_even(count, classes, available),
              ").");
  const int64_t share = count / classes;
  for (int64_t c = 0; c < classes; ++c) {
    const auto rows = static_cast<int64_t>(by_class[c].size());
    TORCH_CHECK(rows >= share, component, ": expected at least ", share, " rows of class ", c,
                " but got ", rows, " (ask for fewer labels, or for Balance::kUnbalanced).");
    chosen.insert(chosen.end(), by_class[c].begin(), by_class[c].begin() + share);
  }
  return ascending(std::move(chosen));
}

}  // namespace

torch::Tensor draw_labeled(const torch::Tensor& labels, int64_t count, int64_t classes,
                           uint64_t seed, Balance balance) {
  constexpr const char* kComponent = "draw_labeled";
  const torch::Tensor checked = checked_labels(kComponent, labels, classes);
  const std::vector<bool> taken(checked.numel(), false);
  return draw(kComponent, checked, count, classes, seed, balance, taken, 0);
}

Split make_split(const torch::Tensor& labels, int64_t classes, const SplitOptions& options) {
  constexpr const char* kComponent = "make_split";
  const torch::Tensor checked = checked_labels(kComponent, labels, classes);
  const int64_t rows = checked.numel();
  const int64_t with_label = checked.ge(0).sum().item<int64_t>();
  TORCH_CHECK(with_label > 0, kComponent, ": expected rows with a label but got none.");
  TORCH_CHECK(options.validation >= 0 && options.validation < with_label, kComponent,
              ": expected 0 to ", with_label - 1, " validation rows but got ", options.validation,
              " (", with_label, " rows have a label).");

  std::vector<bool> taken(rows, false);
  std::vector<int64_t> validation;
  if (options.validation > 0) {
    const auto by_class =
        shuffled_by_class(checked, classes, stream_seed(options.seed, "validation"), taken);
    const auto shares = even_shares(by_class, options.validation);
    for (int64_t c = 0; c < classes; ++c) {
      validation.insert(validation.end(), by_class[c].begin(), by_class[c].begin() + shares[c]);
    }
    for (const int64_t row : validation) taken[row] = true;
  }
  std::vector<int64_t> unlabeled;
  unlabeled.reserve(rows - validation.size());
  for (int64_t row = 0; row < rows; ++row) {
    if (!taken[row]) unlabeled.push_back(row);
  }
  return {draw(kComponent, checked, options.labels, classes, options.seed, options.balance, taken,
               options.validation),
          torch::tensor(unlabeled, torch::kInt64), ascending(std::move(validation))};
}

}  // namespace ladder::data
