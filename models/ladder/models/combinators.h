/// The denoising functions of the ladder papers and their ablations, by name.
#pragma once

#include <ladder/nn/combinator.h>

#include <string>
#include <vector>

namespace ladder::models {

/// A combinator with a name for flags and files.
struct NamedCombinator {
  std::string name;
  std::string summary;  ///< description in a few words
  CombinatorFactory make;
};

/// Return every combinator. To add one, add an entry to the table in `combinators.cpp`.
const std::vector<NamedCombinator>& combinators();

/// Find the combinator `name`. Error: an unknown name; the sentence gives the nearest known one.
///
///     models::MlpOptions options{.combinator = models::find_combinator("amlp-2-2-2").make};
///     auto net = models::mlp(options);
const NamedCombinator& find_combinator(const std::string& name);

}  // namespace ladder::models
