#include <ladder/exports/formats.h>
#include <ladder/exports/onnx.h>
#include <ladder/exports/python.h>
#include <ladder/exports/weights.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

#include <filesystem>
#include <set>
#include <string>

#include "tests/exports/models.h"

using namespace ladder::exports;
using ladder::testing::error_text;
using ladder::testing::file_bytes;
using ladder::testing::TemporaryFolder;

TEST_CASE("write_model: the ending of a file names its format", "[exports]") {
  torch::manual_seed(1);
  const TemporaryFolder folder;
  const auto model = ladder::testing::table_model(true);
  write_onnx(folder / "straight.onnx", model);
  write_safetensors(folder / "straight.safetensors", model);
  write_torch(folder / "straight.pt", model);
  for (const char* ending : {".onnx", ".safetensors", ".pt"}) {
    INFO(ending);
    write_model(folder / ("model" + std::string(ending)), model);
    CHECK(file_bytes(folder / ("model" + std::string(ending))) ==
          file_bytes(folder / ("straight" + std::string(ending))));
  }
  // The text of a module names its weights: both have one name, in two folders.
  for (const char* place : {"one", "two"}) std::filesystem::create_directory(folder / place);
  write_python(folder / "one/model.py", model);
  write_model(folder / "two/model.py", model);
  for (const char* name : {"model.py", "model.pt"}) {
    CHECK(file_bytes(folder / "one" / name) == file_bytes(folder / "two" / name));
  }

  CHECK(error_text([&] { write_model(folder / "model.h5", model); }) ==
        "write_model: expected a path that ends in .onnx, .safetensors, .pt or .py but got '" +
            (folder / "model.h5").string() + "'.");
  CHECK_FALSE(std::filesystem::exists(folder / "model.h5"));
}

TEST_CASE("formats: names and endings tell them apart", "[exports]") {
  std::set<std::string> names, endings;
  for (const auto& format : formats()) {
    INFO(format.name);
    CHECK(names.insert(format.name).second);
    CHECK(endings.insert(format.ending).second);
    CHECK_FALSE(format.summary.empty());
    REQUIRE(find_format("folder/m" + format.ending) != nullptr);
    CHECK(find_format("folder/m" + format.ending)->name == format.name);
  }
  for (const char* other : {"m", "m.onnx.md", ".onnx", "m.ONNX", "m.onnx/"}) {
    INFO(other);
    CHECK(find_format(other) == nullptr);
  }
}
