// What the network has learned: denoising functions, reconstructions, the top hidden layer.
#include "apps/support/report/insight.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apps/support/markup.h"
#include "apps/support/png.h"
#include "apps/support/report/parts.h"

namespace ladder::apps {
namespace {

constexpr size_t kMaxLevels = 4;  // with open curves
constexpr int64_t kMaxImages = 10;
constexpr int64_t kMaxPixelsOfImage = 64;  // high and wide
constexpr size_t kMaxDots = 2500;
constexpr size_t kMaxMarkers = 400;
constexpr size_t kColors = 10;

std::string u_legend(const DenoisingCurve& curve) {
  std::string out = "<ul class='legend'>";
  for (size_t i = 0; i < curve.u.size(); ++i) {
    out += fmt::format(
        "<li><svg class='swatch' aria-hidden='true'><rect class='f u{}' y='5' width='18' "
        "height='3'/></svg>{}</li>",
        i,
        i == 0                        ? "lowest u"
        : i + 1 == curve.u.size()     ? "highest u"
        : 2 * i + 1 == curve.u.size() ? "middle u"
                                      : "between");
  }
  return out + "</ul>\n";
}

// The units of one level beside each other.
std::string level_html(const ReportData& data, int64_t level) {
  std::string note = level == 0 ? "input" : "";
  const auto at = static_cast<size_t>(level);
  if (at < data.levels.size()) note = data.levels[at];
  auto out = fmt::format("<div class='level'>\n<h4>Level {}<span>{}</span></h4>\n", level,
                         escaped(shortened(note, 40)));
  for (const auto& curve : data.denoising) {
    if (curve.level != level) continue;
    const auto title = fmt::format("Level {}, unit {}", curve.level, curve.unit);
    out += fmt::format(
        "<figure class='small'>\n{}\n<figcaption>unit {}, slope {}</figcaption>\n</figure>\n",
        denoising_panel(curve, title).svg(), curve.unit, decimal_text(curve.slope, 2));
  }
  return out + "</div>\n";
}

std::string denoising_html(const ReportData& data) {
  std::string out = subheading("What the denoising functions learned");
  if (data.denoising.empty()) {
    const bool none = std::none_of(data.lambda.begin(), data.lambda.end(),
                                   [](double weight) { return weight > 0; });
    return out +
           paragraph(none && !data.lambda.empty()
                         ? "This network has no decoder, so it has no denoising functions."
                         : "The denoising functions were not measured: this needs the trained "
                           "network, with a decoder, and rows.");
  }
  double flat = 0;
  for (const auto& curve : data.denoising) flat += std::abs(curve.slope) < 0.1 ? 1 : 0;
  out += paragraph(
      "Each plot is one unit: the estimate ẑ of its clean value over the noisy value z̃, for five "
      "fixed values of u, the signal from the level above. A line along the diagonal copies the "
      "noisy value; a flat one ignores it and takes the estimate from above; lines of other slopes "
      "are a mixture. Dots are means of the true clean values: a unit denoises well if its lines "
      "run "
      "through them.");
  const auto count = data.denoising.size();
  if (flat > 0) {
    out +=
        paragraph(fmt::format("{:.0f} of these {} units ignore their noisy value (slope below "
                              "0.1): there the levels above do the work.",
                              flat, count));
  }
  out += u_legend(data.denoising.front());
  std::string open, closed;
  std::vector<int64_t> levels;
  for (const auto& curve : data.denoising) {
    if (levels.empty() || levels.back() != curve.level) levels.push_back(curve.level);
  }
  for (size_t i = 0; i < levels.size(); ++i) {
    (i < kMaxLevels || levels.size() == kMaxLevels + 1 ? open : closed) +=
        level_html(data, levels[i]);
  }
  out += "<div class='card'>" + open;
  if (!closed.empty()) {
    out += details_html(fmt::format("Levels {} to {}", levels[kMaxLevels], levels.back()), closed);
  }
  return out + "</div>\n";
}

at::Tensor as_bytes(const at::Tensor& image) {
  return image.mul(255).round().clamp(0, 255).to(at::kByte);
}

void add_image_row(std::string& out, std::string_view name, const at::Tensor& images,
                   int64_t count) {
  out += fmt::format("<tr><th scope='row'>{}</th><td>", name);
  for (int64_t i = 0; i < count; ++i) {
    out += fmt::format("<img class='pixels' src='{}' alt='{} image {}'>",
                       png_uri(thumbnail(as_bytes(images[i]), kMaxPixelsOfImage)), name, i + 1);
  }
  out += "</td></tr>\n";
}

std::string reconstructions_html(const ReportData& data) {
  if (!data.reconstructions) return "";
  const auto& images = *data.reconstructions;
  const auto count = std::min(kMaxImages, images.clean.size(0));
  const double before = (images.noisy - images.clean).square().mean().item<double>();
  const double after = (images.reconstructed - images.clean).square().mean().item<double>();
  std::string out = subheading("Reconstructions");
  std::string text =
      "Images with the noise of training, as the decoder restores them, and as they are.";
  if (before > 0) {
    text += fmt::format(" It removes {} % of the squared error of the noise.",
                        std::llround(100 * (1 - after / before)));
  }
  out += paragraph(text);
  std::string body =
      "<table class='images'>\n<caption>Images by row: noisy, reconstructed, clean."
      "</caption>\n<tbody>\n";
  add_image_row(body, "noisy", images.noisy, count);
  add_image_row(body, "reconstructed", images.reconstructed, count);
  add_image_row(body, "clean", images.clean, count);
  return out + "<div class='card'>" + body + "</tbody></table></div>\n";
}

// Colour of each class: those of most rows have one of their own.
std::vector<size_t> class_colors(const TopLayerPicture& picture, std::vector<int64_t>& named,
                                 size_t& others) {
  const int64_t most = picture.classes.empty()
                           ? 0
                           : *std::max_element(picture.classes.begin(), picture.classes.end());
  std::vector<size_t> counts(static_cast<size_t>(most) + 1);
  for (const auto c : picture.classes) ++counts[static_cast<size_t>(c)];
  std::vector<int64_t> order(counts.size());
  std::iota(order.begin(), order.end(), 0);
  if (order.size() > kColors) {
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return counts[static_cast<size_t>(a)] > counts[static_cast<size_t>(b)];
    });
  }
  // The gray of g7 is for all others, where there are any.
  const bool gray_taken = order.size() > kColors;
  std::vector<size_t> colors(counts.size(), 7);
  size_t next = 0;
  others = 0;
  for (const auto c : order) {
    if (counts[static_cast<size_t>(c)] == 0) continue;
    if (gray_taken && next == 7) ++next;
    if (next >= kColors) {
      others += counts[static_cast<size_t>(c)];
      continue;
    }
    colors[static_cast<size_t>(c)] = next++;
    named.push_back(c);
  }
  return colors;
}

