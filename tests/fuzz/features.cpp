// Features in JSON, applied to a table if they are valid.
#include "ladder/data/features.h"

#include <cmath>
#include <vector>

#include "tests/fuzz/support.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ladder;
  static const data::Table table = {.source = "table",
                                    .rows = 3,
                                    .columns = {{.name = "a", .numbers = {1, std::nan(""), -1e300}},
                                                {.name = "b",
                                                 .kind = data::ColumnKind::kText,
                                                 .codes = {0, -1, 1},
                                                 .levels = {"x", "y"}}}};
  fuzz::expect_sentence([&] {
    const auto features = data::features_from_json(fuzz::Input(data, size).rest());
    if (features.width() < 0) fuzz::fault("a negative width");
    const auto again = data::features_from_json(data::to_json(features));
    if (data::to_json(again) != data::to_json(features)) fuzz::fault("another text");
    if (features.width() > 10'000) return;
    const auto inputs = features.apply(table);
    if (inputs.size(0) != 3 || inputs.size(1) != features.width()) fuzz::fault("another width");
  });
  return 0;
}
