#include "ladder/train/process_memory.h"

#include <ladder/train/fused_adam.h>
#include <torch/torch.h>

#include <algorithm>
#include <limits>

#include "tests/support/catch.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::testing;

TEST_CASE("Memory of the process is what it takes", "[train]") {
  const auto before = train::resident_memory_mib();
  if (before == 0) {
    LADDER_SKIP("this system does not say");
  }
  // The system may take pages back, or give larger ones, at any time: one of several goes is right.
  bool right = false;
  for (int go = 0; go < 5 && !right; ++go) {
    const auto start = train::resident_memory_mib();
    const auto memory = torch::ones({64, 1024, 256});  // 64 MiB
    const auto grown = train::resident_memory_mib() - start;
    right = grown > 60 && grown < 70;
  }
  CHECK(right);
  const auto resident = train::resident_memory_mib();
  CHECK(train::peak_memory_mib() >= resident);
}

TEST_CASE_METHOD(OneThread, "Training does not grow in memory over 10,000 steps", "[train]") {
#ifdef __SANITIZE_ADDRESS__
  LADDER_SKIP("the address sanitizer keeps freed memory aside");
#endif
  auto net = small_ladder();
  data::SemiSampler sampler(blobs().training, data::SamplerOptions{.unlabeled_batch = 30});
  train::FusedAdam adam(*net, torch::optim::AdamOptions(0.002));
  NoiseSource noise(1);
  int64_t step = 0;
  const auto steps = [&](int64_t count) {
    for (const auto end = step + count; step < end; ++step) {
      net->loss(sampler.batch(step), noise).total.backward();
      adam.step();
      adam.zero_grad();
    }
    return train::resident_memory_mib();
  };
  // What leaks grows in every part of the training; pages that the system gives or takes do not.
  double least = std::numeric_limits<double>::infinity();
  auto before = steps(500);
  for (int part = 0; part < 5; ++part) {
    const auto after = steps(2000);
    least = std::min(least, after - before);
    before = after;
  }
  CHECK(least < 0.2);  // MiB: 100 bytes a step
}
