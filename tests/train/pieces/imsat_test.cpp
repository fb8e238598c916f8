#include "ladder/train/pieces/imsat.h"

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "ladder/ops/noise.h"
#include "ladder/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/products.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;

namespace {

constexpr int64_t kBlobRows = 40;
constexpr int64_t kNeighbours = 4;
constexpr StepPosition kStart{.step = 0, .steps_per_epoch = 10, .steps = 100};
constexpr StepPosition kFourth{.step = 3, .steps_per_epoch = 10, .steps = 100};

struct Parts {
  torch::Tensor divergence, information;  // KL, and mean H - b H(mean): scalars
};

torch::Tensor log_p(Ladder& net, const torch::Tensor& x) {
  return torch::log_softmax(net->forward(x), 1);
}

// Mean over rows of KL(p(x), p(x + change)).
torch::Tensor divergence(Ladder& net, const torch::Tensor& x, const torch::Tensor& change) {
  const auto from = log_p(net, x).detach();
  return (from.exp() * (from - log_p(net, x + change))).sum(1).mean();
}

torch::Tensor unit(const torch::Tensor& x) { return x / x.norm(2, 1, true); }

torch::Tensor random_direction(const ImsatOptions& options, const torch::Tensor& x, int64_t step) {
  return unit(ops::standard_normal(NoiseDraw{options.seed, static_cast<uint64_t>(step) << 32, {}},
                                   x.size(0), x.size(1), x.options()));
}

// Of the change of each row [M, 1].
torch::Tensor lengths(const ImsatOptions& options, const torch::Tensor& x) {
  const auto distances = std::get<0>((x.unsqueeze(1) - x.unsqueeze(0)).norm(2, 2).sort(1));
  const auto of_neighbour = distances.select(1, kNeighbours);  // the row itself is the first
  return (options.radius * of_neighbour).unsqueeze(1);
}

// The formula of the header, by LibTorch alone.
Parts parts_of(Ladder& net, const torch::Tensor& x, const ImsatOptions& options, int64_t step) {
  const auto length = lengths(options, x);
  const auto probe = (options.probe * length * random_direction(options, x, step)).requires_grad_();
  const auto slope = torch::autograd::grad({divergence(net, x, probe)}, {probe}).front();
  const auto entropy = [](const torch::Tensor& p) { return -(p * p.log()).sum(-1); };
  const auto p = log_p(net, x).exp();
  return {divergence(net, x, length * unit(slope)),
          entropy(p).mean() - options.spread * entropy(p.mean(0))};
}

// Gradients of the parameters, 0 where there is none.
std::vector<torch::Tensor> gradients(const torch::Tensor& cost, Ladder& net) {
  auto all = torch::autograd::grad({cost}, net->parameters(), {}, /*retain_graph=*/true,
                                   /*create_graph=*/false, /*allow_unused=*/true);
  for (size_t i = 0; i < all.size(); ++i) {
    if (!all[i].defined()) all[i] = torch::zeros_like(net->parameters()[i]);
  }
  return all;
}

// The direction is that of p(x + r) - p(x), in which some 2 of 16 digits cancel; then as in
// require_close.
Bound bound_of(const torch::Tensor& size) {
  return roundings(1e5, torch::kDouble, size.abs().max().clamp_min(1));
}

void require_gradients(const torch::Tensor& cost, const torch::Tensor& expected, Ladder& net) {
  const auto actual = gradients(cost, net), wanted = gradients(expected, net);
  for (size_t i = 0; i < wanted.size(); ++i) {
    INFO("parameter " << i);
    require_close(actual[i], wanted[i], bound_of(wanted[i]));
  }
  CHECK(wanted.front().abs().max().item<double>() > 0.01);
}

struct Fixture {
  Ladder net = small_ladder();
  torch::Tensor x = blobs(kBlobRows, 9, torch::kFloat64).training.inputs;
  ImsatOptions options = {
      .weight = 3, .mutual_information = 0.5, .spread = 2, .radius = 0.2, .probe = 0.2, .seed = 5};

  Fixture() {
    net->to(torch::kFloat64);
    options.near = std::make_shared<data::SharedNeighbours>(
        x, torch::Tensor(), data::NeighbourOptions{.k = kNeighbours});
  }

  SemiBatch batch() const { return {.x_unlabeled = x, .unlabeled_rows = torch::arange(kBlobRows)}; }
};

}  // namespace

TEST_CASE("imsat is the divergence at the worst change and minus mutual information", "[train]") {
  const OneThread one_thread;
  Fixture f;
  const auto piece = imsat(f.net, f.x, {}, f.options);
  piece->before_step(kFourth);
  const auto cost = piece->cost({.batch = f.batch()});
  const auto parts = parts_of(f.net, f.x, f.options, 3);
  CHECK(parts.divergence.item<double>() > 0.01);
  const auto expected = 3 * (parts.divergence + 0.5 * parts.information);
  require_close(cost, expected, bound_of(expected));
  require_gradients(cost, expected, f.net);
}

