#include <ladder/data/image_folder.h>
#include <ladder/data/internal/image_codec.h>
#include <tests/data/png_files.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/paths.h>
#include <tests/support/python.h>
#include <tests/support/temporary_folder.h>
#include <torch/torch.h>

#include <filesystem>
#include <string>
#include <vector>

namespace fs = std::filesystem;
using ladder::data::has_image_codecs;
using ladder::data::ImageFolderOptions;
using ladder::data::read_image_file;
using ladder::data::read_image_folder;
using ladder::data::Samples;
using ladder::testing::error_text;
using ladder::testing::file_bytes;
using ladder::testing::fixture_folder;
using ladder::testing::kNoPython;
using ladder::testing::png_bytes;
using ladder::testing::png_chunk;
using ladder::testing::png_header;
using ladder::testing::python;
using ladder::testing::run_python;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;

namespace {

constexpr const char* kNoImages = "built without libpng and TurboJPEG";

void write_image(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  write_file(path, bytes);
}

// A gray image of one level.
std::string gray_png(int level, uint32_t width = 3, uint32_t height = 2) {
  return png_bytes({width, height, 8, 0}, std::vector<int>(width * height, level));
}

std::string rgb_png(int red, int green, int blue) {
  std::vector<int> samples;
  for (int i = 0; i < 6; ++i) samples.insert(samples.end(), {red, green, blue});
  return png_bytes({3, 2, 8, 2}, samples);
}

std::string folder_error(const fs::path& folder, const ImageFolderOptions& options = {}) {
  return error_text([&] { read_image_folder(folder, options); });
}

std::vector<int64_t> values_of(const torch::Tensor& t) {
  const auto flat = t.to(torch::kLong).flatten().contiguous();
  return {flat.data_ptr<int64_t>(), flat.data_ptr<int64_t>() + flat.numel()};
}

using Strings = std::vector<std::string>;
using Longs = std::vector<int64_t>;

}  // namespace

TEST_CASE("read_image_folder takes subfolders as classes", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  const TemporaryFolder folder;
  write_image(folder / "pear/2.png", gray_png(2));
  write_image(folder / "pear/1.png", gray_png(1));
  write_image(folder / "apple/deep/er/9.png", gray_png(3));
  write_image(folder / "apple/a.png", gray_png(4));
  write_image(folder / "unlabeled/u.png", gray_png(5));
  write_image(folder / "loose.png", gray_png(6));
  write_image(folder / ".cache/x.png", gray_png(7));
  write_image(folder / "pear/.DS_Store", "no image");
  const Samples samples = read_image_folder(folder.path());
  CHECK(samples.source == folder.path().string());
  CHECK(samples.classes == Strings{"apple", "pear"});
  CHECK(samples.names == Strings{"apple/a.png", "apple/deep/er/9.png", "pear/1.png", "pear/2.png",
                                 "unlabeled/u.png", "loose.png"});
  CHECK(samples.images.sizes() == torch::IntArrayRef({6, 1, 2, 3}));
  CHECK(samples.images.scalar_type() == torch::kUInt8);
  CHECK(values_of(samples.images.select(3, 0).select(2, 0)) == Longs{4, 3, 1, 2, 5, 6});
  CHECK(values_of(samples.labels) == Longs{0, 0, 1, 1, -1, -1});
  CHECK(samples.problems.empty());
  CHECK(samples.rows() == 6);
}

TEST_CASE("read_image_folder sorts classes that are numbers by value", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  const TemporaryFolder folder;
  for (const int name : {10, 2, 1, -1}) {
    write_image(folder / (std::to_string(name) + "/x.png"), gray_png(name + 1));
  }
  const Samples samples = read_image_folder(folder.path());
  CHECK(samples.classes == Strings{"1", "2", "10"});
  CHECK(values_of(samples.labels) == Longs{0, 1, 2, -1});
  CHECK(values_of(samples.images.select(3, 0).select(2, 0)) == Longs{2, 3, 11, 0});
}

TEST_CASE("read_image_folder takes folders of one number for one class", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  const TemporaryFolder folder;
  for (const char* name : {"1/x.png", "1.0/y.png", "01/z.png", "2/x.png"}) {
    write_image(folder / name, gray_png(1));
  }
  const Samples samples = read_image_folder(folder.path());
  CHECK(samples.classes == Strings{"1", "01", "2"});
  CHECK(samples.names == Strings{"1/x.png", "1.0/y.png", "01/z.png", "2/x.png"});
  CHECK(values_of(samples.labels) == Longs{0, 0, 1, 2});
  CHECK(samples.problems.empty());
}

