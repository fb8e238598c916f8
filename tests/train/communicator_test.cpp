#include "ladder/train/communicator.h"

#include <torch/torch.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "apps/support/free_port.h"
#include "ladder/core/random.h"
#include "ladder/ops/noise.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/ranks.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;

namespace {

torch::Tensor drawn(int64_t rank, int64_t values, torch::Dtype dtype = torch::kFloat32) {
  return ops::standard_normal(NoiseDraw{static_cast<uint64_t>(rank + 1), 0, {}}, values, 1, dtype)
      .flatten();
}

// The threads of this process, and whether each blocks SIGPIPE.
std::map<std::string, bool> threads_and_masks() {
  std::map<std::string, bool> found;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream in(task.path() / "status");
    const std::string name = "SigBlk:";
    for (std::string line; std::getline(in, line);) {
      if (!line.starts_with(name)) continue;
      const auto mask = std::stoull(line.substr(name.size()), nullptr, 16);
      found[task.path().filename().string()] = (mask >> (SIGPIPE - 1) & 1U) != 0;
    }
  }
  return found;
}

}  // namespace

TEST_CASE("Communicator: broadcasts, adds up and gathers over 2, 3 and 4 ranks", "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  for (const int64_t size : {2, 3, 4}) {
    CHECK_NOTHROW(on_ranks(size, [&](const std::shared_ptr<Communicator>& ranks) {
      const auto rank = ranks->rank();
      for (const auto dtype : {torch::kFloat32, torch::kFloat64, torch::kInt64}) {
        auto told = torch::full({3}, 10 + rank, dtype);
        ranks->broadcast(told);
        auto sum = torch::full({2, 2}, 1 + rank, dtype);
        ranks->all_reduce(sum);
        // Columns of a matrix, which are not contiguous.
        auto matrix = torch::full({4, 4}, rank, dtype);
        auto columns = matrix.slice(1, 1, 3);
        ranks->all_reduce(columns);
        const auto all = ranks->all_gather(torch::full({2}, rank * rank, dtype));
        ranks->barrier();
        expect(ranks->size() == size, "the number of ranks");
        expect(told.equal(torch::full({3}, 10, dtype)), "the tensor of rank 0");
        expect(sum.equal(torch::full({2, 2}, size * (size + 1) / 2, dtype)), "a sum");
        expect(columns.equal(torch::full({4, 2}, size * (size - 1) / 2, dtype)), "sums");
        expect(matrix.select(1, 0).equal(torch::full({4}, rank, dtype)), "other columns as before");
        expect(all.size() == static_cast<size_t>(size), "a tensor of each rank");
        for (int64_t i = 0; i < size; ++i) {
          expect(all[static_cast<size_t>(i)].equal(torch::full({2}, i * i, dtype)),
                 "the tensors in order");
        }
      }
    }));
  }
}

TEST_CASE("Communicator: tensors on a GPU are exchanged there", "[ranks][cuda]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  if (!torch::cuda::is_available()) LADDER_SKIP("no CUDA device");
  // One rank: NCCL refuses ranks that share a GPU.
  CHECK_NOTHROW(on_ranks(1, [](const std::shared_ptr<Communicator>& ranks) {
    const auto values = drawn(0, 1000).to(torch::kCUDA);
    auto sum = values.clone();
    ranks->all_reduce(sum);
    auto told = values.clone();
    ranks->broadcast(told);
    // Columns of a matrix, which are not contiguous.
    auto matrix = torch::ones({4, 4}, torch::kCUDA);
    auto columns = matrix.slice(1, 1, 3);
    ranks->all_reduce(columns);
    const auto all = ranks->all_gather(values);
    ranks->barrier();
    expect(sum.equal(values) && told.equal(values), "the tensor of the only rank");
    expect(matrix.equal(torch::ones({4, 4}, torch::kCUDA)), "columns as before");
    expect(all.size() == 1 && all[0].equal(values) && all[0].is_cuda(), "a copy on the GPU");
    auto here = torch::ones({3});
    ranks->all_reduce(here);
    expect(here.equal(torch::ones({3})), "tensors of the CPU beside them");
  }));
}

TEST_CASE("Communicator: sums have the same bits on all ranks and in every run", "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  for (const int64_t size : {2, 3, 4}) {
    std::mutex mutex;
    std::vector<torch::Tensor> sums;
    for (int run = 0; run < 2; ++run) {
      on_ranks(size, [&](const std::shared_ptr<Communicator>& ranks) {
        auto sum = drawn(ranks->rank(), 100003);
        ranks->all_reduce(sum);
        const std::lock_guard lock(mutex);
        sums.push_back(sum);
      });
    }
    REQUIRE(sums.size() == static_cast<size_t>(2 * size));
    for (const auto& sum : sums) CHECK(sum.equal(sums.front()));
    // Against float64: each of the N - 1 additions rounds by at most half a unit in the last place
    // of a partial sum, which is at most the sum of magnitudes.
    auto exact = torch::zeros({100003}, torch::kFloat64);
    auto magnitudes = exact.clone();
    for (int64_t rank = 0; rank < size; ++rank) {
      exact += drawn(rank, 100003).to(torch::kFloat64);
      magnitudes += drawn(rank, 100003).to(torch::kFloat64).abs();
    }
    const auto error = (sums.front().to(torch::kFloat64) - exact).abs();
    CHECK((error <= magnitudes * (static_cast<double>(size - 1) * 0x1p-23)).all().item<bool>());
  }
}

