// Files cut at every length and changed at every byte, through the front door.
#include <ladder/data/internal/image_codec.h>
#include <ladder/data/read_samples.h>
#include <ladder/io/safetensors.h>
#include <tests/data/cifar10_files.h>
#include <tests/data/idx_files.h>
#include <tests/data/npy_files.h>
#include <tests/data/png_files.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/little_memory.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace fs = std::filesystem;
using ladder::data::has_image_codecs;
using ladder::data::read_samples;
using ladder::data::Samples;
using ladder::testing::cifar10_bytes;
using ladder::testing::gzip_bytes;
using ladder::testing::idx_bytes;
using ladder::testing::idx_header;
using ladder::testing::LittleMemory;
using ladder::testing::npy_file;
using ladder::testing::npz_file;
using ladder::testing::png_bytes;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;

namespace {

struct Whole {
  std::string name;
  std::string bytes;
};

// A small file of every kind that is one file.
std::vector<Whole> whole_files() {
  const std::string csv = "id,a,\"b c\",label\n1,2.5,x,\n2,-1e3,\"y, z\",dog\n3,,\"q\"\"q\",cat\n";
  const auto images = torch::arange(24).to(torch::kUInt8).reshape({2, 3, 4});
  std::vector<Whole> files = {
      {"table.csv", csv},
      {"table.csv.gz", gzip_bytes(csv)},
      {"train-images-idx3-ubyte", idx_bytes(images)},
      {"t10k-images-idx3-ubyte.gz", gzip_bytes(idx_bytes(images))},
      {"test_batch.bin",
       cifar10_bytes(torch::zeros({1, 3, 32, 32}, torch::kUInt8), torch::tensor({7}))},
      {"x.npy", npy_file("<f8", "(2, 2)", std::string(32, '\1'))},
      {"rows.npz", npz_file("x", npy_file("<f8", "(2, 2)", std::string(32, '\1')))},
      {"images.npy", npy_file("|u1", "(2, 3, 2)", std::string(12, '\7'))},
  };
  if (has_image_codecs()) {
    files.push_back({"image.png", png_bytes({5, 3, 8, 0}, std::vector<int>(15, 100))});
  }
  return files;
}

// Returns whether the file was read. What is no sentence of a reader fails the test.
bool reads(const fs::path& path) {
  try {
    const Samples samples = read_samples(path, {.label = "label"});
    CHECK(samples.rows() >= 1);
    return true;
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    CHECK_THAT(text, Catch::Contains(": expected "));
    CHECK_THAT(text, Catch::Contains(path.filename().string()));
    CHECK_THAT(text, Catch::EndsWith("."));
    return false;
  }
}

}  // namespace

TEST_CASE("read_samples reads a file cut anywhere as rows or says what is wrong", "[data]") {
  for (const auto& [name, whole] : whole_files()) {
    const TemporaryFolder folder;
    size_t refused = 0;
    const size_t step = whole.size() > 1000 ? 97 : 1;
    for (size_t length = 0; length < whole.size(); length += step) {
      INFO(name << " cut after " << length << " of " << whole.size() << " bytes");
      if (!reads(write_file(folder / name, std::string_view(whole).substr(0, length)))) ++refused;
    }
    INFO(name);
    CHECK(reads(write_file(folder / name, whole)));
    // A table may end anywhere in its last cell; all other formats know their length.
    CHECK(refused >= (name == "table.csv" ? 2 : whole.size() / step / 2));
  }
}

TEST_CASE("read_samples reads a file changed at any byte as rows or says what is wrong", "[data]") {
  for (const auto& [name, whole] : whole_files()) {
    const TemporaryFolder folder;
    size_t refused = 0;
    const size_t step = whole.size() > 1000 ? 97 : 1;
    for (size_t i = 0; i < whole.size(); i += step) {
      for (const int flip : {0x01, 0x20, 0x80, 0xFF}) {
        INFO(name << " with byte " << i << " changed by " << flip);
        std::string bytes = whole;
        bytes[i] = static_cast<char>(bytes[i] ^ flip);
        if (!reads(write_file(folder / name, bytes))) ++refused;
      }
    }
    INFO(name);
    CHECK(refused > 0);
  }
}

