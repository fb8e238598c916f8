#include "ladder/runs/run_folder.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "tests/support/as_nobody.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/full_disk.h"
#include "tests/support/python.h"
#include "tests/support/temporary_folder.h"

using namespace ladder::runs;
using namespace ladder::train;
using ladder::testing::AsNobody;
using ladder::testing::error_text;
using ladder::testing::file_bytes;
using ladder::testing::FullDisk;
using ladder::testing::kNoNobody;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;
using nlohmann::json;

namespace {

Evaluation evaluation_at(int64_t step) {
  Evaluation evaluation{.epoch = step / 10, .step = step, .learning_rate = 0.002};
  evaluation.supervised = 0.1 + static_cast<double>(step) / 3;
  evaluation.denoising = {1.0 / 3, std::nullopt, 0.25};
  evaluation.total = 7;
  evaluation.test_error = 1.07;
  if (step > 10) evaluation.confused = ConfusedPair{.label = 7, .prediction = 2, .rows = step};
  evaluation.seconds = 2.5;
  evaluation.steps_per_second = 80;
  return evaluation;
}

void require_equal(const Evaluation& a, const Evaluation& b) {
  REQUIRE(a.epoch == b.epoch);
  REQUIRE(a.step == b.step);
  REQUIRE(a.learning_rate == b.learning_rate);
  REQUIRE((a.supervised == b.supervised));
  REQUIRE((a.denoising == b.denoising));
  REQUIRE(a.total == b.total);
  REQUIRE((a.validation_error == b.validation_error));
  REQUIRE((a.test_error == b.test_error));
  REQUIRE((a.confused == b.confused));
  REQUIRE(a.seconds == b.seconds);
  REQUIRE(a.steps_per_second == b.steps_per_second);
}

}  // namespace

TEST_CASE("RunFolder writes the configuration and refuses a second run", "[runs]") {
  const TemporaryFolder folder;
  const auto path = folder / "a/b";
  {
    RunFolder run(path, R"({"seed": 1})", false);
    run.append(evaluation_at(10));
  }
  REQUIRE(json::parse(file_bytes(path / "config.json")) == json{{"seed", 1}});
  REQUIRE_FALSE(holds_only_config(path));
  REQUIRE(error_text([&] { RunFolder(path, R"({"seed": 1})", false); }) ==
          "RunFolder: expected a folder without a run but got " + path.string() +
              ", which holds one (continue it with --resume or choose another folder).");
  const RunFolder resumed(path, R"({"seed": 1})", true);
  REQUIRE_FALSE(resumed.has_checkpoint());
  REQUIRE_FALSE(resumed.result().has_value());
}

TEST_CASE("RunFolder takes the place of a run that saved nothing", "[runs]") {
  const TemporaryFolder folder;
  REQUIRE_FALSE(holds_only_config(folder.path()));
  { const RunFolder failed(folder.path(), R"({"rate": 10})", false); }
  REQUIRE(holds_only_config(folder.path()));
  { const RunFolder run(folder.path(), R"({"rate": 1})", false); }
  REQUIRE(json::parse(file_bytes(folder / "config.json")) == json{{"rate", 1}});
  // Whoever continues a run means the one that is there.
  REQUIRE(error_text([&] {
            RunFolder(folder.path(), R"({"rate": 2})", true);
          }).find("rate (1 there, 2 here)") != std::string::npos);
  for (const char* const work : {"metrics.jsonl", "checkpoint.pt", "result.json", "model.ladder"}) {
    INFO(work);
    write_file(folder / work, "");
    REQUIRE_FALSE(holds_only_config(folder.path()));
    REQUIRE(error_text([&] {
              RunFolder(folder.path(), R"({"rate": 2})", false);
            }).find("which holds one (continue it") != std::string::npos);
    std::filesystem::remove(folder / work);
  }
}

TEST_CASE("RunFolder starts a run on resume where there is none", "[runs]") {
  const TemporaryFolder folder;
  { const RunFolder run(folder / "new", R"({"seed": 1})", true); }
  REQUIRE(std::filesystem::exists(folder / "new/config.json"));
}

