/// Where data is looked for: what the `find_` functions of the data sets share.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ladder::data {

/// Return the path in the environment variable `variable`, or an empty path.
std::filesystem::path environment_path(const char* variable);

/// Return `${XDG_CACHE_HOME:-$HOME/.cache}/ladder/<name>`, or an empty path if neither is set.
std::filesystem::path cache_folder(const std::string& name);

/// Return the folders as a list for a message: "a, b", or "no folder".
std::string list_folders(const std::vector<std::filesystem::path>& folders);

/// Return the names in a folder, sorted; none if it is no folder or cannot be read.
std::vector<std::string> names_in(const std::filesystem::path& folder);

/// Return whether there is a folder or a file; false where the path cannot be looked at.
bool is_folder(const std::filesystem::path& path);
bool is_a_file(const std::filesystem::path& path);

/// Return a text with the letters a to z in place of A to Z.
std::string lower_text(std::string text);

/// Return a name of a class in small letters and without blanks (io::folded_text): names that look
/// nearly the same become equal.
std::string folded_class(const std::string& name);

/// Return whether a folder of this name may hold what nobody has sorted yet: unsorted, new, unknown
/// and the like, in English or German, in any case of letters.
bool is_unsorted_name(const std::string& folder);

/// Return whether a folder of this name is a part of a data set: train, training, test, testing,
/// val, valid or validation, in any case of letters.
bool is_part_name(const std::string& name);

/// Return whether a file of this name is a picture that the library reads: .png, .jpg, .jpeg.
bool is_picture_name(const std::string& name);

/// Return `name` without what copies of a published file differ in: case, the endings .gz, .idx,
/// .bin and .ubyte, and dots or underscores in place of dashes.
///
///     plain_name("Train-Images.idx3-ubyte.gz");  // "train-images-idx3-ubyte"
std::string plain_name(std::string name);

/// Return the file in `folder` whose plain name is `stem`, also in a folder of that name, or an
/// empty path. Of several, the one named `stem` wins, then `stem`.gz; an empty file comes last.
std::filesystem::path find_named_file(const std::filesystem::path& folder, const std::string& stem);

}  // namespace ladder::data