std::string legend_entry(size_t color, const std::string& name) {
  return fmt::format(
      "<li><svg class='swatch' aria-hidden='true'><circle class='f g{}' cx='9' "
      "cy='7' r='5'/></svg>{}</li>",
      color, escaped(shortened_name(name, 28)));
}

// An axis without ticks that leaves a little room around the values.
SvgAxis tight_axis(const std::vector<double>& values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const double room = std::max(0.04 * (*high - *low), 1e-9);
  return {.low = *low - room, .high = *high + room, .max_ticks = 0};
}

std::string top_layer_html(const ReportData& data) {
  std::string out = subheading("The top hidden layer in two dimensions");
  if (!data.top_layer || data.top_layer->x.empty()) {
    return out + paragraph(
                     "The top hidden layer was not measured: this needs the trained network "
                     "and rows.");
  }
  const auto& picture = *data.top_layer;
  std::vector<int64_t> named;
  size_t others = 0;
  const auto colors = class_colors(picture, named, others);
  const auto color_of = [&](size_t row) {
    return colors[static_cast<size_t>(picture.classes[row])];
  };
  const auto x = tight_axis(picture.x), y = tight_axis(picture.y);
  SvgPanel panel("Top hidden layer", "Rows in the two directions of largest variance, by class.", x,
                 y, {.width = 400, .frame = true, .square = true});
  const size_t every = (picture.x.size() + kMaxDots - 1) / kMaxDots;
  std::vector<std::vector<double>> dots_x(kColors), dots_y(kColors);
  size_t markers = 0;
  for (size_t row = 0; row < picture.x.size(); ++row) {
    if (picture.labeled[row] || row % every != 0) continue;
    dots_x[color_of(row)].push_back(picture.x[row]);
    dots_y[color_of(row)].push_back(picture.y[row]);
  }
  for (size_t color = 0; color < kColors; ++color) {
    panel.dots(dots_x[color], dots_y[color], fmt::format("g{}", color), 1.3);
  }
  for (size_t row = 0; row < picture.x.size(); ++row) {
    if (!picture.labeled[row] || ++markers > kMaxMarkers) continue;
    panel.marker(picture.x[row], picture.y[row], fmt::format("g{}", color_of(row)), 4);
  }
  // Names at the middles of the classes.
  for (const auto c : named) {
    std::vector<double> across, down;
    for (size_t row = 0; row < picture.x.size(); ++row) {
      if (picture.classes[row] != c) continue;
      across.push_back(picture.x[row]);
      down.push_back(picture.y[row]);
    }
    const auto middle = [](std::vector<double>& values) {
      std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size() / 2),
                       values.end());
      return values[values.size() / 2];
    };
    panel.name(middle(across), middle(down), shortened_name(class_text(data, c), 14));
  }
  std::string legend = "<ul class='legend'>";
  for (const auto c : named) {
    legend += legend_entry(colors[static_cast<size_t>(c)], class_text(data, c));
  }
  if (others > 0) legend += legend_entry(7, "other classes");
  legend += "</ul>";
  const bool labeled = markers > 0;
  out += paragraph(fmt::format(
      "Rows in the two directions in which the {} units of level {} vary most; they hold {} % of "
      "the "
      "variance. Colours are predicted classes. Classes that form groups of their own here are "
      "easy "
      "to tell apart; where groups run into each other, the remaining directions have to decide.",
      count_text(picture.units), picture.level, std::llround(100 * picture.share)));
  return out + figure("<div class='mapped'>" + panel.svg() + legend + "</div>",
                      labeled ? "Large dots: rows with a label; small dots: rows without."
                              : "Rows without a label.",
                      "card map");
}

}  // namespace

