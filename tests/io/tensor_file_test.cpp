#include <ladder/io/tensor_file.h>
#include <tests/data/npy_files.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/paths.h>
#include <tests/support/python.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

#include <filesystem>
#include <string>

namespace fs = std::filesystem;
using ladder::io::load_tensors;
using ladder::io::save_tensors;
using ladder::io::tensor_text;
using ladder::io::TensorMap;
using ladder::io::text_tensor;
using ladder::testing::error_text;
using ladder::testing::file_bytes;
using ladder::testing::fixture_folder;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;

namespace {

TensorMap one_of_each() {
  torch::manual_seed(11);
  const torch::Tensor big = torch::randn({40, 30});
  return {
      {"bfloat16", torch::randn({3, 2}).to(torch::kBFloat16)},
      {"bool", torch::tensor({true, false, true})},
      {"columns", big.t()},
      {"complex", torch::randn({2, 2}, torch::kComplexFloat)},
      {"empty", torch::zeros({0, 5})},
      {"float64", torch::randn({7}, torch::kFloat64)},
      {"half", torch::randn({7}).to(torch::kHalf)},
      {"int32", torch::arange(4, torch::kInt32)},
      {"int64",
       torch::tensor({std::numeric_limits<int64_t>::min(), int64_t{-1}, int64_t{1} << 62})},
      {"layer.0.weight", big},
      {"name with spaces \xC3\xA9", torch::ones({1, 1, 1, 2})},
      {"not finite", torch::tensor({INFINITY, -INFINITY})},
      {"part", big.slice(0, 3, 5)},
      {"scalar", torch::tensor(2.5)},
      {"text", text_tensor("two\nlines \xE2\x82\xAC")},
  };
}

void check_same(const TensorMap& loaded, const TensorMap& saved) {
  REQUIRE(loaded.size() == saved.size());
  for (const auto& [name, tensor] : saved) {
    CAPTURE(name);
    REQUIRE(loaded.count(name) == 1);
    const torch::Tensor& other = loaded.at(name);
    CHECK(other.scalar_type() == tensor.scalar_type());
    CHECK(other.sizes() == tensor.sizes());
    CHECK(other.is_contiguous());
    CHECK(other.device().is_cpu());
    CHECK_FALSE(other.requires_grad());
    CHECK(torch::equal(other, tensor));
  }
}

}  // namespace

TEST_CASE("save_tensors and load_tensors keep values, sizes and types", "[io]") {
  const TemporaryFolder folder;
  const TensorMap saved = one_of_each();
  save_tensors(folder / "all.pt", saved);
  check_same(load_tensors(folder / "all.pt"), saved);

  save_tensors(folder / "none.pt", {});
  CHECK(load_tensors(folder / "none.pt").empty());
}

TEST_CASE("save_tensors writes the same bytes for the same tensors", "[io]") {
  const TemporaryFolder folder;
  save_tensors(folder / "a.pt", one_of_each());
  save_tensors(folder / "b.pt", one_of_each());
  CHECK(file_bytes(folder / "a.pt") == file_bytes(folder / "b.pt"));
}

TEST_CASE("save_tensors writes a view without the rest of its storage", "[io]") {
  const TemporaryFolder folder;
  save_tensors(folder / "part.pt", {{"part", torch::zeros({1000, 1000}).slice(0, 7, 8)}});
  CHECK(fs::file_size(folder / "part.pt") < 10000);
}

TEST_CASE("load_tensors returns tensors of their own that can be changed", "[io]") {
  const TemporaryFolder folder;
  const torch::Tensor shared = torch::ones({3}).requires_grad_();
  save_tensors(folder / "x.pt", {{"a", shared}, {"b", shared}});
  const TensorMap loaded = load_tensors(folder / "x.pt");
  loaded.at("a").add_(1);
  CHECK(loaded.at("a").sum().item<float>() == 6.0f);
  CHECK(loaded.at("b").sum().item<float>() == 3.0f);
}

