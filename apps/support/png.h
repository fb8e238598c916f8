/// Small pictures as PNG.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace ladder::apps {

/// Return a PNG file of `image`: uint8 [C, H, W] with C = 1 (gray) or 3 (RGB), on the CPU. Error:
/// another type or shape.
std::string png_bytes(const at::Tensor& image);

/// Return bytes in base64 [RFC 4648].
std::string base64(std::string_view bytes);

/// Return `image` at most `most` pixels high and wide: larger ones become means over areas.
at::Tensor thumbnail(const at::Tensor& image, int64_t most);

/// Return a PNG as a data: URI for an HTML page.
std::string png_uri(const at::Tensor& image);

}  // namespace ladder::apps
