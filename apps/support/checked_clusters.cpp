#include "apps/support/checked_clusters.h"

#include <fmt/format.h>
#include <ladder/data/better_borders.h>
#include <ladder/io/text_file.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "apps/support/json.h"
#include "apps/support/moves_text.h"
#include "apps/support/output.h"

namespace ladder::apps {
namespace {

constexpr const char* kClustersFile = "clusters.json";
constexpr double kMaxLostPercent = 1;  // rows of a good run in lost clusters [%]
constexpr int64_t kSmallGroups = 60;   // a hundred digits each, the size of small lost clusters

double share(const CheckedClusters& checked) {
  return 100 * static_cast<double>(checked.lost()) / static_cast<double>(checked.rows);
}

// Features are right more often, inputs see clusters that are larger than a group, and borders what
// is larger than a cluster.
torch::Tensor lost_rows(const train::CleanFeatures& seen, const torch::Tensor& neighbours,
                        const torch::Tensor& labels, int64_t small_groups) {
  const auto by_borders = data::better_borders(neighbours, seen.classes, labels);
  const auto by_features = train::clusters_lost_by_features(seen.features, seen.classes);
  const auto by_inputs =
      train::lost_clusters(seen.features, seen.classes, neighbours, {.small_groups = small_groups});
  const auto by_clusters = torch::where(by_features.ge(0), by_features, by_inputs);
  return torch::where(by_borders.ge(0), by_borders, by_clusters);
}

}  // namespace

int64_t CheckedClusters::lost() const {
  int64_t sum = 0;
  for (const auto& move : moves) sum += move.rows;
  return sum;
}

bool CheckedClusters::looks_left() const { return share(*this) > kMaxLostPercent; }

std::optional<CheckedClusters> check_clusters(const train::CleanFeatures& seen,
                                              const torch::Tensor& neighbours,
                                              const torch::Tensor& labels) {
  const auto rows = seen.classes.numel();
  if (rows < kMinCheckedRows) return {};
  const auto lost = lost_rows(seen, neighbours, labels, /*small_groups=*/0);
  return CheckedClusters{.rows = rows, .moves = train::cluster_moves(seen.classes, lost)};
}

torch::Tensor all_lost(const train::CleanFeatures& seen, const torch::Tensor& neighbours,
                       const torch::Tensor& labels) {
  return lost_rows(seen, neighbours, labels, kSmallGroups);
}

void doubt_lost(const torch::Tensor& probabilities, const torch::Tensor& rows,
                const torch::Tensor& lost) {
  const auto doubtful = rows.index_select(0, lost.ge(0).nonzero().flatten());
  probabilities.index_fill_(0, doubtful, 0);
}

std::string clusters_sentence(const CheckedClusters& checked, const std::string& run) {
  if (checked.moves.empty()) return {};
  return fmt::format("{}{} of {} training rows ({:.2f} %) lie in clusters of another class, {}",
                     checked.looks_left() ? run + " looks left behind: " : "", checked.lost(),
                     checked.rows, share(checked), moves_text(checked.moves));
}

void write_checked_clusters(const std::filesystem::path& folder, const CheckedClusters& checked) {
  auto moves = nlohmann::ordered_json::array();
  for (const auto& move : checked.moves) {
    moves.push_back({{"from", move.from}, {"to", move.to}, {"rows", move.rows}});
  }
  const nlohmann::ordered_json json = {{"rows", checked.rows},
                                       {"lost", checked.lost()},
                                       {"looks_left_behind", checked.looks_left()},
                                       {"moves", moves}};
  write_text(folder / kClustersFile, json.dump(2) + "\n");
}

std::optional<CheckedClusters> read_checked_clusters(const std::filesystem::path& folder) {
  const auto path = folder / kClustersFile;
  const auto text = io::read_text_if_present(path);
  if (!text) return {};
  try {
    const auto json = parse_json(*text);
    CheckedClusters checked{.rows = json.at("rows")};
    for (const auto& move : json.at("moves")) {
      checked.moves.push_back(
          {.from = move.at("from"), .to = move.at("to"), .rows = move.at("rows")});
    }
    return checked;
  } catch (const nlohmann::json::exception&) {
    throw std::runtime_error(fmt::format(
        "expected {} as a run writes it but got another file (delete it).", path.string()));
  }
}

}  // namespace ladder::apps
