/// An operator's arguments as one struct, packed for LibTorch's dispatcher and unpacked from it.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

#include <tuple>
#include <type_traits>

namespace ladder::ops {

/// A `Call` lists its members in the order of the operator's schema, and their names again in
/// `fields`. It names the operator and its result:
///
///     struct ScaleCall {
///       using Result = at::Tensor;
///       static constexpr const char* kOperator = "ladder::scale";
///       at::Tensor x;
///       double factor;
///       auto fields() const { return std::tie(x, factor); }
///     };
///     at::Tensor scale_kernel(const ScaleCall& call);
///
///     at::Tensor y = Operator<ScaleCall>::call({x, 2.0});           // by the dispatcher
///     m.impl("scale", Operator<ScaleCall>::unpacked<scale_kernel>);  // a kernel for it
template <class Call, class Fields = decltype(std::declval<const Call&>().fields())>
struct Operator;

template <class Call, class... Fields>
struct Operator<Call, std::tuple<const Fields&...>> {
  using Result = typename Call::Result;

  /// How the dispatcher passes an argument.
  template <class T>
  using Parameter = std::conditional_t<std::is_trivially_copyable_v<T>, T, const T&>;

  static Result call(const Call& call) {
    static const auto op = c10::Dispatcher::singleton()
                               .findSchemaOrThrow(Call::kOperator, "")
                               .template typed<Result(Parameter<Fields>...)>();
    return std::apply([](const Fields&... fields) { return op.call(fields...); }, call.fields());
  }

  template <Result (*kernel)(const Call&)>
  static Result unpacked(Parameter<Fields>... fields) {
    return kernel(Call{fields...});
  }
};

}  // namespace ladder::ops
