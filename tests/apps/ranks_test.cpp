// Runs divided by rank: the ranks of the environment, `ladder launch`, and commands under it.
#include "apps/support/ranks.h"

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "apps/support/command_line.h"
#include "tests/apps/no_ranks.h"
#include "tests/apps/reproduce_place.h"
#include "tests/support/catch.h"
#include "tests/support/environment.h"
#include "tests/support/paths.h"
#include "tests/support/program.h"
#include "tests/support/run_files.h"
#include "tests/support/temporary_folder.h"

using namespace ladder::testing;
using namespace ladder::apps;

namespace {

namespace fs = std::filesystem;

const std::string kProgram = program_path("ladder");
const std::string kTable = (source_folder() / "examples/data/machines.csv").string();

Rank rank_with(const std::map<std::string, std::string>& variables) {
  std::vector<std::unique_ptr<Environment>> set;
  for (const auto& [name, value] : variables) {
    set.push_back(std::make_unique<Environment>(name, value));
  }
  return rank_of_environment();
}

Arguments launch(int ranks, const Arguments& command) {
  return Arguments{kProgram, "launch", "-n", std::to_string(ranks), "--"} + command;
}

Arguments train_seeds(const fs::path& out, const Arguments& more = {}) {
  return Arguments{"ladder",      "train",        kTable,
                   "--label",     "state",        "--layers=20,10",
                   "--epochs=10", "--seeds=1..4", "--validation=0.3",
                   "--threads=1", "--device=cpu", "--no-baseline",
                   "--no-report", "--out",        out.string()} +
         more;
}

std::map<std::string, std::string> as_rank(int rank, int size) {
  return {{"RANK", std::to_string(rank)}, {"WORLD_SIZE", std::to_string(size)}};
}

}  // namespace

TEST_CASE("Ranks of a machine take a GPU each where there are enough", "[ranks]") {
  CHECK(gpu_of({.rank = 5, .size = 8, .local = 1}, 4) == c10::Device(c10::kCUDA, 1));
  CHECK(gpu_of({.rank = 3, .size = 4, .local = 3}, 2) == c10::Device(c10::kCUDA, 1));
  CHECK(gpu_of({}, 2) == c10::Device(c10::kCUDA, 0));
}

TEST_CASE("Rank: is read from the variables of torchrun, mpirun or Slurm", "[ranks]") {
  const NoRanks none;
  CHECK(rank_of_environment().size == 1);
  CHECK(rank_of_environment().first());
  const auto torchrun = rank_with({{"RANK", "3"}, {"WORLD_SIZE", "8"}, {"LOCAL_RANK", "1"}});
  CHECK(torchrun.rank == 3);
  CHECK(torchrun.size == 8);
  CHECK(torchrun.local == 1);
  const auto mpi = rank_with({{"OMPI_COMM_WORLD_RANK", "1"},
                              {"OMPI_COMM_WORLD_SIZE", "2"},
                              {"OMPI_COMM_WORLD_LOCAL_RANK", "0"}});
  CHECK(mpi.rank == 1);
  CHECK(mpi.size == 2);
  const auto slurm =
      rank_with({{"SLURM_PROCID", "5"}, {"SLURM_STEP_NUM_TASKS", "6"}, {"SLURM_LOCALID", "2"}});
  CHECK(slurm.rank == 5);
  CHECK(slurm.size == 6);
  CHECK(slurm.local == 2);
  // A batch script has a SLURM_PROCID, but is no task.
  CHECK(rank_with({{"SLURM_PROCID", "0"}}).size == 1);
  // What a launcher of ranks sets wins over the job that it runs in.
  CHECK(rank_with({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"SLURM_PROCID", "0"}}).rank == 1);

  CHECK_THROWS_WITH(rank_with({{"RANK", "0"}}),
                    "expected WORLD_SIZE beside RANK in the environment but got none.");
  CHECK_THROWS_WITH(rank_with({{"WORLD_SIZE", "2"}}),
                    "expected RANK beside WORLD_SIZE in the environment but got none.");
  CHECK_THROWS_WITH(rank_with({{"RANK", "2"}, {"WORLD_SIZE", "2"}}),
                    "expected a whole number from 0 to 1 for RANK but got '2'.");
  CHECK_THROWS_WITH(rank_with({{"RANK", "a"}, {"WORLD_SIZE", "2"}}),
                    "expected a whole number from 0 to 1 for RANK but got 'a'.");
}

