// An .npz archive if the input begins like a zip file, else an .npy file.
#include "ladder/data/npy.h"

#include <vector>

#include "tests/fuzz/support.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ladder;
  static fuzz::MemoryFile file;
  const fuzz::Input input(data, size);
  const auto& path = file.write(input.rest());
  fuzz::expect_sentence([&] {
    if (input.rest().starts_with("PK")) {
      data::read_npz(path);
    } else {
      data::read_npy(path);
    }
  });
  return 0;
}
