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
