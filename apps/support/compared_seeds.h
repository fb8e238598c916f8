/// Runs of several seeds compared with each other, without labels.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ladder::apps {

/// Training rows on which several runs are compared with each other, at most.
inline constexpr int64_t kComparedRows = 10'000;

/// What the runs of an experiment say of each other.
struct ComparedSeed {
  uint64_t seed = 0;
  double disagreement = 0;  ///< training rows that the others put into another class [%]
  bool looks_left = false;  ///< left behind, see train::left_behind
};

/// Compare runs by their predictions of the same rows, int64 [n] each; an undefined tensor is a run
/// without predictions and is left out. Empty for fewer than three, of which none can be judged.
std::vector<ComparedSeed> compare_seeds(const std::vector<uint64_t>& seeds,
                                        const std::vector<torch::Tensor>& classes);

/// Return a sentence, without its full stop, for each run that looks left behind.
std::vector<std::string> left_behind_sentences(const std::vector<ComparedSeed>& seeds);

/// Write seeds.json into the folder of the experiment, whose runs are in seed-1, seed-2, ...;
/// nothing for no seeds.
void write_compared_seeds(const std::filesystem::path& folder,
                          const std::vector<ComparedSeed>& seeds);

/// Read it; empty if there is none. Error: a file that is not one of write_compared_seeds.
std::vector<ComparedSeed> read_compared_seeds(const std::filesystem::path& folder);

}  // namespace ladder::apps
