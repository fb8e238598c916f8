#include <ladder/data/npy.h>
#include <tests/data/idx_files.h>
#include <tests/data/npy_files.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/python.h>
#include <tests/support/require_close.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using ladder::data::read_npy;
using ladder::data::read_npz;
using ladder::testing::deflated_zip;
using ladder::testing::error_text;
using ladder::testing::file_bytes;
using ladder::testing::require_equal;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;
using std::string_literals::operator""s;

namespace {

// Bytes of an .npy file of version `major`.0.
std::string npy_bytes(const std::string& header, const std::string& values, int major = 1) {
  const size_t size = header.size();
  std::string bytes = "\x93NUMPY" + std::string(1, static_cast<char>(major)) + '\0';
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i) bytes += static_cast<char>(size >> (8 * i) & 0xFF);
  return bytes + header + values;
}

std::string dict(const std::string& descr, const std::string& shape, bool fortran = false) {
  return "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") +
         ", 'shape': " + shape + ", }    \n";
}

template <typename Value>
std::string bytes_of(const std::vector<Value>& values) {
  std::string bytes(values.size() * sizeof(Value), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

torch::Tensor array_of(const std::string& bytes) {
  const TemporaryFolder folder;
  return read_npy(write_file(folder / "x.npy", bytes));
}

std::string npy_error(const std::string& bytes) {
  const TemporaryFolder folder;
  const std::string path = write_file(folder / "x.npy", bytes).string();
  std::string text = error_text([&] { read_npy(path); });
  const size_t at = text.find(path);
  if (at != std::string::npos) text.replace(at, path.size(), "x.npy");
  return text;
}

std::string npz_error(const std::string& bytes) {
  const TemporaryFolder folder;
  const std::string path = write_file(folder / "x.npz", bytes).string();
  std::string text = error_text([&] { read_npz(path); });
  const size_t at = text.find(path);
  if (at != std::string::npos) text.replace(at, path.size(), "x.npz");
  return text;
}

}  // namespace

TEST_CASE("read_npy reads every type, version, byte order and layout", "[data]") {
  const torch::Tensor expected = torch::tensor({{1, 2, 3}, {4, 5, 6}}, torch::kInt64);
  const std::vector<double> values = {1, 2, 3, 4, 5, 6};
  for (const int major : {1, 2, 3}) {
    require_equal(array_of(npy_bytes(dict("<f8", "(2, 3)"), bytes_of(values), major)),
                  expected.to(torch::kDouble));
  }
  const std::vector<double> by_column = {1, 4, 2, 5, 3, 6};
  const torch::Tensor fortran =
      array_of(npy_bytes(dict("<f8", "(2, 3)", true), bytes_of(by_column)));
  CHECK(fortran.is_contiguous());
  require_equal(fortran, expected.to(torch::kDouble));
  require_equal(array_of(npy_bytes(dict(">i2", "(2, 3)"), "\0\1\0\2\0\3\0\4\0\5\0\6"s)),
                expected.to(torch::kInt16));
  require_equal(array_of(npy_bytes(dict("|i1", "(2, 3)"), "\1\2\3\4\5\6")),
                expected.to(torch::kInt8));
  require_equal(array_of(npy_bytes(dict("|u1", "(2, 3)"), "\1\2\3\4\5\6")),
                expected.to(torch::kUInt8));
  require_equal(array_of(npy_bytes(dict("<u2", "(2,)"), "\xFF\xFF\1\0"s)),
                torch::tensor({65535, 1}, torch::kInt32));
  require_equal(array_of(npy_bytes(dict(">u4", "(1,)"), "\xFF\xFF\xFF\xFE")),
                torch::tensor({4294967294}, torch::kInt64));
  require_equal(array_of(npy_bytes(dict("<u8", "(1,)"), bytes_of<uint64_t>({5}))),
                torch::tensor({5}, torch::kInt64));
  require_equal(array_of(npy_bytes(dict("|b1", "(3,)"), "\0\1\1"s)).to(torch::kInt32),
                torch::tensor({0, 1, 1}, torch::kInt32));
  require_equal(array_of(npy_bytes(dict("<f2", "(2,)"), "\x00\x3C\x00\xC0"s)),
                torch::tensor({1, -2}, torch::kHalf));
  require_equal(array_of(npy_bytes(dict("<f4", "()"), bytes_of<float>({2.5F}))),
                torch::tensor(2.5F));
  CHECK(array_of(npy_bytes(dict("<f4", "(0, 5)"), "")).sizes().vec() == std::vector<int64_t>{0, 5});
}

TEST_CASE("read_npy takes the headers of other writers", "[data]") {
  const std::string values = bytes_of<float>({1, 2});
  for (const char* header :
       {"{\"shape\":(2L,),\"descr\":\"<f4\",\"fortran_order\":False}",
        "{ 'fortran_order' : False , 'shape' : ( 2 , ) , 'descr' : '=f4' }\n"}) {
    INFO(header);
    require_equal(array_of(npy_bytes(header, values)), torch::tensor({1.F, 2.F}));
  }
}

TEST_CASE("read_npy says why it refuses a file", "[data]") {
  const TemporaryFolder folder;
  const std::string none = (folder / "none").string();
  CHECK(error_text([&] { read_npy(none); }) ==
        "read_npy: expected a NumPy file but got no file at " + none + " (check the path).");
  const std::string dir = folder.path().string();
  CHECK(error_text([&] { read_npy(dir); }) ==
        "read_npy: expected a file but got a folder at " + dir + " (give the path of a file).");

  CHECK(npy_error("") == "read_npy: expected a NumPy array but got an empty file at x.npy.");
  CHECK(npy_error("\x80\x02}q") ==
        "read_npy: expected a NumPy array but got something else in x.npy.");
  CHECK(npy_error("PK\3\4....") ==
        "read_npy: expected a NumPy array but got a zip archive in x.npy (unpack it first).");
  CHECK(npy_error(npy_bytes(dict("<f4", "(1,)"), "1234", 4)) ==
        "read_npy: expected version 1.0 to 3.0 of NumPy's format but got 4.0 in x.npy.");
  CHECK(npy_error("\x93NUMPY\2\0\xFF\xFF\xFF\xFF{"s) ==
        "read_npy: expected a header of at most 65536 bytes but got one of 4294967295 in x.npy.");
  CHECK(npy_error("\x93NUMPY\1\0\x80\0{'descr'"s) ==
        "read_npy: expected a header of 138 bytes but got 18 bytes in x.npy (it is truncated).");
  CHECK(npy_error("\x93NUMPY\1") ==
        "read_npy: expected a header of 10 bytes but got 7 bytes in x.npy (it is truncated).");
  const std::string damaged =
      "read_npy: expected a header {'descr': ..., 'fortran_order': ..., 'shape': ...} but got a "
      "damaged one in x.npy (save the array again).";
  for (const char* header :
       {"", "{", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,",
        "{'descr': '<f4', 'fortran_order': no, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}", "{descr: '<f4'}"}) {
    INFO(header);
    CHECK(npy_error(npy_bytes(header, "1234")) == damaged);
  }
  CHECK(npy_error(npy_bytes(dict("<f4", "(3, 2)"), "1234")) ==
        "read_npy: expected 24 bytes of values for the shape [3, 2] but got 4 in x.npy (it is "
        "truncated).");
  CHECK(npy_error(npy_bytes(dict("<f4", "(1,)"), "12345")) ==
        "read_npy: expected 4 bytes of values for the shape [1] but got 5 in x.npy (it holds "
        "more).");
  CHECK(npy_error(npy_bytes(dict("<f4", "(4611686018427387904, 4611686018427387904)"), "1234")) ==
        "read_npy: expected an array that fits into memory but got the shape [4611686018427387904, "
        "4611686018427387904] in x.npy.");
  std::string many = "(";
  for (int d = 0; d < 33; ++d) many += "1,";
  CHECK(npy_error(npy_bytes(dict("<f4", many + ")"), "1234")) ==
        "read_npy: expected at most 32 dimensions but got more in x.npy.");
  CHECK(
      npy_error(npy_bytes(dict("<u8", "(1,)"), std::string(8, '\xFF'))) ==
      "read_npy: expected unsigned numbers of at most 2^63 - 1 but got larger ones in x.npy (save "
      "them as float64).");
}

TEST_CASE("read_npy names the types that are no real numbers", "[data]") {
  const std::vector<std::pair<std::string, std::string>> types = {
      {"|O", "Python objects"},
      {"<U5", "texts"},
      {"|S3", "texts"},
      {"<c8", "complex numbers"},
      {"<M8[ns]", "dates"},
      {"<m8[s]", "dates"},
      {"|V4", "records"},
      {"<f16", "values of another type"},
      {"<f3", "values of another type"},
      {"<b2", "values of another type"},
      {"x", "values of another type"}};
  for (const auto& [type, noun] : types) {
    INFO(type);
    const bool are_names = noun == "texts" || noun == "Python objects";
    CHECK(npy_error(npy_bytes(dict(type, "(1,)"), "1234")) ==
          "read_npy: expected real numbers but got " + noun + " (" + type + ") in x.npy (" +
              (are_names ? "save labels as numbers, as numpy.unique(y, return_inverse=True)[1] "
                           "makes them)."
                         : "save them as numbers, as array.astype(float) makes them)."));
  }
  CHECK(npy_error(npy_bytes("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}",
                            "1234")) ==
        "read_npy: expected real numbers but got records in x.npy (save each field as an array of "
        "its own).");
}

TEST_CASE("read_npz says why it refuses a file", "[data]") {
  const std::string array = npy_bytes(dict("<f4", "(2, 3)"), bytes_of<float>({1, 2, 3, 4, 5, 6}));
  {
    const TemporaryFolder folder;
    const auto arrays = read_npz(write_file(folder / "x.npz", deflated_zip("a.npy", array)));
    require_equal(arrays.at("a"), torch::tensor({{1.F, 2.F, 3.F}, {4.F, 5.F, 6.F}}));
  }
  CHECK(npz_error("") == "read_npz: expected NumPy arrays but got an empty file at x.npz.");
  CHECK(
      npz_error(array) ==
      "read_npz: expected NumPy arrays in x.npz but it does not start as a zip file does; it is a "
      "NumPy file, convert it first.");
  CHECK(npz_error("PK\5\6" + std::string(18, '\0')) ==
        "read_npz: expected NumPy arrays but got an empty archive at x.npz.");
  CHECK(npz_error(deflated_zip("a.npy", array.substr(0, array.size() - 1))) ==
        "read_npz: expected 24 bytes of values for the shape [2, 3] but got 23 in array 'a' of "
        "x.npz (it is truncated).");
  CHECK(npz_error(deflated_zip("a.txt", "some text")) ==
        "read_npz: expected a NumPy array but got text that begins with \"some text\" in array "
        "'a.txt' of x.npz (is it another file of the same name?).");
  CHECK(
      npz_error(deflated_zip("a.npy", array, array.size() - 1)) ==
      "read_npz: expected NumPy arrays in x.npz but its record a.npy is not the deflated data of " +
          std::to_string(array.size() - 1) + " bytes.");
  // A record that would unpack to a gigabyte is refused before memory is allocated.
  const std::string bomb = deflated_zip("a.npy", array, 1'000'000'000);
  CHECK(npz_error(bomb) ==
        "read_npz: expected NumPy arrays in x.npz but its record a.npy declares 1000000000 bytes, "
        "more than its " +
            std::to_string(ladder::testing::deflate_bytes(array, -MAX_WBITS).size()) +
            " compressed bytes can hold.");
  std::string changed = deflated_zip("a.npy", array);
  const size_t directory = changed.find("PK\1\2");
  changed[directory + 16] ^= 1;  // of the check sum
  CHECK(npz_error(changed) ==
        "read_npz: expected NumPy arrays in x.npz but the check sum of its record a.npy is wrong.");
}

TEST_CASE("read_npy and read_npz agree with NumPy", "[data][python]") {
  if (!ladder::testing::python("numpy")) LADDER_SKIP(ladder::testing::kNoPython);
  const TemporaryFolder folder;
  // Each array is written in many ways, and its values as little-endian float64 in C order.
  const auto outcome = ladder::testing::run_python(
      R"(
import sys, numpy as np
folder = sys.argv[1]
rng = np.random.default_rng(3)
shapes = [(), (1,), (0, 4), (7,), (3, 5), (2, 3, 4), (2, 1, 3, 2)]
types = "b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split()
arrays, names = {}, []
for t in types:
    for s, shape in enumerate(shapes):
        for order in "<>":
            for layout in "CF":
                limits = (0, 2) if t == "b1" else (0, 200) if t[0] == "u" else (-100, 100)
                x = rng.integers(*limits, size=shape)
                if t[0] == "f":
                    x = x / 8
                x = np.asarray(x, dtype=order + t, order=layout)
                name = f"{t}-{s}-{'little' if order == '<' else 'big'}-{layout}"
                names.append(name)
                arrays[name] = x
                np.save(f"{folder}/{name}.npy", x)
                np.ascontiguousarray(x, dtype="<f8").tofile(f"{folder}/{name}.raw")
np.savez(f"{folder}/stored.npz", **arrays)
np.savez_compressed(f"{folder}/deflated.npz", **arrays)
open(f"{folder}/names", "w").write("\n".join(names) + "\n")
)",
      {folder.path().string()});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const auto stored = read_npz(folder / "stored.npz");
  const auto compressed = read_npz(folder / "deflated.npz");
  std::istringstream names(file_bytes(folder / "names"));
  size_t count = 0;
  for (std::string name; std::getline(names, name); ++count) {
    INFO(name);
    const torch::Tensor array = read_npy(folder / (name + ".npy"));
    const std::string raw = file_bytes(folder / (name + ".raw"));
    REQUIRE(raw.size() == static_cast<size_t>(array.numel()) * sizeof(double));
    const torch::Tensor expected =
        torch::from_blob(const_cast<char*>(raw.data()), array.sizes(), torch::kDouble);
    REQUIRE(torch::equal(array.to(torch::kDouble), expected));
    for (const auto* arrays : {&stored, &compressed}) {
      REQUIRE(arrays->count(name) == 1);
      REQUIRE(arrays->at(name).scalar_type() == array.scalar_type());
      REQUIRE(torch::equal(arrays->at(name), array));
      REQUIRE(arrays->at(name).is_contiguous());
    }
  }
  CHECK(count == 12 * 7 * 4);
  CHECK(stored.size() == count);
}
