// A file of named tensors, such as a checkpoint or a model. Mutations get the checksums of their
// records mended.
#include "ladder/io/tensor_file.h"

#include "tests/fuzz/support.h"
#include "tests/fuzz/zip_records.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, most);
  if (seed % 8 != 0) ladder::fuzz::mend_records(data, size);
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ladder;
  static fuzz::MemoryFile file;
  const auto& path = file.write(fuzz::Input(data, size).rest());
  fuzz::expect_sentence([&] { io::load_tensors(path); });
  return 0;
}
