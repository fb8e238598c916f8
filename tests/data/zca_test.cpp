#include <ladder/data/zca.h>
#include <ladder/io/tensor_file.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/require_close.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

#include <cmath>

using ladder::data::ZcaOptions;
using ladder::data::ZcaWhitening;
using ladder::testing::Bound;
using ladder::testing::error_text;
using ladder::testing::require_close;
using ladder::testing::require_result;
using ladder::testing::require_rounded;
using ladder::testing::rounding_of;
using ladder::testing::roundings;
using ladder::testing::TemporaryFolder;

namespace {

// Rows of correlated features around means of their own.
torch::Tensor correlated(int64_t rows, int64_t features, uint64_t seed = 1) {
  torch::manual_seed(seed);
  const auto mixing = torch::randn({features, features}, torch::kDouble);
  return torch::randn({rows, features}, torch::kDouble).mm(mixing) +
         torch::arange(features, torch::kDouble);
}

torch::Tensor covariance(const torch::Tensor& x) {
  const auto centred = x - x.mean(0);
  return centred.t().mm(centred) / x.size(0);
}

std::string fit_error(const torch::Tensor& inputs, double ridge = 0.1) {
  return error_text([&] { ZcaWhitening::fit(inputs, {.ridge = ridge}); });
}

}  // namespace

TEST_CASE("ZcaWhitening: closed form in two dimensions", "[data]") {
  // Four points on the diagonals: variances 8 along (1, 1) and 2 along (1, -1), mean (5, -3).
  const double a = std::sqrt(8.0);
  const double b = std::sqrt(2.0);
  const auto x = torch::tensor({a, a, -a, -a, b, -b, -b, b}, torch::kDouble).reshape({4, 2}) +
                 torch::tensor({5.0, -3.0}, torch::kDouble);
  const auto zca = ZcaWhitening::fit(x, {.ridge = 0.5});
  const double along = 1 / std::sqrt(8.5);
  const double across = 1 / std::sqrt(2.5);
  const auto expected =
      torch::tensor({along + across, along - across, along - across, along + across},
                    torch::kDouble)
          .reshape({2, 2}) /
      2;
  require_close(zca.mean(), torch::tensor({5.0, -3.0}, torch::kDouble));
  require_close(zca.eigenvalues(), torch::tensor({2.0, 8.0}, torch::kDouble));
  require_close(zca.whitening(), expected);
  const auto point = torch::tensor({7.0, -3.0}, torch::kDouble).reshape({1, 2});
  require_close(zca.apply(point),
                torch::tensor({along + across, along - across}, torch::kDouble).reshape({1, 2}));
  CHECK(zca.ridge() == 0.5);
  CHECK(zca.features() == 2);
}

TEST_CASE("ZcaWhitening: the covariance becomes e / (e + ridge)", "[data]") {
  const auto x = correlated(500, 6);
  const auto zca = ZcaWhitening::fit(x, {.ridge = 0.1});
  const auto& u = zca.eigenvectors();
  const auto& e = zca.eigenvalues();
  const auto whitened = [](const torch::Tensor& rows, double ridge) {
    const auto y = ZcaWhitening::fit(rows, {.ridge = ridge}).apply(rows);
    return std::vector{covariance(y), y.mean(0)};
  };
  const auto zeros = torch::zeros({6}, torch::kDouble);
  require_result([&] { return whitened(x, 0.1); }, {(u * (e / (e + 0.1))).mm(u.t()), zeros});

  // The identity where eigenvalues dominate the ridge, exactly without one.
  const auto eye = torch::eye(6, torch::kDouble);
  require_result([&] { return whitened(x, 0); }, {eye, zeros});
  const auto far = (x - x.mean(0)) * 1e4;
  const auto near_eye = [&] { return std::vector{covariance(ZcaWhitening::fit(far).apply(far))}; };
  // 1 - e / (e + ridge) is below ridge / e.
  const double missing = 0.1 / (1e8 * e.min().item<double>());
  // A covariance is a sum over the 500 rows, whose terms have a mean size of at most 1.
  require_close(near_eye()[0], eye,
                rounding_of(near_eye, torch::kDouble)[0] + roundings(500, torch::kDouble) +
                    Bound{torch::full({}, missing, torch::kDouble)});
  // Next to 0 where the ridge dominates them: e / (e + ridge) is below e / ridge.
  const auto faint = x * 1e-4;
  CHECK(covariance(ZcaWhitening::fit(faint).apply(faint)).abs().max().item<double>() <
        1e-8 * e.max().item<double>() / 0.1);
}

TEST_CASE("ZcaWhitening: agrees with the singular values of the rows", "[data]") {
  const auto x = correlated(300, 8, 2);
  const auto by_singular_values = [&] {
    const auto [u, s, vt] = torch::linalg_svd(x - x.mean(0), /*full_matrices=*/false);
    const auto gain = (s.square() / 300 + 0.1).rsqrt();
    return std::vector{(x - x.mean(0)).mm(vt.t() * gain).mm(vt)};
  };
  const auto by_covariance = [&] { return std::vector{ZcaWhitening::fit(x).apply(x)}; };
  require_close(by_covariance()[0], by_singular_values()[0],
                rounding_of(by_covariance, torch::kDouble)[0] +
                    rounding_of(by_singular_values, torch::kDouble)[0]);
  const auto whitening = [&] { return std::vector{ZcaWhitening::fit(x).whitening()}; };
  require_result(whitening, {whitening()[0].t()});
}

