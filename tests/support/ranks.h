#pragma once

#include <ladder/core/internal/threads.h>
#include <ladder/train/communicator.h>

#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace ladder::testing {

inline constexpr const char* kNoCommunicator = "the library was built without c10d";

/// Catch2's assertions are for one thread: ranks throw what is wrong.
inline void expect(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error("expected " + what);
}

using RankWork = std::function<void(const std::shared_ptr<train::Communicator>&)>;

/// Run `work` once for each of `count` ranks, which meet in a file. Each rank is a thread, which
/// serves as a process does, since the library keeps nothing for the whole process. Return the
/// error of each rank, empty for none.
inline std::vector<std::string> errors_of_ranks(int64_t count, const RankWork& work,
                                                double timeout = 60) {
  const TemporaryFolder folder;
  std::vector<std::string> errors(static_cast<size_t>(count));
  std::vector<std::thread> running;
  for (int64_t rank = 0; rank < count; ++rank) {
    running.emplace_back([&, rank] {
      const threads::OneThread serial;
      try {
        auto ranks = train::connect(
            {.rank = rank, .size = count, .file = folder / "store", .timeout = timeout});
        work(ranks);
      } catch (const c10::Error& error) {
        errors[static_cast<size_t>(rank)] = error.what_without_backtrace();
      } catch (const std::exception& error) {
        errors[static_cast<size_t>(rank)] = error.what();
      }
    });
  }
  for (auto& thread : running) thread.join();
  return errors;
}

/// The same where none may fail.
inline void on_ranks(int64_t count, const RankWork& work) {
  std::string all;
  for (const auto& error : errors_of_ranks(count, work)) {
    if (!error.empty()) all += error + "\n";
  }
  if (!all.empty()) throw std::runtime_error(all);
}

}  // namespace ladder::testing