TEST_CASE("text_tensor and tensor_text are inverse", "[io]") {
  const std::string binary("a\0\xFF", 3);
  CHECK(tensor_text(text_tensor(binary)) == binary);
  CHECK(tensor_text(text_tensor("")).empty());
  CHECK(text_tensor("ab").sizes() == torch::IntArrayRef({2}));
  CHECK(error_text([] { tensor_text(torch::zeros({2})); }) ==
        "tensor_text: expected uint8 [bytes] but got Float [2].");
  CHECK(error_text([] { tensor_text(torch::Tensor()); }) ==
        "tensor_text: expected uint8 [bytes] but got an undefined tensor.");
}

TEST_CASE("save_tensors says which tensor it cannot write", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "x.pt";
  CHECK(error_text([&] {
          save_tensors(path, {{"w", torch::Tensor()}});
        }) == "save_tensors: expected a tensor named \"w\" but got an undefined one.");
  CHECK(error_text([&] {
          save_tensors(path, {{"w", torch::eye(3).to_sparse()}});
        }) == "save_tensors: expected a dense tensor named \"w\" but got a sparse one.");
  CHECK_FALSE(fs::exists(path));
  CHECK(error_text([&] {
          save_tensors(folder / "none/x.pt", {});
        }).find("write_atomically: expected the folder " + (folder / "none").string()) == 0);
}

TEST_CASE("load_tensors names a file that is missing, foreign or damaged", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "x.pt";
  const std::string name = path.string();
  const auto load_error = [&] { return error_text([&] { load_tensors(path); }); };
  const std::string damaged =
      "load_tensors: expected a whole .pt file but got a truncated, damaged or foreign one at " +
      name + " (";

  CHECK(load_error() ==
        "load_tensors: expected a .pt file but got no file at " + name + " (check the path).");
  fs::create_directory(path);
  CHECK(load_error() == "load_tensors: expected a .pt file but got a folder at " + name + ".");
  fs::remove(path);

  for (const std::string& bytes : {std::string(), std::string("PK\3\4"), std::string(5000, 'x')}) {
    write_file(path, bytes);
    const std::string text = load_error();
    CHECK(text.rfind(damaged, 0) == 0);
    CHECK(text.find('\n') == std::string::npos);
  }

  save_tensors(path, one_of_each());
  const std::string whole = file_bytes(path);
  for (const size_t size : {whole.size() / 3, whole.size() - 1}) {
    write_file(path, whole.substr(0, size));
    CHECK(load_error().rfind(damaged, 0) == 0);
  }
}

TEST_CASE("load_tensors reads a compressed pickle of up to a MiB", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "x.pt";
  const std::string pickle = "\x80\x02}.";  // an empty dictionary
  write_file(path, ladder::testing::deflated_zip("x/data.pkl", pickle));
  CHECK(load_tensors(path).empty());
  // Tuples that nothing holds: each takes more memory than its byte.
  const std::string many = "\x80\x02}" + std::string(size_t{1} << 20, ')') + ".";
  write_file(path, ladder::testing::deflated_zip("x/data.pkl", many));
  CHECK(error_text([&] { load_tensors(path); }) ==
        "load_tensors: expected a whole .pt file but got a truncated, damaged or foreign one at " +
            path.string() + " (its record x/data.pkl is compressed and has 1048580 bytes, more " +
            "than 1048576).");
}

TEST_CASE("load_tensors notices changed bytes of a tensor", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "x.pt";
  save_tensors(path, {{"w", torch::full({64}, 1.5)}});
  std::string bytes = file_bytes(path);
  const std::string value("\0\0\xC0\x3F", 4);
  const size_t at = bytes.find(value + value);
  REQUIRE(at != std::string::npos);
  bytes[at + 2] = '\x40';
  write_file(path, bytes);
  CHECK(error_text([&] { load_tensors(path); }) ==
        "load_tensors: expected a readable tensor \"w\" in " + path.string() +
            " but got a damaged or unsupported one (the check sum of its record archive/data/0 is "
            "wrong).");
}

