#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "apps/support/ranks.h"
#include "tests/support/environment.h"

namespace ladder::testing {

/// Unsets what a launcher sets, until the end of the test: no rank but what the test sets.
struct NoRanks {
  std::vector<std::unique_ptr<Environment>> variables;
  NoRanks() {
    for (const auto& name : apps::rank_variables()) {
      variables.push_back(std::make_unique<Environment>(name, std::nullopt));
    }
  }
};

}  // namespace ladder::testing
