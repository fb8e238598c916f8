#include "apps/support/ranks.h"

#include <c10/util/Logging.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "apps/support/command_line.h"
#include "apps/support/output.h"
#include "apps/support/program.h"

namespace ladder::apps {
// What a rank writes about itself, in one line.
struct RankBeat {
  std::string session = "-";  // as rank 0 named it
  std::string host = {};
  int64_t count = 0;
  bool ended = false;
};

namespace {

namespace fs = std::filesystem;
using Instant = std::chrono::steady_clock::time_point;

constexpr auto kBeat = std::chrono::seconds(1);
constexpr auto kLook = std::chrono::milliseconds(100);
constexpr const char* kRestarts = "TORCHELASTIC_RESTART_COUNT";
constexpr const char* kAgentStore = "TORCHELASTIC_USE_AGENT_STORE";
constexpr int64_t kMaxRanks = 1 << 20;

struct Launcher {
  const char* rank;
  const char* size;
  const char* local;
};
constexpr std::array<Launcher, 3> kLaunchers = {
    {{"RANK", "WORLD_SIZE", "LOCAL_RANK"},
     {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"},
     {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"}}};

std::optional<std::string> variable(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? std::nullopt : std::optional<std::string>(text);
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::string to_line(const RankBeat& beat) {
  return fmt::format("{} {} {} {}\n", beat.session, beat.host, beat.count,
                     beat.ended ? "ended" : "works");
}

std::optional<std::string> text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string line;
  return std::getline(in, line) ? std::optional(line) : std::nullopt;
}

std::optional<RankBeat> read_beat(const fs::path& path) {
  const auto line = text_of(path);
  RankBeat beat;
  std::string state;
  std::istringstream words(line.value_or(""));
  if (!(words >> beat.session >> beat.host >> beat.count >> state)) return std::nullopt;
  beat.ended = state == "ended";
  return beat;
}

// True if a process of this machine holds the lock of the file.
bool is_locked(const fs::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool held = ::flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(file);
  return held;
}

}  // namespace

Rank rank_of_environment() {
  for (const auto& names : kLaunchers) {
    const auto rank = variable(names.rank);
    const auto size = variable(names.size);
    if (!rank && !size) continue;
    // Slurm's SLURM_PROCID is there in a batch script too.
    if (!size && names.rank == kLaunchers.back().rank) continue;
    if (!rank || !size) {
      throw UsageError(fmt::format("expected {} beside {} in the environment but got none.",
                                   rank ? names.size : names.rank, rank ? names.rank : names.size));
    }
    Rank found;
    found.size = parse_integer(names.size, *size, 1, kMaxRanks);
    found.rank = parse_integer(names.rank, *rank, 0, found.size - 1);
    const auto local = variable(names.local);
    found.local = local ? parse_integer(names.local, *local, 0, kMaxRanks) : 0;
    return found;
  }
  return {};
}

const std::vector<std::string>& rank_variables() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all = {kRestarts, kAgentStore};
    for (const auto& one : kLaunchers) all.insert(all.end(), {one.rank, one.size, one.local});
    return all;
  }();
  return names;
}

int share_of_rank(const Rank& rank, const std::function<int()>& body) {
  if (rank.first()) return body();
  const auto told = [&](const std::string& sentence) {
    std::fputs(fmt::format("rank {}: {}\n", rank.rank, sentence).c_str(), stderr);
    return 0;
  };
  try {
    return body();
  } catch (const UsageError&) {
    throw;
  } catch (const std::exception& error) {
    return told(error_sentence(error));
  }
}

void add_rank_flags(CommandLine& line, std::optional<train::RankStatistics>& statistics,
                    double& timeout) {
  line.flag("statistics", "local|synchronised", "normalise by a rank's own rows, or all (local)",
            [&](const std::string& flag, const std::string& text) {
              statistics = train::rank_statistics_from_string(
                  parse_choice(flag, text, {"local", "synchronised"}));
            });
  line.positive_number("rank-timeout", "SECONDS", "how long ranks wait for one another (300)",
                       timeout);
}

c10::Device gpu_of(const Rank& rank, int64_t gpus) {
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(rank.local % gpus)};
}

std::shared_ptr<train::Communicator> connect_ranks(const Rank& rank, double timeout) {
  if (rank.size == 1) return {};
  const auto address = variable("MASTER_ADDR");
  const auto port = variable("MASTER_PORT");
  if (!address || !port) {
    throw UsageError(fmt::format(
        "expected MASTER_ADDR and MASTER_PORT, where rank 0 can be reached, in the environment of "
        "{} ranks that train one network but got no {} (ladder launch and torchrun set them).",
        rank.size, address ? "MASTER_PORT" : "MASTER_ADDR"));
  }
  // c10d prints what it tries, with a list of calls; our sentences say how it ends.
  ::setenv("TORCH_CPP_LOG_LEVEL", "FATAL", /*overwrite=*/0);
  c10::initLogging();
  return train::connect(
      {.rank = rank.rank,
       .size = rank.size,
       .address = *address,
       .port = parse_integer("MASTER_PORT", *port, 1, 65535),
       .launcher_answers = variable(kAgentStore) == "True",
       .attempt = parse_integer(kRestarts, variable(kRestarts).value_or("0"), 0, kMaxRanks),
       .interface = variable("GLOO_SOCKET_IFNAME").value_or(""),
       .timeout = timeout});
}

std::string exchange_text(const train::ExchangeTimes& times) {
  // A step of N ranks takes the rows of N steps.
  const auto factor = static_cast<double>(times.ranks) * times.step_seconds /
                      (times.step_seconds + times.exchange_seconds);
  return fmt::format(
      "{} ranks: a step takes {:.1f} ms and the exchange of {:.3g} MB {:.1f} ms, {:.2f} times the "
      "rows per second of one rank{}",
      times.ranks, 1e3 * times.step_seconds, static_cast<double>(times.bytes) / 1e6,
      1e3 * times.exchange_seconds, factor,
      factor < 1 ? "; the connection is too slow for this model: one process would be faster" : "");
}

std::string ranks_text(const std::vector<int64_t>& ranks) {
  if (ranks.size() == 1) return fmt::format("rank {}", ranks.front());
  const std::vector<int64_t> firsts(ranks.begin(), ranks.end() - 1);
  return fmt::format("ranks {} and {}", fmt::join(firsts, ", "), ranks.back());
}

struct RankGroup::State {
  State(Rank of, fs::path in, double seconds)
      : rank(of), folder(std::move(in)), silence(seconds), beat{.host = host_name()} {
    make_folder(folder);
    if (rank.first()) {
      std::random_device random;
      write_text(folder / "session", fmt::format("{:08x}{:08x}\n", random(), random()));
    }
    const auto path = file_of(rank.rank);
    file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) {
      throw std::runtime_error(fmt::format("expected to write {} but got \"{}\".", path.string(),
                                           std::generic_category().message(errno)));
    }
    ::flock(file, LOCK_EX | LOCK_NB);
    write();
    beats = std::thread([this] {
      std::unique_lock lock(mutex);
      while (!wake.wait_for(lock, kBeat, [this] { return ending; })) write();
    });
  }

