#include "ladder/nn/maps/conv_map.h"

#include <torch/torch.h>

#include "tests/nn/feature_maps.h"
#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::conv;
using ladder::testing::require_close;

TEST_CASE("ConvMap is the gradient of the convolution it goes back through", "[nn]") {
  torch::manual_seed(5);
  auto stage = conv(2, 3, 3, Border::kSame, 2);
  auto vertical = stage->make_vertical({2, 7, 6}, {3, 4, 3});
  const auto weight = vertical.ptr()->parameters()[0];
  const auto y = torch::randn({4, 3, 4, 3});
  const auto x = torch::zeros({4, 2, 7, 6}).requires_grad_();
  (torch::conv2d(x, weight, {}, 2, 1) * y).sum().backward();
  require_close(vertical.forward<torch::Tensor>(y), x.grad(), 1e-4, 1e-5);
}
