/// Holder for a module that implements one of the library's interfaces.
#pragma once

#include <c10/core/Device.h>
#include <c10/util/Exception.h>
#include <c10/util/Type.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace ladder {

/// Check that `copy`, a clone of `from`, is of the same type: the clone() of a class that derives
/// from another module makes that other module unless it is overridden. Error: another type, or
/// null.
inline void check_clone(const torch::nn::Module& from, const torch::nn::Module* copy) {
  TORCH_CHECK(copy != nullptr && typeid(*copy) == typeid(from), "Ladder: expected the clone of ",
              from.name(), " to be of the same kind but got ",
              // (name() of a clone is that of its original.)
              copy != nullptr ? c10::demangle(typeid(*copy).name()) : std::string("none"),
              " (does its clone() return a module of its own type?).");
}

/// A module that implements `Interface`, held both as a Module and as an Interface. An interface is
/// not itself a Module, so that implementations can be ordinary torch::nn::Cloneable modules.
/// Module holders and shared pointers convert to a Pluggable: modules of different types stand in
/// one list. Error: a null pointer or an empty holder.
template <class Interface>
class Pluggable {
 public:
  template <class Impl, class = std::enable_if_t<std::is_base_of_v<Interface, Impl> &&
                                                 std::is_base_of_v<torch::nn::Module, Impl>>>
  Pluggable(std::shared_ptr<Impl> impl)  // NOLINT: converts
      : module_(impl), interface_(std::move(impl)) {
    TORCH_CHECK(module_ != nullptr,
                "Ladder: expected a stage or a combinator but got a null pointer.");
  }

  template <class Holder, class Impl = typename Holder::ContainedType,
            class = std::enable_if_t<std::is_base_of_v<torch::nn::ModuleHolder<Impl>, Holder>>>
  Pluggable(const Holder& holder)  // NOLINT: converts
      : Pluggable(holder.is_empty() ? std::shared_ptr<Impl>() : holder.ptr()) {}

  const std::shared_ptr<torch::nn::Module>& module() const { return module_; }
  Interface& operator*() const { return *interface_; }
  Interface* operator->() const { return interface_.get(); }

  /// Deep copy of the module. Error: a clone() that returns a module of another type.
  Pluggable clone(const std::optional<torch::Device>& device = std::nullopt) const {
    auto module = module_->clone(device);
    check_clone(*module_, module.get());
    auto interface = std::dynamic_pointer_cast<Interface>(module);
    return Pluggable(std::move(module), std::move(interface));
  }

 private:
  Pluggable(std::shared_ptr<torch::nn::Module> module, std::shared_ptr<Interface> interface)
      : module_(std::move(module)), interface_(std::move(interface)) {}

  std::shared_ptr<torch::nn::Module> module_;
  std::shared_ptr<Interface> interface_;
};

}  // namespace ladder
