/// A report as one HTML file.
#pragma once

#include <string>

#include "apps/support/report/report_data.h"

namespace ladder::apps {

/// Return a whole HTML page that shows `data`: one file without scripts that loads nothing, for
/// light and dark, for phones, desktops and paper. Outcome first. Its size is bounded: long tables
/// and many points are thinned out, and the page says so.
///
/// Error: no runs.
std::string report_html(const ReportData& data);

}  // namespace ladder::apps