TEST_CASE("RunFolder names the keys that differ on resume", "[runs]") {
  const TemporaryFolder folder;
  {
    const RunFolder run(folder.path(), R"({"seed": 1, "net": {"layers": [3, 2], "a": 1}})", false);
  }
  REQUIRE(error_text([&] {
            RunFolder(folder.path(), R"({"seed": 2, "net": {"layers": [3], "b": true, "a": 1.0}})",
                      true);
          }) == "RunFolder: expected the configuration of the run in " + folder.path().string() +
                    " but got another one: net.b (absent there, true here), net.layers ([3,2] "
                    "there, [3] here), seed (1 there, 2 here).");
  // Whitespace, the order of keys and where the run went on do not matter.
  const RunFolder run(folder.path(), R"({"net":{"a":1,"layers":[3,2]},"seed":1,"resumed":[]})",
                      true);
  REQUIRE(run.path() == folder.path());
}

TEST_CASE("RunFolder says what is wrong with a configuration or a folder", "[runs]") {
  const TemporaryFolder folder;
  REQUIRE(error_text([&] { RunFolder(folder.path(), "[1]", false); }) ==
          "RunFolder: expected the configuration to be a JSON object but got \"[1]\".");
  const auto file = write_file(folder / "file", "x");
  const auto text = error_text([&] { RunFolder(file, "{}", false); });
  REQUIRE(text.starts_with("RunFolder: expected to create the folder " + file.string()));
  write_file(folder / "metrics.jsonl", "");
  REQUIRE(error_text([&] { RunFolder(folder.path(), "{}", true); }) ==
          "RunFolder: expected " + (folder / "config.json").string() +
              " beside the other files of the run but got none.");
  // The failed attempts have let go of the folder.
  std::filesystem::remove(folder / "metrics.jsonl");
  const RunFolder run(folder.path(), "{}", false);
  REQUIRE(std::filesystem::exists(folder / "config.json"));
}

TEST_CASE("RunFolder is held by one process at a time", "[runs]") {
  const TemporaryFolder folder;
  const auto sentence = "RunFolder: expected " + folder.path().string() +
                        " for this run alone but another process has it open (wait for its end "
                        "or choose another folder).";
  {
    const RunFolder run(folder.path(), "{}", false);
    REQUIRE(error_text([&] { RunFolder(folder.path(), "{}", true); }) == sentence);
  }
  int ready[2];
  int stop[2];
  REQUIRE(::pipe(ready) == 0);
  REQUIRE(::pipe(stop) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    char byte = 0;
    {
      const RunFolder run(folder.path(), "{}", true);
      if (::write(ready[1], &byte, 1) != 1 || ::read(stop[0], &byte, 1) < 0) ::_exit(1);
      ::_exit(0);  // without a destructor, as when it is killed
    }
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  CHECK(error_text([&] { RunFolder(folder.path(), "{}", true); }) == sentence);
  REQUIRE(::write(stop[1], &byte, 1) == 1);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WEXITSTATUS(status) == 0);
  for (const int end : {ready[0], ready[1], stop[0], stop[1]}) ::close(end);
  REQUIRE(error_text([&] { RunFolder(folder.path(), "{}", true); }) == "(no error)");
}

TEST_CASE("RunFolder says so when the disk is full, and keeps what was recorded", "[runs]") {
  const TemporaryFolder folder;
  const auto config = json{{"seed", 1}}.dump();
  std::string whole;
  {
    RunFolder run(folder / "whole", config, false);
    for (int64_t step = 1; step <= 3; ++step) run.append(evaluation_at(step));
    whole = file_bytes(folder / "whole/metrics.jsonl");
  }
  int refused = 0;
  for (size_t limit = 0; limit < whole.size(); limit += 37) {
    INFO("disk full after " << limit << " bytes of a file");
    const auto path = folder / ("run-" + std::to_string(limit));
    std::string error;
    {
      const FullDisk full(limit);
      error = error_text([&] {
        RunFolder run(path, config, false);
        for (int64_t step = 1; step <= 3; ++step) run.append(evaluation_at(step));
      });
    }
    REQUIRE(error != "(no error)");
    CHECK_THAT(error, Catch::Contains(": expected to "));
    CHECK_THAT(error, Catch::Contains(path.string()));
    CHECK_THAT(error, Catch::Contains("File too large") || Catch::Contains("No space left") ||
                          Catch::Contains("is the disk full?"));
    ++refused;
    // The disk has space again: the run goes on from whole evaluations.
    RunFolder run(path, config, true);
    const auto kept = run.evaluations();
    CHECK(kept.size() <= 3);
    for (size_t i = 0; i < kept.size(); ++i) {
      require_equal(kept[i], evaluation_at(static_cast<int64_t>(i) + 1));
    }
    run.keep_evaluations(static_cast<int64_t>(kept.size()));
    for (auto step = static_cast<int64_t>(kept.size()) + 1; step <= 3; ++step) {
      run.append(evaluation_at(step));
    }
    CHECK(file_bytes(path / "metrics.jsonl") == whole);
  }
  CHECK(refused > 5);
}

