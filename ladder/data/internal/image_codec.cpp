#include "ladder/data/internal/image_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ladder/io/internal/file_kind.h"

#ifdef LADDER_IMAGES
#include <png.h>
#include <turbojpeg.h>
#endif

namespace ladder::data {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kPngSignature = "\x89PNG\r\n\x1A\n"sv;
constexpr std::string_view kJpegSignature = "\xFF\xD8\xFF"sv;
constexpr const char* kFetchAgain = "fetch the file again";

[[noreturn]] void refuse_foreign(std::string_view bytes) {
  constexpr const char* kExpected = "expected a PNG or JPEG image but got ";
  if (bytes.empty()) throw ImageFault(std::string(kExpected) + "an empty file", kFetchAgain);
  if (const char* noun = foreign_picture(bytes)) {
    throw ImageFault(std::string(kExpected) + noun, "convert it to PNG");
  }
  if (kPngSignature.starts_with(bytes) || kJpegSignature.starts_with(bytes)) {
    throw ImageFault(fmt::format("{}its first {} bytes only", kExpected, bytes.size()),
                     kFetchAgain);
  }
  if (const auto kind = io::file_kind(bytes.substr(0, io::kFileKindBytes))) {
    throw ImageFault(kExpected + kind->noun,
                     kind->text ? "only PNG and JPEG files are read as pictures" : kind->hint);
  }
  throw ImageFault(std::string(kExpected) + "bytes of another kind");
}

#ifdef LADDER_IMAGES

void check_pixels(const ImageInfo& info, size_t bytes, const ImageLimits& limits) {
  const auto size = static_cast<int64_t>(std::min(bytes, size_t{1} << 40));
  const int64_t most = std::min(limits.pixels, limits.small + limits.pixels_per_byte * size);
  // Sizes of both formats are below 2^31.
  if (info.height * info.width <= most) return;
  throw ImageFault(
      fmt::format("expected at most {} pixels but got {} x {}", most, info.height, info.width),
      most < limits.pixels ? "the file is too small to hold them" : "scale it down");
}

// ---- PNG

class PngImage {
 public:
  explicit PngImage(std::string_view bytes) {
    image_.version = PNG_IMAGE_VERSION;
    if (png_image_begin_read_from_memory(&image_, bytes.data(), bytes.size()) == 0) fail();
    image_.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  }
  PngImage(const PngImage&) = delete;
  PngImage& operator=(const PngImage&) = delete;
  ~PngImage() { png_image_free(&image_); }

  ImageInfo info() const {
    return {static_cast<int64_t>(image_.height), static_cast<int64_t>(image_.width),
            (image_.format & PNG_FORMAT_FLAG_COLOR) != 0 ? 3 : 1};
  }
  bool has_alpha() const { return (image_.format & PNG_FORMAT_FLAG_ALPHA) != 0; }

  // Decodes to [H, W, channels and alpha].
  void decode(std::vector<uint8_t>& pixels) {
    const bool color = (image_.format & PNG_FORMAT_FLAG_COLOR) != 0;
    image_.format = has_alpha() ? (color ? PNG_FORMAT_RGBA : PNG_FORMAT_GA)
                                : (color ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY);
    pixels.resize(PNG_IMAGE_SIZE(image_));
    if (png_image_finish_read(&image_, nullptr, pixels.data(), 0, nullptr) == 0) fail();
  }

 private:
  [[noreturn]] void fail() const {
    throw ImageFault(fmt::format("expected a whole PNG image but got \"{}\"",
                                 static_cast<const char*>(image_.message)),
                     kFetchAgain);
  }

  png_image image_{};
};

// The data of a PNG file cannot shrink by more than deflate's ratio.
void check_png_data(const ImageInfo& info, std::string_view bytes) {
  constexpr size_t kDepthPlace = 24;
  constexpr int64_t kDeflateRatio = 1032;
  if (bytes.size() < kDepthPlace + 2) return;
  const int64_t depth = static_cast<uint8_t>(bytes[kDepthPlace]);
  const auto type = static_cast<uint8_t>(bytes[kDepthPlace + 1]);
  const int64_t samples = type == 2 ? 3 : type == 4 ? 2 : type == 6 ? 4 : 1;
  const int64_t data = info.height * ((info.width * samples * depth + 7) / 8);
  if (data / kDeflateRatio <= static_cast<int64_t>(bytes.size())) return;
  throw ImageFault(fmt::format("expected a PNG image of {} x {} pixels but got only {} bytes",
                               info.height, info.width, bytes.size()),
                   kFetchAgain);
}

// Composes pixels [n, channels and alpha] on white, in place.
void compose_on_white(std::vector<uint8_t>& pixels, int64_t channels) {
  const auto stride = static_cast<size_t>(channels) + 1;
  const size_t count = pixels.size() / stride;
  uint8_t* out = pixels.data();
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* in = pixels.data() + i * stride;
    const int alpha = in[channels];
    for (int64_t c = 0; c < channels; ++c) {
      *out++ = static_cast<uint8_t>((alpha * in[c] + (255 - alpha) * 255 + 127) / 255);
    }
  }
  pixels.resize(count * static_cast<size_t>(channels));
}

