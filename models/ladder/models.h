/// Every public header of ladder::models.
#pragma once

#include "ladder/models/combinators.h"
#include "ladder/models/mlp.h"
#include "ladder/models/network.h"
#include "ladder/models/recipes.h"
