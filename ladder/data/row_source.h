/// Rows that are not held in memory.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ladder::data {

/// Interface that reads inputs and labels of rows, by row number, when they are needed. It is safe
/// to call from several threads at once.
class RowSource {
 public:
  virtual ~RowSource() = default;

  virtual int64_t rows() const = 0;
  /// Return the shape of the inputs of one row.
  virtual std::vector<int64_t> row_shape() const = 0;
  /// Return the inputs of `rows` (int64 [n]), float32 [n, ...] on the CPU. Errors: rows that cannot
  /// be read, or that have changed since the source was opened.
  virtual torch::Tensor inputs(const torch::Tensor& rows) const = 0;
  /// Return the labels of `rows`, int64 [n], -1 for none.
  virtual torch::Tensor labels(const torch::Tensor& rows) const = 0;
  /// Announce that `rows` will be read next, so that slow files can be read ahead.
  virtual void expect(const torch::Tensor& rows) const;
  /// Return a text that is equal for equal rows.
  virtual std::string fingerprint() const = 0;
};

/// Return rows by their places among those that are not held out (int64, ascending): place 0 is the
/// first row that is not in `held_out`.
torch::Tensor rows_besides(const torch::Tensor& held_out, const torch::Tensor& places);

}  // namespace ladder::data
