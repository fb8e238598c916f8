#include <ladder/data/internal/image_codec.h>
#include <tests/data/png_files.h>
#include <tests/support/catch.h>
#include <tests/support/paths.h>
#include <tests/support/python.h>
#include <tests/support/temporary_folder.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using ladder::data::decode_image;
using ladder::data::has_image_codecs;
using ladder::data::ImageFault;
using ladder::data::ImageInfo;
using ladder::data::ImageLimits;
using ladder::data::read_image_info;
using ladder::testing::file_bytes;
using ladder::testing::fixture_folder;
using ladder::testing::kNoPython;
using ladder::testing::png_bytes;
using ladder::testing::png_chunk;
using ladder::testing::png_header;
using ladder::testing::PngFormat;
using ladder::testing::python;
using ladder::testing::run_python;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;

namespace {

constexpr const char* kNoCodecs = "built without libpng and TurboJPEG";

struct Decoded {
  ImageInfo info;
  std::vector<int> values;
};

Decoded decoded(const std::string& bytes) {
  std::vector<uint8_t> pixels;
  const ImageInfo info = decode_image(bytes, pixels);
  const ImageInfo read = read_image_info(bytes);
  CHECK(read.height == info.height);
  CHECK(read.width == info.width);
  CHECK(read.channels == info.channels);
  CHECK(static_cast<int64_t>(pixels.size()) == info.height * info.width * info.channels);
  return {info, std::vector<int>(pixels.begin(), pixels.end())};
}

std::string fault_of(const std::string& bytes, const ImageLimits& limits = {}) {
  std::vector<uint8_t> pixels;
  try {
    decode_image(bytes, pixels, limits);
  } catch (const ImageFault& fault) {
    return fault.what() + (fault.hint().empty() ? "" : " (" + fault.hint() + ")");
  }
  return "(no fault)";
}

std::string jpeg_file(const std::string& name) {
  return file_bytes(fixture_folder() / "images" / (name + ".jpg"));
}

// round(alpha v / 255 + (1 - alpha / 255) 255)
int on_white(int value, int alpha) { return (alpha * value + (255 - alpha) * 255 + 127) / 255; }

}  // namespace

TEST_CASE("decode_image scales gray PNG samples of every depth to 8 bits", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoCodecs);
  for (const int depth : {1, 2, 4, 8, 16}) {
    INFO(depth << " bits");
    const int top = (1 << depth) - 1;
    // A width that does not fill its last byte.
    std::vector<int> samples;
    for (int i = 0; i < 3 * 11; ++i) samples.push_back(i * 7919 % (top + 1));
    const auto image = decoded(png_bytes({11, 3, depth, 0}, samples));
    CHECK(image.info.height == 3);
    CHECK(image.info.width == 11);
    CHECK(image.info.channels == 1);
    std::vector<int> expected;
    for (const int sample : samples) expected.push_back((sample * 255 + top / 2) / top);
    CHECK(image.values == expected);
  }
}

TEST_CASE("decode_image reads RGB PNG files of 8 and 16 bits", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoCodecs);
  const std::vector<int> samples = {1, 2, 3, 250, 128, 0, 9, 8, 7, 255, 254, 253};
  const auto image = decoded(png_bytes({2, 2, 8, 2}, samples));
  CHECK(image.info.channels == 3);
  CHECK(image.values == samples);

  std::vector<int> deep;
  for (const int sample : samples) deep.push_back(sample * 257);
  CHECK(decoded(png_bytes({2, 2, 16, 2}, deep)).values == samples);
}

TEST_CASE("decode_image reads palettes of every depth as RGB", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoCodecs);
  const std::string palette("\x0A\x14\x1E\xFF\x00\x80", 6);
  for (const int depth : {1, 2, 4, 8}) {
    INFO(depth << " bits");
    const auto image = decoded(png_bytes({3, 1, depth, 3}, {1, 0, 1}, {{"PLTE", palette}}));
    CHECK(image.info.channels == 3);
    CHECK(image.values == std::vector<int>{255, 0, 128, 10, 20, 30, 255, 0, 128});
  }
}

