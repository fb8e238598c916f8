#include "apps/support/svg_panel.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "apps/support/markup.h"

namespace ladder::apps {
namespace {

constexpr double kFont = 11;        // size of all texts, pixels
constexpr double kLineHeight = 14;  // least distance of two labels

std::string pixels(double value) {
  auto text = fmt::format("{:.1f}", value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

// 1, 2 or 5 times a power of ten, at least `least`.
double round_step(double least) {
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

// Not finite where no double is as large.
double tick_step(double low, double high, int most) {
  const double parts = std::max(1, most - 1);
  const double range = high - low;  // may be infinite though both ends are not
  return round_step(std::isfinite(range) ? range / parts : high / parts - low / parts);
}

// Part of the axis below `value`.
double share_below(const SvgAxis& axis, double value) {
  if (axis.logarithmic) return std::log(value / axis.low) / std::log(axis.high / axis.low);
  return (value / 2 - axis.low / 2) / (axis.high / 2 - axis.low / 2);  // the range may be infinite
}

std::vector<double> multiples(double step, double low, double high) {
  std::vector<double> ticks;
  const double first = std::ceil(low / step - 1e-6);
  const auto count = static_cast<int64_t>(std::floor(high / step + 1e-6) - first) + 1;
  for (int64_t i = 0; i < count; ++i) {
    const double k = first + static_cast<double>(i);
    ticks.push_back(k == 0 ? 0 : k * step);  // never -0
  }
  return ticks;
}

std::vector<double> linear_ticks(const SvgAxis& axis) {
  const double least = axis.whole ? 1 : 0;
  double step = std::max(least, tick_step(axis.low, axis.high, axis.max_ticks));
  auto ticks = multiples(step, axis.low, axis.high);
  while (ticks.size() < 2 && step > least &&
         std::isfinite(step)) {  // a range between two round numbers
    step = round_step(step / 2.5);
    ticks = multiples(step, axis.low, axis.high);
  }
  return ticks;
}

std::vector<double> log_ticks(const SvgAxis& axis) {
  const double first = std::ceil(std::log10(axis.low) - 1e-9);
  const double last = std::floor(std::log10(axis.high) + 1e-9);
  const double decades = std::log10(axis.high / axis.low);
  double every = 1;
  while (std::floor((last - first) / every) + 1 > axis.max_ticks) ++every;
  std::vector<double> factors = {1};
  if (decades < 2) factors = {1, 3};
  if (decades < 1) factors = {1, 2, 3, 5};
  std::vector<double> ticks;
  for (int64_t i = -1; i <= static_cast<int64_t>(last - first); ++i) {
    const double power = first + static_cast<double>(i);
    if (power >= first && std::fmod(power - first, every) != 0) continue;
    for (const double factor : factors) {
      const double tick = factor * std::pow(10, power);
      const bool inside = tick >= axis.low * (1 - 1e-9) && tick <= axis.high * (1 + 1e-9);
      if (inside && std::isfinite(tick)) ticks.push_back(tick);
    }
  }
  return ticks;
}

// Texts of ticks: all with as many digits as the step needs.
std::vector<std::string> tick_texts(const SvgAxis& axis, const std::vector<double>& ticks) {
  std::vector<std::string> texts;
  const double step = ticks.size() > 1 && !axis.logarithmic ? ticks[1] - ticks[0] : 0;
  for (const double tick : ticks) {
    std::string text;
    const double size = std::max(std::abs(axis.low), std::abs(axis.high));
    if (step > 0 && size < 1e6 && step >= 1e-4) {
      const int digits = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
      text = digits == 0 ? count_text(std::llround(tick)) : decimal_text(tick, digits);
    } else if (std::abs(tick) >= 1000 && std::abs(tick) < 1e6) {
      text = count_text(std::llround(tick));
    } else {
      text = fmt::format("{:.3g}", tick);
    }
    texts.push_back(text + axis.unit);
  }
  return texts;
}

double widest(const std::vector<std::string>& texts) {
  double width = 0;
  for (const auto& text : texts) width = std::max(width, text_width(text, kFont));
  return width;
}

}  // namespace

SvgAxis axis_over(const std::vector<double>& values, bool from_zero, std::string label,
                  std::string unit) {
  SvgAxis axis{.label = std::move(label), .unit = std::move(unit)};
  std::vector<double> finite;
  std::copy_if(values.begin(), values.end(), std::back_inserter(finite),
               [](double value) { return std::isfinite(value); });
  if (finite.empty()) return axis;
  double low = *std::min_element(finite.begin(), finite.end());
  double high = *std::max_element(finite.begin(), finite.end());
  if (from_zero) {
    low = std::min(low, 0.0);
    high = std::max(high, 0.0);
  }
  if (high == low) {
    const double room = high == 0 ? 1 : std::abs(high);
    if (!from_zero) low = std::max(low - room / 2, std::numeric_limits<double>::lowest());
    high = std::min(high + room / 2, std::numeric_limits<double>::max());
  }
  // A wider range may need a larger step.
  for (double step = 0; step != tick_step(low, high, axis.max_ticks);) {
    step = tick_step(low, high, axis.max_ticks);
    const double below = std::floor(low / step + 1e-9) * step;
    const double above = std::ceil(high / step - 1e-9) * step;
    if (!std::isfinite(below) || !std::isfinite(above)) break;  // no tick is as large
    low = below;
    high = above;
  }
  axis.low = low;
  axis.high = high;
  return axis;
}

SvgAxis log_axis_over(const std::vector<double>& values, std::string label) {
  double low = 0, high = 0;
  for (const double value : values) {
    if (!std::isfinite(value) || value <= 0) continue;
    low = low == 0 ? value : std::min(low, value);
    high = std::max(high, value);
  }
  if (low == 0) return {.low = 0.1, .high = 1, .logarithmic = true, .label = std::move(label)};
  // Down and up to one significant digit.
  const auto unit_of = [](double value) { return std::pow(10, std::floor(std::log10(value))); };
  SvgAxis axis{.logarithmic = true, .label = std::move(label), .max_ticks = 4};
  axis.low = std::floor(low / unit_of(low) + 1e-9) * unit_of(low);
  axis.high = std::ceil(high / unit_of(high) - 1e-9) * unit_of(high);
  if (axis.high < 3 * axis.low) {
    axis.low /= 2;
    axis.high *= 2;
  }
  axis.high = std::min(axis.high, std::numeric_limits<double>::max());
  return axis;
}

std::vector<double> axis_ticks(const SvgAxis& axis) {
  if (axis.max_ticks < 1) return {};
  return axis.logarithmic ? log_ticks(axis) : linear_ticks(axis);
}

SvgPanel::SvgPanel(std::string title, std::string description, SvgAxis x, SvgAxis y, SvgSize size)
    : title_(std::move(title)),
      description_(std::move(description)),
      x_(std::move(x)),
      y_(std::move(y)),
      size_(size) {
  const auto x_texts = tick_texts(x_, axis_ticks(x_));
  const auto y_texts = tick_texts(y_, axis_ticks(y_));
  const double half =
      x_texts.empty()
          ? 1
          : std::max(text_width(x_texts.front(), kFont), text_width(x_texts.back(), kFont)) / 2;
  left_ = std::max(y_texts.empty() ? 2 : widest(y_texts) + 8, half + 1);
  top_ = y_.label.empty() ? 8 : 26;
  plot_width_ = size_.width - left_ - std::max(size_.right, half + 1);
  const double below = (x_texts.empty() ? 2 : 20) + (x_.label.empty() ? 2 : kLineHeight);
  if (size_.square) size_.height = top_ + plot_width_ + below;
  plot_height_ = size_.height - top_ - below;
  // As many ticks as have room beside each other.
  while (x_.max_ticks > 2) {
    const auto ticks = axis_ticks(x_);
    const auto room = plot_width_ / static_cast<double>(std::max<size_t>(1, ticks.size() - 1));
    if (ticks.size() <= 2 || widest(tick_texts(x_, ticks)) + 8 <= room) break;
    --x_.max_ticks;
  }
}

double SvgPanel::pixel_x(double value) const {
  return left_ + share_below(x_, value) * plot_width_;
}

double SvgPanel::pixel_y(double value) const {
  return top_ + (1 - share_below(y_, value)) * plot_height_;
}

void SvgPanel::line(const std::vector<double>& x, const std::vector<double>& y,
                    const SvgColor& color, const std::string& label) {
  std::string points;
  double last = 0;
  size_t drawn = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double down = pixel_y(y[i]);
    if (!std::isfinite(down) || !std::isfinite(x[i])) continue;
    points +=
        fmt::format("{}{},{}", points.empty() ? "" : " ", pixels(pixel_x(x[i])), pixels(down));
    last = down;
    ++drawn;
  }
  if (drawn == 0) return;
  if (drawn == 1) points = fmt::format("{0} {0}", points);  // a dot, by its round caps
  marks_ += fmt::format("<polyline class='s {}{}' points='{}'/>", color, drawn == 1 ? " one" : "",
                        points);
  if (!label.empty()) labels_.push_back({last, label, color});
}

void SvgPanel::band(const std::vector<double>& x, const std::vector<double>& low,
                    const std::vector<double>& high, const SvgColor& color) {
  std::string upper, lower;
  for (size_t i = 0; i < x.size(); ++i) {
    const double top = pixel_y(high[i]), bottom = pixel_y(low[i]);
    if (!std::isfinite(top) || !std::isfinite(bottom)) continue;
    upper += fmt::format("{}{} {}", upper.empty() ? "M" : "L", pixels(pixel_x(x[i])), pixels(top));
    lower = fmt::format("L{} {}", pixels(pixel_x(x[i])), pixels(bottom)) + lower;
  }
  if (!upper.empty())
    marks_ += fmt::format("<path class='band {}' d='{}{}Z'/>", color, upper, lower);
}

void SvgPanel::dots(const std::vector<double>& x, const std::vector<double>& y,
                    const SvgColor& color, double radius) {
  std::string path;  // a line of no length with round caps is the shortest way to write a dot
  for (size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i]) || !std::isfinite(y[i])) continue;
    path += fmt::format("M{} {}h0", pixels(pixel_x(x[i])), pixels(pixel_y(y[i])));
  }
  if (path.empty()) return;
  marks_ += fmt::format("<path class='s {}' style='stroke-width:{}' d='{}'/>", color,
                        pixels(2 * radius), path);
}

