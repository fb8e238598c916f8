/// ZCA whitening.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>

namespace ladder::data {

struct ZcaOptions {
  double ridge = 0.1;  ///< added to every eigenvalue of the covariance [Rasmus2015]
};

/// ZCA whitening, the whitening that changes the data least. Rows x of D features become
///
///     y = (x - mean) W,   W = U diag((eigenvalues + ridge)^(-1/2)) U^T
///
/// with mean and covariance C = (x - mean)^T (x - mean) / N = U diag(eigenvalues) U^T of the rows
/// that it was fitted on. W is symmetric. The covariance of y is U diag(e / (e + ridge)) U^T. It is
/// close to the identity in directions with an eigenvalue e far above the ridge. It is close to 0
/// in directions with almost no variance: they hold mostly rounding, which the ridge keeps small.
///
///     auto zca = ZcaWhitening::fit(x_train);  // [N, 3, 32, 32]
///     auto y = zca.apply(x_test);             // as x_test, [M, 3, 32, 32]
///     zca.save("whitening.pt");
class ZcaWhitening {
 public:
  /// Fit to floating `inputs` [N, ...] on any device. The covariance is summed in float64, in
  /// chunks of rows; this needs about 5 D^2 numbers of 8 bytes besides the inputs, 400 MB for D =
  /// 3,072. With fewer rows than features, the singular values of the rows are computed instead,
  /// which is less work.
  ///
  /// Throws `c10::Error` if `inputs` is not floating, has fewer than 2 rows, no features or values
  /// that are not finite, if the ridge is negative, or if it is 0 and the covariance is singular.
  static ZcaWhitening fit(const torch::Tensor& inputs, const ZcaOptions& options = {});

  /// Return y for x [M, ...] of D features a row, with the shape, type and device of x.
  ///
  /// Throws `c10::Error` if x is not floating or has another number of features.
  torch::Tensor apply(const torch::Tensor& x) const;
  /// Return x for y, the inverse of `apply`; errors as there.
  torch::Tensor invert(const torch::Tensor& y) const;

  /// Write `mean`, `eigenvalues`, `eigenvectors` and `ridge` to a file by io::save_tensors. Throws
  /// `c10::Error` as that does.
  void save(const std::filesystem::path& path) const;
  /// Read a file of `save`. Throws `c10::Error` as io::load_tensors does, or if the file does not
  /// hold a whitening.
  static ZcaWhitening load(const std::filesystem::path& path);

  int64_t features() const { return mean_.size(0); }
  double ridge() const { return ridge_; }
  const torch::Tensor& mean() const { return mean_; }  ///< float64 [D]
  /// float64 [K], ascending, K = min(N, D); the other eigenvalues are 0.
  const torch::Tensor& eigenvalues() const { return eigenvalues_; }
  const torch::Tensor& eigenvectors() const { return eigenvectors_; }  ///< U, float64 [D, K]
  const torch::Tensor& whitening() const { return whitening_; }        ///< W, float64 [D, D]

 private:
  ZcaWhitening(torch::Tensor mean, torch::Tensor eigenvalues, torch::Tensor eigenvectors,
               double ridge);
  torch::Tensor power(double exponent) const;  // of the covariance with its ridge, [D, D]
  torch::Tensor rows_of(const char* argument, const torch::Tensor& x) const;

  torch::Tensor mean_;
  torch::Tensor eigenvalues_;
  torch::Tensor eigenvectors_;
  double ridge_ = 0;
  torch::Tensor whitening_;
};

}  // namespace ladder::data
