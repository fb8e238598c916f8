/// Labels from several networks: those on which they agree, and those of their vote.
#pragma once

#include <torch/types.h>

#include <vector>

namespace ladder::train {

/// Return for each row the class that every network predicts with a probability above `confidence`,
/// or -1 if they do not all agree: int64 [n]. `probabilities` has one tensor [n, classes] per
/// network. Another network can be trained with these classes as labels (self-training, in which
/// agreement measures confidence [Zhou2005]).
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