TEST_CASE("load_tensors never returns other values than were saved", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "x.pt";
  const TensorMap saved = {{"a", torch::arange(9)}, {"b", torch::tensor({0.5f, -1.0f})}};
  save_tensors(path, saved);
  const std::string whole = file_bytes(path);
  size_t refused = 0;
  size_t wrong = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string bytes = whole;
    bytes[i] = static_cast<char>(bytes[i] ^ (1 << (i % 8)));
    write_file(path, bytes);
    try {
      const TensorMap loaded = load_tensors(path);
      wrong += loaded.size() != 2 || !torch::equal(loaded.at("a"), saved.at("a")) ||
               !torch::equal(loaded.at("b"), saved.at("b"));
    } catch (const c10::Error& error) {
      ++refused;
      wrong += std::string(error.what_without_backtrace()).find(path.string()) == std::string::npos;
    }
  }
  CHECK(wrong == 0);
  CHECK(refused > 300);
}

TEST_CASE("load_tensors reads what Python's torch.save wrote", "[io]") {
  // torch.save({"float": torch.arange(6.).view(2, 3), "columns": torch.arange(6.).view(2, 3).t(),
  //             "int64": torch.tensor([1, -2]), "bool": torch.tensor([True, False]),
  //             "bfloat16": torch.tensor([0.5, 2.0], dtype=torch.bfloat16),
  //             "scalar": torch.tensor(7.0, dtype=torch.float64), "empty": torch.zeros(0, 4)},
  //             path)
  const TensorMap loaded = load_tensors(fixture_folder() / "torch_save.pt");
  const torch::Tensor rows = torch::arange(6, torch::kFloat32).view({2, 3});
  REQUIRE(loaded.size() == 7);
  CHECK(torch::equal(loaded.at("float"), rows));
  CHECK(torch::equal(loaded.at("columns"), rows.t()));
  CHECK(torch::equal(loaded.at("int64"), torch::tensor({1, -2}, torch::kInt64)));
  CHECK(torch::equal(loaded.at("bool"), torch::tensor({true, false})));
  CHECK(torch::equal(loaded.at("bfloat16"), torch::tensor({0.5, 2.0}).to(torch::kBFloat16)));
  CHECK(torch::equal(loaded.at("scalar"), torch::tensor(7.0, torch::kFloat64)));
  CHECK(loaded.at("empty").sizes() == torch::IntArrayRef({0, 4}));
}

