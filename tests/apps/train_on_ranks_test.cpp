// One network trained by several processes: launchers, lost and hanging ranks, networks.
#include <ladder/train/communicator.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/support/free_port.h"
#include "apps/support/ranks.h"
#include "tests/apps/mnist_place.h"
#include "tests/apps/no_ranks.h"
#include "tests/support/catch.h"
#include "tests/support/environment.h"
#include "tests/support/paths.h"
#include "tests/support/program.h"
#include "tests/support/ranks.h"
#include "tests/support/run_files.h"
#include "tests/support/temporary_folder.h"

using namespace ladder::testing;
using namespace ladder::apps;

namespace {

namespace fs = std::filesystem;

const std::string kLadder = program_path("ladder");
const std::string kMachines = (source_folder() / "examples/data/machines.csv").string();

Arguments shared_training(const fs::path& out, const Arguments& more = {}) {
  return Arguments{kLadder,       "train",          kMachines,       "--label",
                   "state",       "--layers=20,10", "--epochs=12",   "--validation=0.3",
                   "--threads=1", "--device=cpu",   "--no-baseline", "--no-report",
                   "--out",       out.string()} +
         more;
}

// A run that still trains when it has been evaluated a few times, on a fast machine too. It is
// evaluated 40 times.
Arguments long_training(const fs::path& out, const Arguments& more = {}) {
  return shared_training(out, Arguments{"--epochs=160"} + more);
}

// Ranks that a person starts by hand.
std::vector<std::unique_ptr<Program>> start_by_hand(int ranks, const Arguments& command,
                                                    const std::string& address = "127.0.0.1") {
  const auto port = std::to_string(free_port());
  std::vector<std::unique_ptr<Program>> programs;
  for (int rank = 0; rank < ranks; ++rank) {
    programs.push_back(std::make_unique<Program>(
        command, std::map<std::string, std::string>{{"RANK", std::to_string(rank)},
                                                    {"WORLD_SIZE", std::to_string(ranks)},
                                                    {"MASTER_ADDR", address},
                                                    {"MASTER_PORT", port}}));
  }
  return programs;
}

// The same to the end of all: what rank 0 prints, what all say of faults, and the first status but
// 0.
Outcome by_hand(int ranks, const Arguments& command) {
  const auto programs = start_by_hand(ranks, command);
  Outcome outcome;
  for (const auto& program : programs) {
    const int status = program->wait();
    if (outcome.status == 0) outcome.status = status;
    outcome.err += program->err();
  }
  outcome.out = programs.front()->out();
  return outcome;
}

Outcome launched(int ranks, Arguments command) {
  command.front() = "ladder";
  return run_to_end(Arguments{kLadder, "launch", "-n", std::to_string(ranks), "--"} + command);
}

int64_t evaluations_in(const fs::path& folder) {
  return fs::exists(folder / "metrics.jsonl")
             ? static_cast<int64_t>(lines_of(file_bytes(folder / "metrics.jsonl")).size())
             : 0;
}

}  // namespace