TEST_CASE("read_image_folder knows its own names of folders in any case", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  const TemporaryFolder folder;
  for (const char* name : {"cat/1.png", "dog/2.png", "Unlabeled/3.png", "UNLABELLED/4.png"}) {
    write_image(folder / name, gray_png(1));
  }
  const Samples samples = read_image_folder(folder.path());
  CHECK(samples.classes == Strings{"cat", "dog"});
  CHECK(values_of(samples.labels) == Longs{0, 1, -1, -1});
  const TemporaryFolder parts;
  write_image(parts / "Train/cat/1.png", gray_png(1));
  write_image(parts / "Test/cat/1.png", gray_png(1));
  CHECK(folder_error(parts.path())
            .starts_with("read_image_folder: expected folders of classes but got Test, Train in "));
}

TEST_CASE("read_image_folder refuses names of classes that no model could keep", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  const TemporaryFolder folder;
  write_image(folder / "caf\xE9/1.png", gray_png(1));
  write_image(folder / "tea/1.png", gray_png(2));
  CHECK(folder_error(folder.path()) ==
        "read_image_folder: expected names of classes in UTF-8 but got 'caf' and other bytes in " +
            folder.path().string() + " (rename the folder).");
}

TEST_CASE("read_image_folder gives no labels to a folder without class folders", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  const TemporaryFolder folder;
  write_image(folder / "b.png", gray_png(1));
  write_image(folder / "a.png", gray_png(2));
  const Samples samples = read_image_folder(folder.path());
  CHECK(samples.classes.empty());
  CHECK(samples.names == Strings{"a.png", "b.png"});
  CHECK(values_of(samples.labels) == Longs{-1, -1});
}

TEST_CASE("read_image_folder makes all images RGB if one is", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  const TemporaryFolder folder;
  write_image(folder / "a/gray.png", gray_png(9));
  write_image(folder / "b/color.png", rgb_png(1, 2, 3));
  const Samples samples = read_image_folder(folder.path());
  CHECK(samples.images.sizes() == torch::IntArrayRef({2, 3, 2, 3}));
  CHECK(values_of(samples.images.select(3, 2).select(2, 1)) == Longs{9, 9, 9, 1, 2, 3});
}

TEST_CASE("read_image_folder decides by content and reads JPEG beside PNG", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  const TemporaryFolder folder;
  const auto images = fixture_folder() / "images";
  write_image(folder / "a/jpeg.png", file_bytes(images / "rgb.jpg"));
  write_image(folder / "a/png", png_bytes({17, 13, 8, 0}, std::vector<int>(17 * 13, 5)));
  const Samples samples = read_image_folder(folder.path());
  CHECK(samples.images.sizes() == torch::IntArrayRef({2, 3, 13, 17}));
  CHECK(samples.images[1].eq(5).all().item<bool>());
  CHECK(samples.images[0].to(torch::kLong).sum().item<int64_t>() == 82069);  // as Pillow reads it
}

