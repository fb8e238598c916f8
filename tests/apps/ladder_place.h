/// A folder with tables on which the program `ladder` is tested.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/data/png_files.h"
#include "tests/support/paths.h"
#include "tests/support/program.h"
#include "tests/support/run_files.h"
#include "tests/support/temporary_folder.h"

namespace ladder::testing {

// Rows of two clouds along x and y; a label for the first `labeled` rows. They reach 1.25 to each
/// side and lie `apart` from each other.
inline void write_clouds(const std::filesystem::path& path, int rows, int labeled, int first = 0,
                         double apart = 4) {
  std::ofstream out(path);
  out << "id,x,y,color,kind\n";
  for (int i = first; i < first + rows; ++i) {
    const int is = i % 2;
    const int a = (i * 7919) % 101, b = (i * 104729) % 97;
    out << "r" << i << "," << is * apart + (a - 50) / 40.0 << "," << (b - 48) / 40.0 << ","
        << (i % 3 == 0 ? "red" : "green") << ","
        << (i - first < labeled ? (is == 0 ? "left" : "right") : "") << "\n";
  }
}

struct LadderPlace {
  TemporaryFolder folder;
  std::string at(const std::string& name) const { return (folder / name).string(); }

  Outcome run(const Arguments& arguments) const {
    return run_to_end(Arguments{program_path("ladder")} + arguments);
  }
  /// A quick training run into RUN.
  Arguments train(const std::string& run) const {
    return {"train", at("train.csv"), "--label",   "kind",     "--ignore",
            "id",    "--epochs",      "10",        "--layers", "10",
            "--out", at(run),         "--threads", "1",        "--no-baseline"};
  }

  LadderPlace() {
    write_clouds(folder / "train.csv", 300, 20);
    write_clouds(folder / "test.csv", 100, 100, 1000);
  }
};

/// Arguments of a run that is compared with the labels alone.
inline Arguments with_baseline(Arguments training) {
  std::erase(training, "--no-baseline");
  return training;
}

/// Gray pictures of two classes, 12 of each.
inline void write_shades(const std::filesystem::path& path, uint32_t size) {
  for (const char* kind : {"dark", "light"}) {
    std::filesystem::create_directories(path / kind);
    for (int i = 0; i < 12; ++i) {
      write_file(path / kind / (std::to_string(i) + ".png"),
                 png_bytes({size, size, 8, 0},
                           std::vector<int>(size * size, (kind[0] == 'd' ? 40 : 200) + i)));
    }
  }
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

inline std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> all;
  std::stringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) all.push_back(cell);
  return all;
}

}  // namespace ladder::testing