TEST_CASE("Rank: takes each run on one rank only", "[ranks]") {
  for (int64_t size = 1; size < 5; ++size) {
    for (size_t run = 0; run < 9; ++run) {
      int64_t takers = 0;
      for (int64_t rank = 0; rank < size; ++rank) {
        const Rank one{.rank = rank, .size = size};
        takers += one.takes(run) ? 1 : 0;
        CHECK(one.takes(run) == (one.owner(run) == rank));
      }
      CHECK(takers == 1);
    }
  }
  CHECK(ranks_text({2}) == "rank 2");
  CHECK(ranks_text({1, 2, 5}) == "ranks 1, 2 and 5");
}

TEST_CASE("RankGroup: learns that a rank has ended, is dead or is silent", "[ranks]") {
  const TemporaryFolder folder;
  const auto never = [] { return false; };
  RankGroup first({.rank = 0, .size = 2}, folder.path(), 0.3);
  SECTION("its runs are done") {
    CHECK(first.wait([](int64_t) { return false; }, never).empty());
  }
  SECTION("it ends without them") {
    { const RankGroup second({.rank = 1, .size = 2}, folder.path(), 0.3); }
    CHECK(first.wait([](int64_t) { return true; }, never) == std::vector<int64_t>{1});
  }
  SECTION("its process is killed") {
    const auto pid = ::fork();
    if (pid == 0) {
      // The lock, and a line of this launch without an end.
      const auto path = (folder / ".ranks/rank-1").string();
      const auto session = file_bytes(folder / ".ranks/session");
      write_file(
          path, session.substr(0, session.size() - 1) + " " + [] {
            char name[256] = {};
            ::gethostname(name, sizeof name - 1);
            return std::string(name);
          }() + " 1 works\n");
      ::_exit(0);
    }
    REQUIRE(pid > 0);
    ::waitpid(pid, nullptr, 0);
    CHECK(first.wait([](int64_t) { return true; }, never) == std::vector<int64_t>{1});
  }
  SECTION("it never starts") {
    CHECK(first.wait([](int64_t) { return true; }, never) == std::vector<int64_t>{1});
  }
  SECTION("a stop is requested") {
    RankGroup second({.rank = 1, .size = 2}, folder.path(), 60);
    CHECK(first.wait([](int64_t) { return true; }, [] { return true; }).empty());
  }
  SECTION("runs that are done count, although their rank has ended") {
    { const RankGroup second({.rank = 1, .size = 2}, folder.path(), 0.3); }
    CHECK(first.wait([](int64_t) { return false; }, never).empty());
  }
}

TEST_CASE("RankGroup: learns that a rank has ended before rank 0 started", "[ranks]") {
  const TemporaryFolder folder;
  std::thread second([&] { const RankGroup early({.rank = 1, .size = 2}, folder.path(), 900); });
  const auto begin = std::chrono::steady_clock::now();
  while (!fs::exists(folder / ".ranks/rank-1") &&
         std::chrono::steady_clock::now() - begin < std::chrono::seconds(300)) {
    std::this_thread::yield();
  }
  const auto start = std::chrono::steady_clock::now();
  RankGroup first({.rank = 0, .size = 2}, folder.path(), 900);
  const auto never = [] { return false; };
  CHECK(first.wait([](int64_t) { return true; }, never) == std::vector<int64_t>{1});
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(300));
  second.join();
}

