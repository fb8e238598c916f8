#include <apps/support/checked_clusters.h>
#include <fmt/format.h>
#include <ladder/classifier.h>
#include <ladder/io/tensor_file.h>
#include <ladder/models/recipes.h>
#include <ladder/runs/run_config.h>
#include <tests/support/catch.h>
#include <torch/torch.h>

#include <cmath>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "tests/apps/mnist_place.h"

using namespace ladder::testing;
namespace fs = std::filesystem;
using nlohmann::json;

TEST_CASE("ladder-mnist: what the data cannot give is refused before anything is written",
          "[cli]") {
  const MnistPlace place;
  const auto labels = place.run("run", {"--labels", "300"});
  CHECK(labels.status == 2);
  CHECK(mnist_sentence(labels.err) ==
        "expected at most 200 labels, as many as rows with a label, but got 300.");
  const auto validation = place.run("run", {"--validation", "200"});
  CHECK(validation.status == 2);
  CHECK(mnist_sentence(validation.err).starts_with("expected 0 to 199 validation rows"));
  const auto batch = place.run("run", {"--batch-size", "201"});
  CHECK(batch.status == 2);
  CHECK(mnist_sentence(batch.err) ==
        "expected --batch-size of at most 200, the rows to train on, but got 201.");
  CHECK_FALSE(fs::exists(place.folder / "run"));
}

TEST_CASE("ladder-mnist: a run leaves its settings, its course and its result", "[cli]") {
  const MnistPlace place;
  const auto outcome = place.run("run", {"--epochs", "3", "--seed", "7", "--validation", "50"});
  REQUIRE(outcome.err.empty());
  REQUIRE(outcome.status == 0);
  const auto lines = lines_of(outcome.out);
  REQUIRE(lines.size() == 6);
  CHECK(lines[0] ==
        "mnist-100-full with epochs 3, labeled batch 20, labels 20, lambda 10,1,0.1, layers 30,10, "
        "unlabeled batch 20, validation 50, seed 7, in " +
            (place.folder / "run").string());
  CHECK(std::regex_match(
      lines[1], std::regex(R"(on cpu, 1 thread, \S.* kernels, float32 products by aten)")));
  CHECK(std::regex_match(
      lines[2],
      std::regex(R"(epoch 1/3  cost \S+, supervised \S+, denoising \S+ \S+ \S+  validation )"
                 R"(error \S+ %  test error \S+ %  \S+ steps/s  \d+:\d\d left)")));
  CHECK(lines[4].starts_with("epoch 3/3  "));
  CHECK(std::regex_match(lines[5], std::regex(R"(validation error \S+ %, test error \S+ %)")));

  const auto config = place.read("run", "config.json");
  // What the recipe says, but for the flags of MnistPlace and of this run.
  using ladder::runs::config_of;
  auto expected =
      json::parse(ladder::runs::to_json(config_of(ladder::models::find_recipe("mnist-100-full"))));
  expected.update({{"program", "ladder-mnist"},
                   {"train_rows", kMnistTrainRows},
                   {"test_rows", kMnistTestRows},
                   {"labels", 20},
                   {"validation", 50},
                   {"layers", {"dense 30", "dense 10"}},
                   {"lambda", {10.0, 1.0, 0.1}},
                   {"epochs", 3},
                   {"unlabeled_batch", 20},
                   {"labeled_batch", 20},
                   {"seed", 7},
                   {"device", "cpu"},
                   {"product_route", "aten"}});
  auto settings = config;
  settings.erase("environment");
  CHECK(std::regex_match(settings.at("data").get<std::string>(), std::regex("[0-9a-f]{16}")));
  settings.erase("data");
  CHECK(settings == expected);
  const auto& environment = config.at("environment");
  CHECK(environment.at("threads") == 1);
  CHECK(environment.at("product_route") == "aten");
  CHECK(environment.at("data_dir") == (place.folder / "data").string());
  for (const char* key : {"ladder", "commit", "libtorch", "cpu", "kernels"}) {
    CHECK_FALSE(environment.at(key).get<std::string>().empty());
  }

  const auto result = place.read("run", "result.json");
  CHECK(result.at("status") == "finished");
  CHECK(result.at("seed") == 7);
  CHECK(result.at("labels") == 20);
  CHECK(result.at("steps") == 3 * 7);  // 150 rows in batches of 20
  const auto error = result.at("test_error").get<double>();
  char text[64];
  std::snprintf(text, sizeof text, "test error %.2f %%", error);
  CHECK(lines[5].ends_with(text));
  CHECK(lines_of(file_bytes(place.file("run", "metrics.jsonl"))).size() == 3);
  CHECK(fs::exists(place.file("run", "checkpoint.pt")));
}

TEST_CASE("ladder-mnist: a baseline takes as many steps as the ladder of its settings", "[cli]") {
  const MnistPlace place;
  const Arguments flags = {"--epochs=2", "--labeled-batch=10", "--quiet"};
  const auto baseline = flags + Arguments{"--lambda=none"};
  REQUIRE(place.run("ladder", flags).status == 0);
  REQUIRE(place.run("alone", baseline).status == 0);
  constexpr int64_t kSteps = kMnistTrainRows / 20;  // an epoch, by the unlabeled batch
  CHECK(place.read("ladder", "result.json").at("steps") == 2 * kSteps);
  CHECK(place.read("alone", "result.json").at("steps") == 2 * kSteps);
  CHECK(place.read("alone", "config.json").at("epoch_batch") == 20);
  CHECK_FALSE(place.read("ladder", "config.json").contains("epoch_batch"));

  // One that an earlier version started goes on as it began: by its labeled batch.
  fs::create_directory(place.folder / "older");
  auto config = place.read("alone", "config.json");
  config.erase("epoch_batch");
  write_file(place.file("older", "config.json"), config.dump(2));
  const auto older = place.run("older", baseline + Arguments{"--resume"});
  INFO(older.err);
  REQUIRE(older.status == 0);
  CHECK(place.read("older", "result.json").at("steps") == 2 * kMnistTrainRows / 10);
  CHECK_FALSE(place.read("older", "config.json").contains("epoch_batch"));
}

