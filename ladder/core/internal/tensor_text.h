/// What error messages say of a tensor.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/StringUtil.h>

#include <string>

namespace ladder {

/// "[60, 784]"; "an undefined tensor" for one.
inline std::string shape_text(const at::Tensor& tensor) {
  return tensor.defined() ? c10::str(tensor.sizes()) : "an undefined tensor";
}

/// "Float [60, 784]"; "an undefined tensor" for one.
inline std::string type_and_shape_text(const at::Tensor& tensor) {
  return tensor.defined() ? c10::str(tensor.scalar_type(), " ", tensor.sizes())
                          : "an undefined tensor";
}

}  // namespace ladder