TEST_CASE("read_image_folder names files that it cannot read and leaves them out", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  const TemporaryFolder folder;
  const std::string whole = gray_png(1);
  const auto broken_data =
      png_header({3, 2, 8, 0}) + png_chunk("IDAT", "no deflate") + png_chunk("IEND", "");
  write_image(folder / "a/1.png", whole);
  write_image(folder / "a/2.png", broken_data);
  write_image(folder / "a/3.png", gray_png(3));
  write_image(folder / "a/labels.txt", "3,cat\n");
  write_image(folder / "b/4.png", whole.substr(0, 20));
  write_image(folder / "c/cmyk.jpg", file_bytes(fixture_folder() / "images" / "cmyk.jpg"));
  write_image(folder / "d/5.png", gray_png(5));
  fs::create_directories(folder / "e");
  fs::create_symlink("nowhere", folder / "a/link.png");
  fs::create_directory_symlink(folder / "a", folder / "a/loop");
  const Samples samples = read_image_folder(folder.path());
  CHECK(samples.classes == Strings{"a", "d"});
  CHECK(samples.names == Strings{"a/1.png", "a/3.png", "d/5.png"});
  CHECK(values_of(samples.labels) == Longs{0, 0, 1});
  CHECK(values_of(samples.images.select(3, 0).select(2, 0)) == Longs{1, 3, 5});

  const auto at = [&](const char* name) { return " in " + (folder / name).string(); };
  const std::string begin = "read_image_folder: expected ";
  REQUIRE(samples.problems.size() == 6);
  CHECK(samples.problems[0] ==
        begin + "a file but got a broken link or a device" + at("a/link.png") + ".");
  CHECK(samples.problems[1] ==
        begin + "a folder but got a link to a folder around it" + at("a/loop") + ".");
  CHECK_THAT(samples.problems[2], Catch::StartsWith(begin + "a whole PNG image but got \""));
  CHECK_THAT(samples.problems[2],
             Catch::EndsWith("\"" + at("a/2.png") + " (fetch the file again)."));
  CHECK(samples.problems[3] ==
        begin + "a PNG or JPEG image but got text that begins with \"3,cat\"" + at("a/labels.txt") +
            " (only PNG and JPEG files are read as pictures).");
  CHECK_THAT(samples.problems[4], Catch::Contains(at("b/4.png")));
  CHECK(samples.problems[5] == begin + "a gray or RGB JPEG image but got CMYK" + at("c/cmyk.jpg") +
                                   " (convert it to RGB).");
  CHECK(samples.notes == Strings{"3 classes are left out because no picture of them can be read: "
                                 "'b' (1 file), 'c' (1 file) and 'e' (no file)"});
  for (const char* name : {"c/cmyk.jpg", "c", "e"}) fs::remove(folder / name);
  write_image(folder / "b/5.png", "broken");
  CHECK(read_image_folder(folder.path()).notes ==
        Strings{"a class is left out because no picture of it can be read: 'b' (2 files)"});
}

TEST_CASE("read_image_folder follows no link to the folders around a class", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  const TemporaryFolder folder;
  const auto root = folder / "in/fruit";
  write_image(root / "apple/1.png", gray_png(1));
  write_image(root / "pear/2.png", gray_png(2));
  write_image(folder / "elsewhere/more/3.png", gray_png(3));
  fs::create_directory_symlink("..", root / "apple/all");
  fs::create_directory_symlink("../../..", root / "apple/top");
  fs::create_directory_symlink(folder / "elsewhere/more", root / "pear/more");
  // The folder itself may be reached by a link.
  fs::create_directory_symlink(root, folder / "link");
  for (const auto& path : {root, folder / "link"}) {
    const Samples samples = read_image_folder(path);
    CHECK(samples.names == Strings{"apple/1.png", "pear/2.png", "pear/more/3.png"});
    CHECK(values_of(samples.labels) == Longs{0, 1, 1});
    REQUIRE(samples.problems.size() == 2);
    CHECK(samples.problems[0] ==
          "read_image_folder: expected a folder but got a link to a folder around it in " +
              (path / "apple/all").string() + ".");
  }
}

TEST_CASE("read_image_folder notes classes whose names are nearly the same", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  const std::string composed = "\xC3\x96lfleck", decomposed = "O\xCC\x88lfleck";
  const std::string capital = "GR\xC3\x9CN", small = "gr\xC3\xBCn";
  const auto notes = [](const Strings& names) {
    const TemporaryFolder folder;
    for (const auto& name : names) write_image(folder / name / "1.png", gray_png(1));
    return read_image_folder(folder.path()).notes;
  };
  CHECK(notes({"Tasche", "tasche", "ta sche", "Hose"}) ==
        Strings{"classes 'Tasche', 'ta sche' and 'tasche' differ only in case or spaces"});
  CHECK(notes({capital, small}) ==
        Strings{"classes '" + capital + "' and '" + small + "' differ only in case or spaces"});
  CHECK(notes({composed, decomposed}) == Strings{"classes '" + decomposed + "' and '" + composed +
                                                 "' differ only in the encoding of their accents"});
  // Greek and Cyrillic letters, and those of Latin Extended-A, in capital letters.
  CHECK(notes({"\xCE\x91", "\xCE\xB1", "\xD0\x96", "\xD0\xB6", "\xC5\x81", "\xC5\x82"}).size() ==
        3);
  CHECK(notes({"O", "\xC3\x96", "\xC3\x98", "0", "\xC3\x9F"}).empty());
}

TEST_CASE("read_image_folder notes folders of what nobody has sorted", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  const TemporaryFolder folder;
  for (const char* name : {"Hose/1.png", "Unsortiert/2.png", "Unsortiert/3.png", "neuheit/4.png"}) {
    write_image(folder / name, gray_png(1));
  }
  const Samples samples = read_image_folder(folder.path());
  CHECK(samples.classes == Strings{"Hose", "Unsortiert", "neuheit"});
  CHECK(samples.notes ==
        Strings{"the folder 'Unsortiert' is read as a class, of 2 of 4 pictures (name it unlabeled "
                "if their class is not known)"});
}

