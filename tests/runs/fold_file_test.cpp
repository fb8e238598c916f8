#include "ladder/runs/internal/fold_file.h"

#include <torch/torch.h>

#include <limits>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/require_close.h"
#include "tests/support/run_files.h"
#include "tests/support/temporary_folder.h"

using namespace ladder::runs;
using ladder::testing::file_bytes;
using ladder::testing::require_equal;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;

TEST_CASE("Fold file: holds what a network predicted", "[runs]") {
  const TemporaryFolder folder;
  const auto path = folder / "folds/2.pt";
  const FoldPredictions fold{.rows = torch::tensor({3, 8}, torch::kLong),
                             .probabilities = torch::tensor({{0.25, 0.75}, {1.0, 0.0}}),
                             .seconds = 1.5};
  save_fold(path, "seed 1", fold);
  const auto read = load_fold(path, "seed 1", fold.rows, 2);
  REQUIRE(read);
  require_equal(read->rows, fold.rows);
  require_equal(read->probabilities, fold.probabilities);
  CHECK(read->seconds == 1.5);

  // Of another run, or damaged: the network is trained again.
  CHECK_FALSE(load_fold(path, "seed 2", fold.rows, 2));
  CHECK_FALSE(load_fold(path, "seed 1", torch::tensor({3, 9}, torch::kLong), 2));
  CHECK_FALSE(load_fold(path, "seed 1", torch::tensor({3}, torch::kLong), 2));
  CHECK_FALSE(load_fold(path, "seed 1", fold.rows, 3));
  CHECK_FALSE(load_fold(folder / "folds/1.pt", "seed 1", fold.rows, 2));
  const auto bytes = file_bytes(path);
  for (size_t size = 0; size < bytes.size(); size += 97) {
    write_file(path, bytes.substr(0, size));
    CHECK_FALSE(load_fold(path, "seed 1", fold.rows, 2));
  }
  auto damaged = fold;
  damaged.probabilities = torch::full({2, 2}, std::numeric_limits<float>::quiet_NaN());
  save_fold(path, "seed 1", damaged);
  CHECK_FALSE(load_fold(path, "seed 1", fold.rows, 2));
}