TEST_CASE("ladder train: ranks train one network, and only the first writes and prints",
          "[ranks]") {
  if (!ladder::train::has_communicator()) LADDER_SKIP(kNoCommunicator);
  const NoRanks none;
  const TemporaryFolder folder;
  const auto first = [&] {
    // As inside of torchrun, whose ranks are others.
    const Environment agent("TORCHELASTIC_USE_AGENT_STORE", "True");
    return launched(2, shared_training(folder / "first"));
  }();
  INFO(first.out << first.err);
  REQUIRE(first.status == 0);
  CHECK(first.err.empty());
  CHECK(first.out.find("trained   ") == first.out.rfind("trained   "));
  CHECK(first.out.find("2 ranks: a step takes ") != std::string::npos);
  CHECK(read_json(folder / "first/config.json").at("environment").at("ranks") == 2);
  // By hand, again, and on three ranks.
  const auto programs = start_by_hand(2, shared_training(folder / "again"));
  CHECK(programs[1]->wait() == 0);
  CHECK(programs[0]->wait() == 0);
  CHECK(programs[1]->out().empty());
  CHECK(programs[1]->err().empty());
  require_same_run(folder / "first", folder / "again");
  const auto three = launched(3, shared_training(folder / "three"));
  INFO(three.err);
  REQUIRE(three.status == 0);
  for (const auto* name : {"first", "three"}) {
    CHECK(read_json(folder / name / "evaluation.json").at("held_back").at("error") < 20);
    CHECK_FALSE(fs::exists(folder / name / ".ranks"));
  }
  // A launcher of one rank changes nothing.
  auto words = shared_training(folder / "alone");
  REQUIRE(run_to_end(words).status == 0);
  REQUIRE(launched(1, shared_training(folder / "one")).status == 0);
  require_same_run(folder / "alone", folder / "one");
  CHECK(file_bytes(folder / "alone/model.ladder") == file_bytes(folder / "one/model.ladder"));

  // Ranks that cannot meet say so.
  const auto sentence = [](const std::map<std::string, std::string>& variables,
                           const Arguments& command) {
    const auto outcome = run_to_end(command, variables);
    CHECK(outcome.status != 0);
    return one_sentence("ladder", outcome.err);
  };
  CHECK(sentence({{"RANK", "0"}, {"WORLD_SIZE", "2"}}, shared_training(folder / "none")) ==
        "expected MASTER_ADDR and MASTER_PORT, where rank 0 can be reached, in the environment of "
        "2 ranks that train one network but got no MASTER_ADDR (ladder launch and torchrun set "
        "them).");
  const auto missing = sentence({{"RANK", "0"},
                                 {"WORLD_SIZE", "2"},
                                 {"MASTER_ADDR", "127.0.0.1"},
                                 {"MASTER_PORT", std::to_string(free_port())}},
                                shared_training(folder / "none", {"--rank-timeout=1"}));
  CHECK(missing.starts_with("expected 2 ranks to meet at 127.0.0.1:"));
  CHECK_FALSE(fs::exists(folder / "none/checkpoint.pt"));
}

TEST_CASE("ladder train: a killed or stopped rank ends the others, and any number goes on",
          "[ranks]") {
  if (!ladder::train::has_communicator()) LADDER_SKIP(kNoCommunicator);
  const NoRanks none;
  const TemporaryFolder folder;
  const auto whole = by_hand(2, long_training(folder / "whole"));
  REQUIRE(whole.status == 0);
  struct Loss {
    int rank;
    int signal;
    int resumed_on;
  };
  int number = 0;
  for (const auto loss :
       {Loss{1, SIGKILL, 2}, Loss{1, SIGSTOP, 2}, Loss{0, SIGKILL, 2}, Loss{1, SIGKILL, 1}}) {
    const auto out = folder / ("lost-" + std::to_string(number));
    // A rank that is killed is missed at once; one that hangs, after the timeout.
    const auto timeout = loss.signal == SIGSTOP ? "--rank-timeout=15" : "--rank-timeout=240";
    const auto ranks = start_by_hand(2, long_training(out, {timeout}));
    // Some steps behind an evaluation.
    const int64_t evaluations = 2 + number++;
    REQUIRE(ranks[0]->wait_until([&] { return evaluations_in(out) >= evaluations; }));
    REQUIRE(ranks[static_cast<size_t>(loss.rank)]->running());
    ranks[static_cast<size_t>(loss.rank)]->send(loss.signal);
    const auto begin = std::chrono::steady_clock::now();
    auto& other = *ranks[static_cast<size_t>(1 - loss.rank)];
    CHECK(other.wait() == 1);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(300));
    const auto text = one_sentence("ladder", other.err());
    INFO(text);
    const auto self = "Communicator: rank " + std::to_string(1 - loss.rank) + " of 2 ";
    CHECK(text.starts_with(
        loss.signal == SIGSTOP
            ? self + "expected an answer of another rank within 15 s but got none, after step "
            : self + "lost its connection to another rank, which has ended, after step "));
    CHECK(text.ends_with(loss.rank == 1 ? ", which is saved (resume continues)." : "."));
    if (loss.signal == SIGSTOP) {
      ranks[1]->send(SIGCONT);
      CHECK(ranks[1]->wait() == 1);
      CHECK(one_sentence("ladder", ranks[1]->err()).starts_with("Communicator: rank 1 of 2 "));
    }
    auto again = long_training(out, {"--resume"});
    const auto resumed = loss.resumed_on == 1 ? run_to_end(again) : by_hand(2, again);
    INFO(resumed.out << resumed.err);
    CHECK(resumed.status == 0);
    if (loss.resumed_on == 2) {
      require_same_run(folder / "whole", out);
    } else {
      CHECK(read_json(out / "result.json").at("status") == "finished");
      CHECK(read_json(out / "evaluation.json").at("held_back").at("error") < 20);
    }
  }
}

