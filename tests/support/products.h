/// Products by each route.
#pragma once

#include "ladder/ops/product.h"
#include "tests/support/catch.h"

namespace ladder::testing {

/// Calls f(route) within a scope of each route that this LibTorch has, with float32 products.
template <class F>
void on_every_route(const F& f) {
  for (const auto route : ops::available_product_routes()) {
    INFO(to_string(route));
    const ops::ProductScope scope({ops::ProductPrecision::kFloat32, route});
    f(route);
  }
}

}  // namespace ladder::testing
