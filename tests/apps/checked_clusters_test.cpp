#include <apps/support/checked_clusters.h>
#include <apps/support/report/run_report.h>
#include <ladder/data/neighbours.h>
#include <ladder/train/agreed_labels.h>
#include <tests/support/catch.h>
#include <tests/support/paths.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

using namespace ladder;
using namespace ladder::apps;
using namespace ladder::testing;

namespace {

// 500 rows around (0, 0), of which the last `lost` are taken for class 1 and lie apart in the
// features, and 600 rows of class 1 around (100, 0).
struct Rows {
  train::CleanFeatures seen;
  torch::Tensor neighbours;
  torch::Tensor labels;  // of the first row and the last one
};

Rows rows_with_lost(int64_t lost) {
  const auto spiral = [](int64_t rows) {  // even over a disc of radius 1
    const auto i = torch::arange(rows, torch::kDouble) + 0.5;
    const auto angle = i * 2.399963;
    const auto radius = (i / static_cast<double>(rows)).sqrt();
    return torch::stack({radius * angle.cos(), radius * angle.sin()}, 1).to(torch::kFloat32);
  };
  // Every row of the first disc has neighbours that are taken for class 0.
  const auto near = torch::cat({spiral(500 - lost), spiral(lost)});
  const auto far = spiral(600) + torch::tensor({100.F, 0.F});
  auto features = near.clone();
  features.narrow(0, 500 - lost, lost) += torch::tensor({50.F, 50.F});
  auto labels = torch::full({1100}, -1, torch::kInt64);
  labels[0] = 0;
  labels[1099] = 1;
  return {.seen = {.classes = torch::cat({torch::zeros({500 - lost}, torch::kInt64),
                                          torch::ones({600 + lost}, torch::kInt64)}),
                   .features = {torch::cat({features, far})}},
          .neighbours = data::nearest_neighbours(torch::cat({near, far})),
          .labels = labels};
}

}  // namespace

TEST_CASE("check_clusters finds a run that put a cluster into the wrong class", "[apps]") {
  const auto rows = rows_with_lost(30);
  const auto checked = check_clusters(rows.seen, rows.neighbours, rows.labels);
  REQUIRE(checked);
  REQUIRE(checked->rows == 1100);
  REQUIRE(checked->moves.size() == 1);
  REQUIRE(checked->moves[0].from == 1);
  REQUIRE(checked->moves[0].to == 0);
  REQUIRE(checked->lost() == 30);
  REQUIRE(checked->looks_left());
  REQUIRE(clusters_sentence(*checked, "seed 3") ==
          "seed 3 looks left behind: 30 of 1100 training rows (2.73 %) lie in clusters of another "
          "class, 30 rows from 1 to 0");
  const auto good = rows_with_lost(0);
  const auto none = check_clusters(good.seen, good.neighbours, good.labels);
  REQUIRE(none);
  REQUIRE(none->moves.empty());
  REQUIRE_FALSE(none->looks_left());
  REQUIRE(clusters_sentence(*none, "seed 3").empty());
}

TEST_CASE("check_clusters says nothing of few rows", "[apps]") {
  const auto seen = rows_with_lost(0).seen;
  const train::CleanFeatures few = {.classes = seen.classes.narrow(0, 0, 900),
                                    .features = {seen.features[0].narrow(0, 0, 900)}};
  REQUIRE_FALSE(check_clusters(few, data::nearest_neighbours(few.features[0]),
                               torch::full({900}, -1, torch::kInt64)));
}

TEST_CASE("doubt_lost leaves the rows of lost clusters without labels", "[apps]") {
  const auto rows = rows_with_lost(30);
  const auto lost = all_lost(rows.seen, rows.neighbours, rows.labels);
  auto right = torch::full({1100}, -1, torch::kInt64);
  right.narrow(0, 470, 30).zero_();
  REQUIRE(lost.equal(right));
  // The rows are those from 50 on of a teacher that gives .9 to what it says.
  const auto says = torch::cat({torch::zeros({50}, torch::kInt64), rows.seen.classes});
  const auto before = torch::one_hot(says, 2).to(torch::kFloat32) * 0.8 + 0.1;
  const auto told = before.clone();
  doubt_lost(told, torch::arange(50, 1150), lost);
  auto expected = before.clone();
  expected.narrow(0, 520, 30).zero_();
  REQUIRE(told.equal(expected));
  const auto labels = train::agreed_labels({told}, 0.85);
  REQUIRE(labels.narrow(0, 520, 30).eq(-1).all().item<bool>());
  REQUIRE(labels.ge(0).sum().item<int64_t>() == 1120);
}

TEST_CASE("clusters.json is read as it was written, and the run stands in the report", "[apps]") {
  const TemporaryFolder folder;
  const auto seed = folder / "seed-1";
  std::filesystem::create_directory(seed);
  for (const auto* file : {"config.json", "metrics.jsonl", "result.json"}) {
    const auto recorded = source_folder() / "results" / "mnist-100-full" / "seed-1" / file;
    std::filesystem::copy_file(recorded, seed / file);
  }
  REQUIRE_FALSE(read_checked_clusters(seed));
  const CheckedClusters few{.rows = 60000, .moves = {{.from = 2, .to = 1, .rows = 165}}};
  write_checked_clusters(seed, few);
  REQUIRE(report_of_runs({seed}).warnings.empty());
  REQUIRE(clusters_sentence(few, "seed 1") ==
          "165 of 60000 training rows (0.28 %) lie in clusters of another class, 165 "
          "rows from 2 to 1");
  write_checked_clusters(
      seed, {.rows = 60000,
             .moves = {{.from = 2, .to = 1, .rows = 161}, {.from = 2, .to = 7, .rows = 661}}});
  const auto read = read_checked_clusters(seed);
  REQUIRE(read);
  REQUIRE(read->rows == 60000);
  REQUIRE(read->lost() == 822);
  REQUIRE(read->moves.size() == 2);
  REQUIRE(read->moves[1].to == 7);
  REQUIRE(report_of_runs({seed}).warnings ==
          std::vector<std::string>{
              "Seed 1 looks left behind: 822 of 60000 training rows (1.37 %) lie in clusters of "
              "another class, 161 rows from 2 to 1, 661 rows from 2 to 7."});
  for (const std::string text : {"", "[]", "{}", "{\"rows\": 1, \"moves\": [1]}"}) {
    write_file(seed / "clusters.json", text);
    REQUIRE_THROWS_WITH(read_checked_clusters(seed),
                        "expected " + (seed / "clusters.json").string() +
                            " as a run writes it but got another file (delete it).");
  }
}
