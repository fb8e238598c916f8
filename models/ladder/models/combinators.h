/// The denoising functions of the ladder papers and their ablations, by name.
#pragma once

#include <ladder/nn/combinator.h>

#include <string>
#include <vector>

namespace ladder::models {

/// A combinator that a program can be asked for.
struct NamedCombinator {
  std::string name;
  std::string summary;  ///< what it is, in a few words
  CombinatorFactory make;
};

/// Every combinator. Adding one is adding an entry to the table in `combinators.cpp`.
const std::vector<NamedCombinator>& combinators();

/// The combinator `name`. Error: an unknown name; the sentence holds the nearest known one.
///
///     models::MlpOptions options{.combinator = models::find_combinator("amlp-2-2-2").make};
///     auto net = models::mlp(options);
const NamedCombinator& find_combinator(const std::string& name);

}  // namespace ladder::models