TEST_CASE("ladder train: statistics over all ranks are recorded, and kept by a resumed run",
          "[ranks]") {
  if (!ladder::train::has_communicator()) LADDER_SKIP(kNoCommunicator);
  const NoRanks none;
  const TemporaryFolder folder;
  // Steps of synchronised ranks take several times as long: fewer of them are enough.
  const Arguments epochs = {"--epochs=40"};
  const auto synchronised = epochs + Arguments{"--statistics=synchronised"};
  const auto whole = by_hand(2, shared_training(folder / "whole", synchronised));
  INFO(whole.out << whole.err);
  REQUIRE(whole.status == 0);
  CHECK(read_json(folder / "whole/config.json").at("statistics") == "synchronised");
  const auto local = by_hand(2, shared_training(folder / "local", epochs));
  REQUIRE(local.status == 0);
  CHECK(read_json(folder / "local/config.json").at("statistics") == "local");
  CHECK(file_bytes(folder / "whole/model.ladder") != file_bytes(folder / "local/model.ladder"));

  // A rank hangs, nearly always in an exchange of statistics, of which a step has many.
  const auto out = folder / "lost";
  const auto ranks =
      start_by_hand(2, shared_training(out, synchronised + Arguments{"--rank-timeout=8"}));
  REQUIRE(ranks[0]->wait_until([&] { return evaluations_in(out) >= 2; }));
  ranks[1]->send(SIGSTOP);
  CHECK(ranks[0]->wait() == 1);
  const auto text = one_sentence("ladder", ranks[0]->err());
  INFO(text);
  CHECK(
      text.starts_with("Communicator: rank 0 of 2 expected an answer of another rank within 8 s "
                       "but got none, after step "));
  CHECK(text.ends_with(", which is saved (resume continues)."));
  ranks[1]->send(SIGCONT);
  CHECK(ranks[1]->wait() == 1);
  // Those that go on take the statistics of the run without being told.
  const auto other =
      run_to_end(shared_training(out, epochs + Arguments{"--resume", "--statistics=local"}));
  CHECK(other.status != 0);
  CHECK(one_sentence("ladder", other.err)
            .find("statistics (\"synchronised\" there, \"local\" here)") != std::string::npos);
  const auto resumed = by_hand(2, shared_training(out, epochs + Arguments{"--resume"}));
  INFO(resumed.out << resumed.err);
  REQUIRE(resumed.status == 0);
  require_same_run(folder / "whole", out);

  // For one rank they change nothing.
  REQUIRE(run_to_end(shared_training(folder / "alone")).status == 0);
  REQUIRE(run_to_end(shared_training(folder / "one", {"--statistics=synchronised"})).status == 0);
  require_same_run(folder / "alone", folder / "one");

  const auto unknown = run_to_end(shared_training(folder / "none", {"--statistics=global"}));
  CHECK(unknown.status == 2);
  CHECK(one_sentence("ladder", unknown.err) ==
        "expected local or synchronised for --statistics but got 'global' (did you mean local?).");
}