TEST_CASE("decode_image composes transparent pixels on white", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoCodecs);
  const std::vector<int> alphas = {0, 1, 77, 128, 200, 254, 255};
  std::vector<int> gray;
  std::vector<int> color;
  std::vector<int> expected_gray;
  std::vector<int> expected_color;
  for (const int alpha : alphas) {
    gray.insert(gray.end(), {40, alpha});
    color.insert(color.end(), {0, 100, 255, alpha});
    expected_gray.push_back(on_white(40, alpha));
    for (const int value : {0, 100, 255}) expected_color.push_back(on_white(value, alpha));
  }
  const auto width = static_cast<uint32_t>(alphas.size());
  const auto gray_image = decoded(png_bytes({width, 1, 8, 4}, gray));
  CHECK(gray_image.info.channels == 1);
  CHECK(gray_image.values == expected_gray);
  CHECK(decoded(png_bytes({width, 1, 8, 6}, color)).values == expected_color);

  // One transparent gray level, and the alphas of a palette.
  const auto keyed = decoded(png_bytes({2, 1, 8, 0}, {7, 9}, {{"tRNS", std::string("\0\x07", 2)}}));
  CHECK(keyed.values == std::vector<int>{255, 9});
  const auto palette = decoded(png_bytes(
      {2, 1, 8, 3}, {0, 1}, {{"PLTE", std::string("\1\2\3\4\5\6", 6)}, {"tRNS", "\x80"}}));
  CHECK(palette.values ==
        std::vector<int>{on_white(1, 128), on_white(2, 128), on_white(3, 128), 4, 5, 6});
}

TEST_CASE("decode_image reads gray and color JPEG files", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoCodecs);
  const auto gray = decoded(jpeg_file("gray"));
  CHECK(gray.info.height == 12);
  CHECK(gray.info.width == 16);
  CHECK(gray.info.channels == 1);
  for (const char* name : {"rgb", "progressive"}) {
    const auto image = decoded(jpeg_file(name));
    CHECK(image.info.height == 13);
    CHECK(image.info.width == 17);
    CHECK(image.info.channels == 3);
  }
}

TEST_CASE("decode_image gives the pixels of Pillow", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoCodecs);
  if (!python("PIL")) LADDER_SKIP(kNoPython);
  // Files of Pillow's writers, and what its readers make of them. JPEG: both decode by
  // libjpeg-turbo's accurate DCT, which gives the same integers in all its versions.
  const TemporaryFolder folder;
  const std::string script = R"(
import sys, numpy as np
from PIL import Image
out, images = sys.argv[1:]
r = np.random.default_rng(3)
def write(name, image, **options):
    image.save(f"{out}/{name}", **options)
    image = Image.open(f"{out}/{name}")
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        a = np.asarray(image.convert("RGBA")).astype(np.int64)
        a = (a[..., 3:] * a[..., :3] + (255 - a[..., 3:]) * 255 + 127) // 255
        a = a[..., :1] if image.mode == "LA" else a
    elif image.mode in ("1", "L"):
        a = np.asarray(image.convert("L"))
    else:
        a = np.asarray(image.convert("RGB"))
    with open(f"{out}/{name}.pixels", "wb") as f:
        f.write(np.ascontiguousarray(a).astype(np.uint8).tobytes())
def noise(*shape):
    return r.integers(0, 256, shape, dtype=np.uint8)
write("gray.png", Image.fromarray(noise(19, 23)))
write("bits.png", Image.fromarray(noise(19, 23)).convert("1"))
write("rgb.png", Image.fromarray(noise(19, 23, 3)))
write("la.png", Image.fromarray(noise(19, 23, 2), "LA"))
write("rgba.png", Image.fromarray(noise(19, 23, 4)))
write("palette.png", Image.fromarray(noise(19, 23, 3)).quantize(13))
write("clear.png", Image.fromarray(noise(19, 23, 3)).quantize(5), transparency=2)
write("noise.jpg", Image.fromarray(noise(37, 41, 3)), quality=95, subsampling=2)
write("noise-gray.jpg", Image.fromarray(noise(37, 41)), quality=60)
write("noise-444.jpg", Image.fromarray(noise(16, 16, 3)), quality=70, subsampling=0)
for name in ("gray", "rgb", "progressive", "subsampled"):
    image = Image.open(f"{images}/{name}.jpg")
    with open(f"{images}/{name}.jpg", "rb") as f, open(f"{out}/{name}-file.jpg", "wb") as g:
        g.write(f.read())
    with open(f"{out}/{name}-file.jpg.pixels", "wb") as f:
        f.write(np.asarray(image).tobytes())
)";
  const auto outcome =
      run_python(script, {folder.path().string(), (fixture_folder() / "images").string()});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  int compared = 0;
  for (const char* name :
       {"gray.png", "bits.png", "rgb.png", "la.png", "rgba.png", "palette.png", "clear.png",
        "noise.jpg", "noise-gray.jpg", "noise-444.jpg", "gray-file.jpg", "rgb-file.jpg",
        "progressive-file.jpg", "subsampled-file.jpg"}) {
    INFO(name);
    const std::string expected = file_bytes(folder / (std::string(name) + ".pixels"));
    const auto image = decoded(file_bytes(folder / name));
    REQUIRE(image.values.size() == expected.size());
    const std::string got(image.values.begin(), image.values.end());
    CHECK(got == expected);
    ++compared;
  }
  CHECK(compared == 14);
}

