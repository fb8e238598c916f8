/// Exchange of tensors between the processes that train one network.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "ladder/core/batch_ranks.h"

namespace ladder::train {

/// A rank that was lost, does not answer, or was never there; the sentence says which.
class CommunicationError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An exchange that goes on while its rank computes.
class PendingExchange {
 public:
  virtual ~PendingExchange() = default;
  /// Wait until the tensor holds the result. Error: CommunicationError.
  virtual void wait() = 0;
};

/// Processes, called ranks, that call the same functions in the same order. Every function but
/// start_all_reduce waits for all ranks. A tensor has the same shape and type on all ranks. Tensors
/// on GPUs are exchanged by NCCL if no two ranks share a GPU, else through the memory of the CPU;
/// all_gather then returns tensors on the CPU.
///
/// Errors: CommunicationError; the communicator cannot be used after it.
class Communicator : public BatchRanks {
 public:
  virtual int64_t rank() const = 0;

  /// Replace `tensor` by the one of rank 0.
  virtual void broadcast(torch::Tensor& tensor) = 0;
  /// Begin `all_reduce`. The memory of `tensor`, contiguous, is neither read nor written until the
  /// wait for it ends, which comes before the end of the communicator. Several may be under way;
  /// all ranks begin them in the same order, and wait in any. By default the exchange is done when
  /// this returns.
  virtual std::unique_ptr<PendingExchange> start_all_reduce(torch::Tensor tensor);
  /// Wait until all ranks are here.
  virtual void barrier() = 0;
};

/// Return the `value` of rank 0, on all ranks; without ranks `value` itself.
int64_t value_of_first_rank(const std::shared_ptr<Communicator>& ranks, int64_t value);

/// Rows whose mean and variance normalise the rows of a rank in training.
enum class RankStatistics {
  kLocal,         ///< its own
  kSynchronised,  ///< those of all ranks: they compute what one process with all batches computes
};

/// Return "local" or "synchronised".
std::string to_string(RankStatistics statistics);
/// Error: another name.
RankStatistics rank_statistics_from_string(const std::string& name);

/// What the ranks of a run exchange in a step, and how long that takes.
struct ExchangeTimes {
  int64_t ranks = 1;
  int64_t bytes = 0;            ///< exchanged by each rank in a step
  double exchange_seconds = 0;  ///< median of their sum, waiting for slower ranks included
  double step_seconds = 0;      ///< median of the steps without the exchange
};

/// Where the ranks meet, and which of them this process is.
struct CommunicatorOptions {
  int64_t rank = 0;
  int64_t size = 1;
  std::string address = {};  ///< host of rank 0, by name or number
  int64_t port = 0;          ///< free port there
  /// A process of the launcher answers at that port (torchrun), not rank 0.
  bool launcher_answers = false;
  /// In place of address and port: a file that does not exist yet, for ranks on one machine.
  std::filesystem::path file = {};
  /// Count of starts of a launcher that starts all ranks again where one was lost.
  int64_t attempt = 0;
  /// Network interface to exchange over, "eth1" say; by default the one that leads to rank 0.
  std::string interface = {};
  /// Seconds that a rank waits for the others, at the start and in each call.
  double timeout = 300;
};

/// True if the library was built with a LibTorch whose c10d it knows.
bool has_communicator();

/// Meet the other ranks by c10d, LibTorch's library of distributed training, with Gloo.
///
/// Errors: CommunicationError where they do not meet within the timeout; c10::Error for a rank that
/// is not below the size, no place to meet, or a library built without c10d.
///
///     auto ranks = train::connect({.rank = 1, .size = 4, .address = "node1", .port = 29500});
///     ranks->all_reduce(sum);
std::shared_ptr<Communicator> connect(const CommunicatorOptions& options);

}  // namespace ladder::train
