#include <ladder/io/tensor_file.h>
#include <tests/support/catch.h>

#include "tests/apps/mnist_place.h"

using namespace ladder::testing;
using nlohmann::json;

TEST_CASE("ladder-mnist: a flag overrides the recipe's combinator, and the settings name it",
          "[cli]") {
  const MnistPlace place;
  const Arguments recipe = {"--epochs", "1", "--quiet", "--recipe", "mnist-100-linear"};
  REQUIRE(place.run("recipe", recipe).status == 0);
  CHECK(place.read("recipe", "config.json").at("combinator") == "linear");
  REQUIRE(place.run("flag", recipe + Arguments{"--combinator", "amlp-2-2-2"}).status == 0);
  CHECK(place.read("flag", "config.json").at("combinator") == "amlp-2-2-2");
  const auto rows = [&](const std::string& run) {
    return ladder::io::load_tensors(place.file(run, "checkpoint.pt"))
        .at("parameters.decoder.combinators.0.weight")
        .size(0);
  };
  CHECK(rows("recipe") == 3);
  CHECK(rows("flag") == 23);
}
