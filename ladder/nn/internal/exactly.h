/// Whether a module is of a type itself.
#pragma once

#include <torch/nn/module.h>

#include <typeinfo>

namespace ladder {

/// Return `module` as an Impl. Null for other types and for those that derive from Impl: their
/// `forward` may compute something else.
template <class Impl>
const Impl* exactly(const torch::nn::Module& module) {
  return typeid(module) == typeid(Impl) ? dynamic_cast<const Impl*>(&module) : nullptr;
}

}  // namespace ladder
