// A disk that is full after some bytes: the limit on the size of a file stands for it, as it fails
// the same calls.
#include <ladder/io/atomic_file.h>
#include <ladder/io/safetensors.h>
#include <ladder/io/tensor_file.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/full_disk.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

#include <filesystem>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

namespace fs = std::filesystem;
using ladder::io::AtomicWriter;
using ladder::io::load_safetensors;
using ladder::io::load_tensors;
using ladder::io::save_safetensors;
using ladder::io::save_tensors;
using ladder::io::TensorMap;
using ladder::io::write_atomically;
using ladder::testing::error_text;
using ladder::testing::file_bytes;
using ladder::testing::FullDisk;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;

namespace {

size_t files_in(const fs::path& folder) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

// Writes with the disk full after every number of bytes below the file's: the old content stays.
void check_full_disk(const std::string& component,
                     const std::function<void(const fs::path&)>& write) {
  const TemporaryFolder folder;
  const fs::path path = folder / "file";
  write(path);
  const std::string whole = file_bytes(path);
  REQUIRE(whole.size() > 100);
  const std::string old = "old content";
  const size_t step = whole.size() / 23;
  for (size_t limit = old.size(); limit < whole.size(); limit += step) {
    INFO(component << ": disk full after " << limit << " of " << whole.size() << " bytes");
    write_file(path, old);
    std::string error;
    {
      const FullDisk full(limit);
      error = error_text([&] { write(path); });
    }
    CHECK_THAT(error, Catch::Contains(": expected to write " + path.string()));
    CHECK_THAT(error, Catch::Contains("File too large"));
    CHECK(file_bytes(path) == old);
    CHECK(files_in(folder.path()) == 1);
  }
  write(path);
  CHECK(file_bytes(path) == whole);
}

TensorMap some_tensors() {
  return {{"weight", torch::arange(3000, torch::kFloat32)}, {"steps", torch::tensor({1, 2, 3})}};
}

}  // namespace

TEST_CASE("write_atomically keeps the old file when the disk is full", "[io]") {
  check_full_disk("write_atomically",
                  [](const fs::path& path) { write_atomically(path, std::string(5000, 'x')); });
}

TEST_CASE("AtomicWriter keeps the old file when the disk is full", "[io]") {
  check_full_disk("AtomicWriter", [](const fs::path& path) {
    AtomicWriter out(path);
    for (int i = 0; i < 3; ++i) out.write(std::string(50'000, 'x'));
    out.commit();
  });
}

TEST_CASE("save_tensors keeps the old file when the disk is full", "[io]") {
  check_full_disk("save_tensors", [](const fs::path& path) { save_tensors(path, some_tensors()); });
}

TEST_CASE("save_safetensors keeps the old file when the disk is full", "[io]") {
  check_full_disk("save_safetensors",
                  [](const fs::path& path) { save_safetensors(path, some_tensors()); });
}
