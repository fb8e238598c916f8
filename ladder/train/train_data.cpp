#include "ladder/train/train_data.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include <algorithm>

#include "ladder/train/evaluate.h"
#include "ladder/train/internal/training_checks.h"

namespace ladder::train {
namespace {

// As PyTorch writes them, but not by the numbers of the global locale.
std::string sizes_text(const torch::Tensor& tensor) {
  const auto sizes = tensor.sizes();
  return fmt::format("[{}]", fmt::join(sizes.begin(), sizes.end(), ", "));
}

// Bytes count as the numbers that they are taken for, so that a run may keep either.
std::string fingerprint_of(const torch::Tensor& tensor) {
  if (!tensor.defined()) return "none";
  const bool bytes = tensor.scalar_type() == torch::kUInt8;
  constexpr int64_t kBytes = 16 << 20;  // sent from a GPU at a time
  auto crc = ::crc32_z(0, nullptr, 0);
  if (tensor.numel() > 0) {
    const auto rows = tensor.dim() == 0 ? 1 : tensor.size(0);
    const auto flat = tensor.dim() == 0 ? tensor.view({1}) : tensor;
    const auto row_bytes = static_cast<int64_t>(tensor.nbytes()) / rows;
    const auto block = std::max<int64_t>(1, kBytes / std::max<int64_t>(1, row_bytes));
    for (int64_t begin = 0; begin < rows; begin += block) {
      const auto rows_there = flat.narrow(0, begin, std::min(block, rows - begin)).detach();
      const auto part = network_inputs(rows_there.cpu()).contiguous();
      crc = ::crc32_z(crc, static_cast<const Bytef*>(part.const_data_ptr()), part.nbytes());
    }
  }
  return fmt::format("{} {} {:08x}", c10::toString(bytes ? torch::kFloat32 : tensor.scalar_type()),
                     sizes_text(tensor), crc);
}

}  // namespace

std::map<std::string, std::string> data_fingerprint(const TrainData& data) {
  const auto& training = data.training;
  const auto& source = training.source;
  std::map<std::string, std::string> prints = {
      {"inputs", source ? source->fingerprint() : fingerprint_of(training.inputs)},
      {"labels", fingerprint_of(training.labels)},
      {"labeled", fingerprint_of(training.labeled)},
      {"unlabeled", source ? "all but " + fingerprint_of(training.held_out)
                           : fingerprint_of(training.unlabeled)},
      {"validation", fingerprint_of(data.validation)},
      {"test_inputs", fingerprint_of(data.test_inputs)},
      {"test_labels", fingerprint_of(data.test_labels)}};
  // Neighbours are looked for anew by a run that goes on, on another machine with other roundings.
  prints[kNeighboursPrint] =
      training.neighbours.defined()
          ? fmt::format("{} in epochs {} to {}", sizes_text(training.neighbours),
                        training.paired_from, training.paired_until)
          : "none";
  prints[kBlocksPrint] =
      source && training.blocks.rows > 0
          ? fmt::format("{} of {} rows", training.blocks.blocks, training.blocks.rows)
          : "none";
  return prints;
}

}  // namespace ladder::train
