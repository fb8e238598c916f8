// The front door, which decides by name and content. The first byte chooses the name of the file,
// the second the options and whether the path is that of its folder; the rest is the content.
#include "ladder/data/read_samples.h"

#include <array>
#include <vector>

#include "tests/fuzz/support.h"

namespace {

constexpr std::array kNames = {
    "rows.csv",       "rows.tsv.gz",        "rows",         "rows.npz",
    "x.npy",          "rows.parquet",       "rows.feather", "train-images-idx3-ubyte",
    "t10k-images.gz", "data_batch_1.bin",   "train.bin",    "picture.png",
    "picture.jpg",    "train-labels.idx.gz"};

void check_samples(const ladder::data::Samples& samples) {
  const int64_t rows = samples.rows();
  if (samples.table) {
    for (const auto& column : samples.table->columns) {
      const bool text = column.kind == ladder::data::ColumnKind::kText;
      const auto values = text ? column.codes.size() : column.numbers.size();
      if (static_cast<int64_t>(values) != rows) ladder::fuzz::fault("a column of another length");
    }
  } else if (samples.images.dim() != 4 || samples.images.size(0) != rows) {
    ladder::fuzz::fault("images of another shape");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ladder;
  static const fuzz::Folder folder;
  fuzz::Input input(data, size);
  const auto* const name = kNames[input.byte() % kNames.size()];
  const unsigned flags = input.byte();
  data::ReadOptions options;
  if ((flags & 1) != 0) options.label = "label";
  if ((flags & 2) != 0) options.id = "a";
  if ((flags & 4) != 0) options.part = data::Part::kTest;
  if ((flags & 24) == 24) options.size = {{2, 3}};
  const auto path = folder.write(name, input.rest());
  const bool by_folder = (flags & 32) != 0;
  fuzz::expect_sentence(
      [&] { check_samples(data::read_samples(by_folder ? folder.path() : path, options)); });
  fuzz::expect_sentence([&] { data::has_test_part(by_folder ? folder.path() : path); });
  folder.remove(name);
  return 0;
}
