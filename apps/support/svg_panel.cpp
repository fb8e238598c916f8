#include "apps/support/svg_panel.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

namespace ladder::apps {
namespace {

constexpr int kSize = 150;
constexpr int kBars = 30;

std::vector<double> numbers(const at::Tensor& values) {
  const auto all = values.to(at::kDouble).contiguous();
  return {all.const_data_ptr<double>(), all.const_data_ptr<double>() + all.numel()};
}

}  // namespace

SvgPanel::SvgPanel(std::string title, double low, double high)
    : title_(std::move(title)), low_(low), high_(high) {
  body_ = fmt::format("<path d='M0,{0}L{0},0' stroke='#ccc'/>", kSize);
}

double SvgPanel::pixel(double value) const { return (value - low_) / (high_ - low_) * kSize; }

void SvgPanel::line(const at::Tensor& x, const at::Tensor& y, const std::string& color) {
  const auto xs = numbers(x);
  const auto ys = numbers(y);
  body_ += fmt::format("<polyline stroke='{}' points='", color);
  for (size_t i = 0; i < xs.size(); ++i) {
    body_ += fmt::format("{:.0f},{:.1f} ", pixel(xs[i]), kSize - pixel(ys[i]));
  }
  body_ += "'/>";
}

void SvgPanel::dots(const std::vector<double>& x, const std::vector<double>& y,
                    const std::string& color) {
  body_ += fmt::format("<g fill='{}' stroke='none'>", color);
  for (size_t i = 0; i < x.size(); ++i) {
    body_ +=
        fmt::format("<circle cx='{:.0f}' cy='{:.1f}' r='2'/>", pixel(x[i]), kSize - pixel(y[i]));
  }
  body_ += "</g>";
}

void SvgPanel::distribution(const at::Tensor& values, const std::string& color, bool filled) {
  const auto counts = numbers(at::histc(values, kBars, low_, high_));
  const double most = *std::max_element(counts.begin(), counts.end());
  body_ +=
      fmt::format("<path {}='{}' d='M0,{}", filled ? "stroke='none' fill" : "stroke", color, kSize);
  for (int bar = 0; bar < kBars; ++bar) {
    body_ += fmt::format("L{:.0f},{:.0f}", (bar + 0.5) * kSize / kBars,
                         kSize * (1 - 0.2 * counts[static_cast<size_t>(bar)] / most));
  }
  body_ += fmt::format("L{0},{0}'/>", kSize);
}

std::string SvgPanel::page(const std::vector<SvgPanel>& panels, int columns) {
  constexpr int kStepX = kSize + 25;
  constexpr int kStepY = kSize + 30;
  const int rows = (static_cast<int>(panels.size()) + columns - 1) / columns;
  auto svg = fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' width='{}' height='{}' fill='none' "
      "stroke-width='1.5'>\n<style>text {{ font: 11px sans-serif; fill: #222; stroke: none }}"
      "</style>\n<rect width='100%' height='100%' fill='#fff'/>\n",
      columns * kStepX + 10, rows * kStepY + 10);
  for (size_t i = 0; i < panels.size(); ++i) {
    const int place = static_cast<int>(i);
    svg += fmt::format(
        "<g transform='translate({},{})'><text y='-6'>{}</text><svg width='{}' height='{}'>"
        "<rect width='100%' height='100%' fill='#f7f7f7'/>{}</svg></g>\n",
        15 + place % columns * kStepX, 25 + place / columns * kStepY, panels[i].title_, kSize,
        kSize, panels[i].body_);
  }
  return svg + "</svg>\n";
}

}  // namespace ladder::apps
