#include "apps/support/program.h"

#include <tests/support/catch.h>

#include <csignal>
#include <random>
#include <regex>
#include <string>
#include <utility>

#include "tests/apps/mnist_place.h"

using namespace ladder::testing;
namespace fs = std::filesystem;
using nlohmann::json;

TEST_CASE("ladder-mnist: interrupted, it says how to go on, and ends as if it had not been",
          "[cli]") {
  const MnistPlace place;
  const Arguments length = {"--epochs", "100"};
  // Each step writes a file: the steps after the third epoch outlast the time until a signal comes.
  const auto slow = length + Arguments{"--checkpoint-every=0"};
  REQUIRE(place.run("straight", length).status == 0);
  for (const auto& [signal, name] :
       {std::pair(SIGINT, "SIGINT"), std::pair(SIGTERM, "SIGTERM"), std::pair(SIGHUP, "SIGHUP"),
        std::pair(SIGUSR1, "SIGUSR1"), std::pair(SIGUSR2, "SIGUSR2"),
        std::pair(SIGXCPU, "SIGXCPU")}) {
    const std::string out = "run-" + std::to_string(signal);
    Program program(place.command(out, slow));
    REQUIRE(
        program.wait_until([&] { return program.out().find("epoch 3/") != std::string::npos; }));
    program.send(signal);
    REQUIRE(program.wait() == 130);
    CHECK(program.err().empty());
    const auto lines = lines_of(program.out());
    CHECK(std::regex_match(lines[lines.size() - 2],
                           std::regex(R"(interrupted at step \d+, saved in .*; to go on:)")));
    CHECK(lines[lines.size() - 2].ends_with(std::string(" after ") + name + "; to go on:"));
    CHECK(lines.back().starts_with("  " + kMnistProgram + " --data-dir="));
    CHECK(lines.back().ends_with(" --resume"));
    CHECK_FALSE(fs::exists(place.file(out, "result.json")));

    const auto again = place.run(out, length);
    CHECK(again.status == 2);
    CHECK(mnist_sentence(again.err) == "expected an empty folder but got a run in " +
                                           (place.folder / out).string() +
                                           " (--resume continues it, --out takes another folder).");

    const auto resumed = place.run(out, length + Arguments{"--resume"});
    REQUIRE(resumed.status == 0);
    CHECK(resumed.out.find("continuing at step ") != std::string::npos);
    CHECK(resumed.out.find("note:") == std::string::npos);
    require_same_run(place, "straight", out);
  }
}

TEST_CASE("ladder-mnist: killed twenty times at any moment, it ends as if it had not been",
          "[cli][slow]") {
  const MnistPlace place;
  const Arguments length = {"--epochs", "300"};
  REQUIRE(place.run("straight", length).status == 0);
  const auto often = length + Arguments{"--checkpoint-every", "0.02", "--resume"};
  std::string name = "run";
  const auto epochs = [&] {
    return lines_of(file_bytes(place.file(name, "metrics.jsonl"))).size();
  };
  std::mt19937 random(1);
  int resumed = 0;
  for (int attempt = 0; attempt < 20; ++attempt) {
    const auto before = epochs();
    resumed += fs::exists(place.file(name, "checkpoint.pt"));
    Program program(place.command(name, often));
    // By what the run has done, on any machine: either so many lines of its start, or so many
    // epochs more than there were, so that it comes forward.
    const auto count = random() % 4;
    program.wait_until([&] {
      return attempt % 4 == 0 ? lines_of(program.out()).size() >= count : epochs() > before + count;
    });
    const bool cut = program.send_if_running(attempt % 5 == 4 ? SIGINT : SIGKILL);
    program.wait();
    if (cut) continue;
    // This test got no core for long, and the run has ended: another one is cut.
    require_same_run(place, "straight", name);
    name = "run-" + std::to_string(attempt);
  }
  CHECK(resumed >= 10);
  const auto last = place.run(name, often);
  INFO(last.err);
  REQUIRE(last.status == 0);
  require_same_run(place, "straight", name);
}

TEST_CASE("ladder-mnist: a second interruption ends it at once", "[cli]") {
  const MnistPlace place;
  for (const int second : {SIGINT, SIGTERM}) {
    const std::string out = "run-" + std::to_string(second);
    // Steps long enough to be in the midst of one, also where this test gets no core for a while:
    // some 50 billion operations each.
    Program program(place.command(out, {"--epochs", "1000", "--layers=3000,3000,10",
                                        "--lambda=10,1,.1,.1", "--batch-size=200", "--threads=1"}));
    REQUIRE(program.wait_until([&] { return fs::exists(place.file(out, "config.json")); }));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    program.send(SIGINT);
    // Of signals that wait for a program without a core, equal ones are one and others come in any
    // order: send until it ends.
    for (int i = 0; i < 1000; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (!program.send_if_running(second)) break;
    }
    const int status = program.wait();
    CHECK((status == -SIGINT || status == -second));
    CHECK(program.out().find("interrupted") == std::string::npos);
  }
}