  ~State() {
    {
      const std::lock_guard lock(mutex);
      ending = true;
    }
    wake.notify_all();
    await_session();
    beats.join();
    beat.ended = true;
    write();
    ::close(file);
  }

  // Rank 0 knows the line of a rank by the name of the session, which it gives at its start: one
  // that ends before without that name would be silent to it.
  void await_session() const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(silence);
    while (!rank.first() && !fs::exists(folder / "session") && !stop_requested() &&
           std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(kLook);
    }
  }

  fs::path file_of(int64_t one) const { return folder / fmt::format("rank-{}", one); }

  void write() {
    beat.session = text_of(folder / "session").value_or("-");
    ++beat.count;
    const auto line = to_line(beat);
    // A failure shows as silence.
    (void)!::ftruncate(file, 0);
    (void)!::pwrite(file, line.data(), line.size(), 0);
    ::fdatasync(file);
  }

  Rank rank;
  fs::path folder;
  double silence;
  RankBeat beat;
  int file = -1;
  bool ending = false;
  std::mutex mutex;
  std::condition_variable wake;
  std::thread beats;
};

RankGroup::RankGroup(Rank rank, const fs::path& folder, double silence) {
  if (rank.size == 1) return;
  state_ = std::make_unique<State>(rank, folder / ".ranks", silence);
}

RankGroup::~RankGroup() = default;

const Rank& RankGroup::rank() const {
  static const Rank alone;
  return state_ ? state_->rank : alone;
}

std::vector<int64_t> RankGroup::wait(const std::function<bool(int64_t rank)>& pending,
                                     const std::function<bool()>& stop_requested) {
  if (!state_) return {};
  struct Heard {
    std::string last = {};
    Instant at = std::chrono::steady_clock::now();
  };
  std::map<int64_t, Heard> heard;
  std::vector<int64_t> waited_for, lost;
  for (int64_t rank = 0; rank < state_->rank.size; ++rank) {
    if (rank == state_->rank.rank) continue;
    waited_for.push_back(rank);
    heard[rank];
  }
  const auto session = [&] { return text_of(state_->folder / "session").value_or("-"); };
  // Whether a rank has ended: asked before its runs are looked at, so that none of them is missed.
  const auto has_ended = [&](int64_t rank) {
    const auto path = state_->file_of(rank);
    const auto beat = read_beat(path);
    const auto now = std::chrono::steady_clock::now();
    auto& known = heard[rank];
    const auto line = beat ? to_line(*beat) : std::string();
    if (line != known.last) known = {line, now};
    if (beat && beat->session == session()) {
      if (beat->ended) return true;
      if (beat->host == state_->beat.host && !is_locked(path)) return true;
    }
    return std::chrono::duration<double>(now - known.at).count() > state_->silence;
  };
  while (!waited_for.empty() && !stop_requested()) {
    std::erase_if(waited_for, [&](int64_t rank) {
      const bool ended = has_ended(rank);
      if (!pending(rank)) return true;
      if (ended) lost.push_back(rank);
      return ended;
    });
    if (!waited_for.empty()) std::this_thread::sleep_for(kLook);
  }
  return lost;
}

}  // namespace ladder::apps
