/// Products by a route and precision that a test chooses; otherwise a measurement chooses the
/// route.
#pragma once

#include "ladder/ops/product.h"
#include "tests/support/catch.h"

namespace ladder::testing {

/// Puts the route and the precision of products back when it ends; until then takes `route`.
class KeepProducts {
 public:
  KeepProducts() = default;
  explicit KeepProducts(ops::ProductRoute route) { ops::set_product_route(route); }
  KeepProducts(const KeepProducts&) = delete;
  KeepProducts& operator=(const KeepProducts&) = delete;
  ~KeepProducts() {
    ops::set_product_route(route_);
    ops::set_product_precision(precision_);
  }

 private:
  ops::ProductRoute route_ = ops::product_route();
  ops::ProductPrecision precision_ = ops::product_precision();
};

/// Calls f(route) with each route that this LibTorch has in force.
template <class F>
void on_every_route(const F& f) {
  for (const auto route : ops::available_product_routes()) {
    INFO(to_string(route));
    const KeepProducts keep(route);
    f(route);
  }
}

}  // namespace ladder::testing
