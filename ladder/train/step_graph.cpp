#include "ladder/train/step_graph.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/cuda.h>

#include <exception>
#include <string>
#include <utility>

#ifdef LADDER_CUDA
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#endif

namespace ladder::train {

struct StepGraph::Recorded {
  std::function<void()> step;
#ifdef LADDER_CUDA
  std::unique_ptr<at::cuda::CUDAGraph> graph = {};
#endif
};

namespace {

#ifdef LADDER_CUDA
constexpr bool kCudaGraphs = true;

// Only this thread is kept from calls that a capture cannot hold: trainers in other threads go on.
constexpr auto kMode = cudaStreamCaptureModeThreadLocal;

template <class F>
void quietly(const F& f) {
  try {
    f();
  } catch (const std::exception&) {  // it had not been begun
  }
}

// What LibTorch leaves undone when a capture fails: its allocators still send memory to the pool of
// the graph, by a filter that points to it, and its generator takes itself to be captured, which
// the end of a capture that succeeds undoes. How much of it was begun depends on where it failed.
void abandon(c10::MempoolId_t pool) {
  namespace allocator = c10::cuda::CUDACachingAllocator;
  const auto device = c10::cuda::current_device();
  auto* const host = at::getHostAllocator(at::kCUDA);
  quietly([&] { allocator::endAllocateToPool(device, pool); });
  quietly([&] { allocator::releasePool(device, pool); });
  quietly([&] { host->end_allocate_to_pool(pool); });
  quietly([&] { host->release_pool(pool); });
  const auto scratch = at::zeros({1}, at::TensorOptions(at::kCUDA).dtype(at::kFloat));
  at::cuda::CUDAGraph settled;
  settled.capture_begin({0, 0}, kMode);
  scratch.zero_();
  settled.capture_end();
}

void end_capture(at::cuda::CUDAGraph& graph, c10::MempoolId_t pool) {
  try {
    graph.capture_end();
  } catch (...) {
    bool ended = true;
    try {
      graph.pool();
    } catch (const c10::Error&) {
      ended = false;
    }
    if (!ended) abandon(pool);
    throw;
  }
}

// The kernels that `step` queues on the current stream. When the step fails, or the capture does
// not begin, the stream and LibTorch are left as they were before.
std::unique_ptr<at::cuda::CUDAGraph> capture(const std::function<void()>& step) {
  auto graph = std::make_unique<at::cuda::CUDAGraph>();
  const auto pool = at::cuda::graph_pool_handle();
  try {
    graph->capture_begin(pool, kMode);
    step();
  } catch (...) {
    quietly([&] { end_capture(*graph, pool); });  // the reason is that of the step
    throw;
  }
  end_capture(*graph, pool);
  return graph;
}

std::string first_line(const std::exception& error) {
  const auto* const ours = dynamic_cast<const c10::Error*>(&error);
  const std::string text = ours != nullptr ? ours->what_without_backtrace() : error.what();
  return text.substr(0, text.find('\n'));
}
#else
constexpr bool kCudaGraphs = false;
#endif

void wait_for(const std::optional<c10::Stream>& stream) {
  if (stream) stream->synchronize();
}

}  // namespace

bool StepGraph::available(torch::Device device) { return !device.is_cuda() || kCudaGraphs; }

StepGraph::StepGraph(torch::Device device) : device_(device) {
  TORCH_CHECK(available(device),
              "StepGraph: expected a device whose steps can be recorded but got ", device,
              " (this library was built without CUDA; train without a graph).");
  if (device.is_cuda()) {
    stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
  }
  enter();
}

StepGraph::~StepGraph() {
  try {
    wait_for(stream_);
  } catch (const std::exception&) {  // whoever uses the device next is told
  }
}

void StepGraph::enter() const {
  if (stream_) torch::cuda::synchronize(stream_->device_index());
}

void StepGraph::leave() const { wait_for(stream_); }

void StepGraph::record(std::function<void()> step) {
  auto recorded = std::make_unique<Recorded>();
  const c10::OptionalStreamGuard guard(stream_);
#ifdef LADDER_CUDA
  if (device_.is_cuda()) {
    try {
      recorded->graph = capture(step);
    } catch (const std::exception& error) {
      TORCH_CHECK(false,
                  "StepGraph: expected a step that never waits for the device but got one that a "
                  "CUDA graph cannot hold (train without a graph): ",
                  first_line(error));
    }
  }
#endif
  recorded->step = std::move(step);
  recorded_ = std::move(recorded);
}

void StepGraph::run() {
  TORCH_CHECK(recorded(), "StepGraph: expected a recorded step to run but got none.");
  const c10::OptionalStreamGuard guard(stream_);
#ifdef LADDER_CUDA
  if (recorded_->graph) {
    recorded_->graph->replay();
    return;
  }
#endif
  recorded_->step();
}

}  // namespace ladder::train