TEST_CASE("ladder-mnist: ranks train one network, and resume it on another number", "[ranks]") {
  if (!ladder::train::has_communicator()) LADDER_SKIP(kNoCommunicator);
  const NoRanks none;
  const MnistPlace place;
  const auto on_two = [&](const std::string& out, const Arguments& more = {}) {
    return by_hand(2, place.command(out, Arguments{"--epochs=6"} + more));
  };
  const auto first = run_to_end(Arguments{kLadder, "launch", "-n", "2", "--"} +
                                place.command("first", {"--epochs=6"}));
  INFO(first.out << first.err);
  REQUIRE(first.status == 0);
  CHECK(first.err.empty());
  CHECK(first.out.find("test error ") != std::string::npos);
  CHECK(place.read("first", "result.json").at("steps") == 6 * 5);
  CHECK(place.read("first", "config.json").at("environment").at("ranks") == 2);
  REQUIRE(on_two("again").status == 0);
  require_same_run(place, "first", "again");
  const auto joined = on_two("joined", {"--statistics=synchronised"});
  INFO(joined.out << joined.err);
  REQUIRE(joined.status == 0);
  CHECK(place.read("joined", "config.json").at("statistics") == "synchronised");

  // A run that has ended tells its result on any number of ranks, also without its checkpoint.
  fs::remove(place.file("again", "checkpoint.pt"));
  const auto ended = on_two("again", {"--resume"});
  INFO(ended.out << ended.err);
  CHECK(ended.status == 0);
  CHECK(lines_of(ended.out).back() == lines_of(first.out).back());

  // Half of it on two ranks, the rest on one.
  const auto ranks =
      start_by_hand(2, place.command("part", {"--epochs=60", "--checkpoint-every=0"}));
  REQUIRE(ranks[0]->wait_until([&] { return evaluations_in(place.folder / "part") >= 2; }));
  ranks[0]->send(SIGTERM);
  CHECK(ranks[0]->wait() == 130);
  CHECK(ranks[1]->wait() == 130);
  const auto rest = place.run("part", {"--epochs=60", "--resume"});
  INFO(rest.out << rest.err);
  CHECK(rest.status == 0);
  CHECK(rest.out.find("note: started with ranks 2, continued with 1: ") != std::string::npos);
  CHECK(place.read("part", "result.json").at("steps") == 60 * 10);

  const auto seeds = run_to_end(Arguments{kLadder, "launch", "-n", "2", "--"} +
                                place.command("seeds", {"--epochs=6", "--seeds=1..2"}));
  CHECK(seeds.status == 1);
  const auto alone =
      run_to_end(place.command("seeds", {"--seeds=1..2"}), {{"RANK", "0"}, {"WORLD_SIZE", "2"}});
  CHECK(alone.status == 2);
  CHECK(mnist_sentence(alone.err) ==
        "expected one run for the 2 ranks of the launcher, which train it together, but got "
        "--seeds (`ladder reproduce` divides seeds among ranks).");
}

TEST_CASE("ladder train: a signal to one rank stops all, with one checkpoint", "[ranks]") {
  if (!ladder::train::has_communicator()) LADDER_SKIP(kNoCommunicator);
  const NoRanks none;
  const TemporaryFolder folder;
  const auto out = folder / "run";
  const auto ranks = start_by_hand(2, long_training(out));
  REQUIRE(ranks[0]->wait_until([&] { return evaluations_in(out) >= 1; }));
  ranks[1]->send(SIGTERM);
  CHECK(ranks[0]->wait() == 130);
  CHECK(ranks[1]->wait() == 130);
  CHECK(ranks[0]->out().find("saved in " + out.string()) != std::string::npos);
  CHECK(ranks[1]->out().empty());
  CHECK(fs::exists(out / "checkpoint.pt"));
  REQUIRE(by_hand(2, long_training(out, {"--resume"})).status == 0);
  REQUIRE(by_hand(2, long_training(folder / "whole")).status == 0);
  require_same_run(folder / "whole", out);
}

