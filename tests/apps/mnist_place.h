/// Small data in MNIST's format, and runs of ladder-mnist on them.
#pragma once

#include <tests/data/banded_images.h>
#include <tests/support/catch.h>
#include <tests/support/paths.h>
#include <tests/support/program.h>
#include <tests/support/run_files.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

#include <nlohmann/json.hpp>
#include <string>

namespace ladder::testing {

inline const std::string kMnistProgram = program_path("ladder-mnist");
constexpr int64_t kMnistTrainRows = 200;
constexpr int64_t kMnistTestRows = 50;

/// The data, and a folder for runs.
struct MnistPlace {
  MnistPlace() {
    torch::manual_seed(1);
    std::filesystem::create_directory(folder / "data");
    write_banded_images(folder / "data", "train", kMnistTrainRows);
    write_banded_images(folder / "data", "t10k", kMnistTestRows);
  }

  /// A network that trains in seconds: 10 steps an epoch.
  Arguments command(const std::string& out, const Arguments& more = {}) const {
    return Arguments{kMnistProgram,    "--data-dir=" + (folder / "data").string(),
                     "--layers=30,10", "--lambda=10,1,.1",
                     "--labels=20",    "--batch-size=20",
                     "--threads=1",    "--product-route=aten",
                     "--device=cpu",   "--out=" + (folder / out).string()} +
           more;
  }
  Outcome run(const std::string& out, const Arguments& more = {}) const {
    return run_to_end(command(out, more));
  }
  std::filesystem::path file(const std::string& out, const std::string& name) const {
    return folder / out / name;
  }
  nlohmann::json read(const std::string& out, const std::string& name) const {
    return read_json(file(out, name));
  }

  TemporaryFolder folder;
};

inline std::string mnist_sentence(const std::string& err) {
  return one_sentence("ladder-mnist", err);
}

inline void require_same_run(const MnistPlace& place, const std::string& left,
                             const std::string& right) {
  require_same_run(place.folder / left, place.folder / right);
}

}  // namespace ladder::testing
