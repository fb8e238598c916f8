#include "ladder/data/row_source.h"

#include "ladder/data/internal/row_gaps.h"

namespace ladder::data {

void RowSource::expect(const torch::Tensor&) const {}

torch::Tensor rows_besides(const torch::Tensor& held_out, const torch::Tensor& places) {
  return held_out.defined() ? rows_behind_gaps(row_gaps(held_out), places) : places;
}

}  // namespace ladder::data
