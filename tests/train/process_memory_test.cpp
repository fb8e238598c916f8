#include "ladder/train/process_memory.h"

#include <ladder/train/fused_adam.h>
#include <torch/torch.h>

#include "tests/support/catch.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::testing;

TEST_CASE("Memory of the process is what it takes", "[train]") {
  const auto before = train::resident_memory_mib();
  if (before == 0) {
    LADDER_SKIP("this system does not say");
  }
  auto memory = torch::ones({64, 1024, 256});  // 64 MiB
  CHECK(train::resident_memory_mib() - before > 60);
  CHECK(train::resident_memory_mib() - before < 70);
  CHECK(train::peak_memory_mib() >= train::resident_memory_mib());
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
  const auto before = steps(500);
  const auto after = steps(10000);
  CHECK(after - before < 1.0);  // 100 bytes a step
}
