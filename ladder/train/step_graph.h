/// A training step that is recorded once and then replayed with one call.
#pragma once

#include <c10/core/StreamGuard.h>
#include <torch/types.h>

#include <functional>
#include <memory>
#include <optional>

namespace ladder::train {

/// On CUDA this is a CUDA graph: the kernels that a step queues are recorded with their arguments
/// and memory, and the driver replays them without the host's share of a step (dispatch, autograd,
/// allocation), which takes longer than the kernels of a small network. On any other device the
/// step is called again, so that everything around a graph is tested without a GPU.
///
/// A recorded step reads what differs from one run to the next (rows, learning rate, place in the
/// stream of noise) from tensors that stay where they are, and never waits for the device: no
/// `item()`, no copy from the host. Record after some steps have run in `stream()`: what libraries
/// set up at first use cannot be part of a graph. Threads may record at the same time, each in a
/// graph of its own.
///
///     StepGraph graph(device);
///     const c10::OptionalStreamGuard stream(graph.stream());
///     step(); step();                                      // warm up
///     graph.record([&] { step(); });                       // on CUDA nothing runs yet
///     for (;;) { rows.copy_(...); graph.run(); }
class StepGraph {
 public:
  /// Return true unless `device` is CUDA and the library was built without it.
  static bool available(torch::Device device);

  /// Wait for what was queued on the device so far. Error: a device that is not `available`.
  explicit StepGraph(torch::Device device);
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;
  ~StepGraph();  ///< waits for the steps that were run

  /// Return the stream that only the step uses; none where the device has no streams.
  std::optional<c10::Stream> stream() const { return stream_; }

  /// Let `stream()` see what was queued on the device elsewhere: before the first of several
  /// steps.
  void enter() const;
  /// Wait for what was queued on `stream()`: before others use what the steps wrote.
  void leave() const;

  /// Record a step. Error: one that a graph cannot hold, in one sentence with CUDA's reason.
  void record(std::function<void()> step);
  bool recorded() const { return recorded_ != nullptr; }

  /// Run the recorded step on `stream()`, without waiting for it.
  void run();

 private:
  struct Recorded;

  torch::Device device_;
  std::optional<c10::Stream> stream_;
  std::unique_ptr<Recorded> recorded_;
};

}  // namespace ladder::train
