/// A training step that is recorded once and then run again with one call.
#pragma once

#include <c10/core/StreamGuard.h>
#include <torch/types.h>

#include <functional>
#include <memory>
#include <optional>

namespace ladder::train {

/// On CUDA a CUDA graph: the kernels that a step queues are recorded with their arguments and
/// memory and replayed by the driver, without the host's share of a step (dispatch, autograd,
/// allocation), which takes longer than the kernels of a small network. On any other device the
/// step is simply called again, so that everything around a graph is tested without a GPU.
///
/// A step that is recorded reads what differs from one run to the next - rows, learning rate, place
/// in the stream of noise - from tensors that stay where they are, and never waits for the device:
/// no `item()`, no copy from the host. Record after some steps have run in `stream()`: what
/// libraries set up at first use cannot be part of a graph.
///
///     StepGraph graph(device);
///     const c10::OptionalStreamGuard stream(graph.stream());
///     step(); step();                                      // warm up
///     graph.record([&] { step(); });                       // on CUDA nothing runs yet
///     for (;;) { rows.copy_(...); graph.run(); }
class StepGraph {
 public:
  /// Whether steps on `device` can be recorded: on CUDA where the library was built for it.
  static bool available(torch::Device device);

  /// Waits for what was queued on the device so far. Error: a device that is not `available`.
  explicit StepGraph(torch::Device device);
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;
  ~StepGraph();  ///< waits for the steps that were run

  /// The stream that the step has for itself; none where the device has no streams.
  std::optional<c10::Stream> stream() const { return stream_; }

  /// Lets `stream()` see what was queued on the device elsewhere: before the first of several
  /// steps.
  void enter() const;
  /// Waits for what was queued on `stream()`: before others use what the steps wrote.
  void leave() const;

  /// Errors: a step that a graph cannot hold, in one sentence with CUDA's reason.
  void record(std::function<void()> step);
  bool recorded() const { return recorded_ != nullptr; }

  /// Runs the recorded step on `stream()`, without waiting for it.
  void run();

 private:
  struct Recorded;

  torch::Device device_;
  std::optional<c10::Stream> stream_;
  std::unique_ptr<Recorded> recorded_;
};

}  // namespace ladder::train
