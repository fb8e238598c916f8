/// Small square plots, written as SVG.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace ladder::apps {

/// A plot of values in [low, high] over values in the same range, with the diagonal drawn. What
/// leaves the range is cut off. Values are one-dimensional tensors on the CPU.
class SvgPanel {
 public:
  SvgPanel(std::string title, double low, double high);

  void line(const at::Tensor& x, const at::Tensor& y, const std::string& color);
  void dots(const std::vector<double>& x, const std::vector<double>& y, const std::string& color);
  /// How values are distributed, along the lower edge: filled with `color` or drawn as a line.
  void distribution(const at::Tensor& values, const std::string& color, bool filled);

  /// A picture of panels, in rows of `columns`.
  static std::string page(const std::vector<SvgPanel>& panels, int columns);

 private:
  double pixel(double value) const;

  std::string title_, body_;
  double low_, high_;
};

}  // namespace ladder::apps