void SvgPanel::marker(double x, double y, const SvgColor& color, double radius) {
  marks_ += fmt::format("<circle class='f {} ring' cx='{}' cy='{}' r='{}'/>", color,
                        pixels(pixel_x(x)), pixels(pixel_y(y)), pixels(radius));
}

void SvgPanel::bar(double x_low, double x_high, double y, const SvgColor& color) {
  const double top = pixel_y(y);
  marks_ += fmt::format("<rect class='f {}' x='{}' y='{}' width='{}' height='{}'/>", color,
                        pixels(pixel_x(x_low) + 0.5), pixels(top),
                        pixels(std::max(0.0, pixel_x(x_high) - pixel_x(x_low) - 1)),
                        pixels(std::max(0.0, top_ + plot_height_ - top)));
}

void SvgPanel::guide(double x1, double y1, double x2, double y2) {
  marks_ += fmt::format("<path class='guide' d='M{} {}L{} {}'/>", pixels(pixel_x(x1)),
                        pixels(pixel_y(y1)), pixels(pixel_x(x2)), pixels(pixel_y(y2)));
}

void SvgPanel::distribution(const std::vector<double>& shares, const SvgColor& color, bool filled) {
  if (shares.empty()) return;
  const double most = *std::max_element(shares.begin(), shares.end());
  if (!(most > 0)) return;
  const double floor = top_ + plot_height_;
  std::string path = fmt::format("M{} {}", pixels(left_), pixels(floor));
  for (size_t i = 0; i < shares.size(); ++i) {
    const double middle = (static_cast<double>(i) + 0.5) / static_cast<double>(shares.size());
    path += fmt::format("L{} {}", pixels(left_ + middle * plot_width_),
                        pixels(floor - 0.2 * plot_height_ * shares[i] / most));
  }
  path += fmt::format("L{} {}", pixels(left_ + plot_width_), pixels(floor));
  marks_ += fmt::format("<path class='{} {}' d='{}'/>", filled ? "f" : "s thin", color, path);
}

