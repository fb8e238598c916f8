// Clusters that lie in the wrong class, as a text.
#pragma once

#include <ladder/train/lost_clusters.h>

#include <string>
#include <vector>

namespace ladder::apps {

// "185 rows from 2 to 1, 75 rows from 9 to 3". Empty where there are none.
std::string moves_text(const std::vector<train::ClusterMove>& moves);

}  // namespace ladder::apps