TEST_CASE("imsat takes clean rows that the step runs anyway", "[train]") {
  const OneThread one_thread;
  Fixture f;
  const auto piece = imsat(f.net, f.x, {}, f.options);
  piece->before_step(kFourth);
  const auto own = piece->cost({.batch = f.batch()});
  const auto clean = f.net->forward(f.x);
  const auto given = piece->cost({.batch = f.batch(), .clean_logits = clean});
  require_close(given, own, bound_of(own));
  require_gradients(given, own, f.net);
  // Targets without gradient have no mutual information to learn from: it runs the rows itself.
  const auto detached = piece->cost({.batch = f.batch(), .clean_logits = clean.detach()});
  require_gradients(detached, own, f.net);
}

TEST_CASE("imsat changes rows more than random directions do", "[train]") {
  const OneThread one_thread;
  Fixture f;
  f.options.weight = 1;
  f.options.mutual_information = 0;
  const auto piece = imsat(f.net, f.x, {}, f.options);
  piece->before_step(kStart);
  const double worst = piece->cost({.batch = f.batch()}).item<double>();
  for (int64_t step = 1; step <= 20; ++step) {
    const auto change = lengths(f.options, f.x) * random_direction(f.options, f.x, step);
    CHECK(divergence(f.net, f.x, change).item<double>() < worst);
  }
}

TEST_CASE("imsat draws other directions at each step, and is on in its epochs", "[train]") {
  const OneThread one_thread;
  Fixture f;
  f.options.until = 1.5;
  const auto piece = imsat(f.net, f.x, {}, f.options);
  const StepValues values{.batch = f.batch()};
  const auto at = [&](int64_t step) {
    piece->before_step({.step = step, .steps_per_epoch = 10, .steps = 100});
    return piece->cost(values);
  };
  const auto first = at(0);
  CHECK(at(0).equal(first));
  CHECK_FALSE(at(1).equal(first));
  CHECK(at(14).requires_grad());
  const auto off = at(15);
  CHECK_FALSE(off.requires_grad());
  CHECK(off.scalar_type() == torch::kFloat64);
  CHECK(off.item<double>() == 0);
}

TEST_CASE("imsat: a step without autograd has the gradients of one with it", "[train]") {
  const OneThread one_thread;
  const ops::ProductScope products({ops::ProductPrecision::kFloat32, ops::ProductRoute::kLadder});
  for (const auto& lambda :
       {std::vector<double>{10, 1, 0.1, 0.1}, std::vector<double>{10, 0, 0, 0}}) {
    auto net = small_ladder(1, lambda);
    const auto data = blobs();
    data::SemiSampler sampler(data.training, {.unlabeled_batch = 50});
    const auto batch = sampler.batch(0);
    const auto of = [&](std::vector<std::shared_ptr<ObjectivePiece>> pieces, bool direct) {
      const auto objective = with_pieces(train::objective(net), std::move(pieces));
      objective->before_step(kStart);
      net->zero_grad();
      NoiseSource noise(1);
      if (direct) {
        REQUIRE(objective->direct_step(batch, noise).defined());
      } else {
        objective->loss(batch, noise).total.backward();
      }
      std::vector<torch::Tensor> all;
      for (const auto& parameter : net->parameters()) {
        const auto& grad = parameter.grad();
        all.push_back(grad.defined() ? grad.clone() : torch::zeros_like(parameter));
      }
      return all;
    };
    const auto plain = of({}, false);
    const auto of_imsat = [&](double mutual_information, bool direct) {
      return of({imsat(net, data.training.inputs, data.training.unlabeled,
                       {.mutual_information = mutual_information})},
                direct);
    };
    const auto alone = of_imsat(0, false);
    const auto whole = of_imsat(0.1, false), direct = of_imsat(0.1, true);
    for (size_t i = 0; i < whole.size(); ++i) {
      INFO("parameter " << i);
      // The same gradients of few runs of the network, added in another order.
      const auto size = plain[i].abs() + (alone[i] - plain[i]).abs() + (whole[i] - alone[i]).abs();
      require_close(direct[i], whole[i], roundings(16, torch::kFloat32, size.max()));
    }
  }
}

TEST_CASE("imsat starts no thread", "[train]") {
  auto net = small_ladder();
  const auto x = blobs(6000).training.inputs;
  const auto piece = imsat(net, x, {});
  piece->before_step(kStart);
  const StepValues values{.batch = {.x_unlabeled = x, .unlabeled_rows = torch::arange(6000)}};
  const auto run = [&] {
    const ops::ProductScope products({ops::ProductPrecision::kFloat32, ops::ProductRoute::kLadder});
    piece->cost(values).backward();
  };
  run();  // starts the library's helpers
  CHECK(threads_started_by(run) == 0);
}