bool SvgPanel::name(double x, double y, const std::string& text) {
  const double half = text_width(text, kFont + 1) / 2;
  const double across = pixel_x(x);
  const double down = pixel_y(y);
  const Box box{across - half, down - 8, across + half, down + 8};
  if (box.left < left_ || box.right > left_ + plot_width_ || box.top < top_ ||
      box.bottom > top_ + plot_height_) {
    return false;
  }
  const bool taken = std::any_of(boxes_.begin(), boxes_.end(), [&](const Box& other) {
    return box.left < other.right && other.left < box.right && box.top < other.bottom &&
           other.top < box.bottom;
  });
  if (taken) return false;
  boxes_.push_back(box);
  texts_ += fmt::format("<text class='name' x='{}' y='{}' text-anchor='middle'>{}</text>",
                        pixels(across), pixels(down + 4), escaped(text));
  return true;
}

std::string SvgPanel::axes() const {
  std::string out;
  const double floor = top_ + plot_height_;
  if (size_.frame) {
    out += fmt::format("<rect class='ground' x='{}' y='{}' width='{}' height='{}'/>", pixels(left_),
                       pixels(top_), pixels(plot_width_), pixels(plot_height_));
  }
  const auto y_ticks = axis_ticks(y_);
  const auto y_texts = tick_texts(y_, y_ticks);
  std::string grid;
  for (size_t i = 0; i < y_ticks.size(); ++i) {
    const double y = pixel_y(y_ticks[i]);
    if (!size_.frame) {
      grid += fmt::format("M{} {}h{}", pixels(left_), pixels(y), pixels(plot_width_));
    }
    out += fmt::format("<text x='{}' y='{}' text-anchor='end'>{}</text>", pixels(left_ - 6),
                       pixels(y + 4), escaped(y_texts[i]));
  }
  const auto x_ticks = axis_ticks(x_);
  const auto x_texts = tick_texts(x_, x_ticks);
  std::string axis =
      size_.frame ? ""
                  : fmt::format("M{} {}h{}", pixels(left_), pixels(floor), pixels(plot_width_));
  for (size_t i = 0; i < x_ticks.size(); ++i) {
    const double x = pixel_x(x_ticks[i]);
    axis += fmt::format("M{} {}v4", pixels(x), pixels(floor));
    out += fmt::format("<text x='{}' y='{}' text-anchor='middle'>{}</text>", pixels(x),
                       pixels(floor + 17), escaped(x_texts[i]));
  }
  if (!grid.empty()) out = fmt::format("<path class='grid' d='{}'/>", grid) + out;
  if (!axis.empty()) out += fmt::format("<path class='axis' d='{}'/>", axis);
  if (!y_.label.empty()) {
    out += fmt::format("<text class='of' x='0' y='11'>{}</text>", escaped(y_.label));
  }
  if (!x_.label.empty()) {
    out += fmt::format("<text class='of' x='{}' y='{}' text-anchor='end'>{}</text>",
                       pixels(left_ + plot_width_), pixels(size_.height - 3), escaped(x_.label));
  }
  return out;
}