TEST_CASE("ladder launch: starts ranks, passes their environment and reports failures", "[ranks]") {
  const NoRanks none;
  const TemporaryFolder folder;
  const auto shell = [&](const std::string& script, int ranks = 2) {
    return run_to_end(launch(ranks, {"sh", "-c", script}));
  };
  const auto told = shell("echo $RANK $WORLD_SIZE $LOCAL_RANK $MASTER_ADDR > " +
                          (folder / "rank-$RANK").string() + "; test -n \"$MASTER_PORT\"");
  INFO(told.err);
  CHECK(told.status == 0);
  CHECK(file_bytes(folder / "rank-0") == "0 2 0 127.0.0.1\n");
  CHECK(file_bytes(folder / "rank-1") == "1 2 1 127.0.0.1\n");

  const auto failed = shell("exit $((RANK * 3))");
  CHECK(failed.status == 1);
  CHECK(failed.err == "ladder launch: rank 1 failed with status 3\n");
  const auto killed = shell("test $RANK = 1 || kill -9 $$");
  CHECK(killed.status == 1);
  CHECK(killed.err == "ladder launch: rank 0 ended by signal 9, Killed\n");

  // A signal reaches each rank.
  Program waiting(
      launch(2, {"sh", "-c",
                 "trap 'echo $RANK caught; exit 130' TERM; echo up > " +
                     (folder / "up-$RANK").string() + "; while true; do sleep 0.05; done"}));
  REQUIRE(waiting.wait_until(
      [&] { return fs::exists(folder / "up-0") && fs::exists(folder / "up-1"); }));
  waiting.send(SIGTERM);
  CHECK(waiting.wait() == 130);
  CHECK(waiting.out().find("0 caught") != std::string::npos);
  CHECK(waiting.out().find("1 caught") != std::string::npos);
  CHECK(waiting.err().empty());

  const auto sentence = [](const Arguments& arguments) {
    const auto outcome = run_to_end(Arguments{kProgram, "launch"} + arguments);
    CHECK(outcome.status == 2);
    return one_sentence("ladder", outcome.err);
  };
  CHECK(sentence({"--", "true"}) == "expected the number of ranks in -n but got none.");
  CHECK(sentence({"-n", "2"}) == "expected -- and a command after the flags but got none.");
  CHECK(sentence({"-n", "2", "--"}) == "expected -- and a command after the flags but got none.");
  CHECK(sentence({"-n", "2", "--", "no-such-program"}) ==
        "expected a program after -- but got 'no-such-program', which is not in $PATH.");
}

TEST_CASE("ladder train: ranks divide the seeds, and a second call takes what is left", "[ranks]") {
  const NoRanks none;
  const TemporaryFolder folder;
  const auto alone = run_to_end(Arguments{kProgram} + [&] {
    auto words = train_seeds(folder / "alone");
    words.erase(words.begin());
    return words;
  }());
  INFO(alone.err);
  REQUIRE(alone.status == 0);
  const auto both = run_to_end(launch(2, train_seeds(folder / "both")));
  INFO(both.out << both.err);
  REQUIRE(both.status == 0);
  CHECK(both.err.empty());
  CHECK(both.out.find("over 4 seeds") != std::string::npos);
  CHECK(both.out.find(", by rank 1\n") != std::string::npos);
  for (int seed = 1; seed <= 4; ++seed) {
    const auto name = "seed-" + std::to_string(seed);
    require_same_run(folder / "alone" / name, folder / "both" / name);
    CHECK(read_json(folder / "alone" / name / "evaluation.json") ==
          read_json(folder / "both" / name / "evaluation.json"));
  }
  CHECK(file_bytes(folder / "alone/model.ladder") == file_bytes(folder / "both/model.ladder"));

  // Rank 1 of 2 is lost before its first run: rank 0 does its own and names what is missing.
  Program first(
      Arguments{kProgram} +
          [&] {
            auto words = train_seeds(folder / "lost");
            words.erase(words.begin());
            return words;
          }(),
      as_rank(0, 2));
  {
    auto words = train_seeds(folder / "lost", {"--epochs=200000"});
    words.front() = kProgram;
    Program second(words, as_rank(1, 2));
    REQUIRE(second.wait_until([&] { return fs::exists(folder / "lost/seed-2/config.json"); }));
    // It must have written a line of this launch.
    const auto session = [&] {
      const auto text = file_bytes(folder / "lost/.ranks/session");
      return text.substr(0, text.find('\n'));
    };
    REQUIRE(second.wait_until([&] {
      return fs::exists(folder / "lost/.ranks/session") &&
             file_bytes(folder / "lost/.ranks/rank-1").starts_with(session() + " ");
    }));
    second.send(SIGKILL);
    second.wait();
  }
  CHECK(first.wait() == 1);
  CHECK(one_sentence("ladder", first.err()) ==
        "expected the runs of all ranks but rank 1 ended before seeds 2, 4 were trained (the same "
        "command with --resume goes on).");
  CHECK(fs::exists(folder / "lost/seed-3/model.ladder"));
  const auto written = fs::last_write_time(folder / "lost/seed-3/result.json");
  fs::remove(folder / "lost/seed-2/config.json");  // it was of another number of epochs
  const auto rest = run_to_end(launch(3, train_seeds(folder / "lost", {"--resume"})));
  INFO(rest.out << rest.err);
  CHECK(rest.status == 0);
  CHECK(rest.out.find("over 4 seeds") != std::string::npos);
  CHECK(fs::last_write_time(folder / "lost/seed-3/result.json") == written);
  for (int seed = 1; seed <= 4; ++seed) {
    const auto name = "seed-" + std::to_string(seed);
    require_same_run(folder / "alone" / name, folder / "lost" / name);
  }
}