// ---- JPEG

constexpr int kFirstLying = 5;  // orientations from here on exchange height and width

// Unsigned number of `size` bytes at a place, nothing behind the end.
std::optional<uint32_t> number_at(std::string_view bytes, size_t at, size_t size, bool little) {
  if (at > bytes.size() || bytes.size() - at < size) return std::nullopt;
  uint32_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    const size_t place = little ? at + size - 1 - i : at + i;
    value = value << 8 | static_cast<uint8_t>(bytes[place]);
  }
  return value;
}

// Orientation in the first directory of TIFF data, 1 if it has none.
int tiff_orientation(std::string_view tiff) {
  constexpr uint32_t kOrientation = 0x0112, kShort = 3;
  constexpr size_t kEntryBytes = 12;
  const bool little = tiff.starts_with("II*\0"sv);
  if (!little && !tiff.starts_with("MM\0*"sv)) return 1;
  const auto directory = number_at(tiff, 4, 4, little);
  if (!directory) return 1;
  const auto entries = number_at(tiff, *directory, 2, little);
  for (size_t i = 0; entries && i < *entries; ++i) {
    const size_t entry = size_t{*directory} + 2 + i * kEntryBytes;
    const auto tag = number_at(tiff, entry, 2, little);
    if (!tag) return 1;
    if (*tag != kOrientation) continue;
    const auto type = number_at(tiff, entry + 2, 2, little);
    const auto value = number_at(tiff, entry + 8, 2, little);
    return type == kShort && value && *value >= 1 && *value <= 8 ? static_cast<int>(*value) : 1;
  }
  return 1;
}

// Orientation that a camera has noted in the APP1 segment of a JPEG file, 1 (upright) if none.
int exif_orientation(std::string_view bytes) {
  constexpr uint32_t kApp1 = 0xE1, kStartOfScan = 0xDA, kEndOfImage = 0xD9;
  constexpr std::string_view kExif = "Exif\0\0"sv;
  size_t at = 2;
  while (true) {
    const auto prefix = number_at(bytes, at, 1, false), marker = number_at(bytes, at + 1, 1, false);
    if (prefix != 0xFFU || !marker) return 1;
    if (*marker == 0xFF) {  // padding
      ++at;
      continue;
    }
    const auto size = number_at(bytes, at + 2, 2, false);
    if (*marker == kStartOfScan || *marker == kEndOfImage || !size || *size < 2) return 1;
    const auto segment = bytes.substr(std::min(at + 4, bytes.size()), *size - 2);
    if (*marker == kApp1 && segment.starts_with(kExif)) {
      return tiff_orientation(segment.substr(kExif.size()));
    }
    at += 2 + *size;
  }
}

// Returns pixels [height, width, channels] as they are shown: mirrored, turned or both.
std::vector<uint8_t> turned(const std::vector<uint8_t>& pixels, int64_t height, int64_t width,
                            int64_t channels, int orientation) {
  const bool lies = orientation >= kFirstLying;
  const int64_t rows = lies ? width : height, columns = lies ? height : width;
  std::vector<uint8_t> out(pixels.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      int64_t row = lies ? c : r, column = lies ? r : c;
      if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) {
        row = height - 1 - row;
      }
      if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) {
        column = width - 1 - column;
      }
      const auto from = pixels.begin() + (row * width + column) * channels;
      std::copy(from, from + channels, out.begin() + (r * columns + c) * channels);
    }
  }
  return out;
}

struct TurboCloser {
  void operator()(void* handle) const { tjDestroy(handle); }
};

class JpegImage {
 public:
  explicit JpegImage(std::string_view bytes)
      : bytes_(bytes), handle_(tjInitDecompress()), orientation_(exif_orientation(bytes)) {
    if (handle_ == nullptr) throw ImageFault("expected a JPEG decoder but got no memory for it");
    int subsampling = -1;
    // An unusual subsampling is reported as a fault, after everything else was read.
    const int status = tjDecompressHeader3(handle_.get(), data(), size(), &width_, &height_,
                                           &subsampling, &space_);
    if (status != 0 && (width_ <= 0 || height_ <= 0 || space_ < 0)) fail();
    if (space_ == TJCS_CMYK || space_ == TJCS_YCCK) {
      throw ImageFault("expected a gray or RGB JPEG image but got CMYK", "convert it to RGB");
    }
  }

