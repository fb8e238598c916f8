/// The flags of every command that reads rows.
#pragma once

#include <ladder/classifier.h>
#include <ladder/data/read_samples.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/support/command_line.h"

namespace ladder::apps {

/// How DATA is read.
struct DataFlags {
  data::ReadOptions read = {};
  std::vector<std::string> ignore = {};  ///< columns that are not features
  /// Lists of --missing that may be meant as one number with a decimal comma: -999,0.
  std::vector<std::string> unclear_missing = {};
};

/// Add `--delimiter`, `--decimal`, `--header`, `--missing` and `--text-columns`.
void add_table_flags(CommandLine& line, DataFlags& flags);
/// Add these and `--size`, for commands that read images, too.
void add_data_flags(CommandLine& line, DataFlags& flags);

/// Return the path of DATA: the standard input for "-".
std::string input_path(const std::string& text);

/// Append the words of a flag's text, for a flag that may be given several times.
void append_words(const std::string& text, std::vector<std::string>& words);

/// Return the first bytes of a file, at most `bytes`; none of a folder or a pipe.
std::string head_of(const std::filesystem::path& path, size_t bytes);
/// Return whether a file is one that Arrow reads, by its first bytes or by its name.
bool is_arrow_file(const std::filesystem::path& path);
/// Return whether a path is one that data::CsvReader takes, or refuses with a sentence.
bool is_text_table(const std::filesystem::path& path);

/// Read DATA, report what could not be or is not read on the standard error, notes before files
/// that cannot be read, and check that the label column is there if `label` is not empty. Errors:
/// those of read_samples.
data::Samples read_data(const std::string& path, const DataFlags& flags, const std::string& label);

/// Notes on lists of --missing that may be meant as one number, for rows with this decimal mark.
std::vector<std::string> missing_notes(const DataFlags& flags, char decimal);

/// Take these texts for missing values, too.
void add_missing(DataFlags& flags, const std::vector<std::string>& texts);

/// Take those of these texts for values that are usually missing values, such as "None" where a
/// model knows it as a level.
void add_values(DataFlags& flags, const std::vector<std::string>& texts);

/// Read flags so that columns are of the kinds that a model expects, what was missing in its
/// training is missing, and numbers are read as there.
DataFlags flags_for(const Classifier& classifier, DataFlags flags);

/// Labels of rows in the order of the model's classes, int64 [rows]; -1 for none. Errors: no label
/// column; a class that the model does not know.
torch::Tensor labels_for(const Classifier& classifier, const data::Samples& samples,
                         const std::string& label);

/// Check that a model takes these rows. Errors: pictures for a model of tables, or the other way
/// round; pictures in colours for a model of gray ones, of which the sentence names one.
void check_takes(const Classifier& classifier, const data::Samples& samples);

/// Return the settings of a run of `ladder-mnist` or `ladder-cifar10`; none for another folder, and
/// where its config.json cannot be read.
std::optional<runs::RunConfig> recipe_config(const std::filesystem::path& folder);

/// Return whether a path is the folder of a run, or named as a model file is.
bool is_model(const std::filesystem::path& path);

/// The model file of MODEL: the file itself, or the one in a run folder. Error: a folder without.
std::filesystem::path model_path(const std::string& model);

/// The same where `command` takes MODEL and then DATA. Error: MODEL and DATA are swapped.
std::filesystem::path model_path(const std::string& command, const std::string& model,
                                 const std::string& data);

/// Return the rows of a table, or the images, at the places `rows`, int64 [n].
data::Samples some_rows(const data::Samples& samples, const torch::Tensor& rows);

/// Error: one of them holds a table, images or shards, and the other one something else.
void check_same_kind(const data::Samples& rows, const data::Samples& more);

/// Error: images of another size in `more` than in `rows`, or of another number of channels; gray
/// ones beside colours are taken.
void check_image_shape(const data::Samples& rows, const data::Samples& more);

/// Append the rows of `more` to `rows`; columns are found by name. Gray pictures are taken among
/// coloured ones. Errors: a column that is missing (the label column and `ignored` ones may be), a
/// column of another kind, images of another size.
void append_rows(data::Samples& rows, const data::Samples& more, const std::string& label,
                 const std::vector<std::string>& ignored = {});

}  // namespace ladder::apps
