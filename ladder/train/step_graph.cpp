#include "ladder/train/step_graph.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/cuda.h>

#include <exception>
#include <utility>

#ifdef LADDER_CUDA
#include <ATen/cuda/CUDAGraph.h>
#endif

namespace ladder::train {

struct StepGraph::Recorded {
  std::function<void()> step;
#ifdef LADDER_CUDA
  std::unique_ptr<at::cuda::CUDAGraph> graph = {};
#endif
};

#ifdef LADDER_CUDA
namespace {

constexpr bool kCudaGraphs = true;

// The kernels that `step` queues on the current stream. When the step fails, the stream is left as
// it was before.
std::unique_ptr<at::cuda::CUDAGraph> capture(const std::function<void()>& step) {
  auto graph = std::make_unique<at::cuda::CUDAGraph>();
  graph->capture_begin();
  try {
    step();
  } catch (...) {
    try {
      graph->capture_end();
    } catch (const std::exception&) {  // the reason is that of the step
    }
    throw;
  }
  graph->capture_end();
  return graph;
}

}  // namespace
#else
namespace {

constexpr bool kCudaGraphs = false;

}  // namespace
#endif

bool StepGraph::available(torch::Device device) { return !device.is_cuda() || kCudaGraphs; }

StepGraph::StepGraph(torch::Device device) : device_(device) {
  TORCH_CHECK(available(device),
              "StepGraph: expected a device whose steps can be recorded but got ", device,
              " (this library was built without CUDA; train without a graph).");
  if (device.is_cuda()) {
    torch::cuda::synchronize(device.index());
    stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
  }
}

StepGraph::StepGraph(StepGraph&&) noexcept = default;
StepGraph& StepGraph::operator=(StepGraph&&) noexcept = default;
StepGraph::~StepGraph() = default;

void StepGraph::record(std::function<void()> step) {
  auto recorded = std::make_unique<Recorded>();
#ifdef LADDER_CUDA
  if (device_.is_cuda()) {
    try {
      recorded->graph = capture(step);
    } catch (const c10::Error& error) {
      TORCH_CHECK(false,
                  "StepGraph: expected a step that never waits for the device but got one that a "
                  "CUDA graph cannot hold (train without a graph): ",
                  error.what_without_backtrace());
    }
  }
#endif
  recorded->step = std::move(step);
  recorded_ = std::move(recorded);
}

void StepGraph::run() {
  TORCH_CHECK(recorded(), "StepGraph: expected a recorded step to run but got none.");
#ifdef LADDER_CUDA
  if (recorded_->graph) {
    recorded_->graph->replay();
    return;
  }
#endif
  recorded_->step();
}

}  // namespace ladder::train
