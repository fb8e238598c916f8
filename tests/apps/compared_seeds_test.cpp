#include <apps/support/compared_seeds.h>
#include <apps/support/report/run_report.h>
#include <tests/support/catch.h>
#include <tests/support/paths.h>
#include <tests/support/temporary_folder.h>

using namespace ladder::apps;
using namespace ladder::testing;

namespace {

// Predictions of 100 rows, the first `moved` of which are of another class than usual.
torch::Tensor predicted(int64_t moved) {
  auto classes = torch::arange(100) % 10;
  classes.slice(0, 0, moved).add_(1).remainder_(10);
  return classes;
}

}  // namespace

TEST_CASE("compare_seeds finds the run that the others disagree with", "[apps]") {
  const auto compared =
      compare_seeds({1, 2, 3, 7}, {predicted(0), predicted(1), torch::Tensor(), predicted(30)});
  REQUIRE(compared.size() == 3);
  REQUIRE(compared[0].seed == 1);
  REQUIRE(compared[0].disagreement == Approx((1 + 30) / 2.0));
  REQUIRE(compared[1].disagreement == Approx((1 + 29) / 2.0));
  REQUIRE(compared[2].seed == 7);
  REQUIRE(compared[2].disagreement == Approx((30 + 29) / 2.0));
  REQUIRE_FALSE(compared[0].looks_left);
  REQUIRE(compared[2].looks_left);
  REQUIRE(left_behind_sentences(compared) ==
          std::vector<std::string>{"seed 7 looks left behind: the others disagree with it on "
                                   "29.50 % of the training rows"});
}

TEST_CASE("compare_seeds judges none of two runs", "[apps]") {
  REQUIRE(compare_seeds({1, 2, 3}, {predicted(0), predicted(40), torch::Tensor()}).empty());
}

TEST_CASE("seeds.json is read as it was written, and its runs stand in the report", "[apps]") {
  const TemporaryFolder folder;
  write_compared_seeds(folder.path(), {});
  REQUIRE(read_compared_seeds(folder.path()).empty());
  const auto copy = [&](const std::string& name, const std::string& to) {
    std::filesystem::create_directory(folder / to);
    for (const auto* file : {"config.json", "metrics.jsonl", "result.json"}) {
      const auto recorded = source_folder() / "results" / "mnist-100-full" / name / file;
      std::filesystem::copy_file(recorded, folder / to / file);
    }
    return folder / to;
  };
  const auto seed = copy("seed-1", "seed-1"), other = copy("seed-2", "seed-2");
  REQUIRE(report_of_runs({seed, other}).warnings.empty());
  write_compared_seeds(folder.path(), {{1, 0.5, false}, {2, 12.25, true}, {5, 0.75, false}});
  const auto read = read_compared_seeds(folder.path());
  REQUIRE(read.size() == 3);
  REQUIRE(read[1].seed == 2);
  REQUIRE(read[1].disagreement == 12.25);
  REQUIRE(read[1].looks_left);
  REQUIRE_FALSE(read[2].looks_left);
  const std::vector<std::string> warnings = {
      "Seed 2 looks left behind: the others disagree with it on 12.25 % of the training rows."};
  REQUIRE(report_of_runs({other / ""}).warnings == warnings);
  REQUIRE(report_of_runs({folder.path()}).warnings == warnings);
  REQUIRE(report_of_runs({seed}).warnings.empty());  // of another seed
  // Beside a folder of another name the file is of something else.
  const auto run = copy("seed-1", "run");
  const auto path = (folder / "seeds.json").string();
  for (const std::string text : {"", "{}", "[1]", "[{\"seed\": 1}]", "[{\"seed\": \"x\"}]"}) {
    write_file(folder / "seeds.json", text);
    REQUIRE(report_of_runs({run}).warnings.empty());
    REQUIRE(report_of_runs({seed}).warnings ==
            std::vector<std::string>{path + " is not what runs of several seeds write, so this "
                                            "page does not say which of them look left behind."});
    REQUIRE_THROWS_WITH(read_compared_seeds(folder.path()),
                        "expected " + path +
                            " as runs of several seeds write it but got another file (delete it, "
                            "or run the seeds again).");
  }
}
