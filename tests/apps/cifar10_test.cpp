#include <ladder/classifier.h>
#include <ladder/data/class_labels.h>
#include <ladder/data/read_samples.h>
#include <ladder/io/tensor_file.h>
#include <ladder/models/combinators.h>
#include <ladder/models/recipes.h>
#include <tests/data/cifar10_files.h>
#include <tests/support/bounds.h>
#include <tests/support/catch.h>
#include <tests/support/paths.h>
#include <tests/support/program.h>
#include <tests/support/run_files.h>
#include <tests/support/temporary_folder.h>
#include <tests/support/threads.h>
#include <tests/support/wrong_commands.h>
#include <torch/torch.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>

using namespace ladder::testing;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

const std::string kCifar10Program = program_path("ladder-cifar10");
constexpr int64_t kCifar10TrainRows = 200;
constexpr int64_t kCifar10TestRows = 50;

// Images of 10 classes, each with stripes of a width and a colour of its own in a little noise.
torch::Tensor images(const torch::Tensor& labels) {
  auto all = torch::randint(0, 8, {labels.size(0), 3, 32, 32});
  for (int64_t row = 0; row < labels.size(0); ++row) {
    const auto label = labels[row].item<int64_t>();
    const auto width = int64_t{1} << label / 3;
    all[row][label % 3] += 120 * (torch::arange(32).div(width, "floor") % 2).unsqueeze(1);
  }
  return all.to(torch::kUInt8);
}

// Small data in CIFAR-10's format, and a folder for runs and for what is kept beside them.
struct Cifar10Place {
  Cifar10Place() {
    torch::manual_seed(1);
    const auto train = torch::arange(kCifar10TrainRows) % 10;
    const auto test = torch::arange(kCifar10TestRows) % 10;
    write_cifar10(data(), images(train), train, images(test), test);
  }

  fs::path data() const { return folder / "data/cifar-10-batches-bin"; }
  Arguments command(const std::string& out, const Arguments& more = {}) const {
    return Arguments{kCifar10Program, "--data-dir=" + (folder / "data").string(),
                     "--labels=20",   "--batch-size=20",
                     "--threads=1",   "--product-route=aten",
                     "--device=cpu",  "--out=" + (folder / out).string(),
                     "--eval-every=1"} +
           more;
  }
  Outcome run(const std::string& out, const Arguments& more = {}) const {
    return run_to_end(command(out, more));
  }
  json read(const std::string& out, const std::string& name) const {
    return read_json(folder / out / name);
  }
  // The files of whitened images in a folder.
  std::vector<fs::path> kept(const fs::path& dir) const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(dir)) {
      if (entry.path().filename().string().starts_with("cifar10-whitened-")) {
        files.push_back(entry.path());
      }
    }
    return files;
  }

  TemporaryFolder folder;
};

std::string cifar10_sentence(const std::string& err) {
  return ladder::testing::one_sentence("ladder-cifar10", err);
}

const Arguments kShort = {"--epochs", "1", "--quiet"};

}  // namespace

TEST_CASE("ladder-cifar10: a wrong command line is answered in one sentence, status 2", "[cli]") {
  // What it shares with ladder-mnist is tested there.
  check_wrong_commands(
      "ladder-cifar10",
      {
          {{"--cache-di", "x"},
           "expected a known flag but got --cache-di (did you mean --cache-dir?)."},
          {{"--layers", "100,10"},
           "expected a known flag but got --layers (did you mean --labels?)."},
          {{"cifar10"}, "expected a flag (--name) but got 'cifar10'."},
          {{"--cache-dir", ""}, "expected a folder for --cache-dir but got ''."},
          {{"--data-dir="}, "expected a folder for --data-dir but got ''."},
          {{"--recipe", "cifar-4000-conv-large-gama"},
           "expected a recipe but got 'cifar-4000-conv-large-gama' (did you mean "
           "cifar-4000-conv-large-gamma? --list shows all)."},
          {{"--recipe", "mnist-100-full"},
           "expected a recipe for cifar10 but got mnist-100-full (ladder-mnist trains it)."},
          {{"--combinator", "vanila"},
           "expected a combinator but got 'vanila' (did you mean vanilla? --list shows all)."},
          {{"--activation", "rely"},
           "expected relu, leaky-relu, tanh or gelu for --activation but got 'rely' (did you mean "
           "relu?)."},
          {{"--recipe", "cifar-4000-conv-large-gamma", "--lambda", "1,2"},
           "expected 13 weights in --lambda, for the input and each of 12 layers, but got 2 "
           "(1,2)."},
          {{"--lambda", "1,x"},
           "expected numbers of at least 0 separated by commas, or auto, auto:W or none for "
           "--lambda but got '1,x'."},
          {{"--noise", "-1"}, "expected a number of at least 0 for --noise but got '-1'."},
          {{"--labels", "4001"},
           "expected a number of labels divisible by the 10 classes but got --labels 4001 (the "
           "nearest "
           "are 4000 and 4010; --unbalanced takes any)."},
          {{"--labels", "50010"},
           "expected at most 50000 labels, as many as training rows of cifar10, but got --labels "
           "50010."},
          {{"--validation", "50000"},
           "expected --validation below the 50000 training rows of cifar10 but got 50000."},
          {{"--batch-size", "50001"},
           "expected --batch-size of at most 50000, the rows to train on, but got 50001."},
          {{"--seed", "1", "--seeds", "1..2"}, "expected --seed or --seeds but got both."},
      });
}