TEST_CASE("ladder reproduce: ranks divide the runs, and rank 0 writes the table", "[ranks]") {
  const NoRanks none;
  const ReproducePlace place(2, "case \"$*\" in *'--seed 2 '*) test -e " +
                                    std::string("$(dirname $0)/mended || exit 3;; esac"));
  const auto command = [&](int ranks) { return launch(ranks, place.command({"--seeds", "1..3"})); };
  const auto outcome = run_to_end(command(2));
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 1);
  CHECK(outcome.err == "ladder launch: rank 0 failed with status 1\n");
  CHECK(outcome.out.find("rank 1 ended before all runs were finished; the same command goes on") !=
        std::string::npos);
  CHECK(outcome.out.find("mnist-100-full, seed 1: 1 of 2, in ") != std::string::npos);
  CHECK(outcome.out.find("mnist-100-full, seed 2: 1 of 1, in ") != std::string::npos);
  const auto written = fs::last_write_time(place.file("mnist-100-full/seed-1/result.json"));
  write_file(place.folder / "bin/mended", "");
  const auto again = run_to_end(command(3));
  INFO(again.out << again.err);
  CHECK(again.status == 0);
  CHECK(place.table().at("rows").at(0).at("ours").at("runs") == 3);
  CHECK(fs::last_write_time(place.file("mnist-100-full/seed-1/result.json")) == written);
  CHECK(again.out.find("\n\n" + file_bytes(place.file("table.md"))) != std::string::npos);
}

TEST_CASE("ladder tune: ranks divide the runs of each rung", "[ranks]") {
  const NoRanks none;
  const TemporaryFolder folder;
  const auto tune = [&](const std::string& out) {
    return Arguments{"ladder",
                     "tune",
                     kTable,
                     "--label=state",
                     "--threads=1",
                     "--epochs=3",
                     "--draws=1",
                     "--trials=3",
                     "--layers=20,10",
                     "--device=cpu",
                     "--out=" + (folder / out).string()};
  };
  auto words = tune("alone");
  words.front() = kProgram;
  REQUIRE(run_to_end(words).status == 0);
  const auto both = run_to_end(launch(2, tune("both")));
  INFO(both.out << both.err);
  REQUIRE(both.status == 0);
  CHECK(read_json(folder / "both/tune.json").at("trials") ==
        read_json(folder / "alone/tune.json").at("trials"));

  // A rank whose run fails says so and ends with 0: launchers end all ranks when one fails.
  const Rank first{.rank = 0, .size = 2}, second{.rank = 1, .size = 2};
  const auto fails = []() -> int { throw std::runtime_error("expected luck but got none."); };
  CHECK(share_of_rank(second, fails) == 0);
  CHECK(share_of_rank(second, [] { return 130; }) == 130);
  CHECK_THROWS_WITH(share_of_rank(first, fails), "expected luck but got none.");
  CHECK(file_bytes(folder / "both/best.json") == file_bytes(folder / "alone/best.json"));
  // One table.
  const auto header = both.out.find("\ntrial ");
  REQUIRE(header != std::string::npos);
  CHECK(both.out.find("\ntrial ", header + 1) == std::string::npos);
}