// Labels at the ends of lines, moved apart where lines end close together.
std::string SvgPanel::end_labels() const {
  auto labels = labels_;
  std::stable_sort(labels.begin(), labels.end(),
                   [](const EndLabel& a, const EndLabel& b) { return a.y < b.y; });
  const double highest = top_ + 2;
  const double lowest = top_ + plot_height_ - 2;
  for (size_t i = 0; i < labels.size(); ++i) {
    labels[i].y = std::max(labels[i].y, i == 0 ? highest : labels[i - 1].y + kLineHeight);
  }
  for (size_t i = labels.size(); i-- > 0;) {
    labels[i].y =
        std::min(labels[i].y, i + 1 == labels.size() ? lowest : labels[i + 1].y - kLineHeight);
  }
  std::string out;
  for (const auto& label : labels) {
    out += fmt::format("<text class='t {}' x='{}' y='{}'>{}</text>", label.color,
                       pixels(left_ + plot_width_ + 8), pixels(label.y + 4), escaped(label.text));
  }
  return out;
}

std::string SvgPanel::body() const {
  const auto marks =
      size_.frame
          ? fmt::format(
                "<svg x='{0}' y='{1}' width='{2}' height='{3}' viewBox='{0} {1} {2} "
                "{3}'>{4}</svg>",
                pixels(left_), pixels(top_), pixels(plot_width_), pixels(plot_height_), marks_)
          : marks_;
  return axes() + marks + texts_ + end_labels();
}

std::string SvgPanel::svg() const {
  return fmt::format(
      "<svg class='plot' viewBox='0 0 {} {}' role='img'><title>{}</title><desc>{}</desc>{}</svg>",
      pixels(size_.width), pixels(size_.height), escaped(title_), escaped(description_), body());
}

