/// Drawings of what a network has learned, for reports and for other programs.
#pragma once

#include <string>

#include "apps/support/report/report_data.h"
#include "apps/support/svg_panel.h"

namespace ladder::apps {

/// Return a square plot of z^ over z~: one line for each value of u, dots for the means of the
/// clean z, the distributions along the lower edge, and the line z^ = z~.
SvgPanel denoising_panel(const DenoisingCurve& curve, const std::string& title);

}  // namespace ladder::apps