TEST_CASE("ladder convert: writes shards that train, resume and predict as the table does",
          "[ranks]") {
  const NoRanks none;
  const TemporaryFolder folder;
  const auto at = [&](const std::string& name) { return (folder / name).string(); };
  // Rows of two clouds whose numbers float32 holds, in two files.
  for (const int part : {0, 1}) {
    std::string text = "id,x,y,kind\n";
    for (int i = 150 * part; i < 150 * (part + 1); ++i) {
      text += fmt::format("r{},{},{},{}\n", i, 4 * (i % 2) + i * 37 % 16 * 0.125,
                          i % 9 == 0 ? "" : fmt::format("{}", i * 53 % 32 * 0.0625),
                          i % 4 >= 2   ? ""
                          : i % 2 == 0 ? "left"
                                       : "right");
    }
    write_file(folder / ("part-" + std::to_string(part) + ".csv"), text);
    const auto body = text.substr(text.find('\n') + 1);
    if (part == 0) write_file(folder / "all.csv", text);
    if (part == 1) write_file(folder / "all.csv", file_bytes(folder / "all.csv") + body);
  }
  const auto converted = run_to_end({kProgram, "convert", at("part-0.csv"), at("part-1.csv"),
                                     "--label=kind", "--ignore=id", "--rows=70", "-o", at("s")});
  INFO(converted.out << converted.err);
  REQUIRE(converted.status == 0);
  CHECK(converted.out == "shards    300 rows of 2 columns in " + at("s") +
                             "\nlabels    150 rows, 2 classes\nnext      ladder train " + at("s") +
                             "\n");
  const auto train = [&](const Arguments& data, const std::string& out) {
    return run_to_end(Arguments{kProgram, "train"} + data +
                      Arguments{"--epochs=4", "--layers=10", "--threads=1", "--device=cpu",
                                "--no-baseline", "--quiet", "--no-report", "--out", at(out)});
  };
  const auto of_table = train({at("all.csv"), "--label=kind", "--ignore=id"}, "table");
  INFO(of_table.err);
  REQUIRE(of_table.status == 0);
  const auto of_shards = train({at("s")}, "shards");
  INFO(of_shards.err);
  REQUIRE(of_shards.status == 0);
  const auto predicted = [&](const std::string& run, const std::string& data) {
    const auto outcome = run_to_end({kProgram, "predict", at(run), at(data), "--probabilities"});
    INFO(outcome.err);
    CHECK(outcome.status == 0);
    return outcome.out;
  };
  CHECK(predicted("shards", "s") == predicted("table", "all.csv"));
  CHECK(read_json(folder / "shards/evaluation.json") ==
        read_json(folder / "table/evaluation.json"));
  const auto inspected = run_to_end({kProgram, "inspect", at("s")});
  CHECK(inspected.out.starts_with("300 rows, 2 columns in shards\n"));
  const auto evaluated = run_to_end({kProgram, "evaluate", at("shards"), at("s"), "--json"});
  INFO(evaluated.err);
  CHECK(nlohmann::json::parse(evaluated.out).at("rows") == 150);

  // Arrays say themselves which of them holds the labels.
  std::filesystem::copy_file(folder / "s/rows-00000.npy", folder / "x.npy");
  std::filesystem::copy_file(folder / "s/labels-00000.npy", folder / "y.npy");
  const auto arrays = run_to_end({kProgram, "convert", at("x.npy"), "-o", at("arrays")});
  INFO(arrays.err);
  CHECK(arrays.out.starts_with("shards    70 rows of 2 columns in " + at("arrays") +
                               "\nlabels    36 rows, 2 classes\n"));
  write_file(folder / "none.csv", "x,y\n");

  const auto sentence = [](const Outcome& outcome, int status) {
    CHECK(outcome.status == status);
    return one_sentence("ladder", outcome.err);
  };
  CHECK(sentence(run_to_end({kProgram, "convert", at("all.csv")}), 2) ==
        "expected the folder to write in -o but got none.");
  CHECK(sentence(run_to_end({kProgram, "convert", at("none.csv"), "-o", at("none")}), 1)
            .find("expected") != std::string::npos);
  // Before it reads a row: this file has none.
  CHECK(sentence(run_to_end({kProgram, "convert", at("none.csv"), "-o", at("s")}), 1)
            .find("expected a folder without shards but got some in " + at("s")) !=
        std::string::npos);
  CHECK(sentence(run_to_end({kProgram, "train", at("s"), "--unlabeled", at("all.csv")}), 2)
            .find("expected no --unlabeled with shards") != std::string::npos);
  CHECK(sentence(run_to_end(
                     {kProgram, "train", at("all.csv"), "--label", "kind", "--shuffle", "blocks"}),
                 2) == "expected shards with --shuffle blocks but got " + at("all.csv") +
                           " (it is read into memory).");
  const auto blocks = train({at("s"), "--shuffle", "blocks"}, "blocks");
  INFO(blocks.err);
  CHECK(blocks.status == 0);
  CHECK(read_json(folder / "blocks/config.json").at("block_rows") == (1 << 20) / 8);
  fs::remove(folder / "s/rows-00001.npy");
  CHECK(sentence(train({at("s")}, "none"), 1) ==
        "expected the shard " + at("s/rows-00001.npy") +
            " but got no file (put it back, or convert the data again).");
}
