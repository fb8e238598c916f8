#include <ladder/data/idx.h>
#include <tests/data/idx_files.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

using ladder::data::read_idx;
using ladder::testing::error_text;
using ladder::testing::file_bytes;
using ladder::testing::gzip_bytes;
using ladder::testing::idx_bytes;
using ladder::testing::idx_header;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;

namespace {

torch::Tensor pattern(torch::IntArrayRef sizes) {
  const int64_t count = c10::multiply_integers(sizes);
  return torch::arange(count).mul(37).remainder(251).to(torch::kUInt8).reshape(sizes);
}

std::string read_error(const std::filesystem::path& path) {
  return error_text([&] { read_idx(path); });
}

}  // namespace

TEST_CASE("read_idx returns the values and the shape of raw and gzip files", "[data]") {
  const TemporaryFolder folder;
  const std::vector<std::vector<int64_t>> shapes = {{7}, {3, 5}, {4, 2, 3}, {2, 3, 1, 5}, {0, 28}};
  for (const auto& shape : shapes) {
    const torch::Tensor values = pattern(shape);
    const auto raw = read_idx(write_file(folder / "raw", idx_bytes(values)));
    const auto gzip = read_idx(write_file(folder / "gzip", gzip_bytes(idx_bytes(values))));
    CHECK(raw.scalar_type() == torch::kUInt8);
    CHECK(raw.sizes() == values.sizes());
    CHECK(torch::equal(raw, values));
    CHECK(gzip.sizes() == values.sizes());
    CHECK(torch::equal(gzip, values));
  }
}

TEST_CASE("read_idx reads gzip data longer than its buffers and in several members", "[data]") {
  const TemporaryFolder folder;
  torch::manual_seed(3);
  const torch::Tensor values = torch::randint(256, {300, 28, 28}, torch::kInt64).to(torch::kUInt8);
  const std::string bytes = idx_bytes(values);
  CHECK(torch::equal(read_idx(write_file(folder / "one.gz", gzip_bytes(bytes))), values));
  const std::string two = gzip_bytes(bytes.substr(0, 1000)) + gzip_bytes(bytes.substr(1000));
  CHECK(torch::equal(read_idx(write_file(folder / "two.gz", two)), values));
}

TEST_CASE("read_idx says what is wrong with a path", "[data]") {
  const TemporaryFolder folder;
  const std::string missing = (folder / "none").string();
  CHECK(read_error(missing) ==
        "read_idx: expected an IDX file but got no file at " + missing + " (check the path).");
  const std::string dir = folder.path().string();
  CHECK(read_error(dir) == "read_idx: expected a file but got a folder at " + dir +
                               " (give the path of one of its files).");
  const auto empty = write_file(folder / "empty", "");
  CHECK(read_error(empty) ==
        "read_idx: expected an IDX file but got an empty file at " + empty.string() + ".");
}

TEST_CASE("read_idx says what is wrong with a header", "[data]") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "file";
  const std::string name = path.string();
  const auto error_of = [&](const std::string& bytes) {
    return read_error(write_file(path, bytes));
  };

  CHECK(error_of("\x89PNG....") ==
        "read_idx: expected an IDX file, whose first two bytes are 00 00, but got 89 50 in " +
            name + ".");
  CHECK(error_of(std::string("\0\0\x08", 3)) ==
        "read_idx: expected an IDX header of at least 8 bytes in " + name +
            " but got 3 bytes (the file is truncated).");
  CHECK(error_of(gzip_bytes("")) == "read_idx: expected an IDX header of at least 8 bytes in " +
                                        name + " but got 0 bytes (the file is truncated).");
  CHECK(error_of(idx_header({2, 2}, 0x0D)) ==
        "read_idx: expected element type 08 (uint8) but got 0d (float32) in " + name + ".");
  CHECK(error_of(idx_header({2}, 0x42)) ==
        "read_idx: expected element type 08 (uint8) but got 42 (unknown) in " + name + ".");
  CHECK(error_of(idx_header({})) ==
        "read_idx: expected 1 to 4 dimensions but got 0 in " + name + ".");
  CHECK(error_of(idx_header({1, 1, 1, 1, 1})) ==
        "read_idx: expected 1 to 4 dimensions but got 5 in " + name + ".");
  CHECK(error_of(idx_header({3, 4}).substr(0, 9)) ==
        "read_idx: expected an IDX header of 12 bytes in " + name +
            " but got 9 bytes (the file is truncated).");
}

