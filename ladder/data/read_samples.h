/// Rows of any source that the library reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "ladder/data/csv.h"
#include "ladder/data/samples.h"

namespace ladder::data {

struct ReadOptions {
  /// How tables in text files are read; `missing` and `text_columns` hold for other tables too.
  CsvOptions csv = {};
  std::string label = {};    ///< column of a table that is read as text, if it is there
  std::string id = {};       ///< another one
  Part part = Part::kTrain;  ///< part of a source that has a training and a test part
  std::optional<std::pair<int64_t, int64_t>> size = {};  ///< height and width to scale images to
  bool folders_are_classes = true;                       ///< see ImageFolderOptions
};

/// Read the rows of a file or folder. Content and names decide what it is:
///
/// - CSV or TSV, plain or gzip (`read_csv`): a table.
/// - Parquet, Feather, Arrow (`read_arrow`): a table.
/// - NPZ with x and y, or x.npy and y.npy: images if x is uint8 [N, H, W], [N, C, H, W] or
///   [N, H, W, C], else a table with columns x0, x1, ... and the label y.
/// - Folder of shards (`Shards`): shards.
/// - Folder of images, a single image (`read_image_folder`): images.
/// - Folder of IDX files, one of its files of images (`read_idx_folder`): images.
/// - Folder of CIFAR-10 or CIFAR-100, one of its files (`read_cifar_folder`): images.
///
/// Arrays of an NPZ file may also be named x_train, x_test, train_images, labels and so on. The
/// label column of a table stays in the table, as text. Labels of arrays are numbers, one a row; -1
/// and NaN mean none.
///
/// A folder with the subfolders `train` and `test` (or `val`, in any case of letters) has two
/// parts, unless another subfolder holds pictures too: all are classes then. The part is ignored
/// where there is only one.
///
/// Throws `c10::Error`: those of the readers; no such path; a file or folder that none of them
/// takes: the sentence says what it is and what is taken; a size for a table.
/// `Samples::notes` says how many images a size stretches.
///
///     Samples rows = read_samples("people.csv", {.label = "income"});
Samples read_samples(const std::filesystem::path& path, const ReadOptions& options = {});

/// Apply `missing` and `text_columns` to a table that another reader than read_csv returned, as
/// `read_samples` does. Error: a column of `text_columns` that is not there.
void apply_options(Table& table, const CsvOptions& options);

/// Return the last part of the path of a source: "rows" of "data/rows/".
std::string source_name(const std::string& source);

/// Return whether `read_samples` would find a test part beside the training part at `path`.
bool has_test_part(const std::filesystem::path& path);

}  // namespace ladder::data