namespace {

bool succeeds(const std::string& command) {
  return run_to_end({"/bin/sh", "-c", command}).status == 0;
}

// A network namespace that is there while the object lives.
class NetworkNamespace {
 public:
  explicit NetworkNamespace(std::string name) : name_(std::move(name)) {
    REQUIRE(succeeds("ip netns add " + name_));
  }
  NetworkNamespace(const NetworkNamespace&) = delete;
  NetworkNamespace& operator=(const NetworkNamespace&) = delete;
  ~NetworkNamespace() { succeeds("ip netns del " + name_); }

  const std::string& name() const { return name_; }

  // `command` in the namespace, with `hosts` in place of /etc/hosts: ip gives it a mount namespace
  // of its own.
  Arguments inside(const Arguments& command, const fs::path& hosts) const {
    return Arguments{"/bin/sh", "-c",
                     "exec ip netns exec " + name_ + " sh -c 'mount --bind " + hosts.string() +
                         " /etc/hosts && exec \"$@\"' sh \"$@\"",
                     "sh"} +
           command;
  }

 private:
  std::string name_;
};

// Two network namespaces, two machines as it were, joined by a cable.
class TwoMachines {
 public:
  static std::optional<std::string> reason_against() {
    if (::geteuid() != 0) return "making network namespaces takes root";
    if (run_to_end({"/bin/sh", "-c", "command -v ip && command -v tc"}).status != 0) {
      return "ip and tc are missing (Debian: iproute2)";
    }
    const auto name = "ladder-try-" + std::to_string(::getpid());
    const auto made = succeeds("ip netns add " + name + " && ip netns exec " + name +
                               " mount --bind /etc/hosts /etc/hosts");
    succeeds("ip netns del " + name);
    return made ? std::nullopt : std::optional<std::string>("network namespaces are not allowed");
  }

  TwoMachines() {
    for (const size_t i : {0, 1}) {
      ends_[i] = "l" + std::to_string(i) + "-" + suffix();
      // The first machine knows its own name as a loopback address, as Debian's do.
      write_file(hosts(i),
                 std::string("127.0.0.1 localhost\n") +
                     (i == 0 ? "127.0.1.1 first-machine\n" : "10.77.0.1 first-machine\n"));
    }
    REQUIRE(succeeds("ip link add " + ends_[0] + " netns " + spaces_[0].name() +
                     " type veth peer name " + ends_[1] + " netns " + spaces_[1].name()));
    for (const size_t i : {0, 1}) {
      const auto ip = "ip -n " + spaces_[i].name() + " ";
      REQUIRE(succeeds(ip + "addr add 10.77.0." + std::to_string(i + 1) + "/24 dev " + ends_[i] +
                       " && " + ip + "link set " + ends_[i] + " up && " + ip + "link set lo up"));
    }
  }

  void slow_down(const std::string& rate) const {
    for (const size_t i : {0, 1}) {
      REQUIRE(succeeds("ip netns exec " + spaces_[i].name() + " tc qdisc replace dev " + ends_[i] +
                       " root tbf rate " + rate + " burst 4k latency 1s"));
    }
  }
  void cut() const {
    REQUIRE(succeeds("ip -n " + spaces_[0].name() + " link set " + ends_[0] + " down"));
  }

  // One rank on each machine, which meet at a name of the first.
  std::vector<std::unique_ptr<Program>> start(const Arguments& command) const {
    std::vector<std::unique_ptr<Program>> programs;
    for (const size_t rank : {0, 1}) {
      programs.push_back(std::make_unique<Program>(
          spaces_[rank].inside(command, hosts(rank)),
          std::map<std::string, std::string>{{"RANK", std::to_string(rank)},
                                             {"WORLD_SIZE", "2"},
                                             {"MASTER_ADDR", "first-machine"},
                                             {"MASTER_PORT", "29417"}}));
    }
    return programs;
  }