TEST_CASE("read_idx says what a file of another kind is", "[data]") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "train-images-idx3-ubyte.gz";
  const std::string name = path.string();
  const auto error_of = [&](const std::string& bytes) {
    return read_error(write_file(path, bytes));
  };
  const std::string idx = idx_bytes(pattern({2, 3}));
  const std::string page =
      "\n<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>";

  CHECK(error_of(gzip_bytes(gzip_bytes(idx))) ==
        "read_idx: expected an IDX file but got gzip data inside the gzip data of " + name +
            " (unpack it first).");
  CHECK(error_of(std::string("PK\3\4", 4) + std::string(60, '\0')) ==
        "read_idx: expected an IDX file but got a zip archive in " + name + " (unpack it first).");
  CHECK(error_of(page) == "read_idx: expected an IDX file but got a web page in " + name +
                              " (the address gave a page and not the file: fetch it again).");
  CHECK(error_of(gzip_bytes(page)) ==
        "read_idx: expected an IDX file but got a web page inside the gzip data of " + name +
            " (the address gave a page and not the file: fetch it again).");
  CHECK(error_of("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n") ==
        "read_idx: expected an IDX file but got a Git LFS pointer in " + name +
            " (run git lfs pull).");
  CHECK(error_of("Not Found") ==
        "read_idx: expected an IDX file but got text that begins with "
        "\"Not Found\" in " +
            name + " (is it another file of the same name?).");
}

TEST_CASE("read_idx passes over zeros behind gzip data as gunzip does", "[data]") {
  const TemporaryFolder folder;
  const torch::Tensor values = pattern({5, 4});
  const std::string packed = gzip_bytes(idx_bytes(values));
  for (const size_t zeros : {size_t{1}, size_t{512}, size_t{200000}}) {
    const auto path = write_file(folder / "padded.gz", packed + std::string(zeros, '\0'));
    CHECK(torch::equal(read_idx(path), values));
  }
  const auto path = write_file(folder / "junk.gz", packed + std::string(3, '\0') + "junk");
  CHECK(read_error(path) == "read_idx: expected nothing after the gzip data in " + path.string() +
                                " but got more bytes from byte " +
                                std::to_string(packed.size() + 3) + " on (fetch the file again).");
}

TEST_CASE("read_idx compares the declared size with the data", "[data]") {
  const TemporaryFolder folder;
  const std::string bytes = idx_bytes(pattern({4, 3, 2}));
  const auto path = folder / "file";
  const auto expected = [&](const std::string& sizes, const std::string& got) {
    return "read_idx: expected " + sizes + " bytes of data, as the header of " + path.string() +
           " declares, but got " + got + ").";
  };

  for (const bool gzip : {false, true}) {
    const auto packed = [&](const std::string& text) { return gzip ? gzip_bytes(text) : text; };
    CHECK(read_error(write_file(path, packed(bytes.substr(0, bytes.size() - 1)))) ==
          expected("4 x 3 x 2 = 24", "23 (the file is truncated"));
    CHECK(read_error(write_file(path, packed(bytes + "xyz"))) ==
          expected("4 x 3 x 2 = 24", "27 (the file holds trailing data"));
    CHECK(read_error(write_file(path, packed(idx_header({9})))) ==
          expected("9", "0 (the file is truncated"));
  }
}

