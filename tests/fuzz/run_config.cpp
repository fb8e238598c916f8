// Settings of a run in JSON. What is read must be written and read again without a change.
#include "ladder/runs/run_config.h"

#include "tests/fuzz/support.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ladder;
  fuzz::expect_sentence([&] {
    const auto config = runs::run_config_from_json(fuzz::Input(data, size).rest());
    const auto text = runs::to_json(config);
    const auto again = runs::run_config_from_json(text);
    if (runs::to_json(again) != text) fuzz::fault("another text");
    if (!runs::diff(config, again).empty()) fuzz::fault("a difference to itself");
    runs::to_string(runs::diff(runs::RunConfig{}, config));
    runs::published_error(config);
    runs::network_of(config);
  });
  return 0;
}
