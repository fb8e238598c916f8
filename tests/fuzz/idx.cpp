#include "ladder/data/idx.h"

#include "ladder/data/idx_folder.h"
#include "tests/fuzz/support.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ladder;
  static fuzz::MemoryFile file;
  const auto& path = file.write(fuzz::Input(data, size).rest());
  fuzz::expect_sentence([&] { data::read_idx(path); });
  fuzz::expect_sentence([&] { data::read_idx_samples(path); });
  return 0;
}