TEST_CASE("RunFolder says so when the folder is removed under it", "[runs]") {
  const TemporaryFolder folder;
  const auto path = folder / "run";
  RunFolder run(path, "{}", false);
  run.append(evaluation_at(1));
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path)) files.push_back(entry.path());
  for (const auto& file : files) std::filesystem::remove(file);
  REQUIRE(std::filesystem::remove(path));
  const auto appended = error_text([&] { run.append(evaluation_at(2)); });
  CHECK_THAT(appended, Catch::Contains(": expected to ") && Catch::Contains(path.string()) &&
                           Catch::Contains("No such file or directory"));
  const auto written = error_text([&] { run.write_result({}, {}); });
  CHECK(written == "write_atomically: expected the folder " + path.string() +
                       " to exist in order to write " + (path / "result.json").string() +
                       " but got none (create it first).");
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("RunFolder refuses a folder without write permission", "[runs]") {
  const TemporaryFolder folder;
  const auto path = folder / "read-only";
  std::filesystem::create_directory(path);
  REQUIRE(::chmod(path.c_str(), 0555) == 0);
  std::string existing, missing;
  {
    const AsNobody nobody(folder.path());
    if (!nobody.reaches_folder()) LADDER_SKIP(kNoNobody);
    existing = error_text([&] { RunFolder(path, "{}", false); });
    missing = error_text([&] { RunFolder(path / "new", "{}", false); });
  }
  CHECK(existing ==
        "RunFolder: expected to write in " + path.string() + " but got \"Permission denied\".");
  CHECK(missing == "RunFolder: expected to create the folder " + (path / "new").string() +
                       " but got \"Permission denied\".");
  CHECK(std::filesystem::is_empty(path));
}

TEST_CASE("RunFolder keeps metrics as lines of JSON", "[runs]") {
  const TemporaryFolder folder;
  RunFolder run(folder.path(), "{}", false);
  run.keep_evaluations(100);
  REQUIRE(run.evaluations().empty());
  run.append(evaluation_at(10));
  run.append(evaluation_at(20));
  run.append(evaluation_at(30));
  const auto text = file_bytes(folder / "metrics.jsonl");
  const auto first = json::parse(text.substr(0, text.find('\n')));
  REQUIRE(first.at("denoising")[1].is_null());
  REQUIRE(first.at("test_error") == 1.07);
  REQUIRE(first.at("validation_error").is_null());

  run.keep_evaluations(30);
  const auto all = run.evaluations();
  REQUIRE(all.size() == 3);
  require_equal(all[2], evaluation_at(30));
  REQUIRE(file_bytes(folder / "metrics.jsonl") == text);

  run.keep_evaluations(29);
  const auto kept = run.evaluations();
  REQUIRE(kept.size() == 2);
  require_equal(kept[1], evaluation_at(20));
  REQUIRE(text.starts_with(file_bytes(folder / "metrics.jsonl")));
  run.keep_evaluations(29);
  REQUIRE(run.evaluations().size() == 2);
  run.keep_evaluations(0);
  REQUIRE(run.evaluations().empty());
  REQUIRE(file_bytes(folder / "metrics.jsonl").empty());
}

TEST_CASE("RunFolder replaces its metrics at once, or keeps them", "[runs]") {
  const TemporaryFolder folder;
  RunFolder run(folder.path(), "{}", false);
  for (const int64_t step : {10, 20, 30}) run.append(evaluation_at(step));
  run.replace_evaluations({evaluation_at(5), evaluation_at(15)});
  run.append(evaluation_at(25));
  run.flush();
  const auto found = run.evaluations();
  REQUIRE(found.size() == 3);
  require_equal(found[0], evaluation_at(5));
  require_equal(found[1], evaluation_at(15));
  require_equal(found[2], evaluation_at(25));
  const auto before = file_bytes(folder / "metrics.jsonl");
  {
    const FullDisk full(before.size() / 2);
    CHECK(error_text([&] { run.replace_evaluations(found); }) != "(no error)");
  }
  CHECK(file_bytes(folder / "metrics.jsonl") == before);
  run.replace_evaluations({});
  CHECK(run.evaluations().empty());
}

