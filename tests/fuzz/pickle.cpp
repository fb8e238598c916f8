#include "ladder/io/internal/pickle_reader.h"
#include "ladder/io/internal/zip_reader.h"
#include "tests/fuzz/support.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ladder;
  try {
    const auto pickle = io::read_pickle(fuzz::Input(data, size).rest());
    if (io::pickle_noun(pickle.value).empty()) fuzz::fault("a value without a noun");
  } catch (const io::ReadFault&) {
  }
  return 0;
}
