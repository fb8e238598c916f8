/// `ladder-reproduce` beside a ladder-mnist whose recipes are small.
#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/data/banded_images.h"
#include "tests/support/paths.h"
#include "tests/support/program.h"
#include "tests/support/temporary_folder.h"

namespace ladder::testing {

/// The program in a folder of its own, beside a ladder-mnist whose recipes are small: a script that
/// adds flags to the real one.
struct ReproducePlace {
  explicit ReproducePlace(int64_t epochs = 2, const std::string& before = "") {
    torch::manual_seed(1);
    std::filesystem::create_directory(folder / "data");
    write_banded_images(folder / "data", "train", 200);
    write_banded_images(folder / "data", "t10k", 50);
    std::filesystem::create_directory(folder / "bin");
    std::filesystem::copy_file(program_path("ladder-reproduce"), folder / "bin/ladder-reproduce");
    write_program(epochs, before);
  }

  void write_program(int64_t epochs, const std::string& before = "") const {
    const auto path = folder / "bin/ladder-mnist";
    write_file(path, "#!/bin/sh\n" + before + "\nexec " + program_path("ladder-mnist") +
                         " \"$@\" --layers=30,10 --lambda=10,1,.1 --labels=20 --batch-size=20"
                         " --threads=1 --product-route=aten --device=cpu --checkpoint-every=0.02"
                         " --data-dir=" +
                         (folder / "data").string() + " --epochs=" + std::to_string(epochs) + "\n");
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }

  Arguments command(const Arguments& more = {}, const std::string& out = "runs") const {
    return Arguments{(folder / "bin/ladder-reproduce").string(),
                     "--out",
                     (folder / out).string(),
                     "--data-dir",
                     (folder / "data").string(),
                     "--only",
                     "mnist-100-full",
                     "--seeds",
                     "1"} +
           more;
  }
  Outcome run(const Arguments& more = {}, const std::string& out = "runs") const {
    return run_to_end(command(more, out));
  }
  std::filesystem::path file(const std::string& name) const { return folder / "runs" / name; }
  nlohmann::json read(const std::string& name) const {
    return nlohmann::json::parse(file_bytes(file(name)));
  }
  nlohmann::json table() const { return read("table.json"); }

  TemporaryFolder folder;
};

}  // namespace ladder::testing
