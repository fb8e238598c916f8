/// Tables of more rows than memory holds, as files of NumPy arrays.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "ladder/data/block_order.h"
#include "ladder/data/features.h"
#include "ladder/data/row_source.h"
#include "ladder/data/table.h"

namespace ladder::data {

/// Name of the file that describes a folder of shards.
inline constexpr const char* kShardIndex = "index.json";

/// Return whether `path` is a folder of shards.
bool is_shards(const std::filesystem::path& path);

/// A column of shards. A text is stored as the index of its level, as a float; NaN is missing.
struct ShardColumn {
  std::string name = {};
  ColumnKind kind = ColumnKind::kNumber;
  std::vector<std::string> levels = {};  ///< of a text
  bool missing = false;                  ///< some row has no value
};

/// A folder of shards, open for reading.
///
///     rows-00000.npy    float32 [n, columns], C order: rows of a table, without the label
///     labels-00000.npy  int32 [n]: index of the class, -1 for none; absent without a label column
///     index.json        columns, classes, label, missing texts (Table::missing), the decimal mark
///                       that was given, the columns of an array (Table::array_columns), and for
///                       each shard its rows and CRC-32 check sums
///
/// A number is rounded to float32. Opening reads headers only. Rows are read when they are asked
/// for, by position, so the memory of the process does not grow with the number of rows, and rows
/// that were read before come from the page cache. The files that were read last stay open, up to a
/// quarter of those that the process may open. Several threads may read at once.
///
/// Errors: no folder of shards; a shard that is missing, is no such array, or has another number of
/// rows than the index says (the file is named); while reading, a shard that ends early or has
/// changed since it was opened.
class Shards {
 public:
  explicit Shards(const std::filesystem::path& folder);
  Shards(Shards&&) noexcept;
  Shards& operator=(Shards&&) = delete;
  ~Shards();

  const std::filesystem::path& folder() const;
  int64_t rows() const;
  const std::vector<ShardColumn>& columns() const;
  const std::vector<std::string>& classes() const;
  const std::string& label() const;  ///< "" without labels
  /// Texts that were missing values in what was converted, see Table::missing.
  const std::vector<std::string>& missing() const;
  /// Decimal mark that the reader of what was converted was given, 0 if none, see
  /// Table::decimal_given.
  char decimal() const;
  /// Number of columns of the array that was converted, 0 if columns had names, see
  /// Table::array_columns.
  int64_t array_columns() const;

  /// Return rows as a table without the label column: those numbered `rows` (int64 [n]), or
  /// begin..end-1.
  Table table(const torch::Tensor& rows) const;
  Table table(int64_t begin, int64_t end) const;
  /// Return the same without the levels of texts, which `columns` has: for programs that read many
  /// batches. Its codes are those of table(rows).
  Table codes(const torch::Tensor& rows) const;
  /// Return `count` rows, or all if there are fewer, drawn by `seed` (`sample_rows`), ascending.
  Table sample(int64_t count, uint64_t seed) const;

  /// Return the labels of `rows`, int64 [n]; -1 for none.
  torch::Tensor labels(const torch::Tensor& rows) const;
  /// Return all rows with a label, int64 and ascending: one pass over the labels.
  torch::Tensor labeled_rows() const;

  /// Ask the system to read rows ahead: successive ones of 64 KiB or more always, others if the
  /// last reads had to wait for the disk.
  void expect(const torch::Tensor& rows) const;

  /// Return the seconds that reading a row takes on average, measured at up to 200 random places
  /// and for about two seconds at most: microseconds from the page cache, some .1 ms from a
  /// solid-state disk, several milliseconds from a spinning one. The slowest twentieth is left out:
  /// another program may have had the processor.
  double random_read_seconds() const;
  /// Return blocks of about a megabyte, to shuffle rows by.
  BlockSizes block_sizes() const;

  /// Read all files and compare their check sums with the index: about a second per GB. Files
  /// without a check sum are left out. Error: a file that is damaged, by name.
  void verify() const;
  /// The same for the files of labels alone.
  void verify_labels() const;
  /// Return a text that is equal for equal shards.
  std::string fingerprint() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Return a source of the rows of shards as inputs of a network: those that `features` makes.
std::shared_ptr<const RowSource> row_source(std::shared_ptr<const Shards> shards,
                                            Features features);

}  // namespace ladder::data