  // Of the picture as it is shown.
  ImageInfo info() const {
    const bool lies = orientation_ >= kFirstLying;
    return {lies ? width_ : height_, lies ? height_ : width_, space_ == TJCS_GRAY ? 1 : 3};
  }

  void decode(std::vector<uint8_t>& pixels) {
    const ImageInfo size_of = info();
    pixels.resize(static_cast<size_t>(size_of.height * size_of.width * size_of.channels));
    const int format = size_of.channels == 1 ? TJPF_GRAY : TJPF_RGB;
    if (tjDecompress2(handle_.get(), data(), size(), pixels.data(), width_, 0, height_, format,
                      TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) != 0) {
      fail();
    }
    if (orientation_ > 1) pixels = turned(pixels, height_, width_, size_of.channels, orientation_);
  }

 private:
  const unsigned char* data() const {
    return reinterpret_cast<const unsigned char*>(bytes_.data());
  }
  unsigned long size() const { return static_cast<unsigned long>(bytes_.size()); }

  [[noreturn]] void fail() const {
    std::string reason = tjGetErrorStr2(handle_.get());
    if (const size_t colon = reason.find("(): "); colon != std::string::npos) {
      reason.erase(0, colon + 4);
    }
    throw ImageFault(fmt::format("expected a whole JPEG image but got \"{}\"", reason),
                     kFetchAgain);
  }

  std::string_view bytes_;
  std::unique_ptr<void, TurboCloser> handle_;
  int orientation_ = 1;
  int width_ = 0;
  int height_ = 0;
  int space_ = -1;
};

#endif

}  // namespace

const char* foreign_picture(std::string_view bytes) {
  if (bytes.starts_with("GIF8")) return "a GIF image";
  if (bytes.starts_with("BM") && bytes.size() > 26) return "a BMP image";
  if (bytes.starts_with("II*\0"sv) || bytes.starts_with("MM\0*"sv)) return "a TIFF image";
  if (bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WEBP")) return "a WebP image";
  if (bytes.size() > 12 && bytes.substr(4, 8).starts_with("ftyp")) return "a HEIF or AVIF image";
  return nullptr;
}

bool has_image_codecs() {
#ifdef LADDER_IMAGES
  return true;
#else
  return false;
#endif
}

#ifdef LADDER_IMAGES

ImageInfo read_image_info(std::string_view bytes, const ImageLimits& limits) {
  ImageInfo info;
  if (bytes.starts_with(kPngSignature)) {
    info = PngImage(bytes).info();
    check_pixels(info, bytes.size(), limits);
    check_png_data(info, bytes);
  } else if (bytes.starts_with(kJpegSignature)) {
    info = JpegImage(bytes).info();
    check_pixels(info, bytes.size(), limits);
  } else {
    refuse_foreign(bytes);
  }
  return info;
}

ImageInfo decode_image(std::string_view bytes, std::vector<uint8_t>& pixels,
                       const ImageLimits& limits) {
  if (bytes.starts_with(kPngSignature)) {
    PngImage image(bytes);
    const ImageInfo info = image.info();
    check_pixels(info, bytes.size(), limits);
    check_png_data(info, bytes);
    const bool alpha = image.has_alpha();
    image.decode(pixels);
    if (alpha) compose_on_white(pixels, info.channels);
    return info;
  }
  if (bytes.starts_with(kJpegSignature)) {
    JpegImage image(bytes);
    check_pixels(image.info(), bytes.size(), limits);
    image.decode(pixels);
    return image.info();
  }
  refuse_foreign(bytes);
}

#else

ImageInfo read_image_info(std::string_view bytes, const ImageLimits&) {
  if (bytes.starts_with(kPngSignature) || bytes.starts_with(kJpegSignature)) {
    throw ImageFault("expected a library built with libpng and TurboJPEG but got one without them",
                     "install libpng-dev and libturbojpeg0-dev and build with -DLADDER_IMAGES=ON");
  }
  refuse_foreign(bytes);
}

ImageInfo decode_image(std::string_view bytes, std::vector<uint8_t>&, const ImageLimits& limits) {
  return read_image_info(bytes, limits);
}

#endif

}  // namespace ladder::data
