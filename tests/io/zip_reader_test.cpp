#include <ladder/io/internal/zip_reader.h>
#include <tests/support/catch.h>
#include <tests/support/temporary_folder.h>
#include <zlib.h>

#include <string>
#include <vector>

using ladder::io::ReadFault;
using ladder::io::ZipReader;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;

namespace {

std::string little(uint64_t value, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
  return bytes;
}

struct Layout {
  bool zip64 = false;
  uint64_t method = 0;
  uint64_t declared_size = 0;  // 0: the true size
  uint64_t header_shift = 0;
};

// A zip file with one record.
std::string zip_bytes(const std::string& name, const std::string& data, const Layout& layout = {}) {
  const uint64_t size = layout.declared_size != 0 ? layout.declared_size : data.size();
  const uint64_t header = layout.header_shift;
  const uint64_t crc = crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size());
  const std::string no_time = little(0, 4);
  const std::string sizes = little(crc, 4) + little(size, 4) + little(size, 4);
  const std::string local = "PK\3\4" + little(20, 2) + little(0, 2) + little(layout.method, 2) +
                            no_time + sizes + little(name.size(), 2) + little(0, 2) + name + data;

  const uint64_t see64 = 0xFFFFFFFF;
  const std::string extra = layout.zip64 ? little(7, 2) + little(3, 2) + "abc" + little(1, 2) +
                                               little(24, 2) + little(size, 8) + little(size, 8) +
                                               little(header, 8)
                                         : std::string();
  const std::string entry_sizes =
      layout.zip64 ? little(crc, 4) + little(see64, 4) + little(see64, 4) : sizes;
  const std::string directory =
      "PK\1\2" + little(20, 2) + little(20, 2) + little(0, 2) + little(layout.method, 2) + no_time +
      entry_sizes + little(name.size(), 2) + little(extra.size(), 2) + little(0, 2) + little(0, 8) +
      little(layout.zip64 ? see64 : header, 4) + name + extra;
  std::string tail;
  if (layout.zip64) {
    tail = "PK\6\6" + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 8) + little(1, 8) +
           little(1, 8) + little(directory.size(), 8) + little(local.size(), 8) + "PK\6\7" +
           little(0, 4) + little(local.size() + directory.size(), 8) + little(1, 4);
  }
  const std::string end = "PK\5\6" + little(0, 4) + little(layout.zip64 ? 0xFFFF : 1, 2) +
                          little(layout.zip64 ? 0xFFFF : 1, 2) +
                          little(layout.zip64 ? see64 : directory.size(), 4) +
                          little(layout.zip64 ? see64 : local.size(), 4) + little(0, 2);
  return local + directory + tail + end;
}

template <typename Call>
std::string fault(Call&& call) {
  try {
    call();
  } catch (const ReadFault& error) {
    return error.what();
  }
  return "(no fault)";
}

}  // namespace

TEST_CASE("ZipReader reads records of plain and of zip64 directories", "[io]") {
  const TemporaryFolder folder;
  for (const bool zip64 : {false, true}) {
    ZipReader zip(write_file(folder / "x.zip", zip_bytes("top/a/b", "hello", {.zip64 = zip64})));
    const std::string* name = zip.find("a/b");
    REQUIRE(name != nullptr);
    CHECK(*name == "top/a/b");
    CHECK(zip.size(*name) == 5);
    CHECK(zip.read(*name) == "hello");
    CHECK(zip.find("b") == nullptr);
    CHECK(zip.names() == std::vector<std::string>{"top/a/b"});
    CHECK(fault([&] { zip.read("none"); }) == "it has no record none");
  }
}

TEST_CASE("ZipReader finds a directory that a comment follows", "[io]") {
  const TemporaryFolder folder;
  ZipReader zip(write_file(folder / "x.zip", zip_bytes("top/a", "hello") + std::string(900, ' ')));
  CHECK(zip.read("top/a") == "hello");
}

TEST_CASE("ZipReader says why it refuses a file", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "x.zip";
  const auto read_fault = [&](const std::string& bytes) {
    return fault([&] {
      ZipReader zip(write_file(path, bytes));
      zip.read("top/a");
    });
  };
  const std::string whole = zip_bytes("top/a", "hello");
  CHECK(read_fault(whole) == "(no fault)");
  CHECK(read_fault("") == "it does not start as a zip file does");
  CHECK(read_fault("\x80\x02}.") == "it does not start as a zip file does");
  CHECK(read_fault("\x1F\x8B\x08") ==
        "it does not start as a zip file does; it is gzip data, unpack it first");
  CHECK(read_fault("\x93NUMPY\x01") ==
        "it does not start as a zip file does; it is a NumPy file, convert it first");
  CHECK(read_fault(whole.substr(0, whole.size() - 1)) == "it ends without a zip directory");
  CHECK(read_fault("PK" + whole.substr(40)).find("its zip directory") == 0);
  CHECK(read_fault(zip_bytes("top/a", "hello", {.method = 12})) ==
        "its record top/a is compressed by method 12, which is not supported");
  CHECK(read_fault(zip_bytes("top/a", "hello", {.declared_size = 100})) ==
        "its record top/a reaches past its end");
  CHECK(read_fault(zip_bytes("top/a", "hello", {.zip64 = true, .declared_size = ~uint64_t{0}})) ==
        "its record top/a reaches past its end");
  CHECK(read_fault(zip_bytes("top/a", "hello", {.header_shift = 3})) ==
        "its record top/a is damaged");
  CHECK(read_fault(zip_bytes("top/a", "hello", {.zip64 = true, .header_shift = ~uint64_t{0}})) ==
        "its zip directory points past its end");
  const size_t entry = whole.find("PK\1\2");
  const size_t entry_size = whole.find("PK\5\6") - entry;
  // Two entries for the same bytes, which are more than half of the file.
  std::string large = zip_bytes("top/a", std::string(400, 'x'));
  const size_t large_entry = large.find("PK\1\2");
  large.insert(large_entry, large.substr(large_entry, entry_size));
  const size_t large_end = large.find("PK\5\6");
  large[large_end + 10] = 2;
  large.replace(large_end + 12, 4, little(2 * entry_size, 4));
  CHECK(read_fault(large) == "its records overlap");
  // A stored record has the bytes that it declares, so that records cannot share them.
  std::string shared = whole;
  shared.replace(entry + 20, 4, little(0, 4));
  CHECK(read_fault(shared) == "its record top/a declares 5 bytes but stores 0");
  std::string secret = whole;
  secret[entry + 8] = 1;
  CHECK(read_fault(secret) == "its record top/a is encrypted");
  std::string changed = whole;
  changed[changed.find("hello")] = 'j';
  CHECK(read_fault(changed) == "the check sum of its record top/a is wrong");
}