std::string SvgPanel::page(const std::vector<SvgPanel>& panels, int columns) {
  constexpr double kGap = 20;
  constexpr double kTitle = 22;
  double width = 0, height = 0;
  for (const auto& panel : panels) {
    width = std::max(width, panel.size_.width);
    height = std::max(height, panel.size_.height);
  }
  const int rows = (static_cast<int>(panels.size()) + columns - 1) / columns;
  const double step_x = width + kGap, step_y = height + kTitle + kGap;
  auto svg = fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' class='plot' width='{}' height='{}'>\n<style>{}"
      "</style>\n<rect class='card' width='100%' height='100%'/>\n",
      pixels(columns * step_x + kGap), pixels(rows * step_y + kGap), svg_style());
  for (size_t i = 0; i < panels.size(); ++i) {
    const int column = static_cast<int>(i) % columns;
    const int row = static_cast<int>(i) / columns;
    svg += fmt::format(
        "<g transform='translate({},{})'><text class='name' y='12'>{}</text><svg y='{}' width='{}' "
        "height='{}'>{}</svg></g>\n",
        pixels(kGap + column * step_x), pixels(kGap + row * step_y), escaped(panels[i].title_),
        pixels(kTitle), pixels(panels[i].size_.width), pixels(panels[i].size_.height),
        panels[i].body());
  }
  return svg + "</svg>\n";
}

std::string_view svg_style() {
  // Marks differ from the ground by 3:1 or more, texts by 4.5:1 (WCAG 2.2 AA), in both schemes.
  return R"(
:root {
  color-scheme: light dark;
  --paper: #f6f5f1; --card: #ffffff; --ground: #f6f5f1; --ink: #1b1e25; --soft: #575e6b;
  --rule: #e4e2dc; --grid: #eceae4; --axis: #7d828c; --halo: #ffffff;
  --accent: #1c69a8; --second: #ad4f15; --quiet: #808590; --seed: #738aa1;
  --u0: #14508f; --u1: #4a8bc6; --u2: #7a7f88; --u3: #cc6b2c; --u4: #96330d;
  --g0: #1f74b5; --g1: #c2570c; --g2: #2b863c; --g3: #c92a4b; --g4: #7b4fb5;
  --g5: #7a5230; --g6: #bd4298; --g7: #69707c; --g8: #827700; --g9: #0b8493;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #111317; --card: #191c22; --ground: #121419; --ink: #e9eaee; --soft: #a4abb8;
    --rule: #2c313a; --grid: #262a32; --axis: #7f8692; --halo: #191c22;
    --accent: #66b0ee; --second: #f09a5c; --quiet: #858c99; --seed: #6c86a0;
    --u0: #3f96ec; --u1: #93c6f6; --u2: #a6abb5; --u3: #f3b48a; --u4: #ef7c38;
    --g0: #5aa9e6; --g1: #f0924a; --g2: #63c174; --g3: #f2728c; --g4: #b393f0;
    --g5: #c99a6b; --g6: #ee8fd0; --g7: #a3a9b5; --g8: #cfc13c; --g9: #45c4d4;
  }
}
.accent { --c: var(--accent) } .second { --c: var(--second) } .quiet { --c: var(--quiet) }
.seed { --c: var(--seed) } .u0 { --c: var(--u0) } .u1 { --c: var(--u1) } .u2 { --c: var(--u2) }
.u3 { --c: var(--u3) } .u4 { --c: var(--u4) } .g0 { --c: var(--g0) } .g1 { --c: var(--g1) }
.g2 { --c: var(--g2) } .g3 { --c: var(--g3) } .g4 { --c: var(--g4) } .g5 { --c: var(--g5) }
.g6 { --c: var(--g6) } .g7 { --c: var(--g7) } .g8 { --c: var(--g8) } .g9 { --c: var(--g9) }
.plot text { font: 11px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial,
  sans-serif; font-variant-numeric: tabular-nums; fill: var(--soft) }
.plot text.of { fill: var(--soft) }
.plot text.t { fill: var(--c) }
.plot text.name { font-size: 12px; font-weight: 600; fill: var(--ink); stroke: var(--halo);
  stroke-width: 4px; paint-order: stroke; stroke-linejoin: round }
.plot .s { fill: none; stroke: var(--c); stroke-width: 1.8; stroke-linecap: round;
  stroke-linejoin: round }
.plot .s.seed, .plot .s.thin { stroke-width: 1.1 }
.plot .s.one { stroke-width: 6 }
.plot .f { fill: var(--c) }
.plot .band { fill: var(--c); opacity: .2 }
.plot .ring { stroke: var(--halo); stroke-width: 1.5 }
.plot .card { fill: var(--card) }
.plot .ground { fill: var(--ground) }
.plot .grid { stroke: var(--grid); fill: none }
.plot .axis { stroke: var(--axis); fill: none }
.plot .guide { stroke: var(--axis); fill: none; stroke-dasharray: 3 4 }
)";
}

}  // namespace ladder::apps