TEST_CASE("ladder-mnist: sets no published error beside a run of other data", "[cli]") {
  const MnistPlace place;
  // The recipe's labels and its own network, on 200 images.
  const auto outcome = place.run("a", {"--labels", "100", "--epochs", "1", "--quiet"});
  CHECK(std::regex_match(outcome.out, std::regex(R"(test error \S+ %\n)")));
  const auto table =
      place.run("b", {"--labels", "100", "--epochs", "1", "--quiet", "--seeds", "1..2"});
  CHECK(
      std::regex_match(table.out, std::regex(R"(mean \S+  std \S+  median \S+  over 2 seeds\n)")));
}

TEST_CASE("ladder-mnist: the same seed gives the same run, another seed another", "[cli]") {
  const MnistPlace place;
  const Arguments short_run = {"--epochs", "2", "--quiet"};
  REQUIRE(place.run("a", short_run).status == 0);
  REQUIRE(place.run("b", short_run).status == 0);
  REQUIRE(place.run("c", short_run + Arguments{"--seed", "2"}).status == 0);
  require_same_run(place, "a", "b");
  const auto a = ladder::io::load_tensors(place.file("a", "checkpoint.pt"));
  const auto c = ladder::io::load_tensors(place.file("c", "checkpoint.pt"));
  for (const auto& [name, tensor] : a) {
    if (name.starts_with("parameters.") && tensor.numel() > 1000) {
      CHECK_FALSE(torch::equal(tensor, c.at(name)));
    }
  }
}

TEST_CASE("ladder-mnist: resuming with other settings names them", "[cli]") {
  const MnistPlace place;
  REQUIRE(place.run("run", {"--epochs", "1", "--quiet"}).status == 0);
  const auto before = file_bytes(place.file("run", "config.json"));
  const auto outcome = place.run("run", {"--epochs", "2", "--noise", ".4", "--resume"});
  CHECK(outcome.status == 2);
  CHECK(mnist_sentence(outcome.err) ==
        "expected the settings that the run in " + (place.folder / "run").string() +
            " was started with but got others (repeat the flags that started it): epochs (1 there, "
            "2 here), noise_std (0.3 there, 0.4 here).");
  CHECK(file_bytes(place.file("run", "config.json")) == before);
}

TEST_CASE("ladder-mnist: continued with other threads, it says so", "[cli]") {
  const MnistPlace place;
  const Arguments length = {"--epochs", "60"};
  interrupted(place.command("run", length + Arguments{"--checkpoint-every=0"}), "epoch 1/");
  const auto outcome = place.run("run", length + Arguments{"--threads", "2", "--resume"});
  CHECK(outcome.status == 0);
  CHECK(outcome.out.find("note: started with threads 1, continued with 2: ") != std::string::npos);

  // Where it went on stays with the run.
  const auto config = place.read("run", "config.json");
  CHECK(config.at("environment").at("threads") == 1);
  const auto& resumed = config.at("resumed");
  REQUIRE(resumed.size() == 1);
  CHECK(resumed[0].at("step") > 0);
  CHECK(resumed[0].at("environment").at("threads") == 2);
  REQUIRE(place.run("run", length + Arguments{"--resume"}).status == 0);  // it has ended
  CHECK(place.read("run", "config.json") == config);
}

TEST_CASE("ladder-mnist: a run goes on where it was resumed before", "[cli]") {
  const MnistPlace place;
  const auto go_on = [&](const Arguments& more) {
    interrupted(place.command("run", Arguments{"--epochs=100000", "--resume"} + more), " steps/s ");
    const auto config = place.read("run", "config.json");
    return config.contains("resumed") ? config.at("resumed").size() : 0;
  };
  CHECK(go_on({}) == 0);
  CHECK(go_on({"--threads=2"}) == 1);
  CHECK(go_on({"--threads=2"}) == 1);
  CHECK(go_on({}) == 2);
}

TEST_CASE("ladder-mnist: float64 products are ATen's", "[cli]") {
  const MnistPlace place;
  const auto outcome =
      place.run("run", {"--epochs=1", "--precision=float64", "--product-route=ladder"});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  CHECK(outcome.out.find("note: --product-route ladder has no effect on float64 products\n") !=
        std::string::npos);
  CHECK(outcome.out.find(" kernels, float64 products by aten\n") != std::string::npos);
  CHECK(place.read("run", "config.json").at("environment").at("product_route") == "aten");
}

TEST_CASE("ladder-mnist: says which flags do less than they say", "[cli]") {
  const MnistPlace place;
  const Arguments flags = {"--epochs=2", "--labeled-batch=300", "--lambda-ramp=8"};
  const auto outcome = place.run("run", flags);
  REQUIRE(outcome.status == 0);
  CHECK(outcome.out.starts_with(
      "note: --labeled-batch 300 takes all 20 labeled rows\n"
      "note: --lambda-ramp 8 is longer than --epochs 2: the upper weights of --lambda end at 25 % "
      "of their values\n"));
  CHECK(place.run("quiet", flags + Arguments{"--quiet"}).out.starts_with("test error "));
}

TEST_CASE("ladder-mnist: a changed experiment has another folder than its recipe", "[cli]") {
  const MnistPlace place;
  const auto run = [&](const Arguments& more) {
    return run_to_end(Arguments{"/bin/sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "sh",
                                place.folder.path().string(), kMnistProgram, "--data-dir=data",
                                "--threads=1", "--device=cpu"} +
                      more);
  };
  const Arguments small = {"--layers=30,10", "--lambda=10,1,.1", "--labels=20", "--batch-size=20",
                           "--epochs=1"};
  const auto told = [](const Outcome& outcome) {
    const auto first = lines_of(outcome.out + "\n").front();
    return first.substr(first.rfind(" in ") + 4);
  };
  CHECK(told(run(small)) == "runs/mnist-100-full-changed/seed-1");
  const auto seeds = run(small + Arguments{"--seeds=2,3"});
  CHECK(told(seeds) == "runs/mnist-100-full-changed/seed-2");
  CHECK(fs::exists(place.folder / "runs/mnist-100-full-changed/seed-3/result.json"));

  // The recipe itself.
  fs::create_directories(place.folder / "runs/mnist-100-full/seed-1");
  for (const char* const name : {"config.json", "result.json"}) {
    write_file(place.folder / "runs/mnist-100-full/seed-1" / name, "{}");
  }
  CHECK(mnist_sentence(run({"--device=cpu"}).err)
            .starts_with("expected an empty folder but got a run in runs/mnist-100-full/seed-1 ("));

  // An earlier version put it there: it goes on, and another one does not.
  fs::remove(place.folder / "runs/mnist-100-full/seed-1/config.json");
  fs::remove(place.folder / "runs/mnist-100-full/seed-1/result.json");
  fs::remove(place.folder / "runs/mnist-100-full/seed-1");
  fs::rename(place.folder / "runs/mnist-100-full-changed/seed-1",
             place.folder / "runs/mnist-100-full/seed-1");
  CHECK(told(run(small + Arguments{"--resume"})) == "runs/mnist-100-full/seed-1");
  CHECK(told(run(small + Arguments{"--resume", "--noise=.2"})) ==
        "runs/mnist-100-full-changed/seed-1");
}