TEST_CASE("RunFolder keeps the metrics for TensorBoard, each step once", "[runs][slow]") {
  if (!ladder::testing::python("tensorboard")) LADDER_SKIP(ladder::testing::kNoPython);
  const TemporaryFolder folder;
  {
    RunFolder run(folder.path(), R"({"seed": 1})", false);
    run.keep_evaluations(0);
    for (const int64_t step : {10, 20, 30}) run.append(evaluation_at(step));
  }
  {
    RunFolder run(folder.path(), R"({"seed": 1})", true);
    run.keep_evaluations(20);
    run.append(evaluation_at(30));
    run.append(evaluation_at(40));
  }
  const auto outcome = ladder::testing::run_python(R"PY(
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0})
events.Reload()
print(sorted(events.Tags()["scalars"]))
for tag in events.Tags()["scalars"]:
    assert [e.step for e in events.Scalars(tag)] == [10, 20, 30, 40], tag
print([e.value for e in events.Scalars("error/test")][0], events.Scalars("epoch")[3].value)
print(events.Tensors("config")[0].tensor_proto.string_val[0].decode())
)PY",
                                                   {folder.path().string()});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  REQUIRE(outcome.out ==
          "['cost/denoising/0', 'cost/denoising/2', 'cost/supervised', 'cost/total', 'epoch', "
          "'error/test', 'learning_rate', 'speed/steps_per_second']\n"
          "1.0700000524520874 4.0\n```\n{\"seed\": 1}\n```\n");
}

TEST_CASE("RunFolder writes its configuration once among the events, whenever they begin",
          "[runs]") {
  const TemporaryFolder folder;
  const std::string config = R"({"seed": 1})";
  { const RunFolder interrupted(folder.path(), config, false); }
  const auto part = [&](int number) {
    return file_bytes(folder / ("events.out.tfevents.00000" + std::to_string(number)));
  };
  for (const int number : {1, 2}) {  // interrupted before its first evaluation, and behind it
    RunFolder run(folder.path(), config, true);
    run.keep_evaluations(10 * number - 5);
    run.append(evaluation_at(10 * number));
  }
  CHECK(part(1).find(config) != std::string::npos);
  CHECK(part(2).find("cost/total") != std::string::npos);
  CHECK(part(2).find(config) == std::string::npos);
  RunFolder run(folder.path(), config, true);  // with another number of ranks
  run.replace_evaluations({evaluation_at(5)});
  CHECK(part(1).find(config) != std::string::npos);
  CHECK(part(2).find(config) == std::string::npos);
}

TEST_CASE("RunFolder drops a torn last line of the metrics", "[runs]") {
  const TemporaryFolder folder;
  RunFolder run(folder.path(), "{}", false);
  run.append(evaluation_at(10));
  const auto whole = file_bytes(folder / "metrics.jsonl");
  const auto line = to_json(evaluation_at(20));
  for (const size_t length : {size_t{1}, line.size() / 2, line.size() - 1}) {
    write_file(folder / "metrics.jsonl", whole + line.substr(0, length));
    const auto torn = file_bytes(folder / "metrics.jsonl");
    REQUIRE(run.evaluations().size() == 1);
    REQUIRE(file_bytes(folder / "metrics.jsonl") == torn);  // reading changes nothing
    run.keep_evaluations(100);
    REQUIRE(file_bytes(folder / "metrics.jsonl") == whole);
  }
  write_file(folder / "metrics.jsonl", whole + line);  // only its newline is missing
  run.keep_evaluations(100);
  REQUIRE(run.evaluations().size() == 2);
  REQUIRE(file_bytes(folder / "metrics.jsonl") == whole + line + "\n");

  write_file(folder / "metrics.jsonl", "garbage\n" + whole);
  REQUIRE(error_text([&] { run.keep_evaluations(100); }) ==
          "RunFolder: expected an evaluation in metrics.jsonl but got \"garbage\".");
}