TEST_CASE("read_image_folder notes pictures whose proportions a size changes", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  const TemporaryFolder folder;
  write_image(folder / "a/1.png", gray_png(1, 8, 8));
  write_image(folder / "a/2.png", gray_png(1, 40, 4));
  write_image(folder / "b/3.png", gray_png(1, 16, 16));
  write_image(folder / "b/4.png", gray_png(1, 40, 4));
  const Samples scaled = read_image_folder(folder.path(), {.size = {{8, 8}}});
  CHECK(scaled.notes == Strings{"scaling to 8x8 (height x width) changed the proportions of 2 of 4 "
                                "pictures: 4x40 (2 files, such as a/2.png)"});
  // 10 to 11 is a tenth, which is the most that passes.
  const Samples one = read_image_file(folder / "a/1.png", {.size = {{10, 11}}});
  CHECK(one.notes.empty());
  CHECK(read_image_file(folder / "a/1.png", {.size = {{10, 12}}}).notes ==
        Strings{"scaling to 10x12 (height x width) changed the proportions of the picture: 8x8 (1 "
                "file, such as 1.png)"});
}

TEST_CASE("read_image_folder gives the same on any number of threads", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  const TemporaryFolder folder;
  for (int i = 0; i < 60; ++i) {
    const std::string bytes = i % 7 == 3 ? "broken" : gray_png(i);
    write_image(folder / (std::to_string(i % 4) + "/" + std::to_string(i) + ".png"), bytes);
  }
  const int before = torch::get_num_threads();
  torch::set_num_threads(1);
  const Samples one = read_image_folder(folder.path(), {.size = {{5, 5}}});
  torch::set_num_threads(4);
  const Samples four = read_image_folder(folder.path(), {.size = {{5, 5}}});
  torch::set_num_threads(before);
  CHECK(torch::equal(one.images, four.images));
  CHECK(torch::equal(one.labels, four.labels));
  CHECK(one.names == four.names);
  CHECK(one.problems == four.problems);
  CHECK(one.rows() == 51);
  CHECK(one.problems.size() == 9);
}

TEST_CASE("read_image_folder refuses images of several sizes without a size", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  const TemporaryFolder folder;
  write_image(folder / "a/1.png", gray_png(1, 3, 2));
  write_image(folder / "a/2.png", gray_png(1, 4, 2));
  write_image(folder / "b/3.png", gray_png(1, 4, 2));
  const std::string begin =
      "read_image_folder: expected images of one size, height x width, but got ";
  const std::string end = " in " + folder.path().string() +
                          " (give the size to scale them to: --size 2x4, or "
                          "ImageFolderOptions::size).";
  CHECK(folder_error(folder.path()) ==
        begin + "2x4 (2 files, such as a/2.png) and 2x3 (1 file, such as a/1.png)" + end);
  write_image(folder / "b/4.png", gray_png(1, 9, 9));
  write_image(folder / "b/5.png", gray_png(1, 8, 9));
  write_image(folder / "b/6.png", gray_png(1, 7, 9));
  CHECK(folder_error(folder.path()) == begin +
                                           "2x4 (2 files, such as a/2.png), 2x3 (1 file, such as "
                                           "a/1.png), 9x7 (1 file, such as b/6.png) and 2 other "
                                           "sizes" +
                                           end);
  const Samples scaled = read_image_folder(folder.path(), {.size = {{6, 5}}});
  CHECK(scaled.images.sizes() == torch::IntArrayRef({6, 1, 6, 5}));
  CHECK(scaled.images.eq(1).all().item<bool>());
}

