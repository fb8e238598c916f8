#include <ladder/io/safetensors.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/python.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

using ladder::io::load_safetensors;
using ladder::io::save_safetensors;
using ladder::io::TensorMap;
using ladder::testing::error_text;
using ladder::testing::file_bytes;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;

namespace {

TensorMap one_of_each_safetensors_type() {
  torch::manual_seed(5);
  const torch::Tensor big = torch::randn({40, 30});
  return {
      {"bfloat16", torch::randn({3, 2}).to(torch::kBFloat16)},
      {"bool", torch::tensor({true, false, true})},
      {"columns", big.t()},
      {"empty", torch::zeros({0, 5})},
      {"float64", torch::randn({7}, torch::kFloat64)},
      {"half", torch::randn({7}).to(torch::kHalf)},
      {"int16", torch::tensor({-3, 300}, torch::kInt16)},
      {"int32", torch::arange(4, torch::kInt32)},
      {"int64", torch::tensor({std::numeric_limits<int64_t>::min(), int64_t{1} << 62})},
      {"int8", torch::tensor({-128, 127}, torch::kInt8)},
      {"layer.0.weight", big},
      {"name with spaces \xC3\xA9 \"quoted\"", torch::ones({1, 1, 1, 2})},
      {"not finite", torch::tensor({INFINITY, -INFINITY})},
      {"part", big.slice(0, 3, 5).requires_grad_()},
      {"scalar", torch::tensor(2.5)},
      {"uint8", torch::tensor({0, 255}, torch::kUInt8)},
  };
}

void check_same_tensors(const TensorMap& loaded, const TensorMap& saved) {
  REQUIRE(loaded.size() == saved.size());
  for (const auto& [name, tensor] : saved) {
    CAPTURE(name);
    REQUIRE(loaded.contains(name));
    const torch::Tensor& other = loaded.at(name);
    CHECK(other.scalar_type() == tensor.scalar_type());
    CHECK(other.sizes() == tensor.sizes());
    CHECK_FALSE(other.requires_grad());
    CHECK(torch::equal(other, tensor));
  }
}

std::string with_header(const std::string& header, const std::string& data = "") {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(header.size() >> (8 * i)));
  return bytes + header + data;
}

}  // namespace

TEST_CASE("save_safetensors and load_safetensors keep values, sizes, types and texts", "[io]") {
  const TemporaryFolder folder;
  const auto saved = one_of_each_safetensors_type();
  const std::map<std::string, std::string> texts = {{"format", "pt"},
                                                    {"about", "a\nb \xE2\x82\xAC"}};
  save_safetensors(folder / "a.safetensors", saved, texts);
  const auto loaded = load_safetensors(folder / "a.safetensors");
  check_same_tensors(loaded.tensors, saved);
  CHECK(loaded.metadata == texts);
  save_safetensors(folder / "b.safetensors", loaded.tensors, texts);
  CHECK(file_bytes(folder / "a.safetensors") == file_bytes(folder / "b.safetensors"));

  save_safetensors(folder / "none.safetensors", {});
  CHECK(load_safetensors(folder / "none.safetensors").tensors.empty());
}

TEST_CASE("Python's safetensors reads what save_safetensors wrote, and the reverse", "[io][slow]") {
  if (!ladder::testing::python("safetensors") || !ladder::testing::python("torch")) {
    LADDER_SKIP(ladder::testing::kNoPython);
  }
  const TemporaryFolder folder;
  const auto saved = one_of_each_safetensors_type();
  save_safetensors(folder / "ours.safetensors", saved, {{"format", "pt"}, {"note", "n \xC3\xA9"}});
  const auto outcome = ladder::testing::run_python(R"(
import os, sys, torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
os.chdir(sys.argv[1])
d = load_file("ours.safetensors")
assert len(d) == 16, d.keys()
big = d["layer.0.weight"]
assert big.shape == (40, 30) and big.dtype == torch.float32
assert torch.equal(d["columns"], big.t()) and torch.equal(d["part"], big[3:5])
assert d["bfloat16"].dtype == torch.bfloat16 and d["half"].dtype == torch.float16
assert d["bool"].tolist() == [True, False, True]
assert d["empty"].shape == (0, 5)
assert d["float64"].dtype == torch.float64
assert d["int16"].tolist() == [-3, 300] and d["int32"].tolist() == [0, 1, 2, 3]
assert d["int64"].tolist() == [-2**63, 2**62]
assert d["int8"].tolist() == [-128, 127] and d["uint8"].tolist() == [0, 255]
assert d["name with spaces \u00e9 \"quoted\""].shape == (1, 1, 1, 2)
assert d["not finite"].tolist() == [float("inf"), -float("inf")]
assert d["scalar"].shape == () and d["scalar"].item() == 2.5
with safe_open("ours.safetensors", "pt") as f:
    assert f.metadata() == {"format": "pt", "note": "n \u00e9"}, f.metadata()
d["columns"] = d["columns"].contiguous()
save_file(d, "theirs.safetensors", {"by": "Python"})
save_file({"w": torch.ones(2).to(torch.float8_e4m3fn)}, "float8.safetensors")
)",
                                                   {folder.path().string()});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const auto theirs = load_safetensors(folder / "theirs.safetensors");
  check_same_tensors(theirs.tensors, saved);
  CHECK(theirs.metadata == std::map<std::string, std::string>{{"by", "Python"}});
  CHECK(error_text([&] { load_safetensors(folder / "float8.safetensors"); }) ==
        "load_safetensors: expected a whole .safetensors file but got a truncated, damaged or "
        "foreign one at " +
            (folder / "float8.safetensors").string() +
            " (\"w\" has the unknown type \"F8_E4M3\").");
}

