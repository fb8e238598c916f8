#include "ladder/core/floating_rows.h"

#include <torch/torch.h>

#include "tests/support/catch.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"

using namespace ladder;
using namespace ladder::testing;

namespace {

torch::Tensor bytes(at::IntArrayRef shape) {
  return torch::arange(c10::multiply_integers(shape))
      .mul(7)
      .remainder(256)
      .to(torch::kUInt8)
      .view(shape);
}

}  // namespace

TEST_CASE("floating_rows divides bytes by 255", "[core]") {
  const auto x = bytes({3, 5, 2});
  for (const auto type : {torch::kFloat, torch::kDouble}) {
    require_equal(floating_rows(x, type), x.to(type) / 255);
    require_equal(floating_rows(x.transpose(0, 1), type), x.transpose(0, 1).to(type) / 255);
    require_equal(floating_rows(x.narrow(0, 1, 0), type), x.narrow(0, 1, 0).to(type));
    require_equal(floating_rows(x.to(type)), x.to(type));
  }
}

TEST_CASE("floating_rows gives the same bits on any number of threads", "[core][threads]") {
  const auto x = bytes({150, 784});  // not a multiple of what a task takes
  check_same_on_threads([&] { return std::vector<torch::Tensor>{floating_rows(x)}; });
  require_equal(floating_rows(x), x.to(torch::kFloat) / 255);
}

TEST_CASE("gather_floating_rows gives the bits of index_select and floating_rows", "[core]") {
  const auto rows = torch::tensor({4, 0, 4, 2}, torch::kLong);
  const auto x = bytes({5, 3, 2});
  const auto same = [&](const torch::Tensor& from, const torch::Tensor& of) {
    require_equal(gather_floating_rows(from, of), floating_rows(from.index_select(0, of)));
  };
  same(x, rows);
  same(x.to(torch::kFloat), rows);
  same(x.to(torch::kDouble), rows);
  same(x.to(torch::kHalf), rows);
  same(x.transpose(1, 2), rows);    // not contiguous
  same(x, rows.slice(0, 0, 4, 2));  // nor the rows
  same(x, rows.to(torch::kInt));    // another type of rows
  same(x, rows.narrow(0, 0, 0));    // none
  same(bytes({5}), rows);           // rows of one value
  same(bytes({5, 0}), rows);        // and of none
}

TEST_CASE("gather_floating_rows gives the same bits on any number of threads", "[core][threads]") {
  const auto x = bytes({60, 784});
  const auto rows = torch::arange(300).mul(11).remainder(60);
  check_same_on_threads([&] {
    return std::vector<torch::Tensor>{gather_floating_rows(x, rows),
                                      gather_floating_rows(x.to(torch::kFloat), rows)};
  });
}

TEST_CASE("gather_floating_rows refuses rows that there are not", "[core]") {
  const auto x = bytes({5, 3});
  for (const int64_t row : {-1, 5}) {
    for (const auto& of_type : {x, x.to(torch::kDouble)}) {
      CHECK_THROWS_WITH(gather_floating_rows(of_type, torch::tensor({int64_t{0}, row})),
                        Catch::Contains("index out of range in self"));
    }
  }
}
