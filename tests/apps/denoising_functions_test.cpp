#include <tests/support/catch.h>

#include "tests/apps/mnist_place.h"

using namespace ladder::testing;

TEST_CASE("ladder-denoising-functions: draws three units of each level of a run", "[cli]") {
  const MnistPlace place;
  REQUIRE(place.run("run", {"--epochs", "1", "--quiet", "--combinator", "vanilla"}).status == 0);
  const auto picture = (place.folder / "picture.svg").string();
  const Arguments program = {program_path("ladder-denoising-functions")};
  const auto drawn =
      run_to_end(program + Arguments{"--run", (place.folder / "run").string(), "--out", picture});
  INFO(drawn.err);
  REQUIRE(drawn.status == 0);
  const auto svg = file_bytes(picture);
  const auto count = [&](const std::string& word) {
    int found = 0;
    for (size_t at = svg.find(word); at != std::string::npos; at = svg.find(word, at + 1)) ++found;
    return found;
  };
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(count("<polyline ") == 3 * 3 * 5);
  CHECK(count(">level 0, unit ") == 3);
  CHECK(count(">level 2, unit ") == 3);
  CHECK(svg.find("nan") == std::string::npos);

  const auto nothing = run_to_end(program);
  CHECK(nothing.status == 2);
  CHECK(nothing.err ==
        "ladder-denoising-functions: expected --run DIR, the folder of a ladder-mnist run, but got "
        "none.\n");
  const auto nowhere = run_to_end(program + Arguments{"--run", (place.folder / "no").string()});
  CHECK(nowhere.status == 1);
  CHECK(lines_of(nowhere.err).size() == 1);
  REQUIRE(place.run("baseline", {"--epochs", "1", "--quiet", "--lambda=none"}).status == 0);
  const auto baseline =
      run_to_end(program + Arguments{"--run", (place.folder / "baseline").string()});
  CHECK(baseline.status == 1);
  CHECK(baseline.err ==
        "ladder-denoising-functions: expected a network with a decoder but got a baseline.\n");
}

TEST_CASE("ladder-denoising-functions: reads the data wherever it is started", "[cli]") {
  const MnistPlace place;
  const auto in_folder = [&](const Arguments& command) {
    return run_to_end(Arguments{"/bin/sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "sh",
                                place.folder.path().string()} +
                      command);
  };
  REQUIRE(in_folder(place.command("run", {"--epochs=1", "--quiet", "--data-dir=data"})).status ==
          0);
  const Arguments program = {program_path("ladder-denoising-functions"), "--run",
                             (place.folder / "run").string(), "--out",
                             (place.folder / "picture.svg").string()};
  CHECK(run_to_end(program).status == 0);

  std::filesystem::rename(place.folder / "data", place.folder / "moved");
  const auto gone = run_to_end(program);
  CHECK(gone.status == 1);
  CHECK(gone.err == "ladder-denoising-functions: expected the data of the run in " +
                        (place.folder / "data").string() +
                        " but got no such folder (--data-dir takes another one).\n");
  CHECK(run_to_end(program + Arguments{"--data-dir", (place.folder / "moved").string()}).status ==
        0);

  torch::manual_seed(2);
  write_banded_images(place.folder / "moved", "t10k", kMnistTestRows);
  const auto other =
      run_to_end(program + Arguments{"--data-dir=" + (place.folder / "moved").string()});
  CHECK(other.status == 1);
  CHECK(other.err.starts_with(
      "ladder-denoising-functions: expected the data that the run was trained on but got others "));
}