TEST_CASE("Communicator: ranks meet at an address and a port, and one rank alone", "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  const auto port = apps::free_port();
  std::vector<std::thread> threads;
  std::vector<double> sums(2);
  std::vector<std::string> errors(2);
  for (int64_t rank = 0; rank < 2; ++rank) {
    threads.emplace_back([&, rank] {
      errors[static_cast<size_t>(rank)] = error_text([&] {
        const auto ranks =
            connect({.rank = rank, .size = 2, .address = "localhost", .port = port, .timeout = 30});
        auto sum = torch::tensor(1.5 + static_cast<double>(rank), torch::kFloat64);
        ranks->all_reduce(sum);
        sums[static_cast<size_t>(rank)] = sum.item<double>();
      });
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(errors == std::vector<std::string>(2, "(no error)"));
  CHECK(sums == std::vector<double>{4, 4});
  on_ranks(1, [](const std::shared_ptr<Communicator>& ranks) {
    auto one = torch::ones({2});
    ranks->all_reduce(one);
    ranks->broadcast(one);
    expect(one.equal(torch::ones({2})) && ranks->all_gather(one).size() == 1, "its own tensor");
  });
}

TEST_CASE("Communicator: says what is wrong with a place, and which rank is missing", "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  CHECK(error_text([] { connect({.rank = 2, .size = 2, .address = "a", .port = 1}); }) ==
        "connect: expected a rank from 0 to 1 but got 2.");
  CHECK(error_text([] { connect({.rank = 0, .size = 2}); }) ==
        "connect: expected the address and a port (1 to 65535) of rank 0 but got '' and 0.");
  CHECK(error_text([] { connect({.size = 1, .address = "a", .port = 1, .timeout = 0}); }) ==
        "connect: expected a timeout above 0 but got 0.");
  const auto alone = [](int64_t rank) {
    try {
      connect({.rank = rank,
               .size = 2,
               .address = "127.0.0.1",
               .port = apps::free_port(),
               .timeout = 0.5});
    } catch (const CommunicationError& error) {
      return std::string(error.what());
    }
    return std::string("(no error)");
  };
  for (const int64_t rank : {0, 1}) {
    const auto text = alone(rank);
    INFO(text);
    CHECK(text.starts_with("Communicator: expected 2 ranks to meet at 127.0.0.1:"));
    CHECK(text.find(" within 0.5 s but rank " + std::to_string(rank) + " got \"") !=
          std::string::npos);
    CHECK(text.ends_with(
        "\" (are all ranks started, with the same address, and is the port open?)."));
    CHECK(text.find('\n') == std::string::npos);
  }
}

TEST_CASE("Communicator: a connection that is lost ends no thread by SIGPIPE", "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  const auto before = threads_and_masks();
  CHECK_NOTHROW(on_ranks(2, [&](const std::shared_ptr<Communicator>& ranks) {
    const auto own = torch::tensor({static_cast<int64_t>(::gettid())}, torch::kInt64);
    std::set<std::string> of_ranks;
    for (const auto& thread : ranks->all_gather(own)) {
      of_ranks.insert(std::to_string(thread.item<int64_t>()));
    }
    int64_t of_gloo = 0;
    for (const auto& [thread, blocked] : threads_and_masks()) {
      if (before.contains(thread)) continue;
      const bool is_rank = of_ranks.contains(thread);
      expect(blocked != is_rank, "SIGPIPE blocked by the threads of Gloo, and by no rank");
      of_gloo += is_rank ? 0 : 1;
    }
    expect(of_gloo > 0, "threads of Gloo");
    ranks->barrier();
  }));
}

TEST_CASE("Communicator: a rank that ends or hangs is an error on the others", "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  const auto reduce = [](Communicator& ranks) {
    auto values = torch::ones({1000});
    ranks.all_reduce(values);
  };
  SECTION("it ends") {
    const auto errors = errors_of_ranks(3, [&](const std::shared_ptr<Communicator>& ranks) {
      reduce(*ranks);
      if (ranks->rank() == 2) return;
      const auto again = [&] { reduce(*ranks); };
      try {
        again();
      } catch (const CommunicationError& error) {
        expect(error_text(again) ==
                   "Communicator: expected a communicator but got one that has failed.",
               "an error again");
        throw;
      }
    });
    for (size_t rank : {0, 1}) {
      CHECK(errors[rank] == "Communicator: rank " + std::to_string(rank) +
                                " of 3 lost its connection to another rank, which has ended");
    }
    CHECK(errors[2].empty());
  }
  SECTION("it hangs") {
    const auto begin = std::chrono::steady_clock::now();
    std::promise<void> gave_up;
    const auto other_gave_up = gave_up.get_future().share();
    const auto errors = errors_of_ranks(
        2,
        [&](const std::shared_ptr<Communicator>& ranks) {
          reduce(*ranks);
          if (ranks->rank() == 1) {
            other_gave_up.wait_for(std::chrono::seconds(250));
            return reduce(*ranks);
          }
          try {
            reduce(*ranks);
          } catch (...) {
            gave_up.set_value();
            throw;
          }
        },
        /*timeout=*/8);  // also of the meeting, on a busy machine
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(300));
    CHECK(errors[0] ==
          "Communicator: rank 0 of 2 expected an answer of another rank within 8 s but got none");
    CHECK_FALSE(errors[1].empty());
  }
}
