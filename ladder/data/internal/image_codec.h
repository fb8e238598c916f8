/// Pixels of PNG and JPEG files.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ladder::data {

/// Reason why an image could not be read. The caller adds its own name and that of the file.
class ImageFault : public std::runtime_error {
 public:
  /// `what()` is "expected X but got Y"; `hint` says what to do about it, or is empty.
  explicit ImageFault(const std::string& fault, std::string hint = "")
      : std::runtime_error(fault), hint_(std::move(hint)) {}

  const std::string& hint() const { return hint_; }

 private:
  std::string hint_;
};

/// Size of an image.
struct ImageInfo {
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 0;  ///< 1: gray, 3: RGB
};

/// Largest image that is decoded. A file of b bytes may hold
/// min(pixels, small + pixels_per_byte * b) pixels, so that a small file takes little memory. Real
/// JPEG files hold at most about 170 pixels a byte, those of one colour.
struct ImageLimits {
  int64_t pixels = int64_t{1} << 28;
  int64_t small = int64_t{1} << 24;
  int64_t pixels_per_byte = 1024;
};

/// Return whether the library was built with libpng and TurboJPEG. Without them every PNG and JPEG
/// is a fault that says so.
bool has_image_codecs();

/// Return what a picture in another format is ("a GIF image"), by its first bytes, or null.
const char* foreign_picture(std::string_view bytes);

/// Read the size of the PNG or JPEG image in `bytes`, a whole file, without decoding its pixels.
/// Throws `ImageFault`, also if the image is above the limits.
ImageInfo read_image_info(std::string_view bytes, const ImageLimits& limits = {});

/// Decode the PNG or JPEG image in `bytes` to `pixels`, uint8 [H, W, C], and return its size. The
/// content decides the format. Gray images have one channel, all others three.
///
/// PNG: samples of any depth become 8 bits, v * 255 / (2^bits - 1) rounded; a palette counts as
/// RGB; alpha a is composed on white, (a v + (255 - a) 255) / 255 rounded; a file that declares
/// another gamma than that of sRGB is converted to sRGB. JPEG: gray, YCbCr and RGB, decoded by the
/// accurate integer DCT and turned as the orientation in its Exif data says.
///
/// Throws `ImageFault`: another kind of file, a truncated or damaged one, CMYK, too many pixels.
ImageInfo decode_image(std::string_view bytes, std::vector<uint8_t>& pixels,
                       const ImageLimits& limits = {});

}  // namespace ladder::data
