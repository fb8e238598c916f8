#include "apps/support/table_text.h"

#include <tests/support/catch.h>

#include <nlohmann/json.hpp>

#include "tests/runs/recorded_runs.h"

using namespace ladder::apps;
using namespace ladder::testing;
using ladder::runs::record_failure;
using nlohmann::json;
namespace models = ladder::models;

TEST_CASE("to_markdown: the table as the paper has it, each recipe, and what is left out",
          "[programs]") {
  const RecordedRuns runs;
  runs.finish("mnist-100-full", 1, 1.0);
  runs.finish("mnist-100-full", 2, 1.2);
  runs.finish("mnist-100-full", 3, 80.0, {{"epochs", 1}});
  runs.finish("mnist-all-full", 1, 0.57);
  runs.start("mnist-all-full", 2);
  record_failure(runs.folder_of("mnist-100-own", 1), 1, "ladder-mnist: no data.");
  runs.finish("mnist-100-own", 9, 2.0);
  const auto table =
      read(runs,
           {recipe("mnist-all-full", ladder::data::kAllLabels, models::Published{0.57, 0.02}),
            recipe("mnist-100-full", 100, models::Published{1.06, 0.37}),
            recipe("mnist-100-own", 100, {})},
           {1, 2, 3});
  CHECK(to_markdown(table) == R"(# MNIST, permutation invariant

Test error in %: mean +- sample standard deviation (number of runs); seeds 1..3.

|      | 100 labels: ours | published    | all labels: ours | published    |
|------|------------------|--------------|------------------|--------------|
| full | 1.10 +- 0.14 (2) | 1.06 +- 0.37 | 0.57 (1)         | 0.57 +- 0.02 |
| own  | -                | -            |                  |              |

| recipe         | published    | mean  | std   | median | runs   | by seed          |
|----------------|--------------|-------|-------|--------|--------|------------------|
| mnist-all-full | 0.57 +- 0.02 | 0.570 | -     | 0.570  | 1 of 3 | 1: 0.57          |
| mnist-100-full | 1.06 +- 0.37 | 1.100 | 0.141 | 1.100  | 2 of 3 | 1: 1.00, 2: 1.20 |
| mnist-100-own  | -            | -     | -     | -      | 0 of 3 |                  |

Not in the means:

- mnist-all-full, seed 2: unfinished (epoch 0 of 150)
- mnist-all-full, seed 3: missing
- mnist-100-full, seed 3: another experiment (epochs 1 instead of 150)
- mnist-100-own, seed 1: failed (ladder-mnist: no data.)
- mnist-100-own, seeds 2, 3: missing
- mnist-100-own, seed 9: there, but not asked for
)");
}

TEST_CASE("to_markdown: nothing is left out of a whole table", "[programs]") {
  const RecordedRuns runs;
  runs.finish("mnist-100-full", 1, 1.0);
  const auto text =
      to_markdown(read(runs, {recipe("mnist-100-full", 100, models::Published{1.06, 0.37})}, {1}));
  CHECK(text.ends_with("| 1 of 1 | 1: 1.00 |\n"));
}

TEST_CASE("to_json: holds every run and what is said about them", "[programs]") {
  const RecordedRuns runs;
  runs.finish("mnist-100-full", 1, 1.0);
  runs.finish("mnist-100-full", 2, 1.2);
  runs.finish("mnist-all-full", 2, 0.6);
  const auto table = read(runs,
                          {recipe("mnist-100-full", 100, models::Published{1.06, 0.37}),
                           recipe("mnist-all-full", ladder::data::kAllLabels, {})},
                          {1, 2});
  const auto object = json::parse(to_json(table).dump());
  CHECK(object.at("table") == "mnist");
  CHECK(object.at("seeds") == json({1, 2}));
  const auto& full = object.at("rows").at(0);
  CHECK(full.at("recipe") == "mnist-100-full");
  CHECK(full.at("kind") == "full");
  CHECK(full.at("labels") == 100);
  CHECK(full.at("published") == json({{"mean", 1.06}, {"std", 0.37}}));
  CHECK(full.at("ours").at("runs") == 2);
  CHECK(full.at("ours").at("mean").get<double>() == Approx(1.1));
  CHECK(full.at("ours").at("std").get<double>() == Approx(std::sqrt(0.02)));
  CHECK(full.at("runs").at(0) == json({{"seed", 1},
                                       {"state", "finished"},
                                       {"test_error", 1.0},
                                       {"seconds", 80.0},
                                       {"note", ""}}));
  const auto& all = object.at("rows").at(1);
  CHECK(all.at("labels") == "all");
  CHECK(all.at("published").is_null());
  CHECK(all.at("ours").at("std").is_null());
  CHECK(all.at("runs").at(0).at("state") == "missing");
  CHECK(all.at("runs").at(0).at("test_error").is_null());
}

TEST_CASE("seeds_text: runs of three and more are a range", "[programs]") {
  CHECK(seeds_text({}).empty());
  CHECK(seeds_text({4}) == "4");
  CHECK(seeds_text({1, 2}) == "1, 2");
  CHECK(seeds_text({1, 2, 3, 5, 7, 8, 9, 10}) == "1..3, 5, 7..10");
}