TEST_CASE("ladder-mnist: a cost that is not finite ends the run with its name, status 1", "[cli]") {
  const MnistPlace place;
  const auto outcome = place.run("run", {"--epochs", "20", "--lr", "1e30"});
  CHECK(outcome.status == 1);
  CHECK(
      std::regex_match(mnist_sentence(outcome.err),
                       std::regex(R"(Trainer: the .+ is not finite at step \d+ \(lower .+\)\.)")));
  // It saved nothing, so another one may take its place.
  const auto refused = place.run("run", {"--epochs", "2", "--resume"});
  CHECK(refused.status == 2);
  CHECK(refused.err.find("(it saved nothing, so without --resume this run takes its place): ") !=
        std::string::npos);
  CHECK(refused.err.find("epochs (20 there, 2 here)") != std::string::npos);
  const auto again = place.run("run", {"--epochs", "2"});
  INFO(again.err);
  CHECK(again.status == 0);
  CHECK(again.out.find("note: " + (place.folder / "run").string() +
                       " holds the settings of a run that saved nothing; this one takes its "
                       "place\n") != std::string::npos);
  CHECK(place.read("run", "config.json").at("learning_rate") == 0.002);
  CHECK(place.run("run", {"--epochs", "2"}).status == 2);  // now there is something to lose

  const auto noise = place.run("noise", {"--epochs", "2", "--noise", "1e39"});
  CHECK(noise.status == 1);
  CHECK(std::regex_match(
      mnist_sentence(noise.err),
      std::regex(R"(Trainer: the .+ is not finite at step 1 \(lower .*the noise.*\)\.)")));
}

TEST_CASE("ladder-mnist: a seed that fails keeps no other one from running", "[cli]") {
  const MnistPlace place;
  const std::vector<std::pair<std::string, Arguments>> ways = {
      {"turn", {}}, {"once", Arguments{"--parallel-seeds"}}};
  for (const auto& [name, more] : ways) {
    const auto all = "all-" + name;
    const auto damaged = place.folder / all / "seed-1" / "config.json";
    fs::create_directories(damaged.parent_path());
    write_file(damaged, "{");
    const auto outcome = place.run(all, Arguments{"--epochs=1", "--seeds=1,2", "--resume"} + more);
    INFO(all << outcome.err);
    CHECK(outcome.status == 1);
    CHECK(mnist_sentence(outcome.err) ==
          "seed 1: expected a JSON object but got \"{\". That is in " + damaged.string() + ".");
    CHECK(outcome.out.find("\n     1  failed\n     2  ") != std::string::npos);
    CHECK(outcome.out.ends_with("  over 1 seed, 1 failed\n"));
    const auto summary = place.read(all, "summary.json");
    CHECK(summary.at("failed") == json({1}));
    CHECK(summary.at("seeds").size() == 1);
    CHECK(summary.at("test_error").at("std").is_null());
  }

  // Each of them says why; of those at once the first does.
  for (const auto& [name, more] : ways) {
    const auto none =
        place.run(name, Arguments{"--epochs=20", "--lr=1e30", "--seeds=1,2", "--quiet"} + more);
    CHECK(none.status == 1);
    CHECK(none.out.empty());
    const auto lines = lines_of(none.err);
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].starts_with("ladder-mnist: seed 1: Trainer: the "));
    CHECK(lines[1].starts_with(name == "turn"
                                   ? "ladder-mnist: seed 2: Trainer: the "
                                   : "ladder-mnist: seed 2: expected a result but got none ("));
    CHECK_FALSE(fs::exists(place.file(name, "summary.json")));
  }
}

TEST_CASE("ladder-mnist: a folder of a seed that is taken is named before any seed trains",
          "[cli]") {
  const MnistPlace place;
  REQUIRE(place.run("all", {"--epochs=1", "--seeds=2", "--quiet"}).status == 0);
  const auto taken = place.run("all", {"--epochs=1", "--seeds=1,2,3"});
  CHECK(taken.status == 2);
  CHECK(mnist_sentence(taken.err) == "expected an empty folder but got a run in " +
                                         (place.folder / "all" / "seed-2").string() +
                                         " (--resume continues it, --out takes another folder).");
  CHECK_FALSE(fs::exists(place.folder / "all" / "seed-1"));
}

TEST_CASE("ladder-mnist: several seeds end in a table, and are not run twice", "[cli]") {
  const MnistPlace place;
  const Arguments seeds = {"--labels", "100", "--epochs", "2", "--seeds", "1,3..4"};
  const auto outcome = place.run("all", seeds);
  REQUIRE(outcome.err.empty());
  REQUIRE(outcome.status == 0);
  std::vector<double> errors;
  std::vector<fs::file_time_type> written;
  std::string table = "\n  seed  test error, %\n";
  char text[200];
  for (const int seed : {1, 3, 4}) {
    const auto folder = "all/seed-" + std::to_string(seed);
    const auto result = place.read(folder, "result.json");
    CHECK(result.at("seed") == seed);
    errors.push_back(result.at("test_error").get<double>());
    written.push_back(fs::last_write_time(place.file(folder, "result.json")));
    std::snprintf(text, sizeof text, "%6d  %.2f\n", seed, errors.back());
    table += text;
  }
  const double mean = (errors[0] + errors[1] + errors[2]) / 3;
  double squares = 0;
  for (const double error : errors) squares += (error - mean) * (error - mean);
  auto sorted = errors;
  std::sort(sorted.begin(), sorted.end());
  std::snprintf(text, sizeof text, "mean %.3f  std %.3f  median %.3f  over 3 seeds\n", mean,
                std::sqrt(squares / 2), sorted[1]);
  CHECK(outcome.out.ends_with(table + text));
  const auto summary = place.read("all", "summary.json");
  CHECK(summary.at("test_error").at("mean").get<double>() == Approx(mean));
  CHECK(summary.at("test_error").at("std").get<double>() == Approx(std::sqrt(squares / 2)));
  CHECK(summary.at("test_error").at("median") == sorted[1]);
  CHECK(summary.at("failed").empty());
  for (size_t i = 0; i < errors.size(); ++i) {
    CHECK(summary.at("seeds")[i].at("test_error") == errors[i]);
  }

  const auto again = place.run("all", seeds + Arguments{"--resume", "--quiet"});
  REQUIRE(again.status == 0);
  CHECK(again.out == text);
  for (size_t i = 0; i < written.size(); ++i) {
    const auto seed = std::vector<int>{1, 3, 4}[i];
    CHECK(fs::last_write_time(place.file("all/seed-" + std::to_string(seed), "result.json")) ==
          written[i]);
  }
}

