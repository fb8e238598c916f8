#include <ATen/ATen.h>

#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "ladder/ops/internal/autograd.h"
#include "ladder/ops/normalise.h"

namespace ladder::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct SharedGroups {
  std::shared_ptr<BatchRanks> ranks;
  std::vector<int64_t> rows;     // of each group, here
  std::vector<double> all = {};  // on all ranks

  int64_t count() const { return static_cast<int64_t>(rows.size()); }

  // Calls `work(g, part)` for each group; `part(t)` are its rows in a matrix t of all rows.
  template <class Work>
  void each(const Work& work) const {
    int64_t row = 0;
    for (int64_t g = 0; g < count(); ++g) {
      const auto size = rows[static_cast<size_t>(g)];
      work(g, [row, size](const at::Tensor& t) { return t.narrow(0, row, size); });
      row += size;
    }
  }
};

void check_groups(const at::Tensor& x, const std::vector<int64_t>& rows) {
  TORCH_CHECK(x.dim() == 2, "standardise_over: expected x of shape [R, C] but got ", x.sizes(),
              ".");
  int64_t all = 0;
  for (const auto count : rows) {
    TORCH_CHECK(count > 0, "standardise_over: expected groups of at least 1 row but got ", count,
                ".");
    all += count;
  }
  TORCH_CHECK(all == x.size(0), "standardise_over: expected the groups to cover ", x.size(0),
              " rows but got ", all, ".");
}

at::ScalarType precise_type(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

struct GroupMoments {
  at::Tensor mean, std;  // [G, C], in double
};

// The moments of all ranks from those of each. Sets the numbers of rows.
GroupMoments gathered_moments(const at::Tensor& x, SharedGroups& groups) {
  const auto cols = x.size(1);
  const auto count = groups.count();
  const auto values = count * cols;
  auto own = at::empty({2 * values + count}, at::kDouble);
  auto means = own.narrow(0, 0, values).view({count, cols});
  auto squares = own.narrow(0, values, values).view({count, cols});
  groups.each([&](int64_t g, const auto& part) {
    const auto exact = part(x).to(precise_type(x));
    const auto near = exact.mean(0);  // rounded: the deviations say by how much
    auto deviations = exact - near;
    const auto rest = deviations.sum(0).to(at::kDouble);
    const auto size = static_cast<double>(exact.size(0));
    means[g].copy_(near.to(at::kDouble) + rest / size);
    const auto sum = deviations.square_().sum(0).to(at::kDouble);
    squares[g].copy_((sum - rest.square() / size).clamp_min_(0));
    own[2 * values + g].fill_(size);
  });
  std::vector<at::Tensor> counts, all_means, all_squares;
  for (const auto& one : groups.ranks->all_gather(own)) {
    const auto there = one.cpu();
    all_means.push_back(there.narrow(0, 0, values).view({count, cols}));
    all_squares.push_back(there.narrow(0, values, values).view({count, cols}));
    counts.push_back(there.narrow(0, 2 * values, count).unsqueeze(1));
  }
  auto rows = at::zeros({count, 1}, at::kDouble);
  auto mean = at::zeros({count, cols}, at::kDouble);
  auto square = at::zeros({count, cols}, at::kDouble);
  for (size_t r = 0; r < counts.size(); ++r) {
    rows += counts[r];
    mean += counts[r] * all_means[r];
  }
  mean /= rows;
  for (size_t r = 0; r < counts.size(); ++r) {
    square += all_squares[r] + counts[r] * (all_means[r] - mean).square();
  }
  groups.all.assign(rows.const_data_ptr<double>(), rows.const_data_ptr<double>() + count);
  return {mean, (square / rows + kVarianceEpsilon).sqrt()};
}

// What the function returns, or the gradients of these.
struct StandardiseOutputs {
  at::Tensor x, mean, std;

  auto fields() { return std::tie(x, mean, std); }
};

// What its backward pass needs.
struct StandardiseTrace {
  at::Tensor x, std;  // x is normalised

  auto fields() { return std::tie(x, std); }
};

class StandardiseFunction : public torch::autograd::Function<StandardiseFunction> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x, SharedGroups groups) {
    const auto moments = gathered_moments(x, groups);
    const auto mean = moments.mean.to(x.options());
    const auto std = moments.std.to(x.options());
    auto result = at::empty(x.sizes(), x.options());
    groups.each([&](int64_t g, const auto& part) {
      auto out = part(result);
      at::sub_out(out, part(x), mean[g]);
      out.div_(std[g]);
    });
    ctx->set_materialize_grads(false);
    ctx->save_for_backward(to_list(StandardiseTrace{.x = result, .std = std.clone()}));
    keep(ctx, std::move(groups));
    return to_list(StandardiseOutputs{.x = result, .mean = mean, .std = std});
  }

  // x' = (x - mean) / std; d mean / d x_i = 1 / n, d std / d x_i = x'_i / n.
  static variable_list backward(AutogradContext* ctx, variable_list grad_list) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "standardise_over: the gradient of a gradient is not supported over several ranks "
                "(ops::reference::normalise has it, in one process).");
    const auto t = from_list<StandardiseTrace>(ctx->get_saved_variables());
    const auto grads = from_list<StandardiseOutputs>(grad_list);
    const auto groups = kept<SharedGroups>(ctx);
    // What flows into mean and std, here and then on all ranks.
    auto sums = at::zeros({2, groups.count(), t.x.size(1)}, t.x.options().dtype(precise_type(t.x)));
    auto of_mean = sums[0];
    auto of_std = sums[1];
    if (grads.mean.defined()) of_mean += grads.mean;
    if (grads.std.defined()) of_std += grads.std;
    if (grads.x.defined()) {
      groups.each([&](int64_t g, const auto& part) {
        const auto grad = part(grads.x).to(sums.scalar_type());
        of_mean[g] -= grad.sum(0) / t.std[g];
        of_std[g] -= (grad * part(t.x)).sum(0) / t.std[g];
      });
    }
    groups.ranks->all_reduce(sums);
    of_mean = sums[0];
    of_std = sums[1];
    auto result = at::empty(t.x.sizes(), t.x.options());
    groups.each([&](int64_t g, const auto& part) {
      auto out = part(result);
      const auto share = [&](const at::Tensor& sum) {
        return (sum[g] / groups.all[static_cast<size_t>(g)]).to(t.x.options());
      };
      at::mul_out(out, part(t.x), share(of_std));
      out.add_(share(of_mean));
      if (grads.x.defined()) {
        out.addcdiv_(part(grads.x), t.std[g]);
      }
    });
    return {result, at::Tensor()};
  }
};

}  // namespace

Standardised standardise_over(const std::shared_ptr<BatchRanks>& ranks, const at::Tensor& x,
                              const std::vector<int64_t>& rows) {
  check_groups(x, rows);
  if (!several(ranks)) {
    NormaliseArguments alone;
    for (const auto count : rows) alone.groups.push_back({.rows = count});
    auto result = normalise(x, alone);
    return {std::move(result.h), std::move(result.mean), std::move(result.std)};
  }
  const auto outputs = from_list<StandardiseOutputs>(
      StandardiseFunction::apply(x, SharedGroups{.ranks = ranks, .rows = rows}));
  return {outputs.x, outputs.mean, outputs.std};
}

}  // namespace ladder::ops