TEST_CASE("ladder-mnist: a folder that cannot be made and a full disk are failures, status 1",
          "[cli]") {
  const MnistPlace place;
  write_file(place.folder / "file", "x");
  const auto folder = place.run("file/run", {"--epochs", "1"});
  CHECK(folder.status == 1);
  CHECK(mnist_sentence(folder.err).find("expected to create the folder") != std::string::npos);

  auto command = place.command("run", {"--epochs", "1"});
  const auto full = run_to_end(
      Arguments{"/bin/sh", "-c", "trap '' XFSZ; ulimit -f 16; exec \"$@\"", "sh"} + command);
  CHECK(full.status == 1);
  CHECK(lines_of(full.err).size() == 1);
  CHECK(mnist_sentence(full.err).find("checkpoint.pt") != std::string::npos);
  CHECK_FALSE(fs::exists(place.file("run", "checkpoint.pt")));
}

TEST_CASE("ladder-mnist: the echo of a signal does not end it", "[cli]") {
  const MnistPlace place;
  // A closing terminal and its shell both send SIGHUP, the kernel sends SIGXCPU once a second.
  for (const int signal : {SIGHUP, SIGXCPU}) {
    const std::string out = "run-" + std::to_string(signal);
    Program program(place.command(out, {"--epochs", "1000", "--layers=2000,2000,10",
                                        "--lambda=10,1,.1,.1", "--batch-size=200"}));
    REQUIRE(program.wait_until([&] { return fs::exists(place.file(out, "config.json")); }));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    program.send(signal);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    program.send_if_running(signal);
    CHECK(program.wait() == 130);
    CHECK(fs::exists(place.file(out, "checkpoint.pt")));
  }
}

TEST_CASE("ladder-mnist: under nohup a closed terminal does not stop it", "[cli]") {
  const MnistPlace place;
  Program program(Arguments{"/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh"} +
                  place.command("run", {"--epochs", "100000"}));
  REQUIRE(program.wait_until([&] { return program.out().find("epoch 2/") != std::string::npos; }));
  program.send(SIGHUP);
  const auto lines = lines_of(program.out()).size();
  CHECK(program.wait_until([&] { return lines_of(program.out()).size() > lines + 2; }));
  program.send(SIGTERM);
  CHECK(program.wait() == 130);
}

TEST_CASE("Programs: what cannot be printed is a failure, status 1", "[cli]") {
  const MnistPlace place;
  const auto full = [](const Arguments& command) {
    return run_to_end(Arguments{"/bin/sh", "-c", "exec \"$@\" > /dev/full", "sh"} + command);
  };
  const std::string sentence =
      "expected to write to the standard output but got \"No space left on device\".";
  for (const char* name : {"ladder-mnist", "ladder-cifar10", "ladder-reproduce",
                           "ladder-denoising-functions", "ladder-diagnose"}) {
    for (const char* flag : {"--help", "--version"}) {
      INFO(name << " " << flag);
      const auto outcome = full({program_path(name), flag});
      CHECK(outcome.status == 1);
      CHECK(one_sentence(name, outcome.err) == sentence);
    }
  }
  for (const char* flag : {"--list", "--settings"}) {
    const auto outcome = full({kMnistProgram, flag});
    CHECK(outcome.status == 1);
    CHECK(mnist_sentence(outcome.err) == sentence);
  }
  const auto quiet = full(place.command("quiet", {"--epochs", "1", "--quiet"}));
  CHECK(quiet.status == 1);
  CHECK(mnist_sentence(quiet.err) == sentence);
  CHECK(place.read("quiet", "result.json").at("status") == "finished");
}

TEST_CASE("ladder-mnist: when its output fails, it saves the run", "[cli]") {
  const MnistPlace place;
  const Arguments length = {"--epochs", "60"};
  REQUIRE(place.run("straight", length).status == 0);
  // Nobody reads on behind the first line.
  const auto piped =
      run_to_end(Arguments{"/bin/bash", "-c", "\"$@\" | head -n 1; exit ${PIPESTATUS[0]}", "bash"} +
                 place.command("run", length));
  CHECK(piped.status == 1);
  CHECK(mnist_sentence(piped.err) ==
        "expected to write to the standard output but got \"Broken pipe\" (the run is saved; "
        "--resume continues it).");
  REQUIRE(place.run("run", length + Arguments{"--resume"}).status == 0);
  require_same_run(place, "straight", "run");
}

