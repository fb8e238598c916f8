/// Small square plots, written as SVG.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace ladder::apps {

/// Plot of values in [low, high] over values in the same range, with the diagonal. Values outside
/// the range are cut off. Tensors are one-dimensional and on the CPU.
class SvgPanel {
 public:
  SvgPanel(std::string title, double low, double high);

  void line(const at::Tensor& x, const at::Tensor& y, const std::string& color);
  void dots(const std::vector<double>& x, const std::vector<double>& y, const std::string& color);
  /// Draw the distribution of values along the lower edge: filled with `color`, or as a line.
  void distribution(const at::Tensor& values, const std::string& color, bool filled);

  /// Return a picture of the panels, `columns` of them in a row.
  static std::string page(const std::vector<SvgPanel>& panels, int columns);

 private:
  double pixel(double value) const;

  std::string title_, body_;
  double low_, high_;
};

}  // namespace ladder::apps