TEST_CASE("read_idx refuses absurd sizes before it allocates", "[data]") {
  const TemporaryFolder folder;
  const auto path = folder / "file";
  const uint32_t huge = 0xFFFFFFFF;
  CHECK(read_error(write_file(path, idx_header({huge, huge, huge, huge}) + "abc")) ==
        "read_idx: expected 4294967295 x 4294967295 x 4294967295 x 4294967295 bytes of data, as "
        "the header of " +
            path.string() + " declares, but got 3 (the file is truncated).");
  const std::string packed = gzip_bytes(idx_header({huge, 28, 28}) + "abc");
  CHECK(read_error(write_file(path, packed)) ==
        "read_idx: expected 4294967295 x 28 x 28 = 3367254359280 bytes of data, as the header of " +
            path.string() + " declares, but got a gzip file of " + std::to_string(packed.size()) +
            " bytes, which cannot hold them (the file is damaged).");
  const std::string overflow = gzip_bytes(idx_header({huge, huge, huge, huge}));
  CHECK(read_error(write_file(path, overflow)) ==
        "read_idx: expected 4294967295 x 4294967295 x 4294967295 x 4294967295 bytes of data, as "
        "the header of " +
            path.string() + " declares, but got a gzip file of " + std::to_string(overflow.size()) +
            " bytes, which cannot hold them (the file is damaged).");
}

TEST_CASE("read_idx reads gzip data at the highest ratio of deflate", "[data]") {
  const TemporaryFolder folder;
  const torch::Tensor zeros = torch::zeros({5000, 28, 28}, torch::kUInt8);
  CHECK(torch::equal(read_idx(write_file(folder / "zeros", gzip_bytes(idx_bytes(zeros)))), zeros));
}

TEST_CASE("read_idx tells truncated gzip files from corrupt ones", "[data]") {
  const TemporaryFolder folder;
  const auto path = folder / "file.gz";
  const std::string name = path.string();
  torch::manual_seed(5);
  const std::string whole =
      gzip_bytes(idx_bytes(torch::randint(256, {50, 28, 28}, torch::kInt64).to(torch::kUInt8)));

  for (const size_t size : {size_t{5}, size_t{40}, whole.size() / 2, whole.size() - 9,
                            whole.size() - 8, whole.size() - 1}) {
    CHECK(read_error(write_file(path, whole.substr(0, size))) ==
          "read_idx: expected the whole gzip file " + name + " but got only its first " +
              std::to_string(size) + " bytes (fetch the file again).");
  }

  std::string wrong_sum = whole;
  wrong_sum[whole.size() - 8] = static_cast<char>(wrong_sum[whole.size() - 8] ^ 1);
  CHECK(read_error(write_file(path, wrong_sum)) ==
        "read_idx: expected valid gzip data in " + name +
            " but got \"incorrect data check\" near byte " + std::to_string(whole.size() - 4) +
            " (fetch the file again).");

  std::string wrong_value = whole;
  wrong_value[whole.size() / 2] = static_cast<char>(wrong_value[whole.size() / 2] ^ 0x55);
  CHECK(read_error(write_file(path, wrong_value))
            .find("read_idx: expected valid gzip data in " + name) == 0);

  CHECK(read_error(write_file(path, whole + "junk")) ==
        "read_idx: expected nothing after the gzip data in " + name +
            " but got more bytes from byte " + std::to_string(whole.size()) +
            " on (fetch the file again).");
}

TEST_CASE("read_idx refuses sizes that overflow although one of them is 0", "[data]") {
  const ladder::testing::TemporaryFolder folder;
  std::string bytes("\0\0\x08\x04", 4);
  bytes += std::string(12, '\xFF') + std::string(4, '\0');
  const auto path = ladder::testing::write_file(folder / "sizes", bytes);
  CHECK(ladder::testing::error_text([&] { ladder::data::read_idx(path); }) ==
        "read_idx: expected sizes whose product is below 2^62 but got 4294967295 x 4294967295 x "
        "4294967295 x 0 in " +
            path.string() + " (the file is damaged).");
}