TEST_CASE("ZcaWhitening: sums in chunks of rows and blocks of columns", "[data]") {
  const auto many = correlated(4321, 3);
  const auto zca = ZcaWhitening::fit(many);
  require_close(zca.mean(), many.mean(0));
  const auto [values, vectors] = torch::linalg_eigh(covariance(many));
  require_result([&] { return std::vector{ZcaWhitening::fit(many).eigenvalues()}; }, {values});
  require_result([&] { return std::vector{zca.apply(many)}; },
                 {(many - many.mean(0)).mm(zca.whitening())});

  torch::manual_seed(3);
  const auto wide = torch::randn({700, 600}, torch::kDouble);
  const auto identity = [&] {
    const auto whitening = ZcaWhitening::fit(wide).whitening();
    const auto squared = covariance(wide) + 0.1 * torch::eye(600, torch::kDouble);
    return std::vector{whitening.mm(whitening).mm(squared)};
  };
  require_result(identity, {torch::eye(600, torch::kDouble)});
}

TEST_CASE("ZcaWhitening: inverting gives back what was whitened", "[data]") {
  const auto x = correlated(100, 12, 4).reshape({100, 3, 2, 2});
  const auto zca = ZcaWhitening::fit(x);
  const auto other = correlated(7, 12, 5).reshape({7, 3, 2, 2});
  const auto there_and_back = [&] {
    const auto fitted = ZcaWhitening::fit(x);
    return std::vector{fitted.invert(fitted.apply(other)), fitted.apply(fitted.invert(other))};
  };
  require_result(there_and_back, {other, other});
  CHECK(zca.apply(other.slice(0, 0, 0)).sizes() == torch::IntArrayRef({0, 3, 2, 2}));

  const auto single = other.to(torch::kFloat32);
  const auto before = single.clone();
  const auto back = zca.invert(zca.apply(single));
  require_rounded({back},
                  [&] { return std::vector{zca.invert(zca.apply(single.to(torch::kDouble)))}; });
  CHECK(torch::equal(single, before));
}

TEST_CASE("ZcaWhitening: float32 rows are whitened in float32", "[data]") {
  const auto x = correlated(400, 10, 6);
  const auto zca = ZcaWhitening::fit(x.to(torch::kFloat32));
  CHECK(zca.mean().scalar_type() == torch::kFloat64);
  const auto y = zca.apply(x.to(torch::kFloat32));
  CHECK(y.scalar_type() == torch::kFloat32);
  const auto in_double = [&] { return std::vector{ZcaWhitening::fit(x).apply(x)}; };
  require_rounded({y}, in_double);
  // Rows that are no block of memory.
  const auto strided = x.to(torch::kFloat32).t().contiguous().t();
  require_rounded({zca.apply(strided)}, in_double);
}

TEST_CASE("ZcaWhitening: fewer rows than features are whitened through the ridge", "[data]") {
  const auto x = correlated(5, 9, 7);
  const auto zca = ZcaWhitening::fit(x);
  CHECK(zca.eigenvalues().sizes() == torch::IntArrayRef({5}));
  CHECK(zca.eigenvectors().sizes() == torch::IntArrayRef({9, 5}));
  CHECK(zca.eigenvalues().ge(0).all().item<bool>());
  CHECK(zca.eigenvalues().diff().ge(0).all().item<bool>());
  const auto identity = [&] {
    const auto whitening = ZcaWhitening::fit(x).whitening();
    const auto squared = covariance(x) + 0.1 * torch::eye(9, torch::kDouble);
    return std::vector{whitening.mm(whitening).mm(squared)};
  };
  // The eigenvectors of an n x n matrix are those of one that differs by n roundings of its largest
  // eigenvalue, which the ridge, the smallest one of the sum, divides.
  const double condition = (zca.eigenvalues().max().item<double>() + 0.1) / 0.1;
  require_close(
      identity()[0], torch::eye(9, torch::kDouble),
      rounding_of(identity, torch::kDouble)[0] + roundings(9 * condition, torch::kDouble));
  const auto back = [&] {
    const auto fitted = ZcaWhitening::fit(x);
    return std::vector{fitted.invert(fitted.apply(x))};
  };
  require_result(back, {x});
  // A direction that no row shows is scaled by the ridge alone.
  auto flat = x.clone();
  flat.select(1, 4).fill_(2);
  const auto other = ZcaWhitening::fit(flat, {.ridge = 0.25});
  auto row = flat.slice(0, 0, 1).clone();
  const auto before = other.apply(row);
  row[0][4] += 1;
  auto expected = before.clone();
  expected[0][4] += 2;
  const auto apply = [&] {
    return std::vector{ZcaWhitening::fit(flat, {.ridge = 0.25}).apply(row)};
  };
  require_result(apply, {expected});
}

