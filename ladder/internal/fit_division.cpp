#include "ladder/internal/fit_division.h"

#include <ATen/ATen.h>

#include "ladder/data/repeated_rows.h"

namespace ladder::fitting {

Division division_of(const torch::Tensor& labels, const torch::Tensor& validation) {
  auto used = at::ones({labels.numel()}, at::kBool);
  if (validation.defined() && validation.numel() > 0) used.index_fill_(0, validation, false);
  Division division{.labeled = used.logical_and(labels.ge(0)).nonzero().squeeze(1),
                    .unlabeled = used.nonzero().squeeze(1),
                    .validation = validation};
  division.used = division.unlabeled.numel();
  return division;
}

Division division_of_source(int64_t rows, const torch::Tensor& labeled,
                            const torch::Tensor& validation) {
  return {.labeled = labeled.masked_select(at::isin(labeled, validation).logical_not()),
          .unlabeled = {},
          .validation = validation,
          .used = rows - validation.numel()};
}

Division weighted(Division division, const std::optional<torch::Tensor>& weights) {
  if (!weights) return division;
  division.labeled = data::repeat_weighted(division.labeled, *weights);
  division.unlabeled = data::repeat_weighted(division.unlabeled, *weights);
  division.used = division.unlabeled.numel();
  return division;
}

}  // namespace ladder::fitting
