#include "ladder/data/zca.h"

#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_svd.h>
#include <c10/util/Exception.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <utility>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/io/tensor_file.h"

namespace ladder::data {
namespace {

constexpr int64_t kWhiteningChunk = 2000;
constexpr int64_t kBlock = 512;

torch::Tensor mean_of(const torch::Tensor& x) {
  torch::Tensor sum = torch::zeros({x.size(1)}, x.options().dtype(torch::kFloat64));
  for (int64_t row = 0; row < x.size(0); row += kWhiteningChunk) {
    sum += x.slice(0, row, row + kWhiteningChunk).sum(0, /*keepdim=*/false, torch::kFloat64);
  }
  return sum / x.size(0);
}

torch::Tensor covariance_of(const torch::Tensor& x, const torch::Tensor& mean) {
  const int64_t features = x.size(1);
  torch::Tensor sum = torch::zeros({features, features}, mean.options());
  for (int64_t row = 0; row < x.size(0); row += kWhiteningChunk) {
    const torch::Tensor rows = x.slice(0, row, row + kWhiteningChunk).to(torch::kFloat64) - mean;
    // Computes only the upper triangle, which halves the work.
    for (int64_t at = 0; at < features; at += kBlock) {
      sum.slice(0, at, at + kBlock)
          .slice(1, at)
          .addmm_(rows.slice(1, at, at + kBlock).t(), rows.slice(1, at));
    }
  }
  return (sum.triu() + sum.triu(1).t()) / x.size(0);
}

void check_finite(const torch::Tensor& sums) {
  TORCH_CHECK(sums.isfinite().all().item<bool>(),
              "ZcaWhitening: expected finite inputs but got NaN, infinity or values whose squares "
              "overflow.");
}

torch::Tensor product_in_chunks(const torch::Tensor& x, const torch::Tensor& shift,
                                const torch::Tensor& map) {
  torch::Tensor out = torch::empty_like(x, torch::MemoryFormat::Contiguous);
  for (int64_t row = 0; row < x.size(0); row += kWhiteningChunk) {
    torch::Tensor rows = out.slice(0, row, row + kWhiteningChunk);
    torch::mm_out(rows, x.slice(0, row, row + kWhiteningChunk) - shift, map);
  }
  return out;
}

}  // namespace

ZcaWhitening::ZcaWhitening(torch::Tensor mean, torch::Tensor eigenvalues,
                           torch::Tensor eigenvectors, double ridge)
    : mean_(std::move(mean)),
      eigenvalues_(std::move(eigenvalues)),
      eigenvectors_(eigenvectors.contiguous()),
      ridge_(ridge),
      whitening_(power(-0.5)) {}

ZcaWhitening ZcaWhitening::fit(const torch::Tensor& inputs, const ZcaOptions& options) {
  const torch::NoGradGuard no_grad;
  TORCH_CHECK(inputs.defined() && c10::isFloatingType(inputs.scalar_type()),
              "ZcaWhitening: expected floating inputs [N, ...] but got ",
              type_and_shape_text(inputs), ".");
  TORCH_CHECK(inputs.dim() >= 2 && inputs.numel() > 0 && inputs.size(0) >= 2,
              "ZcaWhitening: expected at least 2 rows of at least 1 feature but got ",
              inputs.sizes(), ".");
  TORCH_CHECK(std::isfinite(options.ridge) && options.ridge >= 0,
              "ZcaWhitening: expected a ridge of at least 0 but got ", options.ridge, ".");
  const torch::Tensor x = inputs.detach().flatten(1);  // [N, D]
  const int64_t rows = x.size(0);
  const int64_t features = x.size(1);
  const torch::Tensor mean = mean_of(x);  // [D]
  check_finite(mean);
  torch::Tensor eigenvalues;   // [K]
  torch::Tensor eigenvectors;  // [D, K]
  if (rows < features) {
    const auto [left, values, right] =
        at::linalg_svd(x.to(torch::kFloat64) - mean, /*full_matrices=*/false);
    eigenvalues = (values.square() / rows).flip(0);
    eigenvectors = right.flip(0).t();
    check_finite(eigenvalues);
  } else {
    const torch::Tensor covariance = covariance_of(x, mean);
    check_finite(covariance);
    std::tie(eigenvalues, eigenvectors) = at::linalg_eigh(covariance);
  }
  // A covariance has no negative eigenvalues; rounding can produce them.
  eigenvalues = eigenvalues.clamp_min(0);
  const double rounding = std::numeric_limits<double>::epsilon() * static_cast<double>(features) *
                          eigenvalues[-1].item<double>();
  TORCH_CHECK(options.ridge > 0 || (rows >= features && eigenvalues[0].item<double>() > rounding),
              "ZcaWhitening: expected a ridge above 0 for ", rows, " rows of ", features,
              " features whose covariance is singular but got 0.");
  return ZcaWhitening(mean.cpu(), eigenvalues.cpu(), eigenvectors.cpu(), options.ridge);
}

torch::Tensor ZcaWhitening::power(double exponent) const {
  torch::Tensor gain = (eigenvalues_ + ridge_).pow(exponent);  // [K]
  // In directions that the rows do not span, only the ridge is left.
  const bool spanned = eigenvalues_.size(0) == features();
  const double rest = spanned ? 0 : std::pow(ridge_, exponent);
  torch::Tensor map = (eigenvectors_ * (gain - rest)).mm(eigenvectors_.t());
  map.diagonal().add_(rest);
  return map;
}

torch::Tensor ZcaWhitening::rows_of(const char* argument, const torch::Tensor& x) const {
  TORCH_CHECK(x.defined() && c10::isFloatingType(x.scalar_type()) && x.dim() >= 2,
              "ZcaWhitening: expected floating ", argument, " [N, ...] but got ",
              type_and_shape_text(x), ".");
  const int64_t count = c10::multiply_integers(x.sizes().slice(1));
  TORCH_CHECK(count == features(), "ZcaWhitening: expected rows of ", features(),
              " features, as it was fitted on, but got ", count, " in ", argument, " ", x.sizes(),
              ".");
  return x.detach().reshape({x.size(0), count});
}

torch::Tensor ZcaWhitening::apply(const torch::Tensor& x) const {
  const torch::NoGradGuard no_grad;
  const torch::Tensor rows = rows_of("x", x);  // [M, D]
  return product_in_chunks(rows, mean_.to(rows.options()), whitening_.to(rows.options()))
      .reshape(x.sizes());
}

torch::Tensor ZcaWhitening::invert(const torch::Tensor& y) const {
  const torch::NoGradGuard no_grad;
  const torch::Tensor rows = rows_of("y", y);  // [M, D]
  const torch::Tensor map = power(0.5);
  const torch::Tensor zero = torch::zeros_like(mean_);
  return product_in_chunks(rows, zero.to(rows.options()), map.to(rows.options()))
      .add_(mean_.to(rows.options()))
      .reshape(y.sizes());
}

void ZcaWhitening::save(const std::filesystem::path& path) const {
  io::save_tensors(path, {{"mean", mean_},
                          {"eigenvalues", eigenvalues_},
                          {"eigenvectors", eigenvectors_},
                          {"ridge", torch::full({}, ridge_, torch::kFloat64)}});
}

ZcaWhitening ZcaWhitening::load(const std::filesystem::path& path) {
  const auto tensors = io::load_tensors(path);
  const auto require = [&](const char* name) {
    const auto found = tensors.find(name);
    TORCH_CHECK(found != tensors.end(), "ZcaWhitening: expected the tensors mean, eigenvalues, ",
                "eigenvectors and ridge but got no ", name, " in ", path.string(),
                " (was it written by ZcaWhitening::save?).");
    TORCH_CHECK(found->second.scalar_type() == torch::kFloat64, "ZcaWhitening: expected ", name,
                " in float64 but got ", c10::toString(found->second.scalar_type()), " in ",
                path.string(), ".");
    return found->second;
  };
  const torch::Tensor mean = require("mean");
  const torch::Tensor eigenvalues = require("eigenvalues");
  const torch::Tensor eigenvectors = require("eigenvectors");
  const torch::Tensor ridge = require("ridge");
  const int64_t features = mean.numel();
  const int64_t kept = eigenvalues.numel();
  TORCH_CHECK(mean.dim() == 1 && kept > 0 && kept <= features && eigenvalues.dim() == 1 &&
                  eigenvectors.sizes() == torch::IntArrayRef({features, kept}) && ridge.dim() == 0,
              "ZcaWhitening: expected mean [D], eigenvalues [K], eigenvectors [D, K] and a scalar ",
              "ridge but got ", mean.sizes(), ", ", eigenvalues.sizes(), ", ", eigenvectors.sizes(),
              " and ", ridge.sizes(), " in ", path.string(), ".");
  const double value = ridge.item<double>();
  TORCH_CHECK(value >= 0 && (value > 0 || kept == features) &&
                  (eigenvalues + value).gt(0).all().item<bool>(),
              "ZcaWhitening: expected eigenvalues that the ridge makes positive but got others in ",
              path.string(), ".");
  return ZcaWhitening(mean, eigenvalues, eigenvectors, value);
}

}  // namespace ladder::data