TEST_CASE("ladder-mnist: seeds at once end as seeds in turn", "[cli]") {
  const MnistPlace place;
  const Arguments seeds = {"--labels", "100", "--epochs", "2", "--seeds", "1,3"};
  const auto turn = place.run("turn", seeds);
  const auto once = place.run("once", seeds + Arguments{"--parallel-seeds"});
  INFO(once.err);
  REQUIRE(once.status == 0);
  const auto table = turn.out.find("\n  seed  test error");
  REQUIRE(table != std::string::npos);
  CHECK(once.out.ends_with(turn.out.substr(table)));
  CHECK(once.out.find("\nseed 3  epoch 1/2  ") != std::string::npos);
  require_same_run(place, "once/seed-1", "turn/seed-1");
  require_same_run(place, "once/seed-3", "turn/seed-3");
}

TEST_CASE("ladder-mnist: seeds at once are interrupted and resumed together", "[cli]") {
  const MnistPlace place;
  const Arguments seeds = {"--epochs", "40", "--seeds", "1..2", "--parallel-seeds"};
  interrupted(place.command("run", seeds + Arguments{"--checkpoint-every=0"}), "epoch 2/");
  for (const char* seed : {"run/seed-1", "run/seed-2"}) {
    CHECK(fs::exists(place.file(seed, "checkpoint.pt")));
    CHECK_FALSE(fs::exists(place.file(seed, "result.json")));
  }
  REQUIRE(place.run("run", seeds + Arguments{"--resume"}).status == 0);
  REQUIRE(place.run("alone", {"--epochs", "40", "--seed", "2"}).status == 0);
  require_same_run(place, "run/seed-2", "alone");
}

TEST_CASE("ladder-mnist: a run goes on with another device in its settings", "[cli]") {
  const MnistPlace place;
  const Arguments length = {"--epochs", "60"};
  interrupted(place.command("run", length + Arguments{"--checkpoint-every=0"}), "epoch 1/");
  auto config = place.read("run", "config.json");
  config["device"] = "cuda";
  write_file(place.file("run", "config.json"), config.dump(2));
  auto checkpoint = ladder::io::load_tensors(place.file("run", "checkpoint.pt"));
  checkpoint["state.config"] = ladder::io::text_tensor(config.dump(2));
  ladder::io::save_tensors(place.file("run", "checkpoint.pt"), checkpoint);
  const auto outcome = place.run("run", length + Arguments{"--resume"});
  CHECK(outcome.err.empty());
  CHECK(outcome.status == 0);
  CHECK(outcome.out.find("note: started with device \"cuda\", continued with \"cpu\": ") !=
        std::string::npos);
  CHECK(place.read("run", "config.json").at("device") == "cuda");
}

TEST_CASE("ladder-mnist: two processes do not share a folder", "[cli]") {
  const MnistPlace place;
  const Arguments forever = {"--epochs", "100000", "--resume"};
  Program first(place.command("run", forever));
  REQUIRE(first.wait_until([&] { return first.out().find("epoch 2/") != std::string::npos; }));
  const auto second = place.run("run", forever);
  CHECK(second.status == 1);
  CHECK(mnist_sentence(second.err).find("another process") != std::string::npos);
  first.send(SIGINT);
  CHECK(first.wait() == 130);
}

TEST_CASE("ladder-mnist: resuming with other data is refused", "[cli]") {
  const MnistPlace place;
  REQUIRE(place.run("run", {"--epochs", "1", "--quiet"}).status == 0);
  const auto config = place.read("run", "config.json");
  torch::manual_seed(2);
  const auto others = place.folder / "others";
  fs::create_directory(others);
  write_banded_images(others, "train", kMnistTrainRows);
  write_banded_images(others, "t10k", kMnistTestRows);
  const Arguments resume = {"--epochs", "1", "--quiet", "--resume"};
  const auto outcome = place.run("run", resume + Arguments{"--data-dir", others.string()});
  CHECK(outcome.status == 2);
  const auto fingerprint = config.at("data").dump();
  CHECK(mnist_sentence(outcome.err)
            .starts_with("expected the data that the run in " + (place.folder / "run").string() +
                         " was started with but got others in " + others.string() +
                         " (fingerprint " + fingerprint + " there, \""));
  CHECK(place.read("run", "config.json") == config);

  // The same data elsewhere are the same.
  const auto copies = place.folder / "copies";
  fs::create_directory(copies);
  for (const char* name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                           "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}) {
    write_file(copies / name, file_bytes(place.folder / "data" / name));
  }
  CHECK(place.run("run", resume + Arguments{"--data-dir", copies.string()}).status == 0);
}

TEST_CASE("ladder-mnist: config.json that is damaged is named", "[cli]") {
  const MnistPlace place;
  REQUIRE(place.run("run", {"--epochs", "1", "--quiet"}).status == 0);
  const auto path = place.file("run", "config.json");
  auto config = place.read("run", "config.json");
  config["epochs"] = "many";
  for (const auto& [text, sentence] :
       {std::pair<std::string, std::string>("", "expected a JSON object but got \"\"."),
        {"{\"epochs\": 1", "expected a JSON object but got \"{\"epochs\": 1\"."},
        {config.dump(), "expected epochs to be a whole number but got \"many\"."}}) {
    write_file(path, text);
    const auto outcome = place.run("run", {"--epochs", "1", "--resume"});
    CHECK(outcome.status == 1);
    CHECK(mnist_sentence(outcome.err) == sentence + " That is in " + path.string() + ".");
    CHECK(file_bytes(path) == text);
  }
}

