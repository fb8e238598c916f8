#include "ladder/ops/internal/classes.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <string>

#include "ladder/ops/kernels/cpu/kernels.h"
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

TEST_CASE("negative_mutual_information is the mean entropy less that of the mean", "[ops][grad]") {
  torch::manual_seed(4);
  const double spread = GENERATE(1.0, 4.0, 0.0);
  for (const auto& [rows, classes] : {std::pair{1, 2}, {7, 3}, {40, 17}, {200, 10}}) {
    const auto x = torch::randn({rows, classes}, torch::kDouble) * 3;
    const auto run = [&](torch::Dtype dtype, const auto& cost) {
      const auto a = x.to(dtype).detach().requires_grad_();
      const auto c = cost(a);
      (3 * c).backward();
      return std::vector<torch::Tensor>{c, a.grad()};
    };
    const auto by_definition = [&] {
      return run(torch::kDouble, [&](const auto& t) {
        const auto p = torch::softmax(t, 1);
        const auto entropy = [](const auto& q) { return -torch::xlogy(q, q).sum(-1); };
        return entropy(p).mean() - spread * entropy(p.mean(0));
      });
    };
    for (const auto dtype : {torch::kDouble, torch::kFloat}) {
      INFO(rows << " x " << classes << " in " << dtype << ", spread " << spread);
      require_rounded(
          run(dtype,
              [&](const auto& t) { return ladder::ops::negative_mutual_information(t, spread); }),
          by_definition);
    }
  }
}

TEST_CASE("negative_mutual_information takes classes that are ruled out", "[ops][grad]") {
  torch::manual_seed(6);
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  for (const auto& [rows, classes] : {std::pair{3, 3}, {7, 3}, {40, 17}}) {
    INFO(rows << " x " << classes);
    auto x = torch::randn({rows, classes}) * 3;
    x[1][0] = kNever;
    x[0][classes - 1] = kNever;
    // In float64 a probability of e^-300 changes nothing, and its logarithm is finite.
    const auto wide = x.to(torch::kDouble).clamp_min(-300);
    const auto a = x.clone().requires_grad_();
    const auto cost = ladder::ops::negative_mutual_information(a, /*spread=*/2);
    (3 * cost).backward();
    require_rounded({cost, a.grad()}, [&] {
      const auto b = wide.clone().requires_grad_();
      const auto p = torch::softmax(b, 1);
      const auto entropy = [](const auto& q) { return -torch::xlogy(q, q).sum(-1); };
      const auto c = entropy(p).mean() - 2 * entropy(p.mean(0));
      (3 * c).backward();
      return std::vector<torch::Tensor>{c, b.grad()};
    });
    CHECK(a.grad()[1][0].item<float>() == 0);
  }
}

TEST_CASE("Costs of classes in float32 have gradients of their gradients", "[ops][grad]") {
  torch::manual_seed(5);
  const auto x = torch::randn({6, 4}, torch::kDouble);
  const auto y = torch::randint(4, {6});
  const auto twice = [&](torch::Dtype dtype) {
    const auto a = x.to(dtype).detach().requires_grad_();
    const auto cost = weighted_sum({softmax_of_rows(a)}) + mean_cross_entropy(a, y) +
                      ladder::ops::negative_mutual_information(a, /*spread=*/2);
    const auto grad = torch::autograd::grad({cost}, {a}, {}, true, /*create_graph=*/true)[0];
    return torch::autograd::grad({weighted_sum({grad})}, {a});
  };
  require_rounded(twice(torch::kFloat), [&] { return twice(torch::kDouble); });
}

TEST_CASE("Labels that are no class are an error", "[ops]") {
  const auto x = torch::zeros({2, 3});
  for (const auto dtype : {torch::kFloat, torch::kDouble}) {
    for (const int64_t label : {-1, 3, -100}) {  // -100 is the one that LibTorch leaves out
      INFO(label << " in " << dtype);
      CHECK_THROWS_WITH(mean_cross_entropy(x.to(dtype), torch::tensor({int64_t{0}, label})),
                        Catch::Contains("Target " + std::to_string(label) + " is out of bounds"));
    }
  }
}

TEST_CASE("Rows with a value that is not finite have a softmax that shows it", "[ops]") {
  auto x = torch::zeros({3, 20});
  x[1][7] = std::numeric_limits<float>::quiet_NaN();
  const auto p = softmax_of_rows(x);
  REQUIRE(p[0].isfinite().all().item<bool>());
  REQUIRE(p[1].isnan().all().item<bool>());
  REQUIRE(p[2].isfinite().all().item<bool>());
  x[1][7] = -std::numeric_limits<float>::infinity();  // a class that is ruled out
  REQUIRE(softmax_of_rows(x)[1][7].item<float>() == 0);
}

TEST_CASE("A cross entropy is NaN where a logit of another class is", "[ops][every-kernel]") {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  const auto tables = ladder::ops::cpu::runnable_kernels();
  for (const int64_t classes : {2, 10, 37}) {
    const auto y = torch::tensor({0, 0, 0});
    const auto weights = torch::ones({classes});
    for (const float value : {kNaN, std::copysign(kNaN, -1.0F)}) {
      for (int64_t column = 1; column < classes; ++column) {
        INFO(classes << " classes, column " << column << ", sign " << std::signbit(value));
        auto x = torch::zeros({3, classes});
        x[1][column] = value;
        const auto z = x.clone().requires_grad_();
        const auto cost = mean_cross_entropy(z, y);
        CHECK(std::isnan(cost.item<float>()));
        CHECK(std::isnan(ladder::ops::weighted_mean_cross_entropy(x, y, weights).item<float>()));
        cost.backward();
        CHECK(z.grad()[1].isnan().all().item<bool>());
        CHECK(z.grad()[0].isfinite().all().item<bool>());
        for (int i = 0; i < tables.count; ++i) {
          INFO(tables.tables[i]->name);
          auto log_p = torch::empty_like(x);
          tables.tables[i]->rows.softmax(x.const_data_ptr<float>(), 3, classes, nullptr,
                                         log_p.mutable_data_ptr<float>());
          CHECK(log_p[1].isnan().all().item<bool>());
          CHECK(log_p[0].isfinite().all().item<bool>());
          CHECK(log_p[2].isfinite().all().item<bool>());
        }
      }
    }
  }
}