 private:
  static std::string suffix() { return std::to_string(::getpid() % 100000); }
  fs::path hosts(size_t machine) const { return folder_ / ("hosts-" + std::to_string(machine)); }

  TemporaryFolder folder_;
  std::array<NetworkNamespace, 2> spaces_ = {NetworkNamespace("ladder-0-" + suffix()),
                                             NetworkNamespace("ladder-1-" + suffix())};
  std::array<std::string, 2> ends_;
};

}  // namespace

TEST_CASE("ladder train: machines meet by a name that is a loopback address on one of them",
          "[ranks]") {
  if (!ladder::train::has_communicator()) LADDER_SKIP(kNoCommunicator);
  if (const auto reason = TwoMachines::reason_against()) LADDER_SKIP(*reason);
  const NoRanks none;
  const TemporaryFolder folder;
  const TwoMachines machines;
  const auto ranks = machines.start(shared_training(folder / "run", {"--rank-timeout=20"}));
  CHECK(ranks[1]->wait() == 0);
  CHECK(ranks[0]->wait() == 0);
  INFO(ranks[0]->err() << ranks[1]->err());
  REQUIRE(fs::exists(folder / "run/result.json"));
  REQUIRE(by_hand(2, shared_training(folder / "same-machine")).status == 0);
  require_same_run(folder / "run", folder / "same-machine");
}

TEST_CASE("ladder train: rank 0 prints what the exchange costs on a slow network", "[ranks]") {
  if (!ladder::train::has_communicator()) LADDER_SKIP(kNoCommunicator);
  if (const auto reason = TwoMachines::reason_against()) LADDER_SKIP(*reason);
  const NoRanks none;
  const TemporaryFolder folder;
  const TwoMachines machines;
  machines.slow_down("500kbit");
  const auto ranks =
      machines.start(shared_training(folder / "run", {"--rank-timeout=20", "--epochs=2"}));
  CHECK(ranks[1]->wait() == 0);
  CHECK(ranks[0]->wait() == 0);
  INFO(ranks[0]->out());
  CHECK(ranks[0]->out().find("; the connection is too slow for this model: one process would be "
                             "faster\n") != std::string::npos);
}

TEST_CASE("ladder train: a cut network ends all ranks within the timeout", "[ranks]") {
  if (!ladder::train::has_communicator()) LADDER_SKIP(kNoCommunicator);
  if (const auto reason = TwoMachines::reason_against()) LADDER_SKIP(*reason);
  const NoRanks none;
  const TemporaryFolder folder;
  const auto out = folder / "run";
  // Nearly all exchanges are of statistics then; a rank that hangs in one of gradients: above.
  const Arguments epochs = {"--epochs=40"};
  const auto synchronised = epochs + Arguments{"--statistics=synchronised"};
  {
    const TwoMachines machines;
    const auto ranks =
        machines.start(shared_training(out, synchronised + Arguments{"--rank-timeout=10"}));
    REQUIRE(ranks[0]->wait_until([&] { return evaluations_in(out) >= 2; }));
    machines.cut();
    const auto begin = std::chrono::steady_clock::now();
    CHECK(ranks[0]->wait() == 1);
    CHECK(ranks[1]->wait() == 1);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(300));
    const auto text = one_sentence("ladder", ranks[0]->err());
    INFO(text);
    CHECK(text.starts_with("Communicator: rank 0 of 2 "));
    CHECK(text.ends_with(", which is saved (resume continues)."));
    CHECK(one_sentence("ladder", ranks[1]->err()).starts_with("Communicator: rank 1 of 2 "));
  }
  REQUIRE(by_hand(2, shared_training(out, epochs + Arguments{"--resume"})).status == 0);
  REQUIRE(by_hand(2, shared_training(folder / "whole", synchronised)).status == 0);
  require_same_run(folder / "whole", out);
}
