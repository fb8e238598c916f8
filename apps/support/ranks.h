/// Processes that a launcher (ladder launch, torchrun, mpirun, Slurm) started for one command.
#pragma once

#include <c10/core/Device.h>
#include <ladder/train/communicator.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ladder::apps {

class CommandLine;

/// Place of this process among those of one command.
struct Rank {
  int64_t rank = 0;
  int64_t size = 1;
  int64_t local = 0;  ///< rank on this machine

  bool first() const { return rank == 0; }
  /// True if this rank takes run `index` of the command: those whose index is `rank` modulo `size`.
  bool takes(size_t index) const { return static_cast<int64_t>(index) % size == rank; }
  /// Return the rank that takes run `index`.
  int64_t owner(size_t index) const { return static_cast<int64_t>(index) % size; }
};

/// Return the rank that the environment names: RANK, WORLD_SIZE and LOCAL_RANK (ladder launch,
/// torchrun), else OMPI_COMM_WORLD_RANK, _SIZE and _LOCAL_RANK (mpirun), else SLURM_PROCID,
/// SLURM_STEP_NUM_TASKS and SLURM_LOCALID (srun; a batch script itself is no rank). Rank 0 of 1
/// without them. Error (UsageError): a variable that is missing beside the others or no number, a
/// rank that is not below the size.
Rank rank_of_environment();

/// Add `--statistics` and `--rank-timeout`.
void add_rank_flags(CommandLine& line, std::optional<train::RankStatistics>& statistics,
                    double& timeout);

/// Return the GPU, of `gpus` on this machine, that the rank takes: each its own where there are as
/// many.
c10::Device gpu_of(const Rank& rank, int64_t gpus);

/// Meet the other ranks, to train one network, at MASTER_ADDR:MASTER_PORT of the environment; there
/// torchrun answers if it says so in TORCHELASTIC_USE_AGENT_STORE. GLOO_SOCKET_IFNAME names the
/// network interface, if set. Returns none for a single rank. `timeout`: seconds.
///
/// Errors: UsageError for a variable that is missing; those of train::connect.
std::shared_ptr<train::Communicator> connect_ranks(const Rank& rank, double timeout);

/// Return what an exchange of gradients costs, as a line: "2 ranks: a step takes 20.1 ms and the
/// exchange of 12.4 MB 102.3 ms, 0.33 times the rows per second of one rank; ...".
std::string exchange_text(const train::ExchangeTimes& times);

/// Names of those variables, and of what torchrun says beside them: a process that a rank starts
/// for itself gets none of them.
const std::vector<std::string>& rank_variables();

/// Do the runs of a rank that shares them with others: return what `body` returns. If it fails on
/// another rank than the first, say so on the standard error and return 0, since launchers end all
/// ranks when one fails; rank 0 notices which runs are missing. Wrong use passes.
int share_of_rank(const Rank& rank, const std::function<int()>& body);

/// Ranks that divide the runs of one command and share the folder that these are written to.
///
/// They exchange no messages. Each rank holds a lock on FOLDER/.ranks/rank-N and writes to it once
/// a second; rank 0 names the session there. A rank counts as lost if its process has ended (known
/// at once on the same machine, by the lock) or if it has not written for `silence` seconds.
class RankGroup {
 public:
  /// A group of one rank does nothing and writes nothing. Error: the folder cannot be written.
  explicit RankGroup(Rank rank, const std::filesystem::path& folder, double silence = 60);
  RankGroup(const RankGroup&) = delete;
  /// Tell the others that this rank has ended.
  ~RankGroup();

  const Rank& rank() const;

  /// Wait until no other rank has runs that `pending(rank)` says are unfinished, or until
  /// `stop_requested`. Return the ranks that have ended or were lost before theirs were done.
  std::vector<int64_t> wait(const std::function<bool(int64_t rank)>& pending,
                            const std::function<bool()>& stop_requested);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Return "rank 1" or "ranks 1 and 3".
std::string ranks_text(const std::vector<int64_t>& ranks);

}  // namespace ladder::apps