TEST_CASE("decode_image names what is no PNG or JPEG image", "[data]") {
  const std::string begin = "expected a PNG or JPEG image but got ";
  CHECK(fault_of("") == begin + "an empty file (fetch the file again)");
  CHECK(fault_of("GIF89a......") == begin + "a GIF image (convert it to PNG)");
  CHECK(fault_of("RIFF....WEBPVP8 ") == begin + "a WebP image (convert it to PNG)");
  CHECK(fault_of(std::string("II*\0....", 8)) == begin + "a TIFF image (convert it to PNG)");
  CHECK(fault_of("BM" + std::string(60, '\1')) == begin + "a BMP image (convert it to PNG)");
  CHECK(fault_of(std::string("\0\0\0\x18"
                             "ftypheic....",
                             16)) == begin + "a HEIF or AVIF image (convert it to PNG)");
  CHECK(fault_of("\x89PN") == begin + "its first 3 bytes only (fetch the file again)");
  CHECK(fault_of("PK\3\4....") == begin + "a zip archive (unpack it first)");
  CHECK(fault_of("<!DOCTYPE html><p>404") ==
        begin + "a web page (the address gave a page and not the file: fetch it again)");
  CHECK(fault_of("label,file\n3,a.png\n") ==
        begin +
            "text that begins with \"label,file\" (only PNG and JPEG files are read as pictures)");
  CHECK(fault_of("\1\2\3\4") == begin + "bytes of another kind");
}

TEST_CASE("decode_image turns JPEG images as their Exif data say", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoCodecs);
  const std::string plain = jpeg_file("gray");
  // An APP1 segment behind the first marker.
  const auto oriented = [&](int orientation, bool little) {
    const auto number = [&](uint32_t value, int bytes) {
      std::string text;
      for (int i = 0; i < bytes; ++i) {
        const int shift = 8 * (little ? i : bytes - 1 - i);
        text += static_cast<char>(value >> shift & 0xFF);
      }
      return text;
    };
    const std::string tiff = (little ? std::string("II*\0", 4) : std::string("MM\0*", 4)) +
                             number(8, 4) + number(2, 2) +                                     //
                             number(0x0100, 2) + number(4, 2) + number(1, 4) + number(7, 4) +  //
                             number(0x0112, 2) + number(3, 2) + number(1, 4) +
                             number(static_cast<uint32_t>(orientation), 2) + number(0, 2) +
                             number(0, 4);
    const std::string segment = std::string("Exif\0\0", 6) + tiff;
    const size_t size = segment.size() + 2;
    return plain.substr(0, 2) + "\xFF\xE1" + static_cast<char>(size >> 8) +
           static_cast<char>(size & 0xFF) + segment + plain.substr(2);
  };
  const auto upright = decoded(plain);
  const int64_t height = upright.info.height, width = upright.info.width;
  REQUIRE(upright.info.channels == 1);
  const auto at = [&](int64_t row, int64_t column) {
    return upright.values[static_cast<size_t>(row * width + column)];
  };
  for (int orientation = 0; orientation <= 9; ++orientation) {
    for (const bool little : {false, true}) {
      INFO(orientation << little);
      const bool lies = orientation >= 5 && orientation <= 8;
      const auto image = decoded(oriented(orientation, little));
      REQUIRE(image.info.height == (lies ? width : height));
      REQUIRE(image.info.width == (lies ? height : width));
      std::vector<int> expected;
      for (int64_t r = 0; r < image.info.height; ++r) {
        for (int64_t c = 0; c < image.info.width; ++c) {
          const int64_t up = height - 1, left = width - 1;
          expected.push_back(orientation == 2   ? at(r, left - c)
                             : orientation == 3 ? at(up - r, left - c)
                             : orientation == 4 ? at(up - r, c)
                             : orientation == 5 ? at(c, r)
                             : orientation == 6 ? at(up - c, r)
                             : orientation == 7 ? at(up - c, left - r)
                             : orientation == 8 ? at(c, left - r)
                                                : at(r, c));
        }
      }
      CHECK(image.values == expected);
    }
  }
  // Damaged data count for nothing.
  const auto whole = oriented(6, true);
  for (size_t at_byte = 6; at_byte < 46; ++at_byte) {
    auto changed = whole;
    changed[at_byte] = '\xFF';
    const auto size = read_image_info(changed);
    CHECK(size.height * size.width == height * width);
  }
}

