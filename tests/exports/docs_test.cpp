// The session of docs/exports.md: what it shows in C++ is here, what it shows in Python is run.
#include <ladder/classifier.h>
#include <ladder/data/csv.h>
#include <ladder/exports/formats.h>
#include <ladder/exports/model_card.h>
#include <ladder/exports/python.h>
#include <ladder/exports/weights.h>
#include <ladder/io/atomic_file.h>
#include <ladder/io/events.h>
#include <tests/support/catch.h>
#include <tests/support/paths.h>
#include <tests/support/python.h>
#include <tests/support/temporary_folder.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace {

namespace fs = std::filesystem;
using ladder::testing::source_folder;
using ladder::testing::TemporaryFolder;

// All Python blocks of a page as one script.
std::string python_of(const fs::path& page) {
  std::ifstream in(page);
  std::string script;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("```")) {
      inside = line == "```python";
    } else if (inside) {
      script += line + "\n";
    }
  }
  return script;
}

}  // namespace

TEST_CASE("The session of docs/exports.md runs as it is written", "[exports][docs][slow]") {
  if (!ladder::testing::python("onnxruntime") || !ladder::testing::python("torch")) {
    LADDER_SKIP(ladder::testing::kNoPython);
  }
  const TemporaryFolder folder;
  const auto data = source_folder() / "examples/data";
  ladder::Classifier classifier({.layers = {20}, .epochs = 2});
  classifier.fit(ladder::data::read_csv(data / "machines.csv", {.text_columns = {"state"}}),
                 "state", {"machine"});

  const auto& model = classifier.model();
  ladder::exports::write_model(folder / "machines.onnx", model);  // the ending names the format
  ladder::exports::write_python(folder / "machines", model);
  ladder::exports::write_safetensors(folder / "machines.safetensors", model);
  ladder::exports::write_torch(folder / "machines.pt", model);
  ladder::io::write_atomically(folder / "MODEL.md", ladder::exports::model_card(model));

  const auto test = data / "machines-test.csv";
  fs::create_directory_symlink(source_folder() / "examples", folder / "examples");
  const std::string begin = "import os, sys\nos.chdir(sys.argv[1])\nsys.path.insert(0, '')\n";
  const auto outcome = ladder::testing::run_python(
      begin + python_of(source_folder() / "docs/exports.md"), {folder.path().string()});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  // The Python form reads the same table and gives the same classes.
  const auto classes = classifier.predict(ladder::data::read_csv(test));
  CHECK_THAT(outcome.out, Catch::Contains("['" + classes[0] + "', '" + classes[1] + "', '" +
                                          classes[2] + "']\ntorch.Size([1500, 4])\n"));

  const auto before = classifier.score(ladder::data::read_csv(test), "state");
  auto net = classifier.model().net;
  ladder::exports::read_weights(folder / "tuned.pt", net);
  CHECK(classifier.score(ladder::data::read_csv(test), "state") > before);

  ladder::io::EventFile events(folder.path());
  events.add_text(0, "config", "width 200");
  events.add_scalars(100, {{"cost/total", 0.5}, {"error/test", 3.1}});
  CHECK(fs::exists(events.path()));
}