TEST_CASE("ladder-cifar10: lists its recipes, its flags and its version", "[cli]") {
  const auto list = run_to_end({kCifar10Program, "--list"});
  CHECK(list.status == 0);
  size_t row = 0;
  const auto rows = lines_of(list.out);
  for (const auto& recipe : ladder::models::recipes()) {
    if (recipe.dataset == "cifar10") {
      REQUIRE(++row < rows.size());
      CHECK(rows[row].starts_with(recipe.name + " "));
    }
  }
  CHECK(row >= 4);
  CHECK(rows.size() == row + 1 + 2 + ladder::models::combinators().size());
  CHECK(list.out.find("20.40 +- 0.47") != std::string::npos);

  const auto help = run_to_end(by_shell({kCifar10Program, "--help"}));
  CHECK(help.status == 0);
  CHECK(run_to_end({kCifar10Program, "-h"}).out == help.out);
  CHECK(help.out.find("--cache-dir") < help.out.find("\nNetwork:\n"));
  for (const char* flag : {"--recipe", "--list", "--labels", "--lambda", "--noise", "--input-noise",
                           "--combinator", "--activation", "--epochs", "--seeds", "--data-dir",
                           "--cache-dir", "--validation", "--out", "--resume", "--version"}) {
    INFO(flag);
    CHECK(help.out.find(std::string("  ") + flag + " ") != std::string::npos);
  }
  const auto version = run_to_end({kCifar10Program, "--version"});
  CHECK(version.status == 0);
  CHECK(std::regex_match(version.out,
                         std::regex(R"(ladder-cifar10 \d+\.\d+\.\d+ \(.+\), LibTorch .+\n)")));
}

TEST_CASE("ladder-cifar10: missing and damaged data are failures of the run, status 1", "[cli]") {
  const Cifar10Place place;
  const auto found = run_to_end(place.command("run", {"--find-data"}));
  CHECK(found.status == 0);
  CHECK(found.out == place.data().string() + "\n");
  const auto nowhere = (place.folder / "nowhere").string();
  const auto missing = run_to_end(
      {kCifar10Program, "--data-dir", nowhere, "--out", (place.folder / "run").string()});
  CHECK(missing.status == 1);
  CHECK(missing.err.starts_with(
      "ladder-cifar10: expected CIFAR-10's six binary files but got them in none "));
  CHECK(lines_of(missing.err).back() ==
        "  curl -fL https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz | tar -xz -C \"" +
            nowhere + "\"");

  write_file(place.data() / "data_batch_3.bin", std::string(3000, '\1'));
  const auto damaged = place.run("run");
  CHECK(damaged.status == 1);
  CHECK(cifar10_sentence(damaged.err).starts_with("expected records of 3073 bytes "));
  CHECK(lines_of(damaged.err).size() == 1);
  CHECK_FALSE(fs::exists(place.folder / "run"));
  CHECK(place.kept(place.folder.path()).empty());
}

TEST_CASE("ladder-cifar10: a run leaves its settings, its course and its result", "[cli]") {
  const Cifar10Place place;
  const auto outcome = place.run("run", {"--epochs", "2", "--seed", "7", "--validation", "50"});
  REQUIRE(outcome.err.empty());
  REQUIRE(outcome.status == 0);
  const auto kept = place.kept(place.folder.path());
  REQUIRE(kept.size() == 1);
  const auto lines = lines_of(outcome.out);
  REQUIRE(lines.size() == 6);
  CHECK(lines[0] == "whitening the images, to be kept in " + kept[0].string());
  CHECK(lines[1].starts_with("cifar-4000-conv-small-gamma with "));
  CHECK(lines[1].ends_with(", seed 7, in " + (place.folder / "run").string()));
  CHECK(lines[2].starts_with("on cpu, 1 thread, "));
  CHECK(lines[3].starts_with("epoch 1/2  cost "));
  CHECK(std::regex_match(lines[5], std::regex(R"(validation error \S+ %, test error \S+ %)")));

  const auto config = place.read("run", "config.json");
  const std::map<std::string, json> expected = {{"program", "ladder-cifar10"},
                                                {"recipe", "cifar-4000-conv-small-gamma"},
                                                {"dataset", "cifar10"},
                                                {"train_rows", kCifar10TrainRows},
                                                {"test_rows", kCifar10TestRows},
                                                {"classes", 10},
                                                {"labels", 20},
                                                {"input_shape", {3, 32, 32}},
                                                {"contrast_norm", 55.0},
                                                {"zca_ridge", 0.1},
                                                {"combinator", "gaussian"},
                                                {"seed", 7}};
  for (const auto& [key, value] : expected) {
    INFO(key);
    CHECK(config.at(key) == value);
  }
  CHECK(config.at("environment").at("data_dir") == place.data().string());
  const auto result = place.read("run", "result.json");
  CHECK(result.at("status") == "finished");
  CHECK(result.at("steps") == 2 * 7);  // 150 rows in batches of 20
}

