/// A folder of PNG and JPEG images.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>

#include "ladder/data/samples.h"

namespace ladder::data {

struct ImageFolderOptions {
  /// Height and width that every image is scaled to; by default all images must have one size.
  std::optional<std::pair<int64_t, int64_t>> size = {};
  bool folders_are_classes = true;  ///< false: of new images, about whose folders nothing is said
};

/// Read the images of a folder. Its subfolders are the classes, with images at any depth below
/// them:
///
///     fruit/apple/1.png  fruit/apple/2.jpg  fruit/pear/1.png  fruit/unlabeled/7.png
///
/// Classes are sorted by name, or by value if all names are numbers; 1 and 1.0 are one class then.
/// Images in `unlabeled` (also `Unlabeled`, `unlabelled` and `-1`) have no label, nor have images
/// that lie directly in the folder. Rows are sorted by class, then unlabeled ones, each by the path
/// of the file, which is in `Samples::names`. Files and folders whose name begins with a dot are
/// not looked at.
///
/// The content of a file decides its format. Images become gray [N, 1, H, W] if all of them are
/// gray, else RGB [N, 3, H, W]. PNG: samples of 1 to 16 bits become 8 bits; transparent pixels are
/// composed on white; another gamma than that of sRGB is converted. JPEG: gray, YCbCr or RGB,
/// turned as the orientation says that a camera noted (Exif). With `size`, images of another size
/// are scaled by bilinear interpolation with antialiasing, which does not keep their proportions.
///
/// A file that cannot be read leaves out its row and adds a sentence to `Samples::problems`: a
/// truncated or damaged image, CMYK, another format, any other file. A link to a folder around it
/// is not followed and adds one, too. Files are decoded on the library's threads, as many as
/// LibTorch uses.
///
/// `Samples::notes` says, in this order: which classes are left out as none of their images can be
/// read; which folders are named as if nobody had sorted them (new, unsorted, unknown); which
/// classes differ only in case, in spaces or in the Unicode form of a letter; how many images
/// `size` stretches by more than a tenth. The first three are left out where the folders are no
/// classes, as those of new images.
///
/// Throws `c10::Error`: no such folder, no file in it, no file that can be read, images of several
/// sizes without `size`, folders named train and test in place of classes, images that do not fit
/// into the memory of the machine.
///
///     Samples fruit = read_image_folder("fruit", {.size = {{32, 32}}});
///     fruit.images;   // uint8 [N, 3, 32, 32]
///     fruit.classes;  // apple, pear
Samples read_image_folder(const std::filesystem::path& folder,
                          const ImageFolderOptions& options = {});

/// Read one image, as one row without a label. Throws `c10::Error` as `read_image_folder` does, and
/// if the image cannot be read.
Samples read_image_file(const std::filesystem::path& path, const ImageFolderOptions& options = {});

}  // namespace ladder::data
