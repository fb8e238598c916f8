/// The fourth proof of a decoder map: its state.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <sstream>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/require_close.h"

namespace ladder::testing {

/// Require that a map of these options, called with `x`, keeps its state when it is cloned, saved,
/// moved to another type and put into eval mode.
template <class Map, class Options>
void require_map_state(const Options& options, const torch::Tensor& x) {
  Map map(options);
  const auto y = map->forward(x);
  const auto copy = std::dynamic_pointer_cast<typename Map::ContainedType>(map->clone());
  REQUIRE(copy);
  require_equal(copy->forward(x), y);
  CHECK_FALSE(copy->weight.is_alias_of(map->weight));
  std::stringstream stream;
  torch::save(map, stream);
  Map loaded(options);
  torch::load(loaded, stream);
  loaded->eval();
  require_equal(loaded->forward(x), y);
  map->to(torch::kDouble);
  require_rounded({y}, [&] { return std::vector{map->forward(x.to(torch::kDouble))}; });
}

}  // namespace ladder::testing