TEST_CASE("save_safetensors refuses what the format does not hold", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "x.safetensors";
  const auto saving = [&](const TensorMap& tensors, std::map<std::string, std::string> texts = {}) {
    return error_text([&] { save_safetensors(path, tensors, texts); });
  };
  CHECK(saving({{"a", torch::Tensor()}}) ==
        "save_safetensors: expected a tensor named \"a\" but got an undefined one.");
  CHECK(saving({{"a", torch::ones({2}).to_sparse()}}) ==
        "save_safetensors: expected a dense tensor named \"a\" but got a sparse one.");
  CHECK(saving({{"a", torch::zeros({1}, torch::kComplexFloat)}}) ==
        "save_safetensors: expected a real, integer or bool type for \"a\" but got ComplexFloat "
        "(convert it first).");
  CHECK(saving({{"__metadata__", torch::ones({1})}}) ==
        "save_safetensors: expected names other than \"__metadata__\", which the format reserves "
        "for texts.");
  const std::string not_utf8 = "save_safetensors: expected names and texts in UTF-8 for " +
                               path.string() + " but got other bytes.";
  CHECK(saving({{"a\xFF", torch::ones({1})}}) == not_utf8);
  CHECK(saving({}, {{"a", "\xC3"}}) == not_utf8);
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("load_safetensors says what is wrong with a file", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "x.safetensors";
  const std::string before =
      "load_safetensors: expected a whole .safetensors file but got a truncated, damaged or "
      "foreign "
      "one at " +
      path.string() + " (";
  const auto fault = [&](const std::string& bytes) {
    write_file(path, bytes);
    const auto text = error_text([&] { load_safetensors(path); });
    if (!text.starts_with(before)) return text;
    return text.substr(before.size(), text.size() - before.size() - 2);
  };
  const auto one = [&](const std::string& description, size_t bytes = 8) {
    return fault(with_header("{\"w\":" + description + "}", std::string(bytes, '\0')));
  };
  const auto data = [](const std::string& type, const std::string& shape, const std::string& at) {
    return "{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + at + "}";
  };
  REQUIRE(one(data("F32", "[2]", "[0,8]")) == "(no error)");

  CHECK(fault("") == "it has less than 8 bytes");
  CHECK(fault(std::string("\x03\0\0\0\0\0\0\0{}", 10)) == "its header should have 3 bytes of 2");
  CHECK(fault(std::string(8, '\xFF')) == "its header should have 18446744073709551615 bytes of 0");
  CHECK(fault(with_header("")) == "its header is not a JSON object");
  CHECK(fault(with_header("[1]")) == "its header is not a JSON object");
  CHECK(fault(with_header("{\"w\":")) == "its header is not a JSON object");
  CHECK(fault(with_header("{} x")) == "its header is not a JSON object");
  CHECK(fault(with_header("{\"\xFF\":{}}")) == "its header is not a JSON object");
  CHECK(fault(with_header("{\"w\":[[[[]]]]}")) == "its header has too many levels");
  CHECK(fault(with_header("{\"w\":{\"a\":1,\"a\":2}}")) == "its header has \"a\" twice");
  CHECK(fault(with_header("{\"w\":" + data("F32", "[0]", "[0,0]") + ",\"w\":" +
                          data("F32", "[0]", "[0,0]") + "}")) == "its header has \"w\" twice");
  CHECK(fault(with_header("{\"__metadata__\":[]}")) == "its metadata is not a JSON object");
  CHECK(fault(with_header("{\"__metadata__\":{\"a\":1}}")) == "its metadata \"a\" is not a text");

  CHECK(one("7") == "\"w\" is not described by an object");
  CHECK(one("{}") == "\"w\" has no text \"dtype\"");
  CHECK(one(data("F31", "[2]", "[0,8]")) == "\"w\" has the unknown type \"F31\"");
  CHECK(one("{\"dtype\":\"F32\",\"shape\":[2]}") == "\"w\" has no array \"data_offsets\"");
  CHECK(one("{\"dtype\":\"F32\",\"data_offsets\":[0,8]}") == "\"w\" has no array \"shape\"");
  CHECK(one(data("F32", "[2]", "[0]")) == "\"w\" has other than two data_offsets");
  CHECK(one(data("F32", "[2]", "[0,8.0]")) ==
        "\"w\" has something other than counts in \"data_offsets\"");
  CHECK(one(data("F32", "[-2]", "[0,8]")) == "\"w\" has something other than counts in \"shape\"");
  CHECK(one(data("F32", "[2]", "[8,0]")) == "\"w\" is at bytes 8 to 0 of 8");
  CHECK(one(data("F32", "[2]", "[8,16]")) == "\"w\" is at bytes 8 to 16 of 8");
  CHECK(one(data("F32", "[3]", "[0,8]")) == "\"w\" has 8 bytes for F32 [3]");
  CHECK(one(data("F32", "[0,4294967296]", "[0,8]")) == "\"w\" has 8 bytes for F32 [0, 4294967296]");
  // Products that wrap around to the size of the data, or to 0.
  CHECK(one(data("U8", "[4294967296,4294967296,8]", "[0,8]")) ==
        "\"w\" has a shape that no memory holds");
  CHECK(one(data("F32", "[4611686018427387906]", "[0,8]")) ==
        "\"w\" has a shape that no memory holds");
  CHECK(one(data("F32", "[18446744073709551615]", "[0,8]")) ==
        "\"w\" has a shape that no memory holds");
  CHECK(one(data("U8", "[" + std::string(30, '1') + "]", "[0,8]")) ==
        "\"w\" has something other than counts in \"shape\"");
  std::string ones = "1";
  for (int i = 0; i < 64; ++i) ones += ",1";
  CHECK(one(data("U8", "[" + ones + "]", "[0,1]"), 1) == "\"w\" has 65 dimensions");
  CHECK(one(data("BOOL", "[2]", "[0,2]"), 2) == "(no error)");
  CHECK(fault(with_header("{\"w\":" + data("BOOL", "[2]", "[0,2]") + "}", "\x01\x02")) ==
        "\"w\" has bytes other than 0 and 1 for BOOL");

  const auto two = [&](const std::string& a, const std::string& b, size_t bytes) {
    return fault(
        with_header("{\"a\":" + data("U8", "[4]", a) + ",\"b\":" + data("U8", "[4]", b) + "}",
                    std::string(bytes, '\0')));
  };
  REQUIRE(two("[4,8]", "[0,4]", 8) == "(no error)");
  CHECK(two("[0,4]", "[3,7]", 7) == "\"b\" overlaps the tensor before it");
  CHECK(two("[0,4]", "[0,4]", 4) == "\"b\" overlaps the tensor before it");
  CHECK(two("[0,4]", "[5,9]", 9) == "nothing describes its bytes before \"b\"");
  CHECK(two("[0,4]", "[4,8]", 9) == "its tensors take 8 of 9 bytes");

  CHECK(error_text([&] { load_safetensors(folder / "absent"); }) ==
        "load_safetensors: expected a .safetensors file but got no file at " +
            (folder / "absent").string() + " (check the path).");
  CHECK(error_text([&] { load_safetensors(folder.path()); }) ==
        "load_safetensors: expected a .safetensors file but got a folder at " +
            folder.path().string() + ".");
}

TEST_CASE("load_safetensors reads a file cut or changed at any byte as data or not at all",
          "[io]") {
  const TemporaryFolder folder;
  save_safetensors(folder / "whole",
                   {{"a", torch::arange(6).reshape({2, 3})}, {"b", torch::tensor({true, false})}},
                   {{"format", "pt"}});
  const std::string whole = file_bytes(folder / "whole");
  const auto path = folder / "damaged";
  for (size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    write_file(path, whole.substr(0, length));
    REQUIRE(error_text([&] {
              load_safetensors(path);
            }).rfind("load_safetensors: expected a whole .safetensors file", 0) == 0);
  }
  // A flipped bit inside of a value, a name or a text is another file of the same form.
  size_t refused = 0;
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    CAPTURE(bit);
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    write_file(path, bytes);
    try {
      const auto loaded = load_safetensors(path);
      REQUIRE(loaded.tensors.size() + loaded.metadata.size() <= 3);
    } catch (const c10::Error& error) {
      ++refused;
      REQUIRE(std::string(error.what_without_backtrace()).rfind("load_safetensors: ", 0) == 0);
    }
  }
  // The length, and all of the header that is neither a name nor a text nor trailing blanks.
  CHECK(refused > 8 * (8 + 100));
}
