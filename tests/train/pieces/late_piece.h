/// What pieces have in common that look at the network now and then and hold rows in classes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/train/blobs.h"

namespace ladder::testing {

/// Makes a piece of a weight for a network of blobs().
using MakeLatePiece =
    std::function<std::shared_ptr<train::ObjectivePiece>(Ladder& net, double weight)>;

/// Train with a piece of weight 3, and require that this changes the training and that a run which
/// stops after one of these steps ends as the whole one; so does one that goes on from the files of
/// its first part, after the first of them.
inline void require_exact_resume(const MakeLatePiece& make, const std::vector<int64_t>& stops) {
  const OneThread one_thread;
  const auto data = blobs();
  const auto train = [&](int64_t stop, double weight) {
    auto net = small_ladder();
    return trained_with(net, make(net, weight), data, stop);
  };
  const auto whole = train(0, 3);
  for (const auto stop : stops) {
    INFO("stopped after step " << stop);
    require_equal(train(stop, 3), whole);
  }
  require_equal(resumed_with([&](Ladder& net) { return make(net, 3); }, data, stops.front()),
                whole);
  CHECK_FALSE(train(0, 0).equal(whole));
}

/// Check the sentences of a piece about its options, an empty network and a network without a
/// denoising cost. `make` takes a network and options.
template <class Options, class Make>
void check_late_piece_errors(const std::string& name, const Ladder& net, const Make& make) {
  const auto error = [&](Options options) { return error_text([&] { make(net, options); }); };
  CHECK(error({.weight = -1}) == name + ": expected a finite weight of at least 0 but got -1.");
  CHECK(error({.at = {0.5, 0.4}}) ==
        name + ": expected parts of the run, from 0 to below 1 and ascending, but got 0.5 0.4.");
  CHECK(error({.lasts = 0}) == name + ": expected a part of the run above 0 for lasts but got 0.");
  CHECK(error_text([&] { make(Ladder(nullptr), Options()); }) ==
        name + ": expected a network but got an empty Ladder.");
  CHECK(error_text([&] { make(net, Options())->cost({}); }) ==
        name +
            ": expected a network with a denoising cost, which runs unlabeled rows, but got one "
            "without.");
}

}  // namespace ladder::testing
