/// The clusters of a run that has ended, checked without labels.
#pragma once

#include <ladder/train/clean_features.h>
#include <ladder/train/lost_clusters.h>
#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ladder::apps {

/// Training rows that are needed: few rows lie too far from each other.
inline constexpr int64_t kMinCheckedRows = 1000;

/// Epochs of a run that are needed: an earlier network has errors of every kind.
inline constexpr int64_t kMinCheckedEpochs = 8;

/// What data::better_borders says of the training rows, of those that it leaves where they are
/// train::clusters_lost_by_features, and of the others train::lost_clusters.
struct CheckedClusters {
  int64_t rows = 0;                            ///< that were looked at
  std::vector<train::ClusterMove> moves = {};  ///< clusters that belong to another class

  int64_t lost() const;  ///< rows of these clusters
  /// True for more than 1 % of the rows. Good runs have 0 to .8 %, runs that are left behind 1.4 %
  /// and more, or a border across two classes (docs/runs-left-behind.md).
  bool looks_left() const;
};

/// Check the clusters of rows whose classes and features are `seen`; `neighbours` int64 [n, k] as
/// data::nearest_neighbours returns them, `labels` int64 [n], -1 for a row whose label the run did
/// not read. None for fewer than kMinCheckedRows rows.
std::optional<CheckedClusters> check_clusters(const train::CleanFeatures& seen,
                                              const torch::Tensor& neighbours,
                                              const torch::Tensor& labels);

/// Return the class that the cluster of each row belongs to, or -1 where that is the one it has: as
/// check_clusters looks, and for small clusters as well (LostClusterOptions::small_groups), which
/// takes longer.
torch::Tensor all_lost(const train::CleanFeatures& seen, const torch::Tensor& neighbours,
                       const torch::Tensor& labels);

/// Set the probabilities of rows in lost clusters to 0, so that nobody takes them for labels.
/// `probabilities`: [n, classes], changed in place; `rows`: the rows of it that were looked at,
/// int64 [m]; `lost`: int64 [m], as lost_clusters returns it. All on the CPU.
void doubt_lost(const torch::Tensor& probabilities, const torch::Tensor& rows,
                const torch::Tensor& lost);

/// Return a sentence, without its full stop, on clusters in the wrong class; empty without any.
/// `run`: the subject of one that looks left behind, such as "seed 3".
std::string clusters_sentence(const CheckedClusters& checked, const std::string& run);

/// Write clusters.json into the folder of the run.
void write_checked_clusters(const std::filesystem::path& folder, const CheckedClusters& checked);

/// Read it; none if there is none. Error: a file that is not one of write_checked_clusters.
std::optional<CheckedClusters> read_checked_clusters(const std::filesystem::path& folder);

}  // namespace ladder::apps
