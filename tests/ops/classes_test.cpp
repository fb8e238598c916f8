#include "ladder/ops/internal/classes.h"

#include <torch/torch.h>

#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using ladder::ops::mean_cross_entropy;
using ladder::ops::softmax_of_rows;
using ladder::testing::require_gradient;
using ladder::testing::require_rounded;
using ladder::testing::weighted_sum;

TEST_CASE("softmax_of_rows and mean_cross_entropy are LibTorch's in value and gradient",
          "[ops][grad]") {
  torch::manual_seed(1);
  for (const auto& [rows, classes] : {std::pair{1, 1}, {1, 10}, {7, 3}, {300, 10}}) {
    const auto x = torch::randn({rows, classes}, torch::kDouble) * 5;
    const auto y = torch::randint(classes, {rows});
    const auto run = [&](torch::Dtype dtype, const auto& softmax, const auto& cost) {
      const auto a = x.to(dtype).detach().requires_grad_();
      const auto b = x.to(dtype).detach().requires_grad_();
      const auto p = softmax(a);
      const auto c = cost(b, y);
      (weighted_sum({p}) + 3 * c).backward();
      return std::vector<torch::Tensor>{p, c, a.grad(), b.grad()};
    };
    const auto plain = [&] {
      return run(
          torch::kDouble, [](const auto& t) { return torch::softmax(t, 1); },
          [](const auto& t, const auto& of) { return torch::cross_entropy_loss(t, of); });
    };
    for (const auto dtype : {torch::kDouble, torch::kFloat}) {
      INFO(rows << " x " << classes << " in " << dtype);
      require_rounded(run(dtype, softmax_of_rows, mean_cross_entropy), plain);
    }
  }
}

TEST_CASE("Weighted cross entropies are LibTorch's in value and gradient", "[ops][grad]") {
  torch::manual_seed(3);
  for (const int64_t rows : {1, 7, 300}) {
    const auto x = torch::randn({rows, 5}, torch::kDouble) * 5;
    const auto y = torch::randint(5, {rows});
    const auto weights = torch::rand({5}, torch::kDouble) + 0.1;
    const auto run = [&](torch::Dtype dtype, const auto& cost) {
      const auto a = x.to(dtype).detach().requires_grad_();
      const auto c = cost(a, weights.to(dtype));
      (3 * c).backward();
      return std::vector<torch::Tensor>{c, a.grad()};
    };
    const auto plain = [&](int64_t reduction) {
      return [&run, &y, reduction] {
        return run(torch::kDouble, [&](const auto& t, const auto& w) {
          return at::cross_entropy_loss(t, y, w, reduction);
        });
      };
    };
    for (const auto dtype : {torch::kDouble, torch::kFloat}) {
      INFO(rows << " rows in " << dtype);
      require_rounded(run(dtype,
                          [&](const auto& t, const auto& w) {
                            return ladder::ops::weighted_mean_cross_entropy(t, y, w);
                          }),
                      plain(at::Reduction::Mean));
      require_rounded(run(dtype,
                          [&](const auto& t, const auto& w) {
                            return ladder::ops::weighted_sum_of_cross_entropies(t, y, w);
                          }),
                      plain(at::Reduction::Sum));
    }
  }
}

TEST_CASE("softmax_of_rows and mean_cross_entropy pass central differences", "[ops][grad]") {
  torch::manual_seed(2);
  const auto y = torch::randint(4, {5});
  require_gradient(
      [&](const std::vector<torch::Tensor>& in) {
        return weighted_sum({softmax_of_rows(in[0])}) + mean_cross_entropy(in[0], y);
      },
      {torch::randn({5, 4}, torch::kDouble)});
}
