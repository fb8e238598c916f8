#include "ladder/data/internal/row_checks.h"

#include <ATen/ATen.h>

#include "ladder/core/finite.h"
#include "ladder/core/internal/tensor_text.h"

namespace ladder::data {
namespace {

// The least of the positions [n], which are not empty.
int64_t min_of(const torch::Tensor& positions) { return positions.min().item<int64_t>(); }

}  // namespace

void check_labels(const std::string& component, const std::string& what,
                  const torch::Tensor& labels, const torch::Tensor& rows, int64_t classes,
                  bool missing) {
  const auto values =
      rows.defined() ? labels.index_select(0, rows.to(labels.device())) : labels;  // [n]
  const auto wrong = values.lt(missing ? -1 : 0).logical_or_(values.ge(classes)).nonzero();
  if (wrong.numel() == 0) return;
  const auto place = min_of(wrong);
  const auto row = rows.defined() ? rows[place].item<int64_t>() : place;
  TORCH_CHECK(false, component, ": expected labels of the ", what, " rows in 0..", classes - 1,
              missing ? ", or -1 for none," : "", " but got ", values[place].item<int64_t>(),
              " (row ", row, ").");
}

void check_finite(const std::string& component, const std::string& what,
                  const torch::Tensor& inputs, const torch::Tensor& rows) {
  if (!find_not_finite(inputs)) return;
  auto used = inputs;
  if (rows.defined()) {
    auto unused = at::ones({inputs.size(0)}, inputs.options().dtype(at::kBool));
    unused.index_fill_(0, rows.to(inputs.device()), false);
    used = inputs.clone().index_fill_(0, unused.nonzero().flatten(), 0);
  }
  ladder::check_finite(component.c_str(), what.c_str(), used);
}

void check_label_rows(const std::string& component, const torch::Tensor& labels, int64_t rows) {
  TORCH_CHECK(labels.defined() && labels.scalar_type() == at::kLong && labels.dim() == 1 &&
                  labels.size(0) == rows,
              component, ": expected int64 labels [", rows, "] but got ",
              type_and_shape_text(labels), ".");
}

void check_row_places(const std::string& component, const std::string& what,
                      const torch::Tensor& rows, int64_t count) {
  TORCH_CHECK(rows.dim() == 1 && rows.scalar_type() == at::kLong, component, ": expected int64 ",
              what, " rows [n] but got ", type_and_shape_text(rows), ".");
  if (rows.numel() == 0) return;
  const auto lowest = rows.min().item<int64_t>(), highest = rows.max().item<int64_t>();
  TORCH_CHECK(lowest >= 0 && highest < count, component, ": expected ", what, " rows in 0..",
              count - 1, " but got ", lowest < 0 ? lowest : highest, " (the inputs have ", count,
              " rows).");
}

void check_neighbours(const std::string& component, const torch::Tensor& neighbours, int64_t rows) {
  TORCH_CHECK(neighbours.defined() && neighbours.scalar_type() == at::kLong &&
                  neighbours.dim() == 2 && neighbours.size(0) == rows && neighbours.size(1) > 0,
              component, ": expected int64 neighbours [", rows, ", k] but got ",
              type_and_shape_text(neighbours), ".");
  if (rows == 0) return;
  const auto [first, last] = neighbours.aminmax();
  const auto lowest = first.item<int64_t>(), highest = last.item<int64_t>();
  TORCH_CHECK(lowest >= 0 && highest < rows, component, ": expected neighbours in 0..", rows - 1,
              " but got ", lowest < 0 ? lowest : highest, ".");
}

}  // namespace ladder::data
