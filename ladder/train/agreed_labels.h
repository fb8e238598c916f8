/// Labels from several networks: those on which they agree, and those of their vote.
#pragma once

#include <torch/types.h>

#include <vector>

namespace ladder::train {

/// Return for each row the class that every network holds for the most probable, if every one gives
/// it a probability above `confidence`, else -1: int64 [n]. `probabilities` has one tensor
/// [n, classes] a network. The class is a label to train another network with (self-training, with
/// agreement as the test of certainty [Zhou2005]).
///
/// Errors: no tensors; tensors that are not floating or whose shapes differ; a confidence outside
/// of 0 to below 1.
///
///     auto labels = agreed_labels({probabilities(a, x), probabilities(b, x)});
///     auto labeled = labels.ge(0).nonzero().flatten();
torch::Tensor agreed_labels(const std::vector<torch::Tensor>& probabilities,
                            double confidence = 0.95);

/// Return for each row the class whose probability is the largest on average over the networks, of
/// several the first: int64 [n]. Networks that were trained from other starts err on other rows, so
/// their mean is right more often than each of them (deep ensembles [Lakshminarayanan2017]).
/// `probabilities` and errors as above.
///
///     auto classes = vote({probabilities(a, x), probabilities(b, x), probabilities(c, x)});
torch::Tensor vote(const std::vector<torch::Tensor>& probabilities);

}  // namespace ladder::train