TEST_CASE("Python's torch.load reads what save_tensors wrote", "[io][slow]") {
  if (!ladder::testing::python("torch")) LADDER_SKIP(ladder::testing::kNoPython);
  const TemporaryFolder folder;
  const TensorMap saved = one_of_each();
  save_tensors(folder / "saved.pt", saved);
  const auto outcome = ladder::testing::run_python(R"(
import os, sys, torch, warnings
os.chdir(sys.argv[1])
warnings.simplefilter("error")
d = torch.load("saved.pt", weights_only=True)
assert type(d) is dict and len(d) == 15, d.keys()
big = d["layer.0.weight"]
assert big.shape == (40, 30) and big.dtype == torch.float32 and big.is_contiguous()
assert torch.equal(d["columns"], big.t()) and torch.equal(d["part"], big[3:5])
assert d["bfloat16"].dtype == torch.bfloat16 and d["half"].dtype == torch.float16
assert d["bool"].tolist() == [True, False, True]
assert d["complex"].dtype == torch.complex64
assert d["empty"].shape == (0, 5)
assert d["float64"].dtype == torch.float64
assert d["int32"].tolist() == [0, 1, 2, 3]
assert d["int64"].tolist() == [-2**63, -1, 2**62]
assert d["name with spaces \u00e9"].shape == (1, 1, 1, 2)
assert d["not finite"].tolist() == [float("inf"), -float("inf")]
assert d["scalar"].shape == () and d["scalar"].item() == 2.5
assert bytes(d["text"].tolist()).decode() == "two\nlines \u20ac"
assert not any(t.requires_grad for t in d.values())
torch.save(d, "again.pt")
lin = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
torch.save(lin.state_dict(), "state.pt")
torch.save({"w": torch.ones(2), "n": 3}, "number.pt")
torch.save([torch.ones(2)], "list.pt")
torch.save({1: torch.ones(2)}, "key.pt")
torch.save({"model": lin.state_dict()}, "nested.pt")
torch.save(lin, "module.pt")
torch.save({"w": torch.ones(2).to(torch.float8_e4m3fn)}, "float8.pt")
base = torch.arange(12.)
torch.save({"a": base[2:8].view(2, 3).t(), "b": base, "c": torch.ones(1).expand(4),
            "p": torch.nn.Parameter(torch.ones(2))}, "views.pt")
torch.save({"w": torch.zeros(1).expand(1 << 10, 1 << 14)}, "expanded.pt")
torch.save({name: torch.zeros(1).expand(1 << 22) for name in "abc"}, "together.pt")
tied = torch.randn(1000, 2000)
torch.save({name: tied for name in "abcde"}, "tied.pt")
torch.save({"w": torch.ones(2)}, "legacy.pt", _use_new_zipfile_serialization=False)
d = {"w": torch.ones(10)}
torch.save(d, "forged.pt")
import zipfile
src = zipfile.ZipFile("forged.pt")
with zipfile.ZipFile("short.pt", "w") as out:
    for n in src.namelist():
        data = src.read(n)
        out.writestr(n, data[:8] if n.endswith("data/0") else data)
)",
                                                   {folder.path().string()});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);

  check_same(load_tensors(folder / "again.pt"), saved);
  const auto load_error = [&](const char* name) {
    return error_text([&] { load_tensors(folder / name); });
  };
  const auto path = [&](const char* name) { return (folder / name).string(); };
  CHECK(load_error("number.pt") ==
        "load_tensors: expected a tensor named \"n\" but got a number in " + path("number.pt") +
            ".");
  CHECK(load_error("list.pt") ==
        "load_tensors: expected a dictionary of tensors but got a tuple or list in " +
            path("list.pt") + ".");
  CHECK(load_error("key.pt") ==
        "load_tensors: expected texts as names but got a number in " + path("key.pt") + ".");
  CHECK(load_error("nested.pt") ==
        "load_tensors: expected a tensor named \"model\" but got a dictionary in " +
            path("nested.pt") + ".");
  CHECK(load_error("module.pt") ==
        "load_tensors: expected a whole .pt file but got a truncated, damaged or foreign one at " +
            path("module.pt") + " (it holds an object of torch.nn.modules.container.Sequential).");
  CHECK(load_error("float8.pt")
            .rfind("load_tensors: expected a tensor named \"w\" but got a value of ", 0) == 0);
  CHECK(load_error("short.pt") ==
        "load_tensors: expected a readable tensor \"w\" in " + path("short.pt") +
            " but got a damaged or unsupported one (it holds 2 elements for a tensor [10]).");
  // Files of a kilobyte do not take the memory of what they repeat.
  CHECK(load_error("expanded.pt") ==
        "load_tensors: expected a readable tensor \"w\" in " + path("expanded.pt") +
            " but got a damaged or unsupported one (it repeats 1 elements as a tensor [1024, "
            "16384]).");
  CHECK(load_error("together.pt").rfind("load_tensors: expected a readable tensor \"c\"", 0) == 0);
  const TensorMap tied = load_tensors(folder / "tied.pt");
  CHECK(torch::equal(tied.at("a"), tied.at("e")));
  CHECK(load_error("legacy.pt").rfind("load_tensors: expected a whole .pt file", 0) == 0);
  const TensorMap views = load_tensors(folder / "views.pt");
  CHECK(torch::equal(views.at("a"), torch::arange(2, 8, torch::kFloat32).view({2, 3}).t()));
  CHECK(torch::equal(views.at("b"), torch::arange(12, torch::kFloat32)));
  CHECK(torch::equal(views.at("c"), torch::ones({4})));
  CHECK(torch::equal(views.at("p"), torch::ones({2})));
  views.at("a").zero_();
  CHECK(views.at("b")[2].item<float>() == 2.0f);
  const TensorMap state = load_tensors(folder / "state.pt");
  CHECK(state.size() == 7);
  CHECK(state.at("0.weight").sizes() == torch::IntArrayRef({2, 3}));
  CHECK(state.at("1.num_batches_tracked").item<int64_t>() == 0);
}

TEST_CASE("load_tensors names a file of torch::save", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "net.pt";
  torch::save(torch::nn::Linear(3, 2), path.string());
  CHECK(error_text([&] { load_tensors(path); }) ==
        "load_tensors: expected a dictionary of tensors but got what torch::save or TorchScript "
        "writes in " +
            path.string() + " (torch::load reads it).");
}
