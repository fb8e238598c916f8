#include <fmt/format.h>
#include <ladder/data/arrow.h>
#include <ladder/data/csv.h>
#include <ladder/data/read_samples.h>
#include <ladder/data/shard_writer.h>
#include <ladder/data/shards.h>

#include <cstdio>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "apps/commands/commands.h"
#include "apps/commands/data_flags.h"
#include "apps/commands/data_notes.h"
#include "apps/support/command_line.h"
#include "apps/support/output.h"
#include "apps/support/program.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kBlockRows = 100'000;

struct ConvertFlags {
  std::vector<std::string> data = {};
  data::ShardWriterOptions shards = {};
  fs::path out = {};
  DataFlags read = {};
  bool quiet = false;
  bool help = false;
};

CommandLine convert_line(ConvertFlags& flags) {
  CommandLine line("ladder convert",
                   "Convert large tables to shards, which `ladder train` and `ladder predict` read "
                   "in constant memory.");
  line.word(
      "DATA", "tables with the same columns (CSV, Parquet, Feather, NPZ)", true,
      [&](const auto&, const auto& text) { flags.data.push_back(text); }, /*repeated=*/true);
  line.flag("out,o", "SHARDS", "folder to write",
            [&](const auto& flag, const auto& text) { flags.out = parse_folder(flag, text); });
  line.flag("label", "COL", "column of the labels, if any; found automatically in NPZ files",
            [&](const auto&, const auto& text) { flags.shards.label = text; });
  line.flag("ignore", "COL,...", "columns to leave out, such as identifiers",
            [&](const auto&, const auto& text) { append_words(text, flags.shards.except); });
  line.integer("rows", "rows in a shard (4000000)", flags.shards.rows_per_shard, 1);
  add_table_flags(line, flags.read);
  line.toggle("quiet", "print nothing", flags.quiet);
  line.toggle("help", "print this and exit", flags.help);
  line.footer(
      "Numbers are rounded to float32. CSV files are read in blocks and Parquet and Feather files "
      "batch by batch; an NPZ file is read whole.");
  return line;
}

// Hand the rows of a file to `take`, block by block, until it returns false, with the column that
// the file itself says are the labels.
template <typename Take>
void for_each_block(const std::string& path, const ConvertFlags& flags, const data::CsvOptions& csv,
                    const Take& take) {
  if (is_arrow_file(path)) {
    data::read_arrow_blocks(path, [&](const data::Table& block) {
      if (csv.missing.empty() && csv.text_columns.empty()) return take(block, "");
      auto changed = block;
      data::apply_options(changed, csv);
      return take(changed, "");
    });
    return;
  }
  if (!is_text_table(path)) {
    const auto samples = read_data(path, flags.read, flags.shards.label);
    if (!samples.table) {
      throw UsageError(fmt::format("expected tables in DATA but got {} in {}.",
                                   samples.shards ? "shards" : "images", path));
    }
    take(*samples.table, samples.label);
    return;
  }
  data::CsvReader reader(path, csv);
  while (const auto block = reader.next(kBlockRows)) {
    if (!take(*block, "")) return;
  }
  print_notes(missing_notes(flags.read, reader.decimal()));
}

}  // namespace

int convert_command(int argc, const char* const* argv) {
  ConvertFlags flags;
  auto line = convert_line(flags);
  line.parse(argc, argv);
  line.apply();
  if (flags.help) {
    print(line.help());
    return 0;
  }
  if (flags.out.empty()) throw UsageError("expected the folder to write in -o but got none.");
  data::check_no_shards(flags.out);
  catch_interruption();
  auto csv = flags.read.read.csv;
  csv.unused = flags.shards.except;
  if (!flags.shards.label.empty()) csv.text_columns.push_back(flags.shards.label);
  std::optional<data::ShardWriter> writer;
  std::vector<std::string> names;  // of the first file, and those that are left out
  for (const auto& path : flags.data) {
    bool is_first_block = true;
    int64_t empty_rows = 0;
    for_each_block(path, flags, csv, [&](const data::Table& block, const std::string& label) {
      if (stop_requested()) return false;
      for (const auto& column : block.columns) csv.kinds[column.name] = column.kind;
      if (!writer) {
        if (flags.shards.label.empty()) flags.shards.label = label;
        writer.emplace(flags.out, flags.shards);
      }
      if (names.empty()) {
        names = flags.shards.except;
        for (const auto& column : block.columns) names.push_back(column.name);
      } else if (is_first_block && !flags.quiet) {
        print_notes(unused_columns_note(names, block));
      }
      is_first_block = false;
      if (flags.shards.label.empty()) {  // rows to predict have an answer each
        writer->add(block);
        return true;
      }
      auto rows = block;
      empty_rows += data::drop_empty_rows(rows);
      writer->add(rows);
      return true;
    });
    if (!flags.quiet) print_notes(empty_rows_note(empty_rows, path));
    if (stop_requested()) {
      print(fmt::format("interrupted; {} is not finished\n", flags.out.string()));
      return kInterrupted;
    }
  }
  if (!writer) writer.emplace(flags.out, flags.shards);  // it says that there is no row
  writer->finish();
  if (flags.quiet) return 0;
  const data::Shards shards(flags.out);
  print(fmt::format("shards    {} of {} in {}\n", counted(shards.rows(), "row"),
                    counted(std::ssize(shards.columns()), "column"), flags.out.string()));
  if (!shards.label().empty()) {
    print(fmt::format("labels    {}, {}\n", counted(shards.labeled_rows().numel(), "row"),
                      counted(std::ssize(shards.classes()), "class", "classes")));
    print(fmt::format("next      ladder train {}\n", shell_word(flags.out.string())));
  }
  return 0;
}

}  // namespace ladder::apps