TEST_CASE("ladder-mnist: config.json holds the absolute path of the data", "[cli]") {
  const MnistPlace place;
  const auto outcome = run_to_end(Arguments{"/bin/sh", "-c", "cd \"$1\" && shift && exec \"$@\"",
                                            "sh", place.folder.path().string()} +
                                  place.command("run", {"--epochs=1", "--data-dir=./data"}));
  REQUIRE(outcome.status == 0);
  CHECK(place.read("run", "config.json").at("environment").at("data_dir") ==
        (place.folder / "data").string());
}

TEST_CASE(
    "ladder-mnist: a finished run without its checkpoint tells its result and keeps its course",
    "[cli]") {
  const MnistPlace place;
  REQUIRE(place.run("run", {"--epochs", "2", "--quiet"}).status == 0);
  const auto metrics = file_bytes(place.file("run", "metrics.jsonl"));
  fs::remove(place.file("run", "checkpoint.pt"));
  const auto outcome = place.run("run", {"--epochs", "2", "--quiet", "--resume"});
  CHECK(outcome.status == 0);
  CHECK(outcome.err == "note: the run in " + (place.folder / "run").string() +
                           " has finished; its checkpoint.pt is gone\n");
  CHECK(outcome.out.starts_with("test error "));
  CHECK(file_bytes(place.file("run", "metrics.jsonl")) == metrics);
}

TEST_CASE("ladder-mnist: a link to nowhere is no folder for a run", "[cli]") {
  const MnistPlace place;
  fs::create_symlink(place.folder / "nowhere", place.folder / "link");
  for (const char* out : {"link", "link/run"}) {
    const auto outcome = place.run(out, {"--epochs", "1"});
    CHECK(outcome.status == 1);
    CHECK(mnist_sentence(outcome.err) ==
          "expected to create the folder " + (place.folder / out).string() + " but got a link at " +
              (place.folder / "link").string() + " to " + (place.folder / "nowhere").string() +
              ", which is not there.");
  }
}

TEST_CASE("ladder-mnist: a folder that is removed under a run ends it with a sentence", "[cli]") {
  const MnistPlace place;
  Program program(place.command("run", {"--epochs", "100000"}));
  REQUIRE(program.wait_until([&] { return program.out().find("epoch 2/") != std::string::npos; }));
  fs::rename(place.folder / "run", place.folder / "moved");
  CHECK(program.wait() == 1);
  // Whichever is due first: an evaluation or a checkpoint.
  const auto sentence = mnist_sentence(program.err());
  CHECK(
      (sentence.starts_with("expected to write ") || sentence.starts_with("expected the folder ")));
  CHECK(lines_of(program.err()).size() == 1);
}

TEST_CASE("ladder-mnist: scaled lambda, pieces and warm-up resume bit for bit", "[cli]") {
  const MnistPlace place;
  const Arguments flags = {"--lambda=auto",           "--project-rows",   "--pseudo-labels=1",
                           "--mutual-information=.1", "--warm-up=1",      "--lambda-ramp=2",
                           "--average-weights=.9",    "--detach-targets", "--epochs=30"};
  REQUIRE(place.run("straight", flags).status == 0);
  const auto settings = place.read("straight", "config.json");
  CHECK(settings.at("scaled_lambda") == true);
  CHECK(settings.at("lambda") == nlohmann::json({30.0, 1.0, 0.03}));
  CHECK(settings.at("project_rows") == true);
  const auto epochs = lines_of(file_bytes(place.file("straight", "metrics.jsonl")));
  REQUIRE(epochs.size() == 30);
  const auto first = json::parse(epochs.front()).at("others");
  CHECK(first.at("mutual information").get<double>() < 0);  // in the first ten epochs
  CHECK(first.at("lambda ramp").get<double>() < 0);         // in the first two
  const auto last = place.read("straight", "result.json").at("last").at("others");
  CHECK(last.at("pseudo-label").get<double>() > 0);
  CHECK(last.at("lambda ramp").get<double>() == 0);

  interrupted(place.command("cut", flags + Arguments{"--checkpoint-every=0"}), "epoch 1/");
  const auto other = place.run("cut", flags + Arguments{"--resume", "--pseudo-labels=2"});
  CHECK(other.status == 2);
  CHECK(mnist_sentence(other.err).find("pseudo_labels (1.0 there, 2.0 here)") != std::string::npos);
  REQUIRE(place.run("cut", flags + Arguments{"--resume"}).status == 0);
  require_same_run(place, "straight", "cut");
}

TEST_CASE("ladder-mnist: --neighbours compares near rows in its epochs", "[cli]") {
  const MnistPlace place;
  const Arguments flags = {"--neighbours=1", "--epochs=6"};
  REQUIRE(place.run("run", flags).status == 0);
  CHECK(place.read("run", "config.json").at("neighbours") == 1.0);
  const auto lines = lines_of(file_bytes(place.file("run", "metrics.jsonl")));
  REQUIRE(lines.size() == 6);
  for (size_t epoch = 1; epoch <= lines.size(); ++epoch) {
    const auto cost =
        nlohmann::json::parse(lines[epoch - 1]).at("others").at("neighbour").get<double>();
    CHECK((cost > 0) == (epoch > 4));
  }
}

TEST_CASE("ladder-mnist: no neighbours are looked for where all seeds have ended", "[cli]") {
  const MnistPlace place;
  const Arguments flags = {"--neighbours=1", "--epochs=5", "--seeds=1,2"};
  const auto told = place.run("all", flags);
  REQUIRE(told.status == 0);
  const auto* const search = "finding the nearest neighbours of 200 rows";
  CHECK(told.out.find(search) != std::string::npos);
  const auto again = place.run("all", flags + Arguments{"--resume"});
  INFO(again.err);
  REQUIRE(again.status == 0);
  CHECK(again.out.find(search) == std::string::npos);
  CHECK(lines_of(again.out).back() == lines_of(told.out).back());
}

TEST_CASE("ladder-mnist: --repair looks for clusters twice", "[cli]") {
  const MnistPlace place;
  const auto told = place.run("run", {"--repair=1", "--epochs=8"});
  INFO(told.out << told.err);
  REQUIRE(told.status == 0);
  CHECK(place.read("run", "config.json").at("repair") == 1.0);
  for (const char* const look : {"after epoch 4", "after epoch 6"}) {
    CHECK(told.out.find(look) != std::string::npos);
  }
  const auto last = lines_of(file_bytes(place.file("run", "metrics.jsonl"))).back();
  CHECK(nlohmann::json::parse(last).at("others").at("cluster repair") == 0.0);
}

