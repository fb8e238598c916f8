#include "apps/support/cached_tensors.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>
#include <system_error>

#include "apps/support/sha1.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAbout = "about";
constexpr size_t kDigits = 16;

std::string digits_of(std::string_view text) {
  return Sha1().add(text).digits().substr(0, kDigits);
}

}  // namespace

std::string checksum(const torch::Tensor& tensor) {
  const auto dense = tensor.cpu().contiguous();
  const auto sizes = dense.sizes();
  return Sha1()
      .add(fmt::format("{}[{}] ", c10::toString(dense.scalar_type()),
                       fmt::join(sizes.begin(), sizes.end(), ", ")))
      .add({static_cast<const char*>(dense.const_data_ptr()), dense.nbytes()})
      .digits();
}

std::string fingerprint(const torch::Tensor& tensor) { return checksum(tensor).substr(0, kDigits); }

std::string fingerprint(const data::TrainTest& data) {
  return digits_of(fmt::format("{} {} {} {}", checksum(data.train.inputs),
                               checksum(data.train.labels), checksum(data.test.inputs),
                               checksum(data.test.labels)));
}

std::filesystem::path cache_path(const CachedTensors& cached) {
  return cached.folder / fmt::format("{}-{}.pt", cached.stem, digits_of(cached.about));
}

io::TensorMap load_or_make(const CachedTensors& cached, const std::function<io::TensorMap()>& make,
                           const std::function<void(const std::string&)>& note) {
  const auto path = cache_path(cached);
  std::error_code error;
  if (fs::exists(path, error)) {
    try {
      auto tensors = io::load_tensors(path);
      const auto about = tensors.find(kAbout);
      if (about != tensors.end() && io::tensor_text(about->second) == cached.about) {
        tensors.erase(about);
        return tensors;
      }
      note(fmt::format("{} is about something else and is made anew", path.string()));
    } catch (const c10::Error&) {
      note(fmt::format("{} is damaged and is made anew", path.string()));
    }
  }
  const auto tensors = make();
  try {
    fs::create_directories(cached.folder);
    auto kept = tensors;
    kept[kAbout] = io::text_tensor(cached.about);
    io::save_tensors(path, kept);
  } catch (const c10::Error& fault) {
    note(fmt::format("not kept for the next run: {}", fault.what_without_backtrace()));
  } catch (const fs::filesystem_error& fault) {
    note(fmt::format("not kept for the next run: {}", fault.what()));
  }
  return tensors;
}

}  // namespace ladder::apps