TEST_CASE("read_image_folder scales with antialiasing like Pillow", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  if (!python("PIL")) LADDER_SKIP(kNoPython);
  const TemporaryFolder folder;
  fs::create_directories(folder / "images");
  const auto outcome = run_python(R"(
import sys, numpy as np
from PIL import Image
out = sys.argv[1]
r = np.random.default_rng(5)
images = [r.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((64, 48), (31, 57), (9, 8))]
scaled = []
for i, image in enumerate(images):
    image = Image.fromarray(image)
    image.save(f"{out}/images/{i}.png")
    scaled.append(np.asarray(image.resize((20, 16), Image.Resampling.BILINEAR)))
with open(f"{out}/pixels", "wb") as f:
    f.write(np.stack(scaled).transpose(0, 3, 1, 2).tobytes())
)",
                                  {folder.path().string()});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const std::string expected = file_bytes(folder / "pixels");
  const Samples samples = read_image_folder(folder / "images", {.size = {{16, 20}}});
  REQUIRE(samples.images.numel() == static_cast<int64_t>(expected.size()));
  const auto pillow =
      torch::from_blob(const_cast<char*>(expected.data()), samples.images.sizes(), torch::kUInt8);
  const auto difference = (samples.images.to(torch::kInt) - pillow.to(torch::kInt)).abs();
  // Both scale columns, then rows, by weights of a fixed point, and round to 8 bits after each: a
  // last bit of the weights may round a level the other way, twice.
  CHECK(difference.max().item<int>() <= 2);
  CHECK(difference.to(torch::kDouble).mean().item<double>() < 0.05);
}

TEST_CASE("read_image_folder says what is wrong with a folder", "[data]") {
  const TemporaryFolder folder;
  const std::string begin = "read_image_folder: expected ";
  const std::string at = folder.path().string();
  CHECK(folder_error(folder / "none") ==
        begin + "a folder but got nothing at " + at + "/none (check the path).");
  CHECK(folder_error(write_file(folder / "file", "x")) ==
        begin + "a folder but got a file at " + at + "/file.");
  fs::create_directories(folder / "empty/a");
  CHECK(folder_error(folder / "empty") ==
        begin + "PNG or JPEG images but got no file in " + at +
            "/empty (subfolders are classes, unlabeled/ has no labels).");
  write_image(folder / "texts/a/1.txt", "one");
  write_image(folder / "texts/b/2.txt", "two");
  CHECK(folder_error(folder / "texts") ==
        begin + "PNG or JPEG images but could read none of 2 files in " + at +
            "/texts (the first: expected a PNG or JPEG image but got text that begins with \"one\" "
            "in " +
            at + "/texts/a/1.txt (only PNG and JPEG files are read as pictures).)");
  write_image(folder / "parts/train/a/1.png", "x");
  write_image(folder / "parts/test/a/1.png", "x");
  CHECK(folder_error(folder / "parts") == begin + "folders of classes but got test, train in " +
                                              at + "/parts (read each part by itself: " + at +
                                              "/parts/test).");
  CHECK(folder_error(folder / "texts", {.size = {{0, 4}}}) ==
        begin + "a size of 1x1 to 16384x16384 but got 0x4.");
}

TEST_CASE("read_image_folder refuses images that do not fit into memory", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  const TemporaryFolder folder;
  // 5,000 links to one file, scaled to 768 MiB each: 3.7 TiB.
  fs::create_directories(folder / "a");
  write_file(folder / "a/image.png", rgb_png(1, 2, 3));
  for (int i = 1; i < 5000; ++i) {
    fs::create_hard_link(folder / "a/image.png", folder / ("a/" + std::to_string(i) + ".png"));
  }
  const std::string error = folder_error(folder.path(), {.size = {{16384, 16384}}});
  CHECK_THAT(error, Catch::StartsWith("read_image_folder: expected images that fit into memory ("));
  CHECK_THAT(error, Catch::EndsWith(" GiB) but got 5000 images of 805306368 bytes in " +
                                    folder.path().string() + " (scale them down: --size HxW)."));
}

TEST_CASE("read_image_file reads one image or says what it is", "[data]") {
  if (!has_image_codecs()) LADDER_SKIP(kNoImages);
  const TemporaryFolder folder;
  write_file(folder / "x.png", rgb_png(1, 2, 3));
  const Samples one = read_image_file(folder / "x.png");
  CHECK(one.images.sizes() == torch::IntArrayRef({1, 3, 2, 3}));
  CHECK(values_of(one.labels) == Longs{-1});
  CHECK(one.names == Strings{"x.png"});
  const Samples scaled = read_image_file(folder / "x.png", {.size = {{4, 4}}});
  CHECK(scaled.images.sizes() == torch::IntArrayRef({1, 3, 4, 4}));
  write_file(folder / "y.png", "GIF89a");
  CHECK(error_text([&] { read_image_file(folder / "y.png"); }) ==
        "read_image_file: expected a PNG or JPEG image but got a GIF image in " +
            (folder / "y.png").string() + " (convert it to PNG).");
  CHECK(error_text([&] { read_image_file(folder / "z.png"); }) ==
        "read_image_file: expected a readable file but could not open it in " +
            (folder / "z.png").string() + " (check its permissions).");
}