TEST_CASE("RunFolder keeps costs of pieces and the lack of a supervised cost", "[runs]") {
  const TemporaryFolder folder;
  RunFolder run(folder.path(), "{}", false);
  auto evaluation = evaluation_at(10);
  REQUIRE(to_json(evaluation).find("others") == std::string::npos);
  evaluation.supervised.reset();
  evaluation.others = {{"margin", 0.5}, {"pseudo-label", 1.0 / 3}};
  run.append(evaluation);
  const auto read = run.evaluations().at(0);
  require_equal(read, evaluation);
  REQUIRE(read.others == evaluation.others);
  REQUIRE(json::parse(file_bytes(folder / "metrics.jsonl")).at("others").at("margin") == 0.5);
}

TEST_CASE("RunFolder removes what a killed process left while it wrote", "[runs]") {
  const TemporaryFolder folder;
  { const RunFolder run(folder.path(), "{}", false); }
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(0);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  const auto left = folder / (".checkpoint.pt." + std::to_string(child) + ".1.tmp");
  const auto live = folder / (".checkpoint.pt." + std::to_string(::getppid()) + ".1.tmp");
  write_file(left, "part");
  write_file(live, "part");
  const RunFolder run(folder.path(), "{}", true);
  REQUIRE_FALSE(std::filesystem::exists(left));
  REQUIRE(std::filesystem::exists(live));
}

TEST_CASE("in_folder opens a folder when it is called", "[runs]") {
  const TemporaryFolder folder;
  const auto open = in_folder(folder / "run", {.config = R"({"seed": 1})"});
  REQUIRE_FALSE(std::filesystem::exists(folder / "run"));
  {
    const auto record = open();
    REQUIRE(record->config() == R"({"seed": 1})");
    REQUIRE(record->checkpoint_path() == folder / "run/checkpoint.pt");
    REQUIRE(record->differences(R"({"seed": 2})") == "seed (2 there, 1 here)");
    REQUIRE(record->differences(R"({ "seed" : 1 })").empty());
    record->append(evaluation_at(10));
  }
  REQUIRE(error_text([&] { open(); }).starts_with("RunFolder: expected a folder without a run"));
}

TEST_CASE("RunFolder writes and reads a result", "[runs]") {
  const TemporaryFolder folder;
  RunFolder run(folder.path(), R"({"recipe": "mnist-100-full"})", false);
  TrainResult result{.status = TrainStatus::kStoppedEarly, .last = evaluation_at(30)};
  result.best_validation_error = 1.5;
  result.best_epoch = 2;
  result.steps = 30;
  result.seconds = 4;
  result.training_seconds = 3;
  result.steps_per_second = 10;
  result.peak_memory_mib = 812.5;
  run.write_result(result, {.seed = 5, .labels = 100, .epochs = 150});

  const auto object = json::parse(file_bytes(folder / "result.json"));
  REQUIRE(object.at("status") == "stopped early");
  REQUIRE(object.at("recipe") == "mnist-100-full");
  REQUIRE(object.at("seed") == 5);
  REQUIRE(object.at("labels") == 100);
  REQUIRE(object.at("epochs") == 150);
  REQUIRE(object.at("epoch") == 3);
  REQUIRE(object.at("test_error") == 1.07);
  REQUIRE(object.at("validation_error").is_null());
  REQUIRE(object.at("last").at("denoising")[0] == 1.0 / 3);

  const auto read = run.result();
  REQUIRE(read.has_value());
  REQUIRE(read->status == TrainStatus::kStoppedEarly);
  require_equal(*read->last, *result.last);
  REQUIRE(read->best_validation_error.value() == 1.5);
  REQUIRE(read->best_epoch == 2);
  REQUIRE(read->steps == 30);
  REQUIRE(read->seconds == 4);
  REQUIRE(read->training_seconds == 3);
  REQUIRE(read->steps_per_second == 10);
  REQUIRE(read->peak_memory_mib == 812.5);

  write_file(folder / "result.json", R"({"status": "finished"})");
  REQUIRE(error_text([&] { run.result(); })
              .starts_with("RunFolder: expected " + (folder / "result.json").string() +
                           " to be the result of a run but got \""));
}