TEST_CASE("read_samples takes no more memory than a small file can hold", "[data]") {
  const TemporaryFolder folder;
  // Helpers start here, which reserve memory for their stacks.
  reads(write_file(folder / "table.csv", whole_files()[0].bytes));
  const LittleMemory limit(size_t{900} << 20);
  if (LittleMemory::works()) {
    REQUIRE_THROWS(torch::empty({int64_t{1} << 30}, torch::kUInt8));
  }
  const auto refused = [&](const char* name, const std::string& bytes) {
    INFO(name);
    REQUIRE(bytes.size() <= 1024);
    CHECK_FALSE(reads(write_file(folder / name, bytes)));
  };
  const std::string some(400, '\0');
  refused("train-images-idx3-ubyte", idx_header({60000, 4096, 4096}) + some);
  refused("train-images-idx4-ubyte", idx_header({0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 3}) + some);
  refused("t10k-images-idx3-ubyte.gz", gzip_bytes(idx_header({1 << 20, 1 << 10, 1}) + some));
  refused("x.npy", npy_file("<f8", "(1073741824, 1)", some));
  refused("x.npy", npy_file("<f8", "(4294967296, 4294967296, 4294967296)", some));
  refused("x.npy", npy_file("|u1", "(9223372036854775807, 1, 1)", some));
  if (has_image_codecs()) {
    std::string png = png_bytes({1, 1, 8, 6}, {1, 2, 3, 4});
    const std::string header = ladder::testing::png_header({30000, 30000, 8, 6});
    png.replace(0, header.size(), header);
    refused("image.png", png);
  }
  refused("rows.npz", npz_file("x", npy_file("<f8", "(1073741824, 1)", some)));
  refused("rows.npz", npz_file("x", npy_file("<f8", "(2, 2)", some), 0xFFFFFFF0));
  refused("rows.npz", npz_file("x", npy_file("<f8", "(2, 2)", some), 0x7FFFFFFF));
  refused("rows.parquet", "PAR1" + std::string(4, '\0') + "\xFF\xFF\xFF\x7FPAR1");
  refused("rows.parquet", "PAR1" + some + "\x90\x01" + std::string(2, '\0') + "PAR1");
  refused("rows.feather", "ARROW1" + std::string(2, '\0') + some +
                              "\xFF\xFF\xFF\x7F"
                              "ARROW1");
}

TEST_CASE("load_safetensors takes no more memory than a small file can hold", "[io]") {
  const TemporaryFolder folder;
  const LittleMemory limit(size_t{900} << 20);
  const auto error = [&](const std::string& header, uint64_t length) {
    std::string bytes;
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i) & 0xFF);
    const auto path = write_file(folder / "a.safetensors", bytes + header);
    return ladder::testing::error_text([&] { ladder::io::load_safetensors(path); });
  };
  const auto tensor = [](const std::string& shape, const std::string& end) {
    return R"({"w": {"dtype": "F32", "shape": )" + shape + R"(, "data_offsets": [0, )" + end +
           "]}}";
  };
  for (const uint64_t length : {uint64_t{1} << 30, uint64_t{1} << 40, ~uint64_t{0}}) {
    INFO("header of " << length);
    CHECK_THAT(error("{}", length), Catch::Contains(": expected "));
  }
  for (const auto& header :
       {tensor("[268435456]", "1073741824"), tensor("[4294967296, 4294967296]", "16"),
        tensor("[268435456]", "16"), tensor("[9223372036854775807, 0]", "0"),
        tensor("[18446744073709551615]", "4")}) {
    INFO(header);
    const auto text = error(header, header.size());
    CHECK((text == "(no error)" || text.find(": expected ") != std::string::npos));
  }
}