TEST_CASE("imsat: a resumed run goes on exactly", "[train]") {
  const OneThread one_thread;
  const auto data = blobs();
  const auto piece = [&](Ladder& net) {
    return imsat(net, data.training.inputs, data.training.unlabeled, {.until = 3});
  };
  const auto train = [&](int64_t stop) {
    auto net = small_ladder();
    const auto result = run_with(net, piece(net), data, stop);
    REQUIRE(result.last->others.at("imsat") == 0);  // of the last epoch
    return net->parameters().front().detach().clone();
  };
  const auto whole = train(0);
  require_equal(train(9), whole);
  require_equal(resumed_with(piece, data, 9), whole);
}

TEST_CASE("imsat measures distances among the unlabeled rows", "[train]") {
  const OneThread one_thread;
  Fixture f;
  const auto alone = imsat(f.net, f.x, {}, f.options);
  // The same rows beside others that are not unlabeled, and nearer.
  const auto others = torch::cat({f.x + 0.01, f.x});
  const auto among = imsat(f.net, others, torch::arange(kBlobRows, 2 * kBlobRows), f.options);
  alone->before_step(kStart);
  among->before_step(kStart);
  auto batch = f.batch();
  const auto expected = alone->cost({.batch = batch});
  batch.unlabeled_rows = batch.unlabeled_rows + kBlobRows;
  require_close(among->cost({.batch = batch}), expected, bound_of(expected));
}

TEST_CASE("imsat names another search of neighbours among its settings", "[train]") {
  const auto net = small_ladder();
  const auto x = blobs().training.inputs;
  CHECK_FALSE(imsat(net, x, {})->settings().contains("neighbour pool"));
  ImsatOptions options;
  options.near = std::make_shared<data::SharedNeighbours>(
      x, torch::Tensor(), data::NeighbourOptions{.pool = 50, .exact = false});
  const auto settings = imsat(net, x, {}, options)->settings();
  CHECK(settings.at("neighbour pool") == "50");
  CHECK_FALSE(settings.contains("exact neighbours"));
}

TEST_CASE("imsat says what is wrong", "[train]") {
  auto net = small_ladder();
  const auto x = blobs().training.inputs;
  const auto sentence = [&](const ImsatOptions& options) {
    return error_text([&] { imsat(net, x, {}, options); });
  };
  CHECK(error_text([&] { imsat(nullptr, x, {}); }) ==
        "imsat: expected a network but got an empty Ladder.");
  CHECK(error_text([&] { imsat(net, {}, {}); }) ==
        "imsat: expected inputs [rows, ...] but got an undefined tensor.");
  CHECK(sentence({.weight = -1}) == "imsat: expected a finite weight of at least 0 but got -1.");
  CHECK(sentence({.mutual_information = -1}) ==
        "imsat: expected a finite weight of mutual_information of at least 0 but got -1.");
  CHECK(sentence({.spread = INFINITY}) ==
        "imsat: expected a finite spread of at least 0 but got inf.");
  CHECK(sentence({.radius = 0}) == "imsat: expected a finite radius above 0 but got 0.");
  CHECK(sentence({.probe = 2}) == "imsat: expected a probe above 0 and at most 1 but got 2.");
  CHECK(sentence({.until = 0}) == "imsat: expected a number of epochs above 0 but got 0.");
  const auto piece = imsat(net, x, {});
  piece->before_step(kStart);
  CHECK(error_text([&] { piece->cost({.batch = {.x_unlabeled = x}}); }) ==
        "imsat: expected batches with unlabeled_rows but got one without (see "
        "SemiBatch::unlabeled_rows).");
  CHECK(error_text([&] { piece->cost({}); }) ==
        "imsat: expected a step with unlabeled rows but got one without.");
}

TEST_CASE("imsat goes on after its epochs, also on a GPU", "[train][cuda]") {
  if (!torch::cuda::is_available()) LADDER_SKIP("no CUDA device");
  Fixture f;
  f.net->to(torch::kCUDA);
  f.options.device = torch::kCUDA;
  const auto x = f.x.to(torch::kCUDA);
  f.options.near = std::make_shared<data::SharedNeighbours>(
      x, torch::Tensor(), data::NeighbourOptions{.k = kNeighbours});
  const auto piece = imsat(f.net, x, {}, f.options);
  piece->before_step({.step = 150, .steps_per_epoch = 10, .steps = 200});
  const SemiBatch batch{.x_unlabeled = x, .unlabeled_rows = torch::arange(kBlobRows, torch::kCUDA)};
  CHECK(piece->cost({.batch = batch}).item<double>() == 0);
}
