#include "ladder/core/floating_rows.h"

#include <torch/types.h>

namespace ladder {

torch::Tensor floating_rows(const torch::Tensor& x, torch::Dtype dtype) {
  return x.scalar_type() == torch::kUInt8 ? x.to(dtype).div_(255) : x;
}

}  // namespace ladder