TEST_CASE("ladder-cifar10: learns what is to be learned", "[cli][slow]") {
  const Cifar10Place place;
  const auto outcome = place.run("run", {"--epochs", "20", "--labels", "all", "--quiet"});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  // 200 images whiten badly: what little noise a test image has in directions of its own is blown
  // up. Guessing is wrong for 45 of 50 images, with a standard deviation of 2.1: five of these
  // below are 34, or 68 %.
  CHECK(place.read("run", "result.json").at("test_error").get<double>() <= 68);
}

TEST_CASE("ladder-cifar10: whitened images are kept, checked and made anew", "[cli]") {
  const Cifar10Place place;
  const auto cache = place.folder / "cache";
  const Arguments flags = {"--epochs", "1", "--cache-dir", cache.string()};
  const auto first = place.run("a", flags);
  REQUIRE(first.status == 0);
  CHECK(place.kept(place.folder.path()).empty());
  REQUIRE(place.kept(cache).size() == 1);
  const auto file = place.kept(cache)[0];
  const auto whole = file_bytes(file);
  const auto tensors = ladder::io::load_tensors(file);
  CHECK(tensors.at("train").sizes() == torch::IntArrayRef({kCifar10TrainRows, 3, 32, 32}));
  CHECK(tensors.at("test").scalar_type() == torch::kFloat32);
  CHECK(tensors.at("map").sizes() == torch::IntArrayRef({3072, 3072}));
  // Sums of 3,072 terms w x in float32: |w| |x| is at most the whitening's largest gain, 1 /
  // sqrt(.1), times an image's norm, 55, and that of the mean.
  const double rounding = ladder::testing::gamma(3072, torch::kFloat) * (55 + 55) / std::sqrt(0.1);
  CHECK(tensors.at("train").mean(0).abs().max().item<double>() < rounding);

  // Used as it is; the run is the same.
  const auto second = place.run("b", flags);
  CHECK(second.status == 0);
  CHECK(second.out.find("whitening") == std::string::npos);
  require_same_run(place.folder / "a", place.folder / "b");

  // Damaged, or about something else.
  write_file(file, whole.substr(0, whole.size() / 2));
  const auto third = place.run("c", flags);
  CHECK(third.status == 0);
  CHECK(third.out.find("note: " + file.string() + " is damaged and is made anew\n") !=
        std::string::npos);
  CHECK(file_bytes(file) == whole);
  auto other = tensors;
  other["about"] = ladder::io::text_tensor("other images");
  ladder::io::save_tensors(file, other);
  const auto fourth = place.run("d", flags);
  CHECK(fourth.out.find("note: " + file.string() + " is about something else and is made anew\n") !=
        std::string::npos);
  CHECK(file_bytes(file) == whole);
  CHECK(place.kept(cache).size() == 1);

  // Other images go to another file.
  const auto labels = torch::arange(kCifar10TestRows) % 10;
  write_file(place.data() / "test_batch.bin", cifar10_bytes(images(labels), labels));
  CHECK(place.run("e", flags).status == 0);
  CHECK(place.kept(cache).size() == 2);
  CHECK(file_bytes(file) == whole);
}

TEST_CASE("ladder-cifar10: where whitened images cannot be kept, it says so and goes on", "[cli]") {
  const Cifar10Place place;
  write_file(place.folder / "file", "x");
  const auto outcome =
      place.run("run", {"--epochs", "1", "--cache-dir", (place.folder / "file").string()});
  CHECK(outcome.status == 0);
  CHECK(outcome.err.empty());
  CHECK(outcome.out.find("note: not kept for the next run: ") != std::string::npos);
}

