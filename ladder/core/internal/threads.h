/// Threads that help a call with its tasks, and cost it nothing where they get no core.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/FunctionRef.h>

#include <cstdint>
#include <limits>

namespace ladder::threads {

/// Call f(task) once for each task below `count`, on the calling thread and at most `helpers`
/// threads of the library's pool. Each takes the next task from a shared counter when it is free.
///
/// The caller takes tasks like the others, and waits only for tasks that a helper has begun: a
/// helper that gets no core takes no task and delays nobody. Helpers wait for the next call with
/// their core for a fraction of a millisecond, and asleep afterwards or as soon as another thread
/// wants the core. Where a helper was interrupted inside a task and the caller had to wait for it,
/// the calls of the next while run on their caller only (cores_are_taken).
///
/// Several threads may call at the same time; they share the helpers. A call inside a task runs on
/// its thread only. Inside a task at::get_num_threads() is 1, so that LibTorch's own loops are
/// serial there. The first exception that a task throws ends the call and is thrown again on the
/// caller; tasks that nobody has begun by then are not run.
///
/// After fork() the child has a pool of its own, empty at first. Do not fork inside a task. Threads
/// start with the first call that wants them and are joined when the process exits.
void share_tasks(int64_t count, int64_t helpers, c10::function_ref<void(int64_t)> f);

/// Work that makes up for a second thread, in nanoseconds or values of an elementwise kernel, of
/// which each takes about one: waking a thread and handing it a task takes a few microseconds.
inline constexpr int64_t kWorkOfThread = 20000;

/// Call f(task) once for each task below `count` on at most at::get_num_threads() threads, and on
/// no more than there is work for: `work` for all tasks in units of kWorkOfThread.
void for_tasks(int64_t count, c10::function_ref<void(int64_t)> f,
               int64_t work = std::numeric_limits<int64_t>::max());

/// Tell that LibTorch is about to run, or has run, a long loop on OpenMP's threads for the calling
/// thread, such as a convolution of oneDNN's. Those threads look for the next loop for
/// milliseconds, each with a core that a helper would need. So share_tasks hands tasks to them in
/// place of helpers for the next seconds: all of them have to come to the end of a call then, and
/// cores_are_taken() tells when they do not.
void note_openmp();

/// True while calls run on their caller only, since cores were found taken by other programs.
bool cores_are_taken();

/// LibTorch's loops over fewer values are better off on one thread: some of them take several from
/// two values on, and its threads wait for each other, however busy their cores are.
inline constexpr int64_t kSerialValues = 1 << 20;

/// True for a tensor on the CPU of fewer values than that.
inline bool is_small(const at::Tensor& values) {
  return values.is_cpu() && values.numel() < kSerialValues;
}

/// Set the number of LibTorch's threads to 1 for the calling thread while it lives, if `wanted`.
class OneThread {
 public:
  explicit OneThread(bool wanted = true);
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;
  ~OneThread();

 private:
  int before_ = 0;  // 0: unchanged
};

}  // namespace ladder::threads