TEST_CASE("ladder-mnist: --border-repair looks for better borders twice, early", "[cli]") {
  const MnistPlace place;
  const auto told = place.run("run", {"--border-repair=1", "--epochs=10"});
  INFO(told.out << told.err);
  REQUIRE(told.status == 0);
  CHECK(place.read("run", "config.json").at("border_repair") == 1.0);
  for (const char* const look : {"after epoch 1", "after epoch 2"}) {
    CHECK(told.out.find(look) != std::string::npos);
  }
  CHECK(told.out.find("after epoch 3") == std::string::npos);
  const auto first = lines_of(file_bytes(place.file("run", "metrics.jsonl"))).front();
  CHECK(nlohmann::json::parse(first).at("others").contains("border repair"));
}

TEST_CASE("ladder-mnist: --feature-repair looks for clusters once, late", "[cli]") {
  const MnistPlace place;
  const auto told = place.run("run", {"--feature-repair=1", "--epochs=10"});
  INFO(told.out << told.err);
  REQUIRE(told.status == 0);
  CHECK(place.read("run", "config.json").at("feature_repair") == 1.0);
  const auto look = told.out.find("after epoch ");
  REQUIRE(look != std::string::npos);
  CHECK(told.out.compare(look, 13, "after epoch 9") == 0);
  CHECK(told.out.find("after epoch ", look + 1) == std::string::npos);
}

TEST_CASE("ladder-mnist: --feature-labels looks once, and counts in the last tenth", "[cli]") {
  const MnistPlace place;
  const auto told = place.run("run", {"--feature-labels=1", "--epochs=10"});
  INFO(told.out << told.err);
  REQUIRE(told.status == 0);
  CHECK(place.read("run", "config.json").at("feature_labels") == 1.0);
  CHECK(told.out.find("after epoch 9, ") != std::string::npos);
  CHECK(told.out.find(" rows take the class of the rows near them in features") !=
        std::string::npos);
  const auto lines = lines_of(file_bytes(place.file("run", "metrics.jsonl")));
  REQUIRE(lines.size() == 10);
  for (size_t epoch = 1; epoch <= lines.size(); ++epoch) {
    const auto cost =
        nlohmann::json::parse(lines[epoch - 1]).at("others").at("feature label").get<double>();
    CHECK((cost > 0) == (epoch > 9));
  }
}

TEST_CASE("ladder-mnist: the clusters of a run that has ended are checked", "[cli]") {
  const MnistPlace place;
  const auto epochs = fmt::format("--epochs={}", ladder::apps::kMinCheckedEpochs);
  REQUIRE(place.run("few", {epochs}).status == 0);
  CHECK_FALSE(fs::exists(place.file("few", "clusters.json")));  // 200 rows lie too far apart

  constexpr int64_t kRows = 1000;
  write_banded_images(place.folder / "data", "train", kRows);
  REQUIRE(place
              .run("short", {fmt::format("--epochs={}", ladder::apps::kMinCheckedEpochs - 1),
                             "--batch-size=100"})
              .status == 0);
  CHECK_FALSE(fs::exists(place.file("short", "clusters.json")));

  const Arguments flags = {epochs, "--batch-size=100"};
  const auto told = place.run("run", flags);
  INFO(told.out << told.err);
  REQUIRE(told.status == 0);
  const auto checked = place.read("run", "clusters.json");
  CHECK(checked.at("rows") == kRows);
  int64_t lost = 0;
  for (const auto& move : checked.at("moves")) lost += move.at("rows").get<int64_t>();
  CHECK(checked.at("lost") == lost);
  CHECK((told.out.find("lie in clusters of another class") != std::string::npos) == (lost > 0));

  // A run that had ended is not checked again: what was found is told.
  const auto found = file_bytes(place.file("run", "clusters.json"));
  write_file(place.file("run", "clusters.json"),
             R"({"rows": 1000, "moves": [{"from": 0, "to": 1, "rows": 9}]})");
  const auto resumed = place.run("run", flags + Arguments{"--resume"});
  REQUIRE(resumed.status == 0);
  CHECK(resumed.out.find("9 of 1000 training rows (0.90 %) lie in clusters of another class") !=
        std::string::npos);
  write_file(place.file("run", "clusters.json"), found);

  fs::remove(place.file("run", "checkpoint.pt"));  // what was found is still told
  const auto again = place.run("run", flags + Arguments{"--resume"});
  REQUIRE(again.status == 0);
  CHECK(lines_of(again.out).back() == lines_of(told.out).back());
}

TEST_CASE("ladder-mnist: of three candidates the one that agrees most goes on", "[cli]") {
  const MnistPlace place;
  const Arguments flags = {"--candidates=3", "--candidate-epochs=2", "--epochs=4"};
  const auto told = place.run("straight", flags);
  INFO(told.out << told.err);
  REQUIRE(told.status == 0);
  const auto chosen = place.read("straight", "candidates.json");
  const auto shares = chosen.at("disagreement").get<std::vector<double>>();
  REQUIRE(shares.size() == 3);
  CHECK(*std::max_element(shares.begin(), shares.end()) > 0);  // starts differ
  const auto number = chosen.at("chosen").get<int64_t>();
  CHECK(shares[static_cast<size_t>(number - 1)] == *std::min_element(shares.begin(), shares.end()));
  CHECK(told.out.find("candidate " + std::to_string(number) + " goes on") != std::string::npos);
  CHECK(place.read("straight", "config.json").at("candidate") == number);
  CHECK(lines_of(file_bytes(place.file("straight", "metrics.jsonl"))).size() == 4);
  CHECK_FALSE(fs::exists(place.folder / "straight.candidates"));
  if (number == 1) {  // the first start is the run without candidates
    REQUIRE(place.run("plain", {"--epochs=4"}).status == 0);
    CHECK(place.read("plain", "result.json").at("test_error") ==
          place.read("straight", "result.json").at("test_error"));
  }

  // Stopped in the second start.
  const Arguments longer = {"--candidates=3", "--candidate-epochs=40", "--epochs=44"};
  REQUIRE(place.run("longer", longer).status == 0);
  interrupted(place.command("cut", longer + Arguments{"--checkpoint-every=0"}), "candidate 2");
  CHECK_FALSE(fs::exists(place.folder / "cut"));
  CHECK(fs::exists(place.file("cut.candidates/2", "checkpoint.pt")));
  CHECK(place.run("cut", longer + Arguments{"--resume"}).status == 0);
  require_same_run(place, "longer", "cut");
  CHECK(place.run("cut", longer).status == 2);
  CHECK(place.run("cut", longer + Arguments{"--resume", "--candidate-epochs=1"}).status == 2);

  // The run takes the folder as a whole, so it must not hold anything else.
  fs::create_directory(place.folder / "taken");
  std::ofstream(place.file("taken", "notes.txt")) << "mine";
  const auto taken = place.run("taken", flags);
  CHECK(taken.status == 1);
  CHECK(
      mnist_sentence(taken.err).starts_with("expected a new or an empty folder for a run with "
                                            "candidates but got "));
  CHECK(file_bytes(place.file("taken", "notes.txt")) == "mine");
}