TEST_CASE("decode_image refuses CMYK", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoCodecs);
  CHECK(fault_of(jpeg_file("cmyk")) ==
        "expected a gray or RGB JPEG image but got CMYK (convert it to RGB)");
}

TEST_CASE("decode_image refuses more pixels than a file of its size can hold", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoCodecs);
  // 2^20 x 2^10 gray pixels of 8 bits are 2^30 bytes, which take 1 MiB at deflate's best.
  const std::string wide = png_header({1 << 20, 1 << 10, 8, 0}) +
                           png_chunk("IDAT", std::string(100, '\0')) + png_chunk("IEND", "");
  CHECK_THAT(fault_of(wide), Catch::StartsWith("expected a whole PNG image but got ") ||
                                 Catch::StartsWith("expected at most "));
  const PngFormat large = {5000, 3000, 8, 6};
  const std::string empty =
      png_header(large) + png_chunk("IDAT", std::string(100, '\0')) + png_chunk("IEND", "");
  CHECK(fault_of(empty) == "expected a PNG image of 3000 x 5000 pixels but got only " +
                               std::to_string(empty.size()) + " bytes (fetch the file again)");

  std::string jpeg = jpeg_file("gray");
  const size_t frame = jpeg.find("\xFF\xC0");
  REQUIRE(frame != std::string::npos);
  jpeg.replace(frame + 5, 4, std::string("\xFF\xDC\xFF\xDC", 4));  // 65500 x 65500
  CHECK(fault_of(jpeg) == "expected at most " + std::to_string((1 << 24) + 1024 * jpeg.size()) +
                              " pixels but got 65500 x 65500 (the file is too small to hold them)");
  CHECK(fault_of(jpeg_file("gray"), {.pixels = 191}) ==
        "expected at most 191 pixels but got 12 x 16 (scale it down)");
  CHECK(fault_of(jpeg_file("gray"), {.pixels = 192}) == "(no fault)");
}

TEST_CASE("decode_image takes a file truncated anywhere as a fault or its pixels", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoCodecs);
  std::vector<int> samples;
  for (int i = 0; i < 9 * 7 * 4; ++i) samples.push_back(i * 31 % 256);
  for (const std::string& whole : {png_bytes({9, 7, 8, 6}, samples), jpeg_file("rgb"),
                                   jpeg_file("progressive"), jpeg_file("subsampled")}) {
    const auto pixels = decoded(whole).values;
    size_t faults = 0;
    for (size_t length = 0; length < whole.size(); ++length) {
      INFO(length << " of " << whole.size() << " bytes");
      const std::string fault = fault_of(whole.substr(0, length));
      if (fault == "(no fault)") {
        // The end of the file has no pixels: a checksum, an end marker.
        CHECK(whole.size() - length <= 16);
        CHECK(decoded(whole.substr(0, length)).values == pixels);
      } else {
        CHECK_THAT(fault, Catch::StartsWith("expected "));
        CHECK_THAT(fault, Catch::Contains(" but got "));
        ++faults;
      }
    }
    CHECK(faults > whole.size() / 2);
  }
}

TEST_CASE("decode_image takes a file with any byte flipped as a fault or an image", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoCodecs);
  std::vector<int> samples;
  for (int i = 0; i < 9 * 7 * 3; ++i) samples.push_back(i * 31 % 256);
  const std::string png = png_bytes({9, 7, 8, 2}, samples);
  for (const std::string& whole : {png, jpeg_file("rgb"), jpeg_file("progressive")}) {
    size_t faults = 0;
    for (size_t i = 0; i < whole.size(); ++i) {
      for (const int flip : {0x01, 0x80, 0xFF}) {
        std::string bytes = whole;
        bytes[i] = static_cast<char>(bytes[i] ^ flip);
        std::vector<uint8_t> pixels;
        try {
          const ImageInfo info = decode_image(bytes, pixels);
          CHECK(static_cast<int64_t>(pixels.size()) == info.height * info.width * info.channels);
        } catch (const ImageFault& fault) {
          CHECK_THAT(fault.what(), Catch::StartsWith("expected "));
          ++faults;
        }
      }
    }
    CHECK(faults > 0);
  }
  // The checksums of a PNG file cover its pixels: no flipped byte changes them unnoticed.
  for (size_t i = 0; i < png.size(); ++i) {
    std::string bytes = png;
    bytes[i] = static_cast<char>(bytes[i] ^ 0x10);
    INFO("byte " << i);
    if (fault_of(bytes) == "(no fault)") CHECK(decoded(bytes).values == samples);
  }
}