TEST_CASE("ZcaWhitening: saved and loaded, it whitens alike", "[data]") {
  const TemporaryFolder folder;
  for (const int64_t rows : {50, 3}) {
    const auto x = correlated(rows, 4, 8);
    const auto zca = ZcaWhitening::fit(x, {.ridge = 0.25});
    zca.save(folder / "zca.pt");
    const auto loaded = ZcaWhitening::load(folder / "zca.pt");
    CHECK(loaded.ridge() == 0.25);
    CHECK(torch::equal(loaded.mean(), zca.mean()));
    CHECK(torch::equal(loaded.apply(x), zca.apply(x)));
    CHECK(torch::equal(loaded.invert(x), zca.invert(x)));
  }
}

TEST_CASE("ZcaWhitening: refuses what it cannot be fitted on", "[data]") {
  CHECK(fit_error(torch::Tensor()) ==
        "ZcaWhitening: expected floating inputs [N, ...] but got an undefined tensor.");
  CHECK(fit_error(torch::zeros({3, 2}, torch::kUInt8)) ==
        "ZcaWhitening: expected floating inputs [N, ...] but got Byte [3, 2].");
  CHECK(fit_error(torch::zeros({1, 2})) ==
        "ZcaWhitening: expected at least 2 rows of at least 1 feature but got [1, 2].");
  CHECK(fit_error(torch::zeros({4})) ==
        "ZcaWhitening: expected at least 2 rows of at least 1 feature but got [4].");
  CHECK(fit_error(torch::zeros({4, 0})) ==
        "ZcaWhitening: expected at least 2 rows of at least 1 feature but got [4, 0].");
  CHECK(fit_error(torch::randn({4, 2}), -1) ==
        "ZcaWhitening: expected a ridge of at least 0 but got -1.");
  CHECK(fit_error(torch::ones({4, 2}), 0) ==
        "ZcaWhitening: expected a ridge above 0 for 4 rows of 2 features whose covariance is "
        "singular but got 0.");
  CHECK(fit_error(correlated(4, 4), 0).starts_with("ZcaWhitening: expected a ridge above 0"));
  CHECK(fit_error(correlated(3, 4), 0).starts_with("ZcaWhitening: expected a ridge above 0"));
  auto holes = torch::randn({4, 2});
  holes[2][1] = std::nan("");
  CHECK(fit_error(holes) ==
        "ZcaWhitening: expected finite inputs but got NaN, infinity or values whose squares "
        "overflow.");
}

TEST_CASE("ZcaWhitening: refuses rows of another width and other files", "[data]") {
  const TemporaryFolder folder;
  const auto zca = ZcaWhitening::fit(correlated(20, 4));
  CHECK(error_text([&] {
          zca.apply(torch::zeros({2, 3}));
        }) ==
        "ZcaWhitening: expected rows of 4 features, as it was fitted on, but got 3 in x [2, 3].");
  CHECK(error_text([&] {
          zca.invert(torch::zeros({2, 1, 5}));
        }) ==
        "ZcaWhitening: expected rows of 4 features, as it was fitted on, but got 5 in y "
        "[2, 1, 5].");
  CHECK(error_text([&] {
          zca.apply(torch::zeros({2, 4}, torch::kUInt8));
        }) == "ZcaWhitening: expected floating x [N, ...] but got Byte [2, 4].");

  const auto path = folder / "zca.pt";
  const auto load = [&] { return error_text([&] { ZcaWhitening::load(path); }); };
  CHECK(load().starts_with("load_tensors: expected a .pt file but got no file at "));
  zca.save(path);
  auto tensors = ladder::io::load_tensors(path);
  const auto whole = tensors;
  tensors.erase("eigenvalues");
  ladder::io::save_tensors(path, tensors);
  CHECK(load() ==
        "ZcaWhitening: expected the tensors mean, eigenvalues, eigenvectors and ridge but got no "
        "eigenvalues in " +
            path.string() + " (was it written by ZcaWhitening::save?).");
  tensors = whole;
  tensors["mean"] = whole.at("mean").to(torch::kFloat32);
  ladder::io::save_tensors(path, tensors);
  CHECK(load() == "ZcaWhitening: expected mean in float64 but got Float in " + path.string() + ".");
  tensors = whole;
  tensors["mean"] = torch::zeros({3}, torch::kDouble);
  ladder::io::save_tensors(path, tensors);
  CHECK(load() ==
        "ZcaWhitening: expected mean [D], eigenvalues [K], eigenvectors [D, K] and a scalar ridge "
        "but got [3], [4], [4, 4] and [] in " +
            path.string() + ".");
  tensors = whole;
  tensors["eigenvalues"] = torch::full({4}, -1.0, torch::kDouble);
  ladder::io::save_tensors(path, tensors);
  CHECK(load() ==
        "ZcaWhitening: expected eigenvalues that the ridge makes positive but got others in " +
            path.string() + ".");
}