TEST_CASE("ladder-mnist: a candidate goes on in its folder, however that is written", "[cli]") {
  const MnistPlace place;
  const Arguments flags = {"--candidates=3", "--candidate-epochs=1", "--epochs=2"};
  for (const char* const out : {"slash/", "dot/."}) {
    const auto told = place.run(out, flags);
    INFO(told.out << told.err);
    CHECK(told.status == 0);
  }
  // The folder that the program is started in.
  fs::create_directory(place.folder / "here");
  const auto told = run_to_end(Arguments{"/bin/sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "sh",
                                         (place.folder / "here").string()} +
                               place.command("other", flags + Arguments{"--out=."}));
  INFO(told.out << told.err);
  CHECK(told.status == 0);
  for (const char* const out : {"slash", "dot", "here"}) {
    CHECK(fs::exists(place.file(out, "result.json")));
    CHECK_FALSE(fs::exists(place.folder / (std::string(out) + ".candidates")));
  }
}

namespace {

// Check how many unlabeled rows have a label in a run: those that teachers label, as `said`, and
// the 20 of the draw, which keep their own. Return that number.
int64_t check_taught_rows(const MnistPlace& place, const std::string& run, const Outcome& told,
                          const std::string& said, int64_t rows = 150) {
  std::smatch found;
  const auto sentence = said + R"( (\d+) of )" + std::to_string(rows) + " rows";
  REQUIRE(std::regex_search(told.out, found, std::regex(sentence)));
  const auto taught = std::stol(found[1]);
  const auto labels = place.read(run, "result.json").at("labels").get<int64_t>();
  CHECK(labels >= std::max<int64_t>(taught, 20));
  CHECK(labels <= taught + 20);
  return labels;
}

// Leave of a run what it has before its first checkpoint: its settings and the labels of teachers.
void keep_the_beginning(const fs::path& folder) {
  for (const std::string name : {"result.json", "checkpoint.pt", "metrics.jsonl"}) {
    REQUIRE(fs::remove(folder / name));
  }
  fs::remove(folder / ladder::kModelFile);
}

fs::path taught_file(const fs::path& folder) {
  std::vector<fs::path> kept;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with("taught-")) kept.push_back(entry.path());
  }
  REQUIRE(kept.size() == 1);
  return kept.front();
}

}  // namespace

TEST_CASE("ladder-mnist: teachers label rows for one more run", "[cli]") {
  const MnistPlace place;
  const Arguments flags = {"--teachers=2", "--teacher-confidence=.5", "--epochs=40",
                           "--validation=50"};
  const auto told = place.run("straight", flags);
  INFO(told.out << told.err);
  REQUIRE(told.status == 0);
  CHECK(place.read("straight", "config.json").at("teachers") == 2);
  CHECK_FALSE(place.read("straight", "config.json").contains("candidate"));
  CHECK(check_taught_rows(place, "straight", told, "2 teachers agree on the class of") > 20);
  CHECK(place.read("straight.teachers/2", "config.json").at("candidate") == 2);
  CHECK(place.read("straight.teachers/2", "result.json").at("labels") == 20);

  // How sure they must be is a setting of the run that they teach, and not of theirs.
  CHECK(place.read("straight.teachers/2", "config.json").at("teacher_confidence") == 0.95);
  const auto teacher = place.file("straight.teachers/2", "result.json");
  const auto written = fs::last_write_time(teacher);
  fs::rename(place.folder / "straight", place.folder / "kept");
  const Arguments surer = {"--teacher-confidence=.6", "--resume"};
  const auto other = place.run("straight", flags + surer);
  INFO(other.err);
  REQUIRE(other.status == 0);
  CHECK(place.read("straight", "config.json").at("teacher_confidence") == 0.6);
  CHECK(fs::last_write_time(teacher) == written);
  fs::rename(place.folder / "straight", place.folder / "surer");
  fs::rename(place.folder / "kept", place.folder / "straight");

  // Stopped in the second teacher.
  interrupted(place.command("cut", flags + Arguments{"--checkpoint-every=0"}), "teacher 2");
  CHECK(fs::exists(place.file("cut.teachers/2", "checkpoint.pt")));
  CHECK(place.run("cut", flags + Arguments{"--resume"}).status == 0);
  require_same_run(place, "straight", "cut");

  // A run that has ended tells its result without its teachers; one that has not needs them.
  fs::remove(place.folder / "straight.teachers" / "1" / "checkpoint.pt");
  const auto ended = place.run("straight", flags + Arguments{"--resume"});
  CHECK(ended.status == 0);
  CHECK(lines_of(ended.out).back() == lines_of(told.out).back());
  // Its network is there, for what is missing.
  const auto model = place.folder / "straight" / ladder::kModelFile;
  const auto bytes = file_bytes(model);
  fs::remove(model);
  const auto outputs = place.run("straight", flags + Arguments{"--resume", "--predictions"});
  CHECK(outputs.status == 0);
  CHECK(file_bytes(model) == bytes);
  CHECK(lines_of(file_bytes(place.file("straight", "predictions.csv"))).size() ==
        1 + kMnistTestRows);
  fs::remove(place.file("straight", "result.json"));
  const auto gone = place.run("straight", flags + Arguments{"--resume"});
  CHECK(gone.status == 1);
  CHECK(gone.err.find("expected the checkpoint of a teacher in ") != std::string::npos);
}

