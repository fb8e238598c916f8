/// Writes tables of more rows than memory holds as shards.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "ladder/data/table.h"

namespace ladder::data {

struct ShardWriterOptions {
  std::string label = {};                ///< column of the labels; "" for none
  std::vector<std::string> except = {};  ///< columns that are left out
  int64_t rows_per_shard = 4'000'000;
};

/// Maximum number of levels of a text column, and of classes, in shards.
inline constexpr int64_t kMaxShardLevels = 10'000;
/// Maximum total size of all levels and classes in the index, so that it can be read: 32 MiB.
inline constexpr int64_t kMaxShardTextBytes = int64_t{32} << 20;

/// Throw if `folder` already holds shards. ShardWriter checks this too; call it first to avoid
/// reading rows in vain.
void check_no_shards(const std::filesystem::path& folder);

/// Writes shards block by block, in constant memory.
///
///     ShardWriter writer("shards", {.label = "state"});
///     while (auto block = reader.next(100'000)) writer.add(*block);
///     writer.finish();
///
/// The index is written last, so an unfinished folder is not a valid folder of shards.
///
/// Errors: the folder holds shards already or cannot be written; a block without a column of the
/// first one, or with a text in a column of numbers; an array of another number of columns than the
/// first one; a number that float32 does not hold; more than kMaxShardLevels levels of a text
/// column (leave it out) or classes; more than kMaxShardTextBytes bytes of them.
class ShardWriter {
 public:
  explicit ShardWriter(std::filesystem::path folder, ShardWriterOptions options = {});
  ShardWriter(ShardWriter&&) noexcept;
  ShardWriter& operator=(ShardWriter&&) = delete;
  ~ShardWriter();

  void add(const Table& block);
  int64_t rows() const;  ///< so far
  /// Write what is left and the index. Errors: no row.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ladder::data
