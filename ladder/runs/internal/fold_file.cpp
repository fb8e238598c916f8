#include "ladder/runs/internal/fold_file.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <system_error>
#include <utility>
#include <vector>

#include "ladder/io/tensor_file.h"

namespace ladder::runs {
namespace {

constexpr const char* kFoldSettings = "settings";
constexpr const char* kFoldRows = "rows";
constexpr const char* kFoldProbabilities = "probabilities";
constexpr const char* kFoldSeconds = "seconds";

bool has_type_and_sizes(const torch::Tensor& tensor, torch::ScalarType type,
                        const std::vector<int64_t>& sizes) {
  return tensor.scalar_type() == type && tensor.sizes().vec() == sizes;
}

}  // namespace

void save_fold(const std::filesystem::path& path, const std::string& settings,
               const FoldPredictions& fold) {
  std::error_code reported_when_written;
  std::filesystem::create_directories(path.parent_path(), reported_when_written);
  io::save_tensors(path, {{kFoldSettings, io::text_tensor(settings)},
                          {kFoldRows, fold.rows},
                          {kFoldProbabilities, fold.probabilities},
                          {kFoldSeconds, at::tensor({fold.seconds}, at::kDouble)}});
}

std::optional<FoldPredictions> load_fold(const std::filesystem::path& path,
                                         const std::string& settings, const torch::Tensor& rows,
                                         int64_t classes) {
  io::TensorMap tensors;
  try {
    tensors = io::load_tensors(path);
  } catch (const c10::Error&) {
    return std::nullopt;
  }
  for (const char* name : {kFoldSettings, kFoldRows, kFoldProbabilities, kFoldSeconds}) {
    if (!tensors.contains(name)) return std::nullopt;
  }
  FoldPredictions fold{.rows = tensors.at(kFoldRows),
                       .probabilities = tensors.at(kFoldProbabilities)};
  const auto& text = tensors.at(kFoldSettings);
  const auto& seconds = tensors.at(kFoldSeconds);
  const auto count = rows.numel();
  if (!has_type_and_sizes(text, at::kByte, {static_cast<int64_t>(settings.size())}) ||
      io::tensor_text(text) != settings || !has_type_and_sizes(fold.rows, at::kLong, {count}) ||
      !fold.rows.equal(rows) ||
      !has_type_and_sizes(fold.probabilities, at::kFloat, {count, classes}) ||
      !at::isfinite(fold.probabilities).all().item<bool>() ||
      !has_type_and_sizes(seconds, at::kDouble, {1})) {
    return std::nullopt;
  }
  fold.seconds = seconds.item<double>();
  if (!(fold.seconds >= 0 && std::isfinite(fold.seconds))) return std::nullopt;
  return fold;
}

}  // namespace ladder::runs