SvgPanel denoising_panel(const DenoisingCurve& curve, const std::string& title) {
  const SvgAxis axis{.low = curve.low, .high = curve.high, .max_ticks = 3};
  auto x = axis, y = axis;
  x.label = "z̃";
  y.label = "ẑ";
  SvgPanel panel(title, "Estimate of the clean value over the noisy value, for five values of u.",
                 x, y, {.width = 168, .frame = true, .square = true});
  panel.distribution(curve.noisy_shares, "faint", /*filled=*/true);
  panel.distribution(curve.clean_shares, "quiet", /*filled=*/false);
  panel.guide(curve.low, curve.low, curve.high, curve.high);
  for (size_t i = 0; i < curve.z_hat.size(); ++i) {
    panel.line(curve.z_noisy, curve.z_hat[i], fmt::format("u{}", i));
  }
  for (size_t i = 0; i < curve.means.size(); ++i) {
    panel.dots(curve.means_at, curve.means[i], fmt::format("u{}", i), 1.7);
  }
  return panel;
}

ReportSection insight_section(const ReportData& data) {
  ReportSection section{"learned", "What it learned", ""};
  if (data.denoising.empty() && !data.reconstructions && !data.top_layer) {
    const bool decoder =
        data.lambda.empty() || std::any_of(data.lambda.begin(), data.lambda.end(),
                                           [](double weight) { return weight > 0; });
    section.body = paragraph(
        decoder ? "The denoising functions and the top hidden layer were not measured: this needs "
                  "the trained network and rows."
                : "This network has no decoder, so it has no denoising functions. The top hidden "
                  "layer was not measured: this needs the trained network and rows.");
    return section;
  }
  section.body = denoising_html(data) + reconstructions_html(data) + top_layer_html(data);
  return section;
}

}  // namespace ladder::apps
