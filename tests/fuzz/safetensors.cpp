#include "ladder/io/safetensors.h"

#include "tests/fuzz/support.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ladder;
  static fuzz::MemoryFile file;
  const auto& path = file.write(fuzz::Input(data, size).rest());
  fuzz::expect_sentence([&] {
    size_t bytes = 0;
    for (const auto& [name, tensor] : io::load_safetensors(path).tensors) bytes += tensor.nbytes();
    if (bytes > size) fuzz::fault("tensors larger than the file");
  });
  return 0;
}
