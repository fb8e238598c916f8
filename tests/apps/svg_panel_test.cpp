#include "apps/support/svg_panel.h"

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/catch.h"

using namespace ladder::apps;

namespace {

int occurrences(const std::string& text, const std::string& part) {
  int found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("SvgAxis: ranges are rounded to ticks and hold all values", "[apps]") {
  for (const double scale : {1e-6, 0.03, 1.0, 7.0, 12345.0}) {
    for (const bool from_zero : {false, true}) {
      const std::vector<double> values = {0.31 * scale, 2.2 * scale, 1.7 * scale, std::nan("")};
      const auto axis = axis_over(values, from_zero);
      INFO("scale " << scale);
      CHECK(axis.low <= 0.31 * scale);
      CHECK(axis.high >= 2.2 * scale);
      CHECK((!from_zero || axis.low == 0));
      const auto ticks = axis_ticks(axis);
      CHECK(ticks.size() >= 3);
      CHECK(ticks.size() <= 7);
      CHECK(ticks.front() == Approx(axis.low).margin(1e-9 * scale));
      CHECK(ticks.back() == Approx(axis.high));
    }
  }
  const auto nothing = axis_over({}, true);
  CHECK((nothing.low == 0 && nothing.high == 1));
  const auto same = axis_over({5, 5}, false);
  CHECK((same.low < 5 && same.high > 5));
  const auto zeros = axis_over({0, 0}, true);
  CHECK((zeros.low == 0 && zeros.high > 0));
}

TEST_CASE("SvgAxis: logarithmic ranges hold all positive values", "[apps]") {
  const auto axis = log_axis_over({0.0042, 71.0, 0.0, -1.0, std::nan("")});
  CHECK(axis.low == Approx(0.004));
  CHECK(axis.high == Approx(80));
  const auto ticks = axis_ticks(axis);
  CHECK(ticks.size() >= 3);
  CHECK(ticks.size() <= 6);
  for (const double tick : ticks) CHECK((tick >= axis.low && tick <= axis.high * 1.0001));
  const auto narrow = log_axis_over({2.0, 2.1});
  CHECK(axis_ticks(narrow).size() >= 2);
  CHECK_FALSE(axis_ticks(log_axis_over({})).empty());
}

TEST_CASE("SvgAxis: ranges end where numbers do", "[apps]") {
  constexpr double kMost = 1.7e308;
  for (const auto& values :
       {std::vector<double>{-kMost, kMost}, {kMost}, {-kMost}, {0, kMost}, {1e-3, kMost}}) {
    for (const auto& axis :
         {axis_over(values, false), axis_over(values, true), log_axis_over(values)}) {
      INFO(values.front() << " to " << values.back());
      CHECK((std::isfinite(axis.low) && std::isfinite(axis.high)));
      CHECK(axis.low < axis.high);
      for (const double tick : axis_ticks(axis)) CHECK(std::isfinite(tick));
    }
  }
  SvgPanel panel("Costs", "Large ones.", axis_over({0, 1}, true),
                 axis_over({-kMost, kMost}, false));
  panel.line({0, 1}, {-kMost, kMost}, "accent");
  const auto svg = panel.svg();
  CHECK(svg.find("<polyline") != std::string::npos);
  CHECK(svg.find("inf") == std::string::npos);
  CHECK(svg.find("nan") == std::string::npos);
}

TEST_CASE("SvgPanel: leaves out what is not a number", "[apps]") {
  SvgPanel panel("A & B", "<desc>", {.low = 0, .high = 2}, {.low = 0, .high = 1});
  const double nan = std::nan("");
  panel.line({0, 1, 2}, {0.5, nan, 1}, "accent", "end & all");
  panel.dots({0, 1, nan}, {nan, 1, 0}, "g1");
  panel.line({nan}, {nan}, "second", "nothing");
  panel.distribution({0, 0}, "quiet", true);
  panel.distribution({}, "quiet", true);
  const auto svg = panel.svg();
  CHECK(
      svg.starts_with("<svg class='plot' viewBox='0 0 290 180' role='img'><title>A &amp; B</title>"
                      "<desc>&lt;desc&gt;</desc>"));
  CHECK(svg.ends_with("</svg>"));
  CHECK(svg.find("nan") == std::string::npos);
  CHECK(svg.find("inf") == std::string::npos);
  CHECK(occurrences(svg, "<polyline") == 1);
  CHECK(svg.find("end &amp; all") != std::string::npos);
  CHECK(svg.find("nothing") == std::string::npos);
}

TEST_CASE("SvgPanel: names keep clear of each other and of the border", "[apps]") {
  SvgPanel panel("", "", {.low = 0, .high = 1, .max_ticks = 0},
                 {.low = 0, .high = 1, .max_ticks = 0});
  CHECK(panel.name(0.5, 0.5, "first"));
  CHECK_FALSE(panel.name(0.52, 0.5, "second"));
  CHECK(panel.name(0.5, 0.8, "third"));
  CHECK_FALSE(panel.name(0.001, 0.5, "outside"));
  CHECK_FALSE(panel.name(0.5, 1, "outside"));
  const auto svg = panel.svg();
  CHECK(svg.find("first") != std::string::npos);
  CHECK(svg.find("second") == std::string::npos);
}

TEST_CASE("SvgPanel: a page has every panel and a style of its own", "[apps]") {
  const SvgPanel panel("one", "", {}, {});
  const auto page = SvgPanel::page({panel, panel, panel}, 2);
  CHECK(page.starts_with("<svg xmlns='http://www.w3.org/2000/svg' class='plot' "));
  CHECK(page.ends_with("</svg>\n"));
  CHECK(occurrences(page, ">one</text>") == 3);
  CHECK(occurrences(page, "<style>") == 1);
  CHECK(page.find("prefers-color-scheme: dark") != std::string::npos);
}
