/// The table of recipes that `--list` prints.
#pragma once

#include <ladder/models/recipes.h>

#include <string>
#include <vector>

namespace ladder::apps {

/// Return the recipes as a table, a line each.
std::string recipe_table(const std::vector<models::Recipe>& recipes);

}  // namespace ladder::apps
