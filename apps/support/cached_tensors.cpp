#include "apps/support/cached_tensors.h"

#include <c10/util/Exception.h>
#include <c10/util/hash.h>
#include <fmt/format.h>

#include <string_view>
#include <system_error>

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAbout = "about";
constexpr size_t kDigits = 16;

}  // namespace

std::string checksum(const torch::Tensor& tensor) {
  const auto dense = tensor.cpu().contiguous();
  return c10::sha1(fmt::format("{} {}", c10::str(dense.scalar_type(), dense.sizes()),
                               std::string_view(static_cast<const char*>(dense.const_data_ptr()),
                                                dense.nbytes())))
      .str();
}

std::string fingerprint(const torch::Tensor& tensor) { return checksum(tensor).substr(0, kDigits); }

std::string fingerprint(const data::TrainTest& data) {
  const auto checksums =
      fmt::format("{} {} {} {}", checksum(data.train.inputs), checksum(data.train.labels),
                  checksum(data.test.inputs), checksum(data.test.labels));
  return c10::sha1(checksums).str().substr(0, kDigits);
}

std::filesystem::path cache_path(const CachedTensors& cached) {
  return cached.folder /
         fmt::format("{}-{}.pt", cached.stem, c10::sha1(cached.about).str().substr(0, kDigits));
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
