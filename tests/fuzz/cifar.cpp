// The first byte chooses CIFAR-100; each further byte but the last two becomes a record, and these
// two change the size of the file. Inputs stay small that way.
#include "ladder/data/cifar10.h"
#include "ladder/data/cifar_folder.h"
#include "tests/fuzz/support.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ladder;
  static fuzz::MemoryFile file;
  fuzz::Input input(data, size);
  const unsigned flags = input.byte();
  const bool hundred = (flags & 1) != 0;
  std::string bytes;
  std::string_view labels = input.rest();
  if ((flags & 2) != 0) {
    bytes = labels;  // as it is
  } else {
    for (size_t i = 0; i < labels.size() && i < 40; ++i) {
      bytes += std::string(hundred ? 2 : 1, labels[i]) + std::string(3072, labels[i]);
    }
    if ((flags & 4) != 0 && !bytes.empty()) bytes.resize(bytes.size() - (flags >> 3));
  }
  const auto& path = file.write(bytes);
  fuzz::expect_sentence([&] { data::read_cifar10(path); });
  fuzz::expect_sentence([&] { data::read_cifar100(path); });
  return 0;
}