TEST_CASE("ladder-cifar10: a run leaves a model that whitens images as training did", "[cli]") {
  const Cifar10Place place;
  write_file(place.data() / "batches.meta.txt", "a0\na1\na2\na3\na4\na5\na6\na7\na8\na9\n");
  REQUIRE(place.run("run", {"--epochs", "2", "--quiet"}).status == 0);
  const auto model = ladder::Classifier::load(place.folder / "run");
  CHECK(model.classes() ==
        std::vector<std::string>{"a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"});
  const auto images = ladder::data::read_samples(place.data(), {.part = ladder::data::Part::kTest});
  // The program whitened them in one thread, and so does this.
  const ladder::testing::ThreadsOfTest one(1);
  const auto kept = ladder::io::load_tensors(place.kept(place.folder.path())[0]);
  CHECK(torch::equal(model.inputs(images), kept.at("test")));

  const auto run = [](const Arguments& arguments) {
    return run_to_end(Arguments{program_path("ladder")} + arguments);
  };
  const auto at = [&](const std::string& name) { return (place.folder / name).string(); };
  const auto evaluated =
      run({"evaluate", at("run"), place.data().string(), "--json", "--threads=1"});
  INFO(evaluated.err);
  REQUIRE(evaluated.status == 0);
  const auto truth = ladder::data::relabeled(images.labels, images.classes, model.classes(), "");
  CHECK(json::parse(evaluated.out).at("error") ==
        Approx(100 * (1 - model.score(images.images, truth))));
  const auto on_training_rows =
      run({"evaluate", at("run"), place.data().string(), "--part=train", "--threads=1"});
  CHECK(on_training_rows.err ==
        "note: the model was trained on these rows: the error on them is too low\n");
  const auto inspected = run({"inspect", at("run")});
  CHECK(inspected.out.find("inputs         images of 32 x 32 pixels, RGB, whitened\n") !=
        std::string::npos);
  for (const char* file : {"cifar.onnx", "cifar.py", "cifar.safetensors"}) {
    const auto exported = run({"export", at("run"), "-o", at(file)});
    INFO(exported.err);
    CHECK(exported.status == 0);
  }

  // Of a run that had ended before, too.
  const auto path = place.folder / "run" / ladder::kModelFile;
  const auto bytes = file_bytes(path);
  fs::remove(path);
  const auto again = run_to_end({kCifar10Program, "--resume", "--quiet", "--out", at("run")});
  INFO(again.err);
  CHECK(again.status == 0);
  CHECK(file_bytes(path) == bytes);
}

TEST_CASE("ladder-cifar10: takes every recipe and kind of number", "[cli]") {
  const Cifar10Place place;
  const std::vector<Arguments> kinds = {
      {"--recipe", "cifar-4000-conv-small-baseline"},
      {"--combinator", "vanilla", "--activation", "tanh"},
      {"--precision", "float64", "--noise", "0", "--unbalanced"},
      {"--precision", "bfloat16", "--calibration", "labeled"},
  };
  for (size_t i = 0; i < kinds.size(); ++i) {
    const auto outcome = place.run("run-" + std::to_string(i), kinds[i] + kShort);
    INFO(kinds[i].front() << " " << outcome.err);
    CHECK(outcome.err.empty());
    CHECK(outcome.status == 0);
    CHECK(std::regex_match(outcome.out, std::regex(R"(test error \d+\.\d\d %.*\n)")));
  }
  CHECK(place.kept(place.folder.path()).size() == 1);
}

TEST_CASE("ladder-cifar10: interrupted, it says how to go on, and does so as if it had not been",
          "[cli]") {
  const Cifar10Place place;
  const Arguments length = {"--epochs", "500"};  // more than this test waits for, on any machine
  interrupted(place.command("straight", length), "epoch 4/");
  const auto lines = lines_of(interrupted(place.command("run", length), "epoch 2/"));
  CHECK(std::regex_match(lines[lines.size() - 2],
                         std::regex(R"(interrupted at step \d+, saved in .*; to go on:)")));
  CHECK(lines.back().starts_with("  " + kCifar10Program + " --data-dir="));
  CHECK(lines.back().ends_with(" --resume"));

  const auto again = place.run("run", length);
  CHECK(again.status == 2);
  CHECK(cifar10_sentence(again.err).starts_with("expected an empty folder but got a run in "));
  const auto resumed =
      interrupted(place.command("run", length + Arguments{"--resume"}), "epoch 4/");
  CHECK(resumed.find("continuing at step ") != std::string::npos);
  const auto straight = timeless_metrics(place.folder / "straight");
  const auto run = timeless_metrics(place.folder / "run");
  for (size_t epoch = 0; epoch < 4; ++epoch) REQUIRE(run.at(epoch) == straight.at(epoch));

  const auto other = place.run("run", length + Arguments{"--resume", "--noise", "0.4"});
  CHECK(other.status == 2);
  CHECK(cifar10_sentence(other.err).ends_with(" started it): noise_std (0.3 there, 0.4 here)."));
}
