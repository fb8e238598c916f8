/// Plots with axes, written as SVG: the drawing layer of reports and pictures.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ladder::apps {

/// Range of an axis, its name and its ticks.
struct SvgAxis {
  double low = 0;
  double high = 1;
  bool logarithmic = false;  ///< needs low above 0
  std::string label = {};
  std::string unit = {};  ///< written behind the number of each tick, such as " %"
  int max_ticks = 5;      ///< 0: no ticks
  bool whole = false;     ///< ticks at whole numbers only
};

/// Return an axis that holds all values, rounded to whole ticks; from 0 if `from_zero`. Values that
/// are not finite are left out. Without values the range is 0..1.
SvgAxis axis_over(const std::vector<double>& values, bool from_zero, std::string label = {},
                  std::string unit = {});

/// The same with a logarithmic scale. Values that are not above 0 are left out, too.
SvgAxis log_axis_over(const std::vector<double>& values, std::string label = {});

/// Return the values that an axis has ticks at: at most about `max_ticks` round numbers.
std::vector<double> axis_ticks(const SvgAxis& axis);

struct SvgSize {
  double width = 290;
  double height = 180;
  double right = 0;     ///< room for labels at the right of the plot
  bool frame = false;   ///< the plot has a ground of its own, and marks outside of it are cut off
  bool square = false;  ///< the plot is as high as it is wide; `height` is ignored
};

/// Colour of marks, by name: "accent", "second", "quiet", "seed"; "u0".."u4" from low to high; "g0"
/// to "g9" for groups. A page defines them for light and dark by `svg_style`.
using SvgColor = std::string;

/// One plot. Coordinates are values of its axes.
///
///     SvgPanel panel("Errors", "Test error by epoch.", axis_over(epochs, true, "epoch"),
///                    axis_over(errors, true, "", " %"));
///     panel.line(epochs, errors, "accent", "test");
///     std::string svg = panel.svg();
class SvgPanel {
 public:
  SvgPanel(std::string title, std::string description, SvgAxis x, SvgAxis y, SvgSize size = {});

  /// Draw a line through the points. A label stands at its end.
  void line(const std::vector<double>& x, const std::vector<double>& y, const SvgColor& color,
            const std::string& label = {});
  /// Fill the area between two lines, for the range of several.
  void band(const std::vector<double>& x, const std::vector<double>& low,
            const std::vector<double>& high, const SvgColor& color);
  /// Draw points with a radius in pixels.
  void dots(const std::vector<double>& x, const std::vector<double>& y, const SvgColor& color,
            double radius = 2);
  /// Draw one point, large and with a ring of the ground's colour.
  void marker(double x, double y, const SvgColor& color, double radius = 4);
  /// Draw a bar from the lower edge over x_low..x_high.
  void bar(double x_low, double x_high, double y, const SvgColor& color);
  /// Draw a straight dashed line between two points.
  void guide(double x1, double y1, double x2, double y2);
  /// Draw shares of rows in equal parts of the x axis along the lower edge, scaled to a fifth of
  /// the height: filled or as an outline.
  void distribution(const std::vector<double>& shares, const SvgColor& color, bool filled);
  /// Write a text with its middle at a point, on a halo of the ground's colour. Return false, and
  /// write nothing, if it would reach outside of the plot or over another text of this function.
  bool name(double x, double y, const std::string& text);

  /// Return the plot as an <svg> element that fills the width it is given.
  std::string svg() const;

  /// Return a picture of the panels with their titles, `columns` of them in a row, with a style of
  /// its own.
  static std::string page(const std::vector<SvgPanel>& panels, int columns);

 private:
  struct EndLabel {
    double y;
    std::string text;
    SvgColor color;
  };
  struct Box {
    double left, top, right, bottom;
  };

  double pixel_x(double value) const;
  double pixel_y(double value) const;
  std::string body() const;
  std::string axes() const;
  std::string end_labels() const;

  std::string title_, description_;
  SvgAxis x_, y_;
  SvgSize size_;
  double left_ = 0, top_ = 0, plot_width_ = 0, plot_height_ = 0;
  std::string marks_, texts_;
  std::vector<EndLabel> labels_;
  std::vector<Box> boxes_;
};

/// Return CSS with the colours of plots, light and dark, and the look of axes: variables on :root
/// and classes below .plot.
std::string_view svg_style();

}  // namespace ladder::apps
