/// Settings of a training that the options leave open, from the size of the data.
#pragma once

#include <ladder/models/network.h>

#include <cstdint>
#include <vector>

#include "ladder/classifier.h"

namespace ladder::fitting {

/// Refuse options that no data can have.
void check_options(const ClassifierOptions& options);

/// Return rows a step: at least ten steps an epoch for small data, at most kDefaultSteps for large
/// ones.
int64_t batch_of(int64_t rows);

/// Return the network for `rows` inputs of the shape `shape`. Errors: options that do not fit them.
models::NetworkOptions network_of(const ClassifierOptions& options,
                                  const std::vector<int64_t>& shape, int64_t rows, int64_t classes,
                                  bool images);

}  // namespace ladder::fitting
