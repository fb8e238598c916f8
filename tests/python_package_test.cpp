// Models go from C++ to the Python package and back.
#include <torch/torch.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "ladder/classifier.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"
#include "tests/support/python.h"
#include "tests/support/require_close.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/threads.h"

namespace {

using ladder::Classifier;
using ladder::testing::require_equal;

// Folder of the package in the build tree, if it was built.
std::filesystem::path package_folder() {
  return std::filesystem::path(ladder::testing::program_path("")).parent_path().parent_path() /
         "python";
}

// Reads rows and two models: one that C++ has saved, one of its own with the same settings. Writes
// the probabilities of both, and its own model.
constexpr const char* kScript = R"(
import sys, numpy as np
sys.path.insert(0, sys.argv[1])
from ladder_networks import LadderClassifier
folder = sys.argv[2]
x, y = np.load(folder + "/x.npy"), np.load(folder + "/y.npy")
LadderClassifier.load(folder + "/cpp.ladder").predict_proba(x).tofile(folder + "/of-cpp.bin")
own = LadderClassifier(layers=[8, 6], epochs=4, random_state=7).fit(x, y)
own.predict_proba(x).tofile(folder + "/of-python.bin")
own.save(folder + "/python.ladder")
)";

void write_npy(const std::filesystem::path& path, const torch::Tensor& tensor) {
  const bool real = tensor.is_floating_point();
  std::string shape = std::to_string(tensor.size(0)) + ",";
  if (tensor.dim() == 2) shape += std::to_string(tensor.size(1));
  std::string header = std::string("{'descr': '") + (real ? "<f8" : "<i8") +
                       "', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.resize((header.size() + 1 + 10 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  std::ofstream out(path, std::ios::binary);
  out << std::string("\x93NUMPY\x01\x00", 8) << static_cast<char>(header.size() % 256)
      << static_cast<char>(header.size() / 256) << header;
  out.write(static_cast<const char*>(tensor.const_data_ptr()),
            static_cast<std::streamsize>(tensor.nbytes()));
}

torch::Tensor read_floats(const std::filesystem::path& path, int64_t rows) {
  auto bytes = ladder::testing::file_bytes(path);
  return torch::from_blob(bytes.data(), {rows, static_cast<int64_t>(bytes.size()) / 4 / rows},
                          torch::kFloat)
      .clone();
}

}  // namespace

TEST_CASE("Classifier: C++ and the Python package train and read one model", "[classifier]") {
  const auto python = ladder::testing::python("sklearn");
  if (!python) LADDER_SKIP(ladder::testing::kNoPython);
  if (!std::filesystem::exists(package_folder() / "ladder_networks")) {
    LADDER_SKIP("the Python module is not built (LADDER_BUILD_PYTHON)");
  }
  const ladder::testing::TemporaryFolder folder;
  torch::manual_seed(1);
  const auto truth = torch::arange(120) % 2;
  const auto x = (torch::randn({120, 3}, torch::kDouble) + 3 * truth.unsqueeze(1)).contiguous();
  const auto y = torch::where(torch::arange(120) < 20, truth, torch::full({120}, -1)).contiguous();
  Classifier classifier({.layers = {8, 6}, .epochs = 4, .seed = 7});
  const ladder::testing::ThreadsOfTest one(1);  // as in the script
  classifier.fit(x, y);
  classifier.save(folder / "cpp.ladder");
  write_npy(folder / "x.npy", x);
  write_npy(folder / "y.npy", y);
  const auto outcome =
      ladder::testing::run_python(kScript, {package_folder().string(), folder.path().string()});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);

  const auto here = classifier.predict_proba(x);
  require_equal(read_floats(folder / "of-cpp.bin", 120), here);
  // The same settings, seed and rows: the same weights.
  require_equal(read_floats(folder / "of-python.bin", 120), here);
  const auto back = Classifier::load(folder / "python.ladder");
  require_equal(back.predict_proba(x), here);
  CHECK(back.classes() == classifier.classes());
}