TEST_CASE("ladder-mnist: finished runs label rows for another network", "[cli]") {
  const MnistPlace place;
  const Arguments draw = {"--epochs=2", "--validation=50"};
  REQUIRE(place.run("runs", draw + Arguments{"--seeds=3,4", "--quiet"}).status == 0);
  const auto runs = (place.folder / "runs").string();
  const auto taught_by = [](const std::string& runs_there) {
    return Arguments{"--taught-by=" + runs_there, "--teacher-confidence=.5"};
  };
  // Of a folder of seeds, the run with the same one; other layers may learn from it.
  const auto flags =
      draw + Arguments{"--seed=4", "--layers=20,20,10", "--lambda=none", "--labeled-batch=25"};
  const auto told = place.run("student", flags + taught_by(runs));
  INFO(told.out << told.err);
  REQUIRE(told.status == 0);
  const auto labels =
      check_taught_rows(place, "student", told, "1 teacher is sure of the class of");
  CHECK(place.read("student", "config.json").at("labeled_batch") == std::min<int64_t>(labels, 25));
  CHECK(place.read("runs/seed-4", "config.json").at("labeled_batch") == 20);
  const auto taught = place.read("student", "config.json").at("taught").get<std::string>();
  CHECK(std::regex_match(taught, std::regex("[0-9a-f]{16}")));
  CHECK(place.read("runs/seed-4", "config.json").at("taught") == "");

  // The labels are a setting of the run: a recipe that is named has none.
  const auto resumed = [&](const std::string& run, const Arguments& more) {
    return place.run(run, flags + more + Arguments{"--resume"});
  };
  const auto without = resumed("student", {"--recipe=mnist-100-full"});
  CHECK(without.status == 2);
  CHECK(without.err.find(" taught (\"" + taught + "\" there, ") != std::string::npos);
  CHECK(resumed("student", taught_by(runs)).status == 0);
  // They are kept with it, and a run that goes on takes them from there.
  fs::remove(place.file("student", "result.json"));
  const auto kept = taught_file(place.folder / "student");
  const auto tensors = ladder::io::load_tensors(kept);
  auto others = tensors;
  others["labels"] = (tensors.at("labels") + 1).remainder(10);
  ladder::io::save_tensors(kept, others);
  const auto refused = resumed("student", taught_by(runs));
  CHECK(refused.status == 2);
  CHECK(refused.err.find(" taught (\"" + taught + "\" there, ") != std::string::npos);
  ladder::io::save_tensors(kept, tensors);
  CHECK(resumed("student", taught_by(runs)).status == 0);

  // Nobody has to name the teachers again, nor what they taught.
  REQUIRE(place.run("begun", flags + taught_by(runs)).status == 0);
  keep_the_beginning(place.folder / "begun");
  const auto again = resumed("begun", {});
  INFO(again.out << again.err);
  CHECK(again.status == 0);
  require_same_run(place, "student", "begun");
  CHECK(resumed("begun", {}).status == 0);
  keep_the_beginning(place.folder / "begun");
  fs::remove(taught_file(place.folder / "begun"));
  const auto lost = resumed("begun", {});
  CHECK(lost.status == 2);
  CHECK(mnist_sentence(lost.err) == "expected the labels that the run in " +
                                        (place.folder / "begun").string() +
                                        " began with but got no file of them there (repeat "
                                        "--taught-by).");

  const auto own = (place.folder / "runs" / "seed-3").string();
  const auto other_labels = place.run("other", flags + taught_by(own));
  CHECK(other_labels.status == 2);
  CHECK(mnist_sentence(other_labels.err) ==
        "expected a run from the same labels to learn from (--seed 4 --labels 20 --validation 50) "
        "but got one with --seed 3 --labels 20 --validation 50 in " +
            own + ".");
  const auto nothing = place.run("nothing", flags + taught_by((place.folder / "data").string()));
  CHECK(nothing.status == 2);
  CHECK(mnist_sentence(nothing.err) ==
        "expected a finished run with its checkpoint to learn from but got none in " +
            (place.folder / "data").string() + ".");
  const auto both = place.run("both", flags + taught_by(runs) + Arguments{"--teachers=2"});
  CHECK(mnist_sentence(both.err) == "expected --taught-by or --teachers but got both.");
}

TEST_CASE("ladder-mnist: a recipe that another one teaches trains that one first", "[cli]") {
  const MnistPlace place;
  const auto command = [&](const std::string& out, const Arguments& more = {}) {
    return Arguments{kMnistProgram,
                     "--recipe=mnist-20-taught",
                     "--seed=4",
                     "--epochs=2",
                     "--teacher-confidence=.5",
                     "--data-dir=" + (place.folder / "data").string(),
                     "--threads=1",
                     "--device=cpu",
                     "--out=" + (place.folder / out).string()} +
           more;
  };
  const auto told = run_to_end(command("straight"));
  INFO(told.out << told.err);
  REQUIRE(told.status == 0);
  const auto teacher = (place.folder / "straight.teacher").string();
  CHECK(told.out.find("mnist-20-best, seed 4, in " + teacher + "\n") != std::string::npos);
  CHECK(check_taught_rows(place, "straight", told, "1 teacher is sure of the class of",
                          kMnistTrainRows) >= 20);
  const auto config = place.read("straight.teacher", "config.json");
  CHECK(config.at("recipe") == "mnist-20-best");
  CHECK(config.at("seed") == 4);
  CHECK(config.at("labels") == 20);
  CHECK(config.at("layers").size() == 6);
  CHECK(config.at("epochs") == 40);
  CHECK(place.read("straight", "config.json").at("layers").size() == 9);

  // The same as by hand.
  REQUIRE(run_to_end(command("by-hand", {"--taught-by=" + teacher})).status == 0);
  require_same_run(place, "straight", "by-hand");
  CHECK_FALSE(fs::exists(place.folder / "by-hand.teacher"));

  // Stopped in the teacher.
  const auto cut = interrupted(command("cut", {"--checkpoint-every=0"}), "cut.teacher");
  CHECK(cut.find("saved in " + (place.folder / "cut.teacher").string()) != std::string::npos);
  CHECK_FALSE(fs::exists(place.folder / "cut"));
  CHECK(run_to_end(command("cut")).status == 2);
  CHECK(run_to_end(command("cut", {"--resume"})).status == 0);
  require_same_run(place, "straight", "cut");
  CHECK(run_to_end(command("cut")).status == 2);

  fs::rename(place.folder / "cut.teacher", place.folder / "away");
  CHECK(run_to_end(command("cut", {"--resume"})).status == 0);
  CHECK_FALSE(fs::exists(place.folder / "cut.teacher"));

  const auto both = run_to_end(command("both", {"--teachers=2"}));
  CHECK(mnist_sentence(both.err) ==
        "expected --recipe mnist-20-taught or --teachers but got both.");
}