TEST_CASE("ladder-mnist: started without standard streams, it writes into no file of the run",
          "[cli]") {
  const MnistPlace place;
  const auto outcome = run_to_end(Arguments{"/bin/sh", "-c", "exec \"$@\" <&- >&- 2>&-", "sh"} +
                                  place.command("run", {"--epochs", "2"}));
  CHECK(outcome.status == 1);
  CHECK(place.read("run", "config.json").at("epochs") == 2);
  for (const char* name : {".lock", "metrics.jsonl"}) {
    CHECK(file_bytes(place.file("run", name)).find("epoch 1/2") == std::string::npos);
  }
  const auto quiet = run_to_end(Arguments{"/bin/sh", "-c", "exec \"$@\" 2>&-", "sh"} +
                                place.command("quiet", {"--epochs=x"}));
  CHECK(quiet.status == 2);
}

TEST_CASE("ladder-mnist: a network that fits no memory is a failure in one sentence", "[cli]") {
  const MnistPlace place;
  const auto outcome = place.run("run", {"--layers=2,10000000,10000000,10", "--lambda=none"});
  CHECK(outcome.status == 1);
  CHECK(mnist_sentence(outcome.err) ==
        "expected more memory than this machine has free (a smaller network or batch takes less).");
}

TEST_CASE("Examples without flags refuse arguments", "[cli]") {
  for (const std::string name : {"ladder-pieces", "ladder-quickstart", "ladder-sensor"}) {
    const auto outcome = run_to_end({program_path(name), "--epochs=2"});
    CHECK(outcome.status == 2);
    CHECK(one_sentence(name, outcome.err) == "expected no arguments but got '--epochs=2'.");
  }
  const auto encoder = run_to_end({program_path("ladder-custom-encoder"), "/nowhere", "more"});
  CHECK(encoder.status == 2);
  CHECK(one_sentence("ladder-custom-encoder", encoder.err) ==
        "expected at most one argument, the folder of MNIST, but got 'more' too.");
}

TEST_CASE("Examples say how they are called", "[cli]") {
  for (const std::string name : {"ladder-autoencoder", "ladder-custom-encoder", "ladder-own-table",
                                 "ladder-pieces", "ladder-quickstart", "ladder-sensor"}) {
    const auto help = run_to_end({program_path(name), "--help"});
    INFO(name << help.err);
    CHECK(help.status == 0);
    CHECK(help.err.empty());
    CHECK(help.out.find("\n  " + name) != std::string::npos);
    for (const auto& line : lines_of(help.out)) CHECK(line.size() <= 80);
  }
}

TEST_CASE("ladder-pieces: labels along the graph lower the mean error of its draws", "[cli]") {
  const auto outcome = run_to_end({program_path("ladder-pieces")});
  REQUIRE(outcome.status == 0);
  const std::regex line("labels of draw \\d: error ([0-9.]+) %, .* as well ([0-9.]+) %");
  const std::sregex_iterator first(outcome.out.begin(), outcome.out.end(), line), last;
  CHECK(std::distance(first, last) == 3);
  double without = 0, with = 0;
  for (auto found = first; found != last; ++found) {
    without += std::stod((*found)[1]);
    with += std::stod((*found)[2]);
  }
  CHECK(with < without);
}

TEST_CASE("ladder-mnist: a run goes on without its flags", "[cli]") {
  const MnistPlace place;
  const Arguments length = {"--epochs", "100", "--seed", "7", "--eval-every", "3"};
  REQUIRE(place.run("straight", length).status == 0);
  interrupted(place.command("run", length + Arguments{"--checkpoint-every=0"}), "epoch 3/");
  const auto out = (place.folder / "run").string();
  const Arguments bare = {kMnistProgram, "--resume", "--threads=1", "--out", out};
  const auto other = run_to_end(bare + Arguments{"--labels", "10"});
  CHECK(other.status == 2);
  CHECK(mnist_sentence(other.err).find("labels (20 there, 10 here)") != std::string::npos);
  const auto ended = run_to_end(bare);
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  require_same_run(place, "run", "straight");
}

TEST_CASE("Errors of programs do not begin with the name of a C++ function", "[cli]") {
  using ladder::apps::without_function_name;
  CHECK(without_function_name("read_csv: expected a table.") == "expected a table.");
  CHECK(without_function_name("ops::denoise: expected rows: 3.") == "expected rows: 3.");
  for (const char* whole :
       {"expected a table: expected rows.", "LADDER_KERNELS: expected baseline.",
        "read_csv: found no table.", "in t.csv: expected a table.", ": expected a table.", ""}) {
    CHECK(without_function_name(whole) == whole);
  }
}
